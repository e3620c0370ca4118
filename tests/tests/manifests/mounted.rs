//! A pod's files in a folder, laid out as kubelet lays them out: behind links that it swaps.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::rendered::{Rendered, list, root};

/// Where mounts begin in a pod, and where the image has its packs.
const MOUNTS: &str = "/etc/countersign";
const PACKS: &str = "/usr/share/countersign/packs";

/// What a container sees of its volumes.
pub struct Mounted {
    folder: TempDir,
}

impl Mounted {
    /// Everything that a workload mounts but its claim. Secrets that others make are there by
    /// name, without content.
    pub fn of(all: &Rendered, workload: &str) -> Result<Self, String> {
        let mounted = Self { folder: tempfile::tempdir().unwrap() };
        let set = all.get("StatefulSet", workload)?;
        let pod = &set["spec"]["template"]["spec"];
        for mount in list(&pod["containers"][0]["volumeMounts"]) {
            let volumes = list(&pod["volumes"]);
            let Some(volume) = volumes.iter().find(|volume| volume["name"] == mount["name"]) else {
                continue;
            };
            if mount["readOnly"] != true {
                return Err(format!("{} may be written", mount["mountPath"]));
            }
            let place = mounted.place(mount["mountPath"].as_str().unwrap_or_default());
            project(&place, &files(all, volume)?);
        }
        Ok(mounted)
    }

    /// The folder that stands for a path in the pod.
    pub fn place(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// A configuration as this machine can read it: the same files, at their places here.
    pub fn config(&self, service: &str) -> Result<PathBuf, String> {
        let own = self.place(&format!("{MOUNTS}/{service}/{service}.yaml"));
        let text = fs::read_to_string(&own).map_err(|e| format!("{}: {e}", own.display()))?;
        let here = |path: &str| self.place(path).display().to_string();
        let packs = root().join("executor/packs").display().to_string();
        let text = text.replace(MOUNTS, &here(MOUNTS)).replace(PACKS, &packs);
        let copy = self.folder.path().join(format!("{service}.yaml"));
        fs::write(&copy, text.replace("/var/lib/countersign", &here("/var/lib/countersign")))
            .unwrap();
        Ok(copy)
    }
}

/// File names and what is in them.
fn files(all: &Rendered, volume: &Value) -> Result<Map<String, Value>, String> {
    if let Some(map) = volume["configMap"]["name"].as_str() {
        let data = all.get("ConfigMap", map)?["data"].as_object().cloned().unwrap_or_default();
        let items = list(&volume["configMap"]["items"]);
        let chosen = |key: &String| items.is_empty() || items.iter().any(|i| i["key"] == **key);
        return Ok(data.into_iter().filter(|(key, _)| chosen(key)).collect());
    }
    let secret = &volume["secret"];
    let name = secret["secretName"].as_str().unwrap_or_default();
    let named: Vec<&str> = match list(&secret["items"]) {
        [] if name.ends_with("-tls") => vec!["tls.crt", "tls.key", "ca.crt"],
        [] if name == "executor-secrets" => vec!["log.key", "log.key.retired", "keys.kek"],
        [] if name == "planner-secrets" => vec!["cosign.key", "database_password"],
        [] => vec!["shopify_token", "database_password"],
        items => items.iter().filter_map(|item| item["path"].as_str()).collect(),
    };
    Ok(named.into_iter().map(|name| (name.to_owned(), Value::from("secret\n"))).collect())
}

fn project(place: &Path, files: &Map<String, Value>) {
    let version = place.join("..2026_01_01_00_00_00.1");
    fs::create_dir_all(&version).unwrap();
    symlink(version.file_name().unwrap(), place.join("..data")).unwrap();
    for (name, text) in files {
        let file = version.join(name);
        fs::write(&file, text.as_str().unwrap_or_default()).unwrap();
        // What kubelet makes of 0400 for a pod with `fsGroup`.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        symlink(Path::new("..data").join(name), place.join(name)).unwrap();
    }
}
