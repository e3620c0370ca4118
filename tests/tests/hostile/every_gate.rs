//! Each gate is needed: with it alone left out, something gets through.

use std::time::Instant;

use countersign_core::gates::Gate;

use super::door::Door;
use super::scene::{Scene, Tally};
use super::world::{Ground, World};

/// Attempts on a gate that is left out, and on the same gate in its place.
const SEEDS: u64 = 24;

#[tokio::test]
async fn hostile_planner_finds_each_gate_that_is_left_out() {
    let (usual, short) = (Ground::new(), Ground::with_sign_in_for(12));
    let mut needless = Vec::new();
    println!("{:24} {:>12} {:>16} {:>10}", "gate left out", "got through", "first seed", "inputs");
    for gate in Gate::ALL {
        let began = Instant::now();
        // A card outlives a sign-in only where sign-ins are short.
        let ground = if gate == Gate::SubjectAge { &short } else { &usual };
        gate.leave_out();
        let (through, first, inputs) = attempts(ground, gate).await;
        Gate::leave_none_out();
        let (held, ..) = attempts(ground, gate).await;
        assert_eq!(held, 0, "{gate:?} does not hold");
        let shown = first.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
        let name = format!("{gate:?}");
        println!("{name:24} {through:>9}/{SEEDS} {shown:>16} {inputs:>10} {:?}", began.elapsed());
        if first.is_none() {
            needless.push(gate);
        }
    }
    assert!(needless.is_empty(), "nothing shows that these are needed: {needless:?}");
}

async fn attempts(ground: &Ground, gate: Gate) -> (usize, Option<u64>, u64) {
    let world = World::new(ground);
    let door = Door::here(&world.desk);
    let (mut through, mut first, mut inputs) = (0, None, 0);
    for seed in 1..=SEEDS {
        let mut tally = Tally::default();
        Scene::new(&world, &door, seed, &mut tally).attempt(gate).await;
        inputs += tally.inputs;
        if !tally.violations.is_empty() {
            through += 1;
            first.get_or_insert(seed);
        }
    }
    (through, first, inputs)
}
