//! The cheapest way to each code at the usual shop.

use std::time::Duration;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_shared::ids::ActionId;
use countersign_tests::sandbox::{Fault, FaultSpec, StaffAct};
use serde_json::json;

use super::super::matching::matched;
use super::super::support::pair::{ISSUER, Pair};
use super::super::support::plans::{Desk, model, step};
use super::Answer;

const CANCEL: &str = "shopify.cancel_order";
/// Tries of a read before it gives up.
const TRIES: u32 = 3;

pub fn refused<T: std::fmt::Debug>(answer: Result<T, tonic::Status>) -> Answer {
    Answer::Refused(answer.expect_err("the call should have been refused"))
}

fn desk(pair: &Pair) -> Desk<'_> {
    Desk::new(pair, pair.customer(1), "c1")
}

/// A proposal to cancel the order of this argument.
async fn cancel(pair: &Pair, order_id: v1::Argument) -> Answer {
    refused(desk(pair).propose(step(CANCEL, vec![("order_id", order_id)])).await)
}

/// The read that needs no argument.
async fn orders(desk: &mut Desk<'_>) -> Answer {
    refused(desk.read(step("shopify.list_orders", vec![])).await)
}

/// The same, while the shop has this fault.
async fn orders_with(pair: &Pair, fault: Fault, times: u32) -> Answer {
    pair.sandbox.fault(FaultSpec { only: Some("orders".into()), times, ..fault.into() });
    orders(&mut desk(pair)).await
}

pub async fn tool_unknown(pair: &Pair) -> Answer {
    refused(desk(pair).read(step("shopify.launch_rocket", vec![])).await)
}

pub async fn fraud_flagged(pair: &Pair) -> Answer {
    refused(desk(pair).propose_cancel("1005").await)
}

pub async fn argument_invalid(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let tracking = desk.say("where is 1Z999AA10123456784", "1Z999AA10123456784");
    refused(desk.read(step("shopify.find_order", vec![("number", tracking)])).await)
}

pub async fn argument_unexpected(pair: &Pair) -> Answer {
    let arguments = vec![("limit", model(&json!(100)))];
    refused(desk(pair).read(step("shopify.list_orders", arguments)).await)
}

pub async fn argument_missing(pair: &Pair) -> Answer {
    refused(desk(pair).propose(step(CANCEL, vec![])).await)
}

pub async fn reference_required(pair: &Pair) -> Answer {
    cancel(pair, model(&json!("gid://shopify/Order/1001"))).await
}

pub async fn reference_unknown(pair: &Pair) -> Answer {
    cancel(pair, v1::Argument { source: Some(Source::Claim("shoe_size".into())) }).await
}

pub async fn span_invalid(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    desk.say("order #1001", "1001");
    let beyond = v1::UtteranceSpan { message_id: "m1".into(), start: 5, end: 500 };
    let argument = v1::Argument { source: Some(Source::Utterance(beyond)) };
    refused(desk.read(step("shopify.find_order", vec![("number", argument)])).await)
}

pub async fn plan_invalid(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let nothing = desk.plan(vec![]);
    refused(desk.execute_plan(nothing).await)
}

pub async fn plan_too_many_writes(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let two = vec![step(CANCEL, vec![]), step("shopify.change_address", vec![])];
    let plan = desk.plan(two);
    refused(desk.propose_plan(plan).await)
}

pub async fn plan_too_large(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let plan = desk.plan(vec![step("shopify.list_orders", vec![]); 9]);
    refused(desk.execute_plan(plan).await)
}

pub async fn subject_unverified(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    desk.who.token.clear();
    orders(&mut desk).await
}

pub async fn message_unattested(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    desk.say("order #1001", "1001");
    desk.words[0].text = "order #1004".into();
    orders(&mut desk).await
}

pub async fn strength_required(pair: &Pair) -> Answer {
    orders(&mut Desk::new(pair, pair.guest("guest-1"), "c1")).await
}

pub async fn match_failed(pair: &Pair) -> Answer {
    let mut guest = Desk::new(pair, pair.guest("guest-1"), "c1");
    refused(matched(&mut guest, "1001", "customer2@example.com").await)
}

pub async fn caller_not_allowed(pair: &Pair) -> Answer {
    let mut auditor = ExecutorClient::new(pair.channel(Role::Auditor));
    let request =
        v1::ListToolsRequest { subject_token: pair.customer(1).token, ..Default::default() };
    refused(auditor.list_tools(request).await)
}

/// An order by an id that the customer pasted: the fresh read decides whose it is.
pub async fn pasted(pair: &Pair, number: &str) -> Answer {
    let mut desk = desk(pair);
    let gid = format!("gid://shopify/Order/{number}");
    let span = desk.say(&format!("cancel {gid}"), &gid);
    refused(desk.propose(step(CANCEL, vec![("order_id", span)])).await)
}

pub async fn not_found(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let action_id = ActionId::from_uuid(uuid::Uuid::now_v7()).to_string();
    let request = v1::GetActionRequest { subject_token: desk.who.token.clone(), action_id };
    refused(desk.client.get_action(request).await)
}

pub async fn state_unreadable(pair: &Pair) -> Answer {
    orders_with(pair, Fault::ErrorBefore, TRIES).await
}

/// The contract computes a number from a claim that holds none.
pub async fn rule_error(pair: &Pair) -> Answer {
    let who = pair.issuer.customer(ISSUER, "customer1@example.com", "no number in it");
    orders(&mut Desk::new(pair, who, "c1")).await
}

pub async fn confidence_too_low(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let gid = "gid://shopify/Order/1001";
    let span = desk.say(&format!("cancel {gid}"), gid);
    let mut plan = desk.plan(vec![step(CANCEL, vec![("order_id", span)])]);
    plan.confidence.as_mut().unwrap().score = 0.5;
    refused(desk.propose_plan(plan).await)
}

pub async fn confirmation_required(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let proposal = desk.propose_cancel("1001").await.unwrap();
    refused(desk.execute(&proposal, "").await)
}

pub async fn confirmation_invalid(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let mut altered = proposal.clone();
    altered.card.as_mut().unwrap().text.push_str(" And nothing else.");
    let yes = desk.yes(&altered);
    refused(desk.execute(&proposal, &yes).await)
}

pub async fn state_changed(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let proposal = desk.propose_cancel("1004").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.staff("#1004", &StaffAct::Refund { amount: Some("1.00".into()) }).unwrap();
    refused(desk.execute(&proposal, &yes).await)
}

pub async fn backend_throttled(pair: &Pair) -> Answer {
    orders_with(pair, Fault::RateLimited, TRIES).await
}

pub async fn credential_rejected(pair: &Pair) -> Answer {
    orders_with(pair, Fault::RevokedCredential, 1).await
}

pub async fn already_done(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    desk.cancel("1001").await.unwrap();
    refused(desk.propose_cancel("1001").await)
}

/// Asked again while the shop takes its time with the first.
pub async fn in_flight(pair: &Pair) -> Answer {
    let (mut first, mut second) = (desk(pair), desk(pair));
    let proposal = first.propose_cancel("1004").await.unwrap();
    let yes = first.yes(&proposal);
    let before = pair.mutations();
    pair.sandbox.fault(FaultSpec { after_ms: 3000, ..Fault::Slow.into() });
    let again = async {
        while pair.mutations() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        second.propose_cancel("1004").await
    };
    let (done, again) = tokio::join!(first.execute(&proposal, &yes), again);
    assert_eq!(done.unwrap().outcome(), v1::Outcome::Applied);
    refused(again)
}

/// The shop says yes and does nothing.
pub async fn verify_mismatch(pair: &Pair) -> Answer {
    let mut desk = Desk::new(pair, pair.customer(3), "c1");
    let proposal = desk.propose_cancel("4001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::NoEffect);
    Answer::Ended(Box::new(desk.execute(&proposal, &yes).await.unwrap()))
}

pub async fn object_in_doubt(pair: &Pair) -> Answer {
    let mut desk = Desk::new(pair, pair.customer(3), "c2");
    refused(desk.propose_cancel("4001").await)
}
