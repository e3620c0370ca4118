//! A year of one large tenant and twenty small ones.

#[path = "../../src/store/postgres/cluster.rs"]
mod cluster;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster::{Cluster, USER};
use countersign_core::error::Refused;
use countersign_core::person::Person;
use countersign_core::proposal::Asked;
use countersign_core::seal::{self, Leaf, Queue};
use countersign_core::subject::Subject;
use countersign_executor::conversations::{Cost, Rating};
use countersign_executor::ports::{Store, Turn};
use countersign_executor::register::day_of;
use countersign_executor::store::postgres::Postgres;
use countersign_executor::store::sqlite::Sqlite;
use countersign_executor::vault::Vault;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ReceiptId, TurnId};
use countersign_shared::money::Money;
use countersign_shared::receipt::{Argument, Grant};
use countersign_shared::tlog::key::LogKey;
use ed25519_dalek::SigningKey;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

pub(crate) const TOOLS: [&str; 5] =
    ["shop.refund", "shop.cancel", "stripe.refund", "shop.address", "desk.reply"];
pub(crate) const CODES: [&str; 4] =
    ["STATE_CHANGED", "ORDER_NOT_PAID", "LIMIT_EXCEEDED", "POLICY_FORBIDS"];
pub(crate) const CUSTOMERS: u32 = 100_000;
/// Of a conversation.
const RECEIPTS: u32 = 2;
const TURNS: u32 = 3;
/// Receipts that wait for the store at once; and conversations, of which each turn waits for one
/// of its connections.
const WAITING: usize = 512;
const TALKING: usize = 64;

/// A filled store.
pub(crate) struct World {
    pub(crate) store: Box<dyn Store>,
    place: Place,
}

/// Where it is, gone with the value.
enum Place {
    File(TempDir),
    Server(Cluster),
}

impl World {
    /// Seals so many receipts, in SQLite's file or in a PostgreSQL of its own.
    pub(crate) async fn fill(count: u32, postgres: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let key = LogKey::new("bench/log", SigningKey::from_bytes(&[7; 32])).unwrap();
        let world = if postgres {
            let cluster = Cluster::start(&[]);
            let store = on_server(&cluster, folder.path(), Arc::new(key)).await;
            Self { store, place: Place::Server(cluster) }
        } else {
            let file = folder.path().join("executor.db");
            let store = Box::new(Sqlite::open(&file, None, Arc::new(key)).unwrap());
            Self { store, place: Place::File(folder) }
        };
        let began = Instant::now();
        let seals = stream::iter(0..count).map(|n| world.store.seal(leaf(n, count), None));
        seals.buffered(WAITING).try_for_each(async |_| Ok(())).await.unwrap();
        written("receipts sealed", count, began);
        let began = Instant::now();
        let conversations = stream::iter(0..count / RECEIPTS).map(|n| world.converse(n, count));
        conversations.buffer_unordered(TALKING).for_each(async |()| {}).await;
        written("turns told", count / RECEIPTS * TURNS, began);
        if let Place::Server(cluster) = &world.place {
            // As its autovacuum does within a minute.
            cluster.sql("ANALYZE");
        }
        world
    }

    /// One conversation, told turn by turn; one in ten is rated.
    async fn converse(&self, n: u32, count: u32) {
        let mut dice = Dice::of(n * RECEIPTS);
        let (_, who) = somebody(&mut dice);
        let began = at(n * RECEIPTS, count);
        let currency = if dice.roll(5) > 0 { "USD" } else { "EUR" };
        let conversation = format!("conversation {n}");
        for turn in 0..TURNS {
            let millis = began.as_millisecond() + i64::from(turn) * 60_000;
            let mut rest = [0; 10];
            rest[6..].copy_from_slice(&(n * TURNS + turn).to_be_bytes());
            let id = uuid::Builder::from_unix_timestamp_millis(millis.unsigned_abs(), &rest);
            let micros = i64::from(500 + dice.roll(5_000));
            let turn = Turn {
                id: TurnId::from_uuid(id.into_uuid()),
                tenant: who.tenant.clone(),
                issuer: who.issuer.clone(),
                subject: who.id.clone(),
                conversation: conversation.clone(),
                external_ref: String::new(),
                trace: String::new(),
                body: "{}".to_owned(),
                cost: Some(Cost { currency: currency.to_owned(), micros }),
            };
            self.store.record(&who, turn).await.unwrap();
        }
        if n.is_multiple_of(10) {
            let rating = Rating { day: day_of(began), score: i64::from(1 + dice.roll(5)) };
            assert!(self.store.rate(&who, &conversation, rating).await.unwrap());
        }
    }

    /// When the year ends.
    pub(crate) fn end() -> Timestamp {
        "2026-11-16T00:00:00Z".parse().unwrap()
    }

    /// How long a bare count over the same rows takes.
    pub(crate) async fn count(&self) -> Duration {
        const COUNT: &str = "SELECT count(*) FROM register";
        match &self.place {
            Place::File(folder) => {
                let db = Connection::open(folder.path().join("executor.db")).unwrap();
                let began = Instant::now();
                let _: i64 = db.query_row(COUNT, [], |r| r.get(0)).unwrap();
                began.elapsed()
            }
            Place::Server(cluster) => {
                let mut config = tokio_postgres::Config::new();
                config.host_path(cluster.host()).user(USER).dbname("postgres");
                let (client, connection) = config.connect(NoTls).await.unwrap();
                let ends = tokio::spawn(connection);
                let began = Instant::now();
                client.query_one(COUNT, &[]).await.unwrap();
                let took = began.elapsed();
                drop(client);
                ends.await.unwrap().unwrap();
                took
            }
        }
    }
}

async fn on_server(cluster: &Cluster, folder: &Path, key: Arc<LogKey>) -> Box<dyn Store> {
    let (host, kek) = (cluster.host().display(), folder.join("keys.kek"));
    let config = format!(
        "{{ host: '{host}', database: postgres, user: {USER}, tls: 'off', lease: 6s, pool: 8 }}"
    );
    let config = serde_saphyr::from_str(&config).unwrap();
    let vault = Vault::open(folder).unwrap();
    Box::new(Postgres::open(&config, &vault, "bench", &kek, key).await.unwrap())
}

pub(crate) fn email(customer: u32) -> String {
    format!("customer{customer}@example.com")
}

fn written(what: &str, count: u32, began: Instant) {
    let took = began.elapsed();
    let each = took.as_micros() / u128::from(count.max(1));
    println!("{count} {what} in {took:.1?}, {each} µs each");
}

/// The same numbers for the same seed.
struct Dice(u32);

impl Dice {
    fn of(seed: u32) -> Self {
        Self(seed.wrapping_mul(2_654_435_761) | 1)
    }

    fn roll(&mut self, sides: u32) -> u32 {
        let Self(dice) = self;
        *dice ^= *dice << 13;
        *dice ^= *dice >> 17;
        *dice ^= *dice << 5;
        *dice % sides
    }
}

/// A customer, by number and as a subject of some tenant.
fn somebody(dice: &mut Dice) -> (u32, Subject) {
    let customer = dice.roll(CUSTOMERS);
    let big = dice.roll(10) > 0;
    let tenant = if big { "big".to_owned() } else { format!("small{}", dice.roll(20)) };
    let id = format!("c{customer}");
    let subject = json!({
        "tenant": tenant, "issuer": "i", "id": id, "signs_as": id, "claims": {},
        "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
        "verified_at": "2026-01-01T00:00:00Z",
    });
    (customer, serde_json::from_value(subject).unwrap())
}

/// When the n-th receipt of so many is sealed.
fn at(n: u32, count: u32) -> Timestamp {
    World::end() - SignedDuration::from_secs(i64::from(count - n) * 31_536_000 / i64::from(count))
}

/// The n-th receipt of the year.
fn leaf(n: u32, count: u32) -> Leaf {
    let mut dice = Dice::of(n);
    let (customer, subject) = somebody(&mut dice);
    let mut roll = |sides| dice.roll(sides);
    let asked: Asked = serde_json::from_value(json!({
        "caller": "spiffe://t/planner", "channel": "web",
        "subject": subject,
        "conversation": format!("conversation {}", n / RECEIPTS), "external_ref": "", "messages": [],
        "confidence": { "score": 0.9, "uncertainty_reason": "", "recommended_action": "" },
        "model": { "model": "m", "input_tokens": 900, "output_tokens": 90, "latency_ms": 1,
                   "repairs": 0, "fallback": "" },
        "after_receipt": null,
    }))
    .unwrap();
    let id = ReceiptId::from_uuid(Uuid::now_v7());
    let refused = Refused::new(Code::StateChanged, "changed");
    let at = at(n, count);
    let mut leaf = seal::refusal(&asked, TOOLS[roll(5) as usize], None, &refused, &id, at);
    leaf.queue = Queue::Stays;
    leaf.person = Person::of(&asked.subject);
    let receipt = &mut leaf.receipt;
    let currency = if roll(5) > 0 { "USD" } else { "EUR" }.parse().unwrap();
    receipt.money = Some(Money::from_minor(i64::from(1 + roll(1_000) * roll(1_000)), currency));
    match roll(100) {
        0..70 => "applied".clone_into(&mut receipt.outcome),
        70 => "unknown".clone_into(&mut receipt.outcome),
        71..75 => "not_applied".clone_into(&mut receipt.outcome),
        _ => CODES[roll(4) as usize].clone_into(&mut receipt.code),
    }
    if receipt.outcome != "refused" {
        receipt.code.clear();
    }
    receipt.arguments = vec![argument(&format!("gid://shopify/Order/{n}"))];
    receipt.before = json!({ "order": { "name": format!("#{n}"), "email": email(customer) } });
    if roll(10) == 0 {
        let kind = if roll(50) == 0 { "rejection" } else { "approval" };
        receipt.grants = vec![answer(kind, at - SignedDuration::from_secs(5))];
        receipt.proposal_id = id.as_str().replacen("rcp_", "prp_", 1);
    }
    leaf
}

fn argument(value: &str) -> Argument {
    Argument {
        path: "order".to_owned(),
        value: value.into(),
        from: "observation".to_owned(),
        at: "obs".to_owned(),
    }
}

fn answer(kind: &str, at: Timestamp) -> Grant {
    Grant {
        kind: kind.to_owned(),
        by: "anna".to_owned(),
        issuer: String::new(),
        role: "lead".to_owned(),
        reason: String::new(),
        at,
        card: String::new(),
        text: "Refund?".to_owned(),
        signature: Json::Null,
    }
}
