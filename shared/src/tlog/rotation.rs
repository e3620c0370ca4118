//! A change of the log's key: an entry that the old and the new key both signed.
//!
//! ```text
//! countersign/log-key-rotation/v1     a signed note: its lines by both keys
//! ORIGIN
//! SIZE                                of the log before this entry, so its own index
//! ROOT                                at that size
//! OLD KEY
//! NEW KEY
//! ```
//!
//! The first line is no log's name, so nobody can take the note for a checkpoint. Size and root bind
//! it to one place in one history.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::checkpoint::{decimal, hash};
use super::key::{Signer, VerifierKey};
use super::merkle::Hash;
use super::note::{Note, NoteError};

/// What an entry of this kind changes, as its receipt says it.
pub const WHAT: &str = "log/key";
const FIRST_LINE: &str = "countersign/log-key-rotation/v1";

/// A change of the log's key that both keys signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    size: u64,
    root: Hash,
    old: VerifierKey,
    new: VerifierKey,
}

/// Why a note is no change of a log's key.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Not the one form that it has.
    #[error("it is not written as a change of the log's key")]
    Format,
    /// The keys are of two logs, or one key.
    #[error("old and new must be two keys of one log")]
    Keys,
    /// One of the two did not sign.
    #[error("the {0} key did not sign it: {1}")]
    Unsigned(&'static str, #[source] NoteError),
    /// A signer failed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Rotation {
    /// Signs the change from `old` to `new`, as the entry after the first `size` under `root`.
    ///
    /// # Errors
    /// When the keys are not two of one log, or one cannot sign.
    pub fn sign(
        (size, root): (u64, &Hash),
        old: &dyn Signer,
        new: &dyn Signer,
    ) -> Result<Note, RotationError> {
        let (from, to) = (old.verifier_key(), new.verifier_key());
        if from.name() != to.name() || from == to {
            return Err(RotationError::Keys);
        }
        let (origin, root) = (from.name(), STANDARD.encode(root));
        let text = format!("{FIRST_LINE}\n{origin}\n{size}\n{root}\n{from}\n{to}\n");
        let mut note = Note::sign(&text, old)?;
        note.push(new.sign(&text).map_err(NoteError::from)?);
        Ok(note)
    }

    /// Reads a note and checks that both keys signed it.
    ///
    /// # Errors
    /// When it is written otherwise, or one of the two signatures is missing or wrong.
    pub fn open(note: &[u8]) -> Result<Self, RotationError> {
        let note = Note::parse(note).map_err(|_| RotationError::Format)?;
        let read = Self::read(note.text()).ok_or(RotationError::Format)?;
        if read.old.name() != read.new.name() || read.old == read.new {
            return Err(RotationError::Keys);
        }
        for (which, key) in [("old", &read.old), ("new", &read.new)] {
            let signed = note.verify(std::slice::from_ref(key));
            signed.map_err(|error| RotationError::Unsigned(which, error))?;
        }
        Ok(read)
    }

    fn read(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [FIRST_LINE, origin, size, root, old, new, ""] = lines.as_slice() else { return None };
        let (old, new) = (VerifierKey::parse(old).ok()?, VerifierKey::parse(new).ok()?);
        let read = Self { size: decimal(size)?, root: hash(root)?, old, new };
        (read.old.name() == *origin).then_some(read)
    }

    /// The size of the log that it was signed for: the index of its own entry.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root at that size.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The key that was in force.
    #[must_use]
    pub const fn old(&self) -> &VerifierKey {
        &self.old
    }

    /// The key in force from then on.
    #[must_use]
    pub const fn new_key(&self) -> &VerifierKey {
        &self.new
    }
}

/// The note in an entry that is a change of the log's key; `None` for any other entry. It is empty
/// where the entry says that it is one and holds none.
#[must_use]
pub fn claimed(entry: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Entry {
        change: Option<Change>,
    }
    #[derive(serde::Deserialize)]
    struct Change {
        what: String,
        #[serde(default)]
        note: String,
    }
    // Few entries are one, and looking for a word is far cheaper than reading JSON.
    let text = std::str::from_utf8(entry).ok().filter(|text| text.contains(WHAT))?;
    let change = serde_json::from_str::<Entry>(text).ok()?.change?;
    (change.what == WHAT).then_some(change.note)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;

    use super::super::key::{LogKey, tests::log_key};
    use super::*;

    /// Another key of the same log.
    pub(crate) fn next_key() -> LogKey {
        LogKey::new("example.com/log", SigningKey::from_bytes(&[17; 32])).unwrap()
    }

    #[test]
    fn both_keys_sign_one_place_in_one_log() {
        let note = Rotation::sign((5, &[3; 32]), &log_key(), &next_key()).unwrap();
        let read = Rotation::open(note.to_string().as_bytes()).unwrap();
        assert_eq!((read.size(), read.root()), (5, &[3; 32]));
        assert_eq!(read.old(), &log_key().verifier_key());
        assert_eq!(read.new_key(), &next_key().verifier_key());
    }

    #[test]
    fn one_signature_is_not_enough_and_a_changed_note_is_none() {
        let note = Rotation::sign((5, &[3; 32]), &log_key(), &next_key()).unwrap().to_string();
        let lines: Vec<&str> = note.lines().collect();
        for missing in ["old", "new"] {
            let at = lines.len() - if missing == "old" { 2 } else { 1 };
            let left = lines.iter().enumerate().filter(|(line, _)| *line != at);
            let left: String = left.map(|(_, line)| format!("{line}\n")).collect();
            let error = Rotation::open(left.as_bytes()).unwrap_err();
            assert!(matches!(error, RotationError::Unsigned(which, _) if which == missing));
        }
        let moved = note.replacen("\n5\n", "\n6\n", 1);
        assert!(matches!(Rotation::open(moved.as_bytes()), Err(RotationError::Unsigned("old", _))));
        assert!(matches!(Rotation::open(b"note"), Err(RotationError::Format)));
        let same = Rotation::sign((5, &[3; 32]), &log_key(), &log_key());
        assert!(matches!(same, Err(RotationError::Keys)));
    }

    #[test]
    fn only_an_entry_that_says_so_is_a_change_of_the_key() {
        assert_eq!(claimed(br#"{"change":{"what":"log/key","note":"n"}}"#).as_deref(), Some("n"));
        assert_eq!(claimed(br#"{"change":{"what":"log/key"}}"#).as_deref(), Some(""));
        for other in ["{\"change\":null,\"said\":\"log/key\"}", "log/key", "{}", "\u{fffd}"] {
            assert_eq!(claimed(other.as_bytes()), None, "{other}");
        }
    }
}
