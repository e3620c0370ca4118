//! Configurations, read by the code that reads them in the pod.

use std::path::Path;

use countersign_executor::connector::Connections;
use countersign_executor::subject::Subjects;
use countersign_executor::vault::Vault;
use countersign_executor::{config as executor, packs, policy};
use countersign_planner::config as planner;
use countersign_shared::postgres::Tls;
use serde_json::Value;

use crate::check::{Check, put, without};
use crate::mounted::Mounted;
use crate::rendered::{Rendered, list};

const SET: &str = "StatefulSet";

pub const CHECKS: &[Check] = &[
    Check {
        says: "the executor's configuration loads, with policy, packs, keys and credentials",
        holds: executor_loads,
        broken: &[
            put("ConfigMap", "executor-config", "/data/executor.yaml", "'listen: x'"),
            put("ConfigMap", "executor-policy", "/data/policy.cedar", "'permit(principal);'"),
            without("ConfigMap", "executor-policy", "/data/settings.yaml"),
            without("ConfigMap", "public-keys", "/data/accounts.pub"),
            put("ConfigMap", "public-keys", "/data/web-chat.pub", "none"),
            without(SET, "executor", "/spec/template/spec/containers/0/volumeMounts/[credentials]"),
        ],
    },
    Check {
        says: "the planner's configuration loads, with the log's key",
        holds: planner_loads,
        broken: &[
            put("ConfigMap", "planner-config", "/data/planner.yaml", "'listen: x'"),
            put("ConfigMap", "public-keys", "/data/log.pub", "none"),
        ],
    },
    Check {
        says: "ports of configurations, containers and services are the same",
        holds: ports,
        broken: &[
            put(SET, "executor", "/spec/template/spec/containers/0/ports/0/containerPort", "1"),
            put("Service", "planner", "/spec/ports/1/port", "1"),
        ],
    },
    Check {
        says: "the keys that the log had before are seen beside its own",
        holds: earlier_keys,
        broken: &[put(
            SET,
            "executor",
            "/spec/template/spec/volumes/[secrets]/secret/items",
            "[{ key: log.key, path: log.key }, { key: keys.kek, path: keys.kek }]",
        )],
    },
    Check {
        says: "what is named in a configuration is mounted",
        holds: named_is_mounted,
        broken: &[
            put(
                SET,
                "executor",
                "/spec/template/spec/volumes/[secrets]/secret/items",
                "[{ key: log.key, path: log.key }]",
            ),
            without(SET, "executor", "/spec/template/spec/containers/0/volumeMounts/[tls]"),
            put(
                SET,
                "planner",
                "/spec/template/spec/volumes/[secrets]/secret/items",
                "[{ key: cosign.key, path: other.key }]",
            ),
            put(
                SET,
                "planner",
                "/spec/template/spec/containers/0/volumeMounts/[state]/mountPath",
                "/x",
            ),
            put(SET, "planner", "/spec/template/spec/containers/0/args/1", "/etc/x.yaml"),
        ],
    },
];

pub const POSTGRES: &[Check] = &[Check {
    says: "planners remember in a database of their own, over verified TLS, with a password's file",
    holds: planners_database,
    broken: &[
        put("ConfigMap", "planner-config", "/data/planner.yaml", "'drain: 5s'"),
        without("ConfigMap", "planner-database-authority", "/data/planner-database-ca.pem"),
        put(
            SET,
            "planner",
            "/spec/template/spec/volumes/[secrets]/secret/items",
            "[{ key: cosign.key, path: cosign.key }]",
        ),
        without(SET, "planner", "/spec/template/spec/volumes/[database-authority]"),
    ],
}];

fn planners_database(all: &Rendered) -> Result<(), String> {
    let pod = Mounted::of(all, "planner")?;
    let config = planner::Config::load(&pod.config("planner")?).map_err(|e| e.to_string())?;
    let store = config.store.ok_or("each remembers for itself")?;
    let Tls::On(_) = &store.postgres.tls else { return Err("anybody may listen".to_owned()) };
    let files: Vec<_> = store.files().collect();
    if files.len() != 2 {
        return Err(format!("no authority, or no password: {files:?}"));
    }
    if let Some(absent) = files.iter().find(|file| !file.exists()) {
        return Err(format!("nothing is at {}", absent.display()));
    }
    let theirs = &read(all, "executor")?["store"]["postgres"];
    let own = &store.postgres;
    for (key, ours) in [("host", &own.host), ("database", &own.database), ("user", &own.user)] {
        if theirs[key] == *ours.as_str() {
            return Err(format!("{key}: the executors' too"));
        }
    }
    Ok(())
}

fn executor_loads(all: &Rendered) -> Result<(), String> {
    let pod = Mounted::of(all, "executor")?;
    let config = executor::Config::load(&pod.config("executor")?).map_err(|e| e.to_string())?;
    let catalog = packs::load(&config.packs).map_err(|all| format!("{all:?}"))?;
    policy::load(&config.policy, &catalog).map_err(|e| e.to_string())?;
    let vault = Vault::open(&config.credentials).map_err(|e| e.to_string())?;
    Connections::build(&config.connections, &catalog, &vault).map_err(|all| format!("{all:?}"))?;
    Subjects::load(&config).map(drop).map_err(|e| e.to_string())
}

fn planner_loads(all: &Rendered) -> Result<(), String> {
    let pod = Mounted::of(all, "planner")?;
    let config = planner::Config::load(&pod.config("planner")?).map_err(|e| e.to_string())?;
    let log = config.log.ok_or("it keeps no history")?;
    log.keys().map(drop).map_err(|e| e.to_string())
}

fn earlier_keys(all: &Rendered) -> Result<(), String> {
    let pod = Mounted::of(all, "executor")?;
    let config = executor::Config::load(&pod.config("executor")?).map_err(|e| e.to_string())?;
    let file = countersign_executor::log::retired(&config.log);
    if file.exists() { Ok(()) } else { Err(format!("nothing can be put at {}", file.display())) }
}

fn read(all: &Rendered, service: &str) -> Result<Value, String> {
    let map = all.config_map(&format!("{service}-config"))?;
    let text = map["data"][format!("{service}.yaml")].as_str().unwrap_or_default();
    serde_saphyr::from_str(text).map_err(|e| e.to_string())
}

fn ports(all: &Rendered) -> Result<(), String> {
    for (name, pod) in all.pods() {
        let config = read(all, name)?;
        let service = all.get("Service", name)?;
        for (key, port) in [("listen", "grpc"), ("admin", "admin")] {
            let address = config[key].as_str().unwrap_or_default();
            let written: Option<u64> =
                address.strip_prefix("0.0.0.0:").and_then(|p| p.parse().ok());
            let named = |ports: &Value, field: &str| {
                list(ports).iter().find(|p| p["name"] == port).and_then(|p| p[field].as_u64())
            };
            let open = named(&pod["spec"]["containers"][0]["ports"], "containerPort");
            let served = named(&service["spec"]["ports"], "port");
            if written.is_none() || open != written || served != written {
                return Err(format!("{name} {key}: {written:?}, {open:?}, {served:?}"));
            }
        }
    }
    let asked = read(all, "planner")?["executor"]["address"].clone();
    if asked == "executor:7443" { Ok(()) } else { Err(format!("the planner calls {asked}")) }
}

fn named_is_mounted(all: &Rendered) -> Result<(), String> {
    for (name, pod) in all.pods() {
        let mounted = Mounted::of(all, name)?;
        let container = &pod["spec"]["containers"][0];
        let config = container["args"][1].as_str().unwrap_or_default();
        let mut named = vec![config.to_owned()];
        paths(&read(all, name)?, &mut named);
        for path in named {
            let claim = list(&container["volumeMounts"]).iter().find(|m| m["name"] == "state");
            let claim = claim.and_then(|mount| mount["mountPath"].as_str()).unwrap_or("nowhere");
            let there = path.starts_with("/usr/share/countersign/packs/")
                || Path::new(&path).starts_with(claim)
                || mounted.place(&path).exists();
            if !there {
                return Err(format!("{name}: nothing is at {path}"));
            }
        }
    }
    Ok(())
}

fn paths(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with('/') => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| paths(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| paths(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
