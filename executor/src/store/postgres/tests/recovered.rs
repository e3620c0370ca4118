//! A dump that was restored, and that nothing shows: it bears no mark, and nothing came after it.

use countersign_shared::tlog::folder::Publisher;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

use super::*;
use crate::config::Log;
use crate::log::LogKeys;
use crate::ports::ReceiptQuery;
use crate::restore::{Evidence, Plan};
use crate::store::Past as _;

fn log_keys(folder: &Path) -> LogKeys {
    let pem = SigningKey::from_bytes(&[7; 32]).to_pkcs8_pem(LineEnding::LF).unwrap();
    let key = folder.join("log.key");
    std::fs::write(&key, pem.as_bytes()).unwrap();
    LogKeys::open(&Log { origin: "test/log".to_owned(), key, ..Log::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_dump_that_nothing_shows_gets_its_gap() {
    let (house, folder) = (bed().await, TempDir::new().unwrap());
    let state = lifecycle(&[proposed(1, "i1", "o1")]);
    let store = house.join("a").await.unwrap();
    store.seal(refused(state, 1).2, None).await.unwrap();
    let (source, log) = (store.log_source(), folder.path().join("log"));
    let at = log.clone();
    let published = move || Publisher::new(&at, key().verifier_key()).publish(&source).unwrap();
    tokio::task::spawn_blocking(published).await.unwrap();
    drop(store);
    let copy = folder.path().join("copy");
    house.cluster.dump(&copy);
    house.cluster.restore(&copy);
    house.cluster.sql("UPDATE executors SET expires_at = expires_at - interval '1 day'");
    let vault = Vault::open(house.credentials.path()).unwrap();
    let (config, kek, keys) = (house.config(), house.kek(), log_keys(folder.path()));
    let recovered = move || {
        let mut past = Offline::open(&config, &vault, "a", &kek, &keys).unwrap();
        let plan = Plan::of(&past, Evidence::gather(&[log], &keys).unwrap(), &keys).unwrap();
        assert!(plan.complete && plan.back.is_empty(), "{plan:?}");
        let (restoration, standing) = plan.restoration(Vec::new(), Timestamp::now());
        past.restore(&restoration, &standing, &keys.of(1).unwrap(), Timestamp::now()).unwrap()
    };
    tokio::task::spawn_blocking(recovered).await.unwrap();
    let store = house.join("a").await.unwrap();
    let standing = store.standing().await.unwrap();
    assert!(standing.quarantine.is_none() && standing.gap.is_some(), "{standing:?}");
    let query = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
    let said = store.receipts(query).await.unwrap()[0].open().unwrap().change.unwrap();
    assert_eq!(said.what, "log/recovery");
}
