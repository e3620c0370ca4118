//! A backend that takes no connection for longer than any number of attempts, and what may
//! happen meanwhile: the process gone, a switch thrown, a clock that is behind. The pauses
//! between tries that never left add up to minutes, so the clock jumps over them here, and
//! the backend is refused in front of the real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use countersign_core::answer::{Barrier, ReadFailure, Sent};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_core::switch::Reach;
use countersign_executor::connector::Connections;
use countersign_executor::ports::Backends;
use countersign_executor::switch::Turn;
use countersign_proto::v1;
use countersign_shared::receipt::Receipt;
use jiff::SignedDuration;
use tokio::sync::Notify;

use super::hands::Hands;
use super::process::{Machine, Run};
use super::{PATIENCE, Scenario, Wish, propose, verdict};

/// Tries that are refused: twice as many as attempts may reach a backend.
const TRIES: u32 = 10;
/// Those after which the pause does not end by itself. By then it is worth a commit.
pub(super) const HALF: u32 = 5;

/// How long a backend is away, and where an action is held meanwhile.
pub(super) struct Away {
    /// Writes that are refused yet.
    refuses: AtomicU32,
    /// Where so many are left, nobody's pause ends.
    held_at: AtomicU32,
    held: Notify,
    go: Notify,
}

/// Backends of which some are away.
pub(super) struct Reached {
    pub(super) there: Connections,
    pub(super) away: Arc<Away>,
}

impl Away {
    pub(super) fn never() -> Self {
        let (refuses, held_at) = (AtomicU32::new(0), AtomicU32::new(u32::MAX));
        Self { refuses, held_at, held: Notify::new(), go: Notify::new() }
    }

    /// Refuses so many writes, and holds who waits after some of them.
    pub(super) fn leave(&self, tries: u32, held_after: u32) {
        self.held_at.store(tries - held_after, Ordering::SeqCst);
        self.refuses.store(tries, Ordering::SeqCst);
    }

    /// Holds nobody any more.
    pub(super) fn let_go(&self) {
        self.held_at.store(u32::MAX, Ordering::SeqCst);
        self.end_pause();
    }

    /// Holds whoever is held no longer in this pause.
    pub(super) fn end_pause(&self) {
        self.go.notify_one();
    }

    /// Until somebody is held.
    pub(super) async fn holds(&self) {
        self.held.notified().await;
    }

    /// A pause between two tries.
    pub(super) async fn pause(&self) {
        if self.refuses.load(Ordering::SeqCst) == self.held_at.load(Ordering::SeqCst) {
            self.held.notify_one();
            self.go.notified().await;
        }
    }

    fn takes_one(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err()
    }
}

#[async_trait]
impl Backends for Reached {
    fn account(&self, tenant: &str, pack: &str) -> Option<Account> {
        Backends::account(&self.there, tenant, pack)
    }

    async fn send(&self, subject: &Subject, contract: &Contract, request: &WireRequest) -> Sent {
        if self.away.takes_one() {
            return Backends::send(&self.there, subject, contract, request).await;
        }
        let why = "connection refused".to_owned();
        Sent::NotSent { barrier: Barrier::Unreachable, why }
    }

    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<serde_json::Value, ReadFailure> {
        Backends::read(&self.there, subject, contract, request).await
    }
}

#[test]
fn an_outage_and_a_kill_in_it_are_waited_out_and_one_request_leaves() {
    let machine = Machine::new();
    let life = machine.life();
    let mut asked = None;
    let run = machine.run(&life, None, PATIENCE, async |hands: &Hands| {
        let proposal = propose(hands, Wish::Refund, 1).await.unwrap();
        asked = Some(proposal.clone());
        life.away().leave(TRIES, HALF);
        // The process ends with this, in the pause.
        held(hands, &proposal, life.away()).await;
    });
    assert!(matches!(run, Run::Ended { .. }), "not in time");
    assert_eq!(machine.mutations(), 0);

    life.away().let_go();
    let run = machine.run(&life, None, PATIENCE, async |hands: &Hands| {
        assert_eq!(hands.carried_on, 1);
        hands.recovered().await;
        receipts(hands).await
    });
    let Run::Ended { answer: receipts, .. } = run else { panic!("not in time") };
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    let verdicts: Vec<_> = receipt.attempts.iter().map(|a| a.verdict.clone()).collect();
    let (last, before) = verdicts.split_last().unwrap();
    assert_eq!(before.len(), usize::try_from(TRIES).unwrap(), "{verdicts:?}");
    assert!(before.iter().all(|v| v.get("not_sent").is_some()), "{verdicts:?}");
    assert!(last.get("accepted").is_some(), "{verdicts:?}");
    assert_eq!(machine.mutations(), 1);
    let truth = machine.truth(&life, PATIENCE, asked.as_ref());
    let scenario = Scenario { wish: Wish::Refund, fault: None, twice: false };
    verdict::check("an outage", scenario, &truth);
}

#[test]
fn a_switch_that_is_thrown_in_an_outage_ends_it_and_nothing_sets_itself_going() {
    let machine = Machine::new();
    let life = machine.life();
    let run = machine.run(&life, None, PATIENCE, async |hands: &Hands| {
        let proposal = propose(hands, Wish::Refund, 1).await.unwrap();
        life.away().leave(HALF, HALF);
        held(hands, &proposal, life.away()).await;
        turn(hands, true).await;
        life.away().let_go();
        hands.recovered().await;
        turn(hands, false).await;
        let ended = receipts(hands).await;
        assert_eq!(machine.mutations(), 0);
        let proposal = propose(hands, Wish::Refund, 2).await.unwrap();
        let again = hands.execute(&proposal).await.unwrap();
        assert_eq!(again.outcome(), v1::Outcome::Applied);
        ended
    });
    let Run::Ended { answer: receipts, .. } = run else { panic!("not in time") };
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert_eq!((receipt.outcome.as_str(), receipt.code.as_str()), ("not_applied", "SWITCHED_OFF"));
    assert_eq!((machine.mutations(), refunds(&machine)), (1, 1));
}

#[test]
fn a_clock_that_is_behind_in_an_outage_sends_nothing_until_it_is_right() {
    let machine = Machine::new();
    let life = machine.life();
    let run = machine.run(&life, None, PATIENCE, async |hands: &Hands| {
        let proposal = propose(hands, Wish::Refund, 1).await.unwrap();
        life.away().leave(HALF, HALF);
        held(hands, &proposal, life.away()).await;
        let pipeline = &hands.desk.pipeline;
        let right = pipeline.clock.now() + SignedDuration::from_secs(90);
        pipeline.vitals.wrote(Some(right));
        life.away().let_go();
        hands.recovered().await;
        (right, receipts(hands).await)
    });
    let Run::Ended { answer: (right, receipts), .. } = run else { panic!("not in time") };
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert_eq!(receipt.outcome, "applied", "{}", receipt.message);
    assert_eq!((machine.mutations(), refunds(&machine)), (1, 1));
    let (last, before) = receipt.attempts.split_last().unwrap();
    assert!(before.len() > usize::try_from(HALF).unwrap(), "it was held back: {before:?}");
    assert!(before.iter().all(|a| a.verdict.get("not_sent").is_some()), "{before:?}");
    // Two seconds behind are no reason to stop.
    assert!(last.at >= right - SignedDuration::from_secs(3), "{last:?}");
}

/// Until the action waits in the pause that does not end.
pub(super) async fn held(hands: &Hands, proposal: &v1::Proposal, away: &Away) {
    tokio::select! {
        told = hands.execute(proposal) => panic!("not held: {told:?}"),
        () = away.holds() => {}
    }
}

async fn turn(hands: &Hands, off: bool) {
    let (by, reason) = ("op".to_owned(), "a test".to_owned());
    let turn = Turn { reach: Reach::All, off, by, reason, word: None };
    let pipeline = &hands.desk.pipeline;
    pipeline.switches.turn(pipeline, turn).await.unwrap();
}

fn refunds(machine: &Machine) -> usize {
    machine.effects().iter().filter(|effect| effect.kind == "refund_created").count()
}

/// Those of the action.
async fn receipts(hands: &Hands) -> Vec<Receipt> {
    let all = hands.receipts().await;
    all.into_iter().filter(|receipt| receipt.tool == "shopify.refund_lines").collect()
}
