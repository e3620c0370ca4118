#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::contract::{CredentialUse, ErrorRules};

fn constant(value: Json) -> Template {
    Template::Constant(value)
}

fn fields(values: &[(&str, Json)]) -> BTreeMap<String, Template> {
    values.iter().map(|(name, value)| ((*name).to_owned(), constant(value.clone()))).collect()
}

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
        throttled_codes: BTreeSet::new(),
        codes: BTreeMap::new(),
        digest: String::new(),
    }
}

fn http(path: Vec<Json>, body: HttpBody) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        path: path.into_iter().map(constant).collect(),
        query: BTreeMap::new(),
        headers: BTreeMap::new(),
        body,
        accept: vec![200],
        pages: None,
    }
}

fn render_http(http: HttpRequest, key: Option<KeyPlace>) -> Result<WireRequest, RequestError> {
    let call =
        Call { request: Request::Http(http), key, errors: ErrorRules::default(), response: None };
    render_call(&pack(PackKind::Http), &call, &Scope::new(), Some("key-1"))
}

fn text(wire: &WireRequest) -> &str {
    std::str::from_utf8(&wire.body).unwrap()
}

#[test]
fn a_graphql_call_is_one_post_with_named_operation_and_key() {
    let call = Call {
        request: Request::GraphQl {
            document: "mutation M($a: Int, $k: String!) { m(a: $a) @idempotent(key: $k) { id } }"
                .to_owned(),
            operation: "M".to_owned(),
            variables: fields(&[("a", json!(1)), ("absent", Json::Null)]),
        },
        key: Some(KeyPlace::Variable("k".to_owned())),
        errors: ErrorRules::default(),
        response: None,
    };
    let pack = pack(PackKind::GraphQl { path: "/graphql.json".to_owned() });
    let wire = render_call(&pack, &call, &Scope::new(), Some("key-1")).unwrap();
    assert_eq!((wire.method.as_str(), wire.path.as_str()), ("POST", "/graphql.json"));
    let body: Json = serde_json::from_slice(&wire.body).unwrap();
    assert_eq!(body.pointer("/operationName"), Some(&json!("M")));
    assert_eq!(body.pointer("/variables"), Some(&json!({"a": 1, "absent": null, "k": "key-1"})));
    let without = render_call(&pack, &call, &Scope::new(), None).unwrap();
    assert!(!text(&without).contains("key-1"));
}

#[test]
fn the_same_call_gives_the_same_bytes_and_survives_the_journal() {
    let body = || HttpBody::Json(constant(json!({"z": 1, "a": {"y": "ä\n", "b": [true, null]}})));
    let first = render_http(http(vec![json!("v1")], body()), None).unwrap();
    assert_eq!(first, render_http(http(vec![json!("v1")], body()), None).unwrap());
    let kept = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<WireRequest>(&kept).unwrap(), first);
}

#[test]
fn no_path_segment_leaves_its_place() {
    let odd = vec![json!("v1"), json!("a/../b?c#d"), json!(7), json!("ä %2e\r\n")];
    let wire = render_http(http(odd, HttpBody::Empty), None).unwrap();
    assert_eq!(wire.path, "/v1/a%2F..%2Fb%3Fc%23d/7/%C3%A4%20%252e%0D%0A");
    for wrong in [json!(""), json!("."), json!(".."), Json::Null, json!([1]), json!({})] {
        let refused = render_http(http(vec![json!("v1"), wrong.clone()], HttpBody::Empty), None);
        assert_eq!(refused, Err(RequestError::Segment(1)), "{wrong}");
    }
}

#[test]
fn forms_nest_in_brackets_and_leave_null_out() {
    let form = HttpBody::Form(fields(&[
        ("amount", json!(1200)),
        ("metadata", json!({"note": "a&b=c", "none": null})),
        ("lines", json!([{"id": "l 1"}, {"id": "l+2"}])),
        ("none", Json::Null),
    ]));
    let wire = render_http(http(vec![], form), Some(KeyPlace::Field("idem".to_owned()))).unwrap();
    assert_eq!(
        text(&wire),
        "amount=1200&lines[0][id]=l%201&lines[1][id]=l%2B2&metadata[note]=a%26b%3Dc&idem=key-1"
    );
    assert_eq!(wire.path, "/");
}

#[test]
fn the_key_goes_where_the_contract_says() {
    let json_body = || HttpBody::Json(constant(json!({"a": 1})));
    let field = Some(KeyPlace::Field("idempotency_key".to_owned()));
    let wire = render_http(http(vec![], json_body()), field.clone()).unwrap();
    assert_eq!(text(&wire), r#"{"a":1,"idempotency_key":"key-1"}"#);
    let header = Some(KeyPlace::Header("Idempotency-Key".to_owned()));
    let wire = render_http(http(vec![], json_body()), header).unwrap();
    assert!(wire.headers.contains(&("idempotency-key".to_owned(), "key-1".to_owned())));
    assert_eq!(text(&wire), r#"{"a":1}"#);
    for bare in [HttpBody::Empty, HttpBody::Json(constant(json!([1])))] {
        assert_eq!(
            render_http(http(vec![], bare), field.clone()),
            Err(RequestError::NoPlaceForKey)
        );
    }
}

#[test]
fn headers_cannot_smuggle() {
    for (name, value, fits) in [
        ("X-Version", "2", true),
        ("x-a", "a\r\nx-b: c", false),
        ("x-a", "a\nb", false),
        ("x-a", "a\0", false),
        ("x-a", "ä", false),
        ("x-a", " a", false),
        ("x a", "b", false),
        ("x:a", "b", false),
        ("", "b", false),
        ("Authorization", "b", false),
        ("Host", "b", false),
        ("Content-Length", "0", false),
        ("transfer-encoding", "chunked", false),
        ("cookie", "b", false),
    ] {
        let mut request = http(vec![], HttpBody::Empty);
        request.headers = fields(&[(name, json!(value))]);
        assert_eq!(render_http(request, None).is_ok(), fits, "{name}: {value:?}");
    }
}

#[test]
fn a_call_of_another_kind_is_refused() {
    let call = Call {
        request: Request::Http(http(vec![], HttpBody::Empty)),
        key: None,
        errors: ErrorRules::default(),
        response: None,
    };
    let pack = pack(PackKind::GraphQl { path: "/".to_owned() });
    assert_eq!(render_call(&pack, &call, &Scope::new(), None), Err(RequestError::Kind));
}
