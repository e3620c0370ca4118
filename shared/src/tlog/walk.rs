//! Every file of a log folder, read once: what [`super::verify`] asks of the tiles.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;

use super::chain::Chain;
use super::checkpoint::Checkpoint;
use super::compare::{count, first_difference, hash_entries, prefix, wrong_length};
use super::disk::{files, read};
use super::edge::Edge;
use super::failure::{Failure, FailureCode};
use super::folder::{CHECKPOINT, COSIGNED, HASH_TILE_BYTES, unfinished};
use super::key::VerifierKey;
use super::merkle::Hash;
use super::tile::{
    MAX_ENTRY_BYTES, Standing, TILE_WIDTH, Tile, TileKind, decode_entries, decode_hashes,
};
use super::verify::{Options, missing_or_unreadable};

const BUNDLE_BYTES: usize = 256 * (2 + MAX_ENTRY_BYTES);

/// One pass over a folder, against a checkpoint.
pub(super) struct Walk<'d, 'a> {
    dir: &'d Path,
    checkpoint: &'d Checkpoint,
    /// Checkpoints of other sizes that must be of the same history, and what is wrong if not.
    marks: Vec<(&'d Checkpoint, FailureCode)>,
    options: Options<'a>,
    chain: Chain,
    read: u64,
}

/// What was found.
pub(super) struct Walked {
    pub(super) leaves: u64,
    pub(super) entries: u64,
    pub(super) ahead: u64,
    pub(super) chain: Chain,
}

impl<'d, 'a> Walk<'d, 'a> {
    pub(super) fn new(
        dir: &'d Path,
        checkpoint: &'d Checkpoint,
        marks: Vec<(&'d Checkpoint, FailureCode)>,
        options: Options<'a>,
    ) -> Self {
        Self { dir, checkpoint, marks, options, chain: Chain::default(), read: 0 }
    }

    /// Steps 2 to 5, but for who signed.
    pub(super) fn run(mut self) -> Result<Walked, Failure> {
        let (replaced, ahead) = self.survey()?;
        let edge = self.replay()?;
        if edge.root() != *self.checkpoint.root() {
            return Err(FailureCode::RootMismatch.because("").at(CHECKPOINT));
        }
        self.prefixes(&replaced)?;
        Ok(Walked { leaves: edge.size(), entries: self.read, ahead, chain: self.chain })
    }

    /// Step 2: the outgrown partial tiles, and how many files are ahead of the checkpoint.
    fn survey(&self) -> Result<(Vec<Tile>, u64), Failure> {
        let (mut replaced, mut ahead) = (Vec::new(), 0);
        for file in files(self.dir).map_err(|(path, error)| {
            FailureCode::Unreadable.because(error).at(path.to_string_lossy())
        })? {
            let tile = Tile::parse(&file.path);
            let standing = match file.path.as_str() {
                CHECKPOINT | COSIGNED => Some(Standing::Current),
                path if self.options.beside.contains(&path) => Some(Standing::Current),
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
    fn replay(&mut self) -> Result<Edge, Failure> {
        let mut edge = Edge::default();
        let size = self.checkpoint.size();
        self.marked(&edge)?;
        while edge.size() < size {
            let bundle = bundle_at(&edge, size);
            let (bytes, hashes) = self.bundle(bundle)?;
            let mut entries = bytes.iter().flat_map(|b| decode_entries(b, bundle.width.into()));
            for hash in hashes {
                if let Some(Ok(entry)) = entries.next() {
                    self.read += 1;
                    let seen = self.chain.see(edge.size(), entry, || edge.root());
                    seen.map_err(|failure| failure.at(bundle.path()))?;
                }
                edge.push(hash, |tile, hashes| match tile.kind {
                    // Compared with the bundle already.
                    TileKind::Hashes(0) | TileKind::Entries => Ok(()),
                    TileKind::Hashes(_) => self.compare(tile, hashes),
                })?;
                self.marked(&edge)?;
            }
            self.entries(bundle, bytes.as_deref().unwrap_or_default())?;
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

    /// The bytes of a bundle and the hashes of its entries, which its level-0 tile confirms. An
    /// extract may lack the bundle: then the tile alone says the hashes.
    fn bundle(&self, bundle: Tile) -> Result<(Option<Vec<u8>>, Vec<Hash>), Failure> {
        let bytes = match self.read(bundle, FailureCode::LogShort) {
            Ok(bytes) => bytes,
            Err(failure) if failure.code == FailureCode::LogShort && self.may_lack(bundle) => {
                return Ok((None, self.stated(bundle)?));
            }
            Err(failure) if failure.code == FailureCode::LogShort => {
                return Err(failure.leaf(bundle.leaf(self.left_of(bundle))));
            }
            Err(failure) => return Err(failure),
        };
        let tile = Tile { kind: TileKind::Hashes(0), ..bundle };
        let stated = self.read(tile, FailureCode::TileMissing)?;
        let (hashes, error) = hash_entries(&bytes, bundle.width);
        let differ = first_difference(&stated, &hashes);
        if let Some(error) = error {
            let index = bundle.leaf(differ.unwrap_or(u64::MAX).min(count(&hashes)));
            return Err(FailureCode::EntryMalformed.because(error).at(bundle.path()).leaf(index));
        }
        let Some(at) = differ else {
            return Ok((Some(bytes), hashes));
        };
        let whole = stated.len() == hashes.as_flattened().len();
        let failure =
            if whole { self.entry_or_tile(bundle, tile) } else { wrong_length(tile, &stated) };
        Err(failure.leaf(bundle.leaf(at)))
    }

    /// How many entries an outgrown bundle still holds of one that is not there.
    fn left_of(&self, bundle: Tile) -> u64 {
        let narrower = (1..bundle.width).rev().map(|width| Tile { width, ..bundle });
        let mut there = narrower.filter(|tile| self.dir.join(tile.path()).is_file());
        there.next().map_or(0, |tile| tile.width.into())
    }

    /// Whether no entry of the bundle is promised.
    fn may_lack(&self, bundle: Tile) -> bool {
        let (start, end) = (bundle.leaf(0), bundle.leaf(bundle.width.into()));
        let wanted = self.options.only.as_ref();
        wanted.is_some_and(|only| end <= only.start || only.end <= start)
    }

    /// The leaf hashes that the level-0 tile beside a bundle states.
    fn stated(&self, bundle: Tile) -> Result<Vec<Hash>, Failure> {
        let tile = Tile { kind: TileKind::Hashes(0), ..bundle };
        let stated = self.read(tile, FailureCode::TileMissing)?;
        match decode_hashes(&stated) {
            Ok(hashes) if hashes.len() == usize::from(tile.width) => Ok(hashes.to_vec()),
            Ok(_) | Err(_) => {
                let whole = u64::try_from(stated.len() / 32).unwrap_or(0);
                Err(wrong_length(tile, &stated).leaf(tile.leaf(whole.min(tile.width.into()))))
            }
        }
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
            let hashes = match (kind, self.read(tile, FailureCode::LogShort)) {
                (TileKind::Hashes(_), Ok(bytes)) => decode_hashes(&bytes).ok()?.to_vec(),
                (TileKind::Entries, Ok(bytes)) => hash_entries(&bytes, tile.width).0,
                (TileKind::Entries, Err(_)) if self.may_lack(tile) => self.stated(tile).ok()?,
                (TileKind::Hashes(_) | TileKind::Entries, Err(_)) => return None,
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
            let then = match self.read(*old, FailureCode::TileMissing) {
                // The publication that replaced it has come to its last step since.
                Err(gone) if gone.code == FailureCode::TileMissing && self.options.publishing => {
                    continue;
                }
                then => then?,
            };
            let (full, partial) = Tile::layout(old.kind, self.checkpoint.size());
            let grown = partial.filter(|_| old.index >= full);
            let new = grown.unwrap_or(Tile::full(old.kind, old.index));
            let now = match last.take() {
                Some((tile, now)) if tile == new => now,
                Some(_) | None => self.read(new, FailureCode::TileMissing)?,
            };
            prefix(*old, &then, &now)?;
            last = Some((new, now));
        }
        Ok(())
    }

    /// Step 3's part about checkpoints of other sizes.
    fn marked(&self, edge: &Edge) -> Result<(), Failure> {
        let here = self.marks.iter().filter(|(mark, _)| mark.size() == edge.size());
        for (mark, code) in here {
            if *mark.root() != edge.root() {
                let detail = format!("its first {} entries are not the ones of then", mark.size());
                return Err(code.because(detail).at(CHECKPOINT));
            }
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

/// The key that signs at the end, if the changes among the entries of a folder count. Whether they
/// do shows only when the whole folder is checked. No size is believed yet: what is there is read.
pub(super) fn last_key(dir: &Path, given: &VerifierKey) -> VerifierKey {
    let mut widest = BTreeMap::new();
    // What cannot be listed or read is told when the folder is checked.
    for file in files(dir).unwrap_or_default() {
        let tile = Tile::parse(&file.path).filter(|tile| tile.kind == TileKind::Entries);
        if let Some(tile) = tile {
            let width = widest.entry(tile.index).or_insert(tile.width);
            *width = tile.width.max(*width);
        }
    }
    let mut key = given.clone();
    for (index, width) in widest {
        let tile = Tile { kind: TileKind::Entries, index, width };
        let bytes = read(&dir.join(tile.path()), BUNDLE_BYTES).unwrap_or_default();
        for entry in decode_entries(&bytes, width.into()).flatten() {
            Chain::follow(&mut key, entry);
        }
    }
    key
}
