//! An executor that is killed again and again, in the middle of actions of each effect
//! class: the next one has every action that was begun, each effect has one receipt with
//! its content, each receipt its effect, nobody was told anything else, the log verifies.
//!
//! ```text
//! start (recovers) ──▶ ready, all that was begun is owned ──▶ customers at it ──▶ dies
//!   ▲                                                                              │
//!   └──────────────────────────────────────────────────────────────────────────────┘
//! ```

mod aim;
mod shelf;
mod toll;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join;

use super::support::pair::Pair;
use super::support::service::Launch;
use super::support::wishes::{Wish, pursue, shop};
use super::support::{bins, books};
use aim::{Aim, Place};
use shelf::{Postgres, Shelf, Sqlite};
use toll::Toll;

/// Where nothing else is said.
const KILLS: u32 = 30;
const KILLS_POSTGRES: u32 = 20;
/// Customers at once.
const AT_ONCE: usize = 4;
/// Wishes that are added whenever none is left.
const MORE: u64 = 4;
/// After so many kills everything may come to its end.
const CALM: u32 = 25;
/// How long a process lives that does not come to where it should die.
const LONGEST: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread")]
async fn kill_storm() {
    let kills = std::env::var("COUNTERSIGN_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    storm(&Sqlite, kills).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_storm_postgres() {
    let kills = std::env::var("COUNTERSIGN_KILLS_POSTGRES");
    storm(&Postgres::start(), kills.map_or(KILLS_POSTGRES, |text| text.parse().unwrap())).await;
}

/// So many kills over this kind of store.
async fn storm(shelf: &dyn Shelf, kills: u32) {
    let mut pair = shop(u64::from(kills) * 3 * MORE).await;
    shelf.install(&pair);
    let (mut wishes, mut toll) = (Vec::new(), Toll::default());
    // Where a busy machine let too few fall between intent and receipt, some more.
    for turn in 0..kills + kills / 2 {
        if turn >= kills && toll.between() * 2 >= kills {
            break;
        }
        round(&mut pair, shelf, &Aim::of(turn), &mut wishes, &mut toll).await;
        if turn % CALM == CALM - 1 {
            calm(&mut pair, shelf, &mut wishes).await;
        }
    }
    calm(&mut pair, shelf, &mut wishes).await;
    let receipts = books::receipts(&pair).await;
    let ends = books::balance(&wishes, &receipts, &pair.effects());
    books::log_verifies(&pair, receipts.len()).await;
    println!("{}: {toll}{ends:?}\n{} receipts in the log", shelf.name(), receipts.len());
    assert!(toll.between() * 2 >= kills, "at least half of them between intent and receipt");
}

/// One process, from its start to its death.
async fn round(
    pair: &mut Pair,
    shelf: &dyn Shelf,
    aim: &Aim,
    wishes: &mut Vec<Wish>,
    toll: &mut Toll,
) {
    let left = shelf.unfinished(pair);
    let launch = Launch { program: bins::mortal().clone(), environment: vec![] };
    let launch = match aim.environment() {
        Some(place) => launch.with("COUNTERSIGN_KILL_AT", place),
        None => launch,
    };
    let (log, began) = (logged(pair).len(), Instant::now());
    if let Err(gone) = pair.launch_executor(&launch) {
        assert_eq!(gone.signal(), Some(9), "it ended, and was not killed");
        toll.died_at_start(aim.place);
        return;
    }
    toll.ready_after(began.elapsed(), left.len());
    owned(pair, &left, log);
    if let Some(fault) = aim.bent() {
        pair.sandbox.fault(fault);
    }
    let told = AtomicUsize::default();
    let (as_aimed, ()) = join(death(pair, aim, &told), live(pair, wishes, &told)).await;
    pair.sandbox.clear_faults();
    pair.kill_executor();
    assert_eq!(pair.executor_ended_by(), Some(9), "it ended, and was not killed");
    toll.died(if as_aimed { aim.place } else { Place::Anywhere }, told.into_inner());
}

/// At readiness every action that was begun is taken up: nobody has to ask for it.
fn owned(pair: &Pair, left: &BTreeSet<String>, log: usize) {
    // It may have died since, and then there is nothing to ask.
    if let Ok((ready, why)) = pair.asked_for_readiness() {
        assert!(ready, "{why}");
    }
    let log = &logged(pair)[log..];
    let taken_up = |action: &&String| {
        log.lines().any(|line| line.contains("\"carrying on\"") && line.contains(action.as_str()))
    };
    let orphans: Vec<_> = left.iter().filter(|action| !taken_up(action)).collect();
    assert!(orphans.is_empty(), "nobody is at {orphans:?}:\n{log}");
}

fn logged(pair: &Pair) -> String {
    fs::read_to_string(pair.path("executor.log")).unwrap_or_default()
}

/// Customers at it until the executor is gone.
async fn live(pair: &Pair, wishes: &mut Vec<Wish>, told: &AtomicUsize) {
    while !pair.executor_is_gone() {
        if wishes.iter().all(|wish| wish.told.is_some()) {
            let next = wishes.len() as u64;
            wishes.extend((next..next + MORE).map(Wish::of));
        }
        pursue(pair, wishes, AT_ONCE, told).await;
    }
}

/// Waits for its death and, where it does not die of itself, sees to it; whether it died
/// where it should.
async fn death(pair: &Pair, aim: &Aim, told: &AtomicUsize) -> bool {
    let (began, requests) = (Instant::now(), pair.sandbox.requests_so_far());
    let whenever = Duration::from_millis(u64::from(aim.passing) * 170);
    let passing = usize::try_from(aim.passing).unwrap();
    loop {
        if pair.executor_is_gone() {
            return true;
        }
        let now = match aim.place {
            Place::Named(_) => false,
            Place::OnTheWire => pair.sandbox.mutated_since(requests),
            Place::Told => told.load(Ordering::SeqCst) >= passing,
            Place::Anywhere => began.elapsed() > whenever,
        };
        if now || began.elapsed() > LONGEST {
            pair.kill_executor();
            return now;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// An executor that nobody kills brings everything to its end.
async fn calm(pair: &mut Pair, shelf: &dyn Shelf, wishes: &mut [Wish]) {
    let (before, log) = (shelf.unfinished(pair), logged(pair).len());
    pair.launch_executor(&Launch::shipped("executor")).unwrap();
    owned(pair, &before, log);
    pursue(pair, wishes, AT_ONCE, &AtomicUsize::default()).await;
    while !shelf.unfinished(pair).is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
