//! The way in: the services' own methods, called with what a planner sends.

use countersign_executor::config::{Approvers, Callers};
use countersign_executor::desk::Desk;
use countersign_executor::peer::Authorize;
use countersign_executor::service::approvals::ApprovalsService;
use countersign_executor::service::audit::AuditService;
use countersign_executor::service::executor::ExecutorService;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::approvals_server::Approvals as _;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::audit_server::Audit as _;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::executor_server::Executor as _;
use countersign_shared::codes::Code;
use countersign_shared::mtls::Channel;
use countersign_shared::peer::Table as _;
use countersign_shared::refusal::Refusal;
use tonic::{Request, Status};

use super::keys::TENANTS;
use super::world::PLANNER;

/// The identity of the approvers' tools.
pub const APPROVER: &str = "spiffe://hostile.example/operator";

/// In this process, or over mutual TLS.
pub enum Door {
    Here(Box<Here>),
    Wire { planner: Channel, approver: Channel },
}

/// The services behind their table of callers.
pub struct Here {
    executor: ExecutorService,
    audit: AuditService,
    approvals: ApprovalsService,
    table: Authorize,
}

/// Who may call.
pub fn callers() -> Callers {
    Callers {
        planners: vec![PLANNER.parse().unwrap()],
        auditors: vec![],
        operators: vec![],
        approvers: vec![Approvers {
            id: APPROVER.parse().unwrap(),
            tenants: TENANTS.map(str::to_owned).into(),
        }],
    }
}

impl Here {
    /// A message of this identity, where the table lets it in.
    fn let_in<T>(&self, id: &str, method: &str, message: T) -> Result<Request<T>, Status> {
        let method = format!("/countersign.v1.{method}");
        let caller = self.table.caller(&method, &id.parse().unwrap());
        let turned_away = || Refusal::new(Code::CallerNotAllowed, "turned away").into_status();
        let mut request = Request::new(message);
        request.extensions_mut().insert(caller.ok_or_else(turned_away)?);
        Ok(request)
    }

    fn planner<T>(&self, method: &str, message: T) -> Result<Request<T>, Status> {
        self.let_in(PLANNER, method, message)
    }
}

impl Door {
    pub fn here(desk: &Desk) -> Self {
        Self::Here(Box::new(Here {
            executor: ExecutorService::new(desk.clone()),
            audit: AuditService::new(desk.clone(), std::collections::BTreeSet::new()),
            approvals: ApprovalsService::new(desk.clone()),
            table: Authorize::new(callers()),
        }))
    }

    pub async fn propose(&self, ask: v1::ProposeRequest) -> Result<v1::ProposeResponse, Status> {
        match self {
            Self::Here(to) => to.executor.propose(to.planner("Executor/Propose", ask)?).await,
            Self::Wire { planner, .. } => ExecutorClient::new(planner.clone()).propose(ask).await,
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn execute(&self, ask: v1::ExecuteRequest) -> Result<v1::ExecuteResponse, Status> {
        match self {
            Self::Here(to) => to.executor.execute(to.planner("Executor/Execute", ask)?).await,
            Self::Wire { planner, .. } => ExecutorClient::new(planner.clone()).execute(ask).await,
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn withdraw(&self, ask: v1::WithdrawRequest) -> Result<v1::WithdrawResponse, Status> {
        match self {
            Self::Here(to) => to.executor.withdraw(to.planner("Executor/Withdraw", ask)?).await,
            Self::Wire { planner, .. } => ExecutorClient::new(planner.clone()).withdraw(ask).await,
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn match_subject(
        &self,
        ask: v1::MatchSubjectRequest,
    ) -> Result<v1::MatchSubjectResponse, Status> {
        match self {
            Self::Here(to) => {
                to.executor.match_subject(to.planner("Executor/MatchSubject", ask)?).await
            }
            Self::Wire { planner, .. } => {
                ExecutorClient::new(planner.clone()).match_subject(ask).await
            }
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn action(&self, ask: v1::GetActionRequest) -> Result<v1::GetActionResponse, Status> {
        match self {
            Self::Here(to) => to.executor.get_action(to.planner("Executor/GetAction", ask)?).await,
            Self::Wire { planner, .. } => {
                ExecutorClient::new(planner.clone()).get_action(ask).await
            }
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn receipts(
        &self,
        ask: v1::ListReceiptsRequest,
    ) -> Result<v1::ListReceiptsResponse, Status> {
        match self {
            Self::Here(to) => to.audit.list_receipts(to.planner("Audit/ListReceipts", ask)?).await,
            Self::Wire { planner, .. } => {
                AuditClient::new(planner.clone()).list_receipts(ask).await
            }
        }
        .map(tonic::Response::into_inner)
    }

    /// What waits for the house, asked for by a planner.
    pub async fn requests(
        &self,
        ask: v1::ListRequestsRequest,
    ) -> Result<v1::ListRequestsResponse, Status> {
        match self {
            Self::Here(to) => {
                to.approvals.list_requests(to.planner("Approvals/ListRequests", ask)?).await
            }
            Self::Wire { planner, .. } => {
                ApprovalsClient::new(planner.clone()).list_requests(ask).await
            }
        }
        .map(tonic::Response::into_inner)
    }

    /// With the identity that approvers' tools have.
    pub async fn answer(
        &self,
        ask: v1::AnswerRequestRequest,
    ) -> Result<v1::AnswerRequestResponse, Status> {
        match self {
            Self::Here(to) => {
                to.approvals
                    .answer_request(to.let_in(APPROVER, "Approvals/AnswerRequest", ask)?)
                    .await
            }
            Self::Wire { approver, .. } => {
                ApprovalsClient::new(approver.clone()).answer_request(ask).await
            }
        }
        .map(tonic::Response::into_inner)
    }
}
