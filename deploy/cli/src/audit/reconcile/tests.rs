#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;

use countersign_executor::siem::event::{self, Place};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::found::Wrong;
use super::*;
use crate::receipts::sample;

const ENTRIES: i64 = 6;

/// A log, and what a SIEM has of it.
struct House {
    dir: TempDir,
    key: VerifierKey,
    rows: Vec<Json>,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let receipts: Vec<_> = (1..=ENTRIES).map(sample::receipt).collect();
        let key = sample::log(&dir.path().join("log"), &receipts);
        let mut tree = Tree::default();
        let rows = (0..).zip(&receipts).map(|(index, receipt)| {
            let leaf = serde_json::to_vec(receipt).unwrap();
            tree.append(leaf_hash(&leaf));
            let checkpoint = Checkpoint::new(key.name(), tree.size(), tree.root()).unwrap();
            event::of(&leaf, Place { index, checkpoint: &checkpoint }, 1).unwrap().body
        });
        let rows = rows.collect();
        Self { dir, key, rows }
    }

    fn found(&self, lines: &[String]) -> Found {
        self.within(lines, 0, None)
    }

    fn within(&self, lines: &[String], from: u64, to: Option<u64>) -> Found {
        let export = self.dir.path().join("export.jsonl");
        fs::write(&export, lines.join("\n")).unwrap();
        let log = self.dir.path().join("log");
        let args = Args { export, log, key: String::new(), from, to, live: false, json: false };
        reconcile(&args, &self.key).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.rows.iter().map(Json::to_string).collect()
    }
}

#[test]
fn a_whole_export_is_whole_however_it_is_wrapped() {
    let house = House::new();
    let splunk = |row: &Json| json!({ "preview": false, "result": { "_raw": row.to_string() } });
    let hec = |row: &Json| json!({ "time": 1, "event": row });
    let more = |row: &Json| {
        let mut row = row.clone();
        row["_time"] = json!("2026");
        row
    };
    let wraps: [&dyn Fn(&Json) -> Json; 4] = [&Json::clone, &splunk, &hec, &more];
    for wrap in wraps {
        let lines: Vec<_> = house.rows.iter().map(|row| wrap(row).to_string()).collect();
        let found = house.found(&lines);
        assert!(found.is_whole(), "{found:?}");
        assert_eq!(found.rows, 6);
    }
}

fn just(range: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
    std::iter::once(range).collect()
}

#[test]
fn a_deleted_row_is_named() {
    let house = House::new();
    for index in 0..6 {
        let mut lines = house.lines();
        lines.remove(index);
        let at = u64::try_from(index).unwrap();
        assert_eq!(house.found(&lines).missing, just(at..at + 1));
    }
    let lines = house.lines();
    assert_eq!(house.found(&lines[..2]).missing, just(2..6));
    assert!(house.within(&lines[..2], 0, Some(2)).is_whole());
    assert!(house.within(&lines[4..], 4, None).is_whole());
}

#[test]
fn a_changed_row_is_named_whatever_was_changed() {
    let house = House::new();
    let changes: [(&str, Json); 6] = [
        ("/status", json!("refused")),
        ("/time", json!(1)),
        ("/unmapped/countersign/money/amount", json!("1.00")),
        ("/unmapped/countersign/log/leaf_hash", json!("AAAA")),
        ("/unmapped/countersign/log/root", json!("AAAA")),
        ("/metadata/tenant_uid", json!("other")),
    ];
    for (at, value) in changes {
        let mut rows = house.rows.clone();
        *rows[2].pointer_mut(at).unwrap() = value;
        let lines: Vec<_> = rows.iter().map(Json::to_string).collect();
        assert_eq!(house.found(&lines).altered, [Wrong { index: Some(2), line: 3 }], "{at}");
    }
}

#[test]
fn only_a_row_that_says_so_is_sent_again() {
    let house = House::new();
    let mut lines = house.lines();
    let mut again = house.rows[3].clone();
    again["unmapped"]["countersign"]["attempt"] = json!(2);
    again["metadata"]["labels"] = json!(["resent"]);
    lines.push(again.to_string());
    let found = house.found(&lines);
    assert!(found.is_whole() && found.resent == 1, "{found:?}");
    // A copy of either is none of them.
    for copied in [house.rows[3].to_string(), again.to_string()] {
        let mut lines = lines.clone();
        lines.push(copied);
        assert_eq!(house.found(&lines).doubled, [Wrong { index: Some(3), line: 8 }]);
    }
}

#[test]
fn a_row_of_a_mapping_that_nobody_knows_is_not_believed() {
    let house = House::new();
    for mapping in [json!(2), json!("1"), Json::Null] {
        let mut rows = house.rows.clone();
        rows[2]["status"] = json!("refused");
        rows[2]["unmapped"]["countersign"]["mapping"] = mapping;
        let lines: Vec<_> = rows.iter().map(Json::to_string).collect();
        let found = house.found(&lines);
        assert_eq!(found.unmapped, [Wrong { index: Some(2), line: 3 }]);
        assert!(!found.is_whole());
    }
}

#[test]
fn a_row_of_an_entry_that_never_was_is_beyond() {
    let house = House::new();
    let mut lines = house.lines();
    let mut forged = house.rows[5].clone();
    forged["unmapped"]["countersign"]["log"]["index"] = json!(9);
    lines.push(forged.to_string());
    assert_eq!(house.found(&lines).beyond, [Wrong { index: Some(9), line: 7 }]);
}

#[test]
fn heartbeats_other_logs_and_torn_lines_are_told_apart() {
    let house = House::new();
    let mut lines = house.lines();
    let at = sample::receipt(1).sealed_at;
    let beat = |root| {
        let checkpoint = Checkpoint::new(house.key.name(), 6, root).unwrap();
        event::heartbeat(&checkpoint, false, at).body.to_string()
    };
    let mut tree = Tree::default();
    for n in 1..=ENTRIES {
        tree.append(leaf_hash(&serde_json::to_vec(&sample::receipt(n)).unwrap()));
    }
    let mut other = house.rows[0].clone();
    other["unmapped"]["countersign"]["log"]["origin"] = json!("other/log");
    lines.extend([beat(tree.root()), other.to_string(), "{\"torn".to_owned()]);
    let found = house.found(&lines);
    assert!(found.is_whole(), "{found:?}");
    assert_eq!((found.heartbeats, found.other_logs["other/log"]), (1, 1));
    assert_eq!(found.unreadable, [9]);
    lines.push(beat([7; 32]));
    assert_eq!(house.found(&lines).altered, [Wrong { index: None, line: 10 }]);
}

#[test]
fn with_a_log_that_does_not_verify_nothing_is_compared() {
    let house = House::new();
    fs::remove_file(house.dir.path().join("log/checkpoint")).unwrap();
    let args = Args {
        export: house.dir.path().join("export.jsonl"),
        log: house.dir.path().join("log"),
        key: String::new(),
        from: 0,
        to: None,
        live: false,
        json: false,
    };
    fs::write(&args.export, "").unwrap();
    let error = reconcile(&args, &house.key).unwrap_err().to_string();
    assert!(error.contains("does not verify") && error.contains("CHECKPOINT_MISSING"), "{error}");
}
