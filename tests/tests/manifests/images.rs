//! Images: one binary, its libraries, public authorities, and a user that is not root.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::rendered::{Rendered, root};

/// Each Dockerfile builds its own package and runs as the user that the manifests name.
pub fn run_as_the_manifests_say() {
    let Some(all) = Rendered::overlay("sqlite") else { return };
    for (service, pod) in all.pods() {
        let file = root().join(format!("deploy/images/{service}.Dockerfile"));
        let text = fs::read_to_string(file).unwrap();
        let (build, ships) = text.split_once("\nFROM scratch\n").unwrap();
        let own = format!("\nRUN deploy/images/build {service} /rootfs\n");
        assert_eq!((build.matches("RUN ").count(), build.contains(&own)), (1, true), "{build}");
        let user = &pod["spec"]["securityContext"]["runAsUser"];
        assert_eq!(
            ships.trim(),
            format!(
                "COPY --from=build /rootfs/ /\nUSER {user}:{user}\nENTRYPOINT [\"/usr/bin/{service}\"]"
            )
        );
    }
}

/// A build sees what is compiled, and nothing else of the folder: no key, no history.
pub fn are_built_of_sources_alone() {
    let text = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!((lines.first(), lines.last()), (Some(&"*"), Some(&"**/target")));
    let seen: BTreeSet<_> = lines.iter().filter_map(|line| line.strip_prefix('!')).collect();
    let cargo = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, members) = cargo.split_once("members = [").unwrap();
    let members =
        members.split_once(']').unwrap().0.split(',').map(|one| one.trim().trim_matches('"'));
    let tops = members.filter(|one| !one.is_empty()).map(|one| one.split('/').next().unwrap());
    let wanted: BTreeSet<_> = tops.chain(["Cargo.*", ".cargo"]).collect();
    assert_eq!(seen, wanted);
}

/// Two builds are compared, bit by bit, and what differs is named: with a compiler of straw, which
/// leaves the folder it ran in if it is told to.
pub fn that_differ_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let straw = folder.path().join("cargo");
    fs::write(&straw, STRAW).unwrap();
    fs::set_permissions(&straw, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let run = |leaks: &str| {
        let mut run = Command::new(root().join("deploy/images/reproducible"));
        run.args(["--debug", "planner", "executor"]).env("LEAKS", leaks);
        run.env("PATH", format!("{}:{path}", folder.path().display()));
        run.env("CARGO_HOME", folder.path().join("home")).env("TMPDIR", folder.path());
        let ended = run.output().unwrap();
        let said = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
        (ended.status.success(), said)
    };
    let (same, said) = run("");
    assert!(same && said.contains("planner: the same twice, "), "{said}");
    // Packs as well, whatever the age and the rights of their files are.
    assert!(said.contains("executor: the same twice, "), "{said}");
    let (same, said) = run("executor");
    assert!(!same && said.contains("planner: the same twice, "), "{said}");
    for part in ["executor differs:", "> -rwxr-xr-x", "/executor/usr/bin/executor names /"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

const STRAW: &str = r#"#!/bin/sh
[ "$1" = build ] || exit 0
for service; do :; done
mkdir -p target/debug
cp /bin/true "target/debug/$service"
[ "$LEAKS" != "$service" ] || pwd >>"target/debug/$service"
"#;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is laid out of a binary, this one.
pub fn hold_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (binary, image) = (std::env::current_exe().unwrap(), folder.path().join("image"));
    let mut laid = Command::new(root().join("deploy/images/rootfs"));
    laid.arg(&binary).arg(&image).arg(root().join("executor/packs"));
    assert!(laid.status().unwrap().success());
    let mut files = BTreeSet::new();
    collect(&image, &image, &mut files);
    let own = format!("usr/bin/{}", binary.file_name().unwrap().to_str().unwrap());
    assert!(files.remove(&own), "{files:?}");
    assert!(files.remove("etc/ssl/certs/ca-certificates.crt"));
    let packs = |file: &String| file.starts_with("usr/share/countersign/packs/");
    assert!(files.iter().any(|file| file.ends_with("packs/shopify/connector.yaml")));
    let rest: Vec<_> = files.iter().filter(|file| !packs(file)).collect();
    assert!(rest.iter().any(|file| file.contains("libc.so")), "{rest:?}");
    assert!(rest.iter().all(|file| file.starts_with("lib") && file.contains(".so")), "{rest:?}");
    assert!(!laid.status().unwrap().success(), "what is there already is not mixed with it");
}

fn collect(root: &Path, folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, into);
        } else {
            into.insert(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}
