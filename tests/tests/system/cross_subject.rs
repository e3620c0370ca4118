//! Nothing of one subject or tenant is reached by another: a case for every RPC.

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::operator_client::OperatorClient;
use tonic::Code;

use super::support::pair::Pair;
use super::support::plans::{Desk, refusal, seen, step};

#[tokio::test(flavor = "multi_thread")]
async fn cross_subject_and_cross_tenant_per_rpc() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let order = desk.order("1001").await.unwrap();
    let proposal = desk.propose_cancel("1004").await.unwrap();
    let yes = desk.yes(&proposal);
    let mine = desk.cancel("1001").await.unwrap();

    // Another subject of the same tenant, and the same person at another tenant.
    for stranger in [pair.customer(2), pair.elsewhere(1)] {
        let mut theirs = Desk::new(&pair, stranger, "c1");
        let arguments = || vec![("order_id", seen(&order, "/orders/0/id"))];
        let answer = theirs.propose(step("shopify.cancel_order", arguments())).await;
        assert_eq!(refusal(answer).code, "REFERENCE_UNKNOWN", "Propose: their observation");
        let answer = theirs.read(step("shopify.get_order", arguments())).await;
        assert_eq!(refusal(answer).code, "REFERENCE_UNKNOWN", "Execute: their observation");
        let answer = theirs.execute(&proposal, &yes).await;
        assert_eq!(refusal(answer).code, "NOT_FOUND", "Execute: their proposal");
        let token = theirs.who.token.clone();
        let request = v1::GetActionRequest {
            subject_token: token.clone(),
            action_id: mine.action_id.clone(),
        };
        assert_eq!(refusal(theirs.client.get_action(request).await).code, "NOT_FOUND", "GetAction");
        let request = v1::WatchActionRequest {
            subject_token: token.clone(),
            action_id: mine.action_id.clone(),
        };
        let watch = theirs.client.watch_action(request).await.map(drop);
        assert_eq!(refusal(watch).code, "NOT_FOUND", "WatchAction");
        let mut audit = pair.audit(Role::Planner);
        let request = v1::GetReceiptRequest {
            subject_token: token.clone(),
            receipt_id: mine.receipt_id.clone(),
        };
        assert_eq!(refusal(audit.get_receipt(request).await).code, "NOT_FOUND", "GetReceipt");
        let request = v1::GetInclusionProofRequest {
            subject_token: token.clone(),
            receipt_id: mine.receipt_id.clone(),
        };
        assert_eq!(refusal(audit.get_inclusion_proof(request).await).code, "NOT_FOUND");
        let request = v1::ListReceiptsRequest { subject_token: token, ..Default::default() };
        let listed = audit.list_receipts(request).await.unwrap().into_inner().receipts;
        assert!(listed.iter().all(|r| r.receipt_id != mine.receipt_id), "ListReceipts");
    }
    // The owner and an auditor do see it.
    let mut audit = pair.audit(Role::Auditor);
    let request =
        v1::GetReceiptRequest { subject_token: String::new(), receipt_id: mine.receipt_id.clone() };
    assert!(audit.get_receipt(request).await.is_ok());
    let request = v1::GetActionRequest {
        subject_token: desk.who.token.clone(),
        action_id: mine.action_id.clone(),
    };
    assert!(desk.client.get_action(request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_subject_same_object_in_two_tenants_are_two_intents() {
    let pair = Pair::executor_only().await;
    let mut here = Desk::new(&pair, pair.customer(1), "c1");
    let mut there = Desk::new(&pair, pair.elsewhere(1), "c1");
    let at_home = here.propose_cancel("1001").await.unwrap();
    let elsewhere = there.propose_cancel("1001").await.unwrap();
    let yes = here.yes(&at_home);
    assert_eq!(refusal(there.execute(&at_home, &yes).await).code, "NOT_FOUND");
    assert_eq!(refusal(there.execute(&elsewhere, &yes).await).code, "CONFIRMATION_INVALID");
}

/// A row for every RPC: which certificates may call it.
#[tokio::test(flavor = "multi_thread")]
async fn cross_subject_roles_per_rpc() {
    let pair = Pair::executor_only().await;
    // The role is judged first, so that an empty request tells it apart.
    for (role, planner, auditor) in
        [(Role::Planner, true, true), (Role::Auditor, false, true), (Role::Frontend, false, false)]
    {
        let only_auditor = auditor && !planner;
        let mut executor = ExecutorClient::new(pair.channel(role));
        let mut audit = AuditClient::new(pair.channel(role));
        let answers = [
            (planner, executor.list_tools(v1::ListToolsRequest::default()).await.map(drop)),
            (planner, executor.propose(v1::ProposeRequest::default()).await.map(drop)),
            (planner, executor.execute(v1::ExecuteRequest::default()).await.map(drop)),
            (planner, executor.get_action(v1::GetActionRequest::default()).await.map(drop)),
            (planner, executor.record_turn(v1::RecordTurnRequest::default()).await.map(drop)),
            (planner, executor.record_rating(v1::RecordRatingRequest::default()).await.map(drop)),
            (planner, executor.list_erased(v1::ListErasedRequest::default()).await.map(drop)),
            (planner, executor.watch_action(v1::WatchActionRequest::default()).await.map(drop)),
            (auditor, audit.get_receipt(v1::GetReceiptRequest::default()).await.map(drop)),
            (auditor, audit.list_receipts(v1::ListReceiptsRequest::default()).await.map(drop)),
            (auditor, audit.get_checkpoint(v1::GetCheckpointRequest::default()).await.map(drop)),
            (only_auditor, audit.get_chain(v1::GetChainRequest::default()).await.map(drop)),
            (only_auditor, audit.find(v1::FindRequest::default()).await.map(drop)),
            (
                auditor,
                audit.get_inclusion_proof(v1::GetInclusionProofRequest::default()).await.map(drop),
            ),
            (
                auditor,
                audit
                    .get_consistency_proof(v1::GetConsistencyProofRequest::default())
                    .await
                    .map(drop),
            ),
            (only_auditor, audit.list_bundles(v1::ListBundlesRequest::default()).await.map(drop)),
            (only_auditor, audit.get_bundle(v1::GetBundleRequest::default()).await.map(drop)),
        ];
        for (row, (allowed, answer)) in answers.into_iter().enumerate() {
            let code = answer.err().map(|s| (s.code(), s.message().to_owned()));
            let turned_away = code.as_ref().is_some_and(|(code, message)| {
                *code == Code::PermissionDenied && message.contains("may not call")
            });
            assert_eq!(turned_away, !allowed, "{role:?} row {row}: {code:?}");
        }
    }
    let stranger = ExecutorClient::new(pair.channel(Role::Executor))
        .list_tools(v1::ListToolsRequest::default())
        .await;
    assert_eq!(refusal(stranger).code, "CALLER_NOT_ALLOWED");
}

/// What waits for people is an auditor's to read, of every tenant, and not to answer.
#[tokio::test(flavor = "multi_thread")]
async fn cross_subject_auditors_read_what_waits_and_change_nothing() {
    let pair = Pair::executor_only().await;
    let channel = pair.channel(Role::Auditor);
    let mut approvals = ApprovalsClient::new(channel.clone());
    let mut escalations = EscalationsClient::new(channel.clone());
    let mut operator = OperatorClient::new(channel);
    let open = approvals.list_requests(v1::ListRequestsRequest::default()).await.unwrap();
    assert!(open.into_inner().requests.is_empty());
    let open = escalations.list_escalations(v1::ListEscalationsRequest::default()).await.unwrap();
    assert!(open.into_inner().escalations.is_empty());
    operator.list_switches(v1::ListSwitchesRequest::default()).await.unwrap();
    let answers = [
        (
            "approvers",
            approvals.answer_request(v1::AnswerRequestRequest::default()).await.map(drop),
        ),
        (
            "approvers",
            escalations.take_escalation(v1::TakeEscalationRequest::default()).await.map(drop),
        ),
        (
            "approvers",
            escalations.return_escalation(v1::ReturnEscalationRequest::default()).await.map(drop),
        ),
        (
            "approvers",
            escalations.finish_escalation(v1::FinishEscalationRequest::default()).await.map(drop),
        ),
        ("operators", operator.set_switch(v1::SetSwitchRequest::default()).await.map(drop)),
        ("operators", operator.erase(v1::EraseRequest::default()).await.map(drop)),
        ("operators", operator.set_hold(v1::SetHoldRequest::default()).await.map(drop)),
    ];
    for (row, (whose, answer)) in answers.into_iter().enumerate() {
        let refused = refusal(answer);
        assert_eq!(refused.code, "CALLER_NOT_ALLOWED", "row {row}");
        assert!(refused.message.contains(&format!("`callers.{whose}`")), "{}", refused.message);
    }
}

/// The table in the code against the protocol's own list of methods.
#[test]
fn cross_subject_every_rpc_has_a_row() {
    use prost::Message as _;
    let set = prost_types::FileDescriptorSet::decode(countersign_proto::DESCRIPTORS).unwrap();
    for file in &set.file {
        for service in file.service.iter().filter(|s| s.name() != "Planner") {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let row = countersign_executor::peer::TABLE.iter().any(|(name, _)| *name == path);
                assert!(row, "{path} has no row");
            }
        }
    }
}
