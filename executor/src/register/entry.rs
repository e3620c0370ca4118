//! A receipt as a row.

use countersign_core::seal::{self, Queue};
use countersign_shared::ids::made_at;
use countersign_shared::receipt::{Grant, Receipt};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Day, Entry, Vote};

/// Most refusals that one receipt adds, so that no sum can keep it from being sealed.
const MOST: i64 = 1_000_000_000_000;

impl Entry {
    /// The row of a receipt. What is covered or erased in it is not needed, but for the mode.
    #[must_use]
    pub fn of(receipt: &Receipt, queue: &Queue) -> Self {
        // What settles an action repeats its answers and its tokens: they are counted once.
        let settles = seal::settles(receipt);
        let votes: Vec<_> = receipt.grants.iter().filter(|_| !settles).filter_map(vote).collect();
        let since = |until: Timestamp| {
            let began = made_at(&receipt.proposal_id)?;
            Some(until.as_millisecond().saturating_sub(began).max(0))
        };
        let asked = &receipt.asked;
        Self {
            receipt: receipt.receipt_id.clone(),
            at: receipt.sealed_at,
            tenant: receipt.tenant.clone(),
            tool: tool(receipt),
            outcome: receipt.outcome.clone(),
            code: receipt.code.clone(),
            reason: reason(queue),
            money: receipt.money,
            channel: asked.messages.last().map_or_else(String::new, |m| m.frontend.clone()),
            mode: mode(receipt),
            performed_by: receipt.performed_by.clone(),
            settles,
            took: since(receipt.sealed_at),
            waited: votes.iter().map(|vote| vote.at).max().and_then(since),
            votes,
            tokens: if settles { 0 } else { tokens(receipt) },
        }
    }
}

impl Day {
    /// What a receipt adds to the sums of its day: an action, nothing for an answer that
    /// did not count, and each of the refusals that one receipt stands for.
    #[must_use]
    pub fn of(receipt: &Receipt, entry: &Entry) -> Vec<Self> {
        if seal::uncounted(receipt) {
            return Vec::new();
        }
        let Some(counted) = &receipt.counted else { return vec![entry.day()] };
        let many = |(code, count): (&String, &u64)| {
            let actions = i64::try_from(*count).unwrap_or(i64::MAX).min(MOST);
            Self { code: code.clone(), actions, contained: actions, ..entry.day() }
        };
        counted.codes.iter().map(many).collect()
    }
}

/// What a planner calls a tool that there is none of is its own text: no contract names it.
fn tool(receipt: &Receipt) -> String {
    if receipt.contract.is_empty() { String::new() } else { receipt.tool.clone() }
}

fn tokens(receipt: &Receipt) -> i64 {
    let asked = &receipt.asked;
    i64::from(asked.input_tokens).saturating_add(i64::from(asked.output_tokens))
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

#[cfg(test)]
mod tests;
