//! Changes to what an executor is configured with, in a folder that [`lay_out`] made.
//!
//! [`lay_out`]: super::pair::lay_out

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::cluster::{Cluster, USER};
use super::people::Signer;

pub fn shipped_pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/packs/shopify")
}

pub fn shipped_policy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/policy")
}

/// The shop's pack with each file as `edit` leaves it, by its name; without those that
/// it answers with `None`.
pub fn pack(dir: &Path, edit: impl Fn(&str, String) -> Option<String>) {
    let (shipped, own) = (shipped_pack(), dir.join("packs/shopify"));
    for folder in ["", "contracts", "documents"] {
        fs::create_dir_all(own.join(folder)).unwrap();
        for file in fs::read_dir(shipped.join(folder)).unwrap().map(Result::unwrap) {
            let name = file.file_name().into_string().unwrap();
            if file.file_type().unwrap().is_dir() {
                continue;
            }
            if let Some(text) = edit(&name, fs::read_to_string(file.path()).unwrap()) {
                fs::write(own.join(folder).join(name), text).unwrap();
            }
        }
    }
    config(dir, &format!("packs: [\"{}\"]", shipped.display()), "packs: [\"packs/shopify\"]");
}

/// The policy, the shipped one at first, with each file as `edit` leaves it, by its name,
/// and these public keys beside it.
pub fn policy(dir: &Path, edit: impl Fn(&str, String) -> String, keys: &[(&str, &Signer)]) {
    let own = dir.join("policy");
    let first = !own.exists();
    let from = if first { shipped_policy() } else { own.clone() };
    fs::create_dir_all(own.join("keys")).unwrap();
    for file in fs::read_dir(&from).unwrap().map(Result::unwrap) {
        let name = file.file_name().into_string().unwrap();
        if file.file_type().unwrap().is_file() && !name.ends_with(".md") {
            let text = edit(&name, fs::read_to_string(file.path()).unwrap());
            fs::write(own.join(name), text).unwrap();
        }
    }
    for (name, key) in keys {
        fs::write(own.join(format!("keys/{name}.pem")), key.public_pem()).unwrap();
    }
    if first {
        config(dir, &from.display().to_string(), "policy");
    }
}

/// This instead of that in the executor's configuration.
pub fn config(dir: &Path, that: &str, this: &str) {
    let path = dir.join("executor.yaml");
    let config = fs::read_to_string(&path).unwrap();
    assert!(config.contains(that), "{config}");
    fs::write(path, config.replace(that, this)).unwrap();
}

/// A policy's file by its name, so that customers may use these packs as often as they like.
pub fn roomy(packs: &[&str], name: &str, text: String) -> String {
    let permit = |pack: &&str| {
        format!(
            "\n@id(\"{pack}-for-customers\")\npermit (\n    principal is Customer,\n    \
             action in [Action::\"read\", Action::\"propose\", Action::\"execute\", \
             Action::\"confirm\"],\n    resource in Pack::\"{pack}\"\n);\n"
        )
    };
    let tools: Vec<_> = packs.iter().map(|pack| format!("\"{pack}.*\"")).collect();
    match name {
        "policy.cedar" => text + &packs.iter().map(permit).collect::<String>(),
        "settings.yaml" => format!(
            "modes: [{{ tools: [{}], mode: auto }}]\nlimits: []\n\
             open: {{ per_subject: 1000000, per_planner: 1000000 }}\nsubject_valid_for: 24h\n\
             proposals_live: 24h\nactivation: {{ default: 1 }}\n",
            tools.join(", ")
        ),
        _ => text,
    }
}

/// Adds a pack of the executor's, and where the demo shop's requests to it go.
pub fn add_pack(dir: &Path, pack: &str, at: &Path, account: &str, url: &str) {
    config(dir, "packs: [", &format!("packs: [\"{}\", ", at.display()));
    let connection = format!(
        "  - {{ tenant: demo-shop, pack: {pack}, account: {account}, base_url: \"{url}\", \
         credential: shopify_token, egress: {{ hosts: [\"127.0.0.1\"], \
         private_networks: [\"127.0.0.0/8\"], plain_http: true }} }}\n"
    );
    config(dir, "connections:\n", &format!("connections:\n{connection}"));
}

/// Lets the executor remember in this server. Its lease is twice the longest request of the packs.
pub fn on_postgres(dir: &Path, cluster: &Cluster) {
    // All of one database wrap the keys of persons under one key.
    let keys = dir.join("keys.kek");
    fs::write(&keys, "5a".repeat(32)).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let path = dir.join("executor.yaml");
    let (text, host) = (fs::read_to_string(&path).unwrap(), cluster.host().display());
    let store = format!(
        "keys: keys.kek\nstore: {{ postgres: {{ host: {host}, database: postgres, user: {USER}, tls: off, lease: 40s }} }}\n"
    );
    fs::write(path, text + &store).unwrap();
}
