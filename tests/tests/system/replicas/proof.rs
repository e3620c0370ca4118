//! The till's effects, the receipts and the replies are the same, and there is one log.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_shared::receipt::Receipt;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _, VerifierKey};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use countersign_shared::tlog::verify::{Options, verify_folder};

use super::House;
use crate::support::people;

pub async fn check(house: &House, replies: &BTreeMap<u64, String>) {
    let leaves = leaves(house);
    let receipts = leaves.iter().map(|leaf| serde_json::from_slice::<Receipt>(leaf).unwrap());
    let applied: Vec<_> = receipts.filter(|receipt| receipt.outcome == "applied").collect();
    let keys: BTreeMap<_, _> =
        applied.iter().map(|one| (one.receipt_id.clone(), one.key.clone())).collect();
    let ledger = house.till.ledger("executor");
    assert_eq!(applied.len(), replies.len(), "a receipt each");
    assert_eq!(ledger.effects.len(), replies.len(), "an effect each");
    // Of a credit each landing is one, so a second sending is seen here.
    for (sale, receipt) in replies {
        let effect = std::slice::from_ref(&keys[receipt]);
        assert_eq!(ledger.effects[sale], effect, "sale {sale}: one effect, of that receipt");
    }
    one_log(house, &leaves).await;
    let took_over =
        house.replicas.iter().map(|one| one.log().matches("took over from an executor").count());
    println!(
        "{} wishes, {} receipts, {} requests to the till, {} take-overs",
        replies.len(),
        leaves.len(),
        ledger.writes,
        took_over.sum::<usize>()
    );
}

fn leaves(house: &House) -> Vec<Vec<u8>> {
    let rows = house.cluster.sql("SELECT encode(body, 'hex') FROM leaves ORDER BY idx");
    rows.lines().map(|row| hex::decode(row).unwrap()).collect()
}

/// The database's, and the one that each executor has published, which ends where that does.
async fn one_log(house: &House, leaves: &[Vec<u8>]) {
    let mut tree = Tree::default();
    let roots: Vec<_> = leaves
        .iter()
        .map(|leaf| {
            tree.append(leaf_hash(leaf));
            tree.root()
        })
        .collect();
    let note = house.cluster.sql("SELECT note FROM tree");
    let (checkpoint, _) = Checkpoint::open(format!("{note}\n").as_bytes(), &key()).unwrap();
    assert_eq!((checkpoint.size(), *checkpoint.root()), (leaves.len() as u64, tree.root()));
    for replica in &house.replicas {
        let folder = replica.state().join("log");
        for left in (0..100).rev() {
            let text = std::fs::read(folder.join("checkpoint")).unwrap();
            let (published, _) = Checkpoint::open(&text, &key()).unwrap();
            let at = usize::try_from(published.size()).unwrap();
            assert_eq!(*published.root(), roots[at - 1], "a fork at {at}");
            if at == leaves.len() {
                break;
            }
            assert!(left > 0, "the folder lags behind: {at} of {}", leaves.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let verified = verify_folder(&folder, &key(), Options::default()).unwrap();
        assert_eq!(verified.leaves, leaves.len() as u64);
    }
}

fn key() -> VerifierKey {
    let secret = ed25519_dalek::SigningKey::from_bytes(&people::seed(4));
    LogKey::new("bench.countersign/log", secret).unwrap().verifier_key()
}
