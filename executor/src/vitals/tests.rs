#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;

use async_trait::async_trait;
use countersign_core::answer::{Barrier, ReadFailure, Sent};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_shared::attest::Decision::Approve;
use countersign_shared::receipt::Counted;
use countersign_shared::tlog::key::LogKey;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use parking_lot::Mutex;

use super::reserve::Reserve;
use super::*;
use crate::config::Log;
use crate::gap::tests::{refund, without_approval};
use crate::grants::tests::house::House;
use crate::grants::tests::shop::{PACK, Shop};
use crate::ports::Backends;
use crate::standing::Gap;
use crate::store::sqlite::Sqlite;
use crate::testing::{catalog, desk, policy};

fn well_off() -> Found {
    Found { free: Ok(ROOM), reserved: true, key: Ok(()) }
}

fn well() -> Seen {
    let store = Ok(SignedDuration::ZERO);
    Seen { disk: well_off(), store, behind: SignedDuration::from_secs(-1) }
}

#[test]
fn each_ailment_halts_and_says_what_to_do() {
    assert_eq!(well().ailment(), None);
    let low = "has 63 MiB left and needs 64: make room";
    let on = |disk| Seen { disk, ..well() };
    let cases = [
        (on(Found { free: Ok(ROOM - 1), ..well_off() }), low),
        (on(Found { reserved: false, ..well_off() }), "has 64 MiB left and needs 96: make room"),
        (on(Found { free: Err("gone".to_owned()), ..well_off() }), "cannot be looked at: gone"),
        (Seen { store: Err("read-only".to_owned()), ..well() }, "no writes: read-only"),
        (on(Found { key: Err("log key k".to_owned()), ..well_off() }), "k: put the file back"),
        (Seen { behind: SignedDuration::from_secs(3), ..well() }, "clock is 3 s behind what"),
        (Seen { store: Ok(SignedDuration::from_secs(3)), ..well() }, "clock is 3 s ahead of the"),
        (Seen { store: Ok(SignedDuration::from_secs(-3)), ..well() }, "clock is 3 s behind the"),
    ];
    for (seen, wanted) in cases {
        let why = seen.ailment().unwrap();
        assert!(why.contains(wanted), "{why}");
    }
    assert_eq!(Seen { behind: LEEWAY, ..well() }.ailment(), None);
    assert_eq!(Seen { store: Ok(-LEEWAY), ..well() }.ailment(), None);
}

#[test]
fn room_is_given_back_when_it_is_scarce_and_taken_again_when_there_is_plenty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reserve");
    let mut reserve = Reserve::at(path.clone());
    let plenty = ROOM + reserve::SIZE;
    reserve.keep(plenty - 1, ROOM);
    assert!(!reserve.is_kept() && !path.exists());
    reserve.keep(plenty, ROOM);
    assert!(reserve.is_kept() && fs::metadata(&path).unwrap().len() == reserve::SIZE);
    assert!(Reserve::at(path.clone()).is_kept(), "a restart finds it");
    reserve.keep(8 * 1024 * 1024, ROOM);
    assert!(reserve.is_kept());
    reserve.keep(8 * 1024 * 1024 - 1, ROOM);
    assert!(!reserve.is_kept() && !path.exists());
}

struct Hands(Mutex<Timestamp>);

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    async fn until(&self, _: Timestamp) {}
}

/// The clock and the key file of a real store: halted while they are wrong, and by itself
/// no longer.
#[tokio::test]
async fn a_clock_behind_what_was_written_and_a_key_that_is_gone_halt_until_they_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let secret = SigningKey::from_bytes(&[7; 32]);
    let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
    let key = folder.path().join("log.key");
    fs::write(&key, pem.as_bytes()).unwrap();
    let origin = "t.example/log".to_owned();
    let config = Log { key: key.clone(), origin, ..Log::default() };
    let log = Arc::new(LogKey::new("t.example/log", secret).unwrap());
    let store = Sqlite::open(&folder.path().join("executor.db"), None, log).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let now = Timestamp::now();
    let leaf = countersign_core::seal::counted(
        "c",
        "t",
        Counted { since: now, until: now, codes: Default::default() },
        &countersign_shared::ids::ReceiptId::from_uuid(uuid::Uuid::now_v7()),
        now,
    );
    store.seal(leaf, None).await.unwrap();
    let clock = Arc::new(Hands(Mutex::new(now)));
    let (vitals, disk) = (Vitals::default(), Folder::of(folder.path().to_owned(), config));
    let hands = Arc::<Hands>::clone(&clock);
    let begun = Watch::begin(vitals.clone(), disk, store, hands, Metrics::default()).await;
    let mut watch = begun.unwrap();
    assert_eq!(vitals.ailment(Instant::now()), None);

    // A clock that was only seen to run ahead halts nothing when it is right again.
    *clock.0.lock() = now.checked_add(SignedDuration::from_hours(24)).unwrap();
    watch.look().await;
    *clock.0.lock() = now;
    watch.look().await;
    assert_eq!(vitals.ailment(Instant::now()), None);
    // Who looks may stop: an old answer is none.
    let later = Instant::now() + STALE + Duration::from_secs(1);
    assert!(vitals.ailment(later).unwrap().contains("nobody has looked"));
    *clock.0.lock() = now.checked_sub(SignedDuration::from_secs(60)).unwrap();
    watch.look().await;
    assert!(vitals.check().unwrap_err().is(Code::EffectsHalted));
    assert!(vitals.ailment(Instant::now()).unwrap().contains("60 s behind"));
    *clock.0.lock() = now;
    watch.look().await;
    assert_eq!(vitals.ailment(Instant::now()), None);

    fs::rename(&key, folder.path().join("elsewhere")).unwrap();
    watch.look().await;
    assert!(vitals.ailment(Instant::now()).unwrap().contains("put the file back"));
    fs::rename(folder.path().join("elsewhere"), &key).unwrap();
    watch.look().await;
    assert_eq!(vitals.ailment(Instant::now()), None);
}

/// Whatever was put off before a recovery is looked for, also where the first look at a slow disk
/// comes to no end.
#[tokio::test(start_paused = true)]
async fn a_gap_is_known_before_the_first_look_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("executor.db");
    let log = Arc::new(LogKey::new("t.example/log", SigningKey::from_bytes(&[7; 32])).unwrap());
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&path, None, log).unwrap());
    let since = Timestamp::now();
    let standing = Standing { gap: Some(Gap { since, missing: 0 }), ..Standing::default() };
    let other = rusqlite::Connection::open(&path).unwrap();
    let body = serde_json::to_string(&standing).unwrap();
    other.execute("INSERT INTO standing (one, body) VALUES (1, ?1)", [body]).unwrap();
    // No other writer gets its turn.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let vitals = Vitals::default();
    let disk = Folder::of(folder.path().to_owned(), Log::default());
    let begun = Watch::begin(
        vitals.clone(),
        disk,
        store,
        Arc::new(crate::ports::SystemClock),
        Metrics::default(),
    );
    drop(begun.await.unwrap());
    assert!(vitals.ailment(Instant::now()).unwrap().contains("does not answer a write"));
    assert_eq!(vitals.gap(), Some(since));
}

/// What was sent and has no receipt yet was written, too: at the start, and from then on.
#[tokio::test]
async fn a_clock_behind_an_intent_halts_although_the_newest_receipt_is_older() {
    let house = House::of(&["bob", "carol", "dave"]);
    let asked = house.propose().await;
    house.answer("bob", &asked, Approve).await.unwrap();
    // The gate's read is the second, the look's the third: its intent is durable by then.
    let held = house.shop.hold(3);
    let yes = house.answering("carol", &asked, Approve);
    held.reached().await;
    let (vitals, store) = (&house.desk.pipeline.vitals, &*house.desk.pipeline.store);
    let written = under_way(store).await.unwrap();
    assert!(store.newest().await.unwrap().is_none_or(|sealed| sealed < written));
    let ago = |seconds| written.checked_sub(SignedDuration::from_secs(seconds)).unwrap();
    assert!(vitals.is_behind(ago(60)) && !vitals.is_behind(ago(1)));
    held.let_go();
    yes.await.unwrap().unwrap();
    assert_eq!(under_way(store).await, None, "the receipt tells it now");
}

/// As late as it was last waited for.
struct Hasty(Mutex<Timestamp>);

#[async_trait]
impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    async fn until(&self, at: Timestamp) {
        let mut now = self.0.lock();
        *now = now.max(at);
    }
}

/// Takes no write; from the first one on the executor ails.
struct Ailing(Arc<Shop>, Vitals);

#[async_trait]
impl Backends for Ailing {
    fn account(&self, tenant: &str, pack: &str) -> Option<Account> {
        self.0.account(tenant, pack)
    }

    async fn send(&self, _: &Subject, _: &Contract, _: &WireRequest) -> Sent {
        self.1.set(Some("no room".to_owned()), Instant::now());
        Sent::NotSent { barrier: Barrier::Unreachable, why: "no route".to_owned() }
    }

    async fn read(
        &self,
        whose: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<serde_json::Value, ReadFailure> {
        self.0.read(whose, contract, request).await
    }
}

#[tokio::test]
async fn an_ailment_that_lasts_is_not_told_as_the_backends() {
    let (folder, vitals) = (tempfile::tempdir().unwrap(), Vitals::default());
    let files = PACK.map(|(name, text)| (name, without_approval(text)));
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let backends = Arc::new(Ailing(Arc::default(), vitals.clone()));
    let clock = Arc::new(Hasty(Mutex::new(Timestamp::now())));
    let mut desk = desk(folder.path(), (catalog(&files), policy()), backends, clock);
    desk.pipeline.vitals = vitals;
    let told = refund(&desk).await;
    let ended = (told.outcome.as_str(), told.code.as_str(), told.next.as_str());
    assert_eq!(ended, ("not_applied", "EFFECTS_HALTED", "person"), "{}", told.message);
    assert!(told.attempts.len() > 9, "it was tried for ten minutes");
}
