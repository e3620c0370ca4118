//! Node, which plays a person's browser and runs chat frontends' clients.

use std::process::Command;

/// The oldest with what the browser's driver asks for; the clients' packages run on it, too,
/// though theirs ask for 22. `.ci/run` asks for the same.
const OLDEST: u32 = 20;

/// Whether it can be used, or why not.
pub fn usable() -> Result<(), String> {
    let said = Command::new("node").arg("--version").output();
    let said = said.map_err(|_| "node is not here".to_owned())?;
    new_enough(String::from_utf8_lossy(&said.stdout).trim())
}

fn new_enough(version: &str) -> Result<(), String> {
    let major = version.strip_prefix('v').and_then(|numbers| numbers.split('.').next());
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= OLDEST => Ok(()),
        _ => Err(format!("node {version} is here, and {OLDEST} or newer is needed")),
    }
}

#[test]
fn an_old_node_is_named_and_not_used() {
    assert_eq!(new_enough("v20.20.2"), Ok(()));
    assert_eq!(new_enough("v100.0.0"), Ok(()));
    for old in ["v18.20.4", ""] {
        assert!(new_enough(old).unwrap_err().contains("20 or newer"), "{old}");
    }
}
