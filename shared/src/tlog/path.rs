//! Audit paths of RFC 6962: that a leaf is in a tree, and that one tree extends another.

use super::merkle::{Hash, HashReader, empty_root, node_hash, range_hash};

/// Why a path cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError<E> {
    /// The leaf or the earlier size does not lie within the tree.
    #[error("{wanted} does not lie within a log of {size} entries; ask for a smaller one")]
    OutOfRange {
        /// The leaf index or earlier size asked for.
        wanted: u64,
        /// The tree's size.
        size: u64,
    },
    /// The node store failed.
    #[error("a tree node cannot be read: {0}")]
    Read(E),
}

/// A path that does not lead to the root.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("the proof does not lead to the root; trust neither it nor who sent it")]
pub struct PathMismatch;

/// The hashes from leaf `index` up to the root of a tree of `size` leaves.
///
/// # Errors
/// When `index` is not below `size`, or a node cannot be read.
pub fn inclusion_path<R: HashReader>(
    index: u64,
    size: u64,
    nodes: &R,
) -> Result<Vec<Hash>, PathError<R::Error>> {
    if index >= size {
        return Err(PathError::OutOfRange { wanted: index, size });
    }
    descend(size, nodes, |start, end, split| match (end - start, index < split) {
        (1, _) => Turn::Stop,
        (_, true) => Turn::Left,
        (_, false) => Turn::Right,
    })
}

/// The hashes that show that a tree of `size` leaves extends the one of its first `earlier` leaves.
///
/// Empty when `earlier` is 0 or `size`.
///
/// # Errors
/// When `earlier` is above `size`, or a node cannot be read.
pub fn consistency_path<R: HashReader>(
    earlier: u64,
    size: u64,
    nodes: &R,
) -> Result<Vec<Hash>, PathError<R::Error>> {
    if earlier > size {
        return Err(PathError::OutOfRange { wanted: earlier, size });
    }
    if earlier == 0 || earlier == size {
        return Ok(Vec::new());
    }
    descend(size, nodes, |start, end, split| {
        match (end == earlier, start) {
            // The verifier already knows the subtree that starts at leaf 0: it is the earlier root.
            (true, 0) => Turn::Stop,
            (true, _) => Turn::StopAndName,
            (false, _) if earlier <= split => Turn::Left,
            (false, _) => Turn::Right,
        }
    })
}

/// Whether the leaf with hash `leaf` is number `index` of the tree of `size` leaves under `root`.
///
/// # Errors
/// When `path` does not prove exactly that.
pub fn verify_inclusion(
    index: u64,
    leaf: &Hash,
    size: u64,
    root: &Hash,
    path: &[Hash],
) -> Result<(), PathMismatch> {
    if index >= size {
        return Err(PathMismatch);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        match climb(&mut at, &mut last)? {
            Side::Left => hash = node_hash(sibling, &hash),
            Side::Right => hash = node_hash(&hash, sibling),
        }
    }
    ensure(last == 0 && hash == *root)
}

/// Whether the tree of `size` leaves under `root` extends the one of `earlier` leaves under
/// `earlier_root`.
///
/// # Errors
/// When `path` does not prove exactly that.
pub fn verify_consistency(
    (earlier, earlier_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    path: &[Hash],
) -> Result<(), PathMismatch> {
    if earlier == 0 || earlier == size {
        let empty = earlier != 0 || *earlier_root == empty_root();
        let same = earlier != size || earlier_root == root;
        return ensure(empty && same && path.is_empty());
    }
    if earlier > size {
        return Err(PathMismatch);
    }
    // Start at the largest complete subtree that ends where the earlier tree ended.
    let skip = earlier.trailing_zeros();
    let (mut at, mut last) = ((earlier - 1) >> skip, (size - 1) >> skip);
    let (first, rest) = match path.split_first() {
        _ if earlier.is_power_of_two() => (*earlier_root, path),
        Some((first, rest)) => (*first, rest),
        None => return Err(PathMismatch),
    };
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        match climb(&mut at, &mut last)? {
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        }
    }
    ensure(last == 0 && old == *earlier_root && new == *root)
}

/// Where the walk from the root goes next.
enum Turn {
    Left,
    Right,
    Stop,
    /// Stop, and put the subtree arrived at first in the path.
    StopAndName,
}

/// Walks down from the root of `size` leaves; the subtrees not entered are the path.
fn descend<R: HashReader>(
    size: u64,
    nodes: &R,
    turn: impl Fn(u64, u64, u64) -> Turn,
) -> Result<Vec<Hash>, PathError<R::Error>> {
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    loop {
        // RFC 6962 splits n > 1 leaves at the largest power of two below n.
        let split =
            start + (end - start).saturating_sub(1).checked_ilog2().map_or(1, |bit| 1 << bit);
        let aside = match turn(start, end, split) {
            Turn::Left => (split, std::mem::replace(&mut end, split)),
            Turn::Right => (std::mem::replace(&mut start, split), split),
            Turn::StopAndName => {
                path.push(range_hash(start, end, nodes).map_err(PathError::Read)?);
                break;
            }
            Turn::Stop => break,
        };
        path.push(range_hash(aside.0, aside.1, nodes).map_err(PathError::Read)?);
    }
    path.reverse();
    Ok(path)
}

/// The side of the sibling that comes next on the way up.
enum Side {
    Left,
    Right,
}

/// Goes up from node `at` to the next level where it has a sibling, in a tree whose last node is
/// `last`. A right edge without a sibling is carried up unhashed.
fn climb(at: &mut u64, last: &mut u64) -> Result<Side, PathMismatch> {
    if *last == 0 {
        return Err(PathMismatch);
    }
    let side = if *at & 1 == 1 || at == last { Side::Left } else { Side::Right };
    if matches!(side, Side::Left) {
        let lone = at.trailing_zeros();
        *at = at.checked_shr(lone).unwrap_or(0);
        *last = last.checked_shr(lone).unwrap_or(0);
    }
    *at >>= 1;
    *last >>= 1;
    Ok(side)
}

fn ensure(proved: bool) -> Result<(), PathMismatch> {
    proved.then_some(()).ok_or(PathMismatch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::super::merkle::{
        Tree, leaf_hash,
        tests::{grow, reference_leaves},
    };
    use super::*;

    const MOST: u64 = 70;

    fn leaves(count: u64) -> Vec<[u8; 8]> {
        (0..count).map(u64::to_be_bytes).collect()
    }

    fn other(count: u64) -> MemoryBackedTree<Sha256, [u8; 8]> {
        let mut tree = MemoryBackedTree::new();
        leaves(count).into_iter().for_each(|leaf| tree.push(leaf));
        tree
    }

    #[test]
    fn inclusion_path_is_that_of_the_reference_tests() {
        let (tree, nodes) = grow(&reference_leaves());
        let path = inclusion_path(5, 8, &nodes).unwrap();
        let expected = [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ];
        assert_eq!(path.iter().map(hex::encode).collect::<Vec<_>>(), expected);
        let leaf = leaf_hash(&reference_leaves()[5]);
        assert_eq!(verify_inclusion(5, &leaf, 8, &tree.root(), &path), Ok(()));
    }

    #[test]
    fn inclusion_agrees_with_another_implementation_for_every_leaf_of_every_size() {
        let (_, nodes) = grow(&leaves(MOST));
        for size in 1..=MOST {
            let (theirs, root) = (other(size), Tree::load(size, &nodes).unwrap().root());
            for index in 0..size {
                let path = inclusion_path(index, size, &nodes).unwrap();
                let expected = theirs.prove_inclusion(usize::try_from(index).unwrap());
                assert_eq!(path.concat(), expected.as_bytes(), "leaf {index} of {size}");
                let leaf = leaf_hash(&index.to_be_bytes());
                assert_eq!(verify_inclusion(index, &leaf, size, &root, &path), Ok(()));
                assert!(
                    verify_inclusion(index ^ 1, &leaf, size, &root, &path).is_err() || size == 1
                );
            }
        }
    }

    #[test]
    fn consistency_agrees_with_another_implementation_for_every_pair_of_sizes() {
        let (_, nodes) = grow(&leaves(MOST));
        let root = |size| Tree::load(size, &nodes).unwrap().root();
        for size in 1..=MOST {
            let theirs = other(size);
            for earlier in 1..size {
                let path = consistency_path(earlier, size, &nodes).unwrap();
                let expected = theirs.prove_consistency(usize::try_from(size - earlier).unwrap());
                assert_eq!(path.concat(), expected.as_bytes(), "{earlier} in {size}");
                let (old, new) = (root(earlier), root(size));
                assert_eq!(verify_consistency((earlier, &old), (size, &new), &path), Ok(()));
                assert!(verify_consistency((earlier, &new), (size, &new), &path).is_err());
                assert!(verify_consistency((earlier, &old), (size, &old), &path).is_err());
            }
        }
    }

    #[test]
    fn out_of_range_and_degenerate_sizes() {
        let (tree, nodes) = grow(&leaves(3));
        let (root, empty) = (tree.root(), empty_root());
        assert_eq!(inclusion_path(3, 3, &nodes), Err(PathError::OutOfRange { wanted: 3, size: 3 }));
        assert_eq!(
            consistency_path(4, 3, &nodes),
            Err(PathError::OutOfRange { wanted: 4, size: 3 })
        );
        assert_eq!(consistency_path(0, 3, &nodes), Ok(vec![]));
        assert_eq!(consistency_path(3, 3, &nodes), Ok(vec![]));
        assert!(verify_consistency((0, &empty), (3, &root), &[]).is_ok());
        assert!(verify_consistency((0, &root), (3, &root), &[]).is_err());
        assert!(verify_consistency((3, &root), (3, &root), &[]).is_ok());
        assert!(verify_consistency((3, &empty), (3, &root), &[]).is_err());
        assert!(verify_consistency((4, &root), (3, &root), &[]).is_err());
        assert!(verify_inclusion(0, &root, 0, &root, &[]).is_err());
        assert!(verify_inclusion(u64::MAX - 1, &root, u64::MAX, &root, &[root; 70]).is_err());
        assert!(verify_consistency((1 << 63, &root), (u64::MAX, &root), &[root; 70]).is_err());
    }

    proptest! {
        #[test]
        fn a_touched_path_proves_nothing(
            size in 2_u64..MOST, pick in any::<u64>(), at in any::<prop::sample::Index>(), bit in 0_u8..8,
        ) {
            let (tree, nodes) = grow(&leaves(size));
            let (index, earlier) = (pick % size, 1 + pick % (size - 1));
            let (leaf, root) = (leaf_hash(&index.to_be_bytes()), tree.root());
            let old = Tree::load(earlier, &nodes).unwrap().root();
            let inclusion = inclusion_path(index, size, &nodes).unwrap();
            let consistency = consistency_path(earlier, size, &nodes).unwrap();
            for touched in variants(&inclusion, at, bit) {
                prop_assert!(verify_inclusion(index, &leaf, size, &root, &touched).is_err());
            }
            for touched in variants(&consistency, at, bit) {
                prop_assert!(verify_consistency((earlier, &old), (size, &root), &touched).is_err());
            }
        }
    }

    /// One bit flipped, the last hash gone, one hash too many.
    fn variants(path: &[Hash], at: prop::sample::Index, bit: u8) -> Vec<Vec<Hash>> {
        let mut flipped = path.to_vec();
        let (hash, byte) = (at.index(path.len()), at.index(32));
        flipped[hash][byte] ^= 1 << bit;
        vec![flipped, path[..path.len() - 1].to_vec(), [path, &[[0; 32]]].concat()]
    }
}
