//! The few file operations that publishing needs, one at a time, so that each can be lost in a test.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The ending of a file not yet renamed to its final name.
pub(crate) const UNFINISHED: &str = ".tmp";

/// What a publisher does to its folder.
pub trait Disk {
    /// Makes a folder and those above it; one that exists is fine.
    ///
    /// # Errors
    /// When the file system refuses.
    fn create_dirs(&mut self, path: &Path) -> io::Result<()>;
    /// Writes a whole file anew and waits until its bytes are durable.
    ///
    /// # Errors
    /// When the file system refuses; part of the file may then be there.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Renames a file over another, at once.
    ///
    /// # Errors
    /// When the file system refuses.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Waits until a folder's own list of names is durable.
    ///
    /// # Errors
    /// When the file system refuses.
    fn sync_dir(&mut self, path: &Path) -> io::Result<()>;
    /// Deletes a file.
    ///
    /// # Errors
    /// When the file system refuses.
    fn remove_file(&mut self, path: &Path) -> io::Result<()>;
    /// Deletes an empty folder.
    ///
    /// # Errors
    /// When the file system refuses, or the folder is not empty.
    fn remove_dir(&mut self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dirs(&mut self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

/// Reads a file of at most `most` bytes. A longer one yields one byte more, never its whole length:
/// nobody's disk or memory is filled by a file that is wrong anyway.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Something in a log folder that is not a folder.
pub(crate) struct Found {
    /// The path below the log's folder, with `/` between its parts.
    pub(crate) path: String,
    /// False for links, sockets and the like.
    pub(crate) regular: bool,
}

/// Everything below `dir`, in order of path; links are not followed.
pub(crate) fn files(dir: &Path) -> Result<Vec<Found>, (PathBuf, io::Error)> {
    let mut found = Vec::new();
    let mut folders = vec![(dir.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let at = |error| (folder.clone(), error);
        let entries = match fs::read_dir(&folder) {
            // It was a folder of partial tiles, and the last of them has been replaced.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != dir => continue,
            entries => entries.map_err(at)?,
        };
        for entry in entries {
            let entry = entry.map_err(at)?;
            let kind = entry.file_type().map_err(at)?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() {
                folders.push((entry.path(), format!("{path}/")));
            } else {
                found.push(Found { path, regular: kind.is_file() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
