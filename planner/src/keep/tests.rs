#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use countersign_shared::kept::EVIDENCE;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use ed25519_dalek::SigningKey;
use futures_util::FutureExt as _;

use super::*;

const NAME: &str = "test.example/log";

fn key(seed: u8, name: &str) -> LogKey {
    LogKey::new(name, SigningKey::from_bytes(&[seed; 32])).unwrap()
}

fn own() -> WitnessKey {
    WitnessKey::new("planner", SigningKey::from_bytes(&[8; 32])).unwrap()
}

pub(crate) fn open(folder: &Path) -> io::Result<Keep> {
    Keep::open(folder, vec![key(7, NAME).verifier_key()], own())
}

/// The log of the entries "0", "1", … at a size; other ones from `other` on.
pub(crate) fn note(size: u64, other: u64) -> (String, Tree) {
    let mut tree = Tree::default();
    for index in 0..size {
        let leaf = if index < other { index } else { index + 1_000 };
        tree.append(leaf_hash(leaf.to_string().as_bytes()));
    }
    let checkpoint = Checkpoint::new(NAME, size, tree.root()).unwrap();
    (checkpoint.sign(&key(7, NAME)).unwrap().to_string(), tree)
}

fn carried(keep: &Keep) -> Option<Note> {
    let request = keep.clone().call(Request::new(())).unwrap();
    let value = request.metadata().get_bin(HEADER)?.to_bytes().unwrap();
    Some(Note::parse(&value).unwrap())
}

fn size(keep: &Keep) -> Option<u64> {
    Some(Checkpoint::parse(carried(keep)?.text()).unwrap().size())
}

#[test]
fn the_newest_checkpoint_goes_back_countersigned_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    assert!(carried(&keep).is_none());
    assert_eq!(keep.weigh(note(1, 9).0.as_bytes()), Ok(None), "the first is believed");
    let question = keep.weigh(note(2, 9).0.as_bytes()).unwrap().unwrap();
    let proof = [leaf_hash(b"1")];
    assert_eq!((question.sizes(), keep.settle(&question, &proof)), ((1, 2), Ok(())));
    // A late answer takes nothing back, and is not asked about twice.
    assert_eq!(keep.weigh(note(1, 9).0.as_bytes()), Ok(None));
    let keep = open(folder.path()).unwrap();
    assert_eq!(size(&keep), Some(2));
    let keys = [own().verifier_key().clone(), key(7, NAME).verifier_key()];
    let signed = carried(&keep).unwrap().verify(&keys).unwrap().len();
    assert_eq!(signed, 2, "the log's line and ours");
    // The log has a new key since: our own line is enough.
    let rotated = Keep::open(folder.path(), vec![key(9, NAME).verifier_key()], own()).unwrap();
    assert_eq!(size(&rotated), Some(2));
    // Another log, as after a new epoch: begun anew.
    let other = key(7, "test.example/log/epoch-2").verifier_key();
    assert_eq!(size(&Keep::open(folder.path(), vec![other], own()).unwrap()), None);
}

#[test]
fn what_was_weighed_before_lets_nothing_else_in() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    assert!(keep.weigh(b"").unwrap_err().0.contains("not the log's"), "before anything was");
    let (known, _) = note(3, 9);
    for _once_and_again in 0..3 {
        assert_eq!(keep.weigh(known.as_bytes()), Ok(None));
    }
    assert!(keep.weigh(b"").unwrap_err().0.contains("not the log's"));
    for altered in [known.replace("\n3\n", "\n2\n"), known.trim_end().to_owned() + "AA=\n"] {
        assert!(keep.weigh(altered.as_bytes()).unwrap_err().0.contains("not the log's"));
    }
    assert!(keep.weigh(note(4, 1).0.as_bytes()).unwrap().is_some(), "another one is a question");
    // Nor does it outlive what is remembered: a log that went back to it is asked for a proof.
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    keep.weigh(note(0, 999).0.as_bytes()).unwrap();
    let believed = |size: u64| {
        let question = keep.weigh(note(size, 999).0.as_bytes()).unwrap().unwrap();
        keep.0.as_ref().unwrap().believe(question.seen());
    };
    believed(1);
    for _once_and_again in 0..2 {
        assert_eq!(keep.weigh(note(1, 999).0.as_bytes()), Ok(None));
    }
    (2..70).for_each(believed);
    assert!(keep.weigh(note(1, 999).0.as_bytes()).unwrap().is_some());
}

#[tokio::test]
async fn whoever_leaves_midway_lets_nobody_in_before_all_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    keep.weigh(note(0, 9).0.as_bytes()).unwrap();
    let question = keep.weigh(note(3, 9).0.as_bytes()).unwrap().unwrap();
    let turn = keep.turn().await;
    // Begun, and left at once.
    let _left = keep.settle_in(turn, question, Vec::new()).now_or_never();
    let _next = keep.turn().await;
    assert_eq!(keep.newest_size(), Some(3));
}

#[test]
fn what_is_caught_is_written_and_nothing_is_asked_until_it_is_gone() {
    for (what, expected) in [("fork", "forked"), ("back", "went back"), ("key", "not the log's")] {
        let folder = tempfile::tempdir().unwrap();
        let keep = open(folder.path()).unwrap();
        keep.weigh(note(3, 9).0.as_bytes()).unwrap();
        assert_eq!(keep.distrust(), None);
        let why = match what {
            "fork" => {
                let question = keep.weigh(note(4, 1).0.as_bytes()).unwrap().unwrap();
                keep.settle(&question, &[leaf_hash(b"3")]).unwrap_err()
            }
            "back" => {
                let question = keep.weigh(note(2, 9).0.as_bytes()).unwrap().unwrap();
                keep.withheld(&question, "sizes run from 1 to 2")
            }
            _ => {
                let checkpoint = Checkpoint::new(NAME, 4, [1; 32]).unwrap();
                let note = checkpoint.sign(&key(9, NAME)).unwrap().to_string();
                keep.weigh(note.as_bytes()).unwrap_err()
            }
        };
        assert!(why.to_string().contains(expected), "{why}");
        assert!(keep.distrust().unwrap().contains(expected), "at once");
        let keep = open(folder.path()).unwrap();
        assert!(keep.distrust().unwrap().contains(expected), "also after a restart");
        assert_eq!(size(&keep), Some(3), "the evidence changes nothing that was kept");
        let text = fs::read_to_string(folder.path().join(EVIDENCE)).unwrap();
        let caught: serde_json::Value = serde_json::from_str(&text).unwrap();
        for side in ["known", "seen"] {
            let note = Note::parse(caught[side].as_str().unwrap().as_bytes()).unwrap();
            assert!(Checkpoint::parse(note.text()).is_ok(), "{side}");
        }
        fs::remove_file(folder.path().join(EVIDENCE)).unwrap();
        assert_eq!(keep.distrust(), None, "a person removed it");
        assert!(keep.emptied().is_err());
        assert!(keep.distrust().unwrap().contains("it is empty"), "caught once more");
    }
}

#[test]
fn a_receipt_counts_where_the_log_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    let receipt = r#"{"receipt_id":"r","action_id":"a","outcome":"applied"}"#;
    let mut tree = Tree::default();
    tree.append(leaf_hash(receipt.as_bytes()));
    let checkpoint = Checkpoint::new(NAME, 1, tree.root()).unwrap();
    let checkpoint = checkpoint.sign(&key(7, NAME)).unwrap();
    let proof = LogProof { index: 0, path: vec![], checkpoint, extra: None };
    let mut action = Action {
        receipt: receipt.into(),
        receipt_id: "r".into(),
        action_id: "a".into(),
        tlog_proof: proof.to_string(),
        ..Action::default()
    };
    action.set_outcome(countersign_proto::v1::Outcome::Applied);
    assert!(keep.included(&action).is_ok());
    let mut edited = action.clone();
    edited.receipt = receipt.replace("applied", "refused").into();
    assert!(keep.included(&edited).unwrap_err().0.contains("not in the log"));
    action.set_outcome(countersign_proto::v1::Outcome::NotApplied);
    assert!(keep.included(&action).unwrap_err().0.contains("not say what was told"));
    assert!(keep.distrust().unwrap().contains("not in the log"), "the first evidence stays");
}

#[tokio::test]
async fn receipts_are_kept_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let keep = open(folder.path()).unwrap();
    for index in 0..3 {
        let receipt = format!("{{\"n\":{index}}}").into_bytes();
        keep.keep(&Action { receipt, ..Action::default() }).await;
    }
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()).collect();
    let name = |e: &&fs::DirEntry| {
        countersign_shared::kept::holds_receipts(&e.file_name().to_string_lossy())
    };
    let lines = fs::read_to_string(files.iter().find(name).unwrap().path()).unwrap();
    let kept: Vec<Kept> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let receipts: Vec<_> = kept.iter().map(|k| k.receipt.as_str()).collect();
    assert_eq!(receipts, ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"]);
}

#[test]
fn without_a_folder_nothing_is_kept_and_nothing_carried() {
    let keep = Keep::default();
    assert_eq!((keep.weigh(b"anything"), keep.distrust()), (Ok(None), None));
    assert!(carried(&keep).is_none());
}

#[test]
fn a_damaged_checkpoint_is_not_forgotten_silently() {
    let folder = tempfile::tempdir().unwrap();
    let forged = note(3, 9).0.replace("\n3\n", "\n2\n");
    for damaged in ["rubbish", forged.as_str()] {
        fs::write(folder.path().join(CHECKPOINT), damaged).unwrap();
        assert!(open(folder.path()).unwrap_err().to_string().contains("put it aside"));
    }
}

#[test]
fn a_torn_line_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    for (left, whole) in [("", ""), ("a\n", "a\n"), ("a\nb", "a\n"), ("b", "")] {
        fs::write(&path, left).unwrap();
        let mut file = OpenOptions::new().read(true).append(true).open(&path).unwrap();
        whole_lines(&mut file).unwrap();
        file.write_all(b"c\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}c\n"), "{left:?}");
    }
}
