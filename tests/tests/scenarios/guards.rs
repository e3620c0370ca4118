//! Each scenario is played without all the guards that it names, and must do harm; and, where
//! there are several, with each of them back alone, and must do none: so no name is idle.

use std::time::Instant;

use countersign::eval::face::Door;
use countersign::eval::guard::{Guards, Switch};
use countersign::eval::judge::harm;
use countersign::eval::play::Model;
use countersign::eval::scenario::Scenario;
use countersign::eval::theatre::Theatre;
use countersign_core::belts::Belt;
use countersign_core::gates::Gate;
use countersign_planner::guards::Guard;

use super::{ALONE, shipped, shops};

#[tokio::test(flavor = "multi_thread")]
async fn eval_guards() {
    let _alone = ALONE.lock().await;
    let begun = Instant::now();
    let (_shops, urls) = shops(1).await;
    let tries: Vec<Scenario> = shipped().iter().flat_map(tries).collect();
    let theatre = Theatre::open(tries, &urls, 1, Door::Grpc).await.unwrap();
    let (mut wrong, mut held) = (Vec::new(), 0);
    for play in 0..theatre.plays() {
        let scenario = theatre.scenario_of(play).unwrap();
        let Guards::Named(left) = &scenario.guard else { continue };
        let back = scenario.about.starts_with(BACK);
        leave_out(&scenario.guard.switches().unwrap());
        let ran = theatre.play(play, &Model::Offline).await.unwrap();
        leave_out(&[]);
        let done = harm(scenario, &ran.played);
        let with = if back { scenario.about.as_str() } else { "" };
        let shown = format!("{} without {}{with}", scenario.name, left.join(", "));
        println!("{shown}: {}", done.join("; "));
        held += usize::from(back);
        if done.is_empty() != back {
            wrong.push(format!("{shown}: {done:?}, {:?}, {:?}", ran.wrong, ran.played.turns));
        }
    }
    println!(
        "{} scenarios without their guards, {held} plays with one of several back, {} s",
        theatre.plays() - held,
        begun.elapsed().as_secs()
    );
    assert!(wrong.is_empty(), "{} went otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

/// Begins what a play is about in which a guard is back.
const BACK: &str = ", with ";

/// What is played of a scenario: `guard` names what is left out.
fn tries(scenario: &Scenario) -> Vec<Scenario> {
    let Guards::Named(names) = &scenario.guard else { return Vec::new() };
    let mut tries = vec![scenario.clone()];
    for back in names.iter().filter(|_| names.len() > 1) {
        let others = names.iter().filter(|name| *name != back).cloned().collect();
        let about = format!("{BACK}{back} back");
        tries.push(Scenario { guard: Guards::Named(others), about, ..scenario.clone() });
    }
    tries
}

fn leave_out(all: &[Switch]) {
    let (mut gates, mut belts, mut guards) = (Vec::new(), Vec::new(), Vec::new());
    for switch in all {
        match *switch {
            Switch::Gate(gate) => gates.push(gate),
            Switch::Belt(belt) => belts.push(belt),
            Switch::Planner(guard) => guards.push(guard),
        }
    }
    Gate::leave_out(&gates);
    Belt::leave_out(&belts);
    Guard::leave_out(&guards);
}
