//! A bug that is planted is found, and soon.

use countersign_core::planted::Bug;

use super::{number, run};

/// Seeds within which each is found.
const WITHIN: u64 = 1000;

/// One after the other: what is planted is planted in the whole process.
#[test]
fn simulation_finds_each_planted_bug() {
    let wanted = std::env::var("COUNTERSIGN_SIMULATION_BUG").ok();
    let wanted = |bug: &Bug| wanted.as_ref().is_none_or(|name| *name == format!("{bug:?}"));
    let within = number("COUNTERSIGN_SIMULATION_SEEDS").unwrap_or(WITHIN);
    for bug in Bug::ALL.into_iter().filter(wanted) {
        bug.plant();
        let (_, wrong) = run::many(1, within);
        let (seed, outcome) = wrong.unwrap_or_else(|| panic!("{bug:?} is not found"));
        println!("{bug:?} is found at seed {seed}: {}", outcome.violations[0]);
    }
}
