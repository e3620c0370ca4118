#![allow(clippy::unwrap_used, reason = "tests")]

use async_trait::async_trait;
use countersign_core::resolve::Observation;
use countersign_core::seal;
use countersign_shared::ids::{ObservationId, ReceiptId};
use countersign_shared::receipt::Change;
use countersign_shared::tlog::key::LogKey;
use ed25519_dalek::SigningKey;
use parking_lot::Mutex;
use uuid::Uuid;

use super::*;
use crate::store::conformance::owner;
use crate::store::sqlite::Sqlite;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const KEEP: Keep = Keep { proposals: Duration::from_secs(3600), plaintext: 13 };

/// A wall clock that is set by hand, beside time that only passes.
struct Hands(Mutex<(Timestamp, Duration)>);

impl Hands {
    fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new((now, Duration::from_secs(7)))))
    }

    fn set(&self, by: SignedDuration) {
        self.0.lock().0 += by;
    }

    fn pass(&self, time: SignedDuration) {
        let mut hands = self.0.lock();
        hands.0 += time;
        hands.1 += time.unsigned_abs();
    }
}

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        self.0.lock().0
    }

    async fn until(&self, _: Timestamp) {}

    fn awake(&self) -> Duration {
        self.0.lock().1
    }
}

#[tokio::test]
async fn a_clock_that_is_two_years_ahead_takes_nothing_away_until_it_ran_for_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let key = LogKey::new("test/log", SigningKey::from_bytes(&[7; 32])).unwrap();
    let store = Sqlite::open(&folder.path().join("executor.db"), None, Arc::new(key)).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let clock = Hands::at(Timestamp::now());
    let begin = async || {
        let clock = Arc::clone(&clock) as Arc<dyn Clock>;
        Purge::begin(Arc::clone(&store), clock, KEEP).await.unwrap()
    };
    sealed(&*store, &clock).await;
    observed(&*store, &clock).await;
    assert_eq!(begin().await.once().await, Ok(Some(0)), "the clock is right");
    clock.set(DAY * 730);
    let mut purge = begin().await;
    assert_eq!(purge.once().await, Ok(None));
    // What is sealed meanwhile bears the wrong time, and makes it no truer.
    sealed(&*store, &clock).await;
    clock.pass(DAY - SignedDuration::from_secs(1));
    assert_eq!(purge.once().await, Ok(None));
    clock.pass(SignedDuration::from_secs(1));
    let gone = purge.once().await.unwrap();
    assert!(gone > Some(0), "nobody put it right, so nothing happened for so long: {gone:?}");
}

#[test]
fn a_clock_is_doubted_for_as_long_as_it_is_ahead() {
    let clock = Hands::at("2026-01-01T00:00:00Z".parse().unwrap());
    let mut wall = Wall::since(Some(clock.now()), Arc::clone(&clock) as Arc<dyn Clock>);
    clock.pass(DAY * 40);
    assert_eq!(wall.now(), Ok(clock.now()), "what passes is no leap");
    clock.set(DAY * 2);
    assert_eq!(wall.now(), Ok(clock.now()));
    clock.set(DAY * 3);
    assert_eq!(wall.now(), Err(DAY * 3));
    clock.set(-DAY * 3);
    assert_eq!(wall.now(), Ok(clock.now()), "put right");
    // A day of doubt counts from its own beginning.
    clock.pass(DAY);
    clock.set(DAY * 3);
    assert_eq!(wall.now(), Err(DAY * 3));
    clock.pass(DAY);
    assert_eq!(wall.now(), Ok(clock.now()));
    let mut empty = Wall::since(None, Arc::clone(&clock) as Arc<dyn Clock>);
    assert_eq!(empty.now(), Ok(clock.now()), "nothing is there to lose");
}

async fn sealed(store: &dyn Store, clock: &Hands) {
    let change = Change {
        what: "policy".into(),
        old: String::new(),
        new: "d".into(),
        reason: String::new(),
        by: vec![],
        note: String::new(),
    };
    let id = ReceiptId::from_uuid(Uuid::now_v7());
    store.seal(seal::changed(change, &id, clock.now()), None).await.unwrap();
}

async fn observed(store: &dyn Store, clock: &Hands) {
    let id = ObservationId::from_uuid(Uuid::now_v7());
    let (value, labels) = (serde_json::json!({}), serde_json::json!({}));
    let seen = Observation { id, tool: "p.r".into(), value, labels, at: clock.now() };
    store.observe(&owner(), "c", seen).await.unwrap();
}
