//! The disk that the stores lie on: how long it takes to make a small append durable, and
//! how often it was flushed.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use hdrhistogram::Histogram;

use super::report::Percentiles;

/// Appends measured.
const TIMES: u32 = 300;
/// "Flush requests completed" in a block device's `stat`, counted from 0.
const FLUSHES: usize = 15;

/// A folder's disk.
pub(super) struct Disk {
    dir: PathBuf,
    device: Option<PathBuf>,
}

impl Disk {
    pub(super) fn of(dir: &Path) -> anyhow::Result<Self> {
        let found = fs::metadata(dir).with_context(|| format!("cannot read {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), device: device(found.dev()) })
    }

    /// The device whose flushes are counted; none where the folder lies on no block device of its
    /// own, such as a temporary or an overlaid file system.
    pub(super) fn device(&self) -> Option<String> {
        Some(self.device.as_ref()?.file_name()?.to_string_lossy().into_owned())
    }

    /// Flushes that the device has completed since the machine started, whoever asked for them.
    pub(super) fn flushes(&self) -> Option<u64> {
        let stat = fs::read_to_string(self.device.as_ref()?.join("stat")).ok()?;
        stat.split_whitespace().nth(FLUSHES)?.parse().ok()
    }

    /// Microseconds of an append of 4 KiB and the `fdatasync` after it.
    pub(super) fn latency(&self) -> anyhow::Result<Percentiles> {
        let path = self.dir.join("disk");
        let mut taken = Histogram::new(3)?;
        let mut measure = || -> anyhow::Result<()> {
            let mut file = File::create(&path)?;
            for _ in 0..TIMES {
                let began = Instant::now();
                file.write_all(&[7; 4096])?;
                file.sync_data()?;
                taken.record(u64::try_from(began.elapsed().as_micros())?)?;
            }
            Ok(())
        };
        measure().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Percentiles::of(&taken))
    }
}

/// The device's folder in `/sys`; flushes are counted for whole devices, not for partitions.
fn device(number: u64) -> Option<PathBuf> {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let found = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let whole = if found.join("partition").exists() { found.parent()? } else { &found };
    Some(whole.to_owned())
}
