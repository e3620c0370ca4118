//! The policy as a folder: read within bounds, loaded by the core, and the one that
//! ships.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use countersign_core::contract::Catalog;
use countersign_core::contract::problem::{Problem, Severity};
use countersign_core::policy::{Policy, load as core};

use crate::packs::{folder, read_dir};

/// Files of the policy that ships: name and text.
static SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/policy.rs"));

/// Loads the policy for these tools. Warnings go to the service's log.
///
/// # Errors
/// Everything wrong with it.
pub fn load(dir: &Path, catalog: &Catalog) -> Result<Policy, PolicyProblems> {
    let unreadable = |error| PolicyProblems { dir: dir.to_owned(), what: What::Unreadable(error) };
    let loaded = core::policy(&read_dir(dir).map_err(unreadable)?, Some(catalog));
    let (errors, warnings): (Vec<_>, Vec<_>) =
        loaded.problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    warnings.iter().for_each(|warning| tracing::warn!("{}/{warning}", dir.display()));
    loaded.policy.ok_or_else(|| PolicyProblems { dir: dir.to_owned(), what: What::Wrong(errors) })
}

/// Writes the policy that ships into `dir`. A file that is there already with the same
/// text is left alone.
///
/// # Errors
/// A file cannot be written, or is there with another text.
pub fn write_shipped(dir: &Path) -> io::Result<()> {
    folder::write(dir, SHIPPED)
}

/// Why a policy does not load.
#[derive(Debug)]
pub struct PolicyProblems {
    dir: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    Unreadable(io::Error),
    Wrong(Vec<Problem>),
}

impl fmt::Display for PolicyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir.display();
        match &self.what {
            What::Unreadable(error) => {
                write!(f, "the policy {dir} cannot be read: {error}; `countersign init` writes one")
            }
            What::Wrong(problems) => {
                write!(f, "the policy does not load:")?;
                problems.iter().try_for_each(|problem| write!(f, "\n{dir}/{problem}"))
            }
        }
    }
}

impl std::error::Error for PolicyProblems {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn what_ships_is_written_and_loads() {
        let dir = tempfile::tempdir().unwrap();
        write_shipped(dir.path()).unwrap();
        write_shipped(dir.path()).unwrap();
        let policy = load(dir.path(), &Catalog::default()).unwrap();
        assert!(policy.digest().starts_with("sha256:"));
        assert_eq!(read_dir(dir.path()).unwrap().len(), SHIPPED.len());
        assert!(!dir.path().join("POLICY.md").exists());
    }

    #[test]
    fn every_error_is_told_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let told = load(&dir.path().join("none"), &Catalog::default()).unwrap_err().to_string();
        assert!(told.contains("cannot be read"), "{told}");
        write_shipped(dir.path()).unwrap();
        fs::write(dir.path().join("people.yaml"), "people: 1\n").unwrap();
        fs::write(dir.path().join("settings.yaml"), "mode: 1\n").unwrap();
        let told = load(dir.path(), &Catalog::default()).unwrap_err().to_string();
        let line = format!("{}/people.yaml:1:9: error: expected a list", dir.path().display());
        assert!(told.contains(&line) && told.contains("settings.yaml:1:1"), "{told}");
    }
}
