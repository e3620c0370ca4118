//! Publishes the log as a folder of tiles, within a second of each seal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::folder::{Publisher, Source};
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::note::Note;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::Log;
use crate::kill;

/// Receipts that come together are published together.
const GATHER: Duration = Duration::from_millis(100);
/// After a failure, and in case a ring was missed.
const AGAIN: Duration = Duration::from_secs(5);
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
}

impl LogKeys {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the file is no Ed25519 key in PKCS#8 PEM.
    pub fn open(config: &Log) -> Result<Self, LogKeyError> {
        let failed = |message: String| LogKeyError { path: config.key.clone(), message };
        let pem = std::fs::read_to_string(&config.key).map_err(|e| failed(e.to_string()))?;
        let secret = SigningKey::from_pkcs8_pem(&pem)
            .map_err(|_| failed("not an Ed25519 key in PKCS#8 PEM".to_owned()))?;
        Ok(Self { config: config.clone(), secret })
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
        let key = self.of(epoch).ok()?.verifier_key();
        let (checkpoint, _) = Checkpoint::open(note, &key).ok()?;
        Some((epoch, checkpoint))
    }
}

/// Publishes whenever `sealed` rings, and once more when told to stop.
pub async fn publish<S>(
    folder: PathBuf,
    key: Arc<LogKey>,
    source: S,
    sealed: Arc<Notify>,
    stop: CancellationToken,
) where
    S: Source + Send + 'static,
{
    let mut work = (Publisher::new(&folder, key.verifier_key()), source);
    loop {
        let last = stop.is_cancelled();
        let done = tokio::task::spawn_blocking(move || {
            kill::Step::Publish.before();
            let published = work.0.publish(&work.1).map_err(|e| e.to_string());
            kill::Step::Publish.after();
            (work, published)
        });
        let Ok((back, published)) = done.await else { return };
        if let Err(error) = published {
            tracing::error!(%error, folder = %folder.display(), "the log folder was not brought up to date");
        }
        if last {
            return;
        }
        work = back;
        // Rings, or a while: a failure mends itself without a new receipt.
        tokio::select! {
            () = stop.cancelled() => {}
            _ = tokio::time::timeout(AGAIN, sealed.notified()) => tokio::time::sleep(GATHER).await,
        }
    }
}
