//! What operators are told by: every alert has its page, every number that is asked for exists,
//! and each alert fires on what it is for and on nothing beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::check::{Check, put, without};
use crate::rendered::{Rendered, list, root};

const COMPONENT: &str = "deploy/kustomize/components/monitoring";
const RULES: &str = "PrometheusRule";
/// Prometheus' own.
const ITS_OWN: &str = "up";

pub fn component() -> Option<Rendered> {
    Rendered::folder(COMPONENT)
}

pub const CHECKS: &[Check] = &[
    Check {
        says: "every alert has its page, every page its alert",
        holds: pages,
        broken: &[
            put(RULES, "countersign", "/spec/groups/0/rules/0/alert", "Nobody"),
            put(RULES, "countersign", "/spec/groups/0/rules/1/annotations/runbook_url", "x"),
            without(RULES, "countersign", "/spec/groups/0/rules/2"),
        ],
    },
    Check {
        says: "every number of alerts and dashboard is one that is told",
        holds: numbers,
        broken: &[
            put(RULES, "countersign", "/spec/groups/0/rules/0/expr", "countersign_nothing > 0"),
            put(
                "ConfigMap",
                "countersign-dashboard",
                "/data/countersign.json",
                "'{\"panels\": [{\"targets\": [{\"expr\": \"countersign_no_total\"}]}]}'",
            ),
        ],
    },
    Check {
        says: "every number that is told has a panel",
        holds: panels,
        broken: &[put(
            "ConfigMap",
            "countersign-dashboard",
            "/data/countersign.json",
            "'{\"panels\": [{\"targets\": [{\"expr\": \"countersign_quarantined\"}]}]}'",
        )],
    },
    Check {
        says: "what one house's services tell is not mixed with another's",
        holds: apart,
        broken: &[
            put(
                RULES,
                "countersign",
                "/spec/groups/0/rules/3/expr",
                "max(countersign_quarantined) == 1",
            ),
            put(
                RULES,
                "countersign",
                "/spec/groups/0/rules/3/expr",
                "max by (pod) (countersign_quarantined) == 1",
            ),
        ],
    },
    Check {
        says: "Prometheus comes in to the status pages, and nobody else",
        holds: ways,
        broken: &[
            put("NetworkPolicy", "prometheus-to-executor", "/spec/ingress/0/from/-", "{}"),
            put("NetworkPolicy", "prometheus-to-planner", "/spec/ingress/0/ports/0/port", "7543"),
            without("NetworkPolicy", "prometheus-to-planner", ""),
        ],
    },
];

fn rules(all: &Rendered) -> Result<Vec<Value>, String> {
    let groups = list(&all.get(RULES, "countersign")?["spec"]["groups"]).to_vec();
    Ok(groups.iter().flat_map(|group| list(&group["rules"]).to_vec()).collect())
}

fn pages(all: &Rendered) -> Result<(), String> {
    let mut alerts = BTreeSet::new();
    for rule in rules(all)? {
        let alert = rule["alert"].as_str().unwrap_or_default().to_owned();
        let url = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
        if !url.ends_with(&format!("/deploy/docs/runbooks/{alert}.md")) {
            return Err(format!("{alert}: {url}"));
        }
        if !["page", "ticket"].iter().any(|severity| rule["labels"]["severity"] == *severity) {
            return Err(format!("{alert}: how urgent is it?"));
        }
        alerts.insert(format!("{alert}.md"));
    }
    let files = fs::read_dir(root().join("deploy/docs/runbooks")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = files.collect();
    if files == alerts { Ok(()) } else { Err(format!("{files:?}\n{alerts:?}")) }
}

fn numbers(all: &Rendered) -> Result<(), String> {
    let rules = rules(all)?.into_iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    let (listed, asked) = (listed(), rules.chain(shown(all)?).collect::<Vec<_>>());
    let unknown = names(&asked).into_iter().find(|name| !listed.contains(name) && name != ITS_OWN);
    unknown.map_or(Ok(()), |name| Err(format!("nobody tells {name}")))
}

fn panels(all: &Rendered) -> Result<(), String> {
    let shown = names(&shown(all)?);
    let unseen = listed().into_iter().find(|name| !shown.contains(name));
    unseen.map_or(Ok(()), |name| Err(format!("no panel shows {name}")))
}

/// The numbers of METRICS.md, which the services' own tests hold against what they tell.
fn listed() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("deploy/docs/METRICS.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.to_owned()).collect()
}

/// What the panels of the dashboard ask for.
fn shown(all: &Rendered) -> Result<Vec<String>, String> {
    let board = &all.get("ConfigMap", "countersign-dashboard")?["data"]["countersign.json"];
    let board: Value = serde_json::from_str(board.as_str().unwrap()).map_err(|e| e.to_string())?;
    let targets = list(&board["panels"]).iter().flat_map(|panel| list(&panel["targets"]));
    Ok(targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect())
}

/// The numbers that are asked for, as the page lists them.
fn names(asked: &[String]) -> BTreeSet<String> {
    let name = regex::Regex::new(r"\bcountersign_[a-z_]+|\bup\b").unwrap();
    let plain = |found: regex::Match<'_>| {
        let found = found.as_str();
        let plain = ["_total", "_bucket"].iter().find_map(|end| found.strip_suffix(end));
        plain.unwrap_or(found).to_owned()
    };
    asked.iter().flat_map(|asked| name.find_iter(asked).map(plain)).collect()
}

fn apart(all: &Rendered) -> Result<(), String> {
    let mixes = regex::Regex::new(r"\b(max|min|sum)(\(| by \()").unwrap();
    for rule in rules(all)? {
        let asked = rule["expr"].as_str().unwrap_or_default();
        let kept = |one: regex::Match<'_>| asked[one.end()..].starts_with("namespace");
        if !mixes.find_iter(asked).all(kept) {
            return Err(asked.to_owned());
        }
    }
    Ok(())
}

fn ways(all: &Rendered) -> Result<(), String> {
    for (service, port) in [("executor", 7480), ("planner", 7580)] {
        let policy = &all.get("NetworkPolicy", &format!("prometheus-to-{service}"))?["spec"];
        let wanted = json!({
            "podSelector": { "matchLabels": { "app.kubernetes.io/name": service } },
            "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [{
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "monitoring" } },
                    "podSelector": { "matchLabels": { "app.kubernetes.io/name": "prometheus" } },
                }],
                "ports": [{ "protocol": "TCP", "port": port }],
            }],
        });
        if *policy != wanted {
            return Err(format!("{service}: {policy}"));
        }
    }
    let scraped = &all.get("ServiceMonitor", "countersign")?["spec"]["endpoints"][0];
    let page = scraped["port"] == "admin" && scraped["path"] == "/metrics";
    if page { Ok(()) } else { Err(format!("{scraped}")) }
}

/// `promtool` over the rules and their own tests.
pub fn fire_as_they_should() {
    let Some(all) = component() else { return };
    let folder = tempfile::Builder::new().prefix("rules").tempdir_in(memory()).unwrap();
    let spec = all.get(RULES, "countersign").unwrap()["spec"].to_string();
    fs::write(folder.path().join("rules.yaml"), spec).unwrap();
    let tests = include_str!("alerts.yaml");
    for rule in rules(&all).unwrap() {
        let alert = rule["alert"].as_str().unwrap();
        for told in [format!("{alert} fires"), format!("{alert} is quiet")] {
            assert!(tests.contains(&told), "no test of that: {told}");
        }
    }
    let Some(found) = promtool(folder.path(), tests) else { return };
    assert_eq!(found, Ok(()));
    // A rule that never fires is found out.
    let never = tests.replacen("values: '0x60'", "values: '1x60'", 1);
    assert!(promtool(folder.path(), &never).is_some_and(|found| found.is_err()));
}

fn promtool(folder: &Path, tests: &str) -> Option<Result<(), String>> {
    fs::write(folder.join("alerts.yaml"), tests).unwrap();
    let run = Command::new("promtool")
        .current_dir(folder)
        .env("TMPDIR", folder)
        .args(["test", "rules", "alerts.yaml"])
        .output();
    let Ok(output) = run else {
        let needed = std::env::var_os("COUNTERSIGN_NEEDS_PROMTOOL").is_some();
        assert!(!needed, "promtool is not here");
        println!("skipped: promtool is not here");
        return None;
    };
    let said = format!("{output:?}");
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

/// Each test of a rule makes a database: in memory, where that is a folder.
fn memory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
