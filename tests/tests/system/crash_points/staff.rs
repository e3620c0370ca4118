//! Actions that wait for people of the house, and one in doubt that a person settles:
//! each durable step of what people say lost before and after it persisted, and the
//! process restarted. One effect at most, no answer lost or counted twice, one receipt
//! for each end, and no lock left.

mod end;

use countersign_proto::v1;
use countersign_shared::attest::Decision;
use countersign_shared::refusal::Refusal;
use countersign_tests::sandbox::{Fault, StaffAct};
use jiff::SignedDuration;

use super::faulty::How;
use super::hands::Hands;
use super::process::{Machine, Run};
use super::{PATIENCE, PLENTY, Wish, wished};
use crate::support::change;
use crate::support::people::{Signer, people};

/// How a request, or an action in doubt, comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Two persons say yes.
    Approved,
    /// The second says no.
    Rejected,
    /// The order is another when the second says yes: the executor asks anew.
    AskedAnew,
    /// The order is another, and the customer asks again.
    Superseded,
    /// The customer takes it back.
    Withdrawn,
    /// Nobody answers in time.
    Expired,
    /// A person says of an action in doubt that it is done, or that it is not.
    Settled(bool),
}

/// What people still know when an executor is gone.
struct Memory {
    older: Asked,
    /// What was shown to the customer in its place, and what they confirmed.
    shown: Option<v1::Proposal>,
    newer: Option<Asked>,
    /// Those who were told that their answer to the newer request counts.
    heard: Vec<&'static str>,
    matter: Option<v1::Escalation>,
    /// The customer's wish, to be proposed again.
    wish: v1::Step,
}

/// A request and the card that stands for it.
#[derive(Clone)]
struct Asked {
    action_id: String,
    card: v1::Card,
}

const BOB: (&str, u8) = ("bob", 22);
const CAROL: (&str, u8) = ("carol", 23);
const APPROVE: &str =
    "approve: [{ over: { USD: \"50.00\" }, within: 30d, by: [finance, finance] }]\n";

#[test]
fn crash_points_of_two_yeses() {
    every_point(Case::Approved, 4);
}

#[test]
fn crash_points_of_a_rejection_after_a_yes() {
    every_point(Case::Rejected, 1);
}

#[test]
fn crash_points_of_a_request_that_is_asked_anew() {
    every_point(Case::AskedAnew, 2);
}

#[test]
fn crash_points_of_a_request_that_a_newer_one_replaces() {
    every_point(Case::Superseded, 2);
}

#[test]
fn crash_points_of_a_withdrawal() {
    every_point(Case::Withdrawn, 1);
}

#[test]
fn crash_points_of_an_expiry() {
    every_point(Case::Expired, 1);
}

#[test]
fn crash_points_of_a_persons_word_that_it_is_done() {
    every_point(Case::Settled(true), 1);
}

#[test]
fn crash_points_of_a_persons_word_that_it_is_not_done() {
    every_point(Case::Settled(false), 1);
}

/// A shop whose refunds above 50 dollars take two of finance, and whose requests live
/// for ten minutes.
fn house() -> Machine {
    Machine::with(|dir| {
        change::pack(dir, |name, text| {
            Some(if name == "refund_lines.yaml" { format!("{text}{APPROVE}") } else { text })
        });
        let all = people(&[(BOB.0, "finance"), (CAROL.0, "finance")]);
        let edit = |name: &str, text: String| match name {
            "people.yaml" => all.clone(),
            _ => text.replace("proposals_live: 24h", "proposals_live: 10m"),
        };
        let keys = [(BOB.0, &Signer::new(BOB.1)), (CAROL.0, &Signer::new(CAROL.1))];
        change::policy(dir, edit, &keys);
    })
}

/// Every durable step of what people do, in every way; there are so many at least.
fn every_point(case: Case, steps: u32) {
    let machine = house();
    let mut tried = 0;
    for how in How::ALL {
        for at in 1..=PLENTY {
            if !live(&machine, case, (at, how)) {
                break;
            }
            tried += 1;
            assert!(at < PLENTY, "the flow has more steps than are plenty");
        }
    }
    assert!(tried >= steps * 6, "{case:?}: {tried} crash points");
    println!("{case:?}: {tried} crash points");
}

/// One life. Answers with whether the fault was met.
fn live(machine: &Machine, case: Case, fault: (u32, How)) -> bool {
    let what = format!("{case:?} {fault:?}");
    let life = machine.life();
    let begun = machine.run(&life, None, PATIENCE, async |hands| prepare(hands, case).await);
    let Run::Ended { answer: mut memory, .. } = begun else { panic!("{what}: not begun") };
    if case == Case::Expired {
        life.pass(SignedDuration::from_mins(11));
    } else if case == Case::Settled(false) {
        // Before that, what was sent may still show.
        life.pass(SignedDuration::from_mins(1));
    }
    let mut met = Vec::new();
    for fault in [Some(fault), None] {
        let run = machine.run(&life, fault, PATIENCE, async |hands: &Hands| {
            hands.recovered().await;
            pursue(hands, case, &mut memory).await
        });
        match run {
            Run::Crashed => met.push(true),
            Run::Ended { met: hit, answer } => {
                met.push(hit);
                assert!(answer, "{what}: not pursued to its end");
            }
            Run::Late => panic!("{what}: no end after {PATIENCE:?}"),
        }
    }
    if let Some(newer) = memory.newer.clone() {
        // Its own answers are the case of two yeses: nothing fails here.
        let run = machine.run(&life, None, PATIENCE, async |hands: &Hands| {
            approved(hands, &newer, &mut memory).await
        });
        assert!(matches!(run, Run::Ended { answer: true, .. }), "{what}: the newer one");
    }
    end::check(&what, machine, &life, case, &memory);
    met[0]
}

/// What stands before the first fault: a request that waits for one or two persons, or
/// an action in doubt.
async fn prepare(hands: &Hands, case: Case) -> Memory {
    if let Case::Settled(done) = case {
        return in_doubt(hands, done).await;
    }
    let wish = wished(hands, Wish::Refund, 1).await.unwrap();
    let proposal = hands.propose(wish.clone()).await.unwrap();
    let older = confirmed(hands, &proposal).await.unwrap();
    if case != Case::Approved {
        hands.answer((BOB.0, &Signer::new(BOB.1)), &older.card, Decision::Approve).await.unwrap();
    }
    if matches!(case, Case::AskedAnew | Case::Superseded) {
        let refund = StaffAct::Refund { amount: Some("10.00".into()) };
        hands.sandbox().staff("#1001", &refund).unwrap();
    }
    Memory { older, shown: None, newer: None, heard: vec![], matter: None, wish }
}

/// A cancellation that the shop says yes to and does nothing about.
async fn in_doubt(hands: &Hands, done: bool) -> Memory {
    let wish = wished(hands, Wish::Cancel, 1).await.unwrap();
    let proposal = hands.propose(wish.clone()).await.unwrap();
    hands.sandbox().fault(Fault::NoEffect);
    let action = hands.execute(&proposal).await.unwrap();
    assert_eq!(action.outcome(), v1::Outcome::Unknown, "{action:?}");
    if done {
        hands.sandbox().staff("#1001", &StaffAct::Cancel { staff_note: None }).unwrap();
    }
    let older = Asked { action_id: action.action_id, card: proposal.card.unwrap() };
    let matter = hands.matters().await.pop();
    Memory { older, shown: None, newer: None, heard: vec![], matter, wish }
}

async fn confirmed(hands: &Hands, proposal: &v1::Proposal) -> Result<Asked, tonic::Status> {
    let action = hands.execute(proposal).await?;
    let card = proposal.card.clone().unwrap();
    Ok(Asked { action_id: action.action_id, card })
}

/// What people do until the matter has its end: after each `STORE_UNAVAILABLE` they come
/// again. Who was told that their answer counts does not.
async fn pursue(hands: &Hands, case: Case, memory: &mut Memory) -> bool {
    for _ in 0..9 {
        let ended = match case {
            Case::Approved => approved(hands, &memory.older.clone(), memory).await,
            Case::AskedAnew | Case::Superseded => {
                if memory.newer.is_none() {
                    memory.newer = newer(hands, case, memory).await;
                }
                memory.newer.is_some()
            }
            Case::Rejected => {
                let carol = (CAROL.0, &Signer::new(CAROL.1));
                let no = hands.answer(carol, &memory.older.card, Decision::Reject).await;
                refused(no, "APPROVAL_REJECTED").is_some()
            }
            Case::Withdrawn => match hands.withdraw(&memory.older.card).await {
                Ok(action) => action.code == "PROPOSAL_WITHDRAWN",
                known => refused(known, "PROPOSAL_WITHDRAWN").is_some(),
            },
            Case::Expired => swept(hands, &memory.older).await,
            Case::Settled(done) => {
                let bob = (BOB.0, &Signer::new(BOB.1));
                let word = hands.finish(bob, memory.matter.as_ref().unwrap(), done).await;
                hands.told(word).is_ok_and(|action| action.outcome() != v1::Outcome::Unknown)
            }
        };
        if ended {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    false
}

/// Both say yes, and then nobody does anything: what counts is carried out.
async fn approved(hands: &Hands, asked: &Asked, memory: &mut Memory) -> bool {
    for (who, seed) in [BOB, CAROL] {
        if memory.heard.contains(&who) {
            continue;
        }
        let yes = hands.answer((who, &Signer::new(seed)), &asked.card, Decision::Approve).await;
        if hands.told(yes).is_err() {
            return false;
        }
        memory.heard.push(who);
    }
    swept(hands, asked).await
}

/// Without anybody's doing: what the executor does by itself, now and again.
async fn swept(hands: &Hands, asked: &Asked) -> bool {
    // A store that is down is asked again later, as in the service.
    let _ = hands.desk.sweep().await;
    if let Some(mut steps) = hands.desk.running.follow(&asked.action_id.parse().unwrap()) {
        while steps.changed().await.is_ok() {}
    }
    let standing = hands.told(hands.standing(&asked.action_id).await);
    standing.is_ok_and(|action| action.state() == v1::ActionState::Sealed)
}

/// The request in the older one's place, once the customer has confirmed it.
async fn newer(hands: &Hands, case: Case, memory: &mut Memory) -> Option<Asked> {
    if memory.shown.is_none() {
        memory.shown = shown(hands, case, memory).await;
    }
    hands.told(confirmed(hands, memory.shown.as_ref()?).await).ok()
}

async fn shown(hands: &Hands, case: Case, memory: &Memory) -> Option<v1::Proposal> {
    if case == Case::Superseded {
        return hands.told(hands.propose(memory.wish.clone()).await).ok();
    }
    let carol = (CAROL.0, &Signer::new(CAROL.1));
    let yes = hands.answer(carol, &memory.older.card, Decision::Approve).await;
    let changed = refused(yes, "STATE_CHANGED")?;
    let card = hands.card(&changed.action_id.unwrap()).await;
    let proposal_id = card.proposal_id.clone();
    Some(v1::Proposal { proposal_id, card: Some(card), ..v1::Proposal::default() })
}

/// The refusal that it has to be; none where the store failed.
fn refused(answer: Result<v1::Action, tonic::Status>, code: &str) -> Option<Refusal> {
    let status = answer.expect_err("it should have been refused");
    let refusal = Refusal::from_status(&status).expect("a refusal of ours");
    if refusal.code == "STORE_UNAVAILABLE" {
        return None;
    }
    assert_eq!(refusal.code, code, "{refusal:?}");
    Some(refusal)
}
