//! Each gate is needed: what it alone stops gets through without it.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::gates::Gate;
use countersign_shared::codes::Code;

use super::door::Door;
use super::run::{Progress, SCENES, number};
use super::scene::{Scene, Tally};
use super::world::{Ground, World};

/// Codes that no gate alone answers with, and why.
const OTHERS: [(&str, &[Code]); 5] = [
    ("the schema says it as well", &[Code::ArgumentUnexpected, Code::ArgumentMissing]),
    (
        "there is one place for a write, and a plan's size does no harm",
        &[Code::PlanInvalid, Code::PlanTooManyWrites, Code::PlanTooLarge],
    ),
    (
        "it has ended, or is being carried out: no step leads from there",
        &[
            Code::InFlight,
            Code::ApprovalRejected,
            Code::ProposalWithdrawn,
            Code::ProposalSuperseded,
            Code::Escalated,
            Code::HumanDisagrees,
        ],
    ),
    (
        "something that is needed is not there, or failed",
        &[
            Code::StateUnreadable,
            Code::StoreUnavailable,
            Code::IssuerUnreachable,
            Code::Overloaded,
            Code::Internal,
            Code::EffectsHalted,
            Code::Quarantined,
            Code::HistoryMissing,
            Code::HistoryDistrusted,
            Code::Erased,
            Code::ErasureWaits,
            Code::ModelUnusable,
            Code::AwaitingConfirmation,
        ],
    ),
    (
        "a backend says it, or how it is reached",
        &[
            Code::BackendRefused,
            Code::BackendUnreachable,
            Code::BackendThrottled,
            Code::CredentialRejected,
            Code::EgressDenied,
            Code::VerifyMismatch,
            Code::VerifyTimeout,
            Code::ReplyLost,
            Code::DuplicateEffect,
            Code::FraudFlagged,
        ],
    ),
];

/// What one gate alone did.
#[derive(Default)]
struct Alone {
    attempts: u64,
    stopped: u64,
    first: Option<u64>,
    inputs: u64,
    codes: BTreeMap<String, u64>,
}

/// Each attempt is made twice from the same seed, in worlds with the same past: with
/// every gate in its place nothing may come of it, and where something wrong comes of it
/// once the one gate is left out, that gate alone had stopped it.
#[tokio::test]
async fn hostile_planner_finds_each_gate_that_is_left_out() {
    let wanted = number("COUNTERSIGN_HOSTILE_ALONE", 12);
    let first = number("COUNTERSIGN_HOSTILE_SEED", 1);
    let (usual, short) = (Ground::new(), Ground::with_sign_in_for(12));
    let (mut needless, mut answered) = (Vec::new(), BTreeSet::new());
    let mut progress = Progress::new();
    println!(
        "{:22} {:>13} {:>11} {:>8}  refused with",
        "gate", "alone stopped", "first seed", "inputs"
    );
    for gate in Gate::ALL {
        // A card outlives a sign-in only where sign-ins are short.
        let ground = if gate == Gate::SubjectAge { &short } else { &usual };
        let alone = attempts(ground, gate, first, wanted, &mut progress).await;
        let Alone { attempts, stopped, inputs, codes, .. } = &alone;
        let seed = alone.first.map_or_else(|| "none".to_owned(), |seed| seed.to_string());
        let (name, of) = (format!("{gate:?}"), format!("{stopped}/{attempts}"));
        let codes: Vec<_> = codes.iter().map(|(code, times)| format!("{code} {times}")).collect();
        let how = if codes.is_empty() {
            "no refusal: nothing comes of it".to_owned()
        } else {
            codes.join(", ")
        };
        println!("{name:22} {of:>13} {seed:>11} {inputs:>8}  {how}");
        if *stopped < wanted {
            needless.push(gate);
        }
        answered.extend(alone.codes.into_keys());
    }
    assert!(needless.is_empty(), "too little shows that these are needed: {needless:?}");
    // A new code has a gate with an attempt on it, or a reason for having none.
    for code in Code::ALL {
        let other = OTHERS.iter().any(|(_, codes)| codes.contains(code));
        assert_ne!(other, answered.contains(code.name()), "{}", code.name());
    }
}

/// Attempts on one gate until it alone stopped as many as wanted; some attempts are made
/// in ways that do no harm, so half as many again are allowed.
async fn attempts(
    ground: &Ground,
    gate: Gate,
    first: u64,
    wanted: u64,
    progress: &mut Progress,
) -> Alone {
    let mut alone = Alone::default();
    let (mut with, mut without) = (World::new(ground), World::new(ground));
    while alone.stopped < wanted && alone.attempts < wanted + wanted / 2 {
        let seed = first + alone.attempts;
        if alone.attempts.is_multiple_of(SCENES) {
            (with, without) = (World::new(ground), World::new(ground));
        }
        Gate::leave_out(&[]);
        let held = attempt(&with, gate, seed).await;
        assert!(held.violations.is_empty(), "{gate:?}, seed {seed}: {:#?}", held.violations);
        Gate::leave_out(&[gate]);
        let passed = attempt(&without, gate, seed).await;
        alone.attempts += 1;
        alone.inputs += held.inputs + passed.inputs;
        if !passed.violations.is_empty() {
            alone.stopped += 1;
            alone.first.get_or_insert(seed);
            for (code, times) in held.codes {
                *alone.codes.entry(code).or_default() += times;
            }
        }
        progress.say(|| format!("{gate:?}: {} of {wanted}", alone.stopped));
    }
    alone
}

async fn attempt(world: &World, gate: Gate, seed: u64) -> Tally {
    let door = Door::here(&world.desk);
    let mut tally = Tally::default();
    Scene::new(world, &door, seed, &mut tally).attempt(gate).await;
    tally
}
