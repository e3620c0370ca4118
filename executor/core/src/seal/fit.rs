//! A receipt's bytes, within what the log takes.

use countersign_shared::receipt::{Receipt, Verification, added};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Leaf, Queue};
use crate::person::Person;

/// Largest receipt: a log entry's length has two bytes.
pub const MAX_BYTES: usize = 60_000;

/// Replaces the largest parts by their digests where a receipt would not fit into a log
/// entry, covered or not. The parts themselves stay in the journal.
pub(super) fn leaf(mut receipt: Receipt, person: Person, queue: Queue) -> Leaf {
    if length(&mut receipt) > MAX_BYTES {
        let looked = std::mem::take(&mut receipt.after);
        receipt.after = omitted(&looked);
    }
    if length(&mut receipt) > MAX_BYTES {
        let before = std::mem::take(&mut receipt.before);
        receipt.before = omitted(&before);
        receipt.verification.sight = omitted(&receipt.verification.sight);
    }
    // What it was decided from, whole: with less than all of it nothing is decided again.
    if length(&mut receipt) > MAX_BYTES {
        receipt.facts = omitted(&receipt.facts);
    }
    if length(&mut receipt) > MAX_BYTES {
        receipt.gates.iter_mut().for_each(|g| g.facts = omitted(&g.facts));
        receipt.attempts.iter_mut().for_each(|a| a.verdict = omitted(&a.verdict));
    }
    if length(&mut receipt) > MAX_BYTES {
        receipt.arguments.iter_mut().for_each(|a| a.value = omitted(&a.value));
        receipt.message = receipt.message.chars().take(2000).collect();
    }
    if length(&mut receipt) > MAX_BYTES {
        receipt = cut(receipt);
    }
    Leaf { receipt, person, queue }
}

/// The last resort: every text and every list is cut.
fn cut(receipt: Receipt) -> Receipt {
    fn short(value: &mut Json) {
        match value {
            Json::String(text) if text.len() > 256 => *text = text.chars().take(128).collect(),
            Json::Array(items) => {
                items.truncate(12);
                items.iter_mut().for_each(short);
            }
            Json::Object(members) => members.values_mut().for_each(short),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    let mut whole = json!(receipt);
    if let Some(members) = whole.as_object_mut() {
        for part in ["output", "verification"] {
            if let Some(part) = members.get_mut(part).filter(|p| p.to_string().len() > 4096)
                && part.is_object()
            {
                *part = if part.get("evidence").is_some() {
                    json!(Verification::default())
                } else {
                    omitted(part)
                };
            }
        }
        members.values_mut().for_each(short);
    }
    serde_json::from_value(whole).unwrap_or(receipt)
}

/// In bytes, at most.
fn length(receipt: &mut Receipt) -> usize {
    added(receipt) + serde_json::to_vec(receipt).map_or(0, |bytes| bytes.len())
}

fn omitted(part: &Json) -> Json {
    let text = part.to_string();
    json!({ "omitted": hex::encode(Sha256::digest(text.as_bytes())), "bytes": text.len() })
}
