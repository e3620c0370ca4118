//! The same on PostgreSQL, whose own tools make the copy: it bears no mark.

use super::*;
use crate::support::change;
use crate::support::cluster::Cluster;

/// With a database in the place of the file.
async fn on_postgres(cluster: &Cluster) -> Pair {
    let mut pair = Pair::executor_only().await;
    change::on_postgres(pair.dir.path(), cluster);
    pair.begin_anew();
    pair
}

/// Yesterday's state is back. What was renewed then has run out long ago.
fn restored(cluster: &Cluster, copy: &Path) {
    cluster.restore(copy);
    cluster.sql("UPDATE executors SET expires_at = expires_at - interval '1 day'");
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_postgres() {
    let cluster = Cluster::start(&[]);
    let mut pair = on_postgres(&cluster).await;
    let copied = pair.path("yesterday.dump");
    let done = live(&mut pair, async |_| cluster.dump(&copied)).await;
    restored(&cluster, &copied);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    only_reads(&pair, "was published", true).await;
    // It stays so.
    pair.restart_executor();
    pair.start_planner(OFFLINE);
    only_reads(&pair, "was published", true).await;

    let from = ["--from", "state/log", "--from", "planner-state"];
    let (ran, said) = recover(&pair, &from);
    assert!(!ran && said.contains("stop it first"), "{said}");
    pair.kill_executor();
    let (ran, said) = recover(&pair, &from);
    assert!(!ran && said.contains("killed less than a lease ago"), "{said}");
    cluster.sql("UPDATE executors SET expires_at = expires_at - interval '1 day'");
    let (ran, said) = recover(&pair, &[&from[..], &["--dry-run"]].concat());
    assert!(ran && said.contains("Nothing was changed"), "{said}");
    let (ran, said) = recover(&pair, &from);
    assert!(ran && said.contains("the log goes on") && said.contains("Missing: 0"), "{said}");
    planner_goes_on(&pair, &said);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    asked_again(&pair, &done, ["ALREADY_DONE", "ALREADY_DONE", "read_back"]).await;
    assert_eq!(receipts(&pair, "log/recovery").await, 1);
    published(&pair).await;
    verifies(&pair, "state/log", "log.pub");
    pair.stop();
}

/// Nobody was stopped: the one that runs notices at once, and what is under way says nothing
/// of its end.
#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_postgres_under_a_running_executor() {
    let cluster = Cluster::start(&[]);
    let mut pair = on_postgres(&cluster).await;
    let copied = pair.path("yesterday.dump");
    let call = busy(&mut pair, async |_| cluster.dump(&copied)).await;
    cluster.restore(&copied);
    let mut desk = Desk::new(&pair, pair.customer(3), "at-once");
    let code = refusal(desk.propose_cancel("4001").await).code;
    assert!(["QUARANTINED", "EFFECTS_HALTED"].contains(&code.as_str()), "{code}");
    drop(desk);
    let done = Done { effects: pair.effects() };
    while !pair.readiness().1.contains("quarantine") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    only_reads(&pair, "went back in time", true).await;
    assert!(call.await.unwrap().is_err(), "it has no receipt");

    pair.kill_executor();
    cluster.sql("UPDATE executors SET expires_at = expires_at - interval '1 day'");
    let (ran, said) = recover(&pair, &["--from", "state/log", "--from", "planner-state"]);
    assert!(ran && said.contains("the log goes on") && said.contains("Missing: 0"), "{said}");
    planner_goes_on(&pair, &said);
    pair.restart_executor_after_kill();
    pair.start_planner(OFFLINE);
    asked_again(&pair, &done, ["ALREADY_DONE", "ALREADY_DONE", "read_back"]).await;
    published(&pair).await;
    verifies(&pair, "state/log", "log.pub");
    pair.stop();
}
