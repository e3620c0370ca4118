//! An export: an extract of a log that can be checked with nothing else but the log's key.
//!
//! ```text
//! checkpoint, cosigned, tile/LEVEL/…   the whole tree, so that every proof can be made
//! tile/entries/…                       the bundles with the entries asked for, and with changes of the key
//! receipts.jsonl                       what the executor disclosed of those entries, where it was asked
//! export.json                          which entries were asked for; nothing is believed because of it
//! ```

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use countersign_shared::receipt::opened;
use countersign_shared::tlog::failure::{Failure, FailureCode};
use countersign_shared::tlog::folder::{CHECKPOINT, COSIGNED};
use countersign_shared::tlog::tile::Tile;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::tar;

/// Says which entries were asked for.
pub(super) const EXPORT: &str = "export.json";
/// What was disclosed of them, one JSON object a line, in order.
pub(super) const RECEIPTS: &str = "receipts.jsonl";
/// The layout of an export.
pub(super) const VERSION: u32 = 1;
/// Longest line that is read, in bytes: a receipt with its openings has a tenth of it.
const LONGEST_LINE: u64 = 1 << 20;

/// What `export.json` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extent {
    pub(super) v: u32,
    /// The first entry.
    pub(super) from: u64,
    /// The first entry after.
    pub(super) to: u64,
}

/// One line of `receipts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disclosed {
    pub(super) index: u64,
    /// The receipt as the log has it: personal values are commitments.
    pub(super) receipt: String,
    /// JSON text: what opens them; empty where they are erased.
    #[serde(default)]
    pub(super) openings: String,
}

/// What `audit verify` is given: a log folder, an export, or an archive of one.
pub(super) struct Kit {
    dir: PathBuf,
    /// An archive's files, for as long as they are looked at.
    _unpacked: Option<TempDir>,
    only: Option<Range<u64>>,
    disclosed: bool,
}

impl Kit {
    /// Finds out which it is.
    ///
    /// # Errors
    /// An archive or `export.json` that is not written as one.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let unpacked = if path.is_file() { Some(unpack(path)?) } else { None };
        let dir = unpacked.as_ref().map_or(path, |dir| dir.path()).to_owned();
        let only = match plain(&dir, EXPORT)? {
            None => None,
            Some(file) => {
                let mut text = Vec::new();
                let read = file.take(LONGEST_LINE).read_to_end(&mut text);
                read.map_err(|error| FailureCode::Unreadable.because(error).at(EXPORT))?;
                Some(extent(&text)?)
            }
        };
        let disclosed = only.is_some() && dir.join(RECEIPTS).exists();
        Ok(Self { dir, _unpacked: unpacked, only, disclosed })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The entries that must be there; all where it is no extract.
    pub(super) fn only(&self) -> Option<Range<u64>> {
        self.only.clone()
    }

    /// Files that are no part of the log.
    pub(super) fn beside(&self) -> &'static [&'static str] {
        match (&self.only, self.disclosed) {
            (None, _) => &[],
            (Some(_), false) => &[EXPORT],
            (Some(_), true) => &[EXPORT, RECEIPTS],
        }
    }

    /// Whether the executor was asked to disclose anything.
    pub(super) fn shows(&self) -> bool {
        self.disclosed
    }

    /// What was disclosed, to be held against the entries.
    pub(super) fn disclosures(&self) -> Result<Disclosures, Failure> {
        if !self.disclosed {
            return Ok(Disclosures::default());
        }
        let lines = plain(&self.dir, RECEIPTS)?.map(BufReader::new);
        let mut all = Disclosures { lines, ..Disclosures::default() };
        all.step(None)?;
        Ok(all)
    }
}

/// Disclosed receipts, read beside the entries that they belong to.
#[derive(Default)]
pub(super) struct Disclosures {
    lines: Option<BufReader<File>>,
    next: Option<Disclosed>,
    found: Shown,
}

/// How many entries were disclosed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// With what opens them.
    pub opened: u64,
    /// Without, because what is personal of them is erased.
    pub erased: u64,
}

impl Disclosures {
    /// Whether what was disclosed of this entry, if anything was, is what was logged.
    pub(super) fn compare(&mut self, index: u64, entry: &[u8]) -> Result<(), Failure> {
        let Some(shown) = self.next.take_if(|next| next.index == index) else { return Ok(()) };
        let wrong =
            |why: String| FailureCode::OpeningMismatch.because(why).leaf(index).at(RECEIPTS);
        if shown.receipt.as_bytes() != entry {
            return Err(wrong(String::new()));
        }
        // Each commitment is checked by opening it.
        opened(entry, shown.openings.as_bytes()).map_err(|why| wrong(why.to_string()))?;
        match shown.openings.is_empty() {
            true => self.found.erased += 1,
            false => self.found.opened += 1,
        }
        self.step(Some(index))
    }

    /// How many there were; none of an entry that is not there.
    pub(super) fn end(self) -> Result<Shown, Failure> {
        let Some(left) = self.next else { return Ok(self.found) };
        let why = "it is disclosed, and no such entry is there";
        Err(FailureCode::OpeningMismatch.because(why).leaf(left.index).at(RECEIPTS))
    }

    fn step(&mut self, after: Option<u64>) -> Result<(), Failure> {
        let wrong = |why: &dyn std::fmt::Display| {
            let failure = FailureCode::ExportMalformed.because(why).at(RECEIPTS);
            after.map_or(failure.clone(), |after| failure.leaf(after.saturating_add(1)))
        };
        let Some(lines) = self.lines.as_mut() else { return Ok(()) };
        let mut line = Vec::new();
        let read = lines.take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| wrong(&error))? == 0 {
            return Ok(());
        }
        let read: Disclosed = serde_json::from_slice(&line).map_err(|error| wrong(&error))?;
        if after.is_some_and(|after| read.index <= after) {
            return Err(wrong(&"its lines are not in order"));
        }
        self.next = Some(read);
        Ok(())
    }
}

/// A file that lies there itself: whoever made the folder may have put a link in its place.
fn plain(dir: &Path, name: &str) -> Result<Option<File>, Failure> {
    let path = dir.join(name);
    let unreadable = |error: io::Error| FailureCode::Unreadable.because(error).at(name);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error)),
        Ok(of) if of.is_file() => File::open(path).map(Some).map_err(unreadable),
        Ok(_) => Err(unreadable(io::Error::other("it is no plain file"))),
    }
}

fn extent(text: &[u8]) -> Result<Range<u64>, Failure> {
    let wrong = |why: String| FailureCode::ExportMalformed.because(why).at(EXPORT);
    let extent: Extent = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
    if extent.v != VERSION || extent.from > extent.to {
        return Err(wrong(
            "its layout is another, or its end lies before its beginning".to_owned(),
        ));
    }
    Ok(extent.from..extent.to)
}

/// An archive's files in a folder. Nothing but an export's own names is written.
fn unpack(path: &Path) -> Result<TempDir, Failure> {
    let wrong = |error: io::Error| FailureCode::ExportMalformed.because(error);
    let dir = tempfile::tempdir().map_err(|error| FailureCode::Unreadable.because(error))?;
    let file = File::open(path).map_err(|error| FailureCode::Unreadable.because(error))?;
    let known = |name: &str| {
        [CHECKPOINT, COSIGNED, EXPORT, RECEIPTS].contains(&name) || Tile::parse(name).is_some()
    };
    tar::each(&mut BufReader::new(file), |name, content| {
        let to = dir.path().join(name);
        if !known(name) || to.exists() {
            return Err(io::Error::other(format!("{name:?} has no place in an export")));
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        io::copy(content, &mut File::create(to)?).map(|_| ())
    })
    .map_err(wrong)?;
    if !dir.path().join(EXPORT).exists() {
        return Err(FailureCode::ExportMalformed.because("the archive holds no export.json"));
    }
    Ok(dir)
}
