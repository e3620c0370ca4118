//! Executors and planners are replaced one after the other while others call them, and nobody
//! meets an error.
//!
//! ```text
//!                            PostgreSQL of planners
//!                                    ▲
//! frontends ──▶ balancer ──▶ planner-0, -1 ──▶ balancer ──▶ executor-0, -1, -2 ──▶ PostgreSQL
//! callers ─────────────────────────────────────▶
//!                     each in turn: told to stop, ends, starts again on its folder;
//!                     then new ones beside, and the old ones told to stop
//! ```
//! An error is any answer but the one that was asked for, and any stream that breaks off,
//! but for one that says that nothing began, or that it is still under way: these are counted
//! apart, and the former are few. Callers know
//! only what the services' own channel does: it dials again where nobody listens, and makes a
//! call once more that was not sent.
//!
//! `COUNTERSIGN_OLD_EXECUTOR` and `COUNTERSIGN_OLD_PLANNER` are paths of earlier builds: the first
//! ones of a service are of it, on a database of its layout, and [`older`] comes before the rest.
//! Where one is not given, this build plays it.

mod balancer;
mod callers;
mod house;
mod older;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::support::books;
use super::support::service::Launch;
use super::support::wishes::Wish;
use callers::{Met, calls, talks};
use house::{Fleet, House};

/// Where nothing else is said, in seconds.
const LONG: u64 = 20;
/// Callers of each kind.
const CALLERS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn rolling_upgrade() {
    let long = std::env::var("COUNTERSIGN_UPGRADE_SECONDS");
    let long: u64 = long.map_or(LONG, |text| text.parse().unwrap());
    let older = ["executor", "planner"].map(older::build);
    let (house, mut executors, mut planners) = House::open(1000 + long * 60, &older).await;
    let (house, met) = (Arc::new(house), Arc::new(Met::default()));
    let (mut calling, mut talking) = (JoinSet::new(), JoinSet::new());
    for _ in 0..CALLERS {
        calling.spawn(calls(Arc::clone(&house), Arc::clone(&met)));
        talking.spawn(talks(Arc::clone(&house), Arc::clone(&met)));
    }
    let [executor, planner] = &older;
    let each = async |services| older::wished_of_each(&house, &met, services).await;
    let mut wishes = older::meet_a_newer(&house, &mut executors, executor, each).await;
    let around = async |services| older::talked_around(&house, &met, services).await;
    let mut talked = older::meet_a_newer(&house, &mut planners, planner, around).await;
    let (began, mut replaced) = (Instant::now(), 0);
    while replaced == 0 || began.elapsed() < Duration::from_secs(long) {
        replaced += in_their_place(&house, &mut executors, &mut planners).await;
        replaced += by_new_ones(&house, &mut executors, &mut planners).await;
    }
    met.end();
    wishes.extend(calling.join_all().await.into_iter().flatten());
    talked.extend(talking.join_all().await.into_iter().flatten());
    let errors = std::mem::take(&mut *met.errors.lock());
    println!(
        "{replaced} replaced in {:.0?}: {} wishes called for, {} talked of in {} turns, {} errors, {} asked again, {} told that it is under way",
        began.elapsed(),
        wishes.len(),
        talked.len(),
        met.turns.load(Ordering::SeqCst),
        errors.len(),
        met.again.load(Ordering::SeqCst),
        met.under_way.load(Ordering::SeqCst)
    );
    drop((executors, planners));
    let mut pair = Arc::into_inner(house).unwrap();
    balanced(&mut pair, &mut wishes, talked).await;
    assert_eq!(errors, Vec::<String>::new());
    assert!(met.again.load(Ordering::SeqCst) <= 20, "too many had to ask again");
    assert!(wishes.len() > 20, "too little was asked for to show anything");
}

/// Each ends and starts again on its folder, as in a StatefulSet; how many did.
async fn in_their_place(house: &House, executors: &mut Fleet, planners: &mut Fleet) -> usize {
    for fleet in [&mut *executors, planners] {
        for _ in 0..fleet.len() {
            let name = fleet.oldest_leaves().await;
            fleet.join(&house.pair, &name);
            fleet.settles().await;
        }
    }
    executors.len() + planners.len()
}

/// New ones with folders of their own begin beside the old ones, which end then; how many did.
async fn by_new_ones(house: &House, executors: &mut Fleet, planners: &mut Fleet) -> usize {
    for fleet in [&mut *executors, planners] {
        for _ in 0..fleet.len() {
            fleet.newest_joins(&house.pair);
            fleet.settles().await;
            fleet.oldest_leaves().await;
        }
    }
    executors.len() + planners.len()
}

/// The shop's ledger is the receipts, and they are what was told.
async fn balanced(house: &mut House, wishes: &mut Vec<Wish>, talked: Vec<(Wish, String)>) {
    house.pair.launch_executor(&Launch::shipped("executor")).unwrap();
    let receipts = books::receipts(&house.pair).await;
    for (wish, told) in talked {
        let about = receipts.iter().find(|one| one.receipt_id == told).unwrap();
        assert_eq!(about.outcome, "applied", "{wish:?}");
        assert!(about.arguments.iter().any(|a| a.value == wish.object().as_str()), "{wish:?}");
        wishes.push(wish);
    }
    let ends = books::balance(wishes, &receipts, &house.pair.effects());
    books::log_verifies(&house.pair, receipts.len()).await;
    println!("{ends:?}\n{} receipts in the log", receipts.len());
}
