//! `countersign.v1.Operator`.

use std::collections::BTreeSet;

use countersign_core::error::Refused;
use countersign_core::switch::{Off, Reach};
use countersign_proto::v1::{self, operator_server::Operator};
use countersign_shared::codes::Code;
use tonic::{Request, Response, Status};

use super::executor::caller;
use crate::desk::Desk;
use crate::switch::Turn;
use crate::turned::{Turned, unavailable};
use crate::wire;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

/// Serves operators.
pub struct OperatorService {
    desk: Desk,
    tenants: BTreeSet<String>,
}

impl OperatorService {
    /// In front of a desk, with every tenant that there is.
    #[must_use]
    pub fn new(desk: Desk, tenants: BTreeSet<String>) -> Self {
        Self { desk, tenants }
    }

    /// A switch that reaches nothing would be believed to have stopped something.
    fn known(&self, reach: &Reach) -> Result<(), Refused> {
        let catalog = &self.desk.pipeline.catalog;
        let known = match reach {
            Reach::All => true,
            Reach::Tenant(name) => self.tenants.contains(name),
            Reach::Pack(name) => catalog.packs.contains_key(name),
            Reach::Tool(name) => catalog.tools.contains_key(name),
        };
        if known {
            return Ok(());
        }
        Err(Refused::new(Code::NotFound, format!("there is no {reach} here: check its name")))
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
        let reason = asked.reason.trim().chars().filter(|c| !c.is_control());
        let reason: String = reason.take(LONGEST_REASON).collect();
        if reason.is_empty() {
            return Err(invalid("reason", "say why: colleagues and auditors will ask"));
        }
        // What is off may be turned on even where it is not there any more.
        if asked.off {
            self.known(&reach).map_err(Turned::only)?;
        }
        let pipeline = &self.desk.pipeline;
        tracing::warn!(%reach, off = asked.off, %by, %reason, "a switch is turned");
        let turn = Turn { reach, off: asked.off, by, reason };
        // A caller that leaves ends its waiting, not the change.
        let (switches, pipeline) = (pipeline.switches.clone(), pipeline.clone());
        let task = tokio::spawn(async move { switches.turn(&pipeline, turn).await });
        let done = task.await.map_err(|_| Turned::only(ended_early()))?;
        let done = done.map_err(|e| Turned::only(unavailable(&e)))?;
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
    Refused::new(Code::Internal, "the change's task ended early: list the switches, then try again")
}

fn invalid(field: &str, why: &str) -> Status {
    Turned::only(Refused::new(Code::ArgumentInvalid, why).field(field, why)).into()
}
