#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use countersign_core::answer::Barrier;
use countersign_core::lifecycle::fold;
use countersign_core::seal;
use countersign_shared::codes::Code;
use countersign_shared::peer::Table as _;
use countersign_shared::receipt::Counted;
use jiff::Timestamp;

use super::*;
use crate::config::Callers;
use crate::erasure::Order;
use crate::flood::Source;
use crate::grants::tests::shop::{PACK, Shop};
use crate::peer::Authorize;
use crate::ports::SystemClock;
use crate::{packs, testing};

const PAGE: &str = include_str!("../../../deploy/docs/METRICS.md");
const RECEIPT: &str = include_str!("../../../shared/examples/receipt.json");

fn shopify() -> Catalog {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("packs/shopify");
    packs::load(&[pack]).unwrap()
}

fn receipt(tool: &str, outcome: &str, code: &str) -> Receipt {
    let mut receipt: Receipt = serde_json::from_str(RECEIPT).unwrap();
    tool.clone_into(&mut receipt.tool);
    outcome.clone_into(&mut receipt.outcome);
    code.clone_into(&mut receipt.code);
    receipt
}

fn series(metrics: &Metrics) -> BTreeMap<String, String> {
    let text = metrics.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap()).map(|(k, v)| (k.into(), v.into())).collect()
}

#[test]
fn what_is_told_is_what_the_page_lists() {
    let metrics = Metrics::new(&shopify(), &[]);
    let told = metrics.families();
    told.left_alone.get_or_create(&[("tenant", String::new()), ("pack", String::new())]).set(0);
    told.log_behind.get_or_create(&[("who", String::new())]).set(0);
    told.log_behind_seconds.get_or_create(&[("who", String::new())]).set(0);
    metrics.fed("soc", 0, 0);
    metrics.ends(Ends { certificate: 1, authorities: 2, revocations: None });
    let text = metrics.text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let found: BTreeMap<_, _> = types.map(|line| line.split_once(' ').unwrap()).collect();
    let (_, page) = PAGE.split_once("## Executor").unwrap();
    let (page, _) = page.split_once("## Planner").unwrap();
    let mut listed = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (name, labels) = (cells[1].trim_matches('`'), cells[4]);
        listed.insert(name, cells[2]);
        let labels = labels.split(", ").map(|l| l.trim_matches('`')).filter(|l| !l.is_empty());
        assert_eq!(labels_of(&text, name), labels.collect(), "labels of {name}");
    }
    assert_eq!(found, listed);
}

/// Every label of a metric but those that histograms add.
fn labels_of<'a>(text: &'a str, name: &str) -> BTreeSet<&'a str> {
    let own = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or("#");
        let plain = rest.strip_prefix("_total").or(rest.strip_prefix("_bucket")).unwrap_or(rest);
        plain.starts_with('{')
    };
    let line = text.lines().find(own).unwrap_or_default();
    let inside = line.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
    let keys = inside.split("\",").filter_map(|one| Some(one.split_once('=')?.0));
    keys.filter(|key| *key != "le").collect()
}

#[test]
fn nobody_outside_makes_a_series() {
    let metrics = Metrics::new(&shopify(), &[]);
    let before: BTreeSet<_> = series(&metrics).into_keys().collect();
    for hostile in ["", "a\"} 1\nforged 2", "jane@shop.example", "shopify.cancel_order\u{0}", "𝒳"]
    {
        for n in 0..50 {
            let made = format!("{hostile}{n}");
            metrics.tally(&receipt(&made, &made, &made)).count();
            metrics.tally(&receipt(&made, "refused", &made)).count();
            metrics.refused(&made);
            metrics.fed(&made, 1, 1);
        }
    }
    let mut after: BTreeSet<_> = series(&metrics).into_keys().collect();
    assert!(after.remove("countersign_siem_behind{sink=\"other\"}"));
    assert!(after.remove("countersign_siem_behind_seconds{sink=\"other\"}"));
    assert_eq!(after, before);
    let text = metrics.text();
    assert!(!text.contains("forged") && !text.contains("jane"), "{text}");
}

#[test]
fn receipts_refusals_and_calls_are_counted_once_each() {
    let catalog = shopify();
    let metrics = Metrics::new(&catalog, &[]);
    metrics.tally(&receipt("shopify.cancel_order", "applied", "")).count();
    metrics.tally(&receipt("shopify.cancel_order", "refused", "STATE_CHANGED")).count();
    let _not_durable = metrics.tally(&receipt("shopify.cancel_order", "applied", ""));
    metrics.refused("OVERLOADED");
    metrics.called(&catalog.tools["shopify.get_order"], "answered", Duration::from_millis(3));
    let found = series(&metrics);
    let receipts = |outcome| {
        &found[&format!(
            "countersign_receipts_total{{tool=\"shopify.cancel_order\",outcome=\"{outcome}\"}}"
        )]
    };
    assert_eq!((receipts("applied").as_str(), receipts("refused").as_str()), ("1", "1"));
    assert_eq!(receipts("unknown"), "0", "it begins at 0");
    for code in ["STATE_CHANGED", "OVERLOADED"] {
        assert_eq!(found[&format!("countersign_refusals_total{{code=\"{code}\"}}")], "1");
    }
    let call = "{pack=\"shopify\",class=\"none\",result=\"answered\"}";
    assert_eq!(found[&format!("countersign_backend_calls_total{call}")], "1");
}

/// And so is what was beyond a caller's quota.
#[tokio::test]
async fn what_people_change_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let parts = (testing::catalog(&PACK), testing::policy());
    let shop = Arc::<Shop>::default();
    let desk = testing::desk(folder.path(), parts, shop, Arc::new(SystemClock));
    let state = fold(vec![testing::proposed(1, "i", "o"), testing::refused("no")]).unwrap();
    let id = testing::id("rcp", 1).parse().unwrap();
    let leaf = seal::seal(&state, None, &id, Timestamp::now()).unwrap();
    let whose = [leaf.person.clone()];
    desk.pipeline.store.seal(leaf, None).await.unwrap();
    let order = Order { by: "op".into(), reason: "asked".into() };
    for holds in [true, false] {
        desk.pipeline.hold(&whose, holds, &order).await.unwrap();
    }
    desk.pipeline.erase(&whose, &order).await.unwrap();
    let source = Source { caller: "c".into(), tenant: "t".into() };
    while desk.admits(source.clone(), "PLAN_INVALID") {}
    desk.seal_counted(true).await;
    let found = series(&desk.pipeline.metrics);
    let receipts = |outcome| {
        &found[&format!("countersign_receipts_total{{tool=\"other\",outcome=\"{outcome}\"}}")]
    };
    assert_eq!((receipts("changed").as_str(), receipts("refused").as_str()), ("3", "1"));
}

/// Each of them was one when it was turned away.
#[test]
fn a_receipt_of_many_refusals_is_one_receipt_and_no_further_refusal() {
    let metrics = Metrics::new(&shopify(), &[]);
    let codes = [("OVERLOADED".to_owned(), 40)].into();
    let now = Timestamp::UNIX_EPOCH;
    let counted = Counted { since: now, until: now, codes };
    let leaf = seal::counted("c", "t", counted, &testing::id("rcp", 1).parse().unwrap(), now);
    metrics.tally(&leaf.receipt).count();
    let found = series(&metrics);
    assert_eq!(found["countersign_receipts_total{tool=\"other\",outcome=\"refused\"}"], "1");
    let refusals = found.iter().filter(|(name, _)| name.starts_with("countersign_refusals"));
    assert!(refusals.clone().count() > 0 && refusals.clone().all(|(_, count)| count == "0"));
}

#[test]
fn whoever_is_turned_away_at_the_door_is_counted() {
    let metrics = Metrics::new(&shopify(), &[]);
    let code = "countersign_refusals_total{code=\"CALLER_NOT_ALLOWED\"}";
    assert_eq!(series(&metrics)[code], "0");
    let nobody =
        Callers { planners: vec![], auditors: vec![], operators: vec![], approvers: vec![] };
    Authorize::new(nobody).telling(metrics.clone()).turned_away(Code::CallerNotAllowed);
    assert_eq!(series(&metrics)[code], "1");
}

#[test]
fn each_end_of_what_is_in_use_is_told_once_there_is_one() {
    let metrics = Metrics::new(&shopify(), &[]);
    let told = |what| {
        let name = format!("countersign_tls_end_timestamp_seconds{{of=\"{what}\"}}");
        series(&metrics).get(&name).cloned()
    };
    metrics.ends(Ends { certificate: 5, authorities: 7, revocations: None });
    assert_eq!(told("revocations"), None);
    metrics.ends(Ends { certificate: 6, authorities: 7, revocations: Some(8) });
    let found = ["certificate", "authorities", "revocations"].map(told);
    assert_eq!(found, ["6", "7", "8"].map(|end| Some(end.to_owned())));
}

#[test]
fn each_end_of_a_call_has_its_name() {
    use countersign_core::answer::Sent;
    let answered =
        |status| Sent::Answered { status, retry_after: None, replayed: false, body: vec![] };
    let held = Sent::NotSent { barrier: Barrier::Busy, why: String::new() };
    let ends =
        [answered(200), answered(404), answered(502), Sent::Lost { why: String::new() }, held];
    let names: Vec<_> = ends.iter().map(counted::result).collect();
    assert_eq!(names, closed::RESULTS);
}
