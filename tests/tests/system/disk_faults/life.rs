//! One store's life: customers at it until its disk fails, and a sound disk afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use countersign_shared::receipt::Receipt;

use super::disk::Disk;
use crate::support::books;
use crate::support::pair::Pair;
use crate::support::service::Launch;
use crate::support::wishes::{Wish, pursue};

/// One of each kind.
const WISHES: u64 = 4;
/// Of them and of those that use a store up.
pub const STOCK: u64 = 400;
const AT_ONCE: usize = 4;
/// For what a run does once its disk has failed: effects go on after the next look at the
/// store, which is 2 s away at most, or not at all.
const PATIENCE: Duration = Duration::from_secs(8);
/// Of a write-ahead log that is not checkpointed yet, and will be soon, in bytes: the store
/// does it at 4096 pages.
const NEARLY_FULL: u64 = 4046 * 4120;

/// What the store has in it when the disk comes into play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// Nothing: it is made on that disk.
    New,
    /// Earlier actions, and a write-ahead log that is nearly full.
    Used,
}

/// How a life on that disk went.
pub struct Life {
    /// The call that it happened at, if the run came so far.
    pub call: Option<String>,
    /// Receipts that somebody was told of.
    pub told: u32,
    /// Of those, the ones that are not there after the restart.
    pub lost: BTreeSet<String>,
}

/// A life, and what must hold after it.
pub async fn live(pair: &mut Pair, launch: Launch, folder: Folder) -> Life {
    let (life, mut wishes) = begin(pair, launch, folder).await;
    pursue(pair, &mut wishes, AT_ONCE, &AtomicUsize::default()).await;
    let all = books::receipts(pair).await;
    let own: Vec<_> = all.iter().filter(|receipt| !used_up(receipt)).cloned().collect();
    books::balance(&wishes, &own, &pair.effects());
    books::log_verifies(pair, all.len()).await;
    life
}

/// A life up to where its successor serves.
pub async fn until_restart(pair: &mut Pair, launch: Launch, folder: Folder) -> Life {
    begin(pair, launch, folder).await.0
}

/// Lets customers at a sound store until its write-ahead log is nearly full, and keeps it.
pub async fn use_up_a_store(pair: &mut Pair) {
    pair.launch_executor(&Launch::shipped("executor")).unwrap();
    let mut next = WISHES;
    let log = pair.path("state/executor.db-wal");
    while fs::metadata(&log).unwrap().len() < NEARLY_FULL {
        assert!(next < STOCK, "a store is not used up by all that is in stock");
        let mut wishes = [Wish::of(next)];
        pursue(pair, &mut wishes, 1, &AtomicUsize::default()).await;
        next += 1;
    }
    pair.kill_executor();
    copy(&pair.path("state"), &pair.path("used"));
}

/// Whether it is of those.
fn used_up(receipt: &Receipt) -> bool {
    let number = receipt.asked.conversation.trim_start_matches('c').parse::<u64>();
    number.is_ok_and(|number| number > 10_000 + WISHES)
}

/// The store on the disk that `launch` says, and then a sound one under the same store.
async fn begin(pair: &mut Pair, launch: Launch, folder: Folder) -> (Life, Vec<Wish>) {
    pair.kill_executor();
    let _ = fs::remove_dir_all(pair.path("state"));
    let _ = fs::remove_file(pair.path("disk.said"));
    if folder == Folder::Used {
        copy(&pair.path("used"), &pair.path("state"));
    }
    pair.sandbox.reset();
    pair.sandbox.stock(STOCK);
    let mut wishes: Vec<_> = (0..WISHES).map(Wish::of).collect();
    // A start may fail on such a disk; what is told then is for a person.
    if pair.launch_executor(&launch).is_ok() {
        // So is a store that cannot be written for good.
        let told = AtomicUsize::default();
        tokio::select! {
            () = pursue(pair, &mut wishes, AT_ONCE, &told) => {}
            () = patience(pair) => {}
        }
    }
    pair.kill_executor();
    let told: BTreeSet<_> =
        wishes.iter().filter_map(|wish| Some(wish.told.as_ref()?.receipt_id.clone())).collect();
    if pair.launch_executor(&Launch::shipped("executor")).is_err() {
        // A store without its beginning, under a log that was published: that is noticed.
        let lies = launch.environment.iter().any(|(name, _)| *name == "FAULTY_DISK_LIES");
        assert!(lies, "it starts again on a sound disk");
        let count = u32::try_from(told.len()).unwrap();
        return (Life { call: Disk::said(pair), told: count, lost: told }, wishes);
    }
    pair.turns(true).await;
    let there = books::receipts(pair).await.into_iter().map(|receipt| receipt.receipt_id);
    let there: BTreeSet<_> = there.collect();
    let lost: BTreeSet<_> = told.difference(&there).cloned().collect();
    let told = u32::try_from(told.len()).unwrap();
    (Life { call: Disk::said(pair), told, lost }, wishes)
}

/// Ends some time after the disk has failed, and never where it does not: then all comes to
/// its end, however busy the machine is.
async fn patience(pair: &Pair) {
    while Disk::said(pair).is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(PATIENCE).await;
}

/// All but the room that is set aside: the next executor sets its own aside.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&path, &to);
        } else if entry.file_name() != "executor.reserve" {
            fs::copy(path, to).unwrap();
        }
    }
}
