//! The scenarios that ship: every one passes, and none passes without the guard that it names.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::path::Path;

use countersign::eval::face::Door;
use countersign::eval::scenario::{Guard, Mode, Scenario, read_all};
use countersign::eval::theatre::Theatre;
use countersign_tests::sandbox::{Config, Sandbox};

/// What ships.
fn shipped() -> Vec<Scenario> {
    let all = read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/scenarios")).unwrap();
    assert!(all.len() >= 72, "only {} scenarios", all.len());
    for mode in Mode::ALL {
        let of_it = all.iter().filter(|scenario| scenario.mode == mode).count();
        assert!(of_it >= 5, "only {of_it} of {}", mode.name());
    }
    let alone = all.iter().filter(|scenario| matches!(scenario.guard, Guard::Gate(_))).count();
    println!("{} scenarios, {alone} of them hang on one gate", all.len());
    all
}

/// So many shops, and their addresses.
async fn shops(count: usize) -> (Vec<Sandbox>, Vec<String>) {
    let mut shops = Vec::new();
    for _ in 0..count {
        shops.push(Sandbox::start(Config::default()).await.unwrap());
    }
    let urls = shops.iter().map(Sandbox::base_url).collect();
    (shops, urls)
}

#[cfg(not(feature = "gates-off"))]
#[tokio::test(flavor = "multi_thread")]
async fn scenarios() {
    every_one_passes(Door::Grpc).await;
}

/// The same bad models at the other door: no false claim, no wrong effect, as few calls.
#[cfg(not(feature = "gates-off"))]
#[tokio::test(flavor = "multi_thread")]
async fn bad_model_at_the_door_of_chat_completions() {
    every_one_passes(Door::Chat).await;
}

#[cfg(not(feature = "gates-off"))]
async fn every_one_passes(door: Door) {
    use countersign::eval::play::Model;

    let (_shops, urls) = shops(4).await;
    let theatre = Theatre::open(shipped(), &urls, 1, door).await.unwrap();
    let ran = theatre.play_all(&Model::Offline, |_, _| {}).await.unwrap();
    let failed: Vec<String> = ran
        .iter()
        .filter(|ran| !ran.wrong.is_empty())
        .map(|ran| {
            let name = &theatre.scenarios()[ran.scenario].name;
            format!("{name}: {}\n  {:?}", ran.wrong.join("\n  "), ran.played.turns)
        })
        .collect();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

/// Each scenario that names a gate is played without it, one at a time: it must fail.
#[cfg(feature = "gates-off")]
#[tokio::test(flavor = "multi_thread")]
async fn eval_guards() {
    use countersign::eval::play::Model;
    use countersign_core::gates::Gate;

    let (_shops, urls) = shops(1).await;
    let theatre = Theatre::open(shipped(), &urls, 1, Door::Grpc).await.unwrap();
    let (mut needless, mut doubled) = (Vec::new(), 0);
    for play in 0..theatre.plays() {
        let scenario = theatre.scenario_of(play).unwrap();
        let Some(gate) = scenario.guard.gate() else {
            doubled += 1;
            continue;
        };
        gate.leave_out();
        let ran = theatre.play(play, &Model::Offline).await.unwrap();
        Gate::leave_none_out();
        println!("{:30} {gate:?}: {}", scenario.name, ran.wrong.join("; "));
        if ran.wrong.is_empty() {
            needless.push(format!("{} without {gate:?}", scenario.name));
        }
    }
    println!("{doubled} are doubled and were not played");
    assert!(needless.is_empty(), "these pass without their guard: {needless:?}");
}
