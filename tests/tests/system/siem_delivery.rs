//! Every receipt reaches the SIEM, whatever its receiver does: none is lost, none comes
//! twice without saying so, and a row that is taken away there is found.

mod collector;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::pki::Role;
use countersign_proto::v1;
use serde_json::{Value, json};

use self::collector::{Collector, Mood, index};
use super::support::canary;
use super::support::leaks::{Search, Secret};
use super::support::pair::Pair;
use super::support::plans::{Desk, refusal, step};

/// Between two refusals of one customer: below the quota beyond which they are counted.
const PACE: Duration = Duration::from_millis(400);

fn token() -> String {
    canary::secret("hec").replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "")
}

/// An executor that feeds this collector, and a file.
fn deployed(pair: &mut Pair, collector: &Collector) {
    let secret = pair.path("credentials/hec_token");
    fs::write(&secret, token()).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let url = collector.url();
    pair.add_config(&format!(
        r#"siem:
  - name: soc
    to: {{ splunk_hec: {{ url: "{url}", credential: hec_token, private_networks: ["127.0.0.0/8"], plain_http: true }} }}
    heartbeat: 1s
  - name: file
    to: {{ file: {{ path: events.jsonl }} }}
"#
    ));
    pair.begin_anew();
}

/// Four customers ask for what there is not, until told to stop.
async fn load(pair: &Pair, stop: &AtomicBool) {
    let asking = (1..=4).map(|number| {
        let mut desk = Desk::new(pair, pair.customer(number), &format!("c{number}"));
        async move {
            while !stop.load(Ordering::SeqCst) {
                refusal(desk.propose(step("no.such_tool", vec![])).await);
                tokio::time::sleep(PACE).await;
            }
        }
    });
    futures_util::future::join_all(asking).await;
}

/// Each trouble once, with a good time after it.
async fn trouble(collector: &mut Collector, stop: &AtomicBool) {
    for mood in [Mood::Refuses, Mood::Half, Mood::Hangs, Mood::Lies, Mood::Forgets] {
        collector.turns(mood);
        collector.is_hit(1).await;
        if matches!(mood, Mood::Hangs | Mood::Forgets) {
            collector.restart();
        }
        collector.turns(Mood::Good);
        collector.is_hit(1).await;
    }
    stop.store(true, Ordering::SeqCst);
}

/// How many receipts there are.
async fn size(pair: &Pair) -> u64 {
    let request = v1::ListReceiptsRequest { page_size: 1, ..Default::default() };
    let newest = pair.audit(Role::Auditor).list_receipts(request).await.unwrap().into_inner();
    newest.receipts[0].leaf_index + 1
}

fn attempt(row: &Value) -> u64 {
    row.pointer("/event/unmapped/countersign/attempt").and_then(Value::as_u64).unwrap()
}

/// Waits until these rows are of every receipt.
async fn whole(size: u64, rows: impl Fn() -> Vec<Value>) -> Vec<Value> {
    loop {
        let rows = rows();
        let there: BTreeSet<_> = rows.iter().filter_map(index).collect();
        if there.len() as u64 >= size {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What `reconcile-siem` says of an export.
fn reconciled(pair: &Pair, rows: &[Value]) -> (bool, Value) {
    let lines: Vec<_> = rows.iter().map(Value::to_string).collect();
    fs::write(pair.path("export.jsonl"), lines.join("\n")).unwrap();
    let words = ["audit", "reconcile-siem", "export.jsonl", "--log", "state/log"];
    let (good, said) =
        pair.command(&[&words[..], &["--key", "log.pub", "--live", "--json"]].concat());
    (good, serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn siem_delivery_loses_nothing_whatever_the_receiver_does() {
    let mut collector = Collector::start(&token());
    let mut pair = Pair::executor_only().await;
    deployed(&mut pair, &collector);
    let mut desk = Desk::new(&pair, pair.customer(1), "real");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    drop(desk);
    let stop = AtomicBool::new(false);
    tokio::join!(load(&pair, &stop), trouble(&mut collector, &stop));

    // The executor dies when the collector has what it does not admit.
    collector.turns(Mood::Lies);
    let refused = Desk::new(&pair, pair.customer(1), "c1").propose(step("no.tool", vec![])).await;
    refusal(refused);
    collector.is_hit(1).await;
    pair.restart_executor();
    collector.turns(Mood::Good);

    let size = size(&pair).await;
    let rows = whole(size, || collector.indexed()).await;
    let (good, said) = reconciled(&pair, &rows);
    assert!(good, "{said}");
    assert_eq!(said["size"], size, "{said}");
    let again = said["resent"].as_u64().unwrap();
    assert!(again >= 3, "half of one batch, a whole one, and one of a dead executor: {said}");
    let file = || {
        let text = fs::read_to_string(pair.path("events.jsonl")).unwrap();
        text.lines()
            .map(|line| json!({ "event": serde_json::from_str::<Value>(line).unwrap() }))
            .collect()
    };
    let (good, said) = reconciled(&pair, &whole(size, file).await);
    assert!(good && said["resent"] == 0, "{said}");

    // Whoever holds the SIEM takes one away, rewrites one, adds one twice.
    let at = |wanted: u64| rows.iter().position(|row| index(row) == Some(wanted)).unwrap();
    let kept: Vec<_> = rows.iter().filter(|row| index(row) != Some(5)).cloned().collect();
    let (good, said) = reconciled(&pair, &kept);
    assert!(!good && said["missing"] == json!([{ "from": 5, "to": 6 }]), "{said}");
    let mut changed = rows.clone();
    changed[at(3)]["event"]["status"] = json!("tampered");
    let (good, said) = reconciled(&pair, &changed);
    assert!(!good && said["altered"][0]["index"] == 3, "{said}");
    let mut doubled = rows.clone();
    let unmarked = rows.iter().find(|row| index(row).is_some() && attempt(row) == 1).unwrap();
    doubled.push(unmarked.clone());
    let (good, said) = reconciled(&pair, &doubled);
    assert!(!good && said["doubled"][0]["index"].as_u64() == index(unmarked), "{said}");

    // Nothing happens, and that is told; nobody's name and no token is.
    let beats = || collector.indexed().iter().filter(|row| index(row).is_none()).count();
    let before = beats();
    while beats() <= before {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = json!(rows).to_string();
    assert!(!text.contains("customer1@example.com") && text.contains("demo-shop"), "{text}");
    let leaks = Search::new(&[Secret::new("the collector's token", token())])
        .below(pair.dir.path(), canary::rightful);
    assert!(leaks.is_empty(), "{leaks:?}");
}
