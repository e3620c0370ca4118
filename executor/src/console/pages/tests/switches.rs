//! Switches that are turned by a passkey, and what others learn of them.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::ConnectInfo;
use countersign_shared::attest::switch_challenge;
use countersign_shared::mtls::SpiffeId;
use countersign_shared::receipt::Change;
use ed25519_dalek::Signer as _;
use serde_json::json;

use super::*;
use crate::console::certificate::Shown;
use crate::standing::{Quarantine, Standing};
use crate::switch::Turn;

/// An order as it might be signed: whose, what, for what reason, signed how many seconds
/// from now, and counting for how long.
struct Order(&'static str, &'static str, bool, &'static str, i64, i64);

impl Order {
    /// What the person's browser hands over.
    fn signed(&self) -> Value {
        let Self(who, reach, off, reason, after, counts) = *self;
        let iat = Timestamp::now().as_second() + after;
        let claims = json!({
            "typ": "switch", "iss": "d", "aud": "countersign", "sub": who, "reach": reach,
            "off": off, "reason": reason, "iat": iat, "exp": iat + counts,
        });
        let claims = claims.to_string();
        let challenge = URL_SAFE_NO_PAD.encode(switch_challenge(&claims));
        let client = json!({ "type": "webauthn.get", "challenge": challenge, "origin": ORIGIN });
        let client = client.to_string();
        let mut authenticator = digest(&SHA256, b"localhost").as_ref().to_vec();
        authenticator.extend([0b101, 0, 0, 0, 1]);
        let mut message = authenticator.clone();
        message.extend_from_slice(digest(&SHA256, client.as_bytes()).as_ref());
        let (.., seed) = PEOPLE.into_iter().find(|(name, ..)| *name == who).unwrap();
        let signature = key(seed).sign(&message).to_bytes();
        json!({
            "claims": claims, "credential": URL_SAFE_NO_PAD.encode(passkey(seed).id),
            "authenticator_data": URL_SAFE_NO_PAD.encode(authenticator),
            "client_data": URL_SAFE_NO_PAD.encode(client),
            "signature": URL_SAFE_NO_PAD.encode(signature),
        })
    }
}

impl House {
    async fn turn(&self, who: &str, signed: &Value) -> (StatusCode, String) {
        self.post(who, "/switches/answer", signed).await
    }

    /// By an operator's certificate.
    async fn turn_off(&self, reach: &str) {
        let (by, reason) = ("op".to_owned(), format!("why {reach}"));
        let turn = Turn { reach: reach.parse().unwrap(), off: true, by, reason, word: None };
        let pipeline = &self.console.desk.pipeline;
        pipeline.switches.turn(pipeline, turn).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_order_counts_once_and_not_after_the_next_change() {
    let house = house();
    let early = Order("ops", "all", false, "all is well", -10, 300).signed();
    let off = Order("ops", "all", true, "incident", 0, 300).signed();
    let on = Order("ops", "all", false, "it is over", 20, 300).signed();
    assert_eq!(house.turn("ops", &off).await.0, StatusCode::OK);
    let (status, why) = house.turn("ops", &early).await;
    assert_eq!(status, StatusCode::CONFLICT, "signed before the switch was turned");
    assert!(why.contains("turned since"), "{why}");
    assert_eq!(house.turn("ops", &off).await.0, StatusCode::CONFLICT, "again");
    // By a clock that is ahead: only that it was used tells.
    assert_eq!(house.turn("ops", &on).await.0, StatusCode::OK);
    let (status, why) = house.turn("ops", &on).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(why.contains("carried out before"), "{why}");
    // The switchboard remembers nothing of it: what refuses is in the log.
    house.turn_off("all").await;
    assert_eq!(house.turn("ops", &on).await.0, StatusCode::CONFLICT, "once more");
    let pipeline = &house.console.desk.pipeline;
    let standing = pipeline.switches.standing();
    assert!(standing.get(&"all".parse().unwrap()).is_some());
    // Of five words and a certificate's three were carried out, each with its receipt.
    let sealed = "countersign_receipts_total{tool=\"other\",outcome=\"changed\"} 3\n";
    assert!(pipeline.metrics.text().contains(sealed), "{}", pipeline.metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_quarantine_the_form_is_not_there_and_the_page_says_why() {
    let house = house();
    house.turn_off("tenant/t").await;
    let (_, page) = house.get("ops", "/switches").await;
    assert_eq!(page.matches("data-at=\"/switches\"").count(), 2, "{page}");
    let (why, since) = ("it lacks receipts".to_owned(), Timestamp::UNIX_EPOCH);
    let quarantine = Some(Quarantine { why, since, seen: 0 });
    let vitals = &house.console.desk.pipeline.vitals;
    vitals.stand(&Standing { quarantine, ..Standing::default() });
    let (_, page) = house.get("ops", "/switches").await;
    assert!(!page.contains("data-at=\"/switches\""), "{page}");
    assert!(page.contains("No switch is turned in quarantine"), "{page}");
    let (_, others) = house.get("eve", "/switches").await;
    assert!(!others.contains("No switch is turned"), "{others}");
}

/// A session alone turns nothing, by whatever it was begun: an operator's own words, signed
/// by nothing, or by somebody else's passkey.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_house_or_by_certificate_turns_no_switch() {
    let house = house();
    let subject = Proof::Subject { issuer: "i".to_owned(), id: "s5".to_owned() };
    let own: SpiffeId = "spiffe://t/5".parse().unwrap();
    let cookies = [subject, Proof::Certificate(own.clone())].map(|proof| house.begun("ops", proof));
    let mut unsigned = Order("ops", "all", true, "incident", 0, 300).signed();
    let signed = unsigned.clone();
    for name in ["credential", "authenticator_data", "client_data", "signature"] {
        unsigned[name] = json!("");
    }
    let others = Order("opu", "all", true, "incident", 0, 300).signed();
    let turn = async |cookie: &str, order: &Value| {
        let until = Instant::now() + Duration::from_secs(300);
        let shown = ConnectInfo(Shown { id: Some(own.clone()), until });
        let request = Request::post("/switches/answer").header(COOKIE, cookie);
        let request = request.header(CONTENT_TYPE, "application/json").extension(shown);
        house.ask(request.body(Body::from(order.to_string())).unwrap()).await.0
    };
    let switches = &house.console.desk.pipeline.switches;
    for cookie in &cookies {
        for order in [&unsigned, &others] {
            assert!(turn(cookie, order).await.is_client_error(), "{order}");
        }
        assert_eq!(switches.standing().iter().count(), 0);
    }
    // What was missing is the passkey, and nothing else.
    assert_eq!(turn(&cookies[0], &signed).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_counts_for_minutes_and_says_why() {
    let house = house();
    let (status, why) = house.turn("ops", &Order("ops", "all", true, "x", 0, 301).signed()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(why.contains("300 s at most"), "{why}");
    for reason in ["", " ", " padded", "two\nlines"] {
        let signed = Order("ops", "all", true, reason, 0, 300).signed();
        assert_eq!(house.turn("ops", &signed).await.0, StatusCode::BAD_REQUEST, "{reason:?}");
    }
    assert_eq!(house.console.desk.pipeline.switches.standing().iter().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_switch_is_for_its_own_people() {
    let house = house();
    for reach in ["tenant/t", "tenant/u"] {
        house.turn_off(reach).await;
    }
    let on = |who| Order(who, "tenant/t", false, "it is over", 20, 300).signed();
    let (status, why) = house.turn("opu", &on("opu")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(why.contains("for tenant/t"), "{why}");
    for path in ["/switches", "/activations"] {
        let (_, own) = house.get("ops", path).await;
        assert!(own.contains("tenant/t") && !own.contains("tenant/u"), "{path}: {own}");
    }
    assert_eq!(house.turn("ops", &on("ops")).await.0, StatusCode::OK);
    // What is the house's, any operator stops.
    let all = Order("opu", "all", true, "incident", 0, 300).signed();
    assert_eq!(house.turn("opu", &all).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_off_has_its_own_way_on_again_and_nothing_is_chosen_beforehand() {
    let house = house();
    house.turn_off("all").await;
    let (_, page) = house.get("ops", "/switches").await;
    assert!(page.contains("Switch all on again"), "{page}");
    assert!(page.contains("<option value=\"\">choose") && !page.contains("<option>all<"), "{page}");
    assert!(!house.get("eve", "/switches").await.1.contains("on again</button>"));
    let wish = json!({ "reach": "", "turn": "off", "reason": "incident" });
    let (status, why) = house.post("ops", "/switches/claims", &wish).await;
    assert!(status == StatusCode::BAD_REQUEST && why.contains("Choose what"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn activations_show_no_other_tenants_switch_and_no_reason_of_an_erasure() {
    let house = house();
    for reach in ["tenant/t", "tenant/u", "all"] {
        house.turn_off(reach).await;
    }
    let text = |text: &str| text.to_owned();
    let change = Change {
        what: text("person/x"),
        old: text("kept"),
        new: text("erased"),
        reason: text("Ann of tenant u asked"),
        by: Vec::new(),
        note: String::new(),
    };
    let erased = seal::changed(change, &id("rcp", 9).parse().unwrap(), Timestamp::now());
    house.console.desk.pipeline.store.seal(erased, None).await.unwrap();
    let (_, page) = house.get("eve", "/activations").await;
    assert!(page.contains("why tenant/t") && page.contains("why all"), "{page}");
    assert!(!page.contains("tenant/u"), "{page}");
    assert!(page.contains("person/x") && !page.contains("Ann of"), "{page}");
    assert!(house.get("ops", "/activations").await.1.contains("Ann of"));
    let one = format!("/actions/{}", id("rcp", 9));
    assert!(!page.contains(&one), "its receipt says why: {page}");
    for path in [&one, &format!("{one}/receipt"), &format!("{one}/proof")] {
        assert_eq!(house.get("eve", path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

/// By the very pages that show an action's.
#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_of_a_switch_and_of_an_activation_opens_to_auditors_and_nobody_else() {
    let house = house();
    let off = ["all", "tenant/t", "tenant/u"];
    for reach in off {
        house.turn_off(reach).await;
    }
    let text = |text: &str| text.to_owned();
    let change = Change {
        what: text("policy"),
        old: text("d1"),
        new: text("d2"),
        reason: text(NASTY),
        by: Vec::new(),
        note: String::new(),
    };
    let pipeline = &house.console.desk.pipeline;
    let activated = seal::changed(change, &id("rcp", 9).parse().unwrap(), Timestamp::now());
    pipeline.store.seal(activated, None).await.unwrap();
    let standing = pipeline.switches.standing();
    let [all, own, others] = off.map(|reach| {
        let off = standing.get(&reach.parse().unwrap()).unwrap();
        format!("/actions/{}", off.receipt.as_ref().unwrap())
    });
    let policy = format!("/actions/{}", id("rcp", 9));

    let (_, switches) = house.get("eve", "/switches").await;
    let (_, activations) = house.get("eve", "/activations").await;
    for (at, what, why) in [
        (&all, "switch/all", "why all"),
        (&own, "switch/tenant/t", "why tenant/t"),
        (&policy, "policy", "d1 → d2"),
    ] {
        for link in [format!("href=\"{at}\""), format!("href=\"{at}/proof\"")] {
            assert_eq!(switches.contains(&link), at != &policy, "{link}: {switches}");
            assert!(activations.contains(&link), "{link}: {activations}");
        }
        let (status, page) = house.get("eve", at).await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains(&format!("<h1>{what} </h1>")) && page.contains(why), "{page}");
        assert!(!page.contains("erased"), "{page}");
        assert!(page.contains("href=\"/activations\" aria-current=\"page\""), "{page}");
        assert!(!page.contains("<script>alert") && !page.contains("<svg onload"), "{page}");
        let (_, bytes) = house.get("eve", &format!("{at}/receipt")).await;
        let name = at.trim_start_matches("/actions/");
        assert!(bytes.starts_with("file: {") && bytes.contains(name), "{bytes}");
        let (_, proof) = house.get("eve", &format!("{at}/proof")).await;
        assert!(proof.starts_with("file: c2sp.org/tlog-proof@v1"), "{proof}");
    }
    assert!(!switches.contains(&others) && !activations.contains(&others), "another tenant's");
    for file in ["", "/receipt", "/proof"] {
        let path = format!("{others}{file}");
        assert_eq!(house.get("eve", &path).await.0, StatusCode::NOT_FOUND, "{path}");
        for who in ["ops", "fin"] {
            let path = format!("{all}{file}");
            assert_eq!(house.get(who, &path).await.0, StatusCode::FORBIDDEN, "{who}: {path}");
        }
    }
    for (who, path) in [("ops", "/switches"), ("fin", "/switches"), ("ops", "/activations")] {
        let (_, page) = house.get(who, path).await;
        let (name, link) = (all.trim_start_matches("/actions/"), "href=\"/actions/");
        assert!(page.contains(name) && !page.contains(link), "{who}: {page}");
    }
}
