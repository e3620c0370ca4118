//! The packs on disk, and the one that the guide for authors builds.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Texts of a pack by path.
pub(crate) type Files = BTreeMap<String, String>;

/// The folder of the shipped packs.
pub(crate) fn packs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("packs")
}

/// Folders of the shipped packs.
pub(crate) fn shipped() -> Vec<PathBuf> {
    let entries = fs::read_dir(packs()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// The files that the guide tells its reader to write.
pub(crate) fn guide() -> Files {
    let text = fs::read_to_string(packs().join("CONTRACTS.md")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut files = Files::new();
    for (at, line) in lines.iter().enumerate() {
        let named = line.split('`').find_map(|part| part.strip_prefix("paybox/"));
        let opens = lines.get(at + 2).is_some_and(|l| l.starts_with("```"));
        if let (Some(name), true) = (named, opens) {
            let body = lines[at + 3..].iter().take_while(|l| **l != "```");
            files.insert(name.to_owned(), body.fold(String::new(), |all, l| all + l + "\n"));
        }
    }
    files
}
