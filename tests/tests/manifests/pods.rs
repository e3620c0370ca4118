//! What a pod may do on its node, and how it starts and ends.

use serde_json::{Value, json};

use crate::check::{Check, put, without};
use crate::rendered::{Rendered, list};

const SET: &str = "StatefulSet";
/// What calls, what nobody waits for and the published log get, one after the other, in seconds.
const ENDS: u64 = 30;
/// What endpoints need to forget a pod, at least, in seconds.
const FORGOTTEN: u64 = 5;

pub const CHECKS: &[Check] = &[
    Check {
        says: "the namespace enforces restricted pods",
        holds: namespace,
        broken: &[put(
            "Namespace",
            "countersign",
            "/metadata/labels/pod-security.kubernetes.io~1enforce",
            "baseline",
        )],
    },
    Check {
        says: "no pod is root, nor can it become so",
        holds: |all| each_pod(all, confined),
        broken: &[
            put(SET, "executor", "/spec/template/spec/securityContext/runAsUser", "0"),
            without(SET, "planner", "/spec/template/spec/securityContext/runAsNonRoot"),
            without(SET, "executor", "/spec/template/spec/securityContext/seccompProfile"),
            put(SET, "planner", "/spec/template/spec/hostNetwork", "true"),
            put(
                SET,
                "executor",
                "/spec/template/spec/volumes/-",
                "{ name: x, hostPath: { path: / } }",
            ),
            without(
                SET,
                "executor",
                "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
            ),
            put(
                SET,
                "planner",
                "/spec/template/spec/containers/0/securityContext/capabilities/drop",
                "[NET_RAW]",
            ),
            put(
                SET,
                "planner",
                "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation",
                "true",
            ),
        ],
    },
    Check {
        says: "no pod holds a token of the cluster",
        holds: no_token,
        broken: &[
            without(SET, "planner", "/spec/template/spec/automountServiceAccountToken"),
            put("ServiceAccount", "executor", "/automountServiceAccountToken", "true"),
            put(SET, "executor", "/spec/template/spec/serviceAccountName", "default"),
        ],
    },
    Check {
        says: "each container says what it needs",
        holds: |all| each_pod(all, resources),
        broken: &[
            without(SET, "executor", "/spec/template/spec/containers/0/resources/limits"),
            without(SET, "planner", "/spec/template/spec/containers/0/resources/requests/cpu"),
        ],
    },
    Check {
        says: "probes ask the status pages",
        holds: |all| each_pod(all, probes),
        broken: &[
            without(SET, "executor", "/spec/template/spec/containers/0/readinessProbe"),
            put(
                SET,
                "planner",
                "/spec/template/spec/containers/0/livenessProbe/httpGet/path",
                "/readyz",
            ),
            put(
                SET,
                "planner",
                "/spec/template/spec/containers/0/readinessProbe/httpGet/port",
                "grpc",
            ),
        ],
    },
    Check {
        says: "what is under way may end",
        holds: drains,
        broken: &[
            put(SET, "executor", "/spec/template/spec/terminationGracePeriodSeconds", "20"),
            put("ConfigMap", "planner-config", "/data/planner.yaml", "'listen: x'"),
            put("ConfigMap", "executor-config", "/data/executor.yaml", "'drain: 4s'"),
        ],
    },
    Check {
        says: "secrets are files for the owner's eyes, and planner and executor share none",
        holds: secrets,
        broken: &[
            put(
                SET,
                "executor",
                "/spec/template/spec/volumes/[credentials]/secret/defaultMode",
                "0644",
            ),
            put(
                SET,
                "planner",
                "/spec/template/spec/volumes/[tls]/secret/secretName",
                "executor-credentials",
            ),
            put(
                SET,
                "executor",
                "/spec/template/spec/containers/0/envFrom",
                "[{ secretRef: { name: executor-credentials } }]",
            ),
        ],
    },
    Check {
        says: "each runs its own image, of a version that is named",
        holds: images,
        broken: &[
            put(SET, "planner", "/spec/template/spec/containers/0/image", "r/executor:0.1.0"),
            put(SET, "executor", "/spec/template/spec/containers/0/image", "r/executor:latest"),
            put(SET, "executor", "/spec/template/spec/containers/0/image", "r/executor"),
        ],
    },
];

fn want(holds: bool, why: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.into()) }
}

fn each_pod(all: &Rendered, check: fn(&Value) -> Result<(), String>) -> Result<(), String> {
    let pods = all.pods();
    want(pods.len() == 2, "not two workloads")?;
    pods.iter().try_for_each(|(name, pod)| check(&pod["spec"]).map_err(|e| format!("{name}: {e}")))
}

fn namespace(all: &Rendered) -> Result<(), String> {
    let labels = &all.get("Namespace", "countersign")?["metadata"]["labels"];
    want(labels["pod-security.kubernetes.io/enforce"] == "restricted", "not restricted")?;
    let elsewhere = all.objects.iter().find(|object| {
        object["kind"] != "Namespace" && object["metadata"]["namespace"] != "countersign"
    });
    elsewhere.map_or(Ok(()), |object| Err(format!("elsewhere: {}", object["metadata"]["name"])))
}

pub fn confined(pod: &Value) -> Result<(), String> {
    let context = &pod["securityContext"];
    want(context["runAsNonRoot"] == true, "may be root")?;
    want(context["runAsUser"].as_u64().is_some_and(|user| user > 0), "is root")?;
    want(context["fsGroup"].as_u64().is_some_and(|group| group > 0), "no group of its own")?;
    want(context["seccompProfile"]["type"] == "RuntimeDefault", "any system call")?;
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        want(pod.get(shared).is_none(), shared)?;
    }
    for volume in list(&pod["volumes"]) {
        let known =
            ["configMap", "secret", "emptyDir"].iter().any(|kind| volume.get(kind).is_some());
        want(known, format!("volume {}", volume["name"]))?;
    }
    for container in list(&pod["containers"]).iter().chain(list(&pod["initContainers"])) {
        let own = &container["securityContext"];
        want(own["allowPrivilegeEscalation"] == false, "may gain privileges")?;
        want(own["readOnlyRootFilesystem"] == true, "writes its image")?;
        want(own["capabilities"] == json!({ "drop": ["ALL"] }), "has capabilities")?;
        want(own.get("privileged").is_none() && own.get("runAsUser").is_none(), "differs")?;
    }
    Ok(())
}

fn no_token(all: &Rendered) -> Result<(), String> {
    for (name, pod) in all.pods() {
        want(pod["spec"]["automountServiceAccountToken"] == false, format!("{name}: token"))?;
        let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        want(account == name, format!("{name}: account {account}"))?;
        let account = all.get("ServiceAccount", account)?;
        want(account["automountServiceAccountToken"] == false, format!("{name}: account's token"))?;
    }
    let roles = all.objects.iter().any(|o| o["kind"].as_str().unwrap().contains("Role"));
    want(!roles, "somebody has a role in the cluster")
}

fn resources(pod: &Value) -> Result<(), String> {
    list(&pod["containers"]).iter().try_for_each(|container| {
        for path in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            want(container["resources"].pointer(path).is_some(), path)?;
        }
        Ok(())
    })
}

fn probes(pod: &Value) -> Result<(), String> {
    let pages = [
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ];
    for (probe, page) in pages {
        let asked = &pod["containers"][0][probe]["httpGet"];
        want(asked["path"] == page && asked["port"] == "admin", probe)?;
    }
    Ok(())
}

fn drains(all: &Rendered) -> Result<(), String> {
    for (name, pod) in all.pods() {
        let config = &all.config_map(&format!("{name}-config"))?["data"][format!("{name}.yaml")];
        let config: Value = serde_saphyr::from_str(config.as_str().unwrap_or_default())
            .map_err(|error| error.to_string())?;
        let drain = config["drain"].as_str().and_then(|text| text.strip_suffix('s'));
        let drain = drain.and_then(|seconds| seconds.parse::<u64>().ok()).unwrap_or_default();
        want(drain >= FORGOTTEN, format!("{name}: new calls arrive at a pod that ends"))?;
        let grace = pod["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        want(grace > drain + ENDS, format!("{name}: {grace} s are too short"))?;
    }
    Ok(())
}

fn secrets(all: &Rendered) -> Result<(), String> {
    let rendered = all.of("Secret").count();
    want(rendered == 0, "a secret lies in the manifests")?;
    let mut seen = Vec::new();
    for (name, pod) in all.pods() {
        for container in list(&pod["spec"]["containers"]) {
            let none = container.get("env").is_none() && container.get("envFrom").is_none();
            want(none, format!("{name}: the environment is no place for secrets"))?;
        }
        for volume in list(&pod["spec"]["volumes"]) {
            let Some(secret) = volume.get("secret") else { continue };
            want(secret["defaultMode"] == 0o400, format!("{name}: {secret}"))?;
            let own = secret["secretName"].as_str().unwrap_or_default();
            want(own.starts_with(&format!("{name}-")), format!("{name} mounts {own}"))?;
            want(!seen.contains(&own), format!("{own} is mounted twice"))?;
            seen.push(own);
        }
    }
    want(!seen.is_empty(), "no secret is mounted")
}

fn images(all: &Rendered) -> Result<(), String> {
    for (name, pod) in all.pods() {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        let last = image.rsplit('/').next().unwrap_or_default();
        let (program, version) = last.split_once([':', '@']).ok_or("no version")?;
        want(program == name, format!("{name} runs {image}"))?;
        want(!["", "latest"].contains(&version), format!("{image}: no version"))?;
    }
    Ok(())
}
