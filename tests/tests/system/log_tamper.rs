//! A log that a real executor published: whatever is done to its bytes, the offline
//! check notices, and names the entry where one was touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use countersign_shared::tlog::failure::{Failure, FailureCode as Code};
use countersign_shared::tlog::key::VerifierKey;
use countersign_shared::tlog::tile::{Tile, TileKind};
use countersign_shared::tlog::verify::{Options, Verified, verify_folder};
use serde_json::Value;
use tempfile::TempDir;

use super::support::bins;
use super::support::pair::Pair;
use super::support::plans::{Desk, model, refusal, seen, step};

/// Files of a folder by path below it.
type Files = BTreeMap<String, Vec<u8>>;

/// Two states of one real log, and its key from elsewhere.
struct Log {
    earlier: Files,
    files: Files,
    key: VerifierKey,
    written_key: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn log_tamper_every_byte_flipped_and_every_length_cut() {
    let log = Log::of_real_actions().await;
    let (mut flips, mut cuts) = (0, 0);
    for (path, good) in &log.files {
        let half = good.len() / 2;
        // Two cores, two copies.
        std::thread::scope(|scope| {
            for range in [0..half, half..good.len()] {
                let log = &log;
                scope.spawn(move || log.tamper(path, good, range));
            }
        });
        flips += good.len();
        cuts += good.len();
    }
    let entries = bundle(&log.files).1;
    println!("{flips} flips and {cuts} cuts in {} files of {entries} entries", log.files.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn log_tamper_by_other_keys_older_states_and_other_files() {
    let log = Log::of_real_actions().await;
    let copy = Copy::of(&log.files);
    let verified = copy.verify(&log.key).unwrap();
    assert_eq!(verified.leaves, bundle(&log.files).1);

    // Another key, also one that takes the log's name.
    for name in ["test.countersign/log", "elsewhere.example/log"] {
        let failure = copy.verify(&stranger(name)).unwrap_err();
        assert_eq!(failure.code, Code::CheckpointSignature, "{failure}");
    }

    // An older state is flawless in itself; the newer checkpoint tells.
    let older = Copy::of(&log.earlier);
    assert!(older.verify(&log.key).is_ok());
    let with = |copy: &Copy, checkpoint: &[u8]| {
        let options = Options { earlier: Some(checkpoint), ..Options::default() };
        verify_folder(copy.path(), &log.key, options)
    };
    let failure = with(&older, &log.files["checkpoint"]).unwrap_err();
    assert_eq!((failure.code, failure.index), (Code::LogRolledBack, Some(bundle(&log.earlier).1)));
    assert!(with(&copy, &log.earlier["checkpoint"]).is_ok(), "it extends what it was");

    // An older checkpoint does not vouch for what came later, nor a newer one for less.
    let mut mixed = log.files.clone();
    mixed.insert("checkpoint".into(), log.earlier["checkpoint"].clone());
    assert!(Copy::of(&mixed).verify(&log.key).is_err());
    let mut mixed = log.earlier.clone();
    mixed.insert("checkpoint".into(), log.files["checkpoint"].clone());
    assert_eq!(Copy::of(&mixed).verify(&log.key).unwrap_err().code, Code::LogShort);

    // Nothing may be missing, longer or beside it.
    for (path, good) in &log.files {
        let mut less = log.files.clone();
        less.remove(path);
        assert!(Copy::of(&less).verify(&log.key).is_err(), "without {path}");
        let mut more = log.files.clone();
        more.insert(path.clone(), [good.as_slice(), b"\n"].concat());
        assert!(Copy::of(&more).verify(&log.key).is_err(), "{path} with a byte more");
    }
    let mut beside = log.files.clone();
    beside.insert("tile/entries/001".into(), b"x".to_vec());
    assert_eq!(Copy::of(&beside).verify(&log.key).unwrap_err().code, Code::StrayFile);

    // Two entries that change places are each where the other was.
    let (path, _) = bundle(&log.files);
    let mut swapped = entries(&log.files[&path]);
    swapped.swap(1, 2);
    let mut files = log.files.clone();
    files.insert(path, swapped.concat());
    let failure = Copy::of(&files).verify(&log.key).unwrap_err();
    assert_eq!((failure.code, failure.index), (Code::EntryMismatch, Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn log_tamper_as_the_command_tells_it() {
    let log = Log::of_real_actions().await;
    let copy = Copy::of(&log.files);
    let key_dir = TempDir::new().unwrap();
    let key = key_dir.path().join("log.pub");
    fs::write(&key, &log.written_key).unwrap();
    let verify = |more: &[&str]| audit_verify(copy.path(), &key, more);

    let good = verify(&[]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(text(&good).contains("verifies") && text(&good).contains("every one a receipt"));
    let good: Value = serde_json::from_slice(&verify(&["--json"]).stdout).unwrap();
    assert_eq!((&good["ok"], &good["size"]), (&true.into(), &bundle(&log.files).1.into()));

    // One bit of the third entry.
    let (path, _) = bundle(&log.files);
    let mut bytes = log.files[&path].clone();
    let third: usize = entries(&bytes).iter().take(2).map(Vec::len).sum();
    bytes[third + 40] ^= 1;
    fs::write(copy.path().join(&path), bytes).unwrap();
    let bad = verify(&[]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    for part in ["does NOT verify", "ENTRY_MISMATCH", "entry 2", path.as_str()] {
        assert!(text(&bad).contains(part), "{part}: {}", text(&bad));
    }
    let bad: Value = serde_json::from_slice(&verify(&["--json"]).stdout).unwrap();
    assert_eq!((&bad["ok"], &bad["code"]), (&false.into(), &"ENTRY_MISMATCH".into()));
    assert_eq!(bad["index"], 2);
}

impl Log {
    async fn of_real_actions() -> Self {
        let pair = Pair::executor_only().await;
        let folder = pair.path("state/log");
        let written_key = pair.log_key();
        let key = VerifierKey::parse(&written_key).unwrap();
        let mut desk = Desk::new(&pair, pair.customer(1), "c1");
        let refused = desk.propose(step("shopify.erase_shop", vec![])).await;
        assert_eq!(refusal(refused).code, "TOOL_UNKNOWN");
        desk.cancel("1001").await.unwrap();
        let earlier = published(&folder, &key, 3).await;
        let order = desk.order("1004").await.unwrap();
        let typed = vec![("order_id", model(&"gid://shopify/Order/1004".into()))];
        let refused = desk.propose(step("shopify.cancel_order", typed)).await;
        assert_eq!(refusal(refused).code, "REFERENCE_REQUIRED");
        let extra = vec![("order_id", seen(&order, "/orders/0/id")), ("amount", model(&1.into()))];
        let refused = desk.propose(step("shopify.cancel_order", extra)).await;
        assert_eq!(refusal(refused).code, "ARGUMENT_UNEXPECTED");
        let files = published(&folder, &key, 5).await;
        Self { earlier, files, key, written_key }
    }

    /// Each byte of the range flipped in one bit, and the file cut there.
    fn tamper(&self, path: &str, good: &[u8], range: std::ops::Range<usize>) {
        let copy = Copy::of(&self.files);
        let file = copy.path().join(path);
        for offset in range {
            let mut bad = good.to_vec();
            bad[offset] ^= 1 << (offset % 8);
            fs::write(&file, &bad).unwrap();
            self.noticed(&copy, path, offset, "flipped");
            fs::write(&file, &good[..offset]).unwrap();
            self.noticed(&copy, path, offset, "cut");
        }
        fs::write(&file, good).unwrap();
        assert!(copy.verify(&self.key).is_ok(), "{path}: whole again");
    }

    fn noticed(&self, copy: &Copy, path: &str, offset: usize, what: &str) {
        let what = format!("{path} {what} at {offset}");
        let failure = copy.verify(&self.key).expect_err(&what);
        assert_eq!(failure.path.as_deref(), Some(path), "{what}: {failure}");
        assert_eq!(failure.index, self.leaf_at(path, offset), "{what}: {failure}");
    }

    /// The leaf that a byte of a file belongs to; none for the checkpoint's.
    fn leaf_at(&self, path: &str, offset: usize) -> Option<u64> {
        match Tile::parse(path)?.kind {
            TileKind::Hashes(_) => Some((offset / 32) as u64),
            TileKind::Entries => {
                let ends = entries(&self.files[path]).into_iter().scan(0, |end, entry| {
                    *end += entry.len();
                    Some(*end)
                });
                Some(ends.take_while(|end| *end <= offset).count() as u64)
            }
        }
    }
}

/// A folder of its own to tamper with.
struct Copy(TempDir);

impl Copy {
    fn of(files: &Files) -> Self {
        let dir = TempDir::new().unwrap();
        for (path, bytes) in files {
            let file = dir.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn verify(&self, key: &VerifierKey) -> Result<Verified, Failure> {
        verify_folder(self.path(), key, Options::default())
    }
}

/// Waits until the executor has published this many entries; what lies there then.
async fn published(folder: &Path, key: &VerifierKey, leaves: u64) -> Files {
    let began = Instant::now();
    loop {
        let files = read(folder);
        let whole = Copy::of(&files).verify(key);
        // What a publication leaves behind of an older size is removed a moment later.
        let tiles = files.keys().filter_map(|path| Tile::parse(path));
        let places: Vec<_> = tiles.map(|tile| (tile.kind, tile.index)).collect();
        let settled = places.iter().collect::<BTreeSet<_>>().len() == places.len();
        if whole.as_ref().is_ok_and(|v| v.leaves == leaves) && settled {
            return files;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "not published: {whole:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn read(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(dir) = folders.pop() {
        // Not there yet, or a file that a publication has just moved.
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path: PathBuf = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), bytes);
            }
        }
    }
    files
}

/// The one entry bundle of a small log, and how many entries it holds.
fn bundle(files: &Files) -> (String, u64) {
    let size = |path: &str| Tile::parse(path).map(|tile| u64::from(tile.width));
    let bundles = files.keys().filter(|path| path.starts_with("tile/entries/"));
    bundles.map(|path| (path.clone(), size(path).unwrap())).max_by_key(|(_, n)| *n).unwrap()
}

/// Each entry with its length in front.
fn entries(bundle: &[u8]) -> Vec<Vec<u8>> {
    let (mut all, mut rest) = (Vec::new(), bundle);
    while let [high, low, ..] = rest {
        let (entry, after) = rest.split_at(2 + usize::from(u16::from_be_bytes([*high, *low])));
        all.push(entry.to_vec());
        rest = after;
    }
    all
}

/// Somebody else's key by this name.
fn stranger(name: &str) -> VerifierKey {
    use countersign_shared::tlog::key::{LogKey, Signer as _};
    let secret = ed25519_dalek::SigningKey::from_bytes(&[99; 32]);
    LogKey::new(name, secret).unwrap().verifier_key().clone()
}

fn audit_verify(folder: &Path, key: &Path, more: &[&str]) -> Output {
    Command::new(bins::dir().join("countersign"))
        .args(["audit", "verify"])
        .arg(folder)
        .arg("--key")
        .arg(key)
        .args(more)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
