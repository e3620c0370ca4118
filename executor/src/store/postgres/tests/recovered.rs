//! A dump that was restored. It bears no mark; where nothing came after it, nothing shows it.

use countersign_shared::tlog::folder::Publisher;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

use super::*;
use crate::config::Log;
use crate::log::LogKeys;
use crate::ports::ReceiptQuery;
use crate::restore::{Evidence, Plan};
use crate::store::conformance::{
    before_keys_are_lost, without_keys_again_it_asks_anew, without_keys_it_asks_people,
    without_keys_it_is_recovered, without_keys_it_starts,
};
use crate::store::{Past as _, Restored};

fn log_keys(folder: &Path) -> LogKeys {
    let pem = SigningKey::from_bytes(&[7; 32]).to_pkcs8_pem(LineEnding::LF).unwrap();
    let key = folder.join("log.key");
    std::fs::write(&key, pem.as_bytes()).unwrap();
    LogKeys::open(&Log { origin: "test/log".to_owned(), key, ..Log::default() }).unwrap()
}

/// Publishes what a store has into a log folder.
async fn publish(store: &Postgres, log: &Path) {
    let (source, log) = (store.log_source(), log.to_owned());
    let published = move || Publisher::new(&log, key().verifier_key()).publish(&source).unwrap();
    tokio::task::spawn_blocking(published).await.unwrap();
}

/// Recovers the database, of which a complete log folder is there.
async fn recover(house: &House, log: &Path) -> Restored {
    house.cluster.sql("UPDATE executors SET expires_at = expires_at - interval '1 day'");
    let vault = Vault::open(house.credentials.path()).unwrap();
    let (config, kek, log) = (house.config(), house.kek(), log.to_owned());
    let keys = log_keys(house.credentials.path());
    let recovered = move || {
        let mut past = Offline::open(&config, &vault, "a", &kek, &keys).unwrap();
        let plan = Plan::of(&past, Evidence::gather(&[log], &keys).unwrap(), &keys).unwrap();
        assert!(plan.complete && plan.back.is_empty(), "{plan:?}");
        let (restoration, standing) = plan.restoration(Vec::new(), Timestamp::now());
        past.restore(&restoration, &standing, &keys.of(1).unwrap(), Timestamp::now()).unwrap()
    };
    tokio::task::spawn_blocking(recovered).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_dump_that_nothing_shows_gets_its_gap() {
    let (house, folder) = (bed().await, TempDir::new().unwrap());
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    let store = house.join("a").await.unwrap();
    store.seal(refused(state, 1).2, None).await.unwrap();
    let (log, copy) = (folder.path().join("log"), folder.path().join("copy"));
    publish(&store, &log).await;
    drop(store);
    house.cluster.dump(&copy);
    house.cluster.restore(&copy);
    recover(&house, &log).await;
    let store = house.join("a").await.unwrap();
    let standing = store.standing().await.unwrap();
    assert!(standing.quarantine.is_none() && standing.gap.is_some(), "{standing:?}");
    let query = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
    let said = store.receipts(query).await.unwrap()[0].open().unwrap().change.unwrap();
    assert_eq!(said.what, "log/recovery");
}

/// Without keys of persons, or with those from before there was anybody.
#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_recovery_ends_what_waits_and_asks_people_of_what_was_sent() {
    for lost in ["TRUNCATE person_keys, person_index_key", "TRUNCATE person_keys"] {
        let (house, folder) = (bed().await, TempDir::new().unwrap());
        let (store, log) = (house.join("a").await.unwrap(), folder.path().join("log"));
        before_keys_are_lost(&store).await;
        publish(&store, &log).await;
        drop(store);
        house.cluster.sql(lost);
        without_keys_it_starts(Arc::new(house.join("a").await.unwrap())).await;
        let done = recover(&house, &log).await;
        without_keys_it_is_recovered(&house.join("a").await.unwrap(), done).await;
    }
}

#[tokio::test]
async fn without_keys_and_a_recovery_people_are_asked_of_what_was_sent() {
    for lost in ["TRUNCATE person_keys, person_index_key", "TRUNCATE person_keys"] {
        let house = bed().await;
        before_keys_are_lost(&house.join("a").await.unwrap()).await;
        house.cluster.sql(lost);
        without_keys_it_asks_people(&house.join("a").await.unwrap()).await;
        house.cluster.sql(lost);
        without_keys_again_it_asks_anew(&house.join("a").await.unwrap()).await;
    }
}

/// Each looked before the other wrote.
#[tokio::test]
async fn of_two_that_ask_people_of_the_same_one_does() {
    let house = bed().await;
    before_keys_are_lost(&house.join("a").await.unwrap()).await;
    house.cluster.sql("TRUNCATE person_keys");
    let (one, two) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    one.adopt().await.unwrap();
    let now = Timestamp::now();
    let late = lost::find(&two.db.client().await.unwrap(), &two.veil, &[], now).await.unwrap();
    assert_eq!(one.end_unreadable(now).await, Ok(3));
    let entry = Entry { lost: late.0, leaves: late.1, ..Entry::default() };
    assert_eq!(two.seal_entry(entry).await, Err(StoreError::Conflict));
    assert_eq!(two.end_unreadable(now).await, Ok(0));
}
