//! How fast a past is decided again, and by other books: receipts over every kind of
//! verdict, on every core, each parsed from its bytes.
//!
//! `cargo bench -p countersign-core --bench backtest`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    reason = "a benchmark stops at the first thing that is wrong"
)]

#[path = "../../tests/decision_replay/books.rs"]
mod books;
#[path = "../../tests/decision_replay/dice.rs"]
mod dice;
#[path = "../../tests/decision_replay/life.rs"]
mod life;
#[path = "../../tests/decision_replay/said.rs"]
mod said;
#[path = "../../tests/decision_replay/wishes.rs"]
mod wishes;

use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use countersign_core::backtest::{Past, compare};
use countersign_core::replay::{Replayed, replay};
use countersign_shared::receipt::Receipt;

use books::{AUTO, Books, DAY, instead, policy};

const RECEIPTS: usize = 100_000;
const REPLAYED: usize = 10_000;

fn main() {
    let books = Books::three();
    let made: Vec<Vec<u8>> = (1..)
        .flat_map(|seed| life::receipts(&books, seed))
        // Those that went through every stage take longest, and are most of a real past.
        .filter(|receipt| !receipt.attempts.is_empty() || receipt.sealed_at.as_second() % 8 == 0)
        .take(1_000)
        .map(|receipt| serde_json::to_vec(&receipt).unwrap())
        .collect();
    let bytes: usize = made.iter().map(Vec::len).sum();
    println!("{} receipts of {} bytes each at the mean", made.len(), bytes / made.len());
    let many = |n: usize| made.iter().cycle().take(n).collect::<Vec<_>>();

    let rule = "@id(\"no-new\") forbid (principal is Customer, action == Action::\"propose\", \
                resource) when { principal.segment == \"new\" };\n";
    let candidate = instead(&policy(AUTO, DAY, rule));
    let differ = measured("back-tested", &many(RECEIPTS), |body| {
        let past: Past = serde_json::from_slice(body).unwrap();
        let both = compare(&past, &books.shelf, &candidate).unwrap();
        both.is_some_and(|both| both.was != both.would)
    });
    println!("{differ} would be decided differently");

    let same = measured("decided again, signatures and all", &many(REPLAYED), |body| {
        let receipt: Receipt = serde_json::from_slice(body).unwrap();
        // Told: a person's doing, which no rule decided.
        matches!(replay(&receipt, &books.shelf), Ok(Replayed::Same | Replayed::Told(_)))
    });
    assert_eq!(same, REPLAYED);
}

/// How many it holds of, and how fast that was known.
fn measured(what: &str, all: &[&Vec<u8>], holds: impl Fn(&[u8]) -> bool + Sync) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let began = Instant::now();
    let share = all.len().div_ceil(cores);
    let part = |part: &[&Vec<u8>]| part.iter().filter(|body| holds(body)).count();
    let part = &part;
    let count = thread::scope(|scope| {
        let parts: Vec<_> = all.chunks(share).map(|some| scope.spawn(move || part(some))).collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    let took = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = all.len() as f64 / took;
    println!("{} {what} in {took:.1} s on {cores} cores: {rate:.0} a second", all.len());
    count
}
