//! What may never be, said apart from the executor's code: from the shop's books, beside
//! the log and what people were told.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::lifecycle::{self, Event};
use countersign_executor::ports::SealedReceipt;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::Signer as _;
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use serde_json::Value as Json;

use super::people::Heard;
use super::world::World;

/// What happened in a simulation, for the figures.
#[derive(Default)]
pub struct Verdict {
    /// Keys of the actions whose request was about to leave.
    pub begun: BTreeSet<String>,
    pub outcomes: BTreeMap<String, u64>,
}

/// Compares all three at the end.
pub fn judge(world: &World, heard: &[Heard]) -> Verdict {
    let (leaves, note) = world.database.log();
    let receipts: Vec<Json> =
        leaves.iter().map(|leaf| serde_json::to_value(leaf.open().unwrap()).unwrap()).collect();
    let journals = journals(world);
    let verdict = receipted(world, &journals, &receipts);
    books(world, &receipts);
    told(world, &receipts, heard);
    log(world, &leaves, &note);
    verdict
}

fn text<'a>(receipt: &'a Json, field: &str) -> &'a str {
    receipt[field].as_str().unwrap_or_default()
}

/// AT MOST ONE EFFECT, and FOUR OUTCOMES.
fn books(world: &World, receipts: &[Json]) {
    let books = world.books.lock();
    let ours = || books.effects.iter().filter(|e| e.note.starts_with("cs-"));
    let mut wanted: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for effect in ours() {
        *wanted.entry((&effect.tool, &effect.order)).or_default() += 1;
        let ends = receipts.iter().filter(|r| text(r, "key") == effect.note);
        let ends: Vec<_> = ends.map(|r| text(r, "outcome")).collect();
        if ends != ["applied"] && ends != ["unknown"] {
            world.wrong(format!("{effect:?} happened, and its receipts say {ends:?}"));
        }
    }
    for ((tool, order), times) in wanted {
        if times > 1 {
            world.wrong(format!("{tool} of {order} happened {times} times"));
        }
    }
    for receipt in receipts.iter().filter(|r| text(r, "outcome") == "applied") {
        let key = text(receipt, "key");
        let times = ours().filter(|e| e.note == key).count();
        if times != 1 {
            world.wrong(format!("{key} is receipted as applied and happened {times} times"));
        }
    }
}

/// What was begun has exactly one receipt, and a journal that can be read.
fn receipted(world: &World, journals: &BTreeMap<String, Vec<Event>>, receipts: &[Json]) -> Verdict {
    let mut verdict = Verdict::default();
    for (action, journal) in journals {
        if let Err(illegal) = lifecycle::fold(journal.clone()) {
            world.wrong(format!("the journal of {action} cannot be read: {illegal}"));
        }
        let intended = journal.iter().any(|event| matches!(event, Event::Intended(_)));
        if !intended {
            continue;
        }
        let own: Vec<_> = receipts.iter().filter(|r| text(r, "action_id") == action).collect();
        if own.len() != 1 {
            world.wrong(format!("{action} was begun and has {} receipts", own.len()));
        }
        for receipt in own {
            verdict.begun.insert(text(receipt, "key").to_owned());
            *verdict.outcomes.entry(text(receipt, "outcome").to_owned()).or_default() += 1;
        }
    }
    verdict
}

fn journals(world: &World) -> BTreeMap<String, Vec<Event>> {
    let mut journals: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for written in world.database.written(0) {
        let event = serde_json::from_str(&written.event).unwrap();
        journals.entry(written.action.to_string()).or_default().push(event);
    }
    journals
}

/// RECEIPT BEFORE REPLY: whatever anybody was told is in the log.
fn told(world: &World, receipts: &[Json], heard: &[Heard]) {
    for said in heard.iter().filter(|said| !said.receipt.is_empty()) {
        let receipt = receipts.iter().find(|r| text(r, "receipt_id") == said.receipt);
        match receipt {
            None => world.wrong(format!("{said:?} was told, and the log has no such receipt")),
            // A refusal names the earlier receipt.
            Some(_) if said.outcome.is_empty() => {}
            Some(receipt) if text(receipt, "outcome") == said.outcome => {}
            Some(receipt) => {
                let outcome = text(receipt, "outcome");
                world.wrong(format!("{said:?} was told, and the receipt says {outcome}"));
            }
        }
    }
}

/// The signed checkpoint is over exactly these leaves.
fn log(world: &World, leaves: &[SealedReceipt], note: &str) {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.append(leaf_hash(&leaf.body));
    }
    if leaves.is_empty() {
        return;
    }
    let opened = Checkpoint::open(note.as_bytes(), &world.ground.log.verifier_key());
    let good = opened.is_ok_and(|(checkpoint, _)| {
        (checkpoint.size(), checkpoint.root()) == (tree.size(), &tree.root())
    });
    if !good {
        world.wrong("the checkpoint does not cover the log");
    }
}
