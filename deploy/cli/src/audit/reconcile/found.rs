//! What an export lacks, changed or has twice, seen from the log.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use countersign_executor::siem::event::{self, Place};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::merkle::{Tree, leaf_hash};

use super::row::{Content, Row, digest};

/// A row that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The leaf that it names; `None` for a heartbeat.
    pub(super) index: Option<u64>,
    /// Its line in the export.
    pub(super) line: u64,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Entries of the log.
    pub(super) size: u64,
    /// Events in the export.
    pub(super) rows: u64,
    /// Of them, those that say that they were sent again.
    pub(super) resent: u64,
    pub(super) heartbeats: u64,
    /// Rows that name a checkpoint newer than the folder's.
    pub(super) newer: u64,
    /// Events of logs of other names.
    pub(super) other_logs: BTreeMap<String, u64>,
    /// Lines that are no event.
    pub(super) unreadable: Vec<u64>,
    /// Entries without a row.
    pub(super) missing: Vec<Range<u64>>,
    /// Rows that do not say what the log says, or name a checkpoint that never was.
    pub(super) altered: Vec<Wrong>,
    /// Rows of a mapping that this program does not know: nobody looked at what they say.
    pub(super) unmapped: Vec<Wrong>,
    /// Rows that are there a second time as the same sending.
    pub(super) doubled: Vec<Wrong>,
    /// Rows of entries that the log does not have.
    pub(super) beyond: Vec<Wrong>,
}

impl Found {
    /// Whether the export holds exactly what the log holds.
    pub(super) fn is_whole(&self) -> bool {
        self.missing.is_empty()
            && self.altered.is_empty()
            && self.unmapped.is_empty()
            && self.doubled.is_empty()
            && self.beyond.is_empty()
    }
}

/// The way through the log, entry by entry, beside the rows in the same order.
pub(super) struct Walk {
    rows: Vec<Row>,
    origin: String,
    tree: Tree,
    /// Roots at the sizes that rows name.
    roots: BTreeMap<u64, Option<[u8; 32]>>,
    /// The next row to be looked at.
    at: usize,
    altered: Vec<Wrong>,
    unmapped: Vec<Wrong>,
}

impl Walk {
    /// Rows in order of their index.
    pub(super) fn new(rows: Vec<Row>, origin: &str) -> Self {
        let roots = rows.iter().map(|row| (row.size, None)).collect();
        // Heartbeats come first: they have no index.
        let at = rows.partition_point(|row| row.index.is_none());
        let (tree, origin) = (Tree::default(), origin.to_owned());
        Self { rows, origin, tree, roots, at, altered: Vec::new(), unmapped: Vec::new() }
    }

    /// Compares an entry with each of its rows.
    pub(super) fn entry(&mut self, index: u64, leaf: &[u8]) -> Result<(), String> {
        self.tree.append(leaf_hash(leaf));
        let root = self.tree.root();
        if let Some(known) = self.roots.get_mut(&self.tree.size()) {
            *known = Some(root);
        }
        let rows = self.rows.get(self.at..).unwrap_or_default();
        let own = rows.iter().take_while(|row| row.index == Some(index)).count();
        if own == 0 {
            return Ok(());
        }
        let checkpoint = Checkpoint::new(&self.origin, self.tree.size(), root)
            .map_err(|error| error.to_string())?;
        let right = event::of(leaf, Place { index, checkpoint: &checkpoint }, 1)
            .map_err(|error| format!("not a receipt: {error}"))?;
        let whole = digest(&right.body);
        for row in rows.iter().take(own) {
            match &row.content {
                Content::Digest(digest) if *digest == whole => {}
                Content::Digest(_) => self.altered.push(wrong(row)),
                Content::OtherMapping => self.unmapped.push(wrong(row)),
            }
        }
        self.at += own;
        Ok(())
    }

    /// What is left to say once the whole log was seen.
    pub(super) fn end(self, size: u64, within: Range<u64>, found: &mut Found) {
        found.size = size;
        found.altered = self.altered;
        found.unmapped = self.unmapped;
        for row in &self.rows {
            let there = row.index.is_none_or(|index| index < size);
            let before = row.index.is_none_or(|index| index < row.size);
            if !there {
                found.beyond.push(wrong(row));
            } else if row.size > size {
                found.newer += 1;
            } else if !before || self.roots.get(&row.size) != Some(&row.root) {
                let wrong = wrong(row);
                if !found.altered.contains(&wrong) {
                    found.altered.push(wrong);
                }
            }
        }
        found.doubled = doubled(&self.rows);
        found.missing = missing(&self.rows, within);
    }
}

fn wrong(row: &Row) -> Wrong {
    Wrong { index: row.index, line: row.line }
}

/// Rows of a sending that has one already: the executor counts each before it leaves.
fn doubled(rows: &[Row]) -> Vec<Wrong> {
    let mut seen = BTreeSet::new();
    let events = rows.iter().filter(|row| row.index.is_some());
    events.filter(|row| !seen.insert((row.index, row.attempt.max(1)))).map(wrong).collect()
}

fn missing(rows: &[Row], within: Range<u64>) -> Vec<Range<u64>> {
    let mut missing = Vec::new();
    let mut next = within.start;
    let there = rows.iter().filter_map(|row| row.index).filter(|index| within.contains(index));
    for index in there.chain([within.end]) {
        if index > next {
            missing.push(next..index);
        }
        next = next.max(index.saturating_add(1));
    }
    missing
}
