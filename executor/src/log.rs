//! Publishes the log as a folder of tiles, within a second of each seal.
//!
//! ```text
//! store ──publish──▶ folder ──tiles──▶ readers over HTTP
//! planners' countersignatures ──Countersigned──▶ folder
//! ```

mod countersigned;
mod keys;
mod rotate;
mod tiles;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::tlog::folder::{Publisher, Source};
use countersign_shared::tlog::key::VerifierKey;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::kill;
pub use countersigned::Countersigned;
pub use keys::{LogKeyError, LogKeys, key};
pub use rotate::{NEXT, Rotated, finish, retired, rotate};
pub use tiles::{check, serve};

/// Receipts that come together are published together.
const GATHER: Duration = Duration::from_millis(250);
/// After a failure, and in case a ring was missed.
const AGAIN: Duration = Duration::from_secs(5);
/// What is published, and where.
pub struct Publication<S> {
    /// The log's folder.
    pub folder: PathBuf,
    /// The log's key, and those that it had before.
    pub keys: (VerifierKey, Vec<VerifierKey>),
    /// The log itself.
    pub source: S,
    /// What others countersigned of it.
    pub countersigned: Countersigned,
}

/// Publishes whenever `sealed` rings, and once more when told to stop.
pub async fn publish<S>(what: Publication<S>, sealed: Arc<Notify>, stop: CancellationToken)
where
    S: Source + Send + 'static,
{
    let Publication { folder, keys: (key, retired), source, countersigned } = what;
    let mut work = (Publisher::new(&folder, key).after(retired), source, countersigned);
    loop {
        let last = stop.is_cancelled();
        let done = tokio::task::spawn_blocking(move || {
            kill::Step::Publish.before();
            let published = work.0.publish(&work.1).and_then(|_| work.2.put(&mut work.0));
            let published = published.map_err(|e| e.to_string());
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
