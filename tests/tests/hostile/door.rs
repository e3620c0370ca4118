//! The way in: the services' own methods, called with what a planner sends.

use countersign_executor::desk::Desk;
use countersign_executor::peer::{Caller, Role};
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
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::world::PLANNER;

/// In this process, or over mutual TLS.
pub enum Door {
    Here(Box<(ExecutorService, AuditService, ApprovalsService)>),
    Wire { planner: Channel, approver: Channel },
}

impl Door {
    pub fn here(desk: &Desk) -> Self {
        let services = (
            ExecutorService::new(desk.clone()),
            AuditService::new(desk.clone()),
            ApprovalsService::new(desk.clone()),
        );
        Self::Here(Box::new(services))
    }

    pub async fn propose(&self, ask: v1::ProposeRequest) -> Result<v1::ProposeResponse, Status> {
        match self {
            Self::Here(to) => to.0.propose(from(ask, Role::Planner)).await,
            Self::Wire { planner, .. } => ExecutorClient::new(planner.clone()).propose(ask).await,
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn execute(&self, ask: v1::ExecuteRequest) -> Result<v1::ExecuteResponse, Status> {
        match self {
            Self::Here(to) => to.0.execute(from(ask, Role::Planner)).await,
            Self::Wire { planner, .. } => ExecutorClient::new(planner.clone()).execute(ask).await,
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn withdraw(&self, ask: v1::WithdrawRequest) -> Result<v1::WithdrawResponse, Status> {
        match self {
            Self::Here(to) => to.0.withdraw(from(ask, Role::Planner)).await,
            Self::Wire { planner, .. } => ExecutorClient::new(planner.clone()).withdraw(ask).await,
        }
        .map(tonic::Response::into_inner)
    }

    pub async fn action(&self, ask: v1::GetActionRequest) -> Result<v1::GetActionResponse, Status> {
        match self {
            Self::Here(to) => to.0.get_action(from(ask, Role::Planner)).await,
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
            Self::Here(to) => to.1.list_receipts(from(ask, Role::Planner)).await,
            Self::Wire { planner, .. } => {
                AuditClient::new(planner.clone()).list_receipts(ask).await
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
            Self::Here(to) => to.2.answer_request(from(ask, Role::Approver)).await,
            Self::Wire { approver, .. } => {
                ApprovalsClient::new(approver.clone()).answer_request(ask).await
            }
        }
        .map(tonic::Response::into_inner)
    }
}

fn from<T>(message: T, role: Role) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller { id: PLANNER.parse().unwrap(), role });
    request
}
