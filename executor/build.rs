//! Lists what ships as data: the packs, text files below `packs/*/`, and the policy,
//! text files in `policy/`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files that belong to what ships; guides for people do not.
const KINDS: &[&str] = &["yaml", "graphql", "json", "cedar", "cedarschema"];

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let (packs, policy) = (Path::new(&manifest).join("packs"), Path::new(&manifest).join("policy"));
    list("packs.rs", &packs, &folders(&packs)?)?;
    list("policy.rs", &policy, std::slice::from_ref(&policy))
}

/// Writes the files of some folders as a list of names below `root` and texts.
fn list(out: &str, root: &Path, folders: &[PathBuf]) -> io::Result<()> {
    let mut files = Vec::new();
    for folder in folders {
        walk(folder, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(root).map_err(io::Error::other)?;
        let name = name.to_str().ok_or_else(|| io::Error::other("a file name is not UTF-8"))?;
        writeln!(list, "    ({name:?}, include_str!({file:?})),").map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    let dir = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&dir).join(out), list)
}

fn folders(packs: &Path) -> io::Result<Vec<PathBuf>> {
    watch(packs);
    let paths = fs::read_dir(packs)?.map(|entry| entry.map(|e| e.path()));
    paths.filter(|path| path.as_ref().map_or(true, |p| p.is_dir())).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    watch(folder);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|e| KINDS.iter().any(|k| e == *k)) {
            files.push(path);
        }
    }
    Ok(())
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
