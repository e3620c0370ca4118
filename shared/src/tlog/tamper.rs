//! What was done to a log folder is noticed, and the right leaf named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::checkpoint::Checkpoint;
use super::failure::{Failure, FailureCode as Code};
use super::sample::{Log, contents, key, restore, verify};
use super::tile::{Tile, TileKind};
use super::verify::{Options, Verified, verify_folder, verify_tiles};

/// A folder of `size` leaves on disk.
fn published(size: u64) -> (tempfile::TempDir, Log) {
    let (dir, log) = (tempfile::tempdir().unwrap(), Log::new(size));
    log.publish(dir.path());
    (dir, log)
}

/// The leaf that the byte at `offset` of a file belongs to, if the file holds any leaf.
fn leaf_at(log: &Log, path: &str, offset: usize) -> Option<u64> {
    let tile = Tile::parse(path)?;
    match tile.kind {
        TileKind::Hashes(_) => Some(tile.leaf((offset / 32) as u64)),
        TileKind::Entries => {
            let start = tile.leaf(0);
            let ends = log.0[start as usize..].iter().scan(0, |end, leaf| {
                *end += 2 + leaf.len();
                Some(*end)
            });
            Some(start + ends.take_while(|end| *end <= offset).count() as u64)
        }
    }
}

fn code_for(path: &str, cut: bool) -> &'static [Code] {
    match Tile::parse(path).map(|tile| tile.kind) {
        None => &[Code::CheckpointMalformed, Code::CheckpointSignature],
        Some(TileKind::Hashes(_)) => &[Code::TileMismatch],
        Some(TileKind::Entries) if cut => &[Code::EntryMalformed],
        Some(TileKind::Entries) => &[Code::EntryMalformed, Code::EntryMismatch],
    }
}

type Checked = dyn Fn(&Path) -> Result<Verified, Failure>;

/// Flips bits and cuts in the file at `path`, at every `step`th offset, and looks at what `verify`
/// says of it.
fn tamper(dir: &Path, log: &Log, path: &str, bits: &[u8], step: usize, verify: &Checked) {
    let good = fs::read(dir.join(path)).unwrap();
    let check = |bytes: &[u8], offset: usize, cut: bool| {
        fs::write(dir.join(path), bytes).unwrap();
        let failure = verify(dir).expect_err(path);
        let what = format!("{path} at {offset}, cut {cut}: {failure}");
        assert!(code_for(path, cut).contains(&failure.code), "{what}");
        assert_eq!(failure.index, leaf_at(log, path, offset), "{what}");
        assert_eq!(failure.path.as_deref(), Some(path), "{what}");
    };
    for offset in (0..good.len()).step_by(step) {
        for bit in bits {
            let mut bad = good.clone();
            bad[offset] ^= 1 << bit;
            check(&bad, offset, false);
        }
        check(&good[..offset], offset, true);
    }
    fs::write(dir.join(path), &good).unwrap();
}

/// The check of the tiles alone, which saves thousands of slow signature checks.
fn tiles_of(log: &Log) -> impl Fn(&Path) -> Result<Verified, Failure> + use<> {
    let checkpoint = Checkpoint::open(&log.note(), &key()).unwrap().0;
    move |dir| verify_tiles(dir, checkpoint.clone(), (&key(), &key()), Options::default())
}

const EVERY_BIT: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

#[test]
fn log_tamper_every_bit() {
    let (dir, log) = published(29);
    let (dir, tiles) = (dir.path(), tiles_of(&log));
    assert_eq!(contents(dir).len(), 3);
    for path in ["tile/0/000.p/29", "tile/entries/000.p/29"] {
        tamper(dir, &log, path, &EVERY_BIT, 1, &tiles);
        tamper(dir, &log, path, &[3], 13, &verify);
    }
    tamper(dir, &log, "checkpoint", &EVERY_BIT, 1, &verify);
    assert_eq!(verify(dir).unwrap().leaves, 29);
}

/// Full tiles, a second level, and partial tiles that the log has outgrown.
#[test]
fn log_tamper_of_full_and_outgrown_tiles() {
    let (dir, log) = published(600);
    let mut files = contents(dir.path());
    for older in [7, 300, 590] {
        let (old, _) = published(older);
        let mut outgrown = contents(old.path());
        outgrown.retain(|path, _| path.contains(".p/"));
        files.extend(outgrown);
    }
    restore(dir.path(), &files);
    assert_eq!(verify(dir.path()).unwrap().leaves, 600);
    let tiles = tiles_of(&log);
    for path in files.keys().filter(|path| *path != "checkpoint") {
        let step = if path.starts_with("tile/1/") { 7 } else { 211 };
        tamper(dir.path(), &log, path, &[0, 7], step, &tiles);
    }
    assert_eq!(verify(dir.path()).unwrap().leaves, 600);
}

#[test]
fn log_tamper_of_more_bytes_at_the_end() {
    let (dir, _) = published(300);
    for (path, good) in contents(dir.path()) {
        fs::write(dir.path().join(&path), [good.as_slice(), &[0]].concat()).unwrap();
        let failure = verify(dir.path()).expect_err(&path);
        let tile = Tile::parse(&path);
        assert_eq!(failure.index, tile.map(|tile| tile.leaf(tile.width.into())), "{failure}");
        fs::write(dir.path().join(&path), good).unwrap();
    }
}

#[test]
fn log_tamper_by_taking_files_away_or_adding_some() {
    let (dir, _) = published(300);
    for (path, bytes) in contents(dir.path()) {
        fs::remove_file(dir.path().join(&path)).unwrap();
        let failure = verify(dir.path()).expect_err(&path);
        let expected = match Tile::parse(&path) {
            None => (Code::CheckpointMissing, None),
            Some(tile) if tile.kind == TileKind::Entries => (Code::LogShort, Some(tile.leaf(0))),
            Some(tile) => (Code::TileMissing, Some(tile.leaf(0))),
        };
        assert_eq!((failure.code, failure.index), expected);
        fs::write(dir.path().join(&path), bytes).unwrap();
    }
    for stray in [
        "notes.txt",
        "tile/0/001.p/45",
        "tile/0/002",
        "tile/0/x000/001",
        "tile/2/000.p/1",
        "tile/entries/001",
        "tile/entries/.hidden",
        "checkpoint.tmp",
        "tile/0/002.tmp",
    ] {
        fs::create_dir_all(dir.path().join(stray).parent().unwrap()).unwrap();
        fs::write(dir.path().join(stray), b"x").unwrap();
        let failure = verify(dir.path()).expect_err(stray);
        assert_eq!((failure.code, failure.path.as_deref()), (Code::StrayFile, Some(stray)));
        fs::remove_file(dir.path().join(stray)).unwrap();
    }
    assert!(verify(dir.path()).is_ok());
}

#[cfg(unix)]
#[test]
fn log_tamper_by_a_link_to_the_same_bytes() {
    let (dir, _) = published(3);
    let (tile, aside) = (dir.path().join("tile/0/000.p/3"), tempfile::tempdir().unwrap());
    fs::rename(&tile, aside.path().join("3")).unwrap();
    std::os::unix::fs::symlink(aside.path().join("3"), &tile).unwrap();
    assert_eq!(verify(dir.path()).unwrap_err().code, Code::StrayFile);
}

/// An older state of the folder is flawless in itself; only an earlier checkpoint tells.
#[test]
fn log_tamper_by_going_back_or_rewriting() {
    let (dir, log) = published(40);
    let note = log.note();
    let with = |dir: &Path, earlier: &[u8]| {
        let options = Options { earlier: Some(earlier), ..Options::default() };
        verify_folder(dir, &key(), options)
    };
    assert!(with(dir.path(), &note).is_ok());
    assert!(with(dir.path(), &Log::new(0).note()).is_ok());
    assert!(with(dir.path(), &Log::new(17).note()).is_ok());

    let (back, _) = published(39);
    assert!(verify(back.path()).is_ok());
    let failure = with(back.path(), &note).unwrap_err();
    assert_eq!((failure.code, failure.index), (Code::LogRolledBack, Some(39)));

    let mut other = log;
    other.0[16] = b"another story".to_vec();
    let rewritten = tempfile::tempdir().unwrap();
    other.publish(rewritten.path());
    assert!(verify(rewritten.path()).is_ok());
    for earlier in [17, 33, 40] {
        let failure = with(rewritten.path(), &Log::new(earlier).note()).unwrap_err();
        assert_eq!(failure.code, Code::LogForked);
    }
    assert!(with(rewritten.path(), &Log::new(16).note()).is_ok());

    let failure = with(dir.path(), b"no checkpoint").unwrap_err();
    assert_eq!(failure.code, Code::EarlierCheckpoint);
}

/// Entry and hash changed alike: at 600 leaves the tile above tells where, below 256 only the root.
#[test]
fn log_tamper_of_an_entry_together_with_its_hash() {
    for (size, leaf, code, index) in [
        (600, 300, Code::TileMismatch, Some(256)),
        (600, 590, Code::RootMismatch, None),
        (40, 3, Code::RootMismatch, None),
    ] {
        let (dir, log) = published(size);
        let note = fs::read(dir.path().join("checkpoint")).unwrap();
        let above = contents(dir.path()).into_iter().filter(|(path, _)| path.starts_with("tile/1"));
        let above: BTreeMap<_, _> = above.collect();
        let mut other = log;
        other.0[leaf] = b"another story".to_vec();
        restore(dir.path(), &BTreeMap::new());
        other.publish(dir.path());
        fs::write(dir.path().join("checkpoint"), note).unwrap();
        above.iter().for_each(|(path, bytes)| fs::write(dir.path().join(path), bytes).unwrap());
        let failure = verify(dir.path()).unwrap_err();
        assert_eq!((failure.code, failure.index), (code, index), "{failure}");
    }
}

#[test]
fn options_read_every_entry_and_tell_progress() {
    let (dir, log) = published(300);
    let (mut seen, mut steps) = (Vec::new(), Vec::new());
    let verified = verify_folder(
        dir.path(),
        &key(),
        Options {
            entry: Some(&mut |index, entry| {
                assert_eq!(index, seen.len() as u64);
                seen.push(entry.to_vec());
                Ok(())
            }),
            progress: Some(&mut |done, size| steps.push((done, size))),
            ..Options::default()
        },
    );
    assert_eq!(verified.unwrap().checkpoint.size(), 300);
    assert_eq!((seen, steps), (log.0, vec![(256, 300), (300, 300)]));

    let failure = verify_folder(
        dir.path(),
        &key(),
        Options {
            entry: Some(&mut |index, _| {
                if index == 260 { Err("no receipt".into()) } else { Ok(()) }
            }),
            ..Options::default()
        },
    );
    let failure = failure.unwrap_err();
    assert_eq!((failure.code, failure.index), (Code::EntryRefused, Some(260)));
}

/// A publication commits by its checkpoint and deletes what it replaced afterwards.
#[test]
fn a_replaced_tile_may_go_during_a_check_beside_a_publication_only() {
    let (dir, _) = published(4);
    let old = ["tile/0/000.p/4", "tile/entries/000.p/4"].map(|path| dir.path().join(path));
    let bytes = old.each_ref().map(|path| fs::read(path).unwrap());
    Log::new(5).publish(dir.path());
    for publishing in [true, false] {
        old.iter().zip(&bytes).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
        let mut delete = |_: u64, _: &[u8]| {
            old.iter().for_each(|path| drop(fs::remove_file(path)));
            Ok(())
        };
        let options = Options { publishing, entry: Some(&mut delete), ..Options::default() };
        let verified = verify_folder(dir.path(), &key(), options).map(|verified| verified.leaves);
        if publishing {
            assert_eq!(verified.unwrap(), 5);
        } else {
            assert_eq!(verified.unwrap_err().code, Code::TileMissing);
        }
    }
}

#[test]
fn another_key_or_a_folder_published_meanwhile_is_told_apart() {
    let (dir, _) = published(5);
    let stranger = super::key::tests::witness_key().verifier_key().clone();
    let failure = verify_folder(dir.path(), &stranger, Options::default()).unwrap_err();
    assert_eq!(failure.code, Code::CheckpointSignature);

    let failure = verify_folder(
        dir.path(),
        &key(),
        Options {
            entry: Some(&mut |_, _| {
                Log::new(6).publish(dir.path());
                Err("overtaken".into())
            }),
            ..Options::default()
        },
    );
    assert_eq!(failure.unwrap_err().code, Code::LogMoved);
}

#[test]
fn an_empty_log_verifies() {
    let (dir, _) = published(0);
    assert_eq!(contents(dir.path()).len(), 1);
    assert_eq!(verify(dir.path()).unwrap().leaves, 0);
}
