//! The disk under the store fails, tears a write or loses its power, at each call that
//! changes a file of the store: no receipt that anybody was told of is lost, the log
//! verifies, and receipts are what really happened.

mod disk;
mod life;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::support::wishes::shop;
use disk::{Disk, How};
use life::{Folder, Life, STOCK, live};

/// More calls than a run makes.
const PLENTY: u64 = 4000;
/// Lives at a time for each core in the long form: a life waits more than it works.
const FOR_EACH_CORE: usize = 4;
/// Between two lines that say how far it is.
const EVERY: Duration = Duration::from_secs(10);

/// Which calls are tried, of those that `only` names: from the first on, so far apart.
#[derive(Clone, Copy)]
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

#[test]
fn disk_faults() {
    let asked = std::env::var("COUNTERSIGN_DISK_FAULTS").ok();
    let long = asked.map(|text| each(if text == "all" { 1 } else { text.parse().unwrap() }));
    let sweeps: &[Sweep] = long.as_ref().map_or(&SOME, |each| each);
    let folder = TempDir::new().unwrap();
    let Some(disk) = Disk::build(folder.path()) else { return };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let at_a_time = if long.is_some() { cores * FOR_EACH_CORE } else { 1 };
    let plan = Mutex::new(Plan::of(sweeps));
    // Threads, each with a runtime: starting a process blocks.
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| Runtime::new().unwrap().block_on(work(&plan, &disk)));
        }
    });
    let plan = plan.into_inner();
    plan.say();
    assert!(plan.told > 0, "nobody was told of anything under a fault");
    assert!(plan.faults() >= 16, "runs have become shorter: aim anew");
}

/// Lives one after the other, in a shop of its own, until none is left to be lived.
async fn work(plan: &Mutex<Plan>, disk: &Disk) {
    let mut pair = shop(STOCK).await;
    life::use_up_a_store(&mut pair).await;
    loop {
        let next = plan.lock().next();
        let Some(aim) = next else { return };
        let alarm = Alarm { plan, aim };
        let Aim { how, sweep, at, .. } = aim;
        let launch = disk.launch(&pair, how, at).with("FAULTY_DISK_ONLY", sweep.only);
        let life = live(&mut pair, launch, sweep.folder).await;
        assert!(life.lost.is_empty(), "{how:?} at call {at}: {:?}", life.lost);
        plan.lock().lived(aim, life);
        drop(alarm);
    }
}

/// One life: what happens, and at which call of which sweep.
#[derive(Clone, Copy)]
struct Aim {
    /// Of those in the plan.
    number: usize,
    how: How,
    sweep: Sweep,
    at: u64,
}

/// Where a life goes wrong, says which it was, and no other is begun.
struct Alarm<'a> {
    plan: &'a Mutex<Plan>,
    aim: Aim,
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Aim { how, sweep: Sweep { folder, only, .. }, at, .. } = self.aim;
            println!("that was {how:?} at call {at} of {only:?} over a {folder:?} store");
            self.plan.lock().open.iter_mut().for_each(|open| open.left = 0);
        }
    }
}

/// What is still to be lived, and what was found.
struct Plan {
    open: Vec<Open>,
    said: Instant,
    lives: u32,
    /// Faults that were met.
    met: BTreeMap<(Folder, String, How), u32>,
    /// Receipts that were told of under them.
    told: u32,
}

/// A sweep with one way of failing.
struct Open {
    how: How,
    sweep: Sweep,
    at: u64,
    /// Lives; none once one was over before its call.
    left: u32,
}

impl Plan {
    fn of(sweeps: &[Sweep]) -> Self {
        let each = (0..).zip(How::ALL).flat_map(|(turn, how)| {
            // Each way of failing begins elsewhere.
            let aim = move |sweep: &Sweep| {
                let at = sweep.first + turn * sweep.step / 5;
                Open { how, sweep: *sweep, at, left: sweep.most }
            };
            sweeps.iter().map(aim)
        });
        let (open, met) = (each.collect(), BTreeMap::new());
        Self { open, said: Instant::now(), lives: 0, met, told: 0 }
    }

    fn next(&mut self) -> Option<Aim> {
        let all = self.open.iter_mut().enumerate();
        let (number, open) = all.into_iter().find(|(_, open)| open.left > 0)?;
        assert!(open.at < PLENTY, "a run has more calls than are plenty");
        let aim = Aim { number, how: open.how, sweep: open.sweep, at: open.at };
        open.left -= 1;
        open.at += open.sweep.step;
        Some(aim)
    }

    fn lived(&mut self, aim: Aim, life: Life) {
        self.lives += 1;
        self.told += life.told;
        match life.call {
            Some(call) => *self.met.entry((aim.sweep.folder, call, aim.how)).or_default() += 1,
            None => self.open[aim.number].left = 0,
        }
        if self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            println!(
                "sweep {} of {}, call {}: {} lives, {} faults, {} receipts told of under them",
                aim.number + 1,
                self.open.len(),
                aim.at,
                self.lives,
                self.faults(),
                self.told
            );
        }
    }

    fn faults(&self) -> u32 {
        self.met.values().sum()
    }

    fn say(&self) {
        for ((folder, call, how), times) in &self.met {
            println!("{folder:?} store, {call}, {how:?}: {times}");
        }
        println!("{} faults; {} receipts told of under them, 0 lost", self.faults(), self.told);
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
