//! What a backend says when it refuses or fails. Of that much goes into receipts and before staff,
//! cut and without control characters, and stands there as text; customers, the planner's replies
//! and the logs get none of it, and a 5xx's page goes nowhere at all.

use std::fs;
use std::time::Duration;

use countersign_proto::v1;
use countersign_proto::v1::{ActionState, Outcome};
use countersign_shared::receipt::Receipt;
use countersign_tests::sandbox::{Fault, FaultSpec, Says};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::action_flow::{converse, receipt};
use super::super::one_time_page::phone::Phone;
use super::super::one_time_page::{mailed, page_from_the_next_start};
use super::super::stale_approval::House;
use super::super::stale_approval::page::Page;
use super::super::support::hook::Hook;
use super::super::support::plans::{Desk, refusal, seen, step};
use super::super::support::wishes;
use super::backend::{confirmed, escaped, in_a_browser, plain, widen};

/// More than a receipt keeps of it, in characters, with what is put before it.
const KEPT: usize = 600;

const USER_ERROR: &str = "user error <script>alert(61)</script>";
const FIELD: &str = "field <img src=x onerror=alert(62)>";
const NOT_RUN: &str = "not run \"><svg/onload=alert(63)>";
const UNCLEAR: &str = "unclear <iframe srcdoc='<script>parent.alert(64)</script>'></iframe>";
const DISPUTED: &str = "disputed </textarea></title></style><script>alert(65)</script>";
const UNREAD: &str = "unread <details open ontoggle=alert(66)>";
const NO_READ: &str = "no read <a href=javascript:alert(67)>go</a>";
/// What no page shows.
const BROKEN: &str = "broken <base href=https://evil.example/>";
const ENDLESS: &str = "endless <style>body{display:none}</style>";
const ALL: [&str; 9] =
    [USER_ERROR, FIELD, NOT_RUN, UNCLEAR, DISPUTED, UNREAD, NO_READ, BROKEN, ENDLESS];

/// With what a terminal and a text's order obey, and nearly as long as an answer may be.
fn long(text: &str) -> String {
    format!(
        "{text} \0\u{1b}[31m\u{7f}\u{9b}\u{202e}txet\u{202c}\u{2067} {}",
        "long ".repeat(180_000)
    )
}

fn says(times: u32, only: Option<&str>, status: u16, body: String) -> FaultSpec {
    let (only, says) = (only.map(str::to_owned), Says { status, body });
    FaultSpec { times, only, says, ..Fault::Says.into() }
}

/// The next write is answered with it.
fn json_once(status: u16, body: &Value) -> FaultSpec {
    says(1, None, status, body.to_string())
}

/// Every read of this field is.
fn json_read(field: &str, body: &Value) -> FaultSpec {
    says(u32::MAX, Some(field), 200, body.to_string())
}

fn cancel_refused(code: &str, message: &str) -> Value {
    let error = json!({ "code": code, "field": [FIELD], "message": message });
    json!({ "data": { "orderCancel": { "job": null, "orderCancelUserErrors": [error] } } })
}

fn not_run(text: &str) -> Value {
    json!({ "errors": [{ "message": long(text), "extensions": { "code": "ODD" } }] })
}

/// Once it has ended.
async fn ended(desk: &mut Desk<'_>, action: &str) -> v1::Action {
    loop {
        let request = v1::GetActionRequest {
            subject_token: desk.who.token.clone(),
            action_id: action.to_owned(),
        };
        let found = desk.client.get_action(request).await.unwrap().into_inner().action.unwrap();
        if found.state() == ActionState::Sealed {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Nothing of a backend's words is in it.
fn untold(text: &str) {
    for hostile in ALL {
        assert!(!text.contains(hostile), "{hostile} in {text}");
        assert!(!text.contains(&escaped(hostile)), "{hostile} in {text}");
    }
    assert!(!text.contains("long long"), "{text}");
}

/// What was kept is short, and no terminal obeys it.
fn tame(receipt: &Receipt) {
    let answers: Vec<_> = receipt.attempts.iter().map(|one| one.verdict.to_string()).collect();
    for text in answers.iter().chain([&receipt.message]) {
        assert!(text.chars().count() <= KEPT, "{} characters: {text}", text.len());
        let obeyed = |c: char| c.is_control();
        assert!(!text.contains(obeyed) && !text.contains("\\u00"), "{text}");
    }
    untold(&receipt.said);
}

/// The customer taps on their own page, and the shop refuses.
async fn on_the_customers_page(house: &House, hook: &Hook, phone: &Phone) -> String {
    let mut desk = Desk::new(&house.pair, wishes::customer(&house.pair), "c1");
    desk.confirm_by_link = true;
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let link = mailed(hook, 2, "customer1@example.com").await;
    let card = phone.card(&link).await;
    house.pair.sandbox.fault(json_once(200, &cancel_refused("ODD", USER_ERROR)));
    assert_eq!(phone.post(&link, &card, "yes").await.status(), StatusCode::SEE_OTHER);
    let action = ended(&mut desk, &proposal.action_id).await;
    assert_eq!((action.outcome(), &*action.code), (Outcome::NotApplied, "BACKEND_REFUSED"));
    let page = phone.read(&link).await;
    assert!(page.contains("Not done"), "{page}");
    untold(&page);
    action.receipt_id
}

/// A request whose state cannot be read for now, and that is applied after a page of a 500; and
/// one that ends with a refused read. Answers with the receipt of the one, the path of the other.
async fn before_staff(house: &House, alice: &Page<'_>) -> [String; 2] {
    let sandbox = &house.pair.sandbox;
    let mut desk = Desk::new(&house.pair, wishes::customer(&house.pair), "c2");
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let waits = desk.execute(&proposal, &yes).await.unwrap();
    let path = format!("/approve/{}", proposal.proposal_id);
    let error = json!({ "message": long(UNREAD) });
    sandbox.fault(json_read(
        "order",
        &json!({ "data": { "order": { "id": "1" } }, "errors": [error] }),
    ));
    let unread = alice.read(&path).await;
    assert!(unread.contains("Not readable now"), "{unread}");
    plain(&unread, &[UNREAD]);
    in_a_browser(house, &house.alice, &[(&*path, "Not readable now", vec![UNREAD])]).await;
    sandbox.clear_faults();
    sandbox.fault(says(1, None, 500, format!("<!doctype html>{BROKEN}")));
    let answered = alice.answer(&proposal.proposal_id, "approve", "").await;
    assert_eq!(answered.status(), StatusCode::OK);
    let approved = ended(&mut desk, &waits.action_id).await;
    assert_eq!((approved.outcome(), approved.attempts), (Outcome::Applied, 2), "{approved:?}");

    let order = desk.order("1004").await.unwrap();
    let whole = desk.whole(&order).await.unwrap();
    let second = desk.refund_step(&order, &whole);
    let second = format!("/approve/{}", confirmed(&mut desk, second).await);
    sandbox.fault(json_read("order", &not_run(NO_READ)));
    plain(&alice.read(&second).await, &[NO_READ]);
    sandbox.clear_faults();
    [approved.receipt_id, second]
}

/// A read that is refused: the planner hears why, in few words; what it may say is the code's.
async fn to_the_planner(house: &House) -> String {
    let mut desk = Desk::new(&house.pair, wishes::customer(&house.pair), "c2");
    house.pair.sandbox.fault(json_read("orders", &not_run(NO_READ)));
    let no = refusal(desk.order("1002").await);
    house.pair.sandbox.clear_faults();
    assert!(no.message.contains(NO_READ) && no.message.chars().count() < KEPT, "{}", no.message);
    untold(&no.say);
    no.receipt_id.expect("a refusal has a receipt")
}

/// What the planner answers to a refused write, and to a read that is refused.
async fn in_the_planners_words(house: &House) -> String {
    let (pair, who) = (&house.pair, wishes::customer(&house.pair));
    let asked = converse(pair, &who, "m1", "please cancel my order #1004", None).await;
    pair.sandbox.fault(json_once(200, &not_run(NOT_RUN)));
    let answered = converse(pair, &who, "m2", "yes", Some(&asked.card.unwrap())).await.turn;
    assert_eq!(answered.actions[0].outcome(), Outcome::NotApplied, "{answered:?}");
    pair.sandbox.fault(json_read("orders", &not_run(NO_READ)));
    let unread = converse(pair, &who, "m3", "where is my order #1002?", None).await.turn;
    pair.sandbox.clear_faults();
    for turn in [&answered, &unread] {
        assert!(!turn.reply.is_empty());
        untold(&format!("{turn:?}"));
    }
    answered.actions[0].receipt_id.clone()
}

/// A refund that the backend refuses with what hands it to people, and a part of it that is
/// answered with a page and with more than is read, and then done.
async fn at_stripe(house: &House) -> (String, String) {
    let pair = &house.pair;
    let mut desk = Desk::new(pair, wishes::customer(pair), "c3");
    let charges = desk.read(step("stripe.list_charges", vec![])).await.unwrap();
    let charge = seen(&charges, "/charges/0/id");
    let part = desk.say("please refund $20 of it", "20");
    let part = vec![("charge_id", charge.clone()), ("amount", part)];
    let proposal = desk.propose(step("stripe.refund_charge", part)).await.unwrap();
    let yes = desk.yes(&proposal);
    let page = format!("<!doctype html><title>502</title>{BROKEN}<script>alert(68)</script>");
    pair.sandbox.fault(says(1, None, 502, page));
    pair.sandbox.fault(says(1, None, 400, ENDLESS.repeat(50_000)));
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!((done.outcome(), done.attempts), (Outcome::Applied, 3), "{done:?}");

    let whole = step("stripe.refund_charge", vec![("charge_id", charge)]);
    let proposal = desk.propose(whole).await.unwrap();
    let yes = desk.yes(&proposal);
    let error = json!({
        "type": "card_error", "code": "charge_disputed", "message": long(DISPUTED), "param": FIELD,
    });
    pair.sandbox.fault(json_once(400, &json!({ "error": error })));
    let refused = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!((refused.outcome(), &*refused.code), (Outcome::NotApplied, "PAYMENT_DISPUTED"));
    (done.receipt_id, refused.receipt_id)
}

/// A cancellation of which nobody can say whether it happened.
async fn in_doubt(house: &House) -> String {
    let mut desk = Desk::new(&house.pair, wishes::customer(&house.pair), "c4");
    let proposal = desk.propose_cancel("1004").await.unwrap();
    let yes = desk.yes(&proposal);
    house.pair.sandbox.fault(json_once(200, &cancel_refused("INTERNAL_ERROR", &long(UNCLEAR))));
    let unknown = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(unknown.outcome(), Outcome::Unknown, "{unknown:?}");
    unknown.receipt_id
}

/// The matter whose page has this text.
async fn matter(alice: &Page<'_>, text: &str) -> String {
    let list = alice.read("/escalations").await;
    for rest in list.split("href=\"/escalations/").skip(1) {
        let path = format!("/escalations/{}", rest.split('"').next().unwrap());
        if alice.read(&path).await.contains(&escaped(text)) {
            return path;
        }
    }
    panic!("no matter says {text}: {list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn console_xss_every_error_of_a_backend_stays_text() {
    let hook = Hook::start().await;
    let mut house = House::staffed("[support_lead]", "Alice Example").await;
    let phone = page_from_the_next_start(&house.pair, &hook);
    // The shop would need longer; the rule is the same.
    house.pair.change_pack(|_, text| Some(text.replace("quiet_period: 15s", "quiet_period: 1s")));
    widen(&mut house.pair, "auto");
    house.pair.start_planner("{ kind: offline }");
    let pair = &house.pair;
    let alice = Page::signed_in(&house.origin, &house.alice).await;

    let on_the_page = on_the_customers_page(&house, &hook, &phone).await;
    let [approved, ended_by_a_read] = before_staff(&house, &alice).await;
    let unread = to_the_planner(&house).await;
    let by_the_planner = in_the_planners_words(&house).await;
    let (done, disputed) = at_stripe(&house).await;
    let unclear = in_doubt(&house).await;

    // In receipts, and on every page that shows the actions.
    let (cancel, refund) = ("shopify.cancel_order", "stripe.refund_charge");
    let told = [
        (&*on_the_page, cancel, vec![USER_ERROR, FIELD]),
        (&*by_the_planner, cancel, vec![NOT_RUN]),
        (&*unclear, cancel, vec![UNCLEAR]),
        (&*disputed, refund, vec![DISPUTED]),
        (&*done, refund, vec![]),
        (&*approved, "shopify.refund_lines", vec![]),
        (&*unread, "shopify.find_order", vec![NO_READ]),
    ];
    let erin = Page::signed_in(&house.origin, &house.erin).await;
    let mut pages = Vec::new();
    for (id, tool, texts) in told {
        tame(&receipt(pair, id).await);
        let path = format!("/actions/{id}");
        let page = erin.read(&path).await;
        plain(&page, &texts);
        if texts.is_empty() {
            untold(&page);
        }
        pages.push((path, tool, texts));
    }
    plain(&erin.read("/actions").await, &[]);
    let mut pages: Vec<_> =
        pages.iter().map(|(at, title, all)| (&**at, *title, all.clone())).collect();
    pages.extend([("/actions", "Actions", vec![]), ("/review", "Review", vec![])]);
    in_a_browser(&house, &house.erin, &pages).await;

    // Whatever a backend refuses for good, people look at.
    let mut matters = Vec::new();
    for text in [USER_ERROR, NOT_RUN, UNCLEAR, DISPUTED, NO_READ] {
        let path = matter(&alice, text).await;
        plain(&alice.read(&path).await, &[text]);
        // Where nothing was sent, nothing of the page is folded.
        if text != NO_READ {
            matters.push((path, text));
        }
    }
    let mut pages: Vec<_> =
        matters.iter().map(|(at, text)| (&**at, "Waits for a person", vec![*text])).collect();
    pages.extend([
        (&*ended_by_a_read, "Refused", vec![NO_READ]),
        ("/escalations", "Left to people", vec![]),
        ("/approvals?who=all", "Waiting", vec![]),
    ]);
    in_a_browser(&house, &house.alice, &pages).await;

    for log in ["executor.log", "planner.log"] {
        let log = fs::read_to_string(pair.path(log)).unwrap();
        untold(&log);
        assert!(!log.contains(['\u{1b}', '\u{202e}', '\0']), "{log}");
    }
}
