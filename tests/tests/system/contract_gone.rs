//! A contract that is gone while an action is in flight: an honest end all the same.

use countersign_proto::v1::Outcome;

use super::action_flow::receipt;
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal};

/// From the next start on, there is no cancelling.
fn without_cancelling(pair: &Pair) {
    pair.change_pack(|name, text| (name != "cancel_order.yaml").then_some(text));
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_gone_after_sending_ends_unknown_and_stays_locked() {
    let mut pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let call = desk.awaiting_the_shop(&proposal, yes).await;
    drop(desk);
    without_cancelling(&pair);
    pair.restart_executor();
    assert!(call.await.unwrap().is_err(), "the first caller heard nothing");

    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let done = desk.execute(&proposal, "").await.unwrap();
    assert_eq!((done.outcome(), done.code.as_str()), (Outcome::Unknown, "TOOL_UNKNOWN"));
    assert!(done.escalated && done.said.contains("can't tell"), "{done:?}");
    let receipt = receipt(&pair, &done.receipt_id).await;
    assert_eq!((receipt.outcome.as_str(), receipt.next.as_str()), ("unknown", "person"));
    assert_eq!(receipt.attempts.len(), 1);
    // FOUR OUTCOMES: what may have happened keeps its object locked.
    let db = rusqlite::Connection::open(pair.path("state/executor.db")).unwrap();
    let held = "SELECT count(*) FROM locks WHERE action_id = ?1";
    let locks: u32 = db.query_row(held, [&done.action_id], |row| row.get(0)).unwrap();
    assert_eq!(locks, 1);
    assert_eq!(pair.mutations(), 1, "never sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_gone_before_sending_is_refused_with_a_receipt() {
    let mut pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    drop(desk);
    without_cancelling(&pair);
    pair.restart_executor();

    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let refused = refusal(desk.execute(&proposal, &yes).await);
    assert_eq!(refused.code, "TOOL_UNKNOWN", "{refused:?}");
    let receipt = receipt(&pair, &refused.receipt_id.unwrap()).await;
    assert_eq!((receipt.outcome.as_str(), receipt.next.as_str()), ("refused", "none"));
    assert_eq!(receipt.proposal_id, proposal.proposal_id);
    assert_eq!(pair.mutations(), 0);
    // It has ended: asked again, the same receipt answers.
    let again = refusal(desk.execute(&proposal, &yes).await);
    assert_eq!(again.receipt_id, Some(receipt.receipt_id));
}
