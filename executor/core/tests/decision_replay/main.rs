//! Receipts over every kind of verdict, made by the real core, and decided again from
//! nothing but themselves and the books that they name. What is altered is found, and
//! other books are back-tested against counts made by hand.
//!
//! `COUNTERSIGN_RECEIPTS=10000` makes as many; `COUNTERSIGN_SEED` begins elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

mod backtested;
mod books;
mod dice;
mod life;
mod replayed;
mod said;
mod tampered;
mod wishes;

/// How many receipts are made.
fn many() -> u64 {
    std::env::var("COUNTERSIGN_RECEIPTS").map_or(3_000, |n| n.parse().unwrap())
}

/// Where the seeds begin.
fn first() -> u64 {
    std::env::var("COUNTERSIGN_SEED").map_or(1, |n| n.parse().unwrap())
}
