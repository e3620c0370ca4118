//! What must be refused, each with its own stable code and nothing sent.

use countersign_proto::v1;
use countersign_tests::sandbox::StaffAct;
use serde_json::json;

use super::support::pair::Pair;
use super::support::plans::{Desk, fields, list, model, refusal, seen, step};

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_own_codes_and_send_nothing() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let order = desk.order("1001").await.unwrap();
    let id = || seen(&order, "/orders/0/id");
    let mut codes = Vec::new();

    // A made-up number, another customer's and a guest's: all the same answer.
    for number in ["9999", "2001", "3001"] {
        codes.push((number, refusal(desk.order(number).await).code));
    }
    // The same orders by an id that the customer pasted: the fresh read decides.
    for number in ["2001", "3001", "9999"] {
        let gid = format!("gid://shopify/Order/{number}");
        let span = desk.say(&format!("cancel {gid}"), &gid);
        let answer = desk.propose(step("shopify.cancel_order", vec![("order_id", span)])).await;
        codes.push(("pasted", refusal(answer).code));
    }
    let answer = desk.propose_cancel("1002").await;
    codes.push(("fulfilled", refusal(answer).code));
    let answer = desk.propose(step("shopify.launch_rocket", vec![("order_id", id())])).await;
    codes.push(("unknown tool", refusal(answer).code));
    let arguments = vec![("order_id", id()), ("amount", model(&json!("9999.00")))];
    let answer = desk.propose(step("shopify.cancel_order", arguments)).await;
    codes.push(("extra argument", refusal(answer).code));
    let typed = model(&json!("gid://shopify/Order/1001"));
    let answer = desk.propose(step("shopify.cancel_order", vec![("order_id", typed)])).await;
    codes.push(("typed by the model", refusal(answer).code));
    let tracking = desk.say("where is 1Z999AA10123456784", "1Z999AA10123456784");
    let answer = desk.read(step("shopify.find_order", vec![("number", tracking)])).await;
    codes.push(("tracking number", refusal(answer).code));
    let mut two = desk.plan(vec![
        step("shopify.cancel_order", vec![("order_id", id())]),
        step("shopify.change_address", vec![("order_id", id())]),
    ]);
    codes.push(("two writes", refusal(desk.propose_plan(two.clone()).await).code));
    two.steps.truncate(1);
    two.confidence.as_mut().unwrap().score = 0.5;
    codes.push(("unsure", refusal(desk.propose_plan(two.clone()).await).code));
    two.confidence.as_mut().unwrap().score = f64::NAN;
    codes.push(("no number", refusal(desk.propose_plan(two).await).code));

    let codes: Vec<_> = codes.iter().map(|(_, code)| code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "ORDER_NOT_FOUND",
            "ORDER_NOT_FOUND",
            "ORDER_NOT_FOUND",
            "NOT_THE_SUBJECTS",
            "OWNER_UNKNOWN",
            "ORDER_NOT_FOUND",
            "ORDER_FULFILLED",
            "TOOL_UNKNOWN",
            "ARGUMENT_UNEXPECTED",
            "REFERENCE_REQUIRED",
            "ARGUMENT_INVALID",
            "PLAN_TOO_MANY_WRITES",
            "CONFIDENCE_TOO_LOW",
            "PLAN_INVALID",
        ]
    );
    assert_eq!(pair.mutations(), 0);
    assert!(pair.effects().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_more_than_remains() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let order = desk.order("1001").await.unwrap();
    let id = || seen(&order, "/orders/0/id");
    let whole = desk.read(step("shopify.get_order", vec![("order_id", id())])).await.unwrap();
    let line =
        fields(vec![("line_id", seen(&whole, "/lines/0/id")), ("quantity", model(&json!(7)))]);
    let arguments = vec![("order_id", id()), ("lines", list(vec![line]))];
    let answer = desk.propose(step("shopify.refund_lines", arguments)).await;
    assert_eq!(refusal(answer).code, "QUANTITY_EXCEEDS_REMAINING");
    assert_eq!(pair.mutations(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_without_a_yes_to_exactly_this_card() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    assert_eq!(refusal(desk.execute(&proposal, "").await).code, "CONFIRMATION_REQUIRED");
    // A card that was altered on the way.
    let mut altered = proposal.clone();
    altered.card.as_mut().unwrap().text.push_str(" And nothing else.");
    let yes = desk.yes(&altered);
    assert_eq!(refusal(desk.execute(&proposal, &yes).await).code, "CONFIRMATION_INVALID");
    // A yes to another proposal, by another person, and one that the planner signed itself.
    let other = desk.propose_cancel("1004").await.unwrap();
    let yes = desk.yes(&other);
    assert_eq!(refusal(desk.execute(&proposal, &yes).await).code, "CONFIRMATION_INVALID");
    let card = proposal.card.as_ref().unwrap();
    let stranger = pair.frontend.yes(&pair.customer(2), "c1", card);
    assert_eq!(refusal(desk.execute(&proposal, &stranger).await).code, "CONFIRMATION_INVALID");
    let forged = super::support::people::Signer::new(99).yes(&desk.who, "c1", card);
    assert_eq!(refusal(desk.execute(&proposal, &forged).await).code, "CONFIRMATION_INVALID");
    assert_eq!(pair.mutations(), 0);
    // None of that spoils the rightful yes.
    let yes = desk.yes(&proposal);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_state_changed_shows_what_changed() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let part = StaffAct::Refund { amount: Some("10.00".into()) };
    pair.sandbox.staff("#1001", &part).unwrap();
    let refused = refusal(desk.execute(&proposal, &yes).await);
    assert_eq!(refused.code, "STATE_CHANGED", "{refused:?}");
    assert!(refused.message.contains("net_payment"), "{}", refused.message);
    assert!(refused.receipt_id.is_some(), "a refusal has a receipt");
    assert_eq!(pair.mutations(), 0);
    // Asked again on the new state, it goes through, for what is left.
    let again = desk.propose_cancel("1001").await.unwrap();
    assert_eq!(again.amount, "120.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_words_that_nobody_attested() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let span = desk.say("order #1001", "1001");
    desk.words[0].text = "order #1004".into();
    let answer = desk.read(step("shopify.find_order", vec![("number", span.clone())])).await;
    assert_eq!(refusal(answer).code, "MESSAGE_UNATTESTED");
    // Words of another conversation.
    let mut other = Desk::new(&pair, pair.customer(1), "c2");
    other.words = vec![pair.frontend.message(&desk.who, "c1", "m1", "order #1001")];
    let answer = other.read(step("shopify.find_order", vec![("number", span.clone())])).await;
    assert_eq!(refusal(answer).code, "MESSAGE_UNATTESTED");
    // No token, and a token that the frontend made up.
    desk.words.clear();
    desk.who.token =
        pair.frontend.customer(super::support::pair::ISSUER, "x@example.com", "x").token;
    let answer = desk.read(step("shopify.list_orders", vec![])).await;
    assert_eq!(refusal(answer).code, "SUBJECT_UNVERIFIED");
}
