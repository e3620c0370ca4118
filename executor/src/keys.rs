//! Keys of persons, in a store of their own: one key for all that is personal of one
//! person. Once it is destroyed, no copy of anything under it opens any more.
//!
//! ```text
//! file of the key-encryption key ─▶ Kek ──wraps──▶ person's key ──▶ rows, openings
//!                                      └─────────▶ index key ─────▶ digests of identities
//! ```

mod kek;
#[cfg(any(test, feature = "memory"))]
mod memory;

use jiff::Timestamp;

use crate::ports::StoreError;
pub use kek::Kek;
#[cfg(any(test, feature = "memory"))]
pub use memory::MemoryKeys;

/// Random; what is sealed names the key that opens it.
pub type KeyId = [u8; 16];

/// A person's key as the key store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Its id.
    pub id: KeyId,
    /// Whose: a keyed digest.
    pub person: String,
    /// The key under the key-encryption key; `None` once it is destroyed.
    pub key: Option<Vec<u8>>,
    /// When it was made.
    pub made: Timestamp,
}

/// Where keys are kept. Called from threads that may wait.
pub trait Keys: Send + Sync + 'static {
    /// The wrapped index key: the one that is kept, or else this one from now on.
    ///
    /// # Errors
    /// When the store fails.
    fn index(&self, offered: Vec<u8>) -> Result<Vec<u8>, StoreError>;

    /// Keys by their ids, destroyed ones as such. An id that is missing was never here.
    ///
    /// # Errors
    /// When the store fails.
    fn find(&self, ids: &[KeyId]) -> Result<Vec<Wrapped>, StoreError>;

    /// The person's key that is in use; `None` where there is none.
    ///
    /// # Errors
    /// When the store fails.
    fn current(&self, person: &str) -> Result<Option<Wrapped>, StoreError>;

    /// Takes a new key into use, durably, unless the person has one: answers with the one
    /// that stands.
    ///
    /// # Errors
    /// When the store fails.
    fn keep(&self, new: Wrapped) -> Result<Wrapped, StoreError>;

    /// Destroys the person's keys that were made until then.
    ///
    /// # Errors
    /// When the store fails.
    fn destroy(&self, person: &str, until: Timestamp) -> Result<(), StoreError>;

    /// Which of these are destroyed.
    ///
    /// # Errors
    /// When the store fails.
    fn destroyed(&self, ids: &[KeyId]) -> Result<Vec<KeyId>, StoreError> {
        let found = self.find(ids)?;
        Ok(found.into_iter().filter(|w| w.key.is_none()).map(|w| w.id).collect())
    }
}
