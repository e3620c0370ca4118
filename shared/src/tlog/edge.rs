//! The right edge of a log in tiles: what publishing writes and verifying expects, leaf by leaf.

use super::merkle::{Hash, empty_root, node_hash};
use super::tile::{TILE_WIDTH, Tile, TileKind};

/// The partial hash tiles of a log, one for each tile level.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The edge of a log of `size` leaves; `read` gives the hashes of each partial tile.
    pub(crate) fn load<E>(
        size: u64,
        mut read: impl FnMut(Tile) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, E> {
        let mut levels = Vec::new();
        for level in 0.. {
            let kind = TileKind::Hashes(level);
            if kind.count(size) == 0 {
                break;
            }
            let partial = Tile::layout(kind, size).1;
            levels.push(partial.map_or_else(|| Ok(Vec::new()), &mut read)?);
        }
        Ok(Self { size, levels })
    }

    /// The number of leaves.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Goes back to the start of the last level-0 tile, to have its leaves pushed again.
    pub(crate) fn reopen_last_tile(&mut self) {
        self.size -= self.size % TILE_WIDTH;
        if let Some(hashes) = self.levels.first_mut() {
            hashes.clear();
        }
    }

    /// Adds a leaf; `full` is given each tile that this fills, the lowest level first.
    pub(crate) fn push<E>(
        &mut self,
        leaf: Hash,
        mut full: impl FnMut(Tile, &[Hash]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.size += 1;
        let mut hash = leaf;
        for level in 0.. {
            let kind = TileKind::Hashes(level);
            let last = kind.count(self.size).saturating_sub(1) / TILE_WIDTH;
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else {
                self.levels.push(vec![hash]);
                break;
            };
            hashes.push(hash);
            if hashes.len() < 256 {
                break;
            }
            full(Tile::full(kind, last), hashes)?;
            hash = complete_root(hashes);
            hashes.clear();
        }
        Ok(())
    }

    /// The partial tiles at the current size.
    pub(crate) fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        (0..).zip(&self.levels).filter_map(|(level, hashes)| {
            let tile = Tile::layout(TileKind::Hashes(level), self.size).1?;
            Some((tile, hashes.as_slice()))
        })
    }

    /// The root at the current size.
    pub(crate) fn root(&self) -> Hash {
        let mut root = None;
        for hashes in &self.levels {
            // Peel complete subtrees off the right end, the smallest first.
            let mut rest = hashes.as_slice();
            while let Some(bit) = rest.len().checked_ilog2().map(|_| rest.len().trailing_zeros()) {
                let Some((left, subtree)) = rest.split_at_checked(rest.len() - (1 << bit)) else {
                    break;
                };
                let hash = complete_root(subtree);
                root = Some(root.map_or(hash, |right| node_hash(&hash, &right)));
                rest = left;
            }
        }
        root.unwrap_or_else(empty_root)
    }
}

/// The root over a power of two of hashes.
pub(crate) fn complete_root(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied().unwrap_or_else(empty_root)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::collections::HashMap;
    use std::convert::Infallible;

    use super::super::merkle::{Tree, leaf_hash};
    use super::*;

    #[test]
    fn an_edge_agrees_with_the_tree_and_reloads_at_every_size() {
        let (mut edge, mut tree, mut tiles) = (Edge::default(), Tree::default(), HashMap::new());
        for leaf in 0..66_000_u64 {
            let hash = leaf_hash(&leaf.to_be_bytes());
            tree.append(hash);
            edge.push(hash, |tile, hashes| {
                assert!(tiles.insert(tile, hashes.to_vec()).is_none());
                Ok::<(), Infallible>(())
            })
            .unwrap();
            if leaf < 600 || leaf % 4_099 == 0 || (65_530..65_800).contains(&leaf) {
                assert_eq!(edge.root(), tree.root(), "after leaf {leaf}");
                let partial: HashMap<_, _> = edge.partial().collect();
                let load = |tile| Ok::<_, Infallible>(partial[&tile].to_vec());
                assert_eq!(Edge::load(leaf + 1, load).unwrap().root(), tree.root());
            }
        }
        assert_eq!(tiles.len(), 66_000 / 256 + 1);
        assert!(tiles.contains_key(&Tile::full(TileKind::Hashes(1), 0)));
        assert_eq!(Edge::default().root(), empty_root());
    }
}
