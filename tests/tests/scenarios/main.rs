//! The scenarios that ship: every one passes, and none passes without the guards that it names.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

#[cfg(feature = "gates-off")]
mod guards;

use std::path::Path;

use countersign::eval::face::Door;
use countersign::eval::guard::{Guards, Switch};
use countersign::eval::play::Model;
use countersign::eval::scenario::{Mode, Scenario, read_all};
use countersign::eval::theatre::Theatre;
use countersign_tests::sandbox::{Config, Sandbox};
use tokio::sync::Mutex;

/// Most scenarios that name no guard; each says why.
const UNGUARDED: usize = 2;

/// What ships.
fn shipped() -> Vec<Scenario> {
    let all = read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/scenarios")).unwrap();
    assert!(all.len() >= 79, "only {} scenarios", all.len());
    for mode in Mode::ALL {
        let of_it = all.iter().filter(|scenario| scenario.mode == mode).count();
        assert!(of_it >= 5, "only {of_it} of {}", mode.name());
    }
    let named = |scenario: &&Scenario| matches!(scenario.guard, Guards::Named(_));
    let guarded = all.iter().filter(named).count();
    assert!(all.len() - guarded <= UNGUARDED, "only {guarded} name what holds them off");
    let switches: Vec<Switch> =
        all.iter().flat_map(|scenario| scenario.guard.switches().unwrap()).collect();
    let idle = Switch::all()
        .filter(|switch| !matches!(switch, Switch::Gate(_)) && !switches.contains(switch));
    assert_eq!(idle.collect::<Vec<_>>(), [], "no scenario hangs on these");
    println!("{} scenarios, {guarded} of them name what holds them off", all.len());
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

/// One test at a time: a guard that is left out is so for the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn scenarios() {
    every_one_passes(Door::Grpc).await;
}

/// The same bad models at the other door: no false claim, no wrong effect, as few calls.
#[tokio::test(flavor = "multi_thread")]
async fn bad_model_at_the_door_of_chat_completions() {
    every_one_passes(Door::Chat).await;
}

async fn every_one_passes(door: Door) {
    let _alone = ALONE.lock().await;
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
