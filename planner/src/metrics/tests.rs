#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::peer::Table as _;

use super::*;
use crate::budget::{Amount, Cap, Caps, Purse};
use crate::memory::Memory;
use crate::model::Decision;
use crate::peer::Authorize;

const PAGE: &str = include_str!("../../../deploy/docs/METRICS.md");

fn answered() -> Result<Decided, Unusable> {
    let decision =
        Decision { want: Want::Question, score: 1.0, doubt: String::new(), tokens: None };
    let usage = ModelUse { input_tokens: 100, output_tokens: 10, ..ModelUse::default() };
    Ok(Decided { decision, usage, calls: vec![] })
}

fn used() -> Metrics {
    let metrics = Metrics::default();
    let answered = answered();
    let took = Duration::from_millis(300);
    metrics.asked(&Asked { tier: "cheap", model: "small", answered: &answered, took, micros: 7 });
    metrics.left_alone("cheap", "small", false);
    metrics.strong("failure");
    metrics.left(Left { money: Some(0.5), ..Left::default() });
    metrics.decided(&answered);
    metrics.reached(true);
    metrics.remembers(true);
    metrics.ends(Ends { certificate: 5, authorities: 6, revocations: Some(7) });
    metrics.chat_ends(8);
    let authorize = Authorize::new(vec![]).telling(metrics.clone());
    authorize.turned_away(Code::CallerNotAllowed);
    metrics
}

#[test]
fn what_is_told_is_what_the_page_lists() {
    let text = used().text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let found: BTreeMap<_, _> = types.map(|line| line.split_once(' ').unwrap()).collect();
    let (_, page) = PAGE.split_once("## Planner").unwrap();
    let mut listed = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (name, labels) = (cells[1].trim_matches('`'), cells[4]);
        listed.insert(name, cells[2]);
        let labels: BTreeSet<_> =
            labels.split(", ").map(|l| l.trim_matches('`')).filter(|l| !l.is_empty()).collect();
        let sample = text.lines().find(|l| l.starts_with(name) && !l.starts_with('#')).unwrap();
        let inside = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let keys = inside.split("\",").filter_map(|one| Some(one.split_once('=')?.0));
        assert_eq!(keys.filter(|key| *key != "le").collect::<BTreeSet<_>>(), labels, "{sample}");
    }
    assert_eq!(found, listed);
}

#[tokio::test]
async fn a_new_day_has_its_budget_before_anybody_writes() {
    let day = Cap { calls: Some(4), ..Cap::default() };
    let budgets = Budgets::new(Caps { day, ..Caps::default() }, Memory::default());
    let metrics = Metrics::default();
    metrics.of_budgets(&budgets);
    let evening: Timestamp = "2026-11-25T23:59:00Z".parse().unwrap();
    let most = Amount { calls: 3, ..Amount::default() };
    let _spent = budgets.reserve(&Purse::default(), most, evening).await.unwrap();
    let told = async |at| {
        let text = metrics.text_at(at).await;
        let line =
            text.lines().find(|line| line.starts_with("countersign_model_budget_left_ratio"));
        line.unwrap().rsplit_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(told(evening).await, "0.25");
    assert_eq!(told("2026-11-26T00:01:00Z".parse().unwrap()).await, "1.0");
}

#[test]
fn what_was_told_is_counted_under_its_labels() {
    let text = used().text();
    let model = "tier=\"cheap\",model=\"small\"";
    for line in [
        format!("countersign_model_calls_total{{{model},result=\"answered\"}} 1"),
        format!("countersign_model_tokens_total{{{model},direction=\"read\"}} 100"),
        format!("countersign_model_tokens_total{{{model},direction=\"written\"}} 10"),
        format!("countersign_model_cost_micros_total{{{model}}} 7"),
        "countersign_model_strong_total{reason=\"failure\"} 1".to_owned(),
        "countersign_model_budget_left_ratio{of=\"money\"} 0.5".to_owned(),
        "countersign_model_decisions_total{want=\"question\"} 1".to_owned(),
        "countersign_model_decisions_total{want=\"tool\"} 0".to_owned(),
        "countersign_executor_reached 1".to_owned(),
        "countersign_planner_memory_reached 1".to_owned(),
        "countersign_refusals_total{code=\"CALLER_NOT_ALLOWED\"} 1".to_owned(),
        "countersign_tls_end_timestamp_seconds{of=\"certificate\"} 5".to_owned(),
        "countersign_tls_end_timestamp_seconds{of=\"authorities\"} 6".to_owned(),
        "countersign_tls_end_timestamp_seconds{of=\"revocations\"} 7".to_owned(),
        "countersign_tls_end_timestamp_seconds{of=\"chat\"} 8".to_owned(),
    ] {
        assert!(text.lines().any(|told| told == line), "{line}\n{text}");
    }
}
