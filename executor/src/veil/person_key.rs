//! One person's key while it is in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::keys::KeyId;
use crate::ports::StoreError;

/// Seals and opens what is personal of one person. The library clears its memory when it
/// is dropped.
pub struct PersonKey {
    id: KeyId,
    key: RandomizedNonceKey,
    ended: AtomicBool,
}

/// The key that opens what is sealed.
pub(super) fn names(sealed: &[u8]) -> Result<KeyId, StoreError> {
    sealed.first_chunk().copied().ok_or_else(damaged)
}

fn damaged() -> StoreError {
    StoreError::Damaged("a row is not what was sealed for it".to_owned())
}

impl PersonKey {
    pub(super) fn new(id: KeyId, bytes: &[u8; 32]) -> Result<Self, StoreError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        let key = key.map_err(|_| StoreError::Unavailable("AES-256-GCM takes no key".into()))?;
        Ok(Self { id, key, ended: AtomicBool::new(false) })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// For this row alone: put into another it does not open.
    ///
    /// # Errors
    /// When the machine's cryptography fails.
    pub fn seal(&self, row: &str, clear: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = clear.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(row), &mut sealed);
        let nonce = nonce.map_err(|_| StoreError::Unavailable("nothing can be sealed".into()))?;
        Ok([self.id.as_slice(), nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Whether rows under it may still be written.
    ///
    /// # Errors
    /// When the person is being erased: what is begun now would be unreadable.
    pub fn stands(&self) -> Result<(), StoreError> {
        if self.ended.load(Ordering::SeqCst) {
            let why = "the person's data is being erased: ask again".to_owned();
            return Err(StoreError::Unavailable(why));
        }
        Ok(())
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub(super) fn open(&self, row: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let rest = sealed.get(self.id.len()..).ok_or_else(damaged)?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut clear = Zeroizing::new(rest.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(row), &mut clear);
        let length = opened.map_err(|_| damaged())?.len();
        clear.truncate(length);
        Ok(clear)
    }
}
