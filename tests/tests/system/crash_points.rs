//! Each durable step lost before and lost after it persisted, and the process gone
//! at each of them: one effect at most, no byte before its intent, one receipt, and
//! the outcome told as it is.
//!
//! The executor runs in this process, on its real store; a process that crashes is
//! a runtime that stops in the middle of a call and never comes back.

mod faulty;
mod halted;
mod hands;
mod outage;
mod process;
mod staff;
mod verdict;

use std::time::Duration;

use countersign_proto::v1;
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::support::plans::{fields, list, model, seen, step, value};
use faulty::How;
use hands::Hands;
use process::{Machine, Run};

/// More durable steps than any flow here has.
const PLENTY: u32 = 40;
/// For one process to come to its end, on the clock of the wall.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// Effect class `marker`: never sent twice.
    Cancel,
    /// Effect class `server_key`: sent again with the same key.
    Refund,
}

#[derive(Clone, Copy, Debug)]
struct Scenario {
    wish: Wish,
    fault: Option<Fault>,
    /// Whether the recovery crashes too.
    twice: bool,
}

/// What the customer's side still knows when an executor is gone.
#[derive(Default)]
struct Memory {
    asked: u32,
    proposal: Option<v1::Proposal>,
}

#[test]
fn crash_points_of_a_cancellation() {
    every_point(Scenario { wish: Wish::Cancel, fault: None, twice: false });
}

#[test]
fn crash_points_of_a_cancellation_whose_reply_is_lost() {
    every_point(Scenario { wish: Wish::Cancel, fault: Some(Fault::LostReply), twice: true });
}

#[test]
fn crash_points_of_a_cancellation_that_is_throttled() {
    every_point(Scenario { wish: Wish::Cancel, fault: Some(Fault::RateLimited), twice: false });
}

#[test]
fn crash_points_of_a_cancellation_that_is_only_said_to_be_done() {
    every_point(Scenario { wish: Wish::Cancel, fault: Some(Fault::NoEffect), twice: false });
}

#[test]
fn crash_points_of_a_refund() {
    every_point(Scenario { wish: Wish::Refund, fault: None, twice: false });
}

#[test]
fn crash_points_of_a_refund_whose_reply_is_lost() {
    every_point(Scenario { wish: Wish::Refund, fault: Some(Fault::LostReply), twice: true });
}

#[test]
fn crash_points_of_a_refund_that_fails_before_its_effect() {
    every_point(Scenario { wish: Wish::Refund, fault: Some(Fault::ErrorBefore), twice: false });
}

#[test]
fn crash_points_of_a_refund_that_is_pending() {
    every_point(Scenario { wish: Wish::Refund, fault: Some(Fault::RefundPending), twice: false });
}

/// Every step of the flow in every way; with `twice`, after each crash that leaves
/// something to recover, every step of the recovery crashing too.
fn every_point(scenario: Scenario) {
    let machine = Machine::new();
    let (mut tried, mut left, mut twice) = (0_u32, 0_u32, 0_u32);
    for how in How::ALL {
        for at in 1..=PLENTY {
            let lived = live(&machine, scenario, &[Some((at, how))]);
            if !lived.first {
                break;
            }
            tried += 1;
            left += u32::from(lived.left);
            if scenario.twice && lived.left {
                twice += crash_again(&machine, scenario, (at, how));
            }
            assert!(at < PLENTY, "the flow has more steps than are plenty");
        }
    }
    assert!(tried >= 4 * 6, "a flow has at least four durable steps, each lost six ways");
    assert!(left >= 2, "a crash after the intent and one before the receipt leave it unfinished");
    println!(
        "{scenario:?}: {tried} crash points, {left} of them left an action to recover, \
         {twice} more with a second crash in the recovery"
    );
}

fn crash_again(machine: &Machine, scenario: Scenario, first: (u32, How)) -> u32 {
    let mut tried = 0;
    for how in [How::CrashBefore, How::CrashAfter] {
        for at in 1..=PLENTY {
            if !live(machine, scenario, &[Some(first), Some((at, how))]).last {
                break;
            }
            tried += 1;
        }
    }
    assert!(tried > 0, "a recovery has at least one durable step");
    tried
}

/// How a life went.
#[derive(Default)]
struct Lived {
    /// The first fault was met.
    first: bool,
    /// The second fault was met.
    last: bool,
    /// The second process found an action unfinished.
    left: bool,
}

/// One life: the faults that meet the first process and those after it.
fn live(machine: &Machine, scenario: Scenario, faults: &[Option<(u32, How)>]) -> Lived {
    let what = format!("{scenario:?} {faults:?}");
    let life = machine.life();
    let mut memory = Memory::default();
    let (mut met, mut left) = (Vec::new(), false);
    // One process more than faults: the last one finds a store that does its work.
    for fault in faults.iter().copied().chain([None, None]) {
        let run = machine.run(&life, fault, PATIENCE, async |hands: &Hands| {
            left |= hands.carried_on > 0;
            hands.recovered().await;
            pursue(hands, scenario, &mut memory).await
        });
        match run {
            Run::Crashed => met.push(true),
            Run::Ended { met: hit, answer } => {
                met.push(hit);
                // What failed was told to the caller, who came again.
                assert!(answer.is_some(), "{what}: not pursued to its end");
                if faults.len() <= met.len() {
                    break;
                }
            }
            Run::Late => panic!("{what}: no end after {PATIENCE:?}"),
        }
    }
    let truth = machine.truth(&life, PATIENCE, memory.proposal.as_ref());
    verdict::check(&what, scenario, &truth);
    let met = |n: usize| met.get(n).copied().unwrap_or(false);
    Lived { first: met(0), last: met(1), left }
}

/// What a customer's planner does until the action has its receipt: after each
/// `STORE_UNAVAILABLE` it comes again.
async fn pursue(hands: &Hands, scenario: Scenario, memory: &mut Memory) -> Option<v1::Action> {
    for _ in 0..9 {
        let proposal = match memory.proposal.clone() {
            Some(proposal) => proposal,
            None => {
                memory.asked += 1;
                let Ok(proposal) = hands.told(propose(hands, scenario.wish, memory.asked).await)
                else {
                    continue;
                };
                if let Some(fault) = scenario.fault {
                    hands.sandbox().fault(FaultSpec { after_ms: 6000, ..FaultSpec::from(fault) });
                }
                memory.proposal = Some(proposal.clone());
                proposal
            }
        };
        let Ok(action) = hands.told(hands.execute(&proposal).await) else { continue };
        if action.state() == v1::ActionState::Sealed {
            return Some(action);
        }
        // Still under way, as a caller that came back early is told.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

async fn propose(hands: &Hands, wish: Wish, turn: u32) -> Result<v1::Proposal, tonic::Status> {
    hands.propose(wished(hands, wish, turn).await?).await
}

/// The step that a customer's wish becomes, from what is read now.
async fn wished(hands: &Hands, wish: Wish, turn: u32) -> Result<v1::Step, tonic::Status> {
    let order = hands.order("1001", turn).await?;
    let id = || seen(&order, "/orders/0/id");
    match wish {
        Wish::Cancel => Ok(step("shopify.cancel_order", vec![("order_id", id())])),
        Wish::Refund => {
            let whole = hands.read(step("shopify.get_order", vec![("order_id", id())])).await?;
            let lines = value(&whole)["lines"].as_array().unwrap().clone();
            let jacket = lines.iter().position(|l| l["title"] == "Denim Jacket").unwrap();
            let line = fields(vec![
                ("line_id", seen(&whole, &format!("/lines/{jacket}/id"))),
                ("quantity", model(&serde_json::json!(1))),
            ]);
            let arguments = vec![("order_id", id()), ("lines", list(vec![line]))];
            Ok(step("shopify.refund_lines", arguments))
        }
    }
}
