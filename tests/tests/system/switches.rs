//! What an operator switched off sends nothing, from the answer on, restarts included.

use countersign::pki::Role;
use countersign_proto::v1::operator_client::OperatorClient;
use countersign_proto::v1::{
    ListSwitchesRequest, Outcome, Proposal, SetSwitchRequest, SetSwitchResponse, Switch,
};
use countersign_tests::sandbox::Fault;

use super::action_flow::receipt;
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal};

async fn turn(pair: &Pair, reach: &str, off: bool) -> Result<SetSwitchResponse, tonic::Status> {
    let request = SetSwitchRequest { reach: reach.into(), off, reason: "incident 42".into() };
    let mut operator = OperatorClient::new(pair.channel(Role::Operator));
    operator.set_switch(request).await.map(tonic::Response::into_inner)
}

async fn off(pair: &Pair) -> Vec<Switch> {
    let mut operator = OperatorClient::new(pair.channel(Role::Operator));
    operator.list_switches(ListSwitchesRequest {}).await.unwrap().into_inner().switches
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_stop_a_tool_with_a_receipt_and_outlive_the_process() {
    let mut pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let done = turn(&pair, "tool/shopify.cancel_order", true).await.unwrap();
    assert_eq!(done.under_way, 0);

    let claimed = refusal(desk.execute(&proposal, &yes).await);
    assert_eq!(claimed.code, "SWITCHED_OFF", "a yes that was given before");
    assert!(claimed.receipt_id.is_some(), "{claimed:?}");
    assert_eq!(refusal(desk.propose_cancel("1004").await).code, "SWITCHED_OFF", "a new plan");
    desk.order("1001").await.expect("reads go on");
    desk.propose_refund("1001").await.expect("another tool of the same pack");

    let change = receipt(&pair, &done.receipt_id).await;
    assert_eq!(change.outcome, "changed");
    let change = change.change.unwrap();
    assert_eq!(change.what, "switch/tool/shopify.cancel_order");
    assert_eq!((change.old.as_str(), change.new.as_str()), ("on", "off"));
    assert_eq!(change.reason, "incident 42");
    assert!(change.by[0].who.ends_with("/operator"), "{change:?}");

    drop(desk);
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    assert_eq!(refusal(desk.propose_cancel("1001").await).code, "SWITCHED_OFF");
    assert_eq!(off(&pair).await[0].reach, "tool/shopify.cancel_order");
    assert_eq!(pair.mutations(), 0);

    turn(&pair, "tool/shopify.cancel_order", false).await.unwrap();
    assert!(off(&pair).await.is_empty());
    let refused = refusal(desk.execute(&proposal, &yes).await);
    assert_eq!(refused.code, "SWITCHED_OFF", "the old yes sets nothing going later");
    assert_eq!(desk.cancel("1001").await.unwrap().outcome(), Outcome::Applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_of_one_tenant_spare_the_other() {
    let pair = Pair::executor_only().await;
    turn(&pair, "tenant/demo-shop", true).await.unwrap();
    let mut here = Desk::new(&pair, pair.customer(1), "c1");
    assert_eq!(refusal(here.propose_cancel("1001").await).code, "SWITCHED_OFF");
    let mut there = Desk::new(&pair, pair.elsewhere(1), "c1");
    assert_eq!(there.cancel("1001").await.unwrap().outcome(), Outcome::Applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_are_an_operators_and_name_what_there_is() {
    let pair = Pair::executor_only().await;
    for role in [Role::Planner, Role::Auditor, Role::Approver] {
        let mut stranger = OperatorClient::new(pair.channel(role));
        let request = SetSwitchRequest { reach: "all".into(), off: true, reason: "r".into() };
        assert_eq!(refusal(stranger.set_switch(request).await).code, "CALLER_NOT_ALLOWED");
    }
    for reach in ["tool/shopify.cancel", "pack/shop", "tenant/nobody"] {
        assert_eq!(refusal(turn(&pair, reach, true).await).code, "NOT_FOUND", "{reach}");
    }
    assert_eq!(refusal(turn(&pair, "everything", true).await).code, "ARGUMENT_INVALID");
    let mut operator = OperatorClient::new(pair.channel(Role::Operator));
    let request = SetSwitchRequest { reach: "all".into(), off: true, reason: " ".into() };
    assert_eq!(refusal(operator.set_switch(request).await).code, "ARGUMENT_INVALID");
    assert!(off(&pair).await.is_empty());
}

/// Proposals that can all be carried out, each with its yes.
async fn several(desk: &mut Desk<'_>) -> Vec<(Proposal, String)> {
    let mut all = Vec::new();
    for number in ["1001", "1002", "1003", "1004"] {
        let proposal = desk.propose_refund(number).await.unwrap();
        let yes = desk.yes(&proposal);
        all.push((proposal, yes));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_under_load_let_nothing_leave_after_the_answer() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposals = several(&mut desk).await;
    let (early, late) = proposals.split_at(2);
    let start = |(proposal, yes): &(Proposal, String)| desk.executing(proposal, yes.clone());
    let early: Vec<_> = early.iter().map(start).collect();
    let turning = turn(&pair, "pack/shopify", true);
    let late: Vec<_> = late.iter().map(start).collect();
    let answer = turning.await.unwrap();
    let sent = pair.mutations();
    assert_eq!(answer.under_way, 0);
    for call in early.into_iter().chain(late) {
        // Carried out before it, or stopped: nothing else.
        if let Err(status) = call.await.unwrap() {
            assert_eq!(refusal::<()>(Err(status)).code, "SWITCHED_OFF");
        }
    }
    assert_eq!(pair.mutations(), sent, "not one request after the answer");
    assert_eq!(refusal(desk.propose_refund("1005").await).code, "SWITCHED_OFF");
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_stop_a_resend_and_the_outcome_is_honest() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    // Nothing happens at the first sending; the second is due a second later.
    pair.sandbox.fault(Fault::RateLimited);
    let call = desk.executing(&proposal, yes);
    while pair.mutations() == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    turn(&pair, "all", true).await.unwrap();
    call.await.unwrap().unwrap();
    let done = desk.execute(&proposal, "").await.unwrap();
    assert_eq!((done.outcome(), done.code.as_str()), (Outcome::NotApplied, "SWITCHED_OFF"));
    assert_eq!(pair.mutations(), 1, "the resend did not leave");
    let receipt = receipt(&pair, &done.receipt_id).await;
    assert_eq!(receipt.attempts.len(), 2, "{:?}", receipt.attempts);
    assert!(receipt.attempts[1].verdict.get("switched_off").is_some());
    assert_eq!(receipt.next, "retry_later");
}
