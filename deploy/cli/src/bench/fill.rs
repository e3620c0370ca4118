//! A store that has lived: as many receipts as asked for, through the store's own writing path, and
//! the log over them published. They have no actions beside them, as those of refusals have none.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use countersign_core::person::Person;
use countersign_core::seal::{Leaf, Queue};
use countersign_executor::ports::Store as _;
use countersign_executor::store::sqlite::Sqlite;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::{Receipt, Verification};
use countersign_shared::tlog::folder::Publisher;
use countersign_shared::tlog::key::{LogKey, Signer as _};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use uuid::Uuid;

use super::place::{LOG_KEY, ORIGIN, Place};
use crate::ed25519;

/// Receipts between two publications; whoever stops the benchmark waits for one.
const STRETCH: u64 = 50_000;
/// Receipts that wait for the store at once: more than it commits together.
const WAITING: usize = 512;
/// Subjects whose receipts they are.
const SUBJECTS: u64 = 100_000;
/// Bytes on the disk for each receipt, in the store, its indexes and the published log.
const EACH: u64 = 6 * 1024;

/// Fills the store of the executor of this name, which has not been started yet.
pub(super) async fn fill(
    place: &Place,
    name: &str,
    like: Receipt,
    count: u64,
) -> anyhow::Result<()> {
    let (state, began) = (place.state(name), Instant::now());
    std::fs::create_dir_all(&state)?;
    let key = LogKey::new(ORIGIN, ed25519::read(&place.dir().join(LOG_KEY))?)?;
    let key = Arc::new(key);
    let store = Arc::new(Sqlite::open(&state.join("executor.db"), None, Arc::clone(&key))?);
    let mut publisher = Publisher::new(&state.join("log"), key.verifier_key());
    let like = bare(like);
    let mut done = 0;
    while done < count {
        let until = count.min(done + STRETCH);
        stream::iter(done..until)
            .map(|number| {
                let (store, leaf) = (Arc::clone(&store), leaf(&like, number));
                async move { anyhow::Ok(store.seal(leaf, None).await?) }
            })
            .buffered(WAITING)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        publisher = publish(publisher, Arc::clone(&store)).await?;
        done = until;
        let seconds = began.elapsed().as_secs();
        writeln!(io::stderr(), "{done} of {count} receipts written, {seconds} s")?;
    }
    Ok(())
}

async fn publish(mut publisher: Publisher, store: Arc<Sqlite>) -> anyhow::Result<Publisher> {
    let published = tokio::task::spawn_blocking(move || {
        publisher.publish(&store.log_source()).map(|_| publisher)
    });
    Ok(published.await??)
}

/// A real receipt without what its gates and looks saw: as short as receipts are.
fn bare(mut receipt: Receipt) -> Receipt {
    receipt.gates.clear();
    receipt.before = Value::Null;
    receipt.after = Value::Null;
    receipt.verification = Verification::default();
    receipt
}

fn leaf(like: &Receipt, number: u64) -> Leaf {
    let mut receipt = like.clone();
    receipt.receipt_id = ReceiptId::from_uuid(Uuid::now_v7()).to_string();
    receipt.asked.subject = format!("subject-{}@example.com", number % SUBJECTS);
    receipt.asked.external_ref = format!("T-{number}");
    let person = Person::Named {
        tenant: receipt.tenant.clone(),
        issuer: receipt.asked.issuer.clone(),
        id: receipt.asked.subject.clone(),
    };
    Leaf { receipt, person, queue: Queue::Stays }
}

/// Whether the disk has room for so many receipts.
pub(super) fn room(dir: &Path, count: u64) -> anyhow::Result<()> {
    let found = rustix::fs::statvfs(dir);
    let found = found.with_context(|| format!("cannot read {}", dir.display()))?;
    enough(found.f_bavail.saturating_mul(found.f_frsize), count)
}

fn enough(free: u64, count: u64) -> anyhow::Result<()> {
    let wanted = count.saturating_mul(EACH);
    let gib = |bytes: u64| bytes.div_ceil(1 << 30);
    anyhow::ensure!(
        free > wanted,
        "{count} receipts take up to {} GiB and {} are free: ask for fewer, or give --dir a folder on a larger disk",
        gib(wanted),
        gib(free),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_too_small_is_said_before_anything_is_written() {
        let error = enough(1 << 30, 10_000_000).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains("up to 58 GiB and 1 are free: ask for fewer"), "{error}");
        assert!(enough(64 << 30, 10_000_000).is_ok());
    }
}
