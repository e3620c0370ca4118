//! Executors of one database whose clocks differ.

use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::*;
use crate::metrics::Metrics;
use crate::ports::Clock;
use crate::vitals::{Disk, Found, Vitals, Watch};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// An executor whose clock is off.
struct Node {
    vitals: Vitals,
    watch: Watch,
    off: Arc<Off>,
}

#[derive(Default)]
struct Off(Mutex<SignedDuration>);

#[async_trait]
impl Clock for Off {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock()
    }

    async fn until(&self, _: Timestamp) {}
}

struct Room;

#[async_trait]
impl Disk for Room {
    async fn look(&mut self) -> Found {
        Found { free: Ok(u64::MAX), reserved: true, key: Ok(()) }
    }
}

impl Node {
    async fn start(store: &Arc<Postgres>, by: SignedDuration) -> Self {
        let (vitals, off) = (Vitals::default(), Arc::new(Off(Mutex::new(by))));
        let (store, clock) = (Arc::<Postgres>::clone(store), Arc::<Off>::clone(&off));
        let watch = Watch::begin(vitals.clone(), Room, store, clock, Metrics::default());
        let watch = watch.await.unwrap();
        Self { vitals, watch, off }
    }

    async fn says(&mut self) -> Option<String> {
        self.watch.look().await;
        self.vitals.ailment(Instant::now())
    }

    async fn after(&mut self, by: SignedDuration) -> Option<String> {
        *self.off.0.lock() = by;
        self.says().await
    }
}

#[tokio::test]
async fn who_is_off_halts_and_nobody_by_what_it_wrote() {
    let house = bed().await;
    let [one, two] =
        [Arc::new(house.join("a").await.unwrap()), house.join("b").await.unwrap().into()];
    let (mut wrong, mut right) =
        (Node::start(&one, HOUR).await, Node::start(&two, SignedDuration::ZERO).await);
    // What was under way is finished.
    let [what, old, new, reason, note] = <[String; 5]>::default();
    let change = Change { what, old, new, reason, by: vec![], note };
    let id = ReceiptId::from_uuid(uuid::Uuid::now_v7());
    one.seal(seal::changed(change, &id, wrong.off.now()), None).await.unwrap();
    let why = wrong.says().await.unwrap();
    assert!(why.contains(" s ahead of the database's: set right"), "{why}");
    assert_eq!(right.says().await, None);
    assert!(!right.vitals.is_behind(Timestamp::now()));
    // Nor after a start.
    assert_eq!(Node::start(&two, SignedDuration::ZERO).await.says().await, None);
    assert_eq!(wrong.after(SignedDuration::ZERO).await, None, "it is right again");
    let why = right.after(-HOUR).await.unwrap();
    assert!(why.contains(" s behind the database's: set right"), "{why}");
    assert!(right.vitals.is_behind(right.off.now()), "nothing is sent again by it");
}
