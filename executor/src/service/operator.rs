//! `countersign.v1.Operator`.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::error::Refused;
use countersign_core::person::Person;
use countersign_core::subject::matched_as;
use countersign_core::switch::{Off, Reach};
use countersign_proto::v1::{self, operator_server::Operator};
use countersign_shared::codes::Code;
use tonic::{Request, Response, Status};

use super::executor::caller;
use crate::desk::Desk;
use crate::erasure::Order;
use crate::switch::{Turn, reason};
use crate::turned::Turned;
use crate::wire;

/// Serves operators.
pub struct OperatorService {
    desk: Desk,
    /// Tenants with those who vouch for their subjects.
    issuers: BTreeSet<(String, String)>,
}

impl OperatorService {
    /// In front of a desk, with every tenant that there is and its issuers.
    #[must_use]
    pub fn new(desk: Desk, issuers: BTreeSet<(String, String)>) -> Self {
        Self { desk, issuers }
    }

    /// The persons that are meant: under each issuer of the tenant where none is named.
    fn persons(&self, who: Option<v1::DataSubject>) -> Result<Vec<Person>, Status> {
        let who = who.unwrap_or_default();
        let issuers = self.issuers.iter().filter(|(tenant, _)| *tenant == who.tenant);
        let mut known = issuers.map(|(_, issuer)| issuer.clone()).peekable();
        if known.peek().is_none() {
            return Err(invalid("who.tenant", "there is no such tenant here: check its name"));
        }
        let owner = (!who.owner.is_empty()).then(|| Person::owner(&who.tenant, &who.owner));
        let named =
            |issuer| Person::Named { tenant: who.tenant.clone(), issuer, id: who.subject.clone() };
        let mut persons: Vec<_> = owner.into_iter().collect();
        // A guest goes by what was matched.
        if let Some((claim, value)) = who.owner.split_once('=') {
            let id = matched_as(&BTreeMap::from([(claim.to_owned(), value.to_owned())]));
            let guest = |(tenant, issuer): &(String, String)| Person::Named {
                tenant: tenant.clone(),
                issuer: issuer.clone(),
                id: id.clone(),
            };
            let issuers = self.issuers.iter().filter(|(tenant, _)| *tenant == who.tenant);
            persons.extend(issuers.map(guest));
        }
        if !who.subject.is_empty() && who.issuer.is_empty() {
            persons.extend(known.map(named));
        } else if !who.subject.is_empty() {
            persons.push(named(who.issuer.clone()));
        }
        if persons.is_empty() {
            return Err(invalid("who", "name a subject, an owner, or both"));
        }
        Ok(persons)
    }
}

#[tonic::async_trait]
impl Operator for OperatorService {
    async fn set_switch(
        &self,
        request: Request<v1::SetSwitchRequest>,
    ) -> Result<Response<v1::SetSwitchResponse>, Status> {
        let by = caller(&request)?.id.to_string();
        let asked = request.into_inner();
        let reach: Reach = asked.reach.parse().map_err(|why: String| invalid("reach", &why))?;
        let (off, reason) = (asked.off, why(&asked.reason)?);
        let done = self.desk.turn(Turn { reach, off, by, reason, word: None }).await?;
        Ok(Response::new(v1::SetSwitchResponse {
            receipt_id: done.receipt.to_string(),
            under_way: u32::try_from(done.under_way).unwrap_or(u32::MAX),
        }))
    }

    async fn list_switches(
        &self,
        _request: Request<v1::ListSwitchesRequest>,
    ) -> Result<Response<v1::ListSwitchesResponse>, Status> {
        let standing = self.desk.pipeline.switches.standing();
        let switches = standing.iter().map(|(reach, off)| shown(reach, off)).collect();
        Ok(Response::new(v1::ListSwitchesResponse { switches }))
    }

    async fn erase(
        &self,
        request: Request<v1::EraseRequest>,
    ) -> Result<Response<v1::EraseResponse>, Status> {
        let by = caller(&request)?.id.to_string();
        let asked = request.into_inner();
        let (persons, reason) = (self.persons(asked.who)?, why(&asked.reason)?);
        tracing::warn!(%by, "somebody's personal data is erased");
        let pipeline = self.desk.pipeline.clone();
        let order = Order { by, reason };
        // A caller that leaves ends its waiting, not the erasure.
        let task = tokio::spawn(async move { pipeline.erase(&persons, &order).await });
        let ids = task.await.map_err(|_| Turned::only(ended_early()))?.map_err(Turned::only)?;
        let receipt_ids = ids.iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::EraseResponse { receipt_ids }))
    }

    async fn set_hold(
        &self,
        request: Request<v1::SetHoldRequest>,
    ) -> Result<Response<v1::SetHoldResponse>, Status> {
        let by = caller(&request)?.id.to_string();
        let asked = request.into_inner();
        let (persons, reason) = (self.persons(asked.who)?, why(&asked.reason)?);
        tracing::warn!(%by, holds = asked.holds, "a legal hold changes");
        let order = Order { by, reason };
        let done = self.desk.pipeline.hold(&persons, asked.holds, &order).await;
        let ids = done.map_err(Turned::only)?;
        let receipt_ids = ids.iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::SetHoldResponse { receipt_ids }))
    }
}

/// A reason as it is logged.
fn why(text: &str) -> Result<String, Status> {
    Ok(reason(text).map_err(Turned::only)?)
}

fn shown(reach: &Reach, off: &Off) -> v1::Switch {
    v1::Switch {
        reach: reach.to_string(),
        by: off.by.clone(),
        reason: off.reason.clone(),
        at: Some(wire::time(off.at)),
    }
}

fn ended_early() -> Refused {
    Refused::new(
        Code::Internal,
        "the change's task ended early: see in the receipts whether it was made, then try again",
    )
}

fn invalid(field: &str, why: &str) -> Status {
    Turned::only(Refused::new(Code::ArgumentInvalid, why).field(field, why)).into()
}
