//! What an overlay becomes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Every object of an overlay.
#[derive(Clone)]
pub struct Rendered {
    pub objects: Vec<Value>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program's output; `None`, said aloud, where it is not here.
pub fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).current_dir(root()).args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            let needed = std::env::var_os("COUNTERSIGN_NEEDS_KUBECTL").is_some();
            assert!(!needed, "{program}: {error}");
            println!("skipped: {program} is not here");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}:\n{said}{complained}");
    Some(said)
}

impl Rendered {
    pub fn overlay(name: &str) -> Option<Self> {
        Self::folder(&format!("deploy/kustomize/overlays/{name}"))
    }

    pub fn folder(path: &str) -> Option<Self> {
        let text = run("kubectl", &["kustomize", path])?;
        Some(Self { objects: serde_saphyr::from_multiple(&text).unwrap() })
    }

    pub fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    pub fn get(&self, kind: &str, name: &str) -> Result<&Value, String> {
        let found = self.of(kind).find(|object| object["metadata"]["name"] == name);
        found.ok_or_else(|| format!("no {kind} {name}"))
    }

    pub fn object_mut(&mut self, kind: &str, name: &str) -> &mut Value {
        let wanted = |object: &&mut Value| {
            object["kind"] == kind && plain(object["metadata"]["name"].as_str().unwrap()) == name
        };
        self.objects.iter_mut().find(wanted).unwrap_or_else(|| panic!("no {kind} {name}"))
    }

    /// The generated ConfigMap of this name, whatever its hash.
    pub fn config_map(&self, name: &str) -> Result<&Value, String> {
        let named = |object: &&Value| plain(object["metadata"]["name"].as_str().unwrap()) == name;
        self.of("ConfigMap").find(named).ok_or_else(|| format!("no ConfigMap {name}"))
    }

    /// Pod templates by the name of their workload.
    pub fn pods(&self) -> Vec<(&str, &Value)> {
        let workloads = self.of("StatefulSet").chain(self.of("Deployment")).chain(self.of("Job"));
        workloads
            .map(|all| (all["metadata"]["name"].as_str().unwrap(), &all["spec"]["template"]))
            .collect()
    }
}

/// A generated name without the hash that kustomize puts behind it.
fn plain(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((front, hash)) if hash.len() == 10 && hash.chars().all(char::is_alphanumeric) => front,
        Some(_) | None => name,
    }
}

/// A list, empty where it is absent.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
