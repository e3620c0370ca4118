//! `countersign.v1.Approvals`.

use std::collections::BTreeMap;

use countersign_core::error::Refused;
use countersign_core::grant::signature::Signature;
use countersign_core::grant::{Need, Parked, Vote};
use countersign_proto::v1::{self, approvals_server::Approvals};
use countersign_shared::codes::Code;
use countersign_shared::ids::ProposalId;
use countersign_shared::refusal::Refusal;
use tonic::{Request, Response, Status};

use super::executor::{action, caller};
use crate::desk::Desk;
use crate::grants::Afresh;
use crate::peer::{Caller, Role};
use crate::pipeline::Life;
use crate::ports::Named;
use crate::turned::{Turned, unavailable};
use crate::wire;

const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 200;

/// Serves the tools of approvers.
pub struct ApprovalsService {
    desk: Desk,
}

impl ApprovalsService {
    /// In front of a desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// A request that waits; of tenants that the caller does not see there is none.
    async fn request(&self, id: &ProposalId, caller: &Caller) -> Result<Parked, Turned> {
        self.seen(id, caller).await?;
        self.desk.request(id).await
    }

    async fn seen(&self, id: &ProposalId, caller: &Caller) -> Result<(), Turned> {
        let life = self.desk.parked(Named::Proposal(id.clone())).await?;
        if caller.sees(&life.state().proposal().asked().subject.tenant) {
            return Ok(());
        }
        Err(Turned::only(Refused::new(Code::NotFound, "no such request")))
    }
}

#[tonic::async_trait]
impl Approvals for ApprovalsService {
    async fn list_requests(
        &self,
        request: Request<v1::ListRequestsRequest>,
    ) -> Result<Response<v1::ListRequestsResponse>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let after = (!asked.page_token.is_empty()).then(|| after(&asked.page_token)).transpose()?;
        let limit = if asked.page_size == 0 { PAGE } else { asked.page_size.min(LARGEST_PAGE) };
        let journals = self.desk.pipeline.store.waiting().await;
        let journals = journals.map_err(|e| Turned::only(unavailable(&e)))?;
        let lives: Vec<_> = journals.into_iter().filter_map(|j| Life::resume(j).ok()).collect();
        // Ids sort by the time they were made.
        let parked = lives.iter().filter_map(|life| life.state().parked());
        let found: BTreeMap<_, _> = parked
            .filter(|parked| caller.sees(&parked.proposal().asked().subject.tenant))
            .filter(|parked| wanted(parked, &asked))
            .map(|parked| (parked.proposal().id(), parked))
            .filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after))
            .collect();
        let page: Vec<_> =
            found.values().take(limit as usize).map(|parked| shown(parked)).collect();
        let last =
            found.keys().take(limit as usize).next_back().filter(|_| found.len() > page.len());
        let next_page_token = last.map(ToString::to_string).unwrap_or_default();
        Ok(Response::new(v1::ListRequestsResponse { requests: page, next_page_token }))
    }

    async fn get_request(
        &self,
        request: Request<v1::GetRequestRequest>,
    ) -> Result<Response<v1::GetRequestResponse>, Status> {
        let caller = caller(&request)?;
        let parked = self.request(&id(&request.into_inner().proposal_id)?, &caller).await?;
        // Looking afresh can end a request: that is for those who may answer it.
        if caller.role == Role::Auditor {
            return Ok(Response::new(v1::GetRequestResponse { request: Some(shown(&parked)) }));
        }
        match self.desk.afresh(&parked).await? {
            Afresh::Same => {
                Ok(Response::new(v1::GetRequestResponse { request: Some(shown(&parked)) }))
            }
            Afresh::Changed(refused) => Err(Turned::only(*refused).into()),
        }
    }

    async fn answer_request(
        &self,
        request: Request<v1::AnswerRequestRequest>,
    ) -> Result<Response<v1::AnswerRequestResponse>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let id = id(&asked.proposal_id)?;
        self.seen(&id, &caller).await?;
        let step = self.desk.answer(&id, Signature::Jws(asked.jws)).await?;
        let action = action(&self.desk, &step).await?;
        Ok(Response::new(v1::AnswerRequestResponse { action: Some(action) }))
    }
}

fn id(text: &str) -> Result<ProposalId, Status> {
    text.parse().map_err(|_| Refusal::new(Code::NotFound, "no such request").into_status())
}

fn after(token: &str) -> Result<ProposalId, Status> {
    token.parse().map_err(|_| {
        Refusal::new(Code::ArgumentInvalid, "page_token is not one of ours").into_status()
    })
}

fn wanted(parked: &Parked, asked: &v1::ListRequestsRequest) -> bool {
    let tenant = &parked.proposal().asked().subject.tenant;
    let role = |need: &Need| match need {
        Need::Customer => false,
        Need::Approval { role, .. } => asked.role.is_empty() || *role == asked.role,
    };
    (asked.tenant.is_empty() || *tenant == asked.tenant) && parked.missing().any(role)
}

fn shown(parked: &Parked) -> v1::ApprovalRequest {
    let proposal = parked.proposal();
    let asked = proposal.asked();
    let money = proposal.money();
    let missing = parked.missing().filter_map(|need| match need {
        Need::Customer => None,
        Need::Approval { role, why } => {
            Some(v1::ApprovalNeed { role: role.clone(), why: why.clone() })
        }
    });
    v1::ApprovalRequest {
        card: Some(wire::card(proposal)),
        action_id: proposal.action().to_string(),
        tenant: asked.subject.tenant.clone(),
        tool: proposal.tool().to_owned(),
        subject: asked.subject.id.clone(),
        subject_issuer: asked.subject.issuer.clone(),
        amount: money.map(|m| m.amount().to_string()).unwrap_or_default(),
        currency: money.map(|m| m.currency().to_string()).unwrap_or_default(),
        arguments_json: serde_json::to_string(proposal.arguments().sources()).unwrap_or_default(),
        state_json: proposal.state().to_json().to_string(),
        missing: missing.collect(),
        answers: parked.votes().iter().map(answered).collect(),
        asked_at: Some(wire::time(proposal.at())),
        confidence: asked.confidence.score,
        uncertainty_reason: asked.confidence.uncertainty_reason.clone(),
        external_ref: asked.external_ref.clone(),
    }
}

fn answered(vote: &Vote) -> v1::ApprovalAnswer {
    let answer = |kind: &str, by: &str, role: &str, at| v1::ApprovalAnswer {
        kind: kind.to_owned(),
        by: by.to_owned(),
        role: role.to_owned(),
        at: Some(wire::time(at)),
    };
    match vote {
        Vote::Confirmed(c) => answer("customer", &c.subject, "", c.at),
        Vote::Approved(a) => answer("approval", &a.id, &a.role, a.at),
        Vote::Rejected(a) => answer("rejection", &a.id, &a.role, a.at),
    }
}
