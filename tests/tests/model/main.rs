//! The core's own transition function, in a small world that is walked through
//! completely: every order of events that the bounds allow, not a sample.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

#[path = "../../../executor/core/tests/support/open.rs"]
mod open;

mod till;

mod rules;

mod bounds;

mod store;

mod backend;

mod world;

mod same;

mod executor;

mod promises;

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use bounds::{Bounds, Without};
use rules::Rules;
use till::Class;
use world::Countersign;

fn model(class: Class, bounds: Bounds, without: Without) -> Countersign {
    let window = if without == Without::Window { "24h" } else { "20m" };
    Countersign { rules: Rules::new(class, window), class, bounds, without }
}

/// Every state that the bounds allow keeps every promise, and nothing of what matters
/// never happens.
fn check(class: Class) {
    let mut missing: BTreeSet<_> = promises::sometimes(class).collect();
    for bounds in Bounds::walks() {
        let began = Instant::now();
        let checker =
            model(class, bounds, Without::Nothing).checker().threads(2).spawn_bfs().join();
        let (states, depth) = (checker.unique_state_count(), checker.max_depth());
        println!(
            "{class:?}, {bounds:?}: {states} states, {depth} steps deep, {:.1?}",
            began.elapsed()
        );
        let mut broken = false;
        for (promise, path) in checker.discoveries() {
            let found = missing.remove(promise) || promises::sometimes(class).any(|p| p == promise);
            if !found {
                broken = true;
                tell(promise, &path.into_actions());
            }
        }
        assert!(!broken, "the promises above are not kept");
    }
    assert!(missing.is_empty(), "never happened: {missing:?}");
}

/// Without one thing, one promise breaks.
fn breaks(class: Class, without: Without, promise: &'static str) {
    let bounds = Bounds { ticks: 6, asks: [1, 1, 1], mishaps: 1 };
    let until = HasDiscoveries::AllOf(BTreeSet::from([promise]));
    let model = model(class, bounds, without);
    // One thread finds the shortest way.
    let checker = model.checker().finish_when(until).spawn_bfs().join();
    let states = checker.unique_state_count();
    let path = checker.discovery(promise);
    let path = path.unwrap_or_else(|| panic!("{without:?} is not needed in {states} states"));
    println!("{class:?} without {without:?}, {states} states");
    tell(promise, &path.into_actions());
}

fn tell(promise: &str, path: &[world::Step]) {
    let steps: Vec<_> = path.iter().map(ToString::to_string).collect();
    println!("NOT: {promise}\n  {}", steps.join("\n  "));
}

#[test]
fn model_check_server_key() {
    check(Class::ServerKey);
}

#[test]
fn model_check_compare_and_set() {
    check(Class::CompareAndSet);
}

#[test]
fn model_check_marker() {
    check(Class::Marker);
}

#[test]
fn model_check_blind() {
    check(Class::Blind);
}

#[test]
fn model_check_needs_the_fence() {
    breaks(Class::Marker, Without::Fence, promises::ONE_EFFECT);
}

#[test]
fn model_check_needs_the_intent_first() {
    breaks(Class::Marker, Without::Intent, promises::ONE_EFFECT);
}

#[test]
fn model_check_needs_the_window() {
    breaks(Class::ServerKey, Without::Window, promises::ONE_EFFECT);
}

#[test]
fn model_check_needs_the_lock() {
    breaks(Class::Marker, Without::Lock, promises::LOCKED);
}
