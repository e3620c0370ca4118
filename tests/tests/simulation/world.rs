//! What the hosts of one simulation share: time, chance, the database, the shop's books,
//! and the story that is told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_executor::ports::Clock;
use countersign_executor::store::memory::Database;
use jiff::Timestamp;
use parking_lot::Mutex;
use uuid::Uuid;

use super::dice::Dice;
use super::executor::Switches;
use super::ground::Ground;
use super::shop::Books;

/// When every simulation begins, in milliseconds since 1970.
const EPOCH: i64 = 1_780_000_000_000;
/// Longest sleep before the clock is looked at again: it may have jumped.
const NAP: i64 = 50;

/// One simulation.
pub struct World {
    pub ground: &'static Ground,
    pub database: Arc<Database>,
    pub books: Mutex<Books>,
    pub rates: Rates,
    time: Time,
    seed: u64,
    told: Mutex<Told>,
}

/// How often what goes wrong, in thousandths.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// Of requests to the shop.
    pub backend: usize,
    /// Of questions to the database.
    pub database: usize,
}

#[derive(Default)]
struct Told {
    story: Vec<String>,
    faults: BTreeMap<&'static str, u64>,
    /// Keys of actions that a fault met.
    hit: BTreeSet<String>,
    violations: Vec<String>,
}

/// Time of the whole world, in milliseconds.
#[derive(Clone, Default)]
struct Time {
    /// It leaps, as where every machine was stopped for a while.
    leapt: Arc<AtomicI64>,
    /// Since the beginning, as seen from outside the hosts.
    outside: Arc<AtomicI64>,
}

impl Time {
    /// Milliseconds since 1970.
    fn now(&self) -> i64 {
        let inside = turmoil::sim_elapsed().map(|at| i64::try_from(at.as_millis()).unwrap());
        let elapsed = inside.unwrap_or_else(|| self.outside.load(Ordering::SeqCst));
        EPOCH + elapsed + self.leapt.load(Ordering::SeqCst)
    }

    /// By the clock of a machine that nobody sets. It goes on while the machine stands still.
    fn awake(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now()).unwrap())
    }
}

impl World {
    pub fn new(seed: u64, lease: Duration, rates: Rates) -> Arc<Self> {
        let (ground, time) = (Ground::get(), Time::default());
        let clock = time.clone();
        let now = move || Timestamp::from_millisecond(clock.now()).unwrap();
        Arc::new(Self {
            database: Arc::new(Database::new(Arc::clone(&ground.log), lease, now)),
            ground,
            books: Mutex::default(),
            rates,
            time,
            seed,
            told: Mutex::default(),
        })
    }

    /// Chance for one purpose, apart from all other.
    pub fn dice(&self, purpose: &str) -> Dice {
        let mix = |seed: u64, byte: u8| seed.wrapping_mul(31).wrapping_add(u64::from(byte));
        Dice::new(self.seed.wrapping_mul(1_000_003) ^ purpose.bytes().fold(17, mix))
    }

    pub fn now(&self) -> i64 {
        self.time.now()
    }

    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now()).unwrap()
    }

    /// So many milliseconds have passed, for those who are on no host.
    pub fn pass(&self, now: u64) {
        self.time.outside.store(i64::try_from(now).unwrap(), Ordering::SeqCst);
    }

    /// Waits by the world's time.
    pub async fn sleep(&self, millis: u64) {
        let at = self.now() + i64::try_from(millis).unwrap();
        sleep_until(at, || self.now()).await;
    }

    /// Everything stands still for so long, and then goes on.
    pub fn leap(&self, seconds: i64) {
        self.time.leapt.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Time that a lease is counted in.
    pub fn awake(&self) -> Arc<dyn Fn() -> Duration + Send + Sync> {
        let time = self.time.clone();
        Arc::new(move || time.awake())
    }

    /// The clocks of one executor: its wall clock, which may be off, and one that nobody
    /// sets.
    pub fn clock(&self, host: &str, switches: Switches) -> Arc<dyn Clock> {
        let ids = Mutex::new(self.dice(&format!("ids of {host} at {}", self.now())));
        Arc::new(Skewed { time: self.time.clone(), switches, ids })
    }

    /// A line of the story.
    pub fn tell(&self, line: impl AsRef<str>) {
        let seconds = (self.now() - EPOCH) as f64 / 1000.0;
        self.told.lock().story.push(format!("{seconds:9.3} {}", line.as_ref()));
    }

    /// Counts a fault, and whom it met.
    pub fn fault(&self, kind: &'static str, met: impl IntoIterator<Item = String>) {
        let met: Vec<_> = met.into_iter().collect();
        self.tell(format!("fault: {kind} {}", met.join(" ")));
        let mut told = self.told.lock();
        *told.faults.entry(kind).or_default() += 1;
        told.hit.extend(met);
    }

    pub fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.tell(format!("VIOLATION: {what}"));
        self.told.lock().violations.push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.told.lock().violations.clone()
    }

    pub fn story(&self) -> Vec<String> {
        self.told.lock().story.clone()
    }

    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.told.lock().faults.clone()
    }

    pub fn hit(&self) -> BTreeSet<String> {
        self.told.lock().hit.clone()
    }
}

struct Skewed {
    time: Time,
    switches: Switches,
    ids: Mutex<Dice>,
}

impl Skewed {
    fn millis(&self) -> i64 {
        self.time.now() + self.switches.off()
    }
}

#[async_trait]
impl Clock for Skewed {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.millis()).unwrap()
    }

    /// A wait that has begun is as long as it was, however the wall clock is set meanwhile.
    async fn until(&self, at: Timestamp) {
        let wait = at.as_millisecond() - self.millis();
        sleep_until(self.time.now() + wait, || self.time.now()).await;
    }

    fn awake(&self) -> Duration {
        self.time.awake()
    }

    fn fresh_id(&self) -> Uuid {
        let mut ids = self.ids.lock();
        let random = [ids.next().to_le_bytes(), ids.next().to_le_bytes()].concat();
        let random: &[u8; 10] = random.first_chunk().unwrap();
        let millis = u64::try_from(self.millis()).unwrap();
        uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
    }
}

async fn sleep_until(at: i64, now: impl Fn() -> i64) {
    loop {
        let left = at - now();
        if left <= 0 {
            return;
        }
        let nap = u64::try_from(left.min(NAP)).unwrap();
        tokio::time::sleep(Duration::from_millis(nap)).await;
    }
}
