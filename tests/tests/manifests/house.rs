//! An overlay of a house's own: one of ours as its base, with our components.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::check::{Check, put, without};
use crate::pods::confined;
use crate::rendered::{Rendered, list, root};

const RULES: &str = "PrometheusRule";
const JOB: &str = "Job";

/// What holds with monitoring, the console, and the Job for a person's command.
pub const CHECKS: &[Check] = &[
    Check {
        says: "all of it lies where the services are",
        holds: together,
        broken: &[
            without(RULES, "countersign", "/metadata/namespace"),
            without("ServiceMonitor", "countersign", "/metadata/namespace"),
            put("NetworkPolicy", "prometheus-to-planner", "/metadata/namespace", "monitoring"),
            put(RULES, "countersign", "/spec/groups/0/rules/0/expr", "absent(up{job=\"x\"} == 1)"),
        ],
    },
    Check {
        says: "the command runs alone over the executor's claim, confined as the executor is",
        holds: command,
        broken: &[
            put("StatefulSet", "executor", "/spec/replicas", "1"),
            put(JOB, "command", "/spec/backoffLimit", "6"),
            put(JOB, "command", "/spec/template/spec/securityContext/runAsUser", "65533"),
            put(JOB, "command", "/spec/template/spec/containers/0/image", "r/executor:1"),
            without(JOB, "command", "/spec/template/spec/containers/0/volumeMounts/[policy]"),
            without(JOB, "command", "/spec/template/spec/volumes/[state]"),
            without(JOB, "command", "/spec/template/metadata/labels/app.kubernetes.io~1name"),
            put(
                JOB,
                "command",
                "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
                "false",
            ),
        ],
    },
];

/// Renders it: the overlay with its line for monitoring switched on, and above it the command's and
/// the console.
pub fn rendered(overlay: &str) -> Option<Rendered> {
    let folder = copied();
    let file = folder.path().join(format!("overlays/{overlay}/kustomization.yaml"));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\n# components: "), "{overlay}: no line to switch on");
    fs::write(&file, text.replace("\n# components: ", "\ncomponents: ")).unwrap();
    let own = folder.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::copy(folder.path().join("overlays/example/console.yaml"), own.join("console.yaml"))
        .unwrap();
    let house = json!({
        "resources": [format!("../overlays/{overlay}"), "console.yaml"],
        "components": ["../components/command", "../components/console"],
    });
    fs::write(own.join("kustomization.yaml"), house.to_string()).unwrap();
    Rendered::folder(own.to_str().unwrap())
}

/// The example with the command's component in it, as its guide says.
pub fn example_with_command() -> Option<Rendered> {
    let folder = copied();
    let example = folder.path().join("overlays/example");
    let file = example.join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let (without, with) =
        ("[../../components/console]", "[../../components/console, ../../components/command]");
    assert!(text.contains(without));
    fs::write(&file, text.replace(without, with)).unwrap();
    Rendered::folder(example.to_str().unwrap())
}

fn copied() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("deploy/kustomize"), folder.path()).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path: PathBuf = entry?.path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place)?;
        } else {
            fs::copy(&path, place)?;
        }
    }
    Ok(())
}

fn want(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

fn together(all: &Rendered) -> Result<(), String> {
    let elsewhere = all.objects.iter().find(|object| {
        object["kind"] != "Namespace" && object["metadata"]["namespace"] != "countersign"
    });
    if let Some(object) = elsewhere {
        return Err(format!("elsewhere: {} {}", object["kind"], object["metadata"]["name"]));
    }
    for rule in list(&all.get(RULES, "countersign")?["spec"]["groups"][0]["rules"]) {
        let asked = rule["expr"].as_str().unwrap_or_default();
        let here = !asked.contains("up{") || asked.contains("namespace=\"countersign\"");
        want(here, asked)?;
    }
    Ok(())
}

fn command(all: &Rendered) -> Result<(), String> {
    let executor = all.get("StatefulSet", "executor")?;
    want(executor["spec"]["replicas"] == 0, "the executor has the claim")?;
    let job = all.get(JOB, "command")?;
    want(job["spec"]["backoffLimit"] == 0, "it is tried again")?;
    let (own, theirs) = (&job["spec"]["template"], &executor["spec"]["template"]);
    want(own["metadata"]["labels"] == theirs["metadata"]["labels"], "no way to the database")?;
    let context = "securityContext";
    want(own["spec"][context] == theirs["spec"][context], "another user")?;
    let container = &own["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap_or_default();
    want(image.contains("/countersign/countersign:"), image)?;
    for named in list(&theirs["spec"]["containers"][0]["volumeMounts"]) {
        // The database's authority is added where there is a database.
        let there = list(&container["volumeMounts"]).contains(named);
        want(there || named["name"] == "database-authority", "it sees less than the executor")?;
    }
    claims(&own["spec"], "state-executor-0")
}

/// One claim, and beside it nothing that a confined pod may not have.
fn claims(pod: &Value, claim: &str) -> Result<(), String> {
    let mut rest = pod.clone();
    let volumes = rest["volumes"].as_array_mut().ok_or("no volumes")?;
    let before = volumes.len();
    volumes.retain(|volume| volume["persistentVolumeClaim"]["claimName"] != claim);
    want(volumes.len() + 1 == before, "not its claim")?;
    confined(&rest)
}

/// The pod with a shell is confined as well, and what Kubernetes accepts.
pub fn shell() -> Rendered {
    let file = root().join("deploy/kustomize/maintenance/shell.yaml");
    let objects = serde_saphyr::from_multiple(&fs::read_to_string(file).unwrap()).unwrap();
    let all = Rendered { objects };
    let pod = all.get("Pod", "maintenance").unwrap();
    assert_eq!(pod["metadata"]["namespace"], "countersign");
    assert_eq!(claims(&pod["spec"], "state-executor-0"), Ok(()));
    assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 65532);
    all
}
