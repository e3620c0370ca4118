//! Policies and packs of every time, in a folder: what an auditor takes along to decide
//! receipts again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use countersign_core::contract::load::digest;
use countersign_core::replay::Shelf;

use crate::packs::{folder, read_dir};
use crate::ports::Files;

/// Writes one below `dir`, in a folder that its digest names; answers with that. One that
/// is there already is left alone.
///
/// # Errors
/// A file cannot be written, or is there with another text.
pub fn write(dir: &Path, files: &Files) -> io::Result<PathBuf> {
    // A colon is no part of a file's name everywhere.
    let own = dir.join(digest(files).replace(':', "-"));
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    folder::write(&own, &files)?;
    Ok(own)
}

/// Loads every one below `dir`, each once. Nothing is believed of a folder's name: a
/// bundle has the digest of its files.
///
/// # Errors
/// A folder that cannot be read, or that is neither policy nor pack.
pub fn shelf(dir: &Path) -> io::Result<Shelf> {
    let mut shelf = Shelf::default();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            let wrong = |why: String| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()))
            };
            shelf.add(&read_dir(&path)?).map_err(wrong)?;
        }
    }
    Ok(shelf)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_written_is_found_by_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let shipped = tempfile::tempdir().unwrap();
        crate::policy::write_shipped(shipped.path()).unwrap();
        let files = read_dir(shipped.path()).unwrap();
        let own = write(dir.path(), &files).unwrap();
        assert_eq!(write(dir.path(), &files).unwrap(), own, "twice is once");
        assert_eq!(shelf(dir.path()).unwrap().len(), 1);
        // Under another name it is still what it is; with another text it is another.
        fs::rename(&own, dir.path().join("x")).unwrap();
        fs::write(dir.path().join("x/more.txt"), "x").unwrap();
        write(dir.path(), &files).unwrap();
        assert_eq!(shelf(dir.path()).unwrap().len(), 2);
        fs::create_dir(dir.path().join("none")).unwrap();
        assert!(shelf(dir.path()).unwrap_err().to_string().contains("none"));
    }
}
