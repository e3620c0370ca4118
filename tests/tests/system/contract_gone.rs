//! A contract that is gone while an action is in flight: an honest end all the same.

use std::fs;
use std::path::Path;
use std::time::Duration;

use countersign_proto::v1::{self, Outcome};
use countersign_tests::sandbox::Fault;

use super::action_flow::receipt;
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal};

const PACK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../executor/packs/shopify");

/// From the next start on, there is no cancelling.
fn without_cancelling(pair: &Pair) {
    let pack = pair.path("packs/shopify");
    for folder in ["", "contracts", "documents"] {
        fs::create_dir_all(pack.join(folder)).unwrap();
        for file in fs::read_dir(Path::new(PACK).join(folder)).unwrap() {
            let file = file.unwrap();
            if file.file_type().unwrap().is_file() && file.file_name() != "cancel_order.yaml" {
                fs::copy(file.path(), pack.join(folder).join(file.file_name())).unwrap();
            }
        }
    }
    let config = fs::read_to_string(pair.path("executor.yaml")).unwrap();
    let packs = config.lines().find(|line| line.starts_with("packs:")).unwrap();
    fs::write(pair.path("executor.yaml"), config.replace(packs, "packs: [packs/shopify]")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_gone_after_sending_ends_unknown_and_stays_locked() {
    let mut pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let other = desk.propose_refund("1001").await.unwrap();
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::Slow);
    let mut client = desk.client.clone();
    let (token, id) = (desk.who.token.clone(), proposal.proposal_id.clone());
    let call = tokio::spawn(async move {
        let target = Some(v1::execute_request::Target::ProposalId(id));
        let request = v1::ExecuteRequest {
            subject_token: token,
            target,
            messages: vec![],
            confirmation: yes,
        };
        client.execute(request).await
    });
    while pair.mutations() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
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
    let yes = desk.yes(&other);
    let refused = refusal(desk.execute(&other, &yes).await);
    assert_eq!(refused.code, "OBJECT_IN_DOUBT", "{refused:?}");
    assert_eq!(refused.action_id, Some(done.action_id));
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
