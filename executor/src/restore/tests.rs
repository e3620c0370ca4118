#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod lost_keys;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::lifecycle::{self, Event, State};
use countersign_core::person::Person;
use countersign_core::seal::{self, Leaf};
use countersign_shared::ids::ReceiptId;
use countersign_shared::kept::Kept;
use countersign_shared::receipt::Change;
use countersign_shared::tlog::folder::Publisher;
use countersign_shared::tlog::note::Note;
use countersign_shared::tlog::proof::LogProof;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use tempfile::TempDir;

use super::*;
use crate::config::Log;
use crate::ports::{Fed, Named, Persons as _, Store as _, StoreError};
use crate::standing::Quarantine;
use crate::store::Restored;
use crate::store::sqlite::{Offline, Sqlite, backup};
use crate::testing::{applied, event, granted, id, proposed};

/// A log's secret in a folder.
pub(crate) fn keys(dir: &Path, seed: u8) -> LogKeys {
    let pem = SigningKey::from_bytes(&[seed; 32]).to_pkcs8_pem(LineEnding::LF).unwrap();
    let key = dir.join(format!("{seed}.pem"));
    fs::write(&key, pem.as_bytes()).unwrap();
    LogKeys::open(&Log { origin: "test/log".to_owned(), key, ..Log::default() }).unwrap()
}

struct House {
    dir: TempDir,
    keys: LogKeys,
}

impl House {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let keys = keys(dir.path(), 7);
        Self { dir, keys }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self, name: &str, epoch: u32) -> Sqlite {
        Sqlite::open(&self.path(name), None, Arc::new(self.keys.of(epoch).unwrap())).unwrap()
    }

    fn backup(&self) {
        let mark = Quarantine { why: "a backup".into(), since: Timestamp::now(), seen: 0 };
        let log = self.keys.of(1).unwrap();
        backup(&self.path("live.db"), &self.path("copy.db"), &log, &mark, |_, _| {}).unwrap();
    }

    fn offline(&self) -> Offline {
        Offline::open(&self.path("copy.db"), None, &self.keys).unwrap()
    }

    fn publish(&self, store: &Sqlite, name: &str) {
        let key = self.keys.of(1).unwrap().verifier_key();
        Publisher::new(&self.path(name), key).publish(&store.log_source()).unwrap();
    }

    fn plan(&self, from: &[&str]) -> anyhow::Result<Plan> {
        let from: Vec<_> = from.iter().map(|name| self.path(name)).collect();
        let evidence = Evidence::gather(&from, &self.keys)?;
        Plan::of(&self.offline(), evidence, &self.keys)
    }

    /// Carries a plan out; the store as it is afterwards.
    fn recover(&self, from: &[&str]) -> (Restored, Sqlite) {
        self.recover_at(from, Timestamp::now())
    }

    fn recover_at(&self, from: &[&str], now: Timestamp) -> (Restored, Sqlite) {
        let plan = self.plan(from).unwrap();
        let epoch = plan.epoch;
        let (restoration, standing) = plan.restoration(Vec::new(), now);
        let key = self.keys.of(epoch).unwrap();
        let done = self.offline().restore(&restoration, &standing, &key, now).unwrap();
        (done, self.store("copy.db", epoch))
    }
}

/// The journal of an action that ends so.
fn journal(n: u32, outcome: &str) -> Vec<Event> {
    let mut events = vec![proposed(n, &format!("i{n}"), &format!("o{n}")), granted()];
    events.extend(applied());
    let booked = json!({ "key": format!("cs-{n}"), "occasion": 0, "at": "2026-01-01T00:00:00Z",
                         "booked": [format!("a{n}")], "findings": [] });
    events[2] = event(json!({ "claimed": booked }));
    let settled = json!({ "outcome": outcome, "code": "", "message": "" });
    events[6] = event(json!({ "settled": settled }));
    events
}

async fn carry_out(store: &Sqlite, n: u32, outcome: &str) {
    let mut events = journal(n, outcome);
    let receipt: ReceiptId = id("rcp", n).parse().unwrap();
    let state = lifecycle::fold(events.clone()).unwrap();
    let leaf = seal::seal(&state, None, &receipt, Timestamp::now()).unwrap();
    events.push(Event::Sealed(receipt));
    let state = lifecycle::fold(events.clone()).unwrap();
    store.seal(leaf, Some((0, events, &state))).await.unwrap();
}

/// Keeps the receipt at this index as a planner does.
async fn keep(house: &House, store: &Sqlite, name: &str, index: u64) {
    let all = store.receipts(crate::ports::ReceiptQuery { limit: 99, ..Default::default() }).await;
    let sealed = all.unwrap().into_iter().find(|sealed| sealed.index == index).unwrap();
    let text = store.checkpoint().await.unwrap();
    let checkpoint = Note::parse(text.as_bytes()).unwrap();
    let size = Checkpoint::parse(checkpoint.text()).unwrap().size();
    let path = store.inclusion(index, size).await.unwrap();
    let proof = LogProof { index, path, checkpoint, extra: None }.to_string();
    let kept = Kept { receipt: String::from_utf8(sealed.body).unwrap(), proof };
    fs::create_dir_all(house.path(name)).unwrap();
    let file = house.path(name).join("receipts-2026-01-01.jsonl");
    let mut text = fs::read_to_string(&file).unwrap_or_default();
    text.push_str(&serde_json::to_string(&kept).unwrap());
    text.push('\n');
    fs::write(file, text).unwrap();
}

/// A backup after the first action, of which the second was proposed and the third sent.
async fn since_the_backup() -> (House, Sqlite) {
    let house = House::new();
    let live = house.store("live.db", 1);
    carry_out(&live, 1, "applied").await;
    for (n, steps) in [(2, 1), (3, 5), (9, 1)] {
        let events: Vec<_> = journal(n, "applied").into_iter().take(steps).collect();
        let state = lifecycle::fold(events.clone()).unwrap();
        live.append(0, events, &state).await.unwrap();
    }
    live.feed("soc", Fed { next: 1, upto: 1, ..Fed::default() }).await.unwrap();
    house.backup();
    (house, live)
}

async fn finish(live: &Sqlite, n: u32, from: usize, outcome: &str) {
    let mut events = journal(n, outcome);
    let receipt: ReceiptId = id("rcp", n).parse().unwrap();
    let state = lifecycle::fold(events.clone()).unwrap();
    let leaf = seal::seal(&state, None, &receipt, Timestamp::now()).unwrap();
    events.push(Event::Sealed(receipt));
    let state = lifecycle::fold(events.clone()).unwrap();
    let rest = events.split_off(from);
    live.seal(leaf, Some((u64::try_from(from).unwrap(), rest, &state))).await.unwrap();
}

#[tokio::test]
async fn a_complete_history_goes_on_and_its_keys_are_known() {
    let (house, live) = since_the_backup().await;
    finish(&live, 2, 1, "applied").await;
    finish(&live, 3, 5, "unknown").await;
    carry_out(&live, 4, "unknown").await;
    house.publish(&live, "log");
    let plan = house.plan(&["log"]).unwrap();
    assert!(plan.complete && plan.missing == 0, "{plan:?}");
    let (done, store) = house.recover(&["log"]);
    assert_eq!((done.keys, done.frozen), (3, 2));
    for (n, outcome) in [(1, "applied"), (2, "applied"), (3, "unknown"), (4, "unknown")] {
        let known = store.known(&format!("i{n}")).await.unwrap().unwrap();
        assert_eq!(known.outcome.unwrap().name(), outcome, "{n}");
        assert_eq!(known.receipt.unwrap().to_string(), id("rcp", n), "{n}");
    }
    assert!(store.unfinished().await.unwrap().is_empty());
    // The one that was sent before the backup ends in its own journal.
    let journal = store.parked(Named::Action(id("act", 3).parse().unwrap())).await.unwrap();
    let state = lifecycle::fold(journal).unwrap();
    assert!(matches!(&state, State::Sealed(s, _) if s.settlement.outcome.name() == "unknown"));
    let standing = store.standing().await.unwrap();
    assert!(standing.quarantine.is_none() && standing.gap.is_some() && standing.epoch == 1);
    // What a sink of events got since the backup, nobody remembers: it is marked.
    let fed = store.fed("soc").await.unwrap().unwrap();
    assert_eq!((fed.next, fed.upto, fed.attempt), (1, 4, 1));
    // It extends what was published.
    house.publish(&store, "log");
}

#[tokio::test]
async fn what_waits_is_ended_with_a_receipt_unless_it_is_void() {
    let (house, live) = since_the_backup().await;
    finish(&live, 2, 1, "applied").await;
    house.publish(&live, "log");
    // The proposals of these tests are good until the second of January.
    let (done, store) = house.recover_at(&["log"], "2026-01-01T12:00:00Z".parse().unwrap());
    assert_eq!(done.ended, 1, "the second was done since, the third was sent, the ninth waits");
    let journal = store.parked(Named::Action(id("act", 9).parse().unwrap())).await.unwrap();
    let state = lifecycle::fold(journal).unwrap();
    let State::SealedRefusal(stopped, _) = &state else { panic!("{}", state.name()) };
    assert_eq!(stopped.refused.code, "PROPOSAL_EXPIRED");
    drop(store);
    let (house, live) = since_the_backup().await;
    house.publish(&live, "log");
    assert_eq!(house.recover(&["log"]).0.ended, 0);
}

#[tokio::test]
async fn limits_and_locks_come_back() {
    let (house, live) = since_the_backup().await;
    carry_out(&live, 4, "unknown").await;
    carry_out(&live, 5, "applied").await;
    carry_out(&live, 6, "not_applied").await;
    house.publish(&live, "log");
    let (_, store) = house.recover(&["log"]);
    drop(store);
    let db = rusqlite::Connection::open(house.path("copy.db")).unwrap();
    let rows = |sql: &str| {
        let mut select = db.prepare(sql).unwrap();
        let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(rows("SELECT account FROM spending ORDER BY account"), ["a1", "a3", "a4", "a5"]);
    assert_eq!(rows("SELECT object FROM locks ORDER BY object"), ["o3", "o4"]);
    let open = "SELECT matter FROM escalations WHERE closed_by IS NULL";
    assert_eq!(rows(open), [id("act", 4)], "a person has to look");
}

#[tokio::test]
async fn what_is_missing_opens_a_new_epoch_and_what_is_known_counts() {
    let (house, live) = since_the_backup().await;
    carry_out(&live, 4, "applied").await;
    carry_out(&live, 5, "applied").await;
    keep(&house, &live, "planner", 2).await;
    let plan = house.plan(&["planner"]).unwrap();
    assert!(!plan.complete);
    assert_eq!((plan.restored, plan.missing, plan.back.len(), plan.epoch), (1, 1, 1, 2));
    let again = house.plan(&["planner"]).unwrap();
    assert_eq!((&plan.old, &plan.new), (&again.old, &again.new), "two sign the same");
    let (done, store) = house.recover(&["planner"]);
    assert_eq!(done.keys, 1);
    assert!(store.known("i5").await.unwrap().is_some());
    assert!(store.known("i4").await.unwrap().is_none());
    assert_eq!(store.standing().await.unwrap().epoch, 2);
    let text = store.checkpoint().await.unwrap();
    let (epoch, _) = house.keys.signed(text.as_bytes()).unwrap();
    assert_eq!(epoch, 2);
}

#[tokio::test]
async fn a_backup_from_before_an_epoch_goes_on_in_it() {
    let (house, live) = since_the_backup().await;
    let older = house.path("older.db");
    fs::copy(house.path("copy.db"), &older).unwrap();
    carry_out(&live, 4, "applied").await;
    carry_out(&live, 5, "applied").await;
    keep(&house, &live, "planner", 2).await;
    let (_, store) = house.recover(&["planner"]);
    carry_out(&store, 6, "applied").await;
    let key = house.keys.of(2).unwrap().verifier_key();
    Publisher::new(&house.path("log2"), key).publish(&store.log_source()).unwrap();
    drop(store);
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(house.path(&format!("copy.db{end}")));
    }
    fs::copy(&older, house.path("copy.db")).unwrap();
    // The old epoch's receipts take nothing away from it.
    let plan = house.plan(&["log2", "planner"]).unwrap();
    assert!(plan.complete && plan.epoch == 2, "{plan:?}");
    let (_, store) = house.recover(&["log2"]);
    assert!(store.known("i6").await.unwrap().is_some());
}

/// The receipt of a change of what is kept of a person.
fn says(n: u32, person: &str, new: &str) -> Leaf {
    let change = Change {
        what: format!("person/{person}"),
        old: "kept".into(),
        new: new.into(),
        reason: "r".into(),
        by: Vec::new(),
        note: String::new(),
    };
    seal::changed(change, &id("rcp", n).parse().unwrap(), Timestamp::now())
}

#[tokio::test]
async fn whoever_was_erased_or_held_since_the_backup_is_so_again() {
    let (house, live) = since_the_backup().await;
    fs::copy(house.path("keys.db"), house.path("keys.then")).unwrap();
    finish(&live, 3, 5, "applied").await;
    let state = lifecycle::fold(journal(1, "applied")).unwrap();
    let person = live.person(&Person::about(state.proposal()));
    live.hold("d".into(), true, says(20, "d", "held")).await.unwrap();
    let gone = vec![(person.clone(), says(21, &person, "erased"))];
    live.erase(gone, Timestamp::now()).await.unwrap().unwrap();
    house.publish(&live, "log");
    drop(live);
    // The keys were brought back with the store.
    fs::copy(house.path("keys.then"), house.path("keys.db")).unwrap();
    let (done, store) = house.recover(&["log"]);
    assert_eq!(done.keys, 1);
    assert!(!store.knows(&person).await.unwrap());
    let all = crate::ports::ReceiptQuery { limit: 99, ..Default::default() };
    let all = store.receipts(all).await.unwrap();
    let first = all.iter().find(|sealed| sealed.index == 0).unwrap();
    assert!(first.is_erased());
    assert!(store.waiting().await.unwrap().is_empty(), "and nobody else's queue suffers");
    let held = store.erase(vec![("d".into(), says(22, "d", "erased"))], Timestamp::now()).await;
    assert_eq!(held.unwrap().unwrap_err().code, "ERASURE_WAITS");
}

#[tokio::test]
async fn a_store_that_is_gone_comes_back_from_its_log() {
    let (house, live) = since_the_backup().await;
    carry_out(&live, 4, "applied").await;
    house.publish(&live, "log");
    drop(live);
    fs::remove_file(house.path("copy.db")).unwrap();
    let plan = house.plan(&["log"]).unwrap();
    assert!(plan.complete && plan.restored == 0, "{plan:?}");
    let (done, store) = house.recover(&["log"]);
    assert_eq!(done.keys, 2);
    assert!(store.known("i1").await.unwrap().is_some());
    drop(store);
    // And it can be copied while nobody uses it.
    let mark = Quarantine { why: "a backup".into(), since: Timestamp::now(), seen: 0 };
    let log = house.keys.of(1).unwrap();
    let (from, to) = (house.path("copy.db"), house.path("again.db"));
    let copied = backup(&from, &to, &log, &mark, |_, _| {}).unwrap();
    assert_eq!(copied.receipts, 3, "two actions, and that it was recovered");
    assert!(!house.path("again.db.part").exists());
    let error = backup(&from, &to, &log, &mark, |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
    let other = keys(house.dir.path(), 8).of(1).unwrap();
    let error = backup(&from, &house.path("x.db"), &other, &mark, |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("checkpoint"), "{error}");
    assert!(!house.path("x.db").exists(), "nothing is left of a copy that is not whole");
}

#[tokio::test]
async fn a_fork_is_never_taken_for_complete() {
    let (house, live) = since_the_backup().await;
    carry_out(&live, 4, "applied").await;
    house.publish(&live, "log");
    // The restored store went on before anybody noticed.
    let db = rusqlite::Connection::open(house.path("copy.db")).unwrap();
    db.execute("DELETE FROM standing", []).unwrap();
    drop(db);
    let store = house.store("copy.db", 1);
    carry_out(&store, 5, "applied").await;
    drop(store);
    let plan = house.plan(&["log"]).unwrap();
    assert!(!plan.complete, "{plan:?}");
    let (_, store) = house.recover(&["log"]);
    for n in [1, 4, 5] {
        assert!(store.known(&format!("i{n}")).await.unwrap().is_some(), "{n}");
    }
}

#[tokio::test]
async fn what_is_not_proved_is_refused() {
    let (house, live) = since_the_backup().await;
    carry_out(&live, 4, "applied").await;
    keep(&house, &live, "planner", 1).await;
    let refused = |house: &House| format!("{:#}", house.plan(&["planner"]).unwrap_err());
    let file = house.path("planner/receipts-2026-01-01.jsonl");
    let good = fs::read_to_string(&file).unwrap();
    // A last line that was being written is no harm.
    fs::write(&file, format!("{good}{{\"receipt\":")).unwrap();
    assert_eq!(house.plan(&["planner"]).unwrap().back.len(), 1);
    fs::write(&file, good.replace("applied", "refused")).unwrap();
    assert!(refused(&house).contains("line 1"), "{}", refused(&house));
    fs::write(&file, &good).unwrap();
    let other = House { keys: keys(house.dir.path(), 8), ..house };
    let error = Evidence::gather(&[other.path("planner")], &other.keys).unwrap_err();
    assert!(format!("{error:#}").contains("not signed by this log's key"), "{error:#}");
    let error = Evidence::gather(&[other.path(".")], &other.keys).unwrap_err();
    assert!(format!("{error:#}").contains("holds no log"), "{error:#}");
}

#[tokio::test]
async fn a_quarantined_store_reads_and_does_nothing_else() {
    let (house, live) = since_the_backup().await;
    drop(live);
    for opened in 0..2 {
        let store = house.store("copy.db", 1);
        assert!(store.standing().await.unwrap().quarantine.is_some(), "{opened}");
        let events = journal(5, "applied");
        let state = lifecycle::fold(events.clone()).unwrap();
        assert_eq!(store.append(0, events.clone(), &state).await, Err(StoreError::Quarantined));
        let receipt: ReceiptId = id("rcp", 5).parse().unwrap();
        let leaf = seal::seal(&state, None, &receipt, Timestamp::now()).unwrap();
        assert_eq!(store.seal(leaf, None).await, Err(StoreError::Quarantined));
        let Ok(State::Granted(granted)) = lifecycle::fold(events.into_iter().take(2)) else {
            panic!("granted")
        };
        let budget = countersign_core::limit::Budget::default();
        let claimed = store.claim(&granted, &budget, Timestamp::now()).await;
        assert_eq!(claimed.unwrap_err(), StoreError::Quarantined);
        assert!(store.adopt().await.unwrap().is_empty(), "what was sent waits");
        assert!(store.known("i1").await.unwrap().is_some(), "reads go on");
    }
}

#[test]
fn epochs_have_names_of_their_own() {
    let house = House::new();
    let name = |epoch| house.keys.of(epoch).unwrap().verifier_key().name().to_owned();
    assert_eq!((name(1).as_str(), name(2).as_str()), ("test/log", "test/log/epoch-2"));
    for (name, epoch) in [
        ("test/log", Some(1)),
        ("test/log/epoch-12", Some(12)),
        ("test/log/epoch-1", None),
        ("test/log/epoch-02", None),
        ("test/logs", None),
        ("other", None),
    ] {
        assert_eq!(house.keys.epoch(name), epoch, "{name}");
    }
}

#[tokio::test]
async fn a_receipt_alone_tells_what_was_done() {
    let (house, live) = since_the_backup().await;
    carry_out(&live, 4, "applied").await;
    let all = live.receipts(crate::ports::ReceiptQuery { limit: 1, ..Default::default() }).await;
    let receipt = all.unwrap()[0].open().unwrap();
    assert_eq!(
        (receipt.intent.as_str(), receipt.locks, receipt.booked),
        ("i4", vec!["o4".to_owned()], vec!["a4".to_owned()])
    );
    drop(house);
}
