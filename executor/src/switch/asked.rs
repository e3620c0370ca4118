//! A switch as an operator asks for it, by certificate or on a page: checked, then turned.

use countersign_core::error::Refused;
use countersign_core::switch::Reach;
use countersign_shared::codes::Code;

use super::{Turn, Turned};
use crate::desk::Desk;
use crate::turned;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

impl Desk {
    /// Turns a switch. Whoever leaves ends their waiting, not the change.
    ///
    /// # Errors
    /// `NOT_FOUND` for one that reaches nothing, `APPROVAL_INVALID` for an order that was
    /// used or is overtaken, `STORE_UNAVAILABLE`, `INTERNAL`.
    pub async fn turn(&self, turn: Turn) -> Result<Turned, turned::Turned> {
        // What is off may be turned on even where it is not there any more.
        if turn.off {
            self.reaches(&turn.reach).map_err(turned::Turned::only)?;
        }
        let Turn { reach, off, by, reason, .. } = &turn;
        tracing::warn!(%reach, off, %by, %reason, "a switch is turned");
        let (switches, pipeline) = (self.pipeline.switches.clone(), self.pipeline.clone());
        let task = tokio::spawn(async move { switches.turn(&pipeline, turn).await });
        let done = task.await.map_err(|_| turned::Turned::only(ended_early()))?;
        done.map_err(turned::Turned::only)
    }

    /// A switch that reaches nothing would be believed to have stopped something.
    fn reaches(&self, reach: &Reach) -> Result<(), Refused> {
        let catalog = &self.pipeline.catalog;
        let known = match reach {
            Reach::All => true,
            Reach::Tenant(name) => self.subjects.tenants().any(|tenant| tenant == name),
            Reach::Pack(name) => catalog.packs.contains_key(name),
            Reach::Tool(name) => catalog.tools.contains_key(name),
        };
        if known {
            return Ok(());
        }
        Err(Refused::new(Code::NotFound, format!("there is no {reach} here: check its name")))
    }
}

/// A reason as it is logged.
///
/// # Errors
/// `ARGUMENT_INVALID` for none.
pub fn reason(text: &str) -> Result<String, Refused> {
    let reason = text.trim().chars().filter(|c| !c.is_control());
    let reason: String = reason.take(LONGEST_REASON).collect();
    if reason.is_empty() {
        let why = "say why: colleagues and auditors will ask";
        return Err(Refused::new(Code::ArgumentInvalid, why).field("reason", why));
    }
    Ok(reason)
}

fn ended_early() -> Refused {
    let why =
        "the change's task ended early: see in the receipts whether it was made, then try again";
    Refused::new(Code::Internal, why)
}
