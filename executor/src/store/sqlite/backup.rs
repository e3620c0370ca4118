//! A copy of the store, made while it is in use.
//!
//! `VACUUM INTO` reads one snapshot, however much is written meanwhile. SQLite's backup
//! API would begin anew after each commit of another process, or hold everything in one
//! step; and this copy has no pages left of what was deleted.
//!
//! 1. Copy to `FILE.part`. 2. Mark it: a restored copy starts in quarantine. 3. Check that
//!    it is whole and that its log leads to its checkpoint. 4. Sync, rename, sync the folder.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use rusqlite::{Connection, OpenFlags, params};

use super::{connect, history, reading, standing};
use crate::ports::StoreError;
use crate::standing::Quarantine;
use crate::store::known::damaged;

/// Between two looks at how far the copy is.
const TELL: Duration = Duration::from_secs(1);

/// A copy that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Receipts in it.
    pub receipts: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Copies the store at `from` to the new file `to`. `tell` hears bytes written, of about
/// how many.
///
/// # Errors
/// When a file cannot be used, or the copy is not whole.
pub fn backup(
    from: &Path,
    to: &Path,
    log: &LogKey,
    mark: &Quarantine,
    tell: impl FnMut(u64, u64),
) -> Result<Copied, StoreError> {
    if to.exists() {
        let message = format!("{} is there already: name a new file", to.display());
        return Err(StoreError::Unavailable(message));
    }
    let part = to.with_added_extension("part");
    let made = copy(from, &part, tell).and_then(|()| finish(&part, to, log, mark));
    if made.is_err() {
        let _gone = fs::remove_file(&part);
    }
    made
}

fn copy(from: &Path, part: &Path, mut tell: impl FnMut(u64, u64)) -> Result<(), StoreError> {
    let source = connect(from, reading())?;
    let pages: u64 = number(source.pragma_query_value(None, "page_count", |row| row.get(0))?)?;
    let page: u64 = number(source.pragma_query_value(None, "page_size", |row| row.get(0))?)?;
    // Nobody else's to read, from its first byte on.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
    file.map_err(|error| unusable(part, &error))?;
    let name = part.to_string_lossy().into_owned();
    std::thread::scope(|scope| {
        let (done, wait) = mpsc::channel();
        scope.spawn(move || {
            let copied = source.execute("VACUUM INTO ?1", params![name]).map(drop);
            let _nobody_waits = done.send(copied);
        });
        loop {
            match wait.recv_timeout(TELL) {
                Ok(copied) => return Ok(copied?),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let so_far = fs::metadata(part).map_or(0, |meta| meta.len());
                    tell(so_far, pages.saturating_mul(page));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(StoreError::Unavailable("the copying thread stopped".to_owned()));
                }
            }
        }
    })
}

fn finish(part: &Path, to: &Path, log: &LogKey, mark: &Quarantine) -> Result<Copied, StoreError> {
    let db = connect(part, OpenFlags::default())?;
    db.pragma_update(None, "synchronous", "full")?;
    standing::quarantine(&db, mark)?;
    let receipts = whole(&db, log)?;
    db.close().map_err(|(_, error)| error)?;
    let sync = |path: &Path| {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| unusable(path, &error))
    };
    sync(part)?;
    fs::rename(part, to).map_err(|error| unusable(to, &error))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or_else(|| Path::new(".")))?;
    let bytes = fs::metadata(to).map_err(|error| unusable(to, &error))?.len();
    Ok(Copied { receipts, bytes })
}

/// Whether every page is in order, and every leaf leads to the signed checkpoint. Answers
/// with how many leaves there are.
fn whole(db: &Connection, log: &LogKey) -> Result<u64, StoreError> {
    let integrity: String = db.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if integrity != "ok" {
        return Err(StoreError::Damaged(format!("the copy is not whole: {integrity}")));
    }
    let stored = history::load(db, &[log.verifier_key()])?;
    let mut tree = Tree::default();
    let mut select = db.prepare("SELECT body FROM leaves ORDER BY idx")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        tree.append(leaf_hash(&row.get::<_, Vec<u8>>(0)?));
    }
    if tree == stored {
        return Ok(tree.size());
    }
    Err(StoreError::Damaged("the copy's receipts do not lead to its checkpoint".to_owned()))
}

fn number(found: i64) -> Result<u64, StoreError> {
    u64::try_from(found).map_err(damaged)
}

fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}
