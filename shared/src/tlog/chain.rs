//! The keys of a log, oldest first, as its own entries tell them.

use super::checkpoint::{Checkpoint, CheckpointError};
use super::failure::{Failure, FailureCode};
use super::key::VerifierKey;
use super::merkle::Hash;
use super::note::NoteError;
use super::rotation::{Rotation, RotationError, claimed};

/// A key that took over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The entry that says so.
    pub index: u64,
    /// The key in force from then on.
    pub key: VerifierKey,
}

/// The keys that the entries seen so far tell of.
#[derive(Debug, Default)]
pub(super) struct Chain {
    first: Option<VerifierKey>,
    later: Vec<NewKey>,
}

impl Chain {
    /// Looks whether the entry `index`, in front of which the log has `root`, changes the key.
    pub(super) fn see(
        &mut self,
        index: u64,
        entry: &[u8],
        root: impl FnOnce() -> Hash,
    ) -> Result<(), Failure> {
        let Some(note) = claimed(entry) else { return Ok(()) };
        let rotation = Rotation::open(note.as_bytes()).map_err(|error| {
            let code = match error {
                RotationError::Unsigned(..) => FailureCode::RotationSignature,
                RotationError::Format | RotationError::Keys | RotationError::Note(_) => {
                    FailureCode::RotationMisplaced
                }
            };
            code.because(error).leaf(index)
        })?;
        let misplaced = |why: &str| FailureCode::RotationMisplaced.because(why).leaf(index);
        if (rotation.size(), rotation.root()) != (index, &root()) {
            return Err(misplaced("it was signed for another place, or for another history"));
        }
        if self.last().is_some_and(|last| last != rotation.old()) {
            return Err(misplaced("it does not begin with the key that was in force"));
        }
        self.first.get_or_insert_with(|| rotation.old().clone());
        self.later.push(NewKey { index, key: rotation.new_key().clone() });
        Ok(())
    }

    /// Follows changes from `key` on, without a tree to place them in: who signs at the end.
    pub(super) fn follow(key: &mut VerifierKey, entry: &[u8]) {
        let Some(note) = claimed(entry) else { return };
        if let Ok(rotation) = Rotation::open(note.as_bytes())
            && rotation.old() == key
        {
            *key = rotation.new_key().clone();
        }
    }

    fn last(&self) -> Option<&VerifierKey> {
        self.later.last().map(|last| &last.key).or(self.first.as_ref())
    }

    /// Every key that `given` belongs to the same history as.
    pub(super) fn keys<'a>(&'a self, given: &'a VerifierKey) -> Vec<VerifierKey> {
        let keys = self.first.iter().chain(self.later.iter().map(|later| &later.key));
        let mut keys: Vec<_> = keys.cloned().collect();
        if keys.is_empty() {
            keys.push(given.clone());
        }
        keys
    }

    /// The end: `given` is one of the log's keys, and the last one signed the checkpoint.
    pub(super) fn close(
        self,
        given: &VerifierKey,
        signer: &VerifierKey,
    ) -> Result<Vec<NewKey>, Failure> {
        let wrong = |why: &str| FailureCode::CheckpointSignature.because(why);
        if !self.keys(given).contains(given) {
            return Err(wrong("the key given is none of those that the log tells of"));
        }
        if self.last().is_some_and(|last| last != signer) {
            return Err(wrong("it is signed by a key that the log has replaced"));
        }
        Ok(self.later)
    }
}

/// Whether a checkpoint is well formed, of this log, and only not signed by the key given: then a
/// later key of the log may have signed it.
pub(super) fn by_another_key(
    note: &[u8],
    given: &VerifierKey,
    error: &CheckpointError,
) -> Option<Checkpoint> {
    let CheckpointError::Note(NoteError::Unsigned(_)) = error else { return None };
    let note = super::note::Note::parse(note).ok()?;
    let checkpoint = Checkpoint::parse(note.text()).ok()?;
    (checkpoint.origin() == given.name()).then_some(checkpoint)
}
