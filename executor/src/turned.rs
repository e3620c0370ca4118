//! What is refused: the answer to the caller, and its receipt (RECEIPT BEFORE REPLY).

use countersign_core::error::Refused;
use countersign_core::lifecycle;
use countersign_core::plan::{self, Plan, Step as PlanStep};
use countersign_core::seal::{self, Leaf, Queue};
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ReceiptId};
use jiff::Timestamp;

use crate::desk::{Desk, Request};
use crate::flood::Source;
use crate::pipeline::Life;
use crate::ports::StoreError;

/// Something refused, with the receipt that says so.
#[derive(Debug)]
pub struct Turned {
    /// Why.
    pub refused: Refused,
    /// The refusal's receipt; none for what is only a repeat or a passing fault.
    pub receipt: Option<ReceiptId>,
    /// The action, where there is one.
    pub action: Option<ActionId>,
}

impl Desk {
    /// Refusals have receipts too; a repeat or a passing fault has none.
    pub(crate) async fn turn_away(
        &self,
        request: &Request,
        plan: &Plan,
        refused: Refused,
    ) -> Turned {
        let catalog = &self.pipeline.catalog;
        let named = |s: &&PlanStep| catalog.tools.contains_key(&s.tool);
        let step = plan.steps.iter().rev().find(named).or(plan.steps.last());
        let tool = step.map_or("", |s| s.tool.as_str());
        let contract = catalog.tools.get(tool).cloned();
        let asked = self.asked(request, plan);
        // Names that came from outside are cut before they are kept.
        let tool: String = tool.chars().take(plan::LONGEST_TOOL).collect();
        self.sealed(refused, |refused, id, now| {
            seal::refusal(&asked, &tool, contract.as_deref(), refused, id, now)
        })
        .await
    }

    /// An answer that does not count, with its receipt; the proposal stays.
    pub(crate) async fn not_granted(&self, life: &Life, refused: Refused) -> Turned {
        let tool = life.state().proposal().tool();
        let contract = self.pipeline.catalog.tools.get(tool).cloned();
        let turned = self.sealed(refused, |refused, id, now| {
            seal::not_granted(life.state(), contract.as_deref(), refused, id, now)
        });
        Turned { action: Some(life.action().clone()), ..turned.await }
    }

    /// Puts a receipt that ends no action into the log. One whose commit stands although its
    /// answer was lost is in it all the same.
    pub(crate) async fn put(&self, id: &ReceiptId, leaf: Leaf) -> Result<(), StoreError> {
        let (queue, tally) = (leaf.queue.clone(), self.pipeline.metrics.tally(&leaf.receipt));
        if let Err(error) = self.pipeline.store.seal(leaf, None).await
            && self.pipeline.logged(id).await.is_none()
        {
            return Err(error);
        }
        tally.count();
        self.pipeline.ring(&queue);
        Ok(())
    }

    /// Seals a refusal's receipt, where it has one.
    pub(crate) async fn sealed(
        &self,
        refused: Refused,
        leaf: impl FnOnce(&Refused, &ReceiptId, Timestamp) -> Leaf,
    ) -> Turned {
        const UNSEALED: [Code; 11] = [
            Code::EffectsHalted,
            Code::Quarantined,
            Code::AlreadyDone,
            Code::InFlight,
            Code::ObjectInDoubt,
            Code::StateUnreadable,
            Code::StoreUnavailable,
            Code::BackendUnreachable,
            Code::BackendThrottled,
            Code::TooManyOpen,
            Code::Overloaded,
        ];
        let metrics = &self.pipeline.metrics;
        if UNSEALED.iter().any(|code| refused.is(*code)) {
            metrics.refused(&refused.code);
            return Turned::only(refused);
        }
        let id = ReceiptId::from_uuid(self.pipeline.clock.fresh_id());
        let leaf = leaf(&refused, &id, self.pipeline.clock.now());
        let source = Source {
            caller: leaf.receipt.asked.caller.clone(),
            tenant: leaf.receipt.tenant.clone(),
        };
        if !self.admits(source, &refused.code) {
            metrics.refused(&refused.code);
            // Nobody is told that a colleague looks at what is only counted.
            let message = "too many refusals within a minute; try again";
            let unheard = Refused::new(Code::Overloaded, message);
            return Turned::only(if leaf.queue == Queue::Stays { refused } else { unheard });
        }
        match self.put(&id, leaf).await {
            Ok(()) => Turned { refused, receipt: Some(id), action: None },
            // The refusal stands also where it cannot be written down.
            Err(error) => {
                tracing::error!(%error, code = %refused.code, "a refusal has no receipt");
                Turned::only(refused)
            }
        }
    }
}

pub(crate) fn unavailable(error: &StoreError) -> Refused {
    if *error == StoreError::Quarantined {
        return Refused::new(Code::Quarantined, error.to_string());
    }
    if *error == StoreError::Erased {
        return Refused::new(Code::Erased, error.to_string());
    }
    // It is not the end: what became of it, a recovery or the key will tell.
    if *error == StoreError::KeyLost {
        return Refused::new(Code::StoreUnavailable, error.to_string());
    }
    tracing::error!(%error, "the store failed");
    Refused::new(Code::StoreUnavailable, "the store cannot be used now")
}

pub(crate) fn damaged(error: &lifecycle::Illegal) -> Refused {
    tracing::error!(%error, "a journal that cannot be read");
    Refused::new(Code::Internal, "the action's journal cannot be read")
}

impl Turned {
    pub(crate) fn only(refused: Refused) -> Self {
        Self { refused, receipt: None, action: None }
    }
}

#[cfg(test)]
mod tests;
