//! The key that wraps all others: 64 hex digits in a file that only the executor reads.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::ports::StoreError;

/// Wraps and unwraps keys.
pub struct Kek(RandomizedNonceKey);

impl Kek {
    /// Of 32 bytes.
    ///
    /// # Errors
    /// When the machine's cryptography refuses it.
    pub fn of(bytes: &[u8; 32]) -> anyhow::Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes);
        Ok(Self(key.map_err(|_| anyhow!("AES-256-GCM takes no key"))?))
    }

    /// Reads the file, or makes it where nothing was wrapped yet and it is not there.
    ///
    /// # Errors
    /// When it cannot be used, with what to do about it.
    pub fn open(path: &Path, fresh: bool) -> anyhow::Result<Self> {
        if fresh && !path.exists() {
            make(path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let shown = path.display();
        let lost = "without it nothing personal can be read: bring it back from where it is kept";
        let read = fs::read_to_string(path).map(Zeroizing::new);
        let text =
            read.map_err(|error| anyhow!("cannot read key file {shown}: {error}; {lost}"))?;
        let mode = fs::metadata(path).map_or(0, |meta| meta.mode());
        ensure!(mode & 0o027 == 0, "others may read or change {shown}: give it mode 0600");
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *bytes)
            .map_err(|_| anyhow!("{shown} does not hold 64 hex digits: {lost}"))?;
        Self::of(&bytes)
    }

    /// Under this key, bound to what it is for.
    ///
    /// # Errors
    /// When the machine's cryptography fails.
    pub fn wrap(&self, what: &str, key: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = key.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(what), &mut sealed);
        let nonce = nonce.map_err(|_| failed("wrapped"))?;
        Ok([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// The key again.
    ///
    /// # Errors
    /// When it was wrapped under another key, or for something else.
    pub fn unwrap(&self, what: &str, wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let foreign = || failed("unwrapped: is this the key file that they were made with?");
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LEN).ok_or_else(foreign)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| foreign())?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = self.0.open_in_place(nonce, Aad::from(what), &mut sealed);
        let opened: &[u8] = opened.map_err(|_| foreign())?;
        Ok(Zeroizing::new(opened.try_into().map_err(|_| foreign())?))
    }
}

fn failed(how: &str) -> StoreError {
    StoreError::Unavailable(format!("the keys of persons cannot be {how}"))
}

fn make(path: &Path) -> anyhow::Result<()> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| anyhow!("no randomness: {error}"))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(Zeroizing::new(hex::encode(*bytes)).as_bytes())?;
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_wrapped_opens_for_the_same_thing_under_the_same_key() {
        let kek = Kek::of(&[1; 32]).unwrap();
        let wrapped = kek.wrap("jane", &[7; 32]).unwrap();
        assert_eq!(*kek.unwrap("jane", &wrapped).unwrap(), [7; 32]);
        assert!(kek.unwrap("john", &wrapped).is_err());
        assert!(Kek::of(&[2; 32]).unwrap().unwrap("jane", &wrapped).is_err());
        assert!(kek.unwrap("jane", b"short").is_err());
    }

    #[test]
    fn the_file_is_made_once_and_never_in_the_place_of_a_lost_one() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("keys.kek");
        let lost = Kek::open(&path, false).map(drop).unwrap_err().to_string();
        assert!(lost.contains("bring it back"), "{lost}");
        let wrapped = Kek::open(&path, true).unwrap().wrap("w", &[7; 32]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(Kek::open(&path, true).unwrap().unwrap("w", &wrapped).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(Kek::open(&path, false).is_err());
    }
}
