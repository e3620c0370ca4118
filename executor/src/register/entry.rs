//! A receipt as a row.

use countersign_core::seal::Queue;
use countersign_shared::ids::made_at;
use countersign_shared::receipt::{Grant, Receipt};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Entry, Vote};

impl Entry {
    /// The row of a receipt. What is covered or erased in it is not needed, but for the mode.
    #[must_use]
    pub fn of(receipt: &Receipt, queue: &Queue) -> Self {
        let grants = &receipt.grants;
        let since = |until: Timestamp| {
            let began = made_at(&receipt.proposal_id)?;
            Some(until.as_millisecond().saturating_sub(began).max(0))
        };
        let asked = &receipt.asked;
        Self {
            receipt: receipt.receipt_id.clone(),
            at: receipt.sealed_at,
            tenant: receipt.tenant.clone(),
            tool: receipt.tool.clone(),
            outcome: receipt.outcome.clone(),
            code: receipt.code.clone(),
            reason: reason(queue),
            money: receipt.money,
            channel: asked.messages.last().map_or_else(String::new, |m| m.frontend.clone()),
            mode: mode(receipt),
            performed_by: receipt.performed_by.clone(),
            settles: grants.iter().any(|grant| grant.kind == "finish"),
            votes: grants.iter().filter_map(vote).collect(),
            took: since(receipt.sealed_at),
            waited: grants.iter().map(|grant| grant.at).max().and_then(since),
            tokens: i64::from(asked.input_tokens).saturating_add(i64::from(asked.output_tokens)),
        }
    }
}

fn vote(grant: &Grant) -> Option<Vote> {
    let yes = match grant.kind.as_str() {
        "approval" => true,
        "rejection" => false,
        _ => return None,
    };
    Some(Vote { by: grant.by.clone(), yes, at: grant.at })
}

fn reason(queue: &Queue) -> String {
    match queue {
        Queue::Opens(case) => match serde_json::to_value(case.reason) {
            Ok(Json::String(name)) => name,
            Ok(_) | Err(_) => String::new(),
        },
        Queue::Stays | Queue::Closes(_) => String::new(),
    }
}

/// As the policy's own gate saw it last.
fn mode(receipt: &Receipt) -> String {
    let of_policy = receipt.gates.iter().rev().find(|gate| gate.gate == "policy");
    let mode = of_policy.and_then(|gate| gate.facts.get("mode")).and_then(Json::as_str);
    mode.unwrap_or_default().to_owned()
}
