//! What deciding costs, with no I/O at all: the gates of the shipped refund
//! contract on the state of its recorded case, and a refund's whole life.
//!
//! `cargo bench -p countersign-core --bench gate`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark stops at the first thing that is wrong"
)]

#[path = "../../tests/support/open.rs"]
mod open;
mod refund;

use std::hint::black_box;

use countersign_core::gate;
use countersign_core::lifecycle::{Outcome, State as Life, fold};
use criterion::Criterion;

use refund::Refund;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let refund = Refund::load();
    state(&mut criterion, &refund);
    decide(&mut criterion, &refund);
    life(&mut criterion, &refund);
    criterion.final_summary();
}

/// Two of the backend's answers into typed state.
fn state(criterion: &mut Criterion, refund: &Refund) {
    let answers = refund.answers();
    criterion.bench_function("observe the order and the quote", |bench| {
        bench.iter(|| refund.observe(black_box(&answers)));
    });
}

/// Subject, money, nine preconditions, confidence, nothing changed since the card.
fn decide(criterion: &mut Criterion, refund: &Refund) {
    let journal = refund.journal();
    let Life::Claimed(claimed) = fold(journal[..4].to_vec()).unwrap() else {
        panic!("proposed, confirmed, granted, claimed")
    };
    let proposal = claimed.granted().proposal();
    let facts = refund.facts(proposal.arguments());
    gate::decide(&claimed, &facts).unwrap();
    criterion.bench_function("gate::decide", |bench| {
        bench.iter(|| gate::decide(black_box(&claimed), black_box(&facts)).unwrap());
    });
}

/// Propose, grant with a signed yes, claim, gate, prepare, answer, look, settle,
/// seal; and the same as the journal keeps it.
fn life(criterion: &mut Criterion, refund: &Refund) {
    let journal = refund.journal();
    let ended = fold(journal.clone()).unwrap();
    assert_eq!(ended.outcome(), Some(Outcome::Applied), "{ended:?}");
    let bytes: usize = journal.iter().map(|e| serde_json::to_vec(e).unwrap().len()).sum();
    println!("a refund's journal: {} events, {bytes} bytes of JSON", journal.len());
    criterion
        .bench_function("a refund, proposed to sealed", |bench| bench.iter(|| refund.journal()));
    criterion.bench_function("its journal, written", |bench| {
        bench.iter(|| {
            black_box(&journal).iter().map(|e| serde_json::to_vec(e).unwrap().len()).sum::<usize>()
        });
    });
    let written: Vec<_> = journal.iter().map(|e| serde_json::to_vec(e).unwrap()).collect();
    criterion.bench_function("its journal, read and folded", |bench| {
        bench.iter(|| {
            let events = black_box(&written).iter().map(|e| serde_json::from_slice(e).unwrap());
            fold(events).unwrap()
        });
    });
}
