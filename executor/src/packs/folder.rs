//! A folder's files: read within bounds and never from outside it, or written out.
//! A pack is one, and so is a policy.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Most files of a folder.
const MAX_FILES: usize = 1000;
/// Largest file, in bytes. The loader asks for less of what it reads.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Most bytes of a folder.
const MAX_TOTAL: usize = 16 * 1024 * 1024;
/// Deepest folder below it.
const MAX_DEPTH: usize = 4;

/// A folder's files: path inside it, with `/`, and text. Hidden files and
/// folders are no part of it; a link counts only where it leads into the folder.
///
/// # Errors
/// The folder or a file cannot be read, is too large, too deep, too many, is not
/// UTF-8, or leads out of the folder.
pub fn read_dir(dir: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut reader = Reader { root: fs::canonicalize(dir)?, files: BTreeMap::new(), total: 0 };
    reader.folder(dir, "", 0)?;
    Ok(reader.files)
}

/// Writes files below `dir`: name and text. One that is there already with the same
/// text is left alone.
///
/// # Errors
/// A file cannot be written, or is there with another text.
pub(crate) fn write(dir: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    for (name, text) in files {
        let path = dir.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        match fs::read_to_string(&path) {
            Ok(there) if there == *text => {}
            Ok(_) => {
                let message =
                    format!("{} is there already, changed: move it away first", path.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::write(&path, text)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

struct Reader {
    root: std::path::PathBuf,
    files: BTreeMap<String, String>,
    total: usize,
}

impl Reader {
    fn folder(&mut self, dir: &Path, below: &str, depth: usize) -> io::Result<()> {
        if depth > MAX_DEPTH {
            return Err(refused(below, &format!("more than {MAX_DEPTH} folders deep")));
        }
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| refused(below, "a file name is not UTF-8"))?;
            if name.starts_with('.') {
                continue;
            }
            let name = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            let target = fs::canonicalize(entry.path())
                .map_err(|error| refused(&name, &error.to_string()))?;
            if !target.starts_with(&self.root) {
                return Err(refused(&name, "leads out of the folder: copy the file into it"));
            }
            if target.is_dir() {
                self.folder(&target, &name, depth + 1)?;
            } else {
                self.file(&target, name)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: String) -> io::Result<()> {
        if !fs::metadata(path)?.is_file() {
            return Err(refused(&name, "is no file"));
        }
        if self.files.len() >= MAX_FILES {
            return Err(refused(&name, &format!("the folder has more than {MAX_FILES} files")));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        self.total = self.total.saturating_add(bytes.len());
        if bytes.len() as u64 > MAX_FILE || self.total > MAX_TOTAL {
            let limits = format!("a file has at most {MAX_FILE} bytes and a folder {MAX_TOTAL}");
            return Err(refused(&name, &limits));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused(&name, "is not UTF-8 text"))?;
        self.files.insert(name, text);
        Ok(())
    }
}

fn refused(name: &str, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn pack() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("contracts")).unwrap();
        fs::write(dir.path().join("connector.yaml"), "a").unwrap();
        fs::write(dir.path().join("contracts/x.yaml"), "b").unwrap();
        dir
    }

    #[test]
    fn files_are_named_by_their_path_and_hidden_ones_left_out() {
        let dir = pack();
        fs::write(dir.path().join(".x.swp"), [0xff]).unwrap();
        let files = read_dir(dir.path()).unwrap();
        let names: Vec<_> = files.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(names, [("connector.yaml", "a"), ("contracts/x.yaml", "b")]);
    }

    #[test]
    fn a_link_inside_counts_and_one_that_leads_out_is_refused() {
        let dir = pack();
        symlink("connector.yaml", dir.path().join("same.yaml")).unwrap();
        assert_eq!(read_dir(dir.path()).unwrap().len(), 3);
        symlink("/etc/hostname", dir.path().join("contracts/out.yaml")).unwrap();
        let error = read_dir(dir.path()).unwrap_err().to_string();
        assert!(error.contains("contracts/out.yaml"), "{error}");
    }

    #[test]
    fn a_ring_of_links_ends() {
        let dir = pack();
        symlink("..", dir.path().join("contracts/again")).unwrap();
        assert!(read_dir(dir.path()).unwrap_err().to_string().contains("deep"));
    }

    #[test]
    fn what_is_too_large_or_no_text_is_named() {
        let dir = pack();
        fs::write(dir.path().join("big.json"), "x".repeat(4 * 1024 * 1024 + 1)).unwrap();
        assert!(read_dir(dir.path()).unwrap_err().to_string().contains("big.json"));
        fs::write(dir.path().join("big.json"), [0xff, 0xfe]).unwrap();
        assert!(read_dir(dir.path()).unwrap_err().to_string().contains("UTF-8"));
    }
}
