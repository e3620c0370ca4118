//! Whether the disk takes what the next action would write.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use rusqlite::Connection;

use crate::ports::StoreError;

/// Room that must be left, in bytes: several actions with their receipts.
const ROOM: usize = 256 * 1024;

/// Writes the layout's number over itself: one page, committed like any other.
pub(super) fn write(db: &Connection) -> Result<(), StoreError> {
    let layout: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(db.pragma_update(None, "user_version", layout)?)
}

/// Takes some room and gives it back. A commit alone would not notice a full disk
/// before the write-ahead log has to grow.
pub(super) fn room(beside: &Path) -> Result<(), StoreError> {
    let taken = File::create(beside).and_then(|mut file| {
        file.write_all(&vec![0; ROOM])?;
        file.sync_all()
    });
    let given_back = fs::remove_file(beside);
    taken
        .and(given_back)
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", beside.display())))
}
