//! C2SP checkpoints: a log's name, size and root, as the text of a signed note.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::key::{KeyError, Signer, VerifierKey, check_name};
use super::merkle::Hash;
use super::note::{Note, NoteError};

/// The state of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
}

/// Why a checkpoint is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it is malformed, or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The origin cannot be a log's name.
    #[error(transparent)]
    Origin(#[from] KeyError),
    /// The text has not the three lines of a checkpoint.
    #[error("not a checkpoint: it must be origin, size and root, one a line, and nothing else")]
    Format,
    /// A checkpoint of some other log.
    #[error("the checkpoint is of the log {found}, not of {expected}")]
    OtherLog {
        /// The log that the key belongs to.
        expected: String,
        /// The log that the checkpoint names.
        found: String,
    },
}

impl Checkpoint {
    /// The checkpoint of log `origin` with `size` entries under `root`.
    ///
    /// # Errors
    /// When `origin` is empty or holds spaces, '+' or control characters.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, KeyError> {
        check_name(origin)?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads the text of a checkpoint's note. Extension lines are refused: auditors cannot check
    /// them.
    ///
    /// # Errors
    /// When it is not exactly what [`Checkpoint::text`] would write.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(CheckpointError::Format);
        let (origin, size, root, rest) = (line()?, line()?, line()?, line()?);
        let size = decimal(size).ok_or(CheckpointError::Format)?;
        let root = hash(root).ok_or(CheckpointError::Format)?;
        if !rest.is_empty() || lines.next().is_some() {
            return Err(CheckpointError::Format);
        }
        Ok(Self::new(origin, size, root)?)
    }

    /// Reads a signed checkpoint and checks that `key`, the log's own, signed it for the log of
    /// that name.
    ///
    /// # Errors
    /// When anything about note, signature, text or origin is not exact.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<(Self, Note), CheckpointError> {
        Self::open_by(note, std::slice::from_ref(key))
    }

    /// The same where the log has, or had, several keys: one of them signed it.
    ///
    /// # Errors
    /// When anything about note, signature, text or origin is not exact.
    pub fn open_by(note: &[u8], keys: &[VerifierKey]) -> Result<(Self, Note), CheckpointError> {
        let note = Note::parse(note)?;
        let signed = note.verify(keys)?;
        let checkpoint = Self::parse(note.text())?;
        if let Some(other) = signed.iter().find(|signed| signed.key.name() != checkpoint.origin) {
            let (expected, found) = (other.key.name().to_owned(), checkpoint.origin);
            return Err(CheckpointError::OtherLog { expected, found });
        }
        Ok((checkpoint, note))
    }

    /// Signs it. The signer's name should be the origin, or [`Checkpoint::open`] will refuse it.
    ///
    /// # Errors
    /// When the signer fails.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Note, NoteError> {
        Note::sign(&self.text(), signer)
    }

    /// The three lines that are signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of entries.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over those entries.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }
}

/// A decimal number without sign or leading zeroes.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A hash in canonical base64.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::key::tests::{log_key, witness_key};
    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint::new("example.com/log", 42, [3; 32]).unwrap()
    }

    #[test]
    fn text_round_trips_and_another_implementation_agrees() {
        let text = checkpoint().text();
        assert_eq!(Checkpoint::parse(&text).unwrap(), checkpoint());
        let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), ("example.com/log", 42));
        assert_eq!((theirs.hash().0, theirs.extension()), ([3; 32], ""));
    }

    #[test]
    fn only_the_exact_text_is_a_checkpoint() {
        let good = checkpoint().text();
        for bad in [
            String::new(),
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}extension\n"),
            good.replace("42", "042"),
            good.replace("42", "+42"),
            good.replace("42", "-1"),
            good.replace("42", "18446744073709551616"),
            good.replace("42", ""),
            good.replace('=', ""),
            good.replace("AwM=", "AwN="),
            good.replace("example.com/log", ""),
            good.replace("example.com/log", "a log"),
            good.replacen("AwMD", "", 1),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn open_wants_the_key_and_its_log() {
        let (log, key) = (log_key(), log_key().verifier_key());
        let note = checkpoint().sign(&log).unwrap();
        assert_eq!(Checkpoint::open(note.to_string().as_bytes(), &key).unwrap().0, checkpoint());

        let other = Checkpoint::new("example.com/other", 42, [3; 32]).unwrap().sign(&log).unwrap();
        let refused = Checkpoint::open(other.to_string().as_bytes(), &key);
        assert!(matches!(refused, Err(CheckpointError::OtherLog { .. })));

        let refused = Checkpoint::open(note.to_string().as_bytes(), witness_key().verifier_key());
        assert!(matches!(refused, Err(CheckpointError::Note(NoteError::Unsigned(_)))));
    }
}
