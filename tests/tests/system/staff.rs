//! Colleagues act on customers' orders with a scope in the place of ownership, and only
//! with tools whose contract is for them (SUBJECT OWNS IT).

use std::collections::BTreeSet;

use countersign_proto::v1;
use serde_json::json;

use super::one_time_page::page_from_the_next_start;
use super::support::hook::Hook;
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal, seen, step, value};

const BOTH: &str = "shopify:read shopify:write";

/// Finds any order of the shop.
async fn find(desk: &mut Desk<'_>, number: &str) -> Result<v1::Observation, tonic::Status> {
    let span = desk.say(&format!("it is about order #{number}"), number);
    desk.read(step("shopify.find_any_order", vec![("number", span)])).await
}

async fn propose(
    desk: &mut Desk<'_>,
    order: &v1::Observation,
) -> Result<v1::Proposal, tonic::Status> {
    let arguments = vec![("order_id", seen(order, "/orders/0/id"))];
    desk.propose(step("shopify.cancel_order", arguments)).await
}

async fn tools(desk: &mut Desk<'_>) -> BTreeSet<String> {
    let request =
        v1::ListToolsRequest { subject_token: desk.who.token.clone(), ..Default::default() };
    let tools = desk.client.list_tools(request).await.unwrap().into_inner().tools;
    tools.into_iter().map(|tool| tool.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_with_the_scope_cancel_a_customers_order_and_a_guests() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.colleague("erin", BOTH), "c1");
    // Another tenant's issuer vouches for nobody here; the guest's order has no owner at all.
    for (number, applied) in [("1001", 1), ("3001", 2)] {
        let order = find(&mut desk, number).await.unwrap();
        assert_eq!(value(&order)["orders"][0]["name"], json!(format!("#{number}")));
        let proposal = propose(&mut desk, &order).await.unwrap();
        // The yes is the colleague's own, to the card that they saw.
        let stranger = pair.frontend.yes(&pair.customer(1), "c1", proposal.card.as_ref().unwrap());
        assert_eq!(refusal(desk.execute(&proposal, &stranger).await).code, "CONFIRMATION_INVALID");
        let yes = desk.yes(&proposal);
        let done = desk.execute(&proposal, &yes).await.unwrap();
        assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
        assert_eq!(pair.mutations(), applied);
        let receipt = super::action_flow::receipt(&pair, &done.receipt_id).await;
        let gate = receipt.gates.iter().find(|gate| gate.gate == "subject").unwrap();
        assert_eq!(gate.facts["scope"], "shopify:write");
        assert_eq!(receipt.asked.subject, "erin");
    }
}

/// The same wish is the same, whoever of them asks: a line of two pieces could be refunded
/// twice, and nobody would have been shown the first receipt.
#[tokio::test(flavor = "multi_thread")]
async fn staff_ask_for_what_the_customer_had_and_hear_that_it_was_done() {
    let hook = Hook::start().await;
    let mut pair = Pair::executor_only().await;
    let _phone = page_from_the_next_start(&pair, &hook);
    pair.restart_executor();
    let mut customer = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = customer.propose_refund("1004").await.unwrap();
    let yes = customer.yes(&proposal);
    let done = customer.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), v1::Outcome::Applied, "{done:?}");
    assert_ne!(done.receipt_link, "");
    for name in ["erin", "frank"] {
        let mut desk = Desk::new(&pair, pair.colleague(name, BOTH), name);
        let order = find(&mut desk, "1004").await.unwrap();
        let whole = desk.whole(&order).await.unwrap();
        let again = refusal(desk.propose(desk.refund_step(&order, &whole)).await);
        assert_eq!(again.code, "ALREADY_DONE");
        assert_eq!(again.receipt_id.as_deref(), Some(&*done.receipt_id));
        assert_eq!(again.receipt_link, None, "the link is the customer's: {}", done.receipt_link);
    }
    assert_eq!(pair.mutations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_and_customers_are_kept_to_what_is_for_them() {
    let pair = Pair::executor_only().await;
    let mut reader = Desk::new(&pair, pair.colleague("frank", "shopify:read"), "c1");
    let mut nobody = Desk::new(&pair, pair.colleague("gil", "stripe:write"), "c2");
    let mut customer = Desk::new(&pair, pair.customer(1), "c3");
    // Without the scope to change, nothing is proposed; without the one to read, nothing read.
    let order = find(&mut reader, "1001").await.unwrap();
    assert_eq!(refusal(propose(&mut reader, &order).await).code, "NOT_THE_SUBJECTS");
    assert_eq!(refusal(find(&mut nobody, "1001").await).code, "NOT_THE_SUBJECTS");
    // A customer's tool asks whose it is, and a colleague's tool is for no customer.
    assert_eq!(refusal(reader.order("1001").await).code, "NOT_THE_SUBJECTS");
    assert_eq!(refusal(find(&mut customer, "1001").await).code, "NOT_THE_SUBJECTS");
    let (theirs, own) = (tools(&mut reader).await, tools(&mut customer).await);
    assert!(theirs.contains("shopify.find_any_order") && !theirs.contains("shopify.find_order"));
    assert!(own.contains("shopify.find_order") && !own.contains("shopify.find_any_order"));
    // Nor is a planner told of what the policy refuses them whatever they say.
    assert!(own.contains("shopify.cancel_order") && !theirs.contains("shopify.cancel_order"));
    assert!(!tools(&mut nobody).await.iter().any(|tool| tool.starts_with("shopify.")));
    // What a colleague saw is no evidence for a customer.
    let arguments = vec![("order_id", seen(&order, "/orders/0/id"))];
    let answer = customer.propose(step("shopify.cancel_order", arguments)).await;
    assert_eq!(refusal(answer).code, "REFERENCE_UNKNOWN");
    assert_eq!(pair.mutations(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_are_served_by_the_planner_like_anybody() {
    let pair = Pair::start().await;
    let who = pair.colleague("erin", BOTH);
    let card = super::action_flow::converse(&pair, &who, "m1", "cancel order #3001", None).await;
    let card = card.card.expect("a card");
    let done = super::action_flow::converse(&pair, &who, "m2", "yes", Some(&card)).await.turn;
    assert_eq!(done.actions[0].outcome(), v1::Outcome::Applied, "{done:?}");
    assert_eq!(pair.mutations(), 1);
}
