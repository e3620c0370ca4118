//! Commands in the documents that people follow at night are taken as they stand there, and show
//! the certificate of the role that may ask.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::Line;

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs")
}

/// Every runbook: its name and its text.
fn runbooks() -> Vec<(String, String)> {
    let files = fs::read_dir(documents().join("runbooks")).unwrap();
    let read = |path: PathBuf| (path.display().to_string(), fs::read_to_string(path).unwrap());
    files.map(|file| read(file.unwrap().path())).collect()
}

/// The lines that are typed, and, where `spans` says so, those within a sentence.
fn commands(text: &str, spans: bool) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(typed) = line.strip_prefix("$ ") {
            found.push(typed);
        } else if spans && !line.starts_with("```") {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found.retain(|command| command.starts_with("countersign "));
    found.into_iter().map(str::to_owned).collect()
}

/// The words of a command as a shell makes them, without what follows a `#`.
fn words(command: &str) -> Vec<String> {
    let (command, _) = command.split_once(" # ").unwrap_or((command, ""));
    let mut found = Vec::new();
    for (at, part) in command.split('"').enumerate() {
        if at % 2 == 1 {
            found.push(part.to_owned());
        } else {
            found.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    found
}

#[test]
fn commands_in_runbooks_are_whole() {
    let mut seen = 0;
    for (file, text) in runbooks() {
        for command in commands(&text, true) {
            if let Err(error) = Line::try_parse_from(words(&command)) {
                panic!("{file}: {command}\n{error}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
    let half = "countersign escalations finish esc_… --done";
    assert!(Line::try_parse_from(words(half)).is_err());
}

#[test]
fn commands_that_install_on_kubernetes_are_whole() {
    let text = fs::read_to_string(documents().join("KUBERNETES.md")).unwrap();
    let found = commands(&text, false);
    assert!(!found.is_empty());
    for command in found {
        if let Err(error) = Line::try_parse_from(words(&command)) {
            panic!("{command}\n{error}");
        }
    }
}

#[test]
fn commands_in_runbooks_show_the_certificate_of_who_may_ask() {
    let mut seen = 0;
    for (file, text) in runbooks() {
        for command in commands(&text, true) {
            let words = words(&command);
            let mut after = words.iter().skip_while(|word| *word != "--tls").skip(1);
            let Some(shown) = after.next() else { continue };
            let role = match words.get(1).map(String::as_str) {
                Some("approvals" | "escalations") => "approver",
                Some("receipts") => "auditor",
                Some("switch") => "operator",
                verb => panic!("{file}: who may ask {verb:?}?"),
            };
            assert_eq!(shown, role, "{file}: {command}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}
