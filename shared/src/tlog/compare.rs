//! Where a file of the log folder and what it should be part.

use super::failure::{Failure, FailureCode};
use super::merkle::{Hash, leaf_hash};
use super::tile::{Tile, TileError, TileKind, decode_entries};

/// The hashes of a bundle's entries, up to the first that cannot be read.
pub(super) fn hash_entries(bundle: &[u8], width: u16) -> (Vec<Hash>, Option<TileError>) {
    let (mut hashes, mut error) = (Vec::with_capacity(width.into()), None);
    for entry in decode_entries(bundle, width.into()) {
        match entry {
            Ok(entry) => hashes.push(leaf_hash(entry)),
            Err(why) => error = Some(why),
        }
    }
    (hashes, error)
}

/// The first position at which the bytes of a tile are not the hashes, if any.
pub(super) fn first_difference(stated: &[u8], hashes: &[Hash]) -> Option<u64> {
    if stated == hashes.as_flattened() {
        return None;
    }
    let (found, _) = stated.as_chunks::<32>();
    Some(count(found.iter().zip(hashes).take_while(|(a, b)| a == b)))
}

pub(super) fn count<T>(items: impl IntoIterator<Item = T>) -> u64 {
    u64::try_from(items.into_iter().count()).unwrap_or(u64::MAX)
}

/// An outgrown partial tile must be whole, and the beginning of the one that replaced it.
pub(super) fn prefix(old: Tile, then: &[u8], now: &[u8]) -> Result<(), Failure> {
    match old.kind {
        TileKind::Hashes(_) => {
            let whole = then.len() == usize::from(old.width) * 32;
            if whole && now.starts_with(then) {
                return Ok(());
            }
            let at = first_difference(then, now.as_chunks::<32>().0).unwrap_or(0);
            Err(wrong_length(old, then).leaf(old.leaf(at.min(u64::from(old.width) - 1))))
        }
        TileKind::Entries => {
            let (was, error) = hash_entries(then, old.width);
            let (is, _) = hash_entries(now, old.width);
            if error.is_none() && now.starts_with(then) {
                return Ok(());
            }
            let at = count(was.iter().zip(&is).take_while(|(a, b)| a == b));
            let code = match error {
                Some(error) => FailureCode::EntryMalformed.because(error),
                None => FailureCode::EntryMismatch.because("an outgrown bundle differs"),
            };
            Err(code.at(old.path()).leaf(old.leaf(at)))
        }
    }
}

pub(super) fn wrong_length(tile: Tile, stated: &[u8]) -> Failure {
    let expected = usize::from(tile.width) * 32;
    let detail = if stated.len() == expected {
        String::new()
    } else {
        format!("it must have {expected} bytes")
    };
    FailureCode::TileMismatch.because(detail).at(tile.path())
}
