//! A log of receipts as the publisher and `audit export` lay it out, with everything that may lie
//! beside it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use countersign::audit::{Also, Checked, check};
use countersign_shared::receipt::{Receipt, cover};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::disk::{Disk, RealDisk};
use countersign_shared::tlog::failure::Failure;
use countersign_shared::tlog::folder::{Publisher, Source};
use countersign_shared::tlog::key::{LogKey, Signer as _, VerifierKey, WitnessKey};
use countersign_shared::tlog::merkle::{Hash, Tree, leaf_hash};
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::rotation::Rotation;
use ed25519_dalek::SigningKey;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::chance::Chance;
use super::mutation::Mutation;

pub const NAME: &str = "shop.example/log";

/// What a log looks like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub size: u64,
    /// Whether its key changed once.
    pub rotated: bool,
}

impl Shape {
    pub fn draw(chance: &mut Chance) -> Self {
        let sizes = [chance.below(12), chance.below(300), 256, 250 + chance.below(12)];
        let size = 1 + sizes[chance.below(4) as usize];
        Self { size, rotated: chance.below(3) == 0 }
    }
}

/// A log on disk, as an export with all that an export can hold.
pub struct Log {
    pub dir: TempDir,
    pub files: BTreeMap<String, Vec<u8>>,
    pub leaves: Vec<Vec<u8>>,
    pub openings: Vec<String>,
    /// The entry that changes the key.
    pub rotation: Option<u64>,
    /// What auditors were given: the first key.
    pub key: VerifierKey,
    /// A checkpoint from before, and its size.
    pub earlier: (u64, Vec<u8>),
    pub cosigner: VerifierKey,
}

pub fn key(seed: u8) -> LogKey {
    LogKey::new(NAME, SigningKey::from_bytes(&[seed; 32])).unwrap()
}

/// The receipt of some action; `n` and `padding` make it another.
pub fn receipt(n: u64, padding: u64) -> Json {
    let said = "so ".repeat(padding as usize);
    json!({
        "v": countersign_shared::receipt::VERSION, "receipt_id": format!("rcp_{n}"),
        "sealed_at": "2026-07-01T10:00:00Z", "outcome": "applied", "code": "", "message": "",
        "said": said, "next": "none", "tenant": "t", "tool": "", "contract": "", "pack": "",
        "proposal": "", "proposal_id": "", "action_id": "", "key": "", "occasion": 0,
        "asked": {
            "caller": "", "issuer": "", "subject": "ann", "conversation": format!("c{n}"), "external_ref": "",
            "messages": [], "confidence": 0.5, "uncertainty_reason": "", "recommended_action": "",
            "model": "", "input_tokens": 0, "output_tokens": 0, "latency_ms": 0, "repairs": 0,
            "fallback": ""
        },
        "arguments": [], "money": null, "gates": [], "grants": [], "backend": null,
        "attempts": [], "before": null, "after": null,
        "verification": { "evidence": [], "looks": 0, "sight": null }, "output": null
    })
}

/// What is logged of a receipt, and what opens it.
pub fn covered(receipt: &Json, n: u64) -> (Vec<u8>, String) {
    let receipt: Receipt = serde_json::from_value(receipt.clone()).unwrap();
    let (leaf, openings) = cover(receipt, &[n as u8; 32]).unwrap();
    (leaf, serde_json::to_string(&openings).unwrap())
}

/// The entry that changes the key, with this note.
pub fn rotation(n: u64, note: &str) -> Vec<u8> {
    let mut receipt = receipt(n, 0);
    receipt["asked"]["subject"] = "".into();
    receipt["asked"]["conversation"] = "".into();
    receipt["outcome"] = "changed".into();
    receipt["change"] = json!({
        "what": "log/key", "old": "", "new": "", "reason": "", "by": [], "note": note,
    });
    serde_json::to_vec(&receipt).unwrap()
}

/// Files without waiting for the disk: they are thrown away.
struct Fast;

impl Disk for Fast {
    fn create_dirs(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.create_dirs(path)
    }
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn sync_dir(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }
    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }
}

/// Leaves and the key that signs them at the end.
pub struct Leaves<'a>(pub &'a [Vec<u8>], pub &'a LogKey);

impl Leaves<'_> {
    pub fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        self.0.iter().for_each(|leaf| drop(tree.append(leaf_hash(leaf))));
        tree
    }

    pub fn note(&self) -> Note {
        let (size, root): (u64, Hash) = (self.0.len() as u64, self.tree().root());
        Checkpoint::new(NAME, size, root).unwrap().sign(self.1).unwrap()
    }

    /// Writes the folder.
    pub fn publish(&self, dir: &Path) {
        Publisher::on(Fast, dir, self.1.verifier_key()).publish(self).unwrap();
    }
}

impl Source for Leaves<'_> {
    type Error = Infallible;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(Some(self.note().to_string().into_bytes()))
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Infallible> {
        Ok(self.0[range.start as usize..range.end as usize].to_vec())
    }
}

impl Log {
    pub fn of(shape: &Shape, chance: &mut Chance) -> Self {
        let place = Path::new("/dev/shm");
        let dir = if place.is_dir() { TempDir::new_in(place) } else { TempDir::new() }.unwrap();
        let at = shape.rotated.then(|| chance.below(shape.size));
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        let mut openings = Vec::new();
        for index in 0..shape.size {
            let (leaf, opens) = if at == Some(index) {
                let tree = Leaves(&leaves, &key(1)).tree();
                let note = Rotation::sign((index, &tree.root()), &key(1), &key(2)).unwrap();
                (rotation(index, &note.to_string()), String::new())
            } else {
                covered(&receipt(index, chance.below(20)), index)
            };
            leaves.push(leaf);
            openings.push(opens);
        }
        let signer = |size: u64| if at.is_some_and(|at| at < size) { key(2) } else { key(1) };
        Leaves(&leaves, &signer(shape.size)).publish(dir.path());
        let checkpoint = |size: u64| Leaves(&leaves[..size as usize], &signer(size)).note();
        let (before, cosigned) = (chance.below(shape.size + 1), 1 + chance.below(shape.size));
        let earlier = (before, checkpoint(before).to_string().into_bytes());
        let secret = SigningKey::from_bytes(&[3; 32]);
        let planner = WitnessKey::new("shop.example/planner", secret).unwrap();
        let mut note = checkpoint(cosigned);
        note.push(planner.cosign(note.text(), 1_700_000_000));
        fs::write(dir.path().join("cosigned"), note.to_string()).unwrap();
        let lines = leaves.iter().zip(&openings).enumerate().map(|(index, (leaf, opens))| {
            let receipt = String::from_utf8(leaf.clone()).unwrap();
            format!("{}\n", json!({ "index": index, "receipt": receipt, "openings": opens }))
        });
        fs::write(dir.path().join("receipts.jsonl"), lines.collect::<String>()).unwrap();
        let extent = json!({ "v": 1, "from": 0, "to": shape.size }).to_string();
        fs::write(dir.path().join("export.json"), extent).unwrap();
        let files = read(dir.path(), dir.path());
        let (key, cosigner) = (key(1).verifier_key(), planner.verifier_key().clone());
        Self { dir, files, leaves, openings, rotation: at, key, earlier, cosigner }
    }

    /// As an auditor would who kept an earlier checkpoint.
    pub fn check(&self) -> Result<Checked, Failure> {
        self.check_by(&self.key)
    }

    pub fn check_by(&self, key: &VerifierKey) -> Result<Checked, Failure> {
        let cosigners = [self.cosigner.clone()];
        let also = Also {
            earlier: Some(&self.earlier.1),
            cosigners: &cosigners,
            live: false,
            whole: false,
        };
        check(self.dir.path(), key, also)
    }

    pub fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.dir.path().join(path)).unwrap();
    }

    /// Puts back what a mutation touched.
    pub fn restore(&self, mutation: &Mutation) {
        if mutation.touches_all() {
            for path in read(self.dir.path(), self.dir.path()).keys() {
                self.remove(path);
            }
            self.files.iter().for_each(|(path, bytes)| self.put(path, bytes));
            return;
        }
        for path in mutation.paths() {
            match self.files.get(path) {
                Some(bytes) => self.put(path, bytes),
                None => self.remove(path),
            }
        }
    }
}

fn read(dir: &Path, root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(read(&path, root));
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}
