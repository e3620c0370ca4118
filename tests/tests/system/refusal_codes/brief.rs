//! Shops in which nothing may take long: short waits of the contract, short lives of
//! cards and sign-ins.

use std::time::Duration;

use countersign_proto::v1::Action;
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::super::support::pair::Pair;
use super::super::support::plans::Desk;
use super::Answer;
use super::earn::refused;

/// The usual pair with a contract of the test, which waits for seconds.
pub async fn pair() -> Pair {
    let mut pair = Pair::executor_only().await;
    pair.change_pack(|_, text| {
        let text = text.replace("quiet_period: 15s", "quiet_period: 1s");
        let text = text.replace("  within: 2m\n", "  within: 2s\n");
        Some(text.replace("  class: marker ", "  visible_within: 1s\n  class: marker "))
    });
    pair.restart_executor();
    pair
}

/// A cancellation that ends otherwise, while the shop has these faults.
async fn cancelled(pair: &Pair, number: &str, faults: &[FaultSpec]) -> Answer {
    let mut desk = Desk::new(pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel(number).await.unwrap();
    let yes = desk.yes(&proposal);
    faults.iter().for_each(|fault| pair.sandbox.fault(fault.clone()));
    ended(desk.execute(&proposal, &yes).await.unwrap())
}

fn ended(action: Action) -> Answer {
    Answer::Ended(Box::new(action))
}

/// The shop takes it, and is at it for longer than anybody waits.
pub async fn verify_timeout(pair: &Pair) -> Answer {
    let late = FaultSpec { after_ms: 3_600_000, ..Fault::JobLate.into() };
    cancelled(pair, "1001", &[late]).await
}

/// No answer, and nothing to be seen of it afterwards.
pub async fn reply_lost(pair: &Pair) -> Answer {
    cancelled(pair, "1004", &[Fault::LostReply.into(), Fault::NoEffect.into()]).await
}

/// One request, two refunds.
pub async fn duplicate_effect(pair: &Pair) -> Answer {
    let mut desk = Desk::new(pair, pair.customer(2), "c1");
    let proposal = desk.propose_refund("2003").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::Twice);
    ended(desk.execute(&proposal, &yes).await.unwrap())
}

/// The yes comes when the card is void.
pub async fn proposal_expired() -> Answer {
    after("proposals_live: 24h", "proposals_live: 1s", Duration::from_millis(1100)).await
}

/// The yes comes when it is too long ago that the customer was verified.
pub async fn subject_stale() -> Answer {
    let short = Duration::from_millis(5100);
    after("subject_valid_for: 24h", "subject_valid_for: 5s", short).await
}

async fn after(setting: &str, short: &str, wait: Duration) -> Answer {
    let mut pair = Pair::executor_only().await;
    pair.change_policy(|_, text| text.replace(setting, short), &[]);
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    tokio::time::sleep(wait).await;
    refused(desk.execute(&proposal, &yes).await)
}
