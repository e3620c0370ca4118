//! The RFC 6962 Merkle tree: hashing, and a tree that remembers only its right edge.

use sha2::{Digest, Sha256};

/// A SHA-256 Merkle hash.
pub type Hash = [u8; 32];

/// The right edge of a tree: enough to append leaves and to know the root at the current size.
///
/// A store keeps the nodes that [`Tree::append`] hands out and serves them back through
/// [`HashReader`]; the tree itself needs about one hash for each doubling of its size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Complete subtrees that cover all leaves, the largest (leftmost) first.
    edge: Vec<Hash>,
}

/// One complete subtree: it covers leaves `index << level` up to `(index + 1) << level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Height above the leaves; 0 is a leaf hash.
    pub level: u8,
    /// Position within the level, from the left.
    pub index: u64,
    /// The subtree's hash.
    pub hash: Hash,
}

/// Where the hashes of complete subtrees are kept, such as a table keyed by level and index.
pub trait HashReader {
    /// What can go wrong when reading.
    type Error;

    /// The hash of the complete subtree `index` at `level`.
    ///
    /// # Errors
    /// When the node cannot be read, or is not there although the tree is large enough.
    fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

impl Tree {
    /// A tree of `size` leaves, its edge read from `nodes`.
    ///
    /// # Errors
    /// When a node of the edge cannot be read.
    pub fn load<R: HashReader>(size: u64, nodes: &R) -> Result<Self, R::Error> {
        let edge = complete_subtrees(0, size)
            .map(|(level, index)| nodes.hash(level, index))
            .collect::<Result<_, _>>()?;
        Ok(Self { size, edge })
    }

    /// A tree of `size` leaves with this edge, as [`Tree::edge`] gave it; `None` where no
    /// tree of that size has as many.
    #[must_use]
    pub fn of(size: u64, edge: Vec<Hash>) -> Option<Self> {
        let complete = usize::try_from(size.count_ones()).ok()?;
        (edge.len() == complete).then_some(Self { size, edge })
    }

    /// The complete subtrees that cover all leaves, the largest first.
    #[must_use]
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash and returns the complete nodes that this creates, lowest first.
    ///
    /// The first is always the leaf itself; each further one is complete because of it.
    pub fn append(&mut self, leaf: Hash) -> Vec<Node> {
        let (mut hash, mut index) = (leaf, self.size);
        let mut created = vec![Node { level: 0, index, hash }];
        for level in 1.. {
            if index & 1 == 0 {
                break;
            }
            // An odd index has a left sibling, and the edge always ends with it.
            let Some(left) = self.edge.pop() else { break };
            hash = node_hash(&left, &hash);
            index >>= 1;
            created.push(Node { level, index, hash });
        }
        self.edge.push(hash);
        self.size += 1;
        created
    }

    /// The root at the current size.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold_right(self.edge.iter().copied()).unwrap_or_else(empty_root)
    }
}

/// The hash of a leaf's bytes.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(leaf).finalize().into()
}

/// The hash of two subtrees side by side.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The complete subtrees, as (level, index), that cover leaves `start..end`, left to right.
///
/// `start` must be a multiple of the power of two that covers the range, as it is for every
/// range that RFC 6962 hashes.
pub(crate) fn complete_subtrees(start: u64, end: u64) -> impl Iterator<Item = (u8, u64)> {
    let mut at = start;
    std::iter::from_fn(move || {
        let level = end.saturating_sub(at).checked_ilog2()?;
        let index = at >> level;
        at += 1 << level;
        Some((u8::try_from(level).ok()?, index))
    })
}

/// Hashes complete subtrees, the leftmost first, into the one root above them.
pub(crate) fn fold_right(subtrees: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    subtrees.rev().reduce(|right, left| node_hash(&left, &right))
}

/// The hash of `start..end`, which RFC 6962 writes `MTH(D[start:end])`.
pub(crate) fn range_hash<R: HashReader>(start: u64, end: u64, nodes: &R) -> Result<Hash, R::Error> {
    let subtrees: Vec<Hash> = complete_subtrees(start, end)
        .map(|(level, index)| nodes.hash(level, index))
        .collect::<Result<_, _>>()?;
    Ok(fold_right(subtrees.into_iter()).unwrap_or_else(empty_root))
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::collections::HashMap;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    use super::*;

    /// The table a store would keep.
    #[derive(Default)]
    pub(crate) struct Table(HashMap<(u8, u64), Hash>);

    impl HashReader for Table {
        type Error = (u8, u64);

        fn hash(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
            self.0.get(&(level, index)).copied().ok_or((level, index))
        }
    }

    /// A tree over `leaves` and the table of all its nodes.
    pub(crate) fn grow<L: AsRef<[u8]>>(leaves: &[L]) -> (Tree, Table) {
        let (mut tree, mut table) = (Tree::default(), Table::default());
        for leaf in leaves {
            for node in tree.append(leaf_hash(leaf.as_ref())) {
                assert!(table.0.insert((node.level, node.index), node.hash).is_none());
            }
        }
        (tree, table)
    }

    /// The eight leaves of the RFC 6962 reference tests.
    pub(crate) fn reference_leaves() -> Vec<Vec<u8>> {
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
            .into_iter()
            .chain(["606162636465666768696a6b6c6d6e6f"])
            .map(|leaf| hex::decode(leaf).unwrap())
            .collect()
    }

    #[test]
    fn roots_are_those_of_the_reference_tests() {
        let expected = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves = reference_leaves();
        for (size, root) in expected.into_iter().enumerate() {
            assert_eq!(hex::encode(grow(&leaves[..size]).0.root()), root, "size {size}");
        }
    }

    #[test]
    fn append_hands_out_every_complete_node_once() {
        let (_, table) = grow(&[b"x"; 13]);
        let by_level: Vec<usize> =
            (0..5).map(|level| table.0.keys().filter(|key| key.0 == level).count()).collect();
        assert_eq!(by_level, [13, 6, 3, 1, 0]);
    }

    #[test]
    fn an_edge_is_the_whole_tree_or_none() {
        let (tree, _) = grow(&reference_leaves());
        assert_eq!(Tree::of(tree.size(), tree.edge().to_vec()), Some(tree.clone()));
        assert_eq!(Tree::of(tree.size() + 1, tree.edge().to_vec()), None);
    }

    #[test]
    fn a_missing_node_is_an_error() {
        let (tree, mut table) = grow(&[b"x"; 6]);
        assert_eq!(Tree::load(6, &table), Ok(tree));
        table.0.remove(&(1, 2));
        assert_eq!(Tree::load(6, &table), Err((1, 2)));
    }

    proptest! {
        #[test]
        fn root_agrees_with_another_implementation(leaves in prop::collection::vec(any::<Vec<u8>>(), 1..90)) {
            let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
            leaves.iter().for_each(|leaf| other.push(leaf.clone()));
            let theirs: Hash = (*other.root().as_bytes()).into();
            prop_assert_eq!(grow(&leaves).0.root(), theirs);
        }

        #[test]
        fn a_loaded_tree_goes_on_like_the_one_it_was(before in 0_usize..300, after in 0_usize..20) {
            let leaves: Vec<[u8; 8]> = (0..before + after).map(|i| i.to_be_bytes()).collect();
            let (_, table) = grow(&leaves[..before]);
            let mut loaded = Tree::load(before as u64, &table).unwrap();
            leaves[before..].iter().for_each(|leaf| drop(loaded.append(leaf_hash(leaf))));
            prop_assert_eq!(loaded, grow(&leaves).0);
        }
    }
}
