//! Which ways are open.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::check::{Check, put, without};
use crate::rendered::{Rendered, list};

const POLICY: &str = "NetworkPolicy";

pub const CHECKS: &[Check] = &[
    Check {
        says: "what is not named is shut",
        holds: shut,
        broken: &[
            without(POLICY, "nothing", ""),
            put(POLICY, "nothing", "/spec/policyTypes", "[Ingress]"),
            put(POLICY, "nothing", "/spec/egress", "[{}]"),
            put(POLICY, "nothing", "/spec/podSelector", "{ matchLabels: { a: b } }"),
        ],
    },
    Check {
        says: "the planner reaches names, the executor and the model",
        holds: planner_out,
        broken: &[
            put(
                POLICY,
                "planner-to-model",
                "/spec/egress/0/to/-",
                "{ ipBlock: { cidr: 198.51.100.0/24 } }",
            ),
            put(
                POLICY,
                "planner-to-model",
                "/spec/egress/0/to",
                "[{ ipBlock: { cidr: 0.0.0.0/0 } }]",
            ),
            put(POLICY, "executor-to-backends", "/spec/podSelector", "{}"),
            without(POLICY, "planner-to-executor", "/spec/egress/0/ports"),
            without(POLICY, "planner-to-executor", ""),
        ],
    },
    Check {
        says: "the executor reaches names and systems of record",
        holds: executor_out,
        broken: &[
            put(POLICY, "executor-to-backends", "/spec/egress/0/ports/0/port", "80"),
            put(POLICY, "planner-to-model", "/spec/podSelector", "{}"),
            put(POLICY, "executor-to-backends", "/spec/egress/-", "{}"),
        ],
    },
    Check {
        says: "frontends call the planner, planners and staff the executor",
        holds: ways_in,
        broken: &[
            put(POLICY, "callers-to-executor", "/spec/ingress/0/from", "[]"),
            put(POLICY, "callers-to-executor", "/spec/ingress/0/from/-", "{ podSelector: {} }"),
            put(
                POLICY,
                "frontends-to-planner",
                "/spec/ingress/0/from/0",
                "{ namespaceSelector: {} }",
            ),
            put(
                POLICY,
                "frontends-to-planner",
                "/spec/ingress/0/ports/-",
                "{ protocol: TCP, port: 7580 }",
            ),
        ],
    },
];

/// Where executors remember together, and where planners do.
const EXECUTORS_DATABASE: &str = "203.0.113.0/28";
const PLANNERS_DATABASE: &str = "203.0.113.16/28";

pub const POSTGRES: &[Check] = &[Check {
    says: "each service reaches its own database and not the other's",
    holds: databases,
    broken: &[
        without(POLICY, "planner-to-database", ""),
        without(POLICY, "executor-to-database", ""),
        put(POLICY, "planner-to-database", "/spec/egress/0/to/0/ipBlock/cidr", "203.0.113.0/28"),
        put(POLICY, "planner-to-database", "/spec/egress/0/to/0/ipBlock/cidr", "203.0.113.0/24"),
        put(POLICY, "executor-to-database", "/spec/podSelector", "{}"),
        put(POLICY, "planner-to-database", "/spec/podSelector", "{}"),
        put(POLICY, "planner-to-database", "/spec/egress/0/ports/0/port", "443"),
    ],
}];

/// One way: who is at the other end, and the ports.
pub type Way = (String, Vec<u64>);

fn shut(all: &Rendered) -> Result<(), String> {
    let found = &all.get(POLICY, "nothing")?["spec"];
    let wanted = json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] });
    if *found == wanted { Ok(()) } else { Err(found.to_string()) }
}

/// Every way of a pod in a direction, over all policies that select it.
pub fn ways(all: &Rendered, pod: &str, direction: &str, end: &str) -> BTreeSet<Way> {
    let pods = all.pods();
    let (_, template) = pods.iter().find(|(name, _)| *name == pod).unwrap();
    let labels = &template["metadata"]["labels"];
    let selects = |policy: &&Value| {
        let wanted = &policy["spec"]["podSelector"]["matchLabels"];
        wanted.as_object().is_none_or(|all| all.iter().all(|(key, v)| labels[key] == *v))
    };
    let mut found = BTreeSet::new();
    for policy in all.of(POLICY).filter(selects) {
        for rule in list(&policy["spec"][direction]) {
            let ports = list(&rule["ports"]).iter().map(|p| p["port"].as_u64().unwrap_or(0));
            let ports: Vec<_> = ports.collect();
            match list(&rule[end]) {
                // Kubernetes: no list, no limit.
                [] => drop(found.insert(("anybody".to_owned(), ports))),
                some => found.extend(some.iter().map(|end| (end.to_string(), ports.clone()))),
            }
        }
    }
    found
}

pub fn pods_of(name: &str) -> String {
    json!({ "podSelector": { "matchLabels": { "app.kubernetes.io/name": name } } }).to_string()
}

pub fn namespaces(label: &str) -> String {
    json!({ "namespaceSelector": { "matchLabels": { label: "true" } } }).to_string()
}

pub fn block(cidr: &str) -> String {
    json!({ "ipBlock": { "cidr": cidr } }).to_string()
}

pub fn names() -> Way {
    let dns = json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "kube-system" } },
        "podSelector": { "matchLabels": { "k8s-app": "kube-dns" } },
    });
    (dns.to_string(), vec![53, 53])
}

pub fn same(found: BTreeSet<Way>, wanted: impl IntoIterator<Item = Way>) -> Result<(), String> {
    let wanted: BTreeSet<_> = wanted.into_iter().collect();
    if found == wanted { Ok(()) } else { Err(format!("{found:#?}")) }
}

fn planner_out(all: &Rendered) -> Result<(), String> {
    let model = (block("192.0.2.0/24"), vec![443]);
    let mut wanted = vec![names(), (pods_of("executor"), vec![7443]), model];
    if all.get(POLICY, "planner-to-database").is_ok() {
        wanted.push((block(PLANNERS_DATABASE), vec![5432]));
    }
    same(ways(all, "planner", "egress", "to"), wanted)
}

fn executor_out(all: &Rendered) -> Result<(), String> {
    let mut wanted = vec![names(), (block("198.51.100.0/24"), vec![443])];
    if all.get(POLICY, "executor-to-database").is_ok() {
        wanted.push((block(EXECUTORS_DATABASE), vec![5432]));
    }
    same(ways(all, "executor", "egress", "to"), wanted)
}

fn databases(all: &Rendered) -> Result<(), String> {
    for pod in ["executor", "planner"] {
        all.get(POLICY, &format!("{pod}-to-database"))?;
    }
    planner_out(all)?;
    executor_out(all)
}

fn ways_in(all: &Rendered) -> Result<(), String> {
    let planner = [(namespaces("countersign.dev/frontend"), vec![7543])];
    same(ways(all, "planner", "ingress", "from"), planner)?;
    let staff = (namespaces("countersign.dev/staff"), vec![7443]);
    let executor = [(pods_of("planner"), vec![7443]), staff];
    same(ways(all, "executor", "ingress", "from"), executor)
}
