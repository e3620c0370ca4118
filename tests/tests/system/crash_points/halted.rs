//! Effects are halted while an action is between two tries, and then all is well again
//! (ERRORS REFUSE). What had no effect yet does not begin meanwhile. What may have had one is
//! looked for, or asked for again under its key where the clock is right: there is room for
//! its receipt. Either goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_executor::pipeline::Pipeline;
use countersign_executor::vitals::{Disk, Found, Watch};
use countersign_proto::v1;
use countersign_shared::codes::Code;
use countersign_tests::sandbox::Fault;
use jiff::SignedDuration;
use parking_lot::Mutex;

use super::hands::Hands;
use super::outage::{HALF, held};
use super::process::{Life, Machine, Run};
use super::{PATIENCE, Wish, propose};

/// How far the clock lies behind. Longer than the pauses meanwhile.
const BEHIND: SignedDuration = SignedDuration::from_secs(90);

/// Why effects are halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ailment {
    DiskNearlyFull,
    StoreReadOnly,
    KeyGone,
    ClockBehind,
}

impl Ailment {
    const ALL: [Self; 4] =
        [Self::DiskNearlyFull, Self::StoreReadOnly, Self::KeyGone, Self::ClockBehind];
}

/// What was wished for, and what happened to the tries before.
#[derive(Clone, Copy, Debug)]
struct Tried {
    wish: Wish,
    /// None: they never left.
    fault: Option<Fault>,
}

/// A disk with what is on it, which ails as it is told.
#[derive(Clone, Default)]
struct Ailing(Arc<Mutex<Option<Ailment>>>);

#[async_trait]
impl Disk for Ailing {
    async fn look(&mut self) -> Found {
        let ails = |ailment| *self.0.lock() == Some(ailment);
        let free = if ails(Ailment::DiskNearlyFull) { 0 } else { 1 << 40 };
        let key = if ails(Ailment::KeyGone) { Err("no key".to_owned()) } else { Ok(()) };
        Found { free: Ok(free), reserved: true, key }
    }
}

/// An executor that is looked at, with an action between two tries.
struct Patient<'a> {
    hands: &'a Hands,
    life: &'a Life,
    disk: Ailing,
    watch: Watch,
}

impl<'a> Patient<'a> {
    async fn of(hands: &'a Hands, life: &'a Life) -> Self {
        let Pipeline { vitals, store, clock, metrics, .. } = hands.desk.pipeline.clone();
        let disk = Ailing::default();
        let watch = Watch::begin(vitals, disk.clone(), store, clock, metrics).await.unwrap();
        Self { hands, life, disk, watch }
    }

    async fn falls_ill(&mut self, ailment: Ailment) {
        *self.disk.0.lock() = Some(ailment);
        let Pipeline { vitals, clock, .. } = &self.hands.desk.pipeline;
        match ailment {
            Ailment::DiskNearlyFull | Ailment::KeyGone => {}
            Ailment::StoreReadOnly => self.life.read_only().set(true),
            // As where it was right, and is set back.
            Ailment::ClockBehind => vitals.wrote(Some(clock.now() + BEHIND)),
        }
        self.watch.look().await;
        assert!(vitals.check().unwrap_err().is(Code::EffectsHalted), "{ailment:?}");
    }

    async fn gets_well(&mut self, ailment: Ailment) {
        *self.disk.0.lock() = None;
        match ailment {
            Ailment::DiskNearlyFull | Ailment::KeyGone => {}
            Ailment::StoreReadOnly => self.life.read_only().set(false),
            Ailment::ClockBehind => self.life.pass(BEHIND),
        }
        self.watch.look().await;
        assert!(self.hands.desk.pipeline.vitals.check().is_ok(), "{ailment:?}");
    }

    /// Looked at all the while, as by an executor: what was seen too long ago counts for nothing.
    async fn recovers(&mut self) {
        let recovered = self.hands.recovered();
        tokio::pin!(recovered);
        loop {
            tokio::select! {
                () = &mut recovered => return,
                () = tokio::time::sleep(Duration::from_secs(1)) => self.watch.look().await,
            }
        }
    }

    /// One pause ends: until the next, until the store refuses what comes of it, or until the
    /// action has its receipt.
    async fn goes_on(&self) {
        self.life.away().end_pause();
        tokio::select! {
            () = self.life.away().holds() => {}
            () = self.life.read_only().refuses() => {}
            () = self.hands.recovered() => {}
        }
    }
}

#[test]
fn what_had_no_effect_yet_does_not_begin_while_effects_are_halted() {
    let machine = Machine::new();
    for fault in [None, Some(Fault::RateLimited)] {
        for ailment in Ailment::ALL {
            let tried = Tried { wish: Wish::Refund, fault };
            assert_eq!(live(&machine, tried, ailment, "applied"), (0, 1), "{tried:?} {ailment:?}");
        }
    }
}

#[test]
fn what_is_in_doubt_is_looked_for_and_told_truly_while_effects_are_halted() {
    let machine = Machine::new();
    for (fault, end) in [(Fault::LostReply, "applied"), (Fault::ErrorBefore, "unknown")] {
        for ailment in Ailment::ALL {
            let tried = Tried { wish: Wish::Cancel, fault: Some(fault) };
            assert_eq!(live(&machine, tried, ailment, end), (0, 0), "{tried:?} {ailment:?}");
        }
    }
}

/// It was begun before, and its key makes one of both.
#[test]
fn what_is_in_doubt_is_asked_for_again_under_its_key_by_a_clock_that_is_right() {
    let machine = Machine::new();
    for ailment in Ailment::ALL {
        let sent = match ailment {
            Ailment::DiskNearlyFull | Ailment::KeyGone => (1, 1),
            Ailment::StoreReadOnly | Ailment::ClockBehind => (0, 1),
        };
        for fault in [Fault::LostReply, Fault::ErrorBefore] {
            let tried = Tried { wish: Wish::Refund, fault: Some(fault) };
            assert_eq!(live(&machine, tried, ailment, "applied"), sent, "{tried:?} {ailment:?}");
        }
    }
}

/// An action that is between two tries when effects are halted, until this end of it. Answers
/// how many requests left from then on: while they were halted, and in all.
fn live(machine: &Machine, tried: Tried, ailment: Ailment, end: &str) -> (usize, usize) {
    let what = format!("{tried:?} {ailment:?}");
    let life = machine.life();
    let run = machine.run(&life, None, PATIENCE, async |hands: &Hands| {
        let proposal = propose(hands, tried.wish, 1).await.unwrap();
        let refused = if tried.fault.is_none() { HALF } else { 0 };
        life.away().leave(refused, refused);
        if let Some(fault) = tried.fault {
            hands.sandbox().fault(fault);
        }
        held(hands, &proposal, life.away()).await;
        let before = machine.mutations();

        let mut patient = Patient::of(hands, &life).await;
        patient.falls_ill(ailment).await;
        patient.goes_on().await;
        let halted = machine.mutations() - before;
        let told = hands.standing(&proposal.action_id).await.unwrap();
        if told.state() == v1::ActionState::Sealed {
            assert_eq!((told.outcome(), end), (v1::Outcome::Applied, "applied"), "{what}");
        } else {
            assert_eq!(told.outcome(), v1::Outcome::Unspecified, "{what}: {told:?}");
            assert_eq!(life.locks(), 1, "{what}");
        }

        patient.gets_well(ailment).await;
        life.away().let_go();
        patient.recovers().await;
        (halted, machine.mutations() - before, hands.receipts().await)
    });
    let Run::Ended { answer: (halted, all, receipts), .. } = run else { panic!("{what}: late") };
    assert!(life.wrong().is_empty(), "{what}: {:?}", life.wrong());
    let of_it: Vec<_> = receipts.iter().filter(|r| !r.action_id.is_empty()).collect();
    let [receipt] = of_it.as_slice() else { panic!("{what}: {receipts:?}") };
    assert_eq!(receipt.outcome, end, "{what}: {}", receipt.message);
    let kind = match tried.wish {
        Wish::Cancel => "order_cancelled",
        Wish::Refund => "refund_created",
    };
    let effects = machine.effects().iter().filter(|effect| effect.kind == kind).count();
    // What stays in doubt keeps its object.
    let (done, held) = if end == "applied" { (1, 0) } else { (0, 1) };
    assert_eq!((effects, life.locks()), (done, held), "{what}");
    machine.log_verifies(&life, u64::try_from(receipts.len()).unwrap());
    (halted, all)
}
