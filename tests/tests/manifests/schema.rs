//! Kubernetes' own schemas, by `kubernetes-validate`.

use std::process::Command;

use crate::check::put;
use crate::rendered::Rendered;

/// The oldest that is asked for.
const VERSION: &str = "1.32";

pub fn accepted(overlay: &str) {
    let Some(rendered) = Rendered::overlay(overlay) else { return };
    let Some(found) = validate(&rendered) else { return };
    assert_eq!(found, Ok(()), "{overlay}");
    let wrong = [
        put("StatefulSet", "executor", "/spec/template/spec/dnsPolice", "x"),
        put("NetworkPolicy", "names", "/spec/egress/0/ports/0/port", "[53]"),
    ];
    for edit in wrong {
        let mut copy = rendered.clone();
        edit.apply(&mut copy);
        assert!(validate(&copy).is_some_and(|found| found.is_err()), "{}", edit.at);
    }
}

/// Kubernetes takes these objects, as far as it knows them.
pub fn holds(rendered: &Rendered) {
    if let Some(found) = validate(rendered) {
        assert_eq!(found, Ok(()));
    }
}

fn validate(rendered: &Rendered) -> Option<Result<(), String>> {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (at, object) in rendered.objects.iter().enumerate() {
        let file = folder.path().join(format!("{at}.yaml"));
        std::fs::write(&file, object.to_string()).unwrap();
        files.push(file);
    }
    let arguments = ["-k", VERSION, "--strict", "--quiet"];
    let run = Command::new("kubernetes-validate").args(arguments).args(files).output();
    let Ok(output) = run else {
        let needed = std::env::var_os("COUNTERSIGN_NEEDS_KUBECTL").is_some();
        assert!(!needed, "kubernetes-validate is not here");
        println!("skipped: kubernetes-validate is not here");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}
