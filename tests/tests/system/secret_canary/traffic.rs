//! Everything that a deployment is asked: what goes well, what fails in each way, what is
//! refused, and what no caller should send.

mod boxes;
mod people;
mod shop;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::operator_client::OperatorClient;

use super::deployment::Deployment;
use super::heard::{Heard, RPC};
use crate::bad_input::raw;

pub async fn all(to: &Deployment, heard: &Heard) {
    boxes::all(to, heard).await;
    shop::all(to, heard).await;
    people::all(to, heard).await;
    for role in [Role::Planner, Role::Auditor, Role::Approver, Role::Operator, Role::Frontend] {
        every_rpc(to, heard, role).await;
    }
    for (_, bytes) in raw::broken_messages(&to.customer.token) {
        for method in ["Propose", "Execute", "GetAction", "MatchSubject", "Escalate", "NoSuchCall"]
        {
            let answer = raw::call(&to.house.pair, method, bytes.clone()).await;
            heard.note(RPC, format!("{answer:?}"));
        }
    }
    let address = to.house.pair.executor_address().to_owned();
    let told = tokio::task::spawn_blocking(move || raw::without_certificate(&address)).await;
    heard.note(RPC, told.unwrap());
    people::pages(to, heard).await;
    people::commands(to, heard);
}

/// Each method of each service as this role, which may call some: first with nothing in the
/// request, then with the customer's token.
async fn every_rpc(to: &Deployment, heard: &Heard, role: Role) {
    let channel = || to.house.pair.channel(role);
    let mut executor = ExecutorClient::new(channel());
    for subject_token in [String::new(), "no.token.here".to_owned(), to.customer.token.clone()] {
        let token = || subject_token.clone();
        heard.rpc(
            executor
                .list_tools(v1::ListToolsRequest { subject_token: token(), ..Default::default() })
                .await,
        );
        let propose = v1::ProposeRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.propose(propose).await);
        let execute = v1::ExecuteRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.execute(execute).await);
        let withdraw = v1::WithdrawRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.withdraw(withdraw).await);
        let guest = v1::MatchSubjectRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.match_subject(guest).await);
        let escalate = v1::EscalateRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.escalate(escalate).await);
        let action = v1::GetActionRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.get_action(action).await);
        let handed = v1::GetHandoverRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.get_handover(handed).await);
        let told = v1::RecordTurnRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.record_turn(told).await);
        let rated = v1::RecordRatingRequest { subject_token: token(), ..Default::default() };
        heard.rpc(executor.record_rating(rated).await);
        let watch = v1::WatchActionRequest { subject_token: token(), ..Default::default() };
        let watched = executor.watch_action(watch).await.map(drop);
        heard.note(RPC, format!("{watched:?}"));
    }
    let erased = v1::ListErasedRequest { kept_under: vec!["ab".repeat(16)] };
    heard.rpc(executor.list_erased(erased).await);
    let mut audit = AuditClient::new(channel());
    let list = v1::ListReceiptsRequest { page_size: 1000, ..Default::default() };
    let listed = heard.rpc(audit.list_receipts(list).await).unwrap_or_default();
    for v1::Receipt { receipt_id, .. } in
        listed.receipts.into_iter().chain([v1::Receipt::default()])
    {
        let subject_token = String::new();
        let get = v1::GetReceiptRequest { subject_token, receipt_id: receipt_id.clone() };
        heard.rpc(audit.get_receipt(get).await);
        let subject_token = String::new();
        let chain = v1::GetChainRequest { receipt_id: receipt_id.clone() };
        heard.rpc(audit.get_chain(chain).await);
        let timeline = v1::GetTimelineRequest { receipt_id: receipt_id.clone() };
        heard.rpc(audit.get_timeline(timeline).await);
        let prove = v1::GetInclusionProofRequest { subject_token, receipt_id };
        heard.rpc(audit.get_inclusion_proof(prove).await);
    }
    heard.rpc(audit.find(v1::FindRequest::default()).await);
    heard.rpc(audit.search_actions(v1::SearchActionsRequest::default()).await);
    heard.rpc(audit.analytics(v1::AnalyticsRequest::default()).await);
    heard.rpc(audit.review(v1::ReviewRequest::default()).await);
    heard.rpc(audit.get_checkpoint(v1::GetCheckpointRequest::default()).await);
    let sizes = v1::GetConsistencyProofRequest { from_size: 1, to_size: 2 };
    heard.rpc(audit.get_consistency_proof(sizes).await);
    let bundles = heard.rpc(audit.list_bundles(v1::ListBundlesRequest {}).await);
    for digest in bundles.unwrap_or_default().digests {
        heard.rpc(audit.get_bundle(v1::GetBundleRequest { digest }).await);
    }
    let mut approvals = ApprovalsClient::new(channel());
    heard.rpc(approvals.list_requests(v1::ListRequestsRequest::default()).await);
    heard.rpc(approvals.get_request(v1::GetRequestRequest::default()).await);
    heard.rpc(approvals.answer_request(v1::AnswerRequestRequest::default()).await);
    let mut operator = OperatorClient::new(channel());
    let off =
        v1::SetSwitchRequest { reach: "tool/basic.put".into(), off: true, reason: "x".into() };
    heard.rpc(operator.set_switch(off).await);
    heard.rpc(operator.list_switches(v1::ListSwitchesRequest {}).await);
    queue(heard, EscalationsClient::new(channel())).await;
}

async fn queue(heard: &Heard, mut queue: EscalationsClient<countersign_shared::mtls::Channel>) {
    let list = v1::ListEscalationsRequest::default();
    let listed = heard.rpc(queue.list_escalations(list).await).unwrap_or_default();
    let none = v1::Escalation::default();
    for v1::Escalation { escalation_id, .. } in listed.escalations.into_iter().chain([none]) {
        let id = || escalation_id.clone();
        heard.rpc(queue.get_escalation(v1::GetEscalationRequest { escalation_id: id() }).await);
        let take = v1::TakeEscalationRequest {
            escalation_id: id(),
            who: "alice".into(),
            ..Default::default()
        };
        heard.rpc(queue.take_escalation(take).await);
        let back = v1::ReturnEscalationRequest { escalation_id: id() };
        heard.rpc(queue.return_escalation(back).await);
        let finish = v1::FinishEscalationRequest { escalation_id: id(), jws: "no.jws.here".into() };
        heard.rpc(queue.finish_escalation(finish).await);
    }
}
