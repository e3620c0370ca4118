//! A publication that stops anywhere leaves a folder that verifies, and is mended by the next.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::disk::{Disk, RealDisk};
use super::failure::FailureCode;
use super::folder::{CHECKPOINT, PublishError, Publisher};
use super::merkle::leaf_hash;
use super::sample::{Log, contents, key, restore, verify};
use super::tile::{Tile, TileKind};
use super::verify::{Options, verify_folder};

/// How the step that fails is lost.
#[derive(Debug, Clone, Copy)]
enum Lost {
    Before,
    /// A file is left half written.
    Halfway,
    After,
}

/// Fails at a chosen step and at all after it, until healed.
struct Faulty {
    steps_left: Rc<Cell<usize>>,
    lost: Lost,
}

impl Faulty {
    fn step(&self, act: impl FnOnce() -> io::Result<()>, half: impl FnOnce()) -> io::Result<()> {
        let left = self.steps_left.get();
        self.steps_left.set(left.saturating_sub(1));
        match (left, self.lost) {
            (2.., _) => return act(),
            (1, Lost::After) => act()?,
            (1, Lost::Halfway) => half(),
            (_, Lost::Before) | (0, _) => {}
        }
        Err(io::Error::other("lost"))
    }
}

impl Disk for Faulty {
    fn create_dirs(&mut self, path: &Path) -> io::Result<()> {
        self.step(|| RealDisk.create_dirs(path), || {})
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = || fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        self.step(|| RealDisk.write(path, bytes), half)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|| RealDisk.rename(from, to), || {})
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.step(|| RealDisk.sync_dir(path), || {})
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.step(|| RealDisk.remove_file(path), || {})
    }

    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        self.step(|| RealDisk.remove_dir(path), || {})
    }
}

/// What a fresh folder of the log holds: nothing more may be left in the end.
fn fresh(log: &Log) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    log.publish(dir.path());
    assert_eq!(verify(dir.path()).unwrap().leaves, log.0.len() as u64);
    contents(dir.path())
}

/// The size at which a folder verifies, files ahead of its checkpoint allowed.
fn size_now(dir: &Path) -> Option<u64> {
    match verify_folder(dir, &key(), Options { publishing: true, ..Options::default() }) {
        Ok(verified) => Some(verified.leaves),
        Err(failure) if failure.code == FailureCode::CheckpointMissing => None,
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn every_step_lost_before_halfway_and_after_is_mended() {
    for (before, after, later) in [(0, 3, 3), (3, 5, 8), (250, 256, 300), (256, 520, 520)] {
        let old = if before > 0 { fresh(&Log::new(before)) } else { BTreeMap::new() };
        let (log, next) = (Log::new(after), Log::new(later));
        let expected = fresh(&next);
        let mut steps = 0;
        for step in 1.. {
            let mut finished = false;
            for lost in [Lost::Before, Lost::Halfway, Lost::After] {
                let dir = tempfile::tempdir().unwrap();
                restore(dir.path(), &old);
                let steps_left = Rc::new(Cell::new(step));
                let disk = Faulty { steps_left: steps_left.clone(), lost };
                let mut publisher = Publisher::on(disk, dir.path(), key());
                finished = publisher.publish(&log).is_ok();
                let size = size_now(dir.path());
                let sizes = [Some(before).filter(|size| *size > 0), Some(after)];
                assert!(
                    sizes.contains(&size),
                    "{before} to {after}, step {step} {lost:?}: {size:?}"
                );
                assert!(!finished || size == Some(after));

                // The same process goes on, or another one takes over.
                if step % 2 == 0 {
                    steps_left.set(usize::MAX);
                    assert_eq!(publisher.publish(&next).unwrap(), later);
                } else {
                    next.publish(dir.path());
                }
                assert_eq!(contents(dir.path()), expected, "step {step} {lost:?}");
            }
            steps = step;
            if finished {
                break;
            }
        }
        assert!(steps > 10, "only {steps} steps");
    }
}

#[test]
fn publishing_leaf_by_leaf_ends_where_publishing_at_once_does() {
    let dir = tempfile::tempdir().unwrap();
    let mut publisher = Publisher::new(dir.path(), key());
    for size in (0..12).chain(250..262).chain([511, 512, 513, 513]) {
        assert_eq!(publisher.publish(&Log::new(size)).unwrap(), size);
        assert_eq!(verify(dir.path()).unwrap().leaves, size);
    }
    assert_eq!(contents(dir.path()), fresh(&Log::new(513)));
}

#[test]
fn a_checkpoint_signed_again_or_countersigned_replaces_the_file() {
    struct Countersigned(Log);
    impl super::folder::Source for Countersigned {
        type Error = std::convert::Infallible;
        fn checkpoint(&self) -> Result<Option<Vec<u8>>, Self::Error> {
            let mut note = super::note::Note::parse(&self.0.note()).unwrap();
            let line = super::key::tests::witness_key().cosign(note.text(), 77);
            note.push(line);
            Ok(Some(note.to_string().into_bytes()))
        }
        fn leaves(&self, range: std::ops::Range<u64>) -> Result<Vec<Vec<u8>>, Self::Error> {
            self.0.leaves(range)
        }
    }
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new(4));
    log.publish(dir.path());
    let countersigned = Countersigned(log);
    Publisher::new(dir.path(), key()).publish(&countersigned).unwrap();
    let note = fs::read(dir.path().join(CHECKPOINT)).unwrap();
    assert_eq!(Some(note), super::folder::Source::checkpoint(&countersigned).unwrap());
    assert_eq!(verify(dir.path()).unwrap().leaves, 4);
}

#[test]
fn a_log_that_went_back_or_lies_is_not_published() {
    let dir = tempfile::tempdir().unwrap();
    Log::new(9).publish(dir.path());
    let good = contents(dir.path());
    let publish = |log: &Log| Publisher::new(dir.path(), key()).publish(log);

    struct Lost;
    impl super::folder::Source for Lost {
        type Error = std::convert::Infallible;
        fn checkpoint(&self) -> Result<Option<Vec<u8>>, Self::Error> {
            Ok(None)
        }
        fn leaves(&self, _: std::ops::Range<u64>) -> Result<Vec<Vec<u8>>, Self::Error> {
            Ok(Vec::new())
        }
    }
    let lost = Publisher::new(dir.path(), key()).publish(&Lost);
    assert!(matches!(lost, Err(PublishError::WentBack { published: 9, offered: 0 })));
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(Publisher::new(empty.path(), key()).publish(&Lost).unwrap(), 0);

    let back = publish(&Log::new(8));
    assert!(matches!(back, Err(PublishError::WentBack { published: 9, offered: 8 })));

    let mut other = Log::new(9);
    other.0[2] = b"another story".to_vec();
    assert!(matches!(publish(&other), Err(PublishError::WentBack { published: 9, offered: 9 })));
    assert_eq!(contents(dir.path()), good);

    // Leaves that do not fit the checkpoint, be they new ones or published ones.
    struct Lying(Log, usize);
    impl super::folder::Source for Lying {
        type Error = std::convert::Infallible;
        fn checkpoint(&self) -> Result<Option<Vec<u8>>, Self::Error> {
            super::folder::Source::checkpoint(&self.0)
        }
        fn leaves(&self, range: std::ops::Range<u64>) -> Result<Vec<Vec<u8>>, Self::Error> {
            let mut log = self.0.clone();
            log.0[self.1] = b"another story".to_vec();
            super::folder::Source::leaves(&log, range)
        }
    }
    for leaf in [2, 11] {
        let mut publisher = Publisher::new(dir.path(), key());
        let refused = publisher.publish(&Lying(Log::new(12), leaf));
        assert!(matches!(refused, Err(PublishError::Root(12))));
        assert_eq!(size_now(dir.path()), Some(9));
        assert!(publisher.publish(&Log::new(9)).is_ok());
        assert_eq!(contents(dir.path()), good);
    }
}

#[test]
fn a_damaged_folder_is_not_built_upon() {
    let dir = tempfile::tempdir().unwrap();
    Log::new(9).publish(dir.path());
    let good = contents(dir.path());
    for path in [CHECKPOINT, "tile/0/000.p/9"] {
        let mut bad = good[path].clone();
        bad[3] ^= 1;
        fs::write(dir.path().join(path), bad).unwrap();
        let refused = Publisher::new(dir.path(), key()).publish(&Log::new(10));
        assert!(matches!(refused, Err(PublishError::Damaged { .. })));
        restore(dir.path(), &good);
    }
    fs::write(dir.path().join("notes.txt"), "a person's").unwrap();
    Log::new(10).publish(dir.path());
    assert!(dir.path().join("notes.txt").exists());
}

/// The tiles on disk, read by another implementation, prove every leaf.
#[test]
fn another_implementation_reads_the_folder() {
    struct Reader<'a>(&'a Path, u64);
    impl tlog_tiles::TileReader for Reader<'_> {
        fn height(&self) -> u8 {
            8
        }
        fn read_tiles(
            &self,
            tiles: &[tlog_tiles::Tile],
        ) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
            let read = |tile: &tlog_tiles::Tile| {
                let kind = TileKind::Hashes(tile.level());
                let width = u16::try_from(tile.width()).unwrap();
                let path = Tile { kind, index: tile.level_index(), width }.path();
                fs::read(self.0.join(path)).unwrap()
            };
            Ok(tiles.iter().map(read).collect())
        }
        fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
    }
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new(600));
    log.publish(dir.path());
    let root = tlog_tiles::Hash(*verify(dir.path()).unwrap().checkpoint.root());
    let reader = Reader(dir.path(), 600);
    let tiles = tlog_tiles::TileHashReader::new(reader.1, root, &reader);
    for index in [0, 255, 256, 511, 512, 599] {
        let path = tlog_tiles::prove_record(600, index, &tiles).unwrap();
        let leaf = tlog_tiles::Hash(leaf_hash(&log.0[index as usize]));
        tlog_tiles::check_record(&path, 600, root, index, leaf).unwrap();
    }
}
