//! A backend that says yes and means something else.

use countersign_proto::v1::{Action, Outcome};
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::action_flow::receipt;
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal};

async fn cancel_with(fault: impl Into<FaultSpec>) -> (Pair, Action) {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(fault);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    (pair, done)
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_backend_200_with_no_effect_is_unknown() {
    let (pair, done) = cancel_with(Fault::NoEffect).await;
    assert_eq!(
        (done.outcome(), done.code.as_str()),
        (Outcome::Unknown, "VERIFY_MISMATCH"),
        "{done:?}"
    );
    assert!(done.escalated);
    assert!(pair.effects().is_empty());
    assert_eq!(pair.mutations(), 1, "never sent again");
    // In doubt: nobody else touches the order.
    let mut desk = Desk::new(&pair, pair.customer(1), "c2");
    assert_eq!(refusal(desk.propose_cancel("1001").await).code, "OBJECT_IN_DOUBT");
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_backend_half_an_effect_is_unknown_with_expected_beside_found() {
    let (pair, done) = cancel_with(Fault::HalfEffect).await;
    assert_eq!(
        (done.outcome(), done.code.as_str()),
        (Outcome::Unknown, "VERIFY_MISMATCH"),
        "{done:?}"
    );
    let receipt = receipt(&pair, &done.receipt_id).await;
    let sight = receipt.verification.sight.to_string();
    assert!(sight.contains("looked.refunded") && sight.contains("130.00"), "{sight}");
    assert_eq!(receipt.next, "person");
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_backend_job_that_fails_is_not_told_as_done() {
    let (pair, done) = cancel_with(Fault::JobFails).await;
    assert_eq!(done.outcome(), Outcome::Unknown, "{done:?}");
    assert!(pair.effects().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_backend_late_job_is_waited_for() {
    let (pair, done) =
        cancel_with(FaultSpec { after_ms: 4000, ..FaultSpec::from(Fault::JobLate) }).await;
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    assert_eq!(pair.mutations(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_backend_stale_reads_are_read_again() {
    let (_pair, done) = cancel_with(Fault::StaleRead).await;
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lying_backend_a_colleague_was_faster() {
    let (pair, done) = cancel_with(Fault::StaffChange).await;
    assert_ne!(done.outcome(), Outcome::Applied, "not our doing: {done:?}");
    assert!(pair.effects().is_empty(), "{:?}", pair.effects());
}
