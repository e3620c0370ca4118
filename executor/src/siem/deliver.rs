//! Feeds one sink: what the log has and the sink has not, in order, batch by batch.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::note::Note;
use jiff::{SignedDuration, Timestamp};

use super::config::SinkConfig;
use super::event::{self, Event, Place};
use super::pause;
use super::sink::Sink;
use crate::metrics::{self, Metrics};
use crate::ports::{Clock, Fed, Store, StoreError};

/// Most events of one batch: all that is ever in memory for a sink.
const BATCH: u64 = 200;
/// Between two looks for news.
const LOOK: Duration = Duration::from_secs(1);

/// One sink with everything it is fed from.
pub(super) struct Feed {
    name: String,
    sink: Sink,
    heartbeat: SignedDuration,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// What one round came to.
enum Round {
    /// Events were acknowledged.
    Sent,
    /// There is nothing new, or another executor feeds this sink.
    Idle,
}

/// Why a round came to nothing. The place stands where it was.
#[derive(Debug, thiserror::Error)]
enum Held {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Sink(String),
}

impl Feed {
    pub(super) fn new(
        settings: &SinkConfig,
        sink: Sink,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (name, heartbeat) = (settings.name.clone(), settings.heartbeat);
        Self { name, sink, heartbeat, store, clock, metrics: Metrics::default() }
    }

    /// Tells how far the sink lags behind.
    pub(super) fn telling(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }

    /// For ever.
    pub(super) async fn run(self) {
        let (mut failures, mut heard) = (0_u32, self.clock.now());
        loop {
            let wait = match self.round(heard).await {
                Ok(Round::Sent) => {
                    (failures, heard) = (0, self.clock.now());
                    continue;
                }
                Ok(Round::Idle) => LOOK,
                Err(held) => {
                    failures = failures.saturating_add(1);
                    let wait = pause::after(failures, chance());
                    tracing::warn!(sink = %self.name, why = %held, failures,
                        "events wait for their sink, and are sent again");
                    wait
                }
            };
            self.sleep(wait).await;
        }
    }

    /// One batch, or a heartbeat where nothing was `heard` from us for too long.
    async fn round(&self, heard: Timestamp) -> Result<Round, Held> {
        let Some(fed) = self.store.fed(&self.name).await? else {
            // Who feeds it tells how far.
            self.metrics.fed(&self.name, 0, 0);
            return Ok(Round::Idle);
        };
        let Some(checkpoint) = self.checkpoint().await? else { return Ok(Round::Idle) };
        let fed = of_log(fed, checkpoint.origin());
        let waiting = fed.next..checkpoint.size();
        let age = metrics::age(&*self.store, waiting.clone(), self.clock.now()).await?;
        self.metrics.fed(&self.name, waiting.end.saturating_sub(waiting.start), age);
        // A store that went back in time knows no more what was sent.
        let quarantined = self.store.standing().await?.quarantine.is_some();
        if fed.next < checkpoint.size() && !quarantined {
            self.batch(fed, &checkpoint).await?;
            return Ok(Round::Sent);
        }
        let now = self.clock.now();
        if now.duration_since(heard) < self.heartbeat {
            return Ok(Round::Idle);
        }
        self.send(vec![event::heartbeat(&checkpoint, quarantined, now)]).await?;
        Ok(Round::Sent)
    }

    /// INTENT FIRST: what is about to be sent is durable before.
    async fn batch(&self, fed: Fed, checkpoint: &Checkpoint) -> Result<(), Held> {
        let trying = next_try(fed, checkpoint.size());
        let end = trying.upto.min(trying.next.saturating_add(BATCH));
        let events = self.events(trying.next..end, checkpoint, trying.attempt).await?;
        self.store.feed(&self.name, trying.clone()).await?;
        self.send(events).await?;
        Ok(self.store.feed(&self.name, Fed { next: end, ..trying }).await?)
    }

    async fn events(
        &self,
        range: Range<u64>,
        checkpoint: &Checkpoint,
        attempt: u32,
    ) -> Result<Vec<Event>, Held> {
        let leaves = self.store.leaves(range.clone()).await?;
        let damaged = |why: String| Held::Store(StoreError::Damaged(why));
        if u64::try_from(leaves.len()) != Ok(range.end - range.start) {
            return Err(damaged(format!("the log lacks leaves of {range:?}")));
        }
        let event = |(index, leaf): (u64, Vec<u8>)| {
            event::of(&leaf, Place { index, checkpoint }, attempt)
                .map_err(|error| damaged(format!("leaf {index} is no receipt: {error}")))
        };
        range.zip(leaves).map(event).collect()
    }

    /// No longer than the lease: afterwards another executor may feed this sink.
    async fn send(&self, events: Vec<Event>) -> Result<(), Held> {
        let sent = self.store.lease().guard(self.sink.send(events)).await;
        sent.unwrap_or_else(|| Err("the lease ended".to_owned())).map_err(Held::Sink)
    }

    /// The newest, as the store has it; its signature is the readers' to check.
    async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let note = self.store.checkpoint().await?;
        if note.is_empty() {
            return Ok(None);
        }
        let damaged = |why: String| StoreError::Damaged(format!("checkpoint: {why}"));
        let note = Note::parse(note.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        Checkpoint::parse(note.text()).map(Some).map_err(|error| damaged(error.to_string()))
    }

    async fn sleep(&self, wait: Duration) {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let until = self.clock.now().checked_add(wait).unwrap_or(Timestamp::MAX);
        self.clock.until(until).await;
    }
}

/// A log of another name is another log: its indexes begin anew.
fn of_log(fed: Fed, origin: &str) -> Fed {
    if fed.origin == origin {
        return fed;
    }
    Fed { origin: origin.to_owned(), ..Fed::default() }
}

/// What was perhaps sent before, once more; else what comes next.
fn next_try(fed: Fed, size: u64) -> Fed {
    if fed.upto > fed.next {
        let attempt = fed.attempt.saturating_add(1);
        return Fed { attempt, ..fed };
    }
    let upto = size.min(fed.next.saturating_add(BATCH));
    Fed { upto, attempt: 1, ..fed }
}

fn chance() -> u32 {
    // Without randomness sinks only come back together.
    getrandom::u32().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;
    use std::path::Path;

    use async_trait::async_trait;
    use countersign_core::contract::Catalog;
    use countersign_core::seal;
    use countersign_shared::receipt::Change;
    use countersign_shared::tlog::key::LogKey;
    use ed25519_dalek::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::store::sqlite::Sqlite;
    use crate::testing::id;
    use crate::vault::Vault;

    /// A clock that stands.
    struct Stands(Timestamp);

    #[async_trait]
    impl Clock for Stands {
        fn now(&self) -> Timestamp {
            self.0
        }

        async fn until(&self, _at: Timestamp) {}
    }

    /// A store with two leaves, sealed twenty and ten minutes ago.
    async fn store(folder: &Path, now: Timestamp) -> Arc<dyn Store> {
        let key = LogKey::new("test/log", SigningKey::from_bytes(&[7; 32])).unwrap();
        let store = Sqlite::open(&folder.join("executor.db"), None, Arc::new(key)).unwrap();
        for (n, minutes) in [(1, 20), (2, 10)] {
            let text = |text: &str| text.to_owned();
            let (what, old, new, reason) = (text("policy"), text("a"), text("b"), text("r"));
            let (by, note) = (Vec::new(), String::new());
            let change = Change { what, old, new, reason, by, note };
            let at = now - SignedDuration::from_mins(minutes);
            let leaf = seal::changed(change, &id("rcp", n).parse().unwrap(), at);
            store.seal(leaf, None).await.unwrap();
        }
        Arc::new(store)
    }

    /// Under load there is always something that waits: how old it is says whether it is stuck.
    #[tokio::test]
    async fn it_tells_how_much_waits_and_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let now = "2026-11-16T12:00:00Z".parse().unwrap();
        let (store, clock) = (store(folder.path(), now).await, Arc::new(Stands(now)));
        let place = folder.path().join("sink");
        let to = json!({ "file": { "path": place.join("events.jsonl") } });
        let settings: SinkConfig =
            serde_json::from_value(json!({ "name": "soc", "to": to })).unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let sink = Sink::new(&settings, &vault, &*clock).unwrap();
        let metrics = Metrics::new(&Catalog::default(), std::slice::from_ref(&settings));
        let feed = Feed::new(&settings, sink, store, clock).telling(&metrics);
        let tells = |leaves: u64, seconds: u64| {
            let text = metrics.text();
            let leaves = format!("countersign_siem_behind{{sink=\"soc\"}} {leaves}\n");
            let age = format!("countersign_siem_behind_seconds{{sink=\"soc\"}} {seconds}\n");
            assert!(text.contains(&leaves) && text.contains(&age), "{leaves}{age}{text}");
        };
        assert!(feed.round(now).await.is_err(), "there is no such folder");
        tells(2, 1200);
        fs::create_dir(place).unwrap();
        assert!(matches!(feed.round(now).await, Ok(Round::Sent)));
        assert!(matches!(feed.round(now).await, Ok(Round::Idle)));
        tells(0, 0);
    }

    fn fed(next: u64, upto: u64, attempt: u32) -> Fed {
        Fed { origin: "log".to_owned(), next, upto, attempt }
    }

    #[test]
    fn what_was_perhaps_sent_is_sent_again_as_it_was_and_says_so() {
        assert_eq!(next_try(fed(0, 0, 0), 450), fed(0, 200, 1));
        assert_eq!(next_try(fed(0, 200, 1), 900), fed(0, 200, 2), "no larger batch");
        assert_eq!(next_try(fed(200, 200, 0), 450), fed(200, 400, 1));
        assert_eq!(next_try(fed(400, 400, 3), 450), fed(400, 450, 1));
        assert_eq!(next_try(fed(0, 900, 1), 900), fed(0, 900, 2), "of a store that was restored");
    }

    #[test]
    fn a_log_of_another_name_is_told_from_its_beginning() {
        assert_eq!(of_log(fed(7, 9, 2), "log"), fed(7, 9, 2));
        let epoch = of_log(fed(7, 9, 2), "log/epoch-2");
        assert_eq!(epoch, Fed { origin: "log/epoch-2".to_owned(), ..Fed::default() });
    }
}
