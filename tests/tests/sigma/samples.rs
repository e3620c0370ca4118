//! Events for each rule: receipts of `samples.yaml`, through the executor's mapping.

use std::collections::BTreeMap;

use countersign_executor::siem::event::{self, Place};
use countersign_shared::receipt::{Receipt, VERSION};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What a rule fires on, and what it does not.
#[derive(Default)]
pub struct Sample {
    pub fires: Vec<Value>,
    pub quiet: Vec<Value>,
}

/// Samples by rule, and an ordinary day.
pub fn all() -> BTreeMap<String, Sample> {
    let file: Value = serde_saphyr::from_str(include_str!("samples.yaml")).unwrap();
    let samples = file["samples"].as_object().unwrap().iter();
    let events = |of: &Value| of.as_array().map(|list| story(&file, list));
    let sample = |of: &Value| Sample {
        fires: events(&of["fires"]).unwrap_or_default(),
        quiet: events(&of["quiet"]).unwrap_or_default(),
    };
    samples.map(|(name, of)| (name.clone(), sample(of))).collect()
}

/// Events one after the other, in a log of their own. `times` repeats one, `after` is the
/// time since the one before, `heartbeat: true` is one.
fn story(file: &Value, list: &[Value]) -> Vec<Value> {
    let mut told = Told { tree: Tree::default(), at: "2026-11-25T10:00:00Z".parse().unwrap() };
    let mut events = Vec::new();
    for entry in list {
        let mut patch = entry.clone();
        let own = patch.as_object_mut().unwrap();
        let after = own.remove("after").map_or(1, |after| after.as_i64().unwrap());
        if let Some(at) = own.remove("at") {
            told.at = at.as_str().unwrap().parse().unwrap();
        }
        let times = own.remove("times").map_or(1, |times| times.as_u64().unwrap());
        for _ in 0..times {
            told.at += SignedDuration::from_secs(after);
            events.push(told.event(file, &patch));
        }
    }
    events
}

struct Told {
    tree: Tree,
    at: Timestamp,
}

impl Told {
    fn event(&mut self, file: &Value, patch: &Value) -> Value {
        let checkpoint = |tree: &Tree| {
            Checkpoint::new("shop.example/countersign", tree.size(), tree.root()).unwrap()
        };
        if let Some(quarantined) = patch.get("heartbeat") {
            let quarantined = quarantined == "quarantined";
            return event::heartbeat(&checkpoint(&self.tree), quarantined, self.at).body;
        }
        let index = self.tree.size();
        let mut receipt = file["base"].clone();
        if patch.get("change").or(patch.get("counted")).is_some() {
            merge(&mut receipt, &file["blank"]);
        }
        merge(&mut receipt, patch);
        receipt["v"] = json!(VERSION);
        receipt["receipt_id"] = json!(format!("rcp_{index:032}"));
        receipt["sealed_at"] = json!(self.at);
        // What is no receipt is no sample.
        let receipt: Receipt = serde_json::from_value(receipt).unwrap();
        let leaf = serde_json::to_vec(&receipt).unwrap();
        self.tree.append(leaf_hash(&leaf));
        let checkpoint = checkpoint(&self.tree);
        event::of(&leaf, Place { index, checkpoint: &checkpoint }, 1).unwrap().body
    }
}

/// Members of `patch` over those of `into`, as deep as both are objects.
fn merge(into: &mut Value, patch: &Value) {
    match (into.as_object_mut(), patch.as_object()) {
        (Some(into), Some(patch)) => {
            for (name, value) in patch {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        _ => *into = patch.clone(),
    }
}
