//! The console: one layout, roles that the server holds everybody to, and each of its
//! steps by the same hands as on the command line.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_proto::v1;
use countersign_shared::attest::{finish_challenge, switch_challenge};
use countersign_tests::sandbox::{Fault, StaffAct};
use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::stale_approval::House;
use super::stale_approval::authenticator::Passkey;
use super::stale_approval::page::Page;
use super::support::browser;
use super::support::people::DIRECTORY;
use super::support::plans::{Desk, refusal};

/// What a page asks a passkey, written by hand.
fn crafted(claims: &Value, challenge: fn(&str) -> [u8; 32]) -> Value {
    let claims = claims.to_string();
    json!({ "challenge": URL_SAFE_NO_PAD.encode(challenge(&claims)), "claims": claims })
}

/// An operator's order to turn a switch, as their passkey is asked for it.
pub fn order(who: &Passkey, reach: &str, off: bool) -> Value {
    // In a later second than whatever was turned just before.
    let now = Timestamp::now().as_second() + 1;
    let claims = json!({
        "typ": "switch", "iss": DIRECTORY, "aud": "countersign", "sub": who.person,
        "reach": reach, "off": off, "reason": "by hand", "iat": now, "exp": now + 60,
    });
    crafted(&claims, switch_challenge)
}

/// A cancellation that the shop says yes to and does nothing about; answers with the
/// matter that it leaves.
pub async fn in_doubt(house: &House, alice: &Page<'_>) -> String {
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c9");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    house.pair.sandbox.fault(Fault::NoEffect);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    house.pair.sandbox.clear_faults();
    assert_eq!(done.outcome(), v1::Outcome::Unknown, "{done:?}");
    let list = alice.read("/escalations").await;
    let id = list.split("href=\"/escalations/").nth(1).expect("a matter waits");
    id.split('"').next().unwrap().to_owned()
}

/// An approver at 390 px: from the link through the sign-in to the card, over a session
/// that ends in the middle, to the end of the action.
#[tokio::test(flavor = "multi_thread")]
async fn console_approves_from_the_link_although_the_session_ends_meanwhile() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let id = house.refund(&mut house.desk()).await;
    let steps = json!([
        { "open": format!("{}/approve/{id}", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "axe": "sign-in" },
        { "click": "#sign-in button" },
        { "wait": "h1", "text": "Waits for a yes or no" },
        { "axe": "card" },
        { "dark": true },
        { "axe": "card, dark" },
        { "dark": false },
        { "shot": "console-card" },
        { "type": "#reason", "text": "As agreed on the phone" },
        { "forget": true },
        { "click": "#answer .yes" },
        { "wait": "h1", "text": "Sign in" },
        { "click": "#sign-in button" },
        { "wait": "#said", "text": "Nothing was sent yet" },
        { "value": "#reason" },
        { "click": "#answer .yes", "times": 2 },
        { "wait": "h1", "text": "Done" },
        { "axe": "done" },
        { "click": "nav a[href='/approvals']" },
        { "wait": "main", "text": "Nothing waits" },
        { "axe": "approvals" },
        { "shot": "console-approvals-empty" },
    ]);
    if let Some(read) = browser::play(&house.pair, Some(house.alice.for_browser()), steps).await {
        assert_eq!(read[0], "As agreed on the phone", "what was typed is not lost");
        // AT MOST ONE EFFECT: nothing was sent twice.
        assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
    }
}

/// An operator stops a tool by passkey, and starts it again.
#[tokio::test(flavor = "multi_thread")]
async fn console_turns_a_switch_by_an_operators_passkey() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let olga = Page::signed_in(&house.origin, &house.olga).await;
    assert_eq!(olga.leads_to("/").await, "/switches", "what is for her role");
    let steps = json!([
        { "open": format!("{}/switches", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "click": "#sign-in button" },
        { "wait": "h1", "text": "Modes and switches" },
        { "axe": "switches" },
        { "choose": "#reach", "value": "tool/shopify.refund_lines" },
        { "click": "form.signed button[value=off]" },
        { "wait": "#said", "text": "say why" },
        { "type": "#reason", "text": "Refunds go wrong" },
        { "click": "form.signed button[value=off]" },
        { "wait": ".banner", "text": "Switched off: tool/shopify.refund_lines" },
        { "axe": "switches, one off" },
        { "shot": "console-switches" },
        { "click": "nav a[href='/activations']" },
        { "wait": "main", "text": "switch/tool/shopify.refund_lines" },
        { "read": "main" },
        { "axe": "activations" },
        { "shot": "console-activations" },
    ]);
    if let Some(read) = browser::play(&house.pair, Some(house.olga.for_browser()), steps).await {
        assert!(read[0].contains("Olga Example, signed by passkey"), "{read:?}");
        assert!(read[0].contains("Refunds go wrong"), "{read:?}");
    } else {
        let signed = house
            .olga
            .answer(&order(&house.olga, "tool/shopify.refund_lines", true), &house.origin);
        assert_eq!(olga.post("/switches/answer", &signed).await.status(), StatusCode::OK);
    }
    assert_eq!(refusal(house.desk().propose_refund("1001").await).code, "SWITCHED_OFF");
    let on =
        house.olga.answer(&order(&house.olga, "tool/shopify.refund_lines", false), &house.origin);
    assert_eq!(olga.post("/switches/answer", &on).await.status(), StatusCode::OK);
    house.desk().propose_refund("1001").await.unwrap();
}

/// A person takes a matter over, works in the shop, says how it ended, and the executor
/// looks whether that is so.
#[tokio::test(flavor = "multi_thread")]
async fn console_settles_what_was_left_to_people() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let (alice, bob) = (
        Page::signed_in(&house.origin, &house.alice).await,
        Page::signed_in(&house.origin, &house.bob).await,
    );
    let id = in_doubt(&house, &alice).await;
    let at = format!("/escalations/{id}");
    assert_eq!(bob.post(&format!("{at}/take"), &json!({})).await.status(), StatusCode::SEE_OTHER);
    let shown = alice.read(&at).await;
    assert!(shown.contains("Somebody is at it") && !shown.contains("Say how it ended"), "{shown}");
    for step in ["take", "return"] {
        let refused = alice.post(&format!("{at}/{step}"), &json!({})).await;
        assert_eq!(refused.status(), StatusCode::CONFLICT, "{step}: bob is at it");
    }
    assert_eq!(bob.post(&format!("{at}/return"), &json!({})).await.status(), StatusCode::SEE_OTHER);
    let wish = |decision: &str| json!({ "decision": decision, "reason": "in the admin" });
    let asked = alice.post(&format!("{at}/claims"), &wish("done")).await;
    let signed = house.alice.answer(&asked.json().await.unwrap(), &house.origin);
    let disagrees = alice.post(&format!("{at}/answer"), &signed).await;
    assert_eq!(disagrees.status(), StatusCode::CONFLICT, "nothing of it is in the shop");
    assert_eq!(bob.post(&format!("{at}/answer"), &signed).await.status(), StatusCode::FORBIDDEN);

    house.pair.sandbox.staff("#1001", &StaffAct::Cancel { staff_note: None }).unwrap();
    let steps = json!([
        { "open": format!("{}/escalations", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "click": "#sign-in button" },
        { "wait": "h1", "text": "Left to people" },
        { "axe": "escalations" },
        { "shot": "console-escalations" },
        { "click": "main .list a" },
        { "wait": "h1", "text": "Waits for a person" },
        { "axe": "escalation" },
        { "click": "form[action$='/take'] button" },
        { "wait": "h1", "text": "Somebody is at it" },
        { "axe": "escalation, taken" },
        { "shot": "console-escalation" },
        { "type": "#reason", "text": "Cancelled it in the admin" },
        { "click": "form.signed button[value=done]", "times": 2 },
        { "wait": "h1", "text": "Ended" },
        { "axe": "escalation, ended" },
    ]);
    if browser::play(&house.pair, Some(house.alice.for_browser()), steps).await.is_none() {
        assert_eq!(alice.post(&format!("{at}/answer"), &signed).await.status(), StatusCode::OK);
    }
    assert!(alice.read(&at).await.contains("Ended with"));
    assert!(!alice.read("/escalations").await.contains(&id), "it does not wait any more");
    assert_eq!(house.pair.mutations(), 1, "the executor sent nothing more");
}

/// Whoever reads everything changes nothing, however they ask.
#[tokio::test(flavor = "multi_thread")]
async fn console_lets_an_auditor_read_everything_and_change_nothing() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let (alice, erin) = (
        Page::signed_in(&house.origin, &house.alice).await,
        Page::signed_in(&house.origin, &house.erin).await,
    );
    let matter = in_doubt(&house, &alice).await;
    let mut desk = Desk::new(&house.pair, house.pair.customer(2), "c1");
    let proposal = desk.propose_refund("2001").await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    let (id, at) = (proposal.proposal_id, format!("/escalations/{matter}"));

    let list = erin.read("/approvals").await;
    assert!(list.contains(&format!("/approve/{id}")) && !list.contains("checkbox"), "{list}");
    let card = erin.read(&format!("/approve/{id}")).await;
    assert!(card.contains("The action") && !card.contains("id=\"answer\""), "{card}");
    let shown = erin.read(&at).await;
    assert!(shown.contains("What the customer wrote") && !shown.contains("<textarea"), "{shown}");
    let switches = erin.read("/switches").await;
    assert!(!switches.contains("Turn a switch"), "{switches}");
    assert!(erin.read("/activations").await.contains("policy"));

    // By crafted posts, with her own signature where one is wanted.
    let wish = json!({ "decision": "approve", "card": alice_card(&alice, &id).await });
    let to = |path: &str| format!("/approve/{id}/{path}");
    assert_eq!(erin.post(&to("claims"), &wish).await.status(), StatusCode::FORBIDDEN);
    let claims = alice.post(&to("claims"), &wish).await.json::<Value>().await.unwrap();
    let mut own: Value = serde_json::from_str(claims["claims"].as_str().unwrap()).unwrap();
    own["sub"] = json!("erin");
    let vote = countersign_shared::attest::approval_challenge;
    for role in ["support_lead", "auditor"] {
        own["role"] = json!(role);
        let signed = house.erin.answer(&crafted(&own, vote), &house.origin);
        let answer = erin.post(&to("answer"), &signed).await;
        assert_eq!(answer.status(), StatusCode::CONFLICT, "as {role}");
    }
    let turn = json!({ "reach": "all", "turn": "off", "reason": "x" });
    assert_eq!(erin.post("/switches/claims", &turn).await.status(), StatusCode::FORBIDDEN);
    let signed = house.erin.answer(&order(&house.erin, "all", true), &house.origin);
    assert_eq!(erin.post("/switches/answer", &signed).await.status(), StatusCode::FORBIDDEN);
    // Nor does an approver turn a switch, nor anybody by another's order.
    let signed = house.alice.answer(&order(&house.alice, "all", true), &house.origin);
    assert_eq!(alice.post("/switches/answer", &signed).await.status(), StatusCode::FORBIDDEN);
    let signed = house.olga.answer(&order(&house.olga, "all", true), &house.origin);
    assert_eq!(erin.post("/switches/answer", &signed).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(alice.get("/activations").await.status(), StatusCode::FORBIDDEN);

    for step in ["take", "return"] {
        let refused = erin.post(&format!("{at}/{step}"), &json!({})).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{step}");
    }
    let now = Timestamp::now().as_second();
    let action = shown.split("act_").nth(1).unwrap();
    let action: String = action.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
    let word = json!({
        "typ": "finish", "iss": DIRECTORY, "aud": "countersign", "sub": "erin",
        "action": format!("act_{action}"), "done": false, "note": "", "iat": now, "exp": now + 60,
    });
    let signed = house.erin.answer(&crafted(&word, finish_challenge), &house.origin);
    let refused = erin.post(&format!("{at}/answer"), &signed).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert!(alice.read(&at).await.contains("Waits for a person"));
    assert_eq!(house.refunds(), 0, "{:?}", house.pair.effects());

    // Of another tenant there is nothing, and a form whose session ended leads back.
    let dave = Page::signed_in(&house.origin, &house.dave).await;
    assert_eq!(dave.get(&at).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(dave.get(&format!("/approve/{id}")).await.status(), StatusCode::NOT_FOUND);
    let nobody = Page::new(&house.origin, &house.alice);
    assert_eq!(
        nobody.leads_to("/approvals?who=all&over=5").await,
        "/sign-in?to=/approvals?who=all%26over=5"
    );
}

async fn alice_card(alice: &Page<'_>, id: &str) -> String {
    let shown = alice.read(&format!("/approve/{id}")).await;
    shown.split("data-card=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// What waits is narrowed by tool, amount and age, and nothing is hidden by a slip.
#[tokio::test(flavor = "multi_thread")]
async fn console_narrows_what_waits() {
    let house = House::staffed("[support_lead, support_lead]", "Alice Example").await;
    let id = house.refund(&mut house.desk()).await;
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let shows = async |query: &str| alice.read(&format!("/approvals?{query}")).await.contains(&id);
    assert!(shows("").await && shows("over=1").await && shows("over=much").await);
    assert!(shows("tool=shopify.refund_lines").await);
    assert!(!shows("tool=shopify.cancel_order").await);
    assert!(!shows("over=100000").await && !shows("hours=4").await);
    // Answered by her, it waits for another: among all, not among hers.
    assert_eq!(alice.answer(&id, "approve", "").await.status(), StatusCode::OK);
    assert!(!shows("").await && shows("who=all").await);
}
