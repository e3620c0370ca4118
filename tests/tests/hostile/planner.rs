//! Nothing gets through, however much is sent; and what is rightful is done.

use countersign_core::gates::Gate;

use super::door::Door;
use super::run::{Progress, SCENES, number};
use super::scene::{Scene, Tally};
use super::world::{Ground, World};

#[tokio::test]
async fn hostile_planner() {
    let wanted = number("COUNTERSIGN_HOSTILE_INPUTS", 5_000);
    let first = number("COUNTERSIGN_HOSTILE_SEED", 1);
    let grounds = [Ground::new(), Ground::with_sign_in_for(12)];
    let ground = |seed: u64| &grounds[usize::from(!(seed / SCENES).is_multiple_of(2))];
    let mut world = World::new(ground(first));
    let mut tally = Tally::default();
    let mut seed = first;
    let mut progress = Progress::new();
    while tally.inputs < wanted {
        if seed.is_multiple_of(SCENES) {
            world = World::new(ground(seed));
        }
        let door = Door::here(&world.desk);
        scene(&world, &door, seed, &mut tally).await;
        assert!(tally.violations.is_empty(), "seed {seed}: {:#?}", tally.violations);
        seed += 1;
        progress.say(|| format!("{} of {wanted} inputs, seed {seed}", tally.inputs));
    }
    let Tally { inputs, dispatched, codes, .. } = &tally;
    println!("seeds {first}..{seed}: {inputs} inputs, {dispatched} dispatched, 0 violations");
    println!("{:.1} s; refused: {codes:#?}", progress.seconds());
    assert!(dispatched * 10 >= *inputs, "too few of the inputs are rightful: {dispatched}");
}

/// One attempt on each of a few gates, chance, and honest requests in between.
pub async fn scene(world: &World, door: &Door, seed: u64, tally: &mut Tally) {
    let mut scene = Scene::new(world, door, seed, tally);
    let gate = *scene.dice.pick(&Gate::ALL);
    scene.attempt(gate).await;
    scene.anything(8).await;
    if scene.dice.once_in(4) {
        scene.at_once().await;
    }
    let done = scene.rightful(4).await;
    assert!(done, "seed {seed}: an honest request was not served: {:?}", scene.tally.codes);
}
