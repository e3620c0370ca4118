//! What a look finds beside the store: room on the disk, and the log's key.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::ROOM;
use super::reserve::Reserve;
use crate::config::Log;
use crate::log;

/// The disk under an executor.
#[async_trait]
pub trait Disk: Send + 'static {
    /// Looks at it.
    async fn look(&mut self) -> Found;
}

/// What one look at a disk found.
#[derive(Debug)]
pub struct Found {
    /// Free bytes on the disk of the state folder.
    pub free: Result<u64, String>,
    /// Whether room for receipts is set aside.
    pub reserved: bool,
    /// Whether the log's key is there.
    pub key: Result<(), String>,
}

/// The disk of a state folder, and a key's file.
pub struct Folder {
    state: PathBuf,
    log: Log,
    reserve: Option<Reserve>,
}

impl Folder {
    /// Of an executor with this state folder and this log.
    #[must_use]
    pub fn of(state: PathBuf, log: Log) -> Self {
        let reserve = Some(Reserve::at(state.join("executor.reserve")));
        Self { state, log, reserve }
    }
}

#[async_trait]
impl Disk for Folder {
    /// Off the workers: a disk may hang, and then nobody hears of it until the last answer is
    /// stale.
    async fn look(&mut self) -> Found {
        let unseen = |error| Found { free: Err(error), reserved: false, key: Ok(()) };
        let (state, log) = (self.state.clone(), self.log.clone());
        let Some(mut reserve) = self.reserve.take() else {
            return unseen("an earlier look has not ended".to_owned());
        };
        let looked = tokio::task::spawn_blocking(move || {
            let free = free(&state);
            if let Ok(free) = free {
                reserve.keep(free, ROOM);
            }
            (free, log::key(&log).map(drop).map_err(|e| e.to_string()), reserve)
        });
        match looked.await {
            Ok((free, key, reserve)) => {
                let reserved = reserve.is_kept();
                self.reserve = Some(reserve);
                Found { free, reserved, key }
            }
            Err(error) => unseen(error.to_string()),
        }
    }
}

fn free(state: &Path) -> Result<u64, String> {
    let disk = rustix::fs::statvfs(state).map_err(|e| format!("{}: {e}", state.display()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
