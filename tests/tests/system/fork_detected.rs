//! An executor whose database was edited, or whose log was forked or rolled back, while the planner
//! goes on: noticed at the next call, refused, and the evidence written (TWO KEEP THE HISTORY).

use std::fs;
use std::time::{Duration, Instant};

use countersign_proto::v1::{Card, Outcome};
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::key::{LogKey, Signer as _, WitnessKey};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use countersign_shared::tlog::note::Note;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, params};
use serde_json::Value as Json;

use super::action_flow::{Said, converse};
use super::support::pair::Pair;
use super::support::people;

const OFFLINE: &str = "{ kind: offline }";
const LOG: &str = "test.countersign/log";
const EVIDENCE: &str = "planner-state/evidence.json";

/// Orders cancelled in a chat; the last one's card.
async fn live(orders: &[&str]) -> (Pair, Card) {
    let pair = Pair::start().await;
    let mut last = None;
    for number in orders {
        let who = pair.customer(1);
        let asked = converse(&pair, &who, number, &format!("cancel order #{number}"), None).await;
        let card = asked.card.expect("a card");
        let done = converse(&pair, &who, &format!("{number}-yes"), "yes", Some(&card)).await;
        assert_eq!(done.turn.actions[0].outcome(), Outcome::Applied, "{:?}", done.turn);
        last = Some(card);
    }
    assert!(pair.planner_readiness().0);
    (pair, last.unwrap())
}

async fn says(pair: &Pair, id: &str, text: &str) -> Said {
    converse(pair, &pair.customer(1), id, text, None).await
}

/// Refused in words that claim nothing, not ready, and the evidence is there; nothing further
/// reaches the shop.
async fn distrusted(pair: &Pair, heard: &Said, why: &str) -> Json {
    let turn = &heard.turn;
    assert_eq!(
        turn.actions.first().map(|a| a.code.as_str()),
        Some("HISTORY_DISTRUSTED"),
        "{turn:?}"
    );
    for claim in ["Cancelled", "cancelled", "Done", "done", "Nothing", "nothing"] {
        assert!(!turn.reply.contains(claim), "{}", turn.reply);
    }
    assert!(turn.actions.iter().all(|action| action.outcome() == Outcome::Unspecified));
    let (ready, said) = pair.planner_readiness();
    assert!(!ready && said.contains("HISTORY_DISTRUSTED") && said.contains(why), "{said}");
    let evidence: Json =
        serde_json::from_str(&fs::read_to_string(pair.path(EVIDENCE)).unwrap()).unwrap();
    assert!(evidence["why"].as_str().unwrap().contains(why), "{evidence}");
    Note::parse(evidence["known"].as_str().unwrap().as_bytes()).unwrap();
    let asked = pair.sandbox.requests().len();
    let again = says(pair, "again", "cancel order #1002").await;
    assert_eq!(again.turn.actions[0].code, "HISTORY_DISTRUSTED");
    assert_eq!(pair.sandbox.requests().len(), asked, "nothing was asked of the executor");
    evidence
}

fn store(pair: &Pair) -> Connection {
    Connection::open(pair.path("state/executor.db")).unwrap()
}

/// The receipt of the last action, with the other outcome in it.
fn edit_the_receipt(db: &Connection) -> u64 {
    let find = "SELECT idx, body FROM leaves ORDER BY idx DESC LIMIT 1";
    let (index, body): (i64, Vec<u8>) =
        db.query_row(find, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let edited = String::from_utf8(body.clone()).unwrap().replace("applied", "refused");
    assert_ne!(edited.as_bytes(), body);
    let set = "UPDATE leaves SET body = ?2 WHERE idx = ?1";
    assert_eq!(db.execute(set, params![index, edited.into_bytes()]).unwrap(), 1);
    index as u64
}

/// Makes tree and checkpoint follow the receipts again, with the log's own key.
fn sign_anew(db: &Connection) {
    let mut leaves = db.prepare("SELECT body FROM leaves ORDER BY idx").unwrap();
    let leaves = leaves.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    let mut tree = Tree::default();
    for leaf in leaves {
        for node in tree.append(leaf_hash(&leaf.unwrap())) {
            let set = "UPDATE nodes SET hash = ?3 WHERE level = ?1 AND idx = ?2";
            let index = i64::try_from(node.index).unwrap();
            assert_eq!(db.execute(set, params![node.level, index, node.hash]).unwrap(), 1);
        }
    }
    let key = LogKey::new(LOG, SigningKey::from_bytes(&people::seed(4))).unwrap();
    let checkpoint = Checkpoint::new(LOG, tree.size(), tree.root()).unwrap();
    let note = checkpoint.sign(&key).unwrap().to_string();
    assert_eq!(db.execute("UPDATE checkpoint SET note = ?1", [note]).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fork_detected_a_receipt_edited_under_a_running_executor() {
    let (pair, card) = live(&["1001", "1004"]).await;
    edit_the_receipt(&store(&pair));
    let who = pair.customer(1);
    let heard = converse(&pair, &who, "once-more", "yes", Some(&card)).await;
    let evidence = distrusted(&pair, &heard, "not in the log").await;
    assert!(evidence["receipt"].as_str().unwrap().contains("refused"));
    assert!(evidence["tlog_proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn fork_detected_hashes_edited_under_a_running_executor() {
    let (pair, _) = live(&["1001"]).await;
    assert!(store(&pair).execute("UPDATE nodes SET hash = zeroblob(32)", []).unwrap() > 1);
    // The next receipt is sealed over what the executor remembers, and proved with what lies there.
    let card = says(&pair, "next", "cancel order #1004").await.card.unwrap();
    let heard = converse(&pair, &pair.customer(1), "next-yes", "yes", Some(&card)).await;
    distrusted(&pair, &heard, "not in the log").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fork_detected_a_history_signed_anew_with_the_logs_own_key() {
    let (mut pair, _) = live(&["1001", "1004"]).await;
    pair.kill_executor();
    let db = store(&pair);
    edit_the_receipt(&db);
    sign_anew(&db);
    drop(db);
    fs::remove_dir_all(pair.path("state/log")).unwrap();
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    assert!(pair.planner_readiness().0, "nothing was asked yet");
    let heard = says(&pair, "hello", "where is my order #1002").await;
    let evidence = distrusted(&pair, &heard, "forked").await;
    let sides = ["known", "seen"].map(|side| {
        let note = Note::parse(evidence[side].as_str().unwrap().as_bytes()).unwrap();
        Checkpoint::parse(note.text()).unwrap()
    });
    assert_eq!(sides[0].size(), sides[1].size());
    assert_ne!(sides[0].root(), sides[1].root(), "both are signed, and they differ");
    // A person who removes it has it back at the next call.
    fs::remove_file(pair.path(EVIDENCE)).unwrap();
    assert!(pair.planner_readiness().0);
    let heard = says(&pair, "hello again", "where is my order #1002").await;
    distrusted(&pair, &heard, "forked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fork_detected_a_log_rolled_back() {
    let mut pair = Pair::start().await;
    pair.kill_executor();
    fs::copy(pair.path("state/executor.db"), pair.path("earlier.db")).unwrap();
    fs::copy(pair.path("state/executor.db-wal"), pair.path("earlier.db-wal")).ok();
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    let who = pair.customer(1);
    let card = says(&pair, "a", "cancel order #1001").await.card.unwrap();
    let done = converse(&pair, &who, "a-yes", "yes", Some(&card)).await;
    assert_eq!(done.turn.actions[0].outcome(), Outcome::Applied);
    pair.kill_executor();
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(pair.path(&format!("state/executor.db{end}"))).ok();
        fs::copy(
            pair.path(&format!("earlier.db{end}")),
            pair.path(&format!("state/executor.db{end}")),
        )
        .ok();
    }
    fs::remove_dir_all(pair.path("state/log")).unwrap();
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    let heard = says(&pair, "b", "cancel order #1001").await;
    distrusted(&pair, &heard, "went back").await;
}

/// A log with another key is not the one that this planner was given.
#[tokio::test(flavor = "multi_thread")]
async fn fork_detected_a_log_of_another_key() {
    let mut pair = Pair::executor_only().await;
    let stranger = LogKey::new(LOG, SigningKey::from_bytes(&[77; 32])).unwrap();
    fs::write(pair.path("log.pub"), stranger.verifier_key().to_string()).unwrap();
    pair.start_planner(OFFLINE);
    let heard = says(&pair, "a", "where is my order #1001").await;
    assert_eq!(heard.turn.actions[0].code, "HISTORY_DISTRUSTED", "{:?}", heard.turn);
    assert!(pair.planner_readiness().1.contains("not the log's"));
    let evidence = fs::read_to_string(pair.path(EVIDENCE)).unwrap();
    assert!(evidence.contains(LOG), "{evidence}");
}

/// What the planner saw is countersigned, comes back with its next call, and is published.
#[tokio::test(flavor = "multi_thread")]
async fn fork_detected_countersignatures_are_published() {
    let (pair, _) = live(&["1001", "1004"]).await;
    says(&pair, "next", "where is my order #1002").await;
    let began = Instant::now();
    let verified = || {
        let words = ["--key", "log.pub", "--cosigner", "cosign.pub", "--live", "--json"];
        pair.command(&[&["audit", "verify", "state/log"], &words[..]].concat())
    };
    loop {
        let (good, said) = verified();
        let said: Json = serde_json::from_str(&said).unwrap();
        if good && said["cosigned"]["size"] == said["size"] {
            assert_eq!(said["cosigned"]["by"][0], "test.countersign/planner");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Somebody else's signature is not one.
    let words = ["audit", "verify", "state/log", "--live", "--key", "log.pub", "--cosigner"];
    let stranger = "test.countersign/other";
    let secret = SigningKey::from_bytes(&[78; 32]);
    let other = WitnessKey::new(stranger, secret).unwrap();
    let key = other.verifier_key().to_string();
    let (good, said) = pair.command(&[&words[..], &[&key]].concat());
    assert!(!good && said.contains("COSIGNATURE_MISSING"), "{said}");
}
