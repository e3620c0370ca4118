//! What holds always, and what has to happen sometimes, or else the model shows nothing.

use countersign_core::lifecycle::Outcome;
use stateright::{Expectation, Property};

use crate::rules::{Needs, Receipt};
use crate::store::Action;
use crate::till::{Class, INTENT, WRITES, Write};
use crate::world::{Countersign, World};

/// AT MOST ONE EFFECT.
pub(crate) const ONE_EFFECT: &str = "an intent has one effect at most";
/// FOUR OUTCOMES.
pub(crate) const TRUE_RECEIPT: &str = "a receipt says what is so";
/// RECEIPT BEFORE REPLY.
pub(crate) const RECEIPT_STAYS: &str = "a receipt that was heard is in the log";
/// INTENT FIRST.
pub(crate) const INTENT_FIRST: &str = "what is sent has a durable intent";
/// What is in doubt is nobody else's.
pub(crate) const LOCKED: &str = "what is begun or in doubt holds its object";
const FOUND_LATE: &str = "an effect lands after a takeover and is found";

pub(crate) fn all() -> Vec<Property<Countersign>> {
    vec![
        Property::always(ONE_EFFECT, |_, world: &World| one_effect(world)),
        Property::always(TRUE_RECEIPT, |_, world: &World| writes().all(|w| true_receipt(world, w))),
        Property::always(RECEIPT_STAYS, |_, world: &World| {
            writes().all(|w| receipt_stays(world, w))
        }),
        Property::always(INTENT_FIRST, |_, world: &World| intent_first(world)),
        Property::always(LOCKED, |_, world: &World| writes().all(|w| locked(world, w))),
        Property::sometimes(FOUND_LATE, |model, world: &World| {
            let late = |w| world.backend.effects.iter().any(|e| e.write == w && e.late);
            ending(model, world).any(|(w, receipt)| receipt.outcome == Outcome::Applied && late(w))
        }),
        Property::sometimes("an action in doubt goes to a person", |model, world: &World| {
            ending(model, world).any(|(_, r)| r.outcome == Outcome::Unknown && r.person)
        }),
        Property::sometimes("a repeat is answered with the first receipt", |_, world: &World| {
            world.heard.iter().flatten().any(|heard| heard.again)
        }),
        Property::sometimes("the same intent is being carried out", |model, world: &World| {
            refused(model, world, 1, "IN_FLIGHT")
        }),
        Property::sometimes("another write on the object is refused", |model, world: &World| {
            refused(model, world, 2, "OBJECT_IN_DOUBT")
        }),
        Property::sometimes("the same intent is already done", |model, world: &World| {
            refused(model, world, 1, "ALREADY_DONE")
        }),
        Property::sometimes("a request is sent again and applied", |model, world: &World| {
            ending(model, world).any(|(_, r)| r.outcome == Outcome::Applied && r.attempts > 1)
        }),
        Property::sometimes(
            "what was not applied is applied on the next occasion",
            |_, world: &World| {
                sealed(world, 0) == Some(Outcome::NotApplied)
                    && sealed(world, 1) == Some(Outcome::Applied)
            },
        ),
        Property::sometimes("an executor that was declared dead lives on", |_, world: &World| {
            world.processes.iter().flatten().any(|p| !world.store.lives(p.generation))
        }),
        Property::sometimes("both intents are applied", |_, world: &World| {
            sealed(world, 2) == Some(Outcome::Applied) && sealed(world, 0) == sealed(world, 2)
        }),
    ]
}

/// Receipts that are about to be sealed by the living.
fn ending<'a>(
    model: &'a Countersign,
    world: &'a World,
) -> impl Iterator<Item = (Write, Receipt)> + 'a {
    let living = world.processes.iter().flatten().filter(|p| world.store.lives(p.generation));
    let lives = living.flat_map(|p| writes().filter_map(move |w| Some((w, p.life(w)?))));
    let ended = lives.filter(|(_, l)| model.rules.needs(&l.journal, l.since) == Needs::Receipt);
    ended.map(|(w, life)| (w, model.rules.receipt(&life.journal, life.since)))
}

/// Whether a planner that asks now is refused with this code.
fn refused(model: &Countersign, world: &World, write: Write, code: &str) -> bool {
    let asks = world.left.asks[usize::from(write)] > 0;
    asks && model.claim(world, write).is_err_and(|refusal| refusal == code)
}

/// What has to happen with this class. Where nothing can be looked for, nothing is found.
pub(crate) fn sometimes(class: Class) -> impl Iterator<Item = &'static str> {
    let named = all().into_iter().filter(|p| p.expectation == Expectation::Sometimes);
    named.map(|p| p.name).filter(move |name| class != Class::Blind || *name != FOUND_LATE)
}

fn writes() -> impl Iterator<Item = Write> {
    0..WRITES as Write
}

fn sealed(world: &World, write: Write) -> Option<Outcome> {
    match world.store.action(write) {
        Action::Sealed { outcome, .. } => Some(*outcome),
        Action::Fresh | Action::Begun { .. } => None,
    }
}

/// Nobody ever says yes to a second time, so it is one for ever.
fn one_effect(world: &World) -> bool {
    let of = |intent| {
        world.backend.effects.iter().filter(move |e| INTENT[usize::from(e.write)] == intent)
    };
    INTENT.iter().all(|intent| of(*intent).count() <= 1)
}

fn true_receipt(world: &World, write: Write) -> bool {
    let happened = world.backend.effects.iter().any(|e| e.write == write);
    match sealed(world, write) {
        Some(Outcome::Applied) => happened,
        Some(Outcome::NotApplied | Outcome::Refused) => !happened,
        Some(Outcome::Unknown) | None => true,
    }
}

fn receipt_stays(world: &World, write: Write) -> bool {
    let Some(heard) = &world.heard[usize::from(write)] else { return true };
    matches!(world.store.action(write), Action::Sealed { by, .. } if *by == heard.by)
}

fn intent_first(world: &World) -> bool {
    let durable = |write, attempt| match world.store.action(write) {
        Action::Fresh => false,
        Action::Begun { journal, .. } => journal.attempts() >= attempt,
        Action::Sealed { .. } => true,
    };
    world.flights.iter().all(|f| durable(f.write, f.attempt))
        && world.backend.effects.iter().all(|e| durable(e.write, 1))
}

fn locked(world: &World, write: Write) -> bool {
    let holds = match world.store.action(write) {
        Action::Begun { .. } => true,
        Action::Fresh | Action::Sealed { .. } => sealed(world, write) == Some(Outcome::Unknown),
    };
    !holds || world.store.lock() == Some(write)
}
