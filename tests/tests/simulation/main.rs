//! Planner, executors, shop, people and their colleagues on a simulated network, in
//! virtual time, with everything that can go wrong on the way: one seed is one story, and
//! tells it again in the same way.
//!
//! ```text
//! people ─TLS─▶ planner ─TLS─▶ exec-a, exec-b ──▶ shop (its books are the oracle)
//!                                   └──Line──▶ database in memory
//! ```
//!
//! `COUNTERSIGN_SIMULATION_SEEDS` says how many seeds are run, `COUNTERSIGN_SIMULATION_SEED`
//! runs that one and tells its story.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "tests"
)]

mod connector;
#[path = "../hostile/dice.rs"]
mod dice;
mod executor;
mod faults;
mod ground;
#[path = "../hostile/keys.rs"]
mod keys;
mod oracle;
mod people;
mod planner;
mod run;
mod shop;
mod wire;
mod world;

#[cfg(feature = "planted")]
mod planted;

use run::Figures;

/// A whole number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
#[cfg_attr(feature = "planted", ignore = "a planted bug is for the whole process")]
fn simulation() {
    if let Some(seed) = number("COUNTERSIGN_SIMULATION_SEED") {
        let outcome = run::one(seed);
        println!("{}", outcome.story.join("\n"));
        show(&outcome.figures);
        assert!(outcome.violations.is_empty(), "seed {seed}: {:#?}", outcome.violations);
        return;
    }
    let count = number("COUNTERSIGN_SIMULATION_SEEDS").unwrap_or(200);
    let began = std::time::Instant::now();
    let (figures, wrong) = run::many(1, count);
    show(&figures);
    println!("{count} seeds in {:.0} s", began.elapsed().as_secs_f64());
    if let Some((seed, outcome)) = wrong {
        println!("{}", outcome.story.join("\n"));
        panic!("seed {seed}: {:#?}", outcome.violations);
    }
    let share = figures.hit * 100 / figures.begun.max(1);
    assert!(share >= 30, "only {share} % of the actions were hit by a fault");
    let met = |fault| figures.faults.contains_key(fault);
    assert!(count < 100 || met("clock forward") && met("clock back"), "nobody set a clock");
    assert!(count < 100 || met("disk nearly full"), "no disk was nearly full");
}

#[test]
#[cfg_attr(feature = "planted", ignore = "a planted bug is for the whole process")]
fn simulation_tells_the_same_story_again() {
    for seed in 1..=number("COUNTERSIGN_SIMULATION_TWICE").unwrap_or(10) {
        let (one, other) = (run::one(seed), run::one(seed));
        let differs = one.story.iter().zip(&other.story).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.events, other.events, "seed {seed}");
    }
}

fn show(figures: &Figures) {
    let Figures { begun, hit, seconds, faults, outcomes, codes } = figures;
    println!("{begun} actions begun, {hit} of them hit by a fault; {seconds:.0} s of virtual time");
    println!("outcomes: {outcomes:?}");
    println!("faults: {faults:?}");
    println!("told: {codes:?}");
}
