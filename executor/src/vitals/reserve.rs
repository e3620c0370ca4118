//! Room that is set aside so that what is under way can be sealed on a full disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use rustix::fs::FallocateFlags;

/// Bytes set aside: thousands of receipts.
pub(super) const SIZE: u64 = 32 * 1024 * 1024;
/// With less than this left, in bytes, what was set aside is given back.
const SCARCE: u64 = 8 * 1024 * 1024;

/// A file that only takes room.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    kept: bool,
}

impl Reserve {
    /// At this path; what an earlier process set aside counts.
    pub(super) fn at(path: PathBuf) -> Self {
        let kept = fs::metadata(&path).is_ok_and(|file| file.len() == SIZE);
        Self { path, kept }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Gives the room back when little is left, and sets it aside again when there is
    /// enough beside `room`.
    pub(super) fn keep(&mut self, free: u64, room: u64) {
        let done = if self.kept && free < SCARCE {
            self.kept = false;
            fs::remove_file(&self.path)
        } else if !self.kept && free >= SIZE.saturating_add(room) {
            let filled = self.fill();
            self.kept = filled.is_ok();
            filled
        } else {
            Ok(())
        };
        if let Err(error) = done {
            tracing::warn!(%error, path = %self.path.display(), "room for receipts");
        }
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        if rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_ok() {
            return file.sync_all();
        }
        // Written out: a file with holes takes no room.
        let zeros = vec![0; 1024 * 1024];
        for _ in 0..SIZE / (1024 * 1024) {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }
}
