//! The disk under the store fails, tears a write or loses its power, at each call that
//! changes a file of the store: no receipt that anybody was told of is lost, the log
//! verifies, and receipts are what really happened.

mod disk;
mod life;

use std::collections::BTreeMap;

use super::support::wishes::shop;
use disk::{Disk, How};
use life::{Folder, Life, STOCK, live};

/// More calls than a run makes.
const PLENTY: u64 = 4000;

/// Which calls are tried, of those that `only` names: from the first on, so far apart.
struct Sweep {
    folder: Folder,
    only: &'static str,
    first: u64,
    step: u64,
    most: u32,
}

/// A few of each file and call.
const SOME: [Sweep; 4] = [
    Sweep { folder: Folder::New, only: "executor.db", first: 1, step: 2, most: 1 },
    Sweep { folder: Folder::New, only: "executor.db-wal", first: 160, step: 40, most: 1 },
    Sweep { folder: Folder::New, only: "fsync", first: 5, step: 11, most: 1 },
    Sweep { folder: Folder::Used, only: "executor.db", first: 3, step: 11, most: 1 },
];

/// Every call, or every so many, over a new store and over one that is about to be
/// checkpointed.
fn each(step: u64) -> [Sweep; 2] {
    [Folder::New, Folder::Used].map(|folder| {
        let first = step.div_ceil(2);
        Sweep { folder, only: "", first, step, most: u32::MAX }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_faults() {
    let asked = std::env::var("COUNTERSIGN_DISK_FAULTS").ok();
    let long = asked.map(|text| each(if text == "all" { 1 } else { text.parse().unwrap() }));
    let sweeps: &[Sweep] = long.as_ref().map_or(&SOME, |each| each);
    let mut pair = shop(STOCK).await;
    let Some(disk) = Disk::build(pair.dir.path()) else { return };
    life::use_up_a_store(&mut pair).await;
    let mut tally = Tally::default();
    for (turn, how) in (0..).zip(How::ALL) {
        for sweep in sweeps {
            // Each way of failing begins elsewhere.
            let mut at = sweep.first + turn * sweep.step / 5;
            for _ in 0..sweep.most {
                let launch = disk.launch(&pair, how, at).with("FAULTY_DISK_ONLY", sweep.only);
                let life = live(&mut pair, launch, sweep.folder).await;
                assert!(life.lost.is_empty(), "{how:?} at call {at}: {:?}", life.lost);
                tally.told += life.told;
                let Some(call) = life.call else { break };
                *tally.met.entry((sweep.folder, call, how)).or_default() += 1;
                at += sweep.step;
                assert!(at < PLENTY, "a run has more calls than are plenty");
            }
        }
    }
    tally.say();
    assert!(tally.told > 0, "nobody was told of anything under a fault");
    assert!(tally.met.values().sum::<u32>() >= 16, "runs have become shorter: aim anew");
}

/// Faults that were met, and receipts that were told of under them.
#[derive(Default)]
struct Tally {
    met: BTreeMap<(Folder, String, How), u32>,
    told: u32,
}

impl Tally {
    fn say(&self) {
        for ((folder, call, how), times) in &self.met {
            println!("{folder:?} store, {call}, {how:?}: {times}");
        }
        let faults: u32 = self.met.values().sum();
        println!("{faults} faults; {} receipts told of under them, 0 lost", self.told);
    }
}

/// The same with the plug pulled from a disk that says yes to fsync and does nothing, as
/// with `synchronous=OFF`: this test has to see what that loses.
#[tokio::test(flavor = "multi_thread")]
async fn disk_faults_sees_what_a_disk_loses_that_lies() {
    let mut pair = shop(STOCK).await;
    let Some(disk) = Disk::build(pair.dir.path()) else { return };
    let mut at = 250;
    loop {
        let launch = disk.launch(&pair, How::Cut, at).with("FAULTY_DISK_LIES", 1);
        let Life { call, lost, .. } = life::until_restart(&mut pair, launch, Folder::New).await;
        if !lost.is_empty() {
            println!("{} receipts that were told of are lost at call {at}", lost.len());
            return;
        }
        assert!(call.is_some(), "no receipt was lost by the {at} calls of a run");
        at += 40;
    }
}
