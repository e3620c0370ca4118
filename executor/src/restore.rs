//! After a backup was restored: what has to come back, and what may be missing.
//!
//! ```text
//! log folders, planners' and auditors' receipts ──Evidence──▶ Plan ──▶ Restoration ──▶ store
//!                        each proved by a checkpoint of this log │
//!      every leaf up to the newest checkpoint is there ──────────┼──▶ the log goes on
//!      else ─────────────────────────────────────────────────────┴──▶ a new epoch, signed
//! ```
//!
//! Either way effects may be there without a receipt: what was under way when the old
//! store was lost never got one. So each recovery leaves a gap, until operators close it.

mod evidence;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::digest;
use countersign_core::seal::{self, Logged};
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Change, Changer};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::Signer as _;
use countersign_shared::tlog::merkle::{Hash, Tree, leaf_hash};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::log::LogKeys;
use crate::standing::{Gap, Standing};
use crate::store::{Past, Restoration};

pub use evidence::Evidence;

/// What operators sign for a new epoch, as [`countersign_core::activation`] has it.
pub const EPOCH: &str = "log/epoch";
/// What operators sign to end a gap.
pub const GAP: &str = "log/gap";
/// A receipt of this says that the log went on after a recovery.
const RECOVERY: &str = "log/recovery";

/// What a recovery would do.
#[derive(Debug)]
pub struct Plan {
    /// Size of the store's log.
    pub restored: u64,
    /// Receipts that come back.
    pub back: Vec<Logged>,
    /// Receipts that a checkpoint vouches for and that are nowhere.
    pub missing: u64,
    /// The log's epoch from then on.
    pub epoch: u32,
    /// Whether the log goes on as it was.
    pub complete: bool,
    /// The log as it stands: name, size, root.
    pub old: String,
    /// The log as it is to be. For a new epoch that is what operators sign.
    pub new: String,
    leads_to: Option<(u64, Hash)>,
}

impl Plan {
    /// Compares the store with what is proved.
    ///
    /// # Errors
    /// When the store cannot be read, or a proved leaf is no receipt.
    pub fn of(store: &dyn Past, evidence: Evidence, keys: &LogKeys) -> anyhow::Result<Self> {
        let own = store.standing().epoch;
        let epoch = evidence.epochs().max().unwrap_or(own).max(own);
        let from = store.tree().clone();
        let old = line(keys.of(own)?.verifier_key().name(), &from);
        let newest = evidence.newest(epoch).cloned();
        let seen = store.standing().quarantine.as_ref().map_or(0, |q| q.seen);
        let leaves = evidence.leaves();
        if let Some(newest) = newest.as_ref().filter(|newest| newest.size() >= seen)
            && let Some((back, lead)) = complete(store, &evidence, epoch, newest)?
        {
            let new = line(newest.origin(), &lead);
            let leads_to = Some((lead.size(), lead.root()));
            let (restored, missing, complete) = (from.size(), 0, true);
            return Ok(Self { restored, back, missing, epoch, complete, old, new, leads_to });
        }
        let back = unknown(store, leaves)?;
        let end = newest.map_or(0, |newest| newest.size()).max(seen);
        let missing = (from.size()..end).filter(|index| !evidence.has(epoch, *index)).count();
        let missing = u64::try_from(missing)?;
        let epoch = epoch.saturating_add(1);
        let new = opening(keys.of(epoch)?.verifier_key().name(), &from, missing, &back);
        let (restored, complete, leads_to) = (from.size(), false, None);
        Ok(Self { restored, back, missing, epoch, complete, old, new, leads_to })
    }

    /// As one commit, with how the store stands afterwards. `by` signed a new epoch.
    #[must_use]
    pub fn restoration(self, by: Vec<Changer>, now: Timestamp) -> (Restoration, Standing) {
        let reason = format!(
            "restored from a backup of {} receipts; {} brought back, {} known to be missing",
            self.restored,
            self.back.len(),
            self.missing
        );
        let what = if self.complete { RECOVERY } else { EPOCH };
        let change = Change {
            what: what.to_owned(),
            old: self.old,
            new: self.new,
            reason,
            by,
            note: String::new(),
        };
        let said = seal::changed(change, &fresh(), now);
        let (opened, closed) = if self.complete { (None, Some(said)) } else { (Some(said), None) };
        let gap = Some(Gap { since: now, missing: self.missing });
        let standing = Standing { quarantine: None, gap, epoch: self.epoch };
        let (back, leads_to) = (self.back, self.leads_to);
        (Restoration { opened, back, leads_to, ends: true, closed }, standing)
    }
}

/// Ends a gap: from then on nothing is looked for before it is sent.
#[must_use]
pub fn close_gap(
    gap: &Gap,
    by: Vec<Changer>,
    standing: &Standing,
    now: Timestamp,
) -> (Restoration, Standing) {
    let (old, new) = gap_change(gap);
    let reason = "nothing of the time before the recovery can be asked for again".to_owned();
    let change = Change { what: GAP.to_owned(), old, new, reason, by, note: String::new() };
    let closed = Some(seal::changed(change, &fresh(), now));
    (Restoration { closed, ..Restoration::default() }, Standing { gap: None, ..standing.clone() })
}

/// The end of a gap as operators sign it: as it was, as it is to be.
#[must_use]
pub fn gap_change(gap: &Gap) -> (String, String) {
    (format!("open since {}", gap.since), "closed".to_owned())
}

/// Every leaf from the store's size to the newest checkpoint, where they give its root and
/// nothing else is proved that they leave out.
fn complete(
    store: &dyn Past,
    evidence: &Evidence,
    epoch: u32,
    newest: &Checkpoint,
) -> anyhow::Result<Option<(Vec<Logged>, Tree)>> {
    let mut tree = store.tree().clone();
    if newest.size() < tree.size() {
        // Nothing newer is known than the store itself: the same log, if it led there.
        let same = store.root_at(newest.size())? == *newest.root();
        let known = unknown(store, evidence.leaves())?.is_empty();
        return Ok((same && known && !evidence.forked()).then_some((Vec::new(), tree)));
    }
    let mut back = Vec::new();
    for index in tree.size()..newest.size() {
        let Some(leaf) = evidence.only(epoch, index) else { return Ok(None) };
        tree.append(leaf_hash(leaf));
        back.push(restored(leaf)?);
    }
    let ids: Vec<_> = back.iter().map(|leaf| leaf.receipt.receipt_id.as_str()).collect();
    let others = unknown(store, evidence.leaves())?;
    let all = others.iter().all(|leaf| ids.contains(&leaf.receipt.receipt_id.as_str()));
    let leads = tree.root() == *newest.root();
    Ok((leads && all && !evidence.forked()).then_some((back, tree)))
}

/// What is proved and the store has not, oldest first.
fn unknown<'a>(
    store: &dyn Past,
    leaves: impl Iterator<Item = &'a [u8]>,
) -> anyhow::Result<Vec<Logged>> {
    let mut all = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for leaf in leaves {
        let leaf = restored(leaf)?;
        let id: ReceiptId = leaf.receipt.receipt_id.parse()?;
        if !store.has(&id)? && ids.insert(id.to_string()) {
            all.push(leaf);
        }
    }
    Ok(all)
}

fn restored(leaf: &[u8]) -> anyhow::Result<Logged> {
    seal::restored(leaf.to_vec()).map_err(|why| anyhow::anyhow!("a logged entry is {why}"))
}

fn line(origin: &str, tree: &Tree) -> String {
    format!("{origin} {} {}", tree.size(), STANDARD.encode(tree.root()))
}

/// Name and digest of a new epoch's beginning: the same for whoever signs it.
fn opening(name: &str, from: &Tree, missing: u64, back: &[Logged]) -> String {
    let leaves: Vec<_> = back.iter().map(|leaf| hex::encode(leaf_hash(&leaf.bytes))).collect();
    let begins = json!([name, from.size(), hex::encode(from.root()), missing, leaves]);
    format!("{name} sha256:{}", digest::of("countersign epoch v1", &begins))
}

fn fresh() -> ReceiptId {
    ReceiptId::from_uuid(Uuid::now_v7())
}

#[cfg(test)]
pub(crate) mod tests;
