//! `countersign.v1.Escalations`.

use std::collections::BTreeMap;

use countersign_core::grant::signature::Signature;
use countersign_core::resolve::Observation;
use countersign_proto::v1::{self, escalations_server::Escalations};
use countersign_shared::codes::Code;
use countersign_shared::ids::EscalationId;
use countersign_shared::refusal::Refusal;
use tonic::{Request, Response, Status};

use super::executor::{action, caller};
use crate::desk::Desk;
use crate::peer::{Caller, Role};
use crate::ports::{Escalation, EscalationQuery, Stand};
use crate::turned::{Turned, unavailable};
use crate::wire;

/// Matters of one page, where the caller does not say.
const PAGE: u32 = 100;
/// Most matters of one page.
const MOST: u32 = 500;

/// Serves the tools of members of staff.
pub struct EscalationsService {
    desk: Desk,
}

impl EscalationsService {
    /// In front of a desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk }
    }

    /// A matter; of tenants that the caller does not see there is none.
    async fn found(&self, id: &EscalationId, caller: &Caller) -> Result<Escalation, Status> {
        let found = self.desk.escalation(id).await?;
        if caller.sees(&found.case.tenant) {
            return Ok(found);
        }
        Err(refused(Code::NotFound, "no such escalation"))
    }

    async fn moved(
        &self,
        id: &str,
        who: Option<String>,
        from: &str,
        caller: &Caller,
    ) -> Result<v1::Escalation, Status> {
        let id = named(id)?;
        let found = self.found(&id, caller).await?;
        Ok(shown(self.desk.hand(&found, who, from).await?))
    }
}

#[tonic::async_trait]
impl Escalations for EscalationsService {
    async fn list_escalations(
        &self,
        request: Request<v1::ListEscalationsRequest>,
    ) -> Result<Response<v1::ListEscalationsResponse>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let after = (!asked.page_token.is_empty()).then(|| after(&asked.page_token)).transpose()?;
        let limit = if asked.page_size == 0 { PAGE } else { asked.page_size.min(MOST) };
        let wanted = |tenant: &&String| asked.tenant.is_empty() || **tenant == asked.tenant;
        let mut tenants = caller.tenants.clone();
        if caller.role == Role::Auditor {
            tenants.extend(self.desk.subjects.tenants().map(str::to_owned));
        }
        // Ids sort by the time they were made.
        let mut found = BTreeMap::new();
        for tenant in tenants.iter().filter(wanted) {
            let query = EscalationQuery {
                tenant: tenant.clone(),
                stand: if asked.closed { Stand::Any } else { Stand::Open },
                after: after.clone(),
                // One more shows that there is a next page.
                limit: limit.saturating_add(1),
                ..EscalationQuery::default()
            };
            let some = self.desk.pipeline.store.escalations(query).await;
            let some = some.map_err(|e| Turned::only(unavailable(&e)))?;
            found.extend(some.into_iter().map(|one| (one.case.id.clone(), one)));
        }
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let last = found.keys().take(most).next_back().filter(|_| found.len() > most);
        let next_page_token = last.map(ToString::to_string).unwrap_or_default();
        let escalations = found.into_values().take(most).map(shown).collect();
        Ok(Response::new(v1::ListEscalationsResponse { escalations, next_page_token }))
    }

    async fn get_escalation(
        &self,
        request: Request<v1::GetEscalationRequest>,
    ) -> Result<Response<v1::GetEscalationResponse>, Status> {
        let caller = caller(&request)?;
        let id = named(&request.into_inner().escalation_id)?;
        let escalation = Some(shown(self.found(&id, &caller).await?));
        Ok(Response::new(v1::GetEscalationResponse { escalation }))
    }

    async fn take_escalation(
        &self,
        request: Request<v1::TakeEscalationRequest>,
    ) -> Result<Response<v1::TakeEscalationResponse>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let (id, who) = (asked.escalation_id, Some(asked.who));
        let moved = self.moved(&id, who, &asked.from, &caller).await?;
        let escalation = Some(moved);
        Ok(Response::new(v1::TakeEscalationResponse { escalation }))
    }

    async fn return_escalation(
        &self,
        request: Request<v1::ReturnEscalationRequest>,
    ) -> Result<Response<v1::ReturnEscalationResponse>, Status> {
        let caller = caller(&request)?;
        let id = request.into_inner().escalation_id;
        let escalation = Some(self.moved(&id, None, "", &caller).await?);
        Ok(Response::new(v1::ReturnEscalationResponse { escalation }))
    }

    async fn finish_escalation(
        &self,
        request: Request<v1::FinishEscalationRequest>,
    ) -> Result<Response<v1::FinishEscalationResponse>, Status> {
        let caller = caller(&request)?;
        let asked = request.into_inner();
        let id = named(&asked.escalation_id)?;
        self.found(&id, &caller).await?;
        let step = self.desk.finish(&id, &Signature::Jws(asked.jws)).await?;
        let action = match &step {
            Some(step) => Some(action(&self.desk, step).await?),
            None => None,
        };
        let escalation = Some(shown(self.desk.escalation(&id).await?));
        Ok(Response::new(v1::FinishEscalationResponse { escalation, action }))
    }
}

fn named(text: &str) -> Result<EscalationId, Status> {
    text.parse().map_err(|_| refused(Code::NotFound, "no such escalation"))
}

fn after(token: &str) -> Result<EscalationId, Status> {
    token.parse().map_err(|_| refused(Code::ArgumentInvalid, "page_token is not one of ours"))
}

fn refused(code: Code, message: &str) -> Status {
    Refusal::new(code, message).into_status()
}

fn shown(found: Escalation) -> v1::Escalation {
    let Escalation { case, seen, taken_by, closed_by } = found;
    v1::Escalation {
        escalation_id: case.id.to_string(),
        reason: case.reason.name().to_owned(),
        code: case.code,
        outcome: case.outcome,
        tenant: case.tenant,
        subject: case.subject,
        subject_issuer: case.issuer,
        conversation_id: case.conversation,
        external_ref: case.external_ref,
        tool: case.tool,
        request: case.request,
        interpretation: case.interpretation,
        reasoning_summary: case.reasoning,
        tried: case.tried,
        recommended_action: case.recommended,
        observations: seen.into_iter().map(observation).collect(),
        receipt_id: case.receipt.to_string(),
        action_id: case.action,
        related: case.related,
        taken_by: taken_by.unwrap_or_default(),
        closed_by_receipt_id: closed_by.map(|id| id.to_string()).unwrap_or_default(),
        opened_at: Some(wire::time(case.at)),
    }
}

fn observation(seen: Observation) -> v1::Observation {
    v1::Observation {
        observation_id: seen.id.to_string(),
        step_id: String::new(),
        tool: seen.tool,
        value_json: seen.value.to_string(),
        labels_json: seen.labels.to_string(),
        observed_at: Some(wire::time(seen.at)),
        said: String::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::grants::tests::house::House;
    use crate::store::conformance::opens;

    fn by(asked: v1::ListEscalationsRequest) -> Request<v1::ListEscalationsRequest> {
        let id = "spiffe://t/approver".parse().unwrap();
        let mut request = Request::new(asked);
        let tenants = ["t".to_owned()].into();
        request.extensions_mut().insert(Caller { id, role: Role::Approver, tenants });
        request
    }

    #[tokio::test]
    async fn pages_follow_each_other_to_the_last_matter() {
        let house = House::of(&["bob"]);
        for n in 1..=5 {
            opens(&*house.desk.pipeline.store, n).await;
        }
        let queue = EscalationsService::new(house.desk.clone());
        let list = async |page_size, page_token, closed| {
            let tenant = String::new();
            let asked = v1::ListEscalationsRequest { tenant, closed, page_size, page_token };
            queue.list_escalations(by(asked)).await.map(Response::into_inner)
        };
        let whole = list(5, String::new(), false).await.unwrap();
        assert_eq!((whole.escalations.len(), whole.next_page_token.as_str()), (5, ""));
        for closed in [false, true] {
            let (mut token, mut sizes, mut found) = (String::new(), Vec::new(), Vec::new());
            loop {
                let page = list(2, token, closed).await.unwrap();
                sizes.push(page.escalations.len());
                found.extend(page.escalations);
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!(sizes, [2, 2, 1], "closed: {closed}");
            assert_eq!(found, whole.escalations);
        }
        let none = list(2, "esc_7".to_owned(), false).await.unwrap_err();
        assert_eq!(none.code(), tonic::Code::InvalidArgument);
    }
}
