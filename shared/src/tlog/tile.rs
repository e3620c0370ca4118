//! C2SP tiles: the files that hold a log's hashes and entries, their paths and their bytes.

use super::checkpoint::decimal;
use super::merkle::Hash;

/// The most hashes or entries in one tile.
pub const TILE_WIDTH: u64 = 256;
/// The most bytes in one entry.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// The file of some consecutive hashes of one level, or of some consecutive entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// What is in it.
    pub kind: TileKind,
    /// Position among the tiles of its kind, from the left.
    pub index: u64,
    /// How many hashes or entries it holds: 1 to 256. Below 256 it is partial, the last of its
    /// kind at some size of the log.
    pub width: u16,
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// Entries, the leaves' own bytes.
    Entries,
    /// Hashes at this tile level: each covers `256 ^ level` leaves.
    Hashes(u8),
}

/// Bytes that are not the tile they should be.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum TileError {
    /// An entry does not fit its length prefix.
    #[error("an entry of {0} bytes is too long for the log; the most is 65535")]
    EntryTooLong(usize),
    /// The bytes end within an entry, or before the last one.
    #[error("entry {0} of the bundle is cut short or missing")]
    CutShort(u64),
    /// Bytes follow the last entry.
    #[error("bytes follow the last of {0} entries")]
    Trailing(u64),
    /// Not a whole number of hashes.
    #[error("{0} bytes are not a whole number of hashes")]
    NotHashes(usize),
}

impl Tile {
    /// The tiles of the kind in a log of `size` leaves: how many full ones, and the partial one
    /// that follows them.
    #[must_use]
    pub fn layout(kind: TileKind, size: u64) -> (u64, Option<Self>) {
        let width = u16::try_from(kind.count(size) % TILE_WIDTH).unwrap_or(0);
        let full = kind.count(size) / TILE_WIDTH;
        (full, (width > 0).then_some(Self { kind, index: full, width }))
    }

    /// The full tile `index`.
    #[must_use]
    pub const fn full(kind: TileKind, index: u64) -> Self {
        Self { kind, index, width: 256 }
    }

    /// Whether the tile holds all that a tile can.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == 256
    }

    /// Where the tile stands in a log of `size` leaves.
    #[must_use]
    pub fn standing(&self, size: u64) -> Standing {
        let (full, partial) = Self::layout(self.kind, size);
        if (self.is_full() && self.index < full) || Some(*self) == partial {
            return Standing::Current;
        }
        let grown = |now: Self| self.index == now.index && self.width < now.width;
        if self.index < full || partial.is_some_and(grown) {
            return Standing::Replaced;
        }
        Standing::Ahead
    }

    /// The first leaf under the tile's position `at`.
    #[must_use]
    pub fn leaf(&self, at: u64) -> u64 {
        let position = self.index.saturating_mul(TILE_WIDTH).saturating_add(at);
        position.saturating_mul(TILE_WIDTH.saturating_pow(self.kind.level()))
    }

    /// The path below the log's folder, such as `tile/0/x001/234.p/5` or `tile/entries/000`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut index = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            index = format!("x{:03}/{index}", rest % 1000);
            rest /= 1000;
        }
        let level = match self.kind {
            TileKind::Entries => "entries".to_owned(),
            TileKind::Hashes(level) => level.to_string(),
        };
        let partial = if self.is_full() { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{level}/{index}{partial}")
    }

    /// The tile at a path; `None` unless [`Tile::path`] writes exactly that path.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, decimal(width)?),
            None => (rest, TILE_WIDTH),
        };
        let kind = match level {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(decimal(level).filter(|level| *level < 64)?.try_into().ok()?),
        };
        let index = digits.replace(['x', '/'], "").parse().ok()?;
        let tile = Self { kind, index, width: width.try_into().ok()? };
        // Writing it back refuses every other spelling of the same position.
        (tile.path() == path && (1..=256).contains(&tile.width)).then_some(tile)
    }
}

/// A tile file's relation to a log's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Part of the log at that size.
    Current,
    /// Partial, and the log has since grown past it.
    Replaced,
    /// Holds more than the log at that size.
    Ahead,
}

impl TileKind {
    /// How many hashes or entries of this kind a log of `size` leaves has.
    #[must_use]
    pub fn count(self, size: u64) -> u64 {
        size.checked_shr(self.level().saturating_mul(8)).unwrap_or(0)
    }

    fn level(self) -> u32 {
        match self {
            Self::Entries => 0,
            Self::Hashes(level) => level.into(),
        }
    }
}

/// The bytes of a hash tile.
#[must_use]
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// The hashes in a tile's bytes.
///
/// # Errors
/// When they are not a whole number of hashes.
pub fn decode_hashes(bytes: &[u8]) -> Result<&[Hash], TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() { Ok(hashes) } else { Err(TileError::NotHashes(bytes.len())) }
}

/// Adds an entry to the bytes of a bundle.
///
/// # Errors
/// When the entry is longer than [`MAX_ENTRY_BYTES`].
pub fn encode_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries in a bundle of `count`, each with what is wrong from there on, if anything is.
///
/// The last item is an error when the bytes end early or go on after the last entry.
pub fn decode_entries(bytes: &[u8], count: u64) -> impl Iterator<Item = Result<&[u8], TileError>> {
    let (mut rest, mut at, mut done) = (bytes, 0, false);
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        if at == count {
            done = true;
            return (!rest.is_empty()).then_some(Err(TileError::Trailing(count)));
        }
        let entry = rest
            .split_first_chunk::<2>()
            .and_then(|(length, after)| after.split_at_checked(u16::from_be_bytes(*length).into()));
        let Some((entry, after)) = entry else {
            done = true;
            return Some(Err(TileError::CutShort(at)));
        };
        (rest, at) = (after, at + 1);
        Some(Ok(entry))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn hashes(level: u8, index: u64, width: u16) -> Tile {
        Tile { kind: TileKind::Hashes(level), index, width }
    }

    #[test]
    fn paths_are_written_as_the_format_says() {
        let entries = |index, width| Tile { kind: TileKind::Entries, index, width };
        for (tile, path) in [
            (hashes(0, 0, 256), "tile/0/000"),
            (hashes(0, 0, 1), "tile/0/000.p/1"),
            (hashes(0, 1_234, 5), "tile/0/x001/234.p/5"),
            (hashes(2, 1_234_067, 256), "tile/2/x001/x234/067"),
            (entries(999, 255), "tile/entries/999.p/255"),
            (entries(1_000, 256), "tile/entries/x001/000"),
        ] {
            assert_eq!(tile.path(), path);
            assert_eq!(Tile::parse(path), Some(tile));
        }
    }

    #[test]
    fn other_spellings_are_no_tiles() {
        for path in [
            "tile/0/0",
            "tile/0/x000/001",
            "tile/00/001",
            "tile/0/001.p/0",
            "tile/0/001.p/256",
            "tile/0/001.p/01",
            "tile/0/001.p/",
            "tile/0/001.p",
            "tile/0/001/",
            "tile/0/1000",
            "tile/0/x001",
            "tile/0/001/002",
            "tile/data/000",
            "tile/-1/000",
            "/tile/0/000",
            "tile/0/000.tmp",
            "tile/entries/000.p/5.tmp",
            "checkpoint",
            "tile/64/000",
            "tile/0/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn layout_is_that_of_the_format_s_example() {
        let layout = |level| Tile::layout(TileKind::Hashes(level), 70_000);
        assert_eq!(layout(0), (273, Some(hashes(0, 273, 112))));
        assert_eq!(layout(1), (1, Some(hashes(1, 1, 17))));
        assert_eq!(layout(2), (0, Some(hashes(2, 0, 1))));
        assert_eq!(layout(3), (0, None));
        assert_eq!(Tile::layout(TileKind::Hashes(1), 256), (0, Some(hashes(1, 0, 1))));
        assert_eq!(Tile::layout(TileKind::Hashes(200), u64::MAX), (0, None));
    }

    #[test]
    fn standing_tells_old_from_new() {
        for (tile, standing) in [
            (hashes(0, 0, 256), Standing::Current),
            (hashes(0, 1, 44), Standing::Current),
            (hashes(0, 0, 9), Standing::Replaced),
            (hashes(0, 1, 43), Standing::Replaced),
            (hashes(0, 1, 45), Standing::Ahead),
            (hashes(0, 1, 256), Standing::Ahead),
            (hashes(0, 2, 1), Standing::Ahead),
            (hashes(1, 0, 1), Standing::Current),
            (hashes(9, 0, 1), Standing::Ahead),
        ] {
            assert_eq!(tile.standing(300), standing, "{tile:?}");
        }
    }

    #[test]
    fn leaves_under_a_position() {
        assert_eq!(hashes(0, 3, 256).leaf(5), 3 * 256 + 5);
        assert_eq!(hashes(1, 3, 256).leaf(5), (3 * 256 + 5) * 256);
        assert_eq!(hashes(60, 3, 256).leaf(5), u64::MAX);
    }

    #[test]
    fn bundles_are_read_to_the_byte() {
        let mut bundle = Vec::new();
        let entries = [b"one".to_vec(), Vec::new(), vec![7; MAX_ENTRY_BYTES]];
        entries.iter().for_each(|entry| encode_entry(&mut bundle, entry).unwrap());
        let read: Result<Vec<_>, _> = decode_entries(&bundle, 3).collect();
        assert_eq!(read.unwrap(), entries);

        fn last(bytes: &[u8], count: u64) -> Option<Result<&[u8], TileError>> {
            decode_entries(bytes, count).last()
        }
        assert_eq!(last(&bundle, 2), Some(Err(TileError::Trailing(2))));
        assert_eq!(last(&bundle, 4), Some(Err(TileError::CutShort(3))));
        assert_eq!(last(bundle.split_last().unwrap().1, 3), Some(Err(TileError::CutShort(2))));
        assert_eq!(last(&[0], 1), Some(Err(TileError::CutShort(0))));
        let long = encode_entry(&mut bundle, &vec![0; MAX_ENTRY_BYTES + 1]);
        assert_eq!(long, Err(TileError::EntryTooLong(MAX_ENTRY_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn every_tile_is_at_one_path(level in 0_u8..8, index in any::<u64>(), width in 1_u16..=256) {
            let tile = hashes(level, index, width);
            prop_assert_eq!(Tile::parse(&tile.path()), Some(tile));
            if index < 1 << 40 {
                let theirs = tlog_tiles::Tile::new(8, level, index, width.into(), false);
                let path = theirs.path();
                prop_assert!(path.ends_with(tile.path().strip_prefix("tile/").unwrap()), "{}", path);
            }
        }

        #[test]
        fn hashes_round_trip(tile in prop::collection::vec(any::<Hash>(), 0..256)) {
            let bytes = encode_hashes(&tile);
            prop_assert_eq!(decode_hashes(&bytes), Ok(tile.as_slice()));
            let longer = [bytes.as_slice(), &[0]].concat();
            prop_assert_eq!(decode_hashes(&longer), Err(TileError::NotHashes(longer.len())));
        }
    }
}
