//! A receipt's bytes, within what the log takes.

use std::io::{self, Write};

use countersign_shared::receipt::{Receipt, Verification, added};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Leaf, Queue};
use crate::person::Person;

/// Largest receipt: a log entry's length has two bytes.
pub const MAX_BYTES: usize = 60_000;

/// What becomes shorter first, and what after it where that is not enough. What it was
/// decided from goes whole: with less than all of it nothing is decided again.
const SHORTEN: [fn(&mut Receipt); 6] = [looked, seen, decided, weighed, asked, cut];

/// Replaces the largest parts by their digests where a receipt would not fit into a log
/// entry, covered or not. The parts themselves stay in the journal.
pub(super) fn leaf(mut receipt: Receipt, person: Person, queue: Queue) -> Leaf {
    for shorten in SHORTEN {
        if length(&mut receipt) <= MAX_BYTES {
            break;
        }
        shorten(&mut receipt);
    }
    Leaf { receipt, person, queue }
}

fn looked(receipt: &mut Receipt) {
    receipt.after = omitted(&receipt.after);
}

fn seen(receipt: &mut Receipt) {
    receipt.before = omitted(&receipt.before);
    receipt.verification.sight = omitted(&receipt.verification.sight);
}

fn decided(receipt: &mut Receipt) {
    receipt.facts = omitted(&receipt.facts);
}

fn weighed(receipt: &mut Receipt) {
    receipt.gates.iter_mut().for_each(|g| g.facts = omitted(&g.facts));
    receipt.attempts.iter_mut().for_each(|a| a.verdict = omitted(&a.verdict));
}

fn asked(receipt: &mut Receipt) {
    receipt.arguments.iter_mut().for_each(|a| a.value = omitted(&a.value));
    receipt.message = receipt.message.chars().take(2000).collect();
}

/// The last resort: every text and every list is cut.
fn cut(receipt: &mut Receipt) {
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
    if let Ok(shorter) = serde_json::from_value(whole) {
        *receipt = shorter;
    }
}

/// In bytes, at most.
fn length(receipt: &mut Receipt) -> usize {
    let mut written = Counted(0);
    let whole = serde_json::to_writer(&mut written, receipt).is_ok();
    added(receipt) + if whole { written.0 } else { 0 }
}

/// Counts what is written to it, and keeps nothing.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn omitted(part: &Json) -> Json {
    let text = part.to_string();
    json!({ "omitted": hex::encode(Sha256::digest(text.as_bytes())), "bytes": text.len() })
}
