#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::keys::MemoryKeys;

fn veil(keys: &Arc<MemoryKeys>) -> Veil {
    let keys: Arc<dyn Keys> = Arc::clone(keys) as _;
    Veil::over(keys, Kek::of(&[3; 32]).unwrap()).unwrap()
}

fn jane(tenant: &str) -> Person {
    Person::Named { tenant: tenant.into(), issuer: "i".into(), id: "jane".into() }
}

#[tokio::test]
async fn what_is_sealed_opens_in_its_own_row_until_the_key_is_destroyed() {
    let keys = Arc::new(MemoryKeys::default());
    let (one, other) = (veil(&keys), veil(&keys));
    let person = one.person(&jane("t"));
    let key = one.sealing(&person).await.unwrap();
    let sealed = key.seal("row 1", b"100 Main Street").unwrap();
    assert!(!sealed.windows(4).any(|w| w == b"Main"));
    other.ready([sealed.as_slice()].into_iter()).await.unwrap();
    assert_eq!(&**other.open("row 1", &sealed).unwrap().unwrap(), b"100 Main Street");
    assert!(matches!(other.open("row 2", &sealed), Err(StoreError::Damaged(_))));
    let follows = tokio::spawn(other.clone().follow());
    one.destroy(&person).await.unwrap();
    assert!(key.stands().is_err(), "what is begun now would be lost");
    one.ready([sealed.as_slice()].into_iter()).await.unwrap();
    assert!(one.open("row 1", &sealed).unwrap().is_none());
    while other.open("row 1", &sealed).unwrap().is_some() {
        tokio::time::sleep(FOLLOW).await;
    }
    follows.abort();
    // Whoever comes back has a new key, and what was erased stays so.
    let again = one.sealing(&person).await.unwrap();
    assert_ne!(again.id(), key.id());
    one.ready([sealed.as_slice()].into_iter()).await.unwrap();
    assert!(one.open("row 1", &sealed).unwrap().is_none());
}

#[test]
fn a_key_that_is_found_while_it_is_erased_opens_and_seals_nothing() {
    let mut cache = Cache::default();
    let key = |id| Some(Arc::new(PersonKey::new(id, &[7; 32]).unwrap()));
    let (first, second) = (KeyId::from([1; 16]), KeyId::from([2; 16]));
    cache.hold(first, "jane".into(), key(first));
    cache.end("jane");
    let found = cache.hold(second, "jane".into(), key(second)).unwrap();
    assert!(found.stands().is_err() && cache.of("jane").is_none());
    cache.erased("jane");
    assert!(cache.get(&first).is_none() && cache.get(&second).is_none());
    assert!(cache.hold(second, "jane".into(), key(second)).unwrap().stands().is_ok());
}

#[tokio::test]
async fn a_key_that_was_never_there_is_no_erasure() {
    let (lost, kept) = (Arc::new(MemoryKeys::default()), Arc::new(MemoryKeys::default()));
    let sealed = veil(&lost).sealing("p").await.unwrap().seal("row", b"x").unwrap();
    let other = veil(&kept);
    other.ready([sealed.as_slice()].into_iter()).await.unwrap();
    assert_eq!(other.open("row", &sealed).unwrap_err(), StoreError::KeyLost);
    // It comes back with the keys, and one that is not what it was is no lost one.
    let there = lost.current("p").unwrap().unwrap();
    kept.keep(there).unwrap();
    other.ready([sealed.as_slice()].into_iter()).await.unwrap();
    assert_eq!(&**other.open("row", &sealed).unwrap().unwrap(), b"x");
}

#[test]
fn digests_are_of_one_store_and_tell_persons_apart() {
    let keys = Arc::new(MemoryKeys::default());
    let (one, other) = (veil(&keys), veil(&Arc::new(MemoryKeys::default())));
    assert_eq!(one.person(&jane("t")), veil(&keys).person(&jane("t")));
    assert_ne!(one.person(&jane("t")), one.person(&jane("u")));
    assert_ne!(one.person(&jane("t")), other.person(&jane("t")));
    assert_eq!(one.person(&Person::Digest("d".into())), "d");
    assert_ne!(one.digest("a", "x"), one.digest("b", "x"));
    assert_eq!(one.digest("a", ""), "");
}

#[test]
fn another_key_encryption_key_opens_nothing() {
    let keys = Arc::new(MemoryKeys::default());
    drop(veil(&keys));
    assert!(Veil::over(keys, Kek::of(&[4; 32]).unwrap()).is_err());
}
