//! The demo's state folder.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// What lies in it.
const FOLDERS: &[&str] = &[
    "pki",
    "executor",
    "planner",
    "sandbox",
    "frontend",
    "credentials",
    "packs",
    "policy",
    "logs",
];

/// A state folder in use; a temporary one goes with this value unless it is kept.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
    /// Two demos in one folder would fight over the store.
    _lock: File,
}

impl Folder {
    /// Makes or reopens the folder, and the folders in it.
    pub(super) fn open(given: Option<&Path>, keep: bool) -> anyhow::Result<Self> {
        let (path, temporary) = match given {
            Some(path) => {
                make(path)?;
                let whole = path.canonicalize();
                (whole.with_context(|| format!("cannot find {}", path.display()))?, None)
            }
            None => temporary(keep)?,
        };
        let lock = lock(&path)?;
        for name in FOLDERS {
            make(&path.join(name))?;
        }
        Ok(Self { path, temporary, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the folder stays.
    pub(super) fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }
}

fn temporary(keep: bool) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    let made = tempfile::Builder::new().prefix("countersign-demo-").tempdir();
    let made = made.context("cannot make a temporary folder; name one with --state DIR")?;
    let path = made.path().canonicalize()?;
    if keep {
        let _stays = made.keep();
        return Ok((path, None));
    }
    Ok((path, Some(made)))
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let file = path.join("demo.lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&file)
        .with_context(|| format!("cannot write {}", file.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another demo runs in {}: end it, or take another folder", path.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Makes a folder that is closed to others.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Writes a file that only its owner can read, in place of an earlier one.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    write(path, text, 0o600)
}

/// Writes a file, in place of an earlier one.
pub(super) fn write_public(path: &Path, text: &str) -> anyhow::Result<()> {
    write(path, text, 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let whole = || {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())
    };
    whole().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_temporary_folder_goes_and_a_named_or_kept_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let named = parent.path().join("state");
        let folder = Folder::open(Some(&named), false).unwrap();
        assert!(folder.is_kept());
        let again = Folder::open(Some(&named), false).unwrap_err().to_string();
        assert!(again.contains("another demo runs"), "{again}");
        drop(folder);
        assert!(named.join("credentials").is_dir());

        let folder = Folder::open(None, false).unwrap();
        let path = folder.path().to_owned();
        let mode = fs::metadata(path.join("credentials")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());

        let folder = Folder::open(None, true).unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(path.exists());
        fs::remove_dir_all(path).unwrap();
    }
}
