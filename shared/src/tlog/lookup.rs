//! Tiles of a log folder that may be in use, and the tree's nodes from its hash tiles.

use std::fs;
use std::io;
use std::path::Path;

use super::edge::complete_root;
use super::merkle::{Hash, HashReader};
use super::tile::{TILE_WIDTH, Tile, TileKind, decode_entries};

/// The bytes of a tile, `None` where the log does not reach so far.
///
/// A partial tile that the log has outgrown is gone as a file, and the beginning of every wider
/// one: whoever read the checkpoint a moment ago still gets it.
///
/// # Errors
/// When a file cannot be read.
pub fn tile_bytes(folder: &Path, tile: Tile) -> io::Result<Option<Vec<u8>>> {
    if let Some(bytes) = read(&folder.join(tile.path()))? {
        return Ok(Some(bytes));
    }
    for width in (tile.width..=256).skip(1) {
        let wider = Tile { width, ..tile };
        if let Some(bytes) = read(&folder.join(wider.path()))? {
            return Ok(cut(tile, bytes));
        }
    }
    Ok(None)
}

/// The first hashes or entries of a wider tile.
fn cut(tile: Tile, mut wider: Vec<u8>) -> Option<Vec<u8>> {
    let count = usize::from(tile.width);
    let length = match tile.kind {
        TileKind::Hashes(_) => count * 32,
        TileKind::Entries => {
            let entries = decode_entries(&wider, u64::MAX).take(count);
            let lengths: Vec<usize> = entries.map_while(Result::ok).map(|e| 2 + e.len()).collect();
            (lengths.len() == count).then(|| lengths.iter().sum())?
        }
    };
    (length <= wider.len()).then(|| wider.truncate(length))?;
    Some(wider)
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The nodes of a log's tree, read from the hash tiles of its folder. Nothing vouches for them but
/// the root that they lead to.
#[derive(Debug)]
pub struct TileNodes<'d> {
    folder: &'d Path,
    size: u64,
}

impl<'d> TileNodes<'d> {
    /// Of the log of `size` leaves in `folder`.
    #[must_use]
    pub const fn new(folder: &'d Path, size: u64) -> Self {
        Self { folder, size }
    }
}

impl HashReader for TileNodes<'_> {
    type Error = io::Error;

    fn hash(&self, level: u8, index: u64) -> io::Result<Hash> {
        let kind = TileKind::Hashes(level / 8);
        let count = 1_u64 << (level % 8);
        let first = index.saturating_mul(count);
        let (at, tile) = (first % TILE_WIDTH, first / TILE_WIDTH);
        let (full, partial) = Tile::layout(kind, self.size);
        let tile = partial.filter(|p| p.index == tile && tile >= full);
        let tile = tile.unwrap_or(Tile::full(kind, first / TILE_WIDTH));
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{} lacks", tile.path()));
        let bytes = tile_bytes(self.folder, tile)?.ok_or_else(missing)?;
        let (hashes, _) = bytes.as_chunks::<32>();
        let (at, count) = (usize::try_from(at).unwrap_or(usize::MAX), usize::try_from(count));
        let range = count.ok().and_then(|count| Some(at..at.checked_add(count)?));
        let subtree = range.and_then(|range| hashes.get(range)).ok_or_else(missing)?;
        Ok(complete_root(subtree))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::merkle::{Tree, leaf_hash};
    use super::super::path::{consistency_path, inclusion_path, verify_consistency};
    use super::super::sample::Log;
    use super::*;

    #[test]
    fn the_tiles_hold_every_node_of_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::new(700);
        log.publish(dir.path());
        let nodes = TileNodes::new(dir.path(), 700);
        let mut tree = Tree::default();
        for leaf in &log.0 {
            for node in tree.append(leaf_hash(leaf)) {
                assert_eq!(nodes.hash(node.level, node.index).unwrap(), node.hash);
            }
        }
        assert_eq!(Tree::load(700, &nodes).unwrap().root(), tree.root());
        let (old, new) = (Tree::load(301, &nodes).unwrap().root(), tree.root());
        let path = consistency_path(301, 700, &nodes).unwrap();
        assert!(verify_consistency((301, &old), (700, &new), &path).is_ok());
        assert!(inclusion_path(699, 700, &nodes).is_ok());
        assert!(nodes.hash(0, 700).is_err() && nodes.hash(9, 1).is_err());
    }
}
