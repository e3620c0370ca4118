//! How many there are, and what may go at once.

use serde_json::{Value, json};

use crate::check::{Check, put, without};
use crate::rendered::{Rendered, list};

const SET: &str = "StatefulSet";

pub const CHECKS: &[Check] = &[
    Check {
        says: "each has a state folder of its own that no second pod can mount",
        holds: own_state,
        broken: &[
            put(
                SET,
                "executor",
                "/spec/volumeClaimTemplates/0/spec/accessModes",
                "[ReadWriteMany]",
            ),
            without(SET, "planner", "/spec/volumeClaimTemplates"),
        ],
    },
    Check {
        says: "one that cannot start keeps neither itself nor others from being replaced",
        holds: |all| {
            let mut sets = all.of(SET);
            let all = sets.all(|set| set["spec"]["podManagementPolicy"] == "Parallel");
            want(all, "one after the other")
        },
        broken: &[
            put(SET, "executor", "/spec/podManagementPolicy", "OrderedReady"),
            without(SET, "planner", "/spec/podManagementPolicy"),
        ],
    },
    Check {
        says: "an executor that begins no effects is reached all the same, a planner is not",
        holds: |all| {
            let reached = |name| Ok(&all.get("Service", name)?["spec"]["publishNotReadyAddresses"]);
            want(*reached("executor")? == true, "reads and switches are out of reach")?;
            reached("planner").and_then(|told: &Value| want(told.is_null(), "it is no use"))
        },
        broken: &[
            without("Service", "executor", "/spec/publishNotReadyAddresses"),
            put("Service", "planner", "/spec/publishNotReadyAddresses", "true"),
        ],
    },
    Check {
        says: "planners follow the load, one goes at a time",
        holds: planners,
        broken: &[
            put("HorizontalPodAutoscaler", "planner", "/spec/scaleTargetRef/name", "executor"),
            put("HorizontalPodAutoscaler", "planner", "/spec/minReplicas", "1"),
            put("PodDisruptionBudget", "planner", "/spec/maxUnavailable", "2"),
            without("PodDisruptionBudget", "planner", "/spec/unhealthyPodEvictionPolicy"),
            put(SET, "planner", "/spec/replicas", "2"),
            without(SET, "planner", "/spec/template/spec/topologySpreadConstraints"),
        ],
    },
];

pub const SQLITE: &[Check] = &[
    Check {
        says: "one executor owns the file",
        holds: |all| {
            let set = all.get(SET, "executor")?;
            let alone = set["spec"]["replicas"] == 1;
            let budget = all.get("PodDisruptionBudget", "executor").is_ok();
            if alone && !budget { Ok(()) } else { Err("more than one".to_owned()) }
        },
        broken: &[put(SET, "executor", "/spec/replicas", "2")],
    },
    Check {
        says: "a frontend stays with the planner that remembers",
        holds: |all| want(affinity(all)? == "ClientIP", "a conversation would wander"),
        broken: &[without("Service", "planner", "/spec/sessionAffinity")],
    },
];

pub const POSTGRES: &[Check] = &[
    Check {
        says: "several executors, spread out, of which one goes at a time",
        holds: executors,
        broken: &[
            put(SET, "executor", "/spec/replicas", "1"),
            without("PodDisruptionBudget", "executor", ""),
            put("PodDisruptionBudget", "executor", "/spec/maxUnavailable", "3"),
            without("PodDisruptionBudget", "executor", "/spec/unhealthyPodEvictionPolicy"),
            without(SET, "executor", "/spec/template/spec/topologySpreadConstraints/1"),
            without(
                SET,
                "executor",
                "/spec/template/spec/topologySpreadConstraints/1/nodeTaintsPolicy",
            ),
        ],
    },
    Check {
        says: "any planner goes on with any conversation",
        holds: |all| want(affinity(all)?.is_null(), "a frontend stays for nothing"),
        broken: &[put("Service", "planner", "/spec/sessionAffinity", "ClientIP")],
    },
];

fn affinity(all: &Rendered) -> Result<&Value, String> {
    Ok(&all.get("Service", "planner")?["spec"]["sessionAffinity"])
}

fn want(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

fn own_state(all: &Rendered) -> Result<(), String> {
    want(all.of("Deployment").count() == 0, "pods of a Deployment share their claims")?;
    for set in all.of(SET) {
        let [claim] = list(&set["spec"]["volumeClaimTemplates"]) else {
            return Err(format!("{}: no claim of its own", set["metadata"]["name"]));
        };
        let once = claim["spec"]["accessModes"] == json!(["ReadWriteOncePod"]);
        want(once && claim["metadata"]["name"] == "state", "others may mount it")?;
    }
    Ok(())
}

fn spread(all: &Rendered, name: &str) -> Result<(), String> {
    let set = all.get(SET, name)?;
    let over = list(&set["spec"]["template"]["spec"]["topologySpreadConstraints"]);
    let by_node = over.iter().any(|one| {
        one["topologyKey"] == "kubernetes.io/hostname"
            && one["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] == name
    });
    want(by_node, "all on one node")?;
    // One that must not share a node waits for ever where a node that takes none counts as empty.
    let mut waits = over.iter().filter(|one| one["whenUnsatisfiable"] == "DoNotSchedule");
    let honored = waits.all(|one| one["nodeTaintsPolicy"] == "Honor");
    want(honored, "one waits for a node that takes none")?;
    let budget = &all.get("PodDisruptionBudget", name)?["spec"];
    let chosen = &budget["selector"]["matchLabels"]["app.kubernetes.io/name"];
    want(budget["maxUnavailable"] == 1 && chosen == name, "several may go at once")?;
    let goes = budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
    want(goes, "one that is never ready holds up its node")
}

fn planners(all: &Rendered) -> Result<(), String> {
    let scaled = all.of("HorizontalPodAutoscaler").collect::<Vec<_>>();
    let [planner] = scaled.as_slice() else { return Err("not one that is scaled".to_owned()) };
    let target = &planner["spec"]["scaleTargetRef"];
    want(target["kind"] == SET && target["name"] == "planner", "the wrong one is scaled")?;
    want(planner["spec"]["minReplicas"].as_u64().is_some_and(|n| n >= 2), "one is none")?;
    // A number here would fight with the scaler at each apply.
    let set = all.get(SET, "planner")?;
    want(set["spec"].get("replicas").is_none(), "two say how many")?;
    spread(all, "planner")
}

fn executors(all: &Rendered) -> Result<(), String> {
    let set = all.get(SET, "executor")?;
    want(set["spec"]["replicas"].as_u64().is_some_and(|n| n >= 2), "one")?;
    spread(all, "executor")
}
