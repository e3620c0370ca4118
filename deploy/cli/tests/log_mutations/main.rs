//! Random damage to logs as the publisher writes them: every one is noticed, with the right first
//! entry, and no clean log is called damaged.
//!
//! `COUNTERSIGN_LOG_MUTATIONS` says how many of each, `COUNTERSIGN_LOG_SEED` where chance begins;
//! both are printed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod chance;
mod log;
mod mutation;

use chance::Chance;
use log::{Log, Shape};
use mutation::Mutation;

/// As many as a change is checked with; nights ask for more.
const FEW: u64 = 300;

fn many() -> u64 {
    std::env::var("COUNTERSIGN_LOG_MUTATIONS").map_or(FEW, |text| text.parse().unwrap())
}

fn chance() -> Chance {
    let seed = std::env::var("COUNTERSIGN_LOG_SEED").map_or(1, |text| text.parse().unwrap());
    println!("seed {seed}, {} of each", many());
    Chance::new(seed)
}

#[test]
fn log_mutations_are_all_noticed_at_the_right_entry() {
    let mut chance = chance();
    let logs: Vec<Log> = [1, 2, 9, 255, 256, 257, 300, 600]
        .into_iter()
        .flat_map(|size| [false, true].map(|rotated| Shape { size, rotated }))
        .map(|shape| Log::of(&shape, &mut chance))
        .collect();
    let mut seen = std::collections::BTreeMap::new();
    for number in 0..many() {
        let log = &logs[chance.below(logs.len() as u64) as usize];
        let Some(mutation) = Mutation::draw(log, &mut chance) else { continue };
        let found = mutation.check(log);
        let what = format!("{number}: {mutation:?} of {} entries: {found:?}", log.leaves.len());
        let failure = found.as_ref().expect_err(&what);
        assert!(mutation.codes().contains(&failure.code), "{what}");
        assert!(mutation.names(failure.index), "{what}");
        *seen.entry(mutation.kind()).or_insert(0) += 1;
        log.restore(&mutation);
    }
    logs.iter().for_each(|log| drop(log.check().expect("whole again")));
    println!("{seen:?}");
    assert!(many() < FEW || seen.len() == mutation::KINDS, "{seen:?}");
}

#[test]
fn log_mutations_are_not_seen_in_clean_logs() {
    let mut chance = chance();
    for number in 0..many() {
        let shape = Shape::draw(&mut chance);
        let log = Log::of(&shape, &mut chance);
        let found = log.check();
        let checked = found.unwrap_or_else(|failure| panic!("{number}: {shape:?}: {failure}"));
        assert_eq!(checked.log.leaves, log.leaves.len() as u64);
        assert_eq!(checked.log.keys.len(), usize::from(shape.rotated));
    }
}
