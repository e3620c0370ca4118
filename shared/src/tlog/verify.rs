//! The offline check of a log folder, with nothing but the log's public key.
//!
//! 1. The checkpoint is signed by that key, for the log of that name; an earlier checkpoint, if
//!    given, is not of a larger log.
//! 2. Every file is one that the checkpoint's size demands, or a partial tile that the log has
//!    since outgrown. Nothing else may be there.
//! 3. Every entry bundle holds exactly its entries; every hash tile, at every level, is what the
//!    entries give; at the earlier checkpoint's size the root is the earlier root.
//! 4. The root is the checkpoint's.
//! 5. Every outgrown partial tile is, byte for byte, the beginning of the tile that replaced it.
//!    (A publication that stopped before its last step leaves such files, and copies may keep them;
//!    since all their bytes are checked they hide nothing.)
//!
//! One tile of each level is in memory at a time.

use std::convert::Infallible;
use std::io;
use std::path::Path;

use super::checkpoint::{Checkpoint, CheckpointError};
use super::compare::{count, first_difference, hash_entries, prefix, wrong_length};
use super::disk::{files, read};
use super::edge::Edge;
use super::failure::{Failure, FailureCode};
use super::folder::{CHECKPOINT, HASH_TILE_BYTES, unfinished};
use super::key::VerifierKey;
use super::merkle::Hash;
use super::note::{MAX_NOTE_BYTES, NoteError};
use super::tile::{
    MAX_ENTRY_BYTES, Standing, TILE_WIDTH, Tile, TileKind, decode_entries, decode_hashes,
};

const BUNDLE_BYTES: usize = 256 * (2 + MAX_ENTRY_BYTES);

/// What else to check; `Options::default()` is the strict check of a folder at rest.
#[derive(Default)]
pub struct Options<'a> {
    /// A signed checkpoint seen before: the log must extend it, or the whole folder may have been
    /// put back to an older state without a flaw.
    pub earlier: Option<&'a [u8]>,
    /// Accept what a publication under way, or stopped, has written ahead of the checkpoint. Such
    /// files are counted in [`Verified::ahead`] and not vouched for.
    pub publishing: bool,
    /// Reads each entry, known by then to be the logged one; a refusal fails the check.
    pub entry: Option<&'a mut EntryCheck<'a>>,
    /// Told how many leaves are done, of how many, after each tile.
    pub progress: Option<&'a mut Progress<'a>>,
}

/// See [`Options::entry`]; given the leaf's index and bytes.
pub type EntryCheck<'a> = dyn FnMut(u64, &[u8]) -> Result<(), String> + 'a;
/// See [`Options::progress`].
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// A folder that holds exactly the log that its checkpoint states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The checkpoint: origin, size and root.
    pub checkpoint: Checkpoint,
    /// How many leaves were read and hashed: all of them.
    pub leaves: u64,
    /// Files ahead of the checkpoint; 0 unless [`Options::publishing`].
    pub ahead: u64,
}

/// Checks the log folder `dir` against the log's public key, got from elsewhere than the folder.
///
/// # Errors
/// The first thing found wrong, see [`FailureCode`].
pub fn verify_folder(
    dir: &Path,
    key: &VerifierKey,
    options: Options<'_>,
) -> Result<Verified, Failure> {
    let note = read(&dir.join(CHECKPOINT), MAX_NOTE_BYTES).map_err(|error| {
        missing_or_unreadable(&error, FailureCode::CheckpointMissing).at(CHECKPOINT)
    })?;
    let (checkpoint, _) = Checkpoint::open(&note, key).map_err(|error| wrong_checkpoint(&error))?;
    verify_tiles(dir, checkpoint, key, options).map_err(|failure| {
        // A checkpoint that changed meanwhile explains any failure; an unchanged one explains none.
        match read(&dir.join(CHECKPOINT), MAX_NOTE_BYTES) {
            Ok(now) if now != note => FailureCode::LogMoved.because(failure),
            Ok(_) | Err(_) => failure,
        }
    })
}

/// Steps 2 to 5, against a checkpoint known to be the log's.
pub(crate) fn verify_tiles(
    dir: &Path,
    checkpoint: Checkpoint,
    key: &VerifierKey,
    options: Options<'_>,
) -> Result<Verified, Failure> {
    Check { dir, checkpoint, options }.run(key)
}

struct Check<'d, 'a> {
    dir: &'d Path,
    checkpoint: Checkpoint,
    options: Options<'a>,
}

impl Check<'_, '_> {
    fn run(mut self, key: &VerifierKey) -> Result<Verified, Failure> {
        let earlier = self.earlier(key)?;
        let (replaced, ahead) = self.survey()?;
        let edge = self.replay(earlier.as_ref())?;
        if edge.root() != *self.checkpoint.root() {
            return Err(FailureCode::RootMismatch.because("").at(CHECKPOINT));
        }
        self.prefixes(&replaced)?;
        Ok(Verified { leaves: edge.size(), ahead, checkpoint: self.checkpoint })
    }

    fn earlier(&self, key: &VerifierKey) -> Result<Option<Checkpoint>, Failure> {
        let Some(note) = self.options.earlier else {
            return Ok(None);
        };
        let (earlier, _) = Checkpoint::open(note, key)
            .map_err(|error| FailureCode::EarlierCheckpoint.because(error))?;
        let (had, has) = (earlier.size(), self.checkpoint.size());
        if had > has {
            let detail = format!("{had} entries then, {has} now");
            return Err(FailureCode::LogRolledBack.because(detail).leaf(has).at(CHECKPOINT));
        }
        Ok(Some(earlier))
    }

    /// Step 2: the outgrown partial tiles, and how many files are ahead of the checkpoint.
    fn survey(&self) -> Result<(Vec<Tile>, u64), Failure> {
        let (mut replaced, mut ahead) = (Vec::new(), 0);
        for file in files(self.dir).map_err(|(path, error)| {
            FailureCode::Unreadable.because(error).at(path.to_string_lossy())
        })? {
            let tile = Tile::parse(&file.path);
            let standing = match file.path.as_str() {
                CHECKPOINT => Some(Standing::Current),
                path if unfinished(path) => Some(Standing::Ahead),
                _ => tile.map(|tile| tile.standing(self.checkpoint.size())),
            };
            match (standing.filter(|_| file.regular), tile) {
                (Some(Standing::Current), _) => {}
                (Some(Standing::Replaced), Some(tile)) => replaced.push(tile),
                (Some(Standing::Ahead), _) if self.options.publishing => ahead += 1,
                (Some(Standing::Ahead | Standing::Replaced) | None, _) => {
                    return Err(FailureCode::StrayFile.because("").at(file.path));
                }
            }
        }
        Ok((replaced, ahead))
    }

    /// Step 3: reads all entries and compares all hash tiles.
    fn replay(&mut self, earlier: Option<&Checkpoint>) -> Result<Edge, Failure> {
        let mut edge = Edge::default();
        let size = self.checkpoint.size();
        extends(&edge, earlier)?;
        while edge.size() < size {
            let bundle = bundle_at(&edge, size);
            let (bytes, hashes) = self.bundle(bundle)?;
            for hash in hashes {
                edge.push(hash, |tile, hashes| match tile.kind {
                    // Compared with the bundle already.
                    TileKind::Hashes(0) | TileKind::Entries => Ok(()),
                    TileKind::Hashes(_) => self.compare(tile, hashes),
                })?;
                extends(&edge, earlier)?;
            }
            self.entries(bundle, &bytes)?;
            if let Some(progress) = self.options.progress.as_mut() {
                progress(edge.size(), size);
            }
        }
        edge.partial().try_for_each(|(tile, hashes)| self.compare(tile, hashes))?;
        Ok(edge)
    }

    /// Shows the entries of a bundle, confirmed by now, to [`Options::entry`].
    fn entries(&mut self, bundle: Tile, bytes: &[u8]) -> Result<(), Failure> {
        let Some(check) = self.options.entry.as_mut() else {
            return Ok(());
        };
        let entries = decode_entries(bytes, bundle.width.into()).flatten();
        (bundle.leaf(0)..).zip(entries).try_for_each(|(index, entry)| {
            let refused = |why| FailureCode::EntryRefused.because(why).at(bundle.path());
            check(index, entry).map_err(|why| refused(why).leaf(index))
        })
    }

    /// The bytes of a bundle and the hashes of its entries, which its level-0 tile confirms.
    fn bundle(&self, bundle: Tile) -> Result<(Vec<u8>, Vec<Hash>), Failure> {
        let bytes = self.read(bundle, FailureCode::LogShort)?;
        let tile = Tile { kind: TileKind::Hashes(0), ..bundle };
        let stated = self.read(tile, FailureCode::TileMissing)?;
        let (hashes, error) = hash_entries(&bytes, bundle.width);
        let differ = first_difference(&stated, &hashes);
        if let Some(error) = error {
            let index = bundle.leaf(differ.unwrap_or(u64::MAX).min(count(&hashes)));
            return Err(FailureCode::EntryMalformed.because(error).at(bundle.path()).leaf(index));
        }
        let Some(at) = differ else {
            return Ok((bytes, hashes));
        };
        let whole = stated.len() == hashes.as_flattened().len();
        let failure =
            if whole { self.entry_or_tile(bundle, tile) } else { wrong_length(tile, &stated) };
        Err(failure.leaf(bundle.leaf(at)))
    }

    /// An entry and its hash differ: the root tells which of them is the logged one.
    fn entry_or_tile(&self, bundle: Tile, tile: Tile) -> Failure {
        let root = Some(*self.checkpoint.root());
        if self.root_by(TileKind::Hashes(0)) == root {
            return FailureCode::EntryMismatch.because("").at(bundle.path());
        }
        if self.root_by(TileKind::Entries) == root {
            return FailureCode::TileMismatch.because("the entry is as logged").at(tile.path());
        }
        FailureCode::EntryMismatch.because("more than this was changed").at(bundle.path())
    }

    /// The root over the leaf hashes in the level-0 tiles, or over those of the entries.
    fn root_by(&self, kind: TileKind) -> Option<Hash> {
        let mut edge = Edge::default();
        while edge.size() < self.checkpoint.size() {
            let tile = Tile { kind, ..bundle_at(&edge, self.checkpoint.size()) };
            let bytes = self.read(tile, FailureCode::TileMissing).ok()?;
            let hashes = match kind {
                TileKind::Hashes(_) => decode_hashes(&bytes).ok()?.to_vec(),
                TileKind::Entries => hash_entries(&bytes, tile.width).0,
            };
            if hashes.len() != usize::from(tile.width) {
                return None;
            }
            for hash in hashes {
                edge.push(hash, |_, _| Ok::<(), Infallible>(())).ok()?;
            }
        }
        Some(edge.root())
    }

    /// The hash tile as found must be what the entries give.
    fn compare(&self, tile: Tile, hashes: &[Hash]) -> Result<(), Failure> {
        let stated = self.read(tile, FailureCode::TileMissing)?;
        let Some(at) = first_difference(&stated, hashes) else {
            return Ok(());
        };
        Err(wrong_length(tile, &stated).leaf(tile.leaf(at)))
    }

    /// Step 5.
    fn prefixes(&self, replaced: &[Tile]) -> Result<(), Failure> {
        let mut last: Option<(Tile, Vec<u8>)> = None;
        for old in replaced {
            let (full, partial) = Tile::layout(old.kind, self.checkpoint.size());
            let grown = partial.filter(|_| old.index >= full);
            let new = grown.unwrap_or(Tile::full(old.kind, old.index));
            let now = match last.take() {
                Some((tile, now)) if tile == new => now,
                Some(_) | None => self.read(new, FailureCode::TileMissing)?,
            };
            prefix(*old, &self.read(*old, FailureCode::TileMissing)?, &now)?;
            last = Some((new, now));
        }
        Ok(())
    }

    fn read(&self, tile: Tile, missing: FailureCode) -> Result<Vec<u8>, Failure> {
        let most = match tile.kind {
            TileKind::Entries => BUNDLE_BYTES,
            TileKind::Hashes(_) => HASH_TILE_BYTES,
        };
        let path = tile.path();
        read(&self.dir.join(&path), most)
            .map_err(|error| missing_or_unreadable(&error, missing).at(path).leaf(tile.leaf(0)))
    }
}

/// The bundle that holds the next leaf, in a log of `size` leaves.
fn bundle_at(edge: &Edge, size: u64) -> Tile {
    let width = TILE_WIDTH.min(size.saturating_sub(edge.size()));
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    Tile { kind: TileKind::Entries, index: edge.size() / TILE_WIDTH, width }
}

/// Step 3's part about the earlier checkpoint.
fn extends(edge: &Edge, earlier: Option<&Checkpoint>) -> Result<(), Failure> {
    match earlier {
        Some(earlier) if earlier.size() == edge.size() && *earlier.root() != edge.root() => {
            let detail = format!("its first {} entries are not the ones of then", earlier.size());
            Err(FailureCode::LogForked.because(detail).at(CHECKPOINT))
        }
        Some(_) | None => Ok(()),
    }
}

fn wrong_checkpoint(error: &CheckpointError) -> Failure {
    let code = match error {
        CheckpointError::Note(NoteError::Unsigned(_) | NoteError::BadSignature(_)) => {
            FailureCode::CheckpointSignature
        }
        CheckpointError::OtherLog { .. } => FailureCode::CheckpointOrigin,
        CheckpointError::Note(NoteError::Format(_) | NoteError::Name(_) | NoteError::Sign(_))
        | CheckpointError::Origin(_)
        | CheckpointError::Format => FailureCode::CheckpointMalformed,
    };
    code.because(error).at(CHECKPOINT)
}

fn missing_or_unreadable(error: &io::Error, missing: FailureCode) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return missing.because("");
    }
    FailureCode::Unreadable.because(error)
}
