//! The repository, tested like code: crate boundaries, sizes, words that do not
//! belong, links that lead somewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every crate that a package is linked with, itself included.
fn linked(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--offline", "-p", package, "-e", "normal", "--prefix", "none", "-f", "{p}"])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn planner_holds_no_credential_code_and_no_backend_client() {
    let planner = linked("countersign-planner");
    assert!(planner.contains("countersign-shared"));
    for forbidden in ["countersign-executor", "countersign-core", "rusqlite", "jsonwebtoken"] {
        assert!(!planner.contains(forbidden), "the planner links {forbidden}");
    }
    let own: Vec<_> = planner.iter().filter(|c| c.starts_with("countersign")).collect();
    assert_eq!(own, ["countersign-planner", "countersign-proto", "countersign-shared"]);
}

#[test]
fn core_knows_no_network_and_no_runtime() {
    let core = linked("countersign-core");
    for forbidden in ["tokio", "tonic", "reqwest", "hyper", "rusqlite", "countersign-proto"] {
        assert!(!core.contains(forbidden), "the core links {forbidden}");
    }
}

fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.split('\0')
        .filter(|p| !p.is_empty())
        .map(|p| root().join(p))
        .filter(|p| p.is_file())
        .collect()
}

#[test]
fn files_stay_small_enough_to_read() {
    let rust = tracked().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs"));
    let mut sizes: Vec<_> =
        rust.map(|p| (fs::read_to_string(&p).unwrap().lines().count(), p)).collect();
    sizes.sort();
    let Some((largest, path)) = sizes.last() else { return };
    assert!(
        *largest <= 600,
        "{} has {largest} lines; would a reader find two things in it?",
        path.display()
    );
    assert!(
        !sizes.iter().any(|(_, p)| p.ends_with("mod.rs")),
        "no mod.rs: name the file for what it is"
    );
}

#[test]
fn every_code_that_the_code_uses_is_registered_once() {
    use countersign_shared::codes::Code;
    let mut names: Vec<_> = Code::ALL.iter().map(|c| c.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for code in Code::ALL {
        let page = code.page();
        assert!(page.cause.ends_with('.') && page.remedy.ends_with('.'), "{}", page.name);
        assert!(page.name.chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{}", page.name);
    }
}

#[test]
fn links_in_the_documents_lead_to_files() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").unwrap();
    for page in tracked().into_iter().filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&page).unwrap();
        for found in link.captures_iter(&text) {
            let target = page.parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{}: {} leads nowhere", page.display(), &found[1]);
        }
    }
}
