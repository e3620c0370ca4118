//! Packs as folders: read within bounds, loaded by the core, and those that ship.

pub(crate) mod folder;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use countersign_core::contract::load::{self, LoadedPack};
use countersign_core::contract::problem::{Problem, Severity};
use countersign_core::contract::{Catalog, DuplicatePack};

pub use folder::read_dir;

/// Files of the packs that ship: path below the folder of packs, and text.
static SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));

/// Loads packs, one folder each. Warnings go to the service's log.
///
/// # Errors
/// Everything wrong with any of them.
pub fn load(dirs: &[PathBuf]) -> Result<Catalog, Vec<PackProblem>> {
    let mut problems = Vec::new();
    let mut packs = Vec::new();
    for dir in dirs {
        match load_one(dir) {
            Ok((pack, warnings)) => {
                warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                packs.push(pack);
            }
            Err(mut wrong) => problems.append(&mut wrong),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Catalog::load(packs).map_err(|twice| vec![PackProblem::Duplicate(twice)])
}

/// Loads one pack; beside it, its warnings.
///
/// # Errors
/// Everything wrong with it, warnings too.
pub fn load_one(dir: &Path) -> Result<(LoadedPack, Vec<PackProblem>), Vec<PackProblem>> {
    let files = read_dir(dir)
        .map_err(|error| vec![PackProblem::Unreadable { dir: dir.to_owned(), error }])?;
    let loaded = load::pack(&files);
    let placed = |problem| PackProblem::Wrong { dir: dir.to_owned(), problem };
    let problems: Vec<_> = loaded.problems.into_iter().map(placed).collect();
    match loaded.pack {
        Some(pack) => Ok((pack, problems)),
        None => Err(problems),
    }
}

/// The packs that ship: path such as `shopify/connector.yaml`, and text.
pub fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> {
    SHIPPED.iter().copied()
}

/// Writes the packs that ship below `dir`, one folder each. A file that is there
/// already with the same text is left alone.
///
/// # Errors
/// A file cannot be written, or is there with another text.
pub fn write_shipped(dir: &Path) -> io::Result<()> {
    folder::write(dir, SHIPPED)
}

/// Something wrong with a pack, with its folder.
#[derive(Debug)]
pub enum PackProblem {
    /// The folder cannot be read.
    Unreadable {
        /// The folder.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// One place in one file.
    Wrong {
        /// The pack's folder.
        dir: PathBuf,
        /// What, and where in it.
        problem: Problem,
    },
    /// Two folders, one name.
    Duplicate(DuplicatePack),
}

impl PackProblem {
    /// Whether the pack does not load because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::Duplicate(_) => true,
            Self::Wrong { problem, .. } => problem.severity == Severity::Error,
        }
    }
}

impl fmt::Display for PackProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { dir, error } => write!(f, "{}: {error}", dir.display()),
            Self::Wrong { dir, problem } => write!(f, "{}/{problem}", dir.display()),
            Self::Duplicate(twice) => twice.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::fs;

    use super::*;

    #[test]
    fn what_ships_is_written_and_loads() {
        let dir = tempfile::tempdir().unwrap();
        write_shipped(dir.path()).unwrap();
        write_shipped(dir.path()).unwrap();
        let catalog = load(&[dir.path().join("shopify")]).unwrap();
        assert!(catalog.tools.contains_key("shopify.cancel_order"));
        assert!(!dir.path().join("CONTRACTS.md").exists());
        let files = read_dir(&dir.path().join("shopify")).unwrap();
        assert_eq!(files.len(), shipped().filter(|(name, _)| name.starts_with("shopify/")).count());
    }

    #[test]
    fn an_edited_file_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        write_shipped(dir.path()).unwrap();
        let mine = dir.path().join("shopify/connector.yaml");
        fs::write(&mine, "mine").unwrap();
        assert_eq!(write_shipped(dir.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    }

    #[test]
    fn problems_of_all_folders_are_told_with_their_place() {
        let dir = tempfile::tempdir().unwrap();
        let (empty, absent) = (dir.path().join("empty"), dir.path().join("absent"));
        fs::create_dir(&empty).unwrap();
        let problems = load(&[empty.clone(), absent.clone()]).unwrap_err();
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with(&format!("{}/connector.yaml:", empty.display())), "{lines:?}");
        assert!(lines[1].starts_with(&absent.display().to_string()), "{lines:?}");
    }

    #[test]
    fn two_folders_of_one_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        write_shipped(dir.path()).unwrap();
        let pack = dir.path().join("shopify");
        let problems = load(&[pack.clone(), pack]).unwrap_err();
        assert!(problems[0].is_error() && problems[0].to_string().contains("shopify"));
    }
}
