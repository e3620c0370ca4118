//! Publishing a log as a folder of tiles that anyone can copy, serve and verify.
//!
//! The folder holds `checkpoint`, `tile/LEVEL/…` and `tile/entries/…`. One publication runs in this
//! order, and may stop anywhere:
//!
//! 1. **Recover**, unless this publisher finished the last publication itself: read the folder's
//!    checkpoint, load the partial hash tiles it vouches for, check that they give its root, and
//!    delete every other tile and temporary file.
//! 2. Read the source's latest checkpoint. Refuse one that the log's key did not sign, that is
//!    smaller than the published one, or that has its size but not its root.
//! 3. Write each tile that is new or has grown: a temporary file beside it, fsync, rename. A wider
//!    partial tile has another name, so no file that the old checkpoint needs is ever touched.
//! 4. Compare the root over all that with the new checkpoint's, and refuse if they differ.
//! 5. Fsync the folders, so that no checkpoint can outlive the tiles it vouches for.
//! 6. Write the checkpoint: temporary file, fsync, rename, fsync of the folder. **This commits.**
//! 7. Delete the partial tiles that wider ones have replaced.
//!
//! Beside it lies `cosigned`, the newest checkpoint that somebody countersigned; see
//! [`Publisher::cosigned`].
//!
//! Before 6 the folder verifies at the old checkpoint, from 6 on at the new one; what lies beside is
//! for step 1 of the next run. One publisher at a time owns a folder.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, CheckpointError};
use super::disk::{Disk, RealDisk, UNFINISHED, files, read};
use super::edge::Edge;
use super::key::VerifierKey;
use super::merkle::{Hash, empty_root, leaf_hash};
use super::note::{MAX_NOTE_BYTES, Note};
use super::tile::{
    Standing, TILE_WIDTH, Tile, TileError, TileKind, decode_hashes, encode_entry, encode_hashes,
};

/// The name of the checkpoint's file.
pub const CHECKPOINT: &str = "checkpoint";
/// The name of the newest checkpoint that others countersigned.
pub const COSIGNED: &str = "cosigned";
/// The bytes of a full hash tile.
pub(crate) const HASH_TILE_BYTES: usize = 256 * 32;

/// Brings a log folder up to date with a [`Source`].
#[derive(Debug)]
pub struct Publisher<D = RealDisk> {
    dir: PathBuf,
    key: VerifierKey,
    /// Keys that the log had before: the folder may be as they left it.
    retired: Vec<VerifierKey>,
    disk: D,
    /// What is published; `None` until recovered, and again from any failure on.
    state: Option<State>,
}

/// Where the log itself is kept.
pub trait Source {
    /// What can go wrong when reading.
    type Error: std::error::Error + Send + Sync + 'static;

    /// The latest signed checkpoint, as note bytes; `None` before the first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Self::Error>;

    /// The bytes of the leaves in `range`, in order: all of them, at most 256.
    ///
    /// # Errors
    /// When the store cannot be read, or a leaf is missing.
    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Self::Error>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    type Error = S::Error;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Self::Error> {
        (**self).checkpoint()
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Self::Error> {
        (**self).leaves(range)
    }
}

/// Why a folder was not brought up to date. It still verifies as it did before.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The file system refused.
    #[error("cannot publish to {path}: {error}")]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The source failed.
    #[error("cannot read the log to publish: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The source's checkpoint is not the log's.
    #[error("the log's latest checkpoint cannot be published: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The source went back behind what is published, or tells another history.
    #[error(
        "the log has {offered} entries, but {published} are published under another checkpoint; \
         its store went back in time: restore it before going on"
    )]
    WentBack {
        /// The size of the published checkpoint.
        published: u64,
        /// The size of the source's.
        offered: u64,
    },
    /// The leaves do not give the checkpoint's root.
    #[error("the log's leaves do not give the root of its checkpoint at {0} entries")]
    Root(u64),
    /// The source gave another number of leaves than asked for.
    #[error("the log gave {got} leaves for {wanted:?}")]
    Leaves {
        /// The range asked for.
        wanted: Range<u64>,
        /// How many came.
        got: usize,
    },
    /// A leaf cannot stand in a bundle.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The folder was changed by someone else.
    #[error("{path} is not as it was published; keep the folder aside and publish to a new one")]
    Damaged {
        /// The file that does not fit.
        path: PathBuf,
    },
}

#[derive(Debug)]
struct State {
    edge: Edge,
    note: Vec<u8>,
    root: Hash,
}

impl Publisher {
    /// A publisher to `dir` for the log with `key`. Nothing is read or written yet.
    #[must_use]
    pub fn new(dir: &Path, key: VerifierKey) -> Self {
        Self::on(RealDisk, dir, key)
    }
}

impl<D: Disk> Publisher<D> {
    /// The same on another [`Disk`].
    pub fn on(disk: D, dir: &Path, key: VerifierKey) -> Self {
        Self { dir: dir.to_owned(), key, retired: Vec::new(), disk, state: None }
    }

    /// Going on from what the log's earlier keys signed.
    #[must_use]
    pub fn after(self, retired: Vec<VerifierKey>) -> Self {
        Self { retired, ..self }
    }

    /// Puts a checkpoint that others countersigned beside the log, once the log is published that
    /// far. The caller knows that it is of this history. Answers with whether it lies there now.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn cosigned(&mut self, size: u64, note: &Note) -> Result<bool, PublishError> {
        if self.state.as_ref().is_none_or(|state| state.edge.size() < size) {
            return Ok(false);
        }
        self.write(COSIGNED, note.to_string().as_bytes())?;
        let dir = self.dir.clone();
        self.disk.sync_dir(&dir).map_err(at(&dir))?;
        Ok(true)
    }

    /// Brings the folder up to the source's latest checkpoint and answers with its size; 0 while
    /// there is none. Doing it again changes nothing.
    ///
    /// # Errors
    /// See [`PublishError`]. Calling again goes on where it stopped.
    pub fn publish<S: Source>(&mut self, source: &S) -> Result<u64, PublishError> {
        let state = match self.state.take() {
            Some(state) => state,
            None => self.recover()?,
        };
        let Some(note) = source.checkpoint().map_err(lost)? else {
            let published = state.edge.size();
            if published > 0 {
                return Err(PublishError::WentBack { published, offered: 0 });
            }
            self.state = Some(state);
            return Ok(0);
        };
        let (checkpoint, _) = Checkpoint::open(&note, &self.key)?;
        let (published, offered) = (state.edge.size(), checkpoint.size());
        if offered < published || (offered == published && *checkpoint.root() != state.root) {
            return Err(PublishError::WentBack { published, offered });
        }
        let edge = self.write_tiles(state.edge, &checkpoint, source)?;
        // The same size with a new key's signature is written as well.
        if note != state.note {
            self.write(CHECKPOINT, &note)?;
            let dir = self.dir.clone();
            self.disk.sync_dir(&dir).map_err(at(&dir))?;
        }
        self.delete_replaced(published, offered)?;
        self.state = Some(State { edge, note, root: *checkpoint.root() });
        Ok(offered)
    }

    /// Step 1.
    fn recover(&mut self) -> Result<State, PublishError> {
        self.disk.create_dirs(&self.dir).map_err(at(&self.dir))?;
        let damaged = |path: &str| PublishError::Damaged { path: self.dir.join(path) };
        let path = self.dir.join(CHECKPOINT);
        let state = match read(&path, MAX_NOTE_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                State { edge: Edge::default(), note: Vec::new(), root: empty_root() }
            }
            Err(error) => return Err(at(&path)(error)),
            Ok(note) => {
                let keys: Vec<_> = [&self.key].into_iter().chain(&self.retired).cloned().collect();
                let (checkpoint, _) =
                    Checkpoint::open_by(&note, &keys).map_err(|_| damaged(CHECKPOINT))?;
                let edge = Edge::load(checkpoint.size(), |tile| {
                    let path = tile.path();
                    let bytes = read(&self.dir.join(&path), HASH_TILE_BYTES).ok();
                    let hashes = bytes.and_then(|bytes| Some(decode_hashes(&bytes).ok()?.to_vec()));
                    hashes.filter(|hashes| hashes.len() == usize::from(tile.width)).ok_or(path)
                })
                .map_err(|path| damaged(&path))?;
                if edge.root() != *checkpoint.root() {
                    return Err(damaged("tile"));
                }
                State { edge, note, root: *checkpoint.root() }
            }
        };
        self.sweep(state.edge.size())?;
        Ok(state)
    }

    /// Deletes the tiles and temporary files that a log of `size` leaves does not need. Files that
    /// no publisher writes are left for a person to judge.
    fn sweep(&mut self, size: u64) -> Result<(), PublishError> {
        for file in files(&self.dir).map_err(|(path, error)| at(&path)(error))? {
            let idle = |tile: Tile| tile.standing(size) != Standing::Current;
            if unfinished(&file.path) || Tile::parse(&file.path).is_some_and(idle) {
                self.delete(&file.path)?;
            }
        }
        Ok(())
    }

    /// Steps 3 to 5.
    fn write_tiles<S: Source>(
        &mut self,
        mut edge: Edge,
        checkpoint: &Checkpoint,
        source: &S,
    ) -> Result<Edge, PublishError> {
        let (published, size) = (edge.size(), checkpoint.size());
        if published == size {
            return Ok(edge);
        }
        let mut folders = BTreeSet::new();
        // The last bundle grows from its start; the root then covers its earlier leaves as well.
        edge.reopen_last_tile();
        while edge.size() < size {
            let start = edge.size();
            let end = size.min(start.saturating_add(TILE_WIDTH));
            let leaves = source.leaves(start..end).map_err(lost)?;
            if u64::try_from(leaves.len()) != Ok(end - start) {
                return Err(PublishError::Leaves { wanted: start..end, got: leaves.len() });
            }
            let mut bundle = Vec::new();
            for leaf in &leaves {
                encode_entry(&mut bundle, leaf)?;
                edge.push(leaf_hash(leaf), |tile, hashes| {
                    self.write_tile(tile, &encode_hashes(hashes), &mut folders)
                })?;
            }
            let width = u16::try_from(leaves.len()).unwrap_or(u16::MAX);
            let tile = Tile { kind: TileKind::Entries, index: start / TILE_WIDTH, width };
            self.write_tile(tile, &bundle, &mut folders)?;
        }
        for (tile, hashes) in edge.partial() {
            if tile.standing(published) != Standing::Current {
                self.write_tile(tile, &encode_hashes(hashes), &mut folders)?;
            }
        }
        if edge.root() != *checkpoint.root() {
            return Err(PublishError::Root(size));
        }
        folders.iter().try_for_each(|path| self.disk.sync_dir(path).map_err(at(path)))?;
        Ok(edge)
    }

    fn write_tile(
        &mut self,
        tile: Tile,
        bytes: &[u8],
        folders: &mut BTreeSet<PathBuf>,
    ) -> Result<(), PublishError> {
        let path = tile.path();
        let file = self.dir.join(&path);
        let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.dir));
        folders.extend(above.map(Path::to_owned));
        if let Some(folder) = file.parent() {
            self.disk.create_dirs(folder).map_err(at(folder))?;
        }
        self.write(&path, bytes)
    }

    /// A whole file or none: temporary file, fsync, rename.
    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let file = self.dir.join(path);
        let unfinished = self.dir.join(format!("{path}{UNFINISHED}"));
        self.disk.write(&unfinished, bytes).map_err(at(&unfinished))?;
        self.disk.rename(&unfinished, &file).map_err(at(&file))
    }

    /// Step 7: the partial tiles at `published` leaves that are no part of the log at `size`.
    fn delete_replaced(&mut self, published: u64, size: u64) -> Result<(), PublishError> {
        let kinds = (0..8).map(TileKind::Hashes).chain([TileKind::Entries]);
        for tile in kinds.filter_map(|kind| Tile::layout(kind, published).1) {
            if tile.standing(size) == Standing::Replaced {
                self.delete(&tile.path())?;
            }
        }
        Ok(())
    }

    /// Deletes a file, and the folder of partial tiles it was the last of.
    fn delete(&mut self, path: &str) -> Result<(), PublishError> {
        let file = self.dir.join(path);
        self.disk.remove_file(&file).map_err(at(&file))?;
        let partial = |folder: &&Path| folder.extension().is_some_and(|ending| ending == "p");
        let Some(folder) = file.parent().filter(partial) else {
            return Ok(());
        };
        match self.disk.remove_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                Err(at(folder)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Whether `path`, below the log's folder, is a temporary file of a publisher's.
pub(crate) fn unfinished(path: &str) -> bool {
    path.strip_suffix(UNFINISHED)
        .is_some_and(|path| path == CHECKPOINT || path == COSIGNED || Tile::parse(path).is_some())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PublishError + use<> {
    let path = path.to_owned();
    |error| PublishError::Disk { path, error }
}

fn lost<E: std::error::Error + Send + Sync + 'static>(error: E) -> PublishError {
    PublishError::Source(Box::new(error))
}
