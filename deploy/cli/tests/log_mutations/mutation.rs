//! One piece of damage: what is done, which codes may name it, and which entry is the first bad one.

use std::fs;

use countersign::audit::Checked;
use countersign_shared::tlog::failure::{Failure, FailureCode as Code};
use countersign_shared::tlog::key::Signer as _;
use countersign_shared::tlog::rotation::Rotation;
use countersign_shared::tlog::tile::{Tile, TileKind};
use serde_json::json;

use super::chance::Chance;
use super::log::{Leaves, Log, covered, key, receipt, rotation};

/// How many kinds there are.
pub const KINDS: usize = 13;

#[derive(Debug)]
pub enum Mutation {
    Flip {
        path: String,
        offset: usize,
        bit: u8,
        first: Option<u64>,
    },
    Cut {
        path: String,
        length: usize,
        first: Option<u64>,
    },
    Delete {
        path: String,
        first: Option<u64>,
    },
    EntryGone {
        path: String,
        at: usize,
        first: u64,
    },
    EntriesSwapped {
        path: String,
        at: usize,
        first: u64,
    },
    /// The checkpoint promises more than is there.
    TailGone {
        left: u64,
    },
    /// The whole folder as it once was.
    RolledBack {
        size: u64,
    },
    /// Another entry, and everything signed anew with the log's own key.
    Forked {
        at: u64,
    },
    /// Another entry and every tile, but nobody signs it.
    Rewritten {
        at: u64,
    },
    /// A newer folder under an older checkpoint.
    OldCheckpoint,
    /// Signed by a stranger, or checked with a stranger's key.
    OtherKey {
        signed: bool,
    },
    /// A change of the key that only the old key signed, or that was signed for another place.
    BadRotation {
        at: u64,
        alone: bool,
    },
    /// An opening that is not what was logged.
    WrongOpening {
        at: u64,
    },
}

use Mutation as M;

impl Mutation {
    /// Some damage that this log can take, not yet done.
    pub fn draw(log: &Log, chance: &mut Chance) -> Option<Self> {
        let size = log.leaves.len() as u64;
        let at = chance.below(size);
        let tiles: Vec<&String> =
            log.files.keys().filter(|path| Tile::parse(path).is_some()).collect();
        let signed = ["checkpoint".to_owned(), "cosigned".to_owned()];
        let all: Vec<&String> = tiles.iter().copied().chain(&signed).collect();
        let path = all[chance.below(all.len() as u64) as usize].clone();
        let bytes = &log.files[&path];
        let offset = chance.below(bytes.len() as u64) as usize;
        let bundle = Tile { kind: TileKind::Entries, index: at / 256, width: 256 };
        let width = (size - bundle.index * 256).min(256) as u16;
        let (entries, inside) = (Tile { width, ..bundle }.path(), (at % 256) as usize);
        Some(match chance.below(KINDS as u64) {
            0 => {
                let bit = chance.below(8) as u8;
                M::Flip { first: first_at(log, &path, offset), path, offset, bit }
            }
            1 => M::Cut { first: first_at(log, &path, offset), path, length: offset },
            2 => M::Delete { first: Tile::parse(&path).map(|tile| tile.leaf(0)), path },
            3 => M::EntryGone { path: entries, at: inside, first: at },
            4 if inside + 1 < usize::from(width) => {
                M::EntriesSwapped { path: entries, at: inside, first: at }
            }
            5 => M::TailGone { left: at },
            6 if log.earlier.0 > 0 => M::RolledBack { size: chance.below(log.earlier.0) },
            7 if log.earlier.0 > at && log.rotation != Some(at) => M::Forked { at },
            8 => M::Rewritten { at },
            9 if size > 1 => M::OldCheckpoint,
            10 => M::OtherKey { signed: chance.below(2) == 0 },
            11 => M::BadRotation { at, alone: chance.below(2) == 0 },
            12 => M::WrongOpening { at },
            _ => return None,
        })
    }

    /// Does it, and looks.
    pub fn check(&self, log: &Log) -> Result<Checked, Failure> {
        self.do_to(log);
        let stranger = key(9).verifier_key();
        match self {
            M::OtherKey { signed: false } => log.check_by(&stranger),
            M::OtherKey { signed: true }
            | M::Flip { .. }
            | M::Cut { .. }
            | M::Delete { .. }
            | M::EntryGone { .. }
            | M::EntriesSwapped { .. }
            | M::TailGone { .. }
            | M::RolledBack { .. }
            | M::Forked { .. }
            | M::Rewritten { .. }
            | M::OldCheckpoint
            | M::BadRotation { .. }
            | M::WrongOpening { .. } => log.check(),
        }
    }

    fn do_to(&self, log: &Log) {
        let whole = |path: &str| log.files[path].clone();
        match self {
            M::Flip { path, offset, bit, .. } => {
                let mut bytes = whole(path);
                bytes[*offset] ^= 1 << bit;
                log.put(path, &bytes);
            }
            M::Cut { path, length, .. } => log.put(path, &whole(path)[..*length]),
            M::Delete { path, .. } => log.remove(path),
            M::EntryGone { path, at, .. } => {
                let mut entries = split(&whole(path));
                entries.remove(*at);
                log.put(path, &entries.concat());
            }
            M::EntriesSwapped { path, at, .. } => {
                let mut entries = split(&whole(path));
                entries.swap(*at, *at + 1);
                log.put(path, &entries.concat());
            }
            M::TailGone { left } => {
                let checkpoint = whole("checkpoint");
                anew(log, &log.leaves[..*left as usize], 1);
                log.put("checkpoint", &checkpoint);
            }
            M::RolledBack { size } => {
                let rotated = log.rotation.is_some_and(|at| at < *size);
                anew(log, &log.leaves[..*size as usize], if rotated { 2 } else { 1 });
            }
            M::Forked { at } => anew(log, &changed(log, *at), signer(log)),
            M::Rewritten { at } => {
                let checkpoint = whole("checkpoint");
                anew(log, &changed(log, *at), signer(log));
                log.put("checkpoint", &checkpoint);
            }
            M::OldCheckpoint => {
                let leaves = &log.leaves[..log.leaves.len() - 1];
                let rotated = log.rotation.is_some_and(|at| at < leaves.len() as u64);
                let note = Leaves(leaves, &key(if rotated { 2 } else { 1 })).note();
                log.put("checkpoint", note.to_string().as_bytes());
            }
            M::OtherKey { signed: true } => anew(log, &log.leaves, 9),
            M::OtherKey { signed: false } => {}
            M::BadRotation { at, alone } => {
                let mut leaves = log.leaves[..*at as usize].to_vec();
                let (root, signer) = (Leaves(&leaves, &key(1)).tree().root(), key(1));
                let place = if *alone { *at } else { at + 1 };
                let note = Rotation::sign((place, &root), &signer, &key(5)).unwrap();
                let old = [signer.verifier_key()];
                let note = if *alone { note.only_by(&old) } else { note };
                leaves.push(rotation(*at, &note.to_string()));
                anew(log, &leaves, 5);
                // Nothing from before stands in the way of looking at it.
                for name in ["cosigned", "receipts.jsonl", "export.json"] {
                    log.remove(name);
                }
            }
            M::WrongOpening { at } => {
                let lines = log.leaves.iter().zip(&log.openings).enumerate();
                let lines = lines.map(|(index, (leaf, opens))| {
                    let leaf = String::from_utf8(leaf.clone()).unwrap();
                    let index = index as u64;
                    // Of another receipt, by the same salts.
                    let other = covered(&receipt(index, 99), index).1;
                    let opens = if index == *at { &other } else { opens };
                    let line = json!({ "index": index, "receipt": leaf, "openings": opens });
                    format!("{line}\n")
                });
                log.put("receipts.jsonl", lines.collect::<String>().as_bytes());
            }
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            M::Flip { .. } => "flip",
            M::Cut { .. } => "cut",
            M::Delete { .. } => "delete",
            M::EntryGone { .. } => "entry gone",
            M::EntriesSwapped { .. } => "entries swapped",
            M::TailGone { .. } => "tail gone",
            M::RolledBack { .. } => "rolled back",
            M::Forked { .. } => "forked",
            M::Rewritten { .. } => "rewritten",
            M::OldCheckpoint => "old checkpoint",
            M::OtherKey { .. } => "other key",
            M::BadRotation { .. } => "bad rotation",
            M::WrongOpening { .. } => "wrong opening",
        }
    }

    /// The codes that may say so.
    pub fn codes(&self) -> &'static [Code] {
        match self {
            M::Flip { path, .. } | M::Cut { path, .. } => match Tile::parse(path).map(|t| t.kind) {
                Some(TileKind::Hashes(_)) => &[Code::TileMismatch],
                Some(TileKind::Entries) => &[Code::EntryMalformed, Code::EntryMismatch],
                None if path == "cosigned" => &[Code::CosignedMismatch, Code::CosignatureMissing],
                None => &[Code::CheckpointMalformed, Code::CheckpointSignature],
            },
            M::Delete { path, .. } => match Tile::parse(path).map(|t| t.kind) {
                Some(TileKind::Hashes(_)) => &[Code::TileMissing],
                Some(TileKind::Entries) => &[Code::LogShort],
                None if path == "cosigned" => &[Code::CosignatureMissing],
                None => &[Code::CheckpointMissing],
            },
            M::EntryGone { .. } => &[Code::EntryMalformed],
            M::EntriesSwapped { .. } => &[Code::EntryMismatch],
            M::TailGone { .. } => &[Code::LogShort, Code::CheckpointSignature],
            M::RolledBack { .. } => &[Code::LogRolledBack, Code::CosignedMismatch],
            M::Forked { .. } => &[
                Code::LogForked,
                Code::CosignedMismatch,
                Code::RotationMisplaced,
                Code::OpeningMismatch,
            ],
            // Whichever of the checkpoints comes first; or the change of the key fits no more.
            M::Rewritten { .. } => &[
                Code::RootMismatch,
                Code::LogForked,
                Code::CosignedMismatch,
                Code::RotationMisplaced,
                Code::CheckpointSignature,
                Code::OpeningMismatch,
            ],
            // Where the last bundle has another width then, the entry with the new key is not found.
            M::OldCheckpoint => &[
                Code::StrayFile,
                Code::LogRolledBack,
                Code::CosignedMismatch,
                Code::CheckpointSignature,
            ],
            M::OtherKey { .. } => &[Code::CheckpointSignature],
            M::BadRotation { alone: true, .. } => {
                &[Code::RotationSignature, Code::LogRolledBack, Code::CheckpointSignature]
            }
            M::BadRotation { alone: false, .. } => {
                &[Code::RotationMisplaced, Code::LogRolledBack, Code::CheckpointSignature]
            }
            M::WrongOpening { .. } => &[Code::OpeningMismatch],
        }
    }

    /// Whether this is the right first bad entry, as far as one can tell from what is left: a
    /// history that fits itself is wrong somewhere, and only a copy could tell where.
    pub fn names(&self, index: Option<u64>) -> bool {
        match self {
            M::Flip { path, .. } | M::Cut { path, .. } | M::Delete { path, .. }
                if path == "cosigned" =>
            {
                true
            }
            M::Flip { first, .. } | M::Cut { first, .. } | M::Delete { first, .. } => {
                index == *first
            }
            M::EntryGone { first, .. } | M::EntriesSwapped { first, .. } => index == Some(*first),
            M::TailGone { left } => index.is_none_or(|index| index == *left),
            M::RolledBack { size } => index == Some(*size),
            M::WrongOpening { at } => index == Some(*at),
            M::Forked { .. } | M::OldCheckpoint | M::OtherKey { .. } => true,
            M::Rewritten { at } => index.is_none_or(|index| index >= *at),
            M::BadRotation { at, .. } => index.is_none_or(|index| index == *at || index == at + 1),
        }
    }

    pub fn touches_all(&self) -> bool {
        self.paths().is_empty()
    }

    /// The files that it touches; none where it touches all.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            M::Flip { path, .. }
            | M::Cut { path, .. }
            | M::Delete { path, .. }
            | M::EntryGone { path, .. }
            | M::EntriesSwapped { path, .. } => vec![path],
            M::OldCheckpoint => vec!["checkpoint"],
            M::WrongOpening { .. } => vec!["receipts.jsonl"],
            M::TailGone { .. }
            | M::RolledBack { .. }
            | M::Forked { .. }
            | M::Rewritten { .. }
            | M::OtherKey { .. }
            | M::BadRotation { .. } => vec![],
        }
    }
}

/// The key that signs the log at its end.
fn signer(log: &Log) -> u8 {
    if log.rotation.is_some() { 2 } else { 1 }
}

/// The leaves with another one at this place.
fn changed(log: &Log, at: u64) -> Vec<Vec<u8>> {
    let mut leaves = log.leaves.clone();
    leaves[at as usize] = covered(&receipt(at, 77), at).0;
    leaves
}

/// Tiles and checkpoint of these leaves in the place of the log's own.
fn anew(log: &Log, leaves: &[Vec<u8>], signer: u8) {
    fs::remove_dir_all(log.dir.path().join("tile")).ok();
    log.remove("checkpoint");
    Leaves(leaves, &key(signer)).publish(log.dir.path());
}

/// The leaf that a byte belongs to; none for what is no tile.
fn first_at(log: &Log, path: &str, offset: usize) -> Option<u64> {
    let tile = Tile::parse(path)?;
    Some(match tile.kind {
        TileKind::Hashes(_) => tile.leaf((offset / 32) as u64),
        TileKind::Entries => {
            let ends = split(&log.files[path]).into_iter().scan(0, |end, entry| {
                *end += entry.len();
                Some(*end)
            });
            tile.leaf(ends.take_while(|end| *end <= offset).count() as u64)
        }
    })
}

/// Each entry with its length in front.
fn split(bundle: &[u8]) -> Vec<Vec<u8>> {
    let (mut all, mut rest) = (Vec::new(), bundle);
    while let [high, low, ..] = rest {
        let (entry, after) = rest.split_at(2 + usize::from(u16::from_be_bytes([*high, *low])));
        all.push(entry.to_vec());
        rest = after;
    }
    all
}
