//! Another key for the log: the entry that both keys signed leads whoever has the old one to the new
//! one, and one signature is not enough.

use std::fs;
use std::time::{Duration, Instant};

use countersign_proto::v1::Outcome;

use super::action_flow::converse;
use super::support::pair::Pair;

const OFFLINE: &str = "{ kind: offline }";

async fn cancel(pair: &Pair, number: &str) {
    let who = pair.customer(1);
    let asked = converse(pair, &who, number, &format!("cancel order #{number}"), None).await;
    let card = asked.card.expect("a card");
    let done = converse(pair, &who, &format!("{number}-yes"), "yes", Some(&card)).await;
    assert_eq!(done.turn.actions[0].outcome(), Outcome::Applied, "{:?}", done.turn);
}

async fn verifies(pair: &Pair, key: &str, entries: u64) {
    let began = Instant::now();
    loop {
        let words = ["audit", "verify", "state/log", "--key", key, "--live", "--json"];
        let said: serde_json::Value = serde_json::from_str(&pair.command(&words).1).unwrap();
        if said["ok"] == true && said["size"] == entries {
            assert_eq!(said["keys"].as_array().unwrap().len(), 1);
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{key}: {said}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_rotation_is_followed_from_the_old_key_and_from_the_new_one() {
    let mut pair = Pair::start().await;
    cancel(&pair, "1001").await;
    let rotate = ["audit", "rotate-key", "--executor", "executor.yaml", "--reason", "yearly"];
    let (ran, said) = pair.command(&rotate);
    assert!(!ran && said.contains("stop it first"), "{said}");
    pair.kill_executor();
    let (ran, said) = pair.command(&rotate);
    assert!(ran, "{said}");
    let new = said.lines().find(|line| line.contains("test.countersign/log+")).unwrap().trim();
    assert_ne!(new, pair.log_key());
    fs::write(pair.path("old.pub"), pair.log_key()).unwrap();
    fs::write(pair.path("log.pub"), new).unwrap();
    fs::remove_file(pair.path("log.pem.old")).unwrap();
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    cancel(&pair, "1004").await;
    // Genesis, the first order, the new key, the second order.
    verifies(&pair, "old.pub", 4).await;
    verifies(&pair, "log.pub", 4).await;
    let export = ["audit", "export", "some.tar", "--log", "state/log", "--from", "3", "--to", "4"];
    let (ran, said) = pair.command(&export);
    assert!(ran, "{said}");
    let (good, said) = pair.command(&["audit", "verify", "some.tar", "--key", "old.pub"]);
    assert!(good && said.contains("3 to before 4 of 4") && said.contains("new key"), "{said}");
}
