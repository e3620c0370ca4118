//! The log's own keys, as the executor has them.

use std::fs;
use std::io::ErrorKind::NotFound;
use std::path::PathBuf;

use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{KeyError, LogKey, Signer as _, VerifierKey};
use countersign_shared::tlog::note::Note;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;

use super::retired;
use crate::config::Log;

/// Between the origin and the number of a later epoch.
const EPOCH: &str = "/epoch-";

/// A log key that cannot be used. Never holds any of it.
#[derive(Debug, thiserror::Error)]
#[error("log key {path}: {message}: create one with `countersign init`")]
pub struct LogKeyError {
    path: PathBuf,
    message: String,
}

/// Reads the log's key, under the name of its first epoch.
///
/// # Errors
/// When the file is no Ed25519 key in PKCS#8 PEM, or the origin cannot be a name.
pub fn key(config: &Log) -> Result<LogKey, LogKeyError> {
    LogKeys::open(config)?.of(1)
}

/// One secret, and a name for each epoch: what was signed for one says nothing of another.
pub struct LogKeys {
    config: Log,
    secret: SigningKey,
    /// Public keys that it replaced.
    retired: Vec<VerifierKey>,
}

impl LogKeys {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the file is no Ed25519 key in PKCS#8 PEM.
    pub fn open(config: &Log) -> Result<Self, LogKeyError> {
        let failed = |message: String| LogKeyError { path: config.key.clone(), message };
        let pem = fs::read_to_string(&config.key).map_err(|e| failed(e.to_string()))?;
        let secret = SigningKey::from_pkcs8_pem(&pem)
            .map_err(|_| failed("not an Ed25519 key in PKCS#8 PEM".to_owned()))?;
        let file = retired(config);
        let retired = match fs::read_to_string(&file) {
            Ok(text) => VerifierKey::parse_all(&text)
                .map_err(|error| failed(format!("{}: {error}", file.display())))?,
            Err(error) if error.kind() == NotFound => Vec::new(),
            Err(error) => return Err(failed(format!("{}: {error}", file.display()))),
        };
        Ok(Self { config: config.clone(), secret, retired })
    }

    /// The key of an epoch. The first has the configured origin.
    ///
    /// # Errors
    /// When the origin cannot be a name.
    pub fn of(&self, epoch: u32) -> Result<LogKey, LogKeyError> {
        let origin = &self.config.origin;
        let name = if epoch <= 1 { origin.clone() } else { format!("{origin}{EPOCH}{epoch}") };
        let failed = |message: String| LogKeyError { path: self.config.key.clone(), message };
        LogKey::new(&name, self.secret.clone()).map_err(|e| failed(e.to_string()))
    }

    /// The epoch whose log has this name.
    #[must_use]
    pub fn epoch(&self, name: &str) -> Option<u32> {
        let rest = name.strip_prefix(&self.config.origin)?;
        if rest.is_empty() {
            return Some(1);
        }
        let epoch: u32 = rest.strip_prefix(EPOCH)?.parse().ok()?;
        (epoch > 1 && format!("{EPOCH}{epoch}") == rest).then_some(epoch)
    }

    /// A checkpoint that this log signed, with its epoch.
    #[must_use]
    pub fn signed(&self, note: &[u8]) -> Option<(u32, Checkpoint)> {
        let parsed = Note::parse(note).ok()?;
        let epoch = self.epoch(Checkpoint::parse(parsed.text()).ok()?.origin())?;
        let (checkpoint, _) = Checkpoint::open_by(note, &self.verifiers(epoch).ok()?).ok()?;
        Some((epoch, checkpoint))
    }

    /// The key of ours that signed a checkpoint.
    #[must_use]
    pub fn signer(&self, note: &[u8]) -> Option<VerifierKey> {
        let (epoch, _) = self.signed(note)?;
        let keys = self.verifiers(epoch).ok()?;
        keys.into_iter().find(|key| Checkpoint::open(note, key).is_ok())
    }

    /// The public keys of an epoch, the one in force first.
    ///
    /// # Errors
    /// When the origin cannot be a name.
    pub fn verifiers(&self, epoch: u32) -> Result<Vec<VerifierKey>, LogKeyError> {
        let key = self.of(epoch)?.verifier_key();
        let failed =
            |e: KeyError| LogKeyError { path: self.config.key.clone(), message: e.to_string() };
        let before = self.retired.iter().map(|old| old.renamed(key.name()));
        let before = before.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        Ok([key].into_iter().chain(before).collect())
    }

    /// The keys of those who countersign.
    ///
    /// # Errors
    /// When a file of theirs cannot be read or holds none.
    pub fn cosigners(&self) -> Result<Vec<VerifierKey>, LogKeyError> {
        let mut all = Vec::new();
        for path in &self.config.cosigners {
            let failed = |message: String| LogKeyError { path: path.clone(), message };
            let text = fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
            all.extend(VerifierKey::parse_all(&text).map_err(|e| failed(e.to_string()))?);
        }
        Ok(all)
    }
}
