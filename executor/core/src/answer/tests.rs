#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::read::read_call;
use super::*;
use crate::contract::{
    CredentialUse, ErrorRule, ErrorRules, HttpBody, HttpRequest, PackKind, Request,
};
use crate::shape::{Fact, Field, Kind, Shape};

fn pack(kind: PackKind) -> Pack {
    Pack {
        name: "shop".to_owned(),
        summary: String::new(),
        kind,
        credential: CredentialUse::None,
        subject_claims: BTreeSet::new(),
        timeout: Duration::from_secs(10),
        response_limit: 1 << 20,
        quiet_period: Duration::ZERO,
        limits: crate::contract::Limits::default(),
        throttled_codes: BTreeSet::from(["THROTTLED".to_owned()]),
        codes: BTreeMap::new(),
        digest: String::new(),
    }
}

fn rules(at: &str) -> ErrorRules {
    let rule = |matches: &str, code: &str, class| ErrorRule {
        matches: matches.to_owned(),
        code: code.to_owned(),
        class,
    };
    ErrorRules {
        at: Some(at.to_owned()),
        codes: vec![
            rule("cannot refund more", "NOTHING_LEFT", ErrorClass::Guard),
            rule("lock_timeout", "BUSY", ErrorClass::Transient),
            rule("*", "SHOP_SAYS_NO", ErrorClass::Terminal),
        ],
        by_status: vec![
            (404, "GONE".to_owned(), ErrorClass::Terminal),
            (409, "ALREADY".to_owned(), ErrorClass::Guard),
            (423, "LOCKED".to_owned(), ErrorClass::Transient),
            (503, "NEVER_READ".to_owned(), ErrorClass::Terminal),
        ],
    }
}

fn graphql() -> (Pack, Call) {
    let request = Request::GraphQl {
        document: String::new(),
        operation: "M".to_owned(),
        variables: BTreeMap::new(),
    };
    let call =
        Call { request, key: None, errors: rules("/data/refund/userErrors"), response: None };
    (pack(PackKind::GraphQl { path: "/g".to_owned() }), call)
}

fn http() -> (Pack, Call) {
    let request = Request::Http(HttpRequest {
        method: "POST".to_owned(),
        path: Vec::new(),
        query: BTreeMap::new(),
        headers: BTreeMap::new(),
        body: HttpBody::Empty,
        accept: vec![200, 201],
        pages: None,
    });
    (pack(PackKind::Http), Call { request, key: None, errors: rules("/error"), response: None })
}

fn answered(status: u16, body: impl ToString) -> Sent {
    Sent::Answered {
        status,
        retry_after: Some(Duration::from_secs(7)),
        replayed: false,
        body: body.to_string().into_bytes(),
    }
}

/// A verdict in a word, so that tables stay readable.
fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted { .. } => "accepted".to_owned(),
        Verdict::Rejected { code, .. } => format!("rejected {code}"),
        Verdict::Guard { code, .. } => format!("guard {code}"),
        Verdict::Throttled { after } => format!("throttled {after:?}"),
        Verdict::NotSent { .. } => "not sent".to_owned(),
        Verdict::Lost { .. } => "lost".to_owned(),
        Verdict::CredentialRejected => "credential".to_owned(),
        Verdict::SwitchedOff { .. } => "switched off".to_owned(),
    }
}

fn check(subject: &(Pack, Call), table: &[(u16, Json, &str)]) {
    for (status, body, expected) in table {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let verdict = judge_call(&subject.0, &subject.1, &answered(*status, &body));
        assert_eq!(&word(&verdict), expected, "{status} {body} -> {verdict:?}");
    }
}

#[test]
fn graphql_answers() {
    let refund = |errors: Json| json!({"data": {"refund": {"id": 1, "userErrors": errors}}});
    let top = |code: &str| json!([{"message": "x", "extensions": {"code": code}}]);
    check(
        &graphql(),
        &[
            (200, refund(json!([])), "accepted"),
            (200, refund(Json::Null), "accepted"),
            (200, refund(json!([{"message": "odd"}])), "rejected SHOP_SAYS_NO"),
            (
                200,
                refund(json!([{"message": "You CANNOT refund more than 3"}])),
                "guard NOTHING_LEFT",
            ),
            (200, refund(json!([{"code": "LOCK_TIMEOUT", "message": ""}])), "throttled Some(7s)"),
            (200, json!({"errors": top("THROTTLED")}), "throttled Some(7s)"),
            (200, json!({"errors": top("undefinedField")}), "rejected BACKEND_REFUSED"),
            (200, json!({"errors": [{"message": "cannot refund more"}]}), "guard NOTHING_LEFT"),
            (200, json!({"errors": "plain words"}), "rejected BACKEND_REFUSED"),
            (200, json!({"errors": top("ACCESS_DENIED")}), "credential"),
            (200, json!({"data": {"refund": null}, "errors": top("ACCESS_DENIED")}), "credential"),
            (200, json!({"errors": top("INTERNAL_SERVER_ERROR")}), "lost"),
            (200, json!({"data": null, "errors": top("odd")}), "lost"),
            (200, json!({"data": {"refund": null}, "errors": top("odd")}), "lost"),
            (200, json!({"data": {"refund": {"id": 1}}, "errors": top("odd")}), "lost"),
            (200, json!({"data": {"refund": {"id": 1}}, "errors": top("THROTTLED")}), "lost"),
            (200, json!({"data": {"refund": null}}), "lost"),
            (200, json!({"data": null}), "lost"),
            (200, json!({}), "lost"),
            (200, json!([]), "lost"),
            (200, json!(""), "lost"),
            (200, json!("{\"data\": {\"refund\": {\"id\""), "lost"),
            (200, json!("<html>maintenance</html>"), "lost"),
            (201, refund(json!([])), "lost"),
            (429, json!(""), "throttled Some(7s)"),
            (401, json!(""), "credential"),
            (403, json!(""), "credential"),
            (400, json!("bad"), "rejected BACKEND_REFUSED"),
            (404, json!({"errors": "Not Found"}), "rejected GONE"),
            (500, json!(""), "lost"),
            (502, refund(json!([{"message": "odd"}])), "lost"),
            (503, json!(""), "lost"),
        ],
    );
}

#[test]
fn http_answers() {
    let error = |code: &str| json!({"error": {"code": code, "message": "m"}});
    check(
        &http(),
        &[
            (200, json!({"id": 1}), "accepted"),
            (201, json!({"id": 1, "error": null}), "accepted"),
            (201, json!(""), "accepted"),
            (200, error("odd"), "rejected SHOP_SAYS_NO"),
            (202, json!({"id": 1}), "lost"),
            (204, json!(""), "lost"),
            (200, json!("not json"), "lost"),
            (400, error("lock_timeout"), "throttled Some(7s)"),
            (422, error("odd"), "rejected SHOP_SAYS_NO"),
            (422, json!("text"), "rejected BACKEND_REFUSED"),
            (402, json!({"error": "cannot refund more"}), "guard NOTHING_LEFT"),
            (404, error("odd"), "rejected GONE"),
            (409, error("odd"), "guard ALREADY"),
            (423, error("odd"), "throttled Some(7s)"),
            (408, json!(""), "lost"),
            (425, json!(""), "throttled Some(7s)"),
            (301, json!(""), "rejected BACKEND_REFUSED"),
            (302, json!(""), "lost"),
            (303, json!(""), "lost"),
            (308, json!(""), "rejected BACKEND_REFUSED"),
            (100, json!(""), "lost"),
            (503, json!(""), "lost"),
            (599, json!(""), "lost"),
            (0, json!(""), "lost"),
        ],
    );
}

#[test]
fn a_replayed_5xx_resolves_nothing() {
    let (pack, call) = http();
    let sent = Sent::Answered { status: 500, retry_after: None, replayed: true, body: Vec::new() };
    assert_eq!(word(&judge_call(&pack, &call, &sent)), "lost");
}

#[test]
fn what_was_not_sent_is_told_apart() {
    let (pack, call) = http();
    let why = "w".to_owned();
    for (barrier, expected) in [
        (Barrier::Unreachable, "not sent"),
        (Barrier::Egress, "rejected EGRESS_DENIED"),
        (Barrier::Credential, "credential"),
    ] {
        let sent = Sent::NotSent { barrier, why: why.clone() };
        assert_eq!(word(&judge_call(&pack, &call, &sent)), expected);
    }
    assert_eq!(word(&judge_call(&pack, &call, &Sent::Lost { why })), "lost");
}

#[test]
fn a_response_that_does_not_fit_the_contract_is_lost() {
    let (pack, mut call) = http();
    let field = Field { optional: false, at: "/id".to_owned(), kind: Kind::Fact(Fact::Id(None)) };
    call.response = Some(Shape::new(BTreeMap::from([("id".to_owned(), field)])));
    let yes = judge_call(&pack, &call, &answered(200, json!({"id": "r1", "more": 2})));
    let id = ("id".to_owned(), Value::Str("r1".to_owned()));
    assert_eq!(yes, Verdict::Accepted { response: Value::Object(BTreeMap::from([id])) });
    assert_eq!(word(&judge_call(&pack, &call, &answered(200, json!({})))), "lost");
}

#[test]
fn a_backends_words_are_cleaned_and_cut() {
    let (pack, call) = http();
    let message = format!("a\u{1b}[31m\n{}", "x".repeat(1000));
    let body = json!({"error": {"code": "odd", "message": message, "field": ["input", "id"]}});
    let Verdict::Rejected { message, .. } = judge_call(&pack, &call, &answered(400, body)) else {
        panic!("not rejected")
    };
    assert!(message.starts_with("odd a[31mx") && message.chars().count() == 300, "{message}");
    let short = json!({"error": {"message": "m", "field": ["input", "id"]}});
    let Verdict::Rejected { message, .. } = judge_call(&pack, &call, &answered(400, short)) else {
        panic!("not rejected")
    };
    assert_eq!(message, "m (at input.id)");
}

#[test]
fn reads_fail_with_a_code_and_say_whether_to_try_again() {
    let (pack, call) = http();
    let read = |sent: &Sent| read_call(&pack, &call, sent);
    assert_eq!(read(&answered(200, json!([1]))), Ok(json!([1])));
    for (sent, code, retryable, after) in [
        (answered(404, ""), "GONE", false, None),
        (answered(423, ""), "LOCKED", true, Some(7)),
        (answered(429, ""), "BACKEND_THROTTLED", true, Some(7)),
        (answered(401, ""), "CREDENTIAL_REJECTED", false, None),
        (answered(500, ""), "STATE_UNREADABLE", true, None),
        (answered(200, "half"), "STATE_UNREADABLE", true, None),
        (Sent::Lost { why: "cut".to_owned() }, "STATE_UNREADABLE", true, None),
        (not_sent(Barrier::Unreachable), "BACKEND_UNREACHABLE", true, None),
        (not_sent(Barrier::Egress), "EGRESS_DENIED", false, None),
        (not_sent(Barrier::Credential), "CREDENTIAL_REJECTED", false, None),
    ] {
        let failure = read(&sent).unwrap_err();
        let found = (failure.code.as_str(), failure.retryable, failure.after);
        assert_eq!(found, (code, retryable, after.map(Duration::from_secs)), "{sent:?}");
    }
}

fn not_sent(barrier: Barrier) -> Sent {
    Sent::NotSent { barrier, why: "w".to_owned() }
}

#[test]
fn a_graphql_read_of_nothing_is_an_answer() {
    let (pack, call) = graphql();
    let nothing = json!({"data": {"order": null}});
    assert_eq!(read_call(&pack, &call, &answered(200, &nothing)), Ok(nothing));
}

#[test]
fn debug_shows_no_body() {
    let shown = format!("{:?}", answered(200, "the-body-itself"));
    assert!(!shown.contains("the-body-itself") && shown.contains("200"), "{shown}");
}
