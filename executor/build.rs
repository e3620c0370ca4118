//! Lists the packs that ship, for `packs::shipped`: text files below `packs/*/`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    let packs = Path::new(&manifest).join("packs");
    let mut files = Vec::new();
    for pack in folders(&packs)? {
        walk(&pack, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&packs).map_err(io::Error::other)?;
        let name =
            name.to_str().ok_or_else(|| io::Error::other("a pack's file name is not UTF-8"))?;
        writeln!(list, "    ({name:?}, include_str!({file:?})),").map_err(io::Error::other)?;
    }
    list.push_str("]\n");
    fs::write(Path::new(&out).join("shipped.rs"), list)
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
        } else if path
            .extension()
            .is_some_and(|e| ["yaml", "graphql", "json"].iter().any(|k| e == *k))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}
