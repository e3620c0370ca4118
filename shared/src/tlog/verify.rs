//! The offline check of a log folder, with nothing but one of the log's public keys.
//!
//! 1. The checkpoint is signed for the log of that name by that key, or by the key to which the
//!    log's own entries lead from it; an earlier checkpoint, if given, is not of a larger log.
//! 2. Every file is one that the checkpoint's size demands, or a partial tile that the log has
//!    since outgrown. Nothing else may be there.
//! 3. Every entry bundle holds exactly its entries; every hash tile, at every level, is what the
//!    entries give; at the sizes of the earlier and of the cosigned checkpoint the root is theirs;
//!    every change of the log's key is signed by both keys, for its own place.
//! 4. The root is the checkpoint's, and the last of the keys signed it.
//! 5. Every outgrown partial tile is, byte for byte, the beginning of the tile that replaced it.
//!    (A publication that stopped before its last step leaves such files, and copies may keep them;
//!    since all their bytes are checked they hide nothing. Beside a publication under way one may
//!    go during the check: it was listed before that last step.)
//!
//! One tile of each level is in memory at a time.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::beside::Beside;
use super::chain::{NewKey, by_another_key};
use super::checkpoint::{Checkpoint, CheckpointError};
use super::disk::read;
use super::failure::{Failure, FailureCode};
use super::folder::CHECKPOINT;
use super::key::VerifierKey;
use super::note::{MAX_NOTE_BYTES, NoteError};
use super::walk::{Walk, Walked};

/// What else to check; `Options::default()` is the strict check of a folder at rest.
#[derive(Default)]
pub struct Options<'a> {
    /// A signed checkpoint seen before: the log must extend it, or the whole folder may have been
    /// put back to an older state without a flaw.
    pub earlier: Option<&'a [u8]>,
    /// Accept what a publication under way, or stopped, has written ahead of the checkpoint. Such
    /// files are counted in [`Verified::ahead`] and not vouched for.
    pub publishing: bool,
    /// Keys of those who countersign. Where any is given, one of them must have.
    pub cosigners: &'a [VerifierKey],
    /// An extract: only the bundles with these entries must be there. The tree is whole all the
    /// same, and every bundle that is there is checked.
    pub only: Option<Range<u64>>,
    /// Names of files beside the log that are somebody else's to check.
    pub beside: &'a [&'a str],
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
    /// How many leaves the root was computed from: all of them.
    pub leaves: u64,
    /// How many of them were there as entries, and read: all, but in an extract.
    pub entries: u64,
    /// Files ahead of the checkpoint; 0 unless [`Options::publishing`].
    pub ahead: u64,
    /// Later keys of the log, in order.
    pub keys: Vec<NewKey>,
    /// The newest checkpoint that others countersigned, where the folder has one.
    pub cosigned: Option<Cosigned>,
}

/// A countersigned checkpoint of this history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    /// Its size.
    pub size: u64,
    /// Names of those of [`Options::cosigners`] who signed it.
    pub by: Vec<String>,
}

/// Checks the log folder `dir` against one of the log's public keys, got from elsewhere than the
/// folder.
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
    let opened = opened(dir, &note, key).map_err(|unsigned| unsigned.why(dir, &options));
    let (checkpoint, signer) = opened?;
    verify_tiles(dir, checkpoint, (key, &signer), options).map_err(|failure| {
        // A checkpoint that changed meanwhile explains any failure; an unchanged one explains none.
        match read(&dir.join(CHECKPOINT), MAX_NOTE_BYTES) {
            Ok(now) if now != note => FailureCode::LogMoved.because(failure),
            Ok(_) | Err(_) => failure,
        }
    })
}

/// A checkpoint that no key is known to have signed.
struct Unsigned {
    /// What it states, where only the signature is in question.
    stated: Option<Checkpoint>,
    failure: Failure,
}

impl Unsigned {
    /// A damaged entry may be the one that leads to the signer's key: then it is to blame.
    fn why(self, dir: &Path, options: &Options<'_>) -> Failure {
        let Some(stated) = &self.stated else { return self.failure };
        let (only, beside) = (options.only.clone(), options.beside);
        let quiet = Options { only, beside, publishing: options.publishing, ..Options::default() };
        match Walk::new(dir, stated, Vec::new(), quiet).run() {
            Err(found) if found.index.is_some() => found,
            Ok(_) | Err(_) => self.failure,
        }
    }
}

/// Step 1: the checkpoint, and the key that signed it.
fn opened(
    dir: &Path,
    note: &[u8],
    key: &VerifierKey,
) -> Result<(Checkpoint, VerifierKey), Unsigned> {
    let error = match Checkpoint::open(note, key) {
        Ok((checkpoint, _)) => return Ok((checkpoint, key.clone())),
        Err(error) => error,
    };
    let failure = wrong_checkpoint(&error);
    let Some(stated) = by_another_key(note, key, &error) else {
        return Err(Unsigned { stated: None, failure });
    };
    let last = super::walk::last_key(dir, key);
    match Checkpoint::open(note, &last) {
        Ok((checkpoint, _)) => Ok((checkpoint, last)),
        Err(CheckpointError::Note(NoteError::Unsigned(_))) => {
            Err(Unsigned { stated: Some(stated), failure })
        }
        // The right key signed something else: it was changed since.
        Err(error) => Err(Unsigned { stated: None, failure: wrong_checkpoint(&error) }),
    }
}

/// Steps 2 to 5, against a checkpoint known to be signed by the second of the keys.
pub(crate) fn verify_tiles(
    dir: &Path,
    checkpoint: Checkpoint,
    (given, signer): (&VerifierKey, &VerifierKey),
    options: Options<'_>,
) -> Result<Verified, Failure> {
    let beside = Beside::read(dir, given, options.earlier)?;
    beside.reached(checkpoint.size(), options.publishing)?;
    let cosigners = options.cosigners;
    let walk = Walk::new(dir, &checkpoint, beside.marks(), options);
    let Walked { leaves, entries, ahead, chain } = walk.run()?;
    let cosigned = beside.signed(&chain.keys(given), cosigners)?;
    let keys = chain.close(given, signer).map_err(|failure| failure.at(CHECKPOINT))?;
    Ok(Verified { checkpoint, leaves, entries, ahead, keys, cosigned })
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

pub(super) fn missing_or_unreadable(error: &io::Error, missing: FailureCode) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return missing.because("");
    }
    FailureCode::Unreadable.because(error)
}
