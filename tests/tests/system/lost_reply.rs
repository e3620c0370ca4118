//! Answers that never came: one effect at most, and the outcome told as it is.

use countersign_proto::v1::Outcome;
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::action_flow::receipt;
use super::support::pair::Pair;
use super::support::plans::Desk;

async fn cancel_with(fault: impl Into<FaultSpec>) -> (Pair, countersign_proto::v1::Action) {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(fault);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    (pair, done)
}

fn cancellations(pair: &Pair) -> usize {
    pair.effects().iter().filter(|e| e.kind == "order_cancelled").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_is_found_by_its_marker() {
    let (pair, done) = cancel_with(Fault::LostReply).await;
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!((pair.mutations(), cancellations(&pair)), (1, 1), "never sent twice");
    assert_eq!(receipt(&pair, &done.receipt_id).await.verification.evidence, ["read_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_error_after_the_effect_is_found() {
    let (pair, done) = cancel_with(Fault::ErrorAfter).await;
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!((pair.mutations(), cancellations(&pair)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_too_slow_is_found() {
    let (pair, done) = cancel_with(Fault::Slow).await;
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!((pair.mutations(), cancellations(&pair)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_of_a_refund_is_replayed_with_the_same_key() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::LostReply);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!(done.attempts, 2);
    let refunds = pair.effects().iter().filter(|e| e.kind == "refund_created").count();
    assert_eq!(refunds, 1, "sent twice, done once");
    let evidence = receipt(&pair, &done.receipt_id).await.verification.evidence;
    assert_eq!(evidence, ["replay", "read_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_rate_limited_waits_and_goes_through() {
    let (pair, done) = cancel_with(Fault::RateLimited).await;
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!((done.attempts, cancellations(&pair)), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_revoked_credential_is_not_applied() {
    let (pair, done) = cancel_with(Fault::RevokedCredential).await;
    assert_eq!((done.outcome(), done.code.as_str()), (Outcome::NotApplied, "CREDENTIAL_REJECTED"));
    assert_eq!(cancellations(&pair), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_survives_a_killed_executor() {
    let mut pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let call = desk.awaiting_the_shop(&proposal, yes).await;
    drop(desk);
    pair.restart_executor();
    assert!(call.await.unwrap().is_err(), "the first caller heard nothing");
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let done = desk.execute(&proposal, "").await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!((pair.mutations(), cancellations(&pair)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_error_before_a_refund_is_sent_again_with_the_same_key() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::ErrorBefore);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!((done.outcome(), done.attempts), (Outcome::Applied, 2), "{done:?}");
    let refunds: Vec<_> =
        pair.effects().into_iter().filter(|e| e.kind == "refund_created").collect();
    assert_eq!((pair.mutations(), refunds.len()), (2, 1), "sent twice, done once");
    let receipt = receipt(&pair, &done.receipt_id).await;
    assert_eq!(refunds[0].idempotency_key, Some(receipt.key));
    assert_eq!(receipt.attempts[0].status, Some(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_error_before_a_cancellation_stays_unknown() {
    let mut pair = Pair::executor_only().await;
    // The shop would need longer; the rule is the same.
    pair.change_pack(|_, text| Some(text.replace("quiet_period: 15s", "quiet_period: 1s")));
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::ErrorBefore);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    // FOUR OUTCOMES: that nothing is seen proves nothing where it cannot be undone.
    assert_eq!((done.outcome(), done.code.as_str()), (Outcome::Unknown, "REPLY_LOST"), "{done:?}");
    assert!(done.escalated);
    assert_eq!((pair.mutations(), cancellations(&pair)), (1, 0), "no key: never sent twice");
    assert_eq!(receipt(&pair, &done.receipt_id).await.next, "person");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_reply_a_pending_refund_is_applied_when_it_has_ended() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(FaultSpec { after_ms: 3000, ..Fault::RefundPending.into() });
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!((done.outcome(), done.attempts), (Outcome::Applied, 1), "{done:?}");
    let refunds = pair.effects().iter().filter(|e| e.kind == "refund_created").count();
    assert_eq!((pair.mutations(), refunds), (1, 1));
    // FOUR OUTCOMES: accepted is not applied; it was looked at until it was.
    assert!(receipt(&pair, &done.receipt_id).await.verification.looks > 1);
}
