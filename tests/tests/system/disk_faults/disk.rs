//! The library that stands between the executor and its disk.

use std::path::{Path, PathBuf};

use crate::support::pair::Pair;
use crate::support::preload;
use crate::support::service::Launch;

/// What the disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The call fails.
    Eio,
    /// The call fails: no room.
    Enospc,
    /// Half of the write is done, then it fails.
    Tear,
    /// Power cut: what was not synced is gone.
    Cut,
    /// Power cut: of what was not synced half is gone.
    CutSome,
}

impl How {
    pub const ALL: [Self; 5] = [Self::Eio, Self::Enospc, Self::Tear, Self::Cut, Self::CutSome];

    fn name(self) -> &'static str {
        match self {
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Tear => "tear",
            Self::Cut => "cut",
            Self::CutSome => "cut_some",
        }
    }
}

/// The library, compiled.
pub struct Disk(PathBuf);

impl Disk {
    /// `None` where nothing compiles it.
    pub fn build(into: &Path) -> Option<Self> {
        preload::build("disk_faults/faulty_disk.c", into).map(Self)
    }

    /// An executor on a disk to which this happens at this call, from 1.
    pub fn launch(&self, pair: &Pair, how: How, at: u64) -> Launch {
        Launch::shipped("executor")
            .with("LD_PRELOAD", self.0.display())
            .with("FAULTY_DISK_AT", at)
            .with("FAULTY_DISK_HOW", how.name())
            .with("FAULTY_DISK_SEED", at)
            .with("FAULTY_DISK_SAID", pair.path("disk.said").display())
    }

    /// The call that it happened at and its file, if it was reached.
    pub fn said(pair: &Pair) -> Option<String> {
        let said = std::fs::read_to_string(pair.path("disk.said")).ok()?;
        let mut words = said.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    }
}
