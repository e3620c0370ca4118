//! Who may use a state folder, and where what was begun may go on.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_proto::v1::Outcome;

use super::action_flow::receipt;
use super::support::bins;
use super::support::canary;
use super::support::pair::{Pair, page, readiness};
use super::support::plans::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn restarts_a_second_executor_on_one_folder_is_refused() {
    let mut pair = Pair::executor_only().await;
    let (ready, log) = (pair.path("second.ready"), pair.path("second.log"));
    let to = File::create(&log).unwrap();
    let mut second = Command::new(bins::dir().join("executor"))
        .arg("--config")
        .arg(pair.path("executor.yaml"))
        .arg("--ready-file")
        .arg(&ready)
        .stdout(to.try_clone().unwrap())
        .stderr(to)
        .spawn()
        .unwrap();
    let ended = loop {
        match second.try_wait().unwrap() {
            Some(status) => break status,
            None if ready.exists() => second.kill().unwrap(),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let said = fs::read_to_string(log).unwrap();
    assert!(!ready.exists() && ended.code() == Some(1), "{ended}: {said}");
    let folder = pair.path("state");
    let why = format!("another executor uses {}: stop it first", folder.display());
    assert!(said.contains(&why), "{said}");
    // The first goes on, and whoever comes after it may have the folder.
    Desk::new(&pair, pair.customer(1), "c1").order("1001").await.unwrap();
    pair.restart_executor();
    Desk::new(&pair, pair.customer(1), "c1").order("1001").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_with_another_account_send_nothing_there() {
    let mut pair = Pair::executor_only().await;
    // Looked for as long as a test may take.
    pair.change_pack(|_, text| Some(text.replace("within: 5m", "within: 3s")));
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let call = desk.awaiting_the_shop(&proposal, yes).await;
    drop(desk);
    let other = canary::shop().await;
    pair.kill_executor();
    assert!(call.await.unwrap().is_err(), "the first caller heard nothing");
    pair.change_config(&pair.sandbox.base_url(), &other.base_url());
    pair.change_config("account: sandbox-shop", "account: another-shop");
    pair.restart_executor();

    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let done = desk.execute(&proposal, "").await.unwrap();
    // AT MOST ONE EFFECT: with a key a repeat is safe, but only where the key is known.
    assert_eq!(done.outcome(), Outcome::Unknown, "{done:?}");
    let asked: Vec<_> = other.requests().into_iter().map(|r| r.kind).collect();
    assert!(asked.is_empty(), "the other account was asked: {asked:?}");
    assert_eq!(pair.mutations(), 1);
    let receipt = receipt(&pair, &done.receipt_id).await;
    assert_eq!(receipt.backend.map(|b| b.account).as_deref(), Some("sandbox-shop"));
    assert_eq!(receipt.next, "person");
}

/// Here a store takes long to open because its key comes out of a pipe.
#[tokio::test(flavor = "multi_thread")]
async fn restarts_a_long_start_is_alive_and_not_ready_and_ends_when_told() {
    let mut pair = Pair::executor_only().await;
    pair.kill_executor();
    let pipe = pair.path("state/keys.kek");
    let key = fs::read(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap();
    assert!(made.success());
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    pair.change_config("admin: 127.0.0.1:0", &format!("admin: {free}"));
    let (config, log) = (pair.path("executor.yaml"), pair.path("starting.log"));
    let mut starting = Command::new(bins::dir().join("executor"))
        .arg("--config")
        .arg(config)
        .stdout(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    let (ready, why) = loop {
        if let Ok(answer) = readiness(&free) {
            break answer;
        }
        assert!(starting.try_wait().unwrap().is_none(), "{}", said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(!ready && why.contains("starting: opening the store"), "{why}");
    assert!(page(&free, "healthz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(page(&free, "metrics").unwrap().starts_with("HTTP/1.1 503"));
    let pid = starting.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let told = Instant::now();
    let ended = loop {
        match starting.try_wait().unwrap() {
            Some(status) => break status,
            None if told.elapsed() > Duration::from_secs(60) => starting.kill().unwrap(),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert!(ended.success(), "{ended}: {}", said());
    // Nothing is left half done: the next one starts as soon as it has the key.
    let hands = std::thread::spawn(move || fs::write(pipe, key).unwrap());
    pair.restart_executor_after_kill();
    hands.join().unwrap();
    assert!(pair.readiness().0);
    Desk::new(&pair, pair.customer(1), "c1").order("1001").await.unwrap();
}
