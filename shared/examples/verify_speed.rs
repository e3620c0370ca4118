//! How fast the offline check of a log is, as `audit verify` makes it: entries a second, beside the
//! bare SHA-256 of the same bytes in the same run.
//! `cargo run --release -p countersign-shared --example verify_speed -- 1000000`
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use countersign_shared::receipt::head;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::disk::{Disk, RealDisk};
use countersign_shared::tlog::folder::{Publisher, Source};
use countersign_shared::tlog::key::{LogKey, Signer as _};
use countersign_shared::tlog::merkle::{Tree, leaf_hash};
use countersign_shared::tlog::tile::{Tile, TileKind, decode_entries};
use countersign_shared::tlog::verify::{Options, verify_folder};
use ed25519_dalek::SigningKey;

const NAME: &str = "speed.example/log";
const RECEIPT: &str = include_str!("receipt.json");

/// The log is thrown away: nothing waits for the disk.
struct Fast;

impl Disk for Fast {
    fn create_dirs(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.create_dirs(path)
    }
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(path, bytes)
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn sync_dir(&mut self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }
    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }
}

/// So many receipts that differ in their ids.
struct Receipts {
    key: LogKey,
    size: u64,
}

fn leaf(index: u64) -> Vec<u8> {
    RECEIPT.trim().replace("INDEX", &format!("{index:026}")).into_bytes()
}

impl Source for Receipts {
    type Error = io::Error;

    fn checkpoint(&self) -> io::Result<Option<Vec<u8>>> {
        let mut tree = Tree::default();
        (0..self.size).for_each(|index| drop(tree.append(leaf_hash(&leaf(index)))));
        let checkpoint = Checkpoint::new(NAME, self.size, tree.root()).map_err(io::Error::other)?;
        let note = checkpoint.sign(&self.key).map_err(io::Error::other)?;
        Ok(Some(note.to_string().into_bytes()))
    }

    fn leaves(&self, range: Range<u64>) -> io::Result<Vec<Vec<u8>>> {
        Ok(range.map(leaf).collect())
    }
}

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let size = std::env::args().nth(1).map_or(Ok(100_000), |size| size.parse())?;
    let dir = tempfile::tempdir()?;
    let key = LogKey::new(NAME, SigningKey::from_bytes(&[1; 32]))?;
    let public = key.verifier_key();
    Publisher::on(Fast, dir.path(), public.clone()).publish(&Receipts { key, size })?;
    println!("{size} receipts of {} bytes", leaf(0).len());
    let floor = Clock::start();
    let read = hashed(dir.path(), size)?;
    let floor = floor.stop();
    let began = Clock::start();
    let mut receipt =
        |_: u64, entry: &[u8]| head(entry).map(drop).map_err(|error| error.to_string());
    let options = Options { entry: Some(&mut receipt), ..Options::default() };
    let verified = verify_folder(dir.path(), &public, options)?;
    let took = began.stop();
    if verified.entries != size || read != size {
        return Err("not all were read".into());
    }
    for (what, (wall, cpu)) in [("read and SHA-256 alone", floor), ("verify", took)] {
        println!(
            "{what:<24}{wall:>8.2} s, {:>9.0} entries/s; on the processor {cpu:>8.2} s, {:>9.0} entries/s",
            size as f64 / wall,
            size as f64 / cpu,
        );
    }
    println!("ratio on the processor {:.2}", took.1 / floor.1);
    Ok(())
}

/// Seconds gone by, and seconds of them that this thread ran: on a busy machine they differ.
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), ran())
    }

    fn stop(self) -> (f64, f64) {
        (self.0.elapsed().as_secs_f64(), ran() - self.1)
    }
}

fn ran() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|ran| ran.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}

/// Reads every entry and hashes it, nothing else.
fn hashed(dir: &Path, size: u64) -> io::Result<u64> {
    let (full, partial) = Tile::layout(TileKind::Entries, size);
    let tiles = (0..full).map(|index| Tile::full(TileKind::Entries, index)).chain(partial);
    let mut read = 0;
    for tile in tiles {
        let bytes = std::fs::read(dir.join(tile.path()))?;
        for entry in decode_entries(&bytes, tile.width.into()).flatten() {
            std::hint::black_box(leaf_hash(entry));
            read += 1;
        }
    }
    Ok(read)
}
