//! Writing key material: never readable by others, never half written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::authority::PkiError;

/// Who may read a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access {
    /// Only its owner.
    Owner,
    /// Everyone; certificates are no secret.
    Everyone,
}

/// Makes the folder, closed to others, unless it is there.
pub(super) fn folder(dir: &Path) -> Result<(), PkiError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| PkiError::Write { path: dir.to_owned(), error })
}

/// Writes a file that must not be there yet.
pub(super) fn create(path: &Path, text: &str, access: Access) -> Result<(), PkiError> {
    match open_new(path, access).and_then(|file| fill(file, text)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(PkiError::Exists(path.to_owned()))
        }
        Err(error) => Err(PkiError::Write { path: path.to_owned(), error }),
    }
}

/// Writes a file beside its place and moves it there, so that a running service reads the old or
/// the new one and nothing between.
pub(super) fn replace(path: &Path, text: &str, access: Access) -> Result<(), PkiError> {
    let beside = beside(path);
    let written = match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => open_new(&beside, access)
            .and_then(|file| fill(file, text))
            .and_then(|()| fs::rename(&beside, path)),
    };
    written.map_err(|error| PkiError::Write { path: path.to_owned(), error })
}

fn open_new(path: &Path, access: Access) -> io::Result<File> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everyone => 0o644,
    };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}
