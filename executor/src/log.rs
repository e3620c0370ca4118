//! Publishes the log as a folder of tiles, within a second of each seal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::tlog::folder::{Publisher, Source};
use countersign_shared::tlog::key::{LogKey, Signer as _};
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

/// A log key that cannot be used. Never holds any of it.
#[derive(Debug, thiserror::Error)]
#[error("log key {path}: {message}: create one with `countersign init`")]
pub struct LogKeyError {
    path: PathBuf,
    message: String,
}

/// Reads the log's key.
///
/// # Errors
/// When the file is no Ed25519 key in PKCS#8 PEM, or the origin cannot be a name.
pub fn key(config: &Log) -> Result<LogKey, LogKeyError> {
    let failed = |message: String| LogKeyError { path: config.key.clone(), message };
    let pem = std::fs::read_to_string(&config.key).map_err(|e| failed(e.to_string()))?;
    let secret = SigningKey::from_pkcs8_pem(&pem)
        .map_err(|_| failed("not an Ed25519 key in PKCS#8 PEM".to_owned()))?;
    LogKey::new(&config.origin, secret).map_err(|e| failed(e.to_string()))
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
