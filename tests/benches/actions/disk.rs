//! How long the disk takes to make a small append durable.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;

/// Appends measured.
const TIMES: u32 = 300;

/// Microseconds of an append of 4 KiB and the `fdatasync` after it.
pub fn measure(dir: &Path) -> Histogram<u64> {
    let mut file = File::create(dir.join("disk")).unwrap();
    let mut taken = Histogram::new(3).unwrap();
    for _ in 0..TIMES {
        let began = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        taken.record(u64::try_from(began.elapsed().as_micros()).unwrap()).unwrap();
    }
    taken
}
