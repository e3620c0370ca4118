//! What the policy costs on the way of an action. Run with
//! `cargo bench -p countersign-core --bench policy`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a benchmark stops at the first thing that is wrong"
)]

#[path = "../../tests/policy/bundle.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod bundle;
#[path = "../../tests/support/packs.rs"]
mod packs;

use std::hint::black_box;

use countersign_core::policy::{Tally, Verb};
use criterion::Criterion;

use bundle::{REFUND, ask, catalog, customer, policy, shipped, usd};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (policy, catalog, subject) = (policy(&shipped()), catalog(), customer());
    let contract = &catalog.tools[REFUND];
    let money = Some(usd("24.00"));
    ask(&policy, &subject, Verb::Execute, contract, money).unwrap();
    criterion.bench_function("Policy::ask, four policies", |bench| {
        bench.iter(|| {
            ask(black_box(&policy), black_box(&subject), Verb::Execute, contract, money).unwrap()
        });
    });
    criterion.bench_function("Policy::mode", |bench| {
        bench.iter(|| black_box(&policy).mode(contract, black_box(&subject), "web-chat"));
    });
    let so_far = Tally { money, count: 1 };
    criterion.bench_function("every limit, checked", |bench| {
        bench.iter(|| {
            for limit in black_box(&policy).limits(REFUND) {
                black_box(limit.check(&so_far, money).unwrap());
            }
        });
    });
    criterion.final_summary();
}
