#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::ops::Range;

use countersign_shared::tlog::folder::Source;

use super::*;
use crate::lease::awake;
use crate::store::LogSource;
use crate::store::conformance::{Bed, claim, conform, key, refused};

conform!(super::bed);

const LEASE: Duration = Duration::from_secs(30);

async fn bed() -> Arc<Database> {
    Arc::new(Database::new(key(), LEASE, Timestamp::now))
}

/// Nothing is lost on the way.
struct Straight;

#[async_trait]
impl Line for Straight {
    async fn there(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn back(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn join(database: &Arc<Database>, name: &str) -> Arc<Memory> {
    let line: Arc<dyn Line> = Arc::new(Straight);
    Memory::open(Arc::clone(database), line, name, Arc::new(awake)).await.unwrap()
}

struct Feed(Arc<Database>);

impl Source for Feed {
    type Error = StoreError;

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(Some(self.0.log().1.into_bytes()).filter(|note| !note.is_empty()))
    }

    fn leaves(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        let leaves = self.0.log().0.into_iter();
        Ok(leaves.filter(|leaf| range.contains(&leaf.index)).map(|leaf| leaf.body).collect())
    }
}

#[async_trait]
impl Bed for Arc<Database> {
    async fn open(&self) -> Arc<dyn Store> {
        join(self, "executor").await
    }

    async fn source(&self) -> LogSource {
        Box::new(Feed(Arc::clone(self)))
    }
}

#[tokio::test]
async fn who_was_taken_over_writes_nothing_more() {
    let database = bed().await;
    let (one, other) = (join(&database, "one").await, join(&database, "other").await);
    let (events, state) = claim(&*one, 1, "i1", "o1").await.unwrap();
    one.append(0, events.clone(), &state).await.unwrap();
    let (_, reserved) = claim(&*one, 2, "i2", "o2").await.unwrap();
    assert!(other.adopt().await.unwrap().is_empty(), "its lease holds");
    // It starts again elsewhere, as the same; the one before is dead then.
    let again = join(&database, "one").await;
    assert_eq!(again.adopt().await.unwrap(), [state.proposal().action().clone()]);
    let (events, ended, leaf) = refused(state, 1);
    let late = one.seal(leaf.clone(), Some((3, events.clone(), &ended))).await;
    assert_eq!(late, Err(StoreError::Conflict));
    assert_eq!(one.append(0, Vec::new(), &reserved).await, Err(StoreError::Conflict));
    assert_eq!(again.seal(leaf, Some((3, events, &ended))).await.unwrap().index, 0);
    claim(&*other, 3, "i2", "o2").await.unwrap();
}
