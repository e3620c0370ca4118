//! What deciding costs, with no I/O at all: the gates of the shipped refund
//! contract under the shipped policy, on the state of its recorded case, and a
//! refund's whole life.
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

mod refund;

use std::hint::black_box;
use std::time::Instant;

use countersign_core::claim::Claimed;
use countersign_core::gate::{self, Cleared};
use countersign_core::grant::Granted;
use countersign_core::lifecycle::{Event, Outcome, State as Life, fold};
use criterion::Criterion;

use refund::Refund;

/// Most microseconds that a gate pass should take.
const AIM: u32 = 20;
const PASSES: usize = 50_001;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let refund = Refund::load();
    state(&mut criterion, &refund);
    pass(&mut criterion, &refund);
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

/// A gate pass: every limit beside what the day has seen, then strength, owner, money,
/// the contract's ten rules, confidence, the policy in Cedar, and nothing changed since
/// the card.
fn pass(criterion: &mut Criterion, refund: &Refund) {
    let journal = refund.journal();
    let (granted, claimed, cleared) = stages(&journal);
    let facts = refund.facts(claimed.granted().proposal().arguments());
    let known = refund.known(&granted);
    let findings = claimed.findings().iter().chain(&cleared.passed().findings);
    println!("gates: {}", findings.map(|f| f.gate.as_str()).collect::<Vec<_>>().join(", "));
    let limits = || refund.claim(black_box(&granted), black_box(&known));
    let gates = || gate::decide(black_box(&claimed), black_box(&facts)).unwrap();
    criterion.bench_function("limits", |bench| bench.iter(limits));
    criterion.bench_function("gates", |bench| bench.iter(gates));
    let median = median(|| (limits(), gates()));
    println!("a gate pass: {:.1} µs at the median; the aim is {AIM} µs\n", median * 1e6);
}

/// Seconds in the middle of many passes, each measured by itself.
fn median<T>(pass: impl Fn() -> T) -> f64 {
    let once = || {
        let began = Instant::now();
        black_box(pass());
        began.elapsed()
    };
    let mut times: Vec<_> = (0..PASSES).map(|_| once()).collect();
    times.sort_unstable();
    times[PASSES / 2].as_secs_f64()
}

/// Granted, claimed and cleared: what a gate pass leads from and to.
fn stages(journal: &[Event]) -> (Granted, Claimed, Cleared) {
    let until = |events: usize| fold(journal[..events].to_vec()).unwrap();
    match (until(3), until(4), until(5)) {
        (Life::Granted(granted), Life::Claimed(claimed), Life::Cleared(cleared)) => {
            (*granted, *claimed, *cleared)
        }
        other => panic!("proposed, confirmed, granted, claimed, cleared: {other:?}"),
    }
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
