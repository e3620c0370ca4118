//! What every store has to do, asked of each of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod controls;
mod erasure;
mod history;
mod lost_keys;
mod people;
mod register;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::contract::{Body, Catalog};
use countersign_core::error::Refused;
use countersign_core::lifecycle::{Event, State, fold, next};
use countersign_core::limit::Budget;
use countersign_core::policy::Policy;
use countersign_core::seal::{self, Leaf};
use countersign_core::subject::Subject;
use countersign_shared::ids::{ActionId, ObservationId, ReceiptId};
use countersign_shared::tlog::key::LogKey;
use ed25519_dalek::SigningKey;
use jiff::Timestamp;

pub(crate) use controls::*;
pub(crate) use erasure::*;
pub(crate) use history::*;
pub(crate) use lost_keys::*;
pub(crate) use people::*;
pub(crate) use register::*;
pub(crate) use turns::*;

use crate::grants::tests::shop::PACK;
use crate::ports::{Named, Store, StoreError};
use crate::store::LogSource;
use crate::testing::{applied, catalog, event, granted, id, proposed, with_limits};

/// Where a store lives; opened again, it is the same one after a restart.
#[async_trait]
pub(crate) trait Bed: Send + Sync {
    async fn open(&self) -> Arc<dyn Store>;
    /// What feeds its published log.
    async fn source(&self) -> LogSource;
}

/// Every case for one kind of bed.
macro_rules! conform {
    ($bed:path) => {
        $crate::store::conformance::conform!(
            $bed:
            at_most_one_holds_an_intent_and_an_object,
            of_many_that_claim_at_once_one_wins,
            a_proposal_that_is_claimed_twice_is_claimed_once,
            a_limit_holds_among_claims_that_race,
            a_claim_that_was_not_made_durable_is_given_back,
            a_claim_ends_with_its_process,
            a_refusal_opens_the_next_occasion_and_frees_the_object,
            what_was_applied_is_done_and_what_is_unknown_stays_locked,
            what_an_earlier_process_left_is_adopted,
            two_writers_of_one_journal_cannot_both_win,
            a_request_is_replaced_whole_or_not_at_all,
            receipts_of_one_batch_share_a_checkpoint_that_proves_each,
            one_that_fails_takes_nothing_with_it,
            receipts_are_found_by_what_is_asked,
            the_published_folder_follows,
            what_nobody_needs_goes_and_what_was_begun_stays,
            in_quarantine_it_reads_and_does_nothing_else,
            switches_turn_with_their_receipt,
            what_is_activated_takes_the_place_of_the_earlier,
            what_was_found_is_kept_by_its_digest,
            a_matter_is_opened_once_taken_by_one_and_closed,
            matters_are_cut_after_they_are_chosen,
            tries_are_counted_apart_and_end,
            a_match_is_of_its_subject_and_conversation,
            evidence_is_of_its_subject_and_conversation,
            text_that_no_database_likes_is_kept_apart,
            proposals_that_wait_are_counted,
            a_sink_is_fed_by_one_and_remembers_how_far,
            whoever_is_erased_is_unreadable_and_nothing_else_changes,
            an_erasure_waits_for_what_is_under_way_and_for_a_hold,
            plaintext_ends_with_its_time_and_a_hold_keeps_it,
            turns_are_found_by_whose_and_when_and_go_when_they_are_old,
            conversations_cost_what_their_turns_did,
            a_conversation_has_one_rating_by_its_own_subject,
            a_guest_who_is_matched_midway_has_one_conversation,
            a_turn_that_is_told_too_late_names_no_erased_guest,
            an_address_leads_to_whoever_asked_with_it,
            receipts_are_found_by_their_time,
            actions_are_found_by_each_filter,
            pages_of_actions_follow_each_other,
            days_are_summed_with_the_receipts,
            each_thing_is_counted_once,
            whoever_is_erased_is_not_found_and_still_counted
        );
    };
    ($bed:path: $($case:ident),*) => {
        mod conformance {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let bed = $bed().await;
                $crate::store::conformance::$case(&bed).await;
            })*
        }
    };
}
pub(crate) use conform;

pub(crate) fn key() -> Arc<LogKey> {
    Arc::new(LogKey::new("test/log", SigningKey::from_bytes(&[7; 32])).unwrap())
}

pub(crate) fn lifecycle(events: &[Event]) -> State {
    fold(events.to_vec()).unwrap()
}

/// Begins an action up to its claim.
pub(crate) async fn claim(
    store: &dyn Store,
    n: u32,
    intent: &str,
    lock: &str,
) -> Result<(Vec<Event>, State), Refused> {
    within(store, n, intent, lock, &Budget::default()).await
}

async fn within(
    store: &dyn Store,
    n: u32,
    intent: &str,
    lock: &str,
    budget: &Budget,
) -> Result<(Vec<Event>, State), Refused> {
    let mut events = vec![proposed(n, intent, lock), granted()];
    let State::Granted(granted) = lifecycle(&events) else { panic!("granted") };
    let taken = store.claim(&granted, budget, Timestamp::now()).await.unwrap()?;
    events.push(Event::Claimed(taken));
    let state = lifecycle(&events);
    Ok((events, state))
}

/// The same, where an earlier claim is about to be given back.
async fn claim_soon(store: &dyn Store, n: u32, intent: &str, lock: &str) -> (Vec<Event>, State) {
    for _ in 0..500 {
        if let Ok(claimed) = claim(store, n, intent, lock).await {
            return claimed;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{intent} is not given back");
}

/// Up to here, claimed from the store and sent, and how it ended.
pub(crate) async fn settled(
    store: &dyn Store,
    n: u32,
    intent: &str,
    lock: &str,
    outcome: &str,
) -> (Vec<Event>, State, Leaf) {
    let (mut events, _) = claim(store, n, intent, lock).await.unwrap();
    events.extend(applied().into_iter().skip(1));
    events.pop();
    events.push(event(serde_json::json!(
        { "settled": { "outcome": outcome, "code": "", "message": "" } })));
    let receipt: ReceiptId = id("rcp", n).parse().unwrap();
    let leaf = seal::seal(&lifecycle(&events), None, &receipt, Timestamp::now()).unwrap();
    events.push(Event::Sealed(receipt));
    let state = lifecycle(&events);
    (events, state, leaf)
}

pub(crate) fn refused(state: State, n: u32) -> (Vec<Event>, State, Leaf) {
    let event = crate::testing::refused("no");
    let state = next(Some(state), event.clone()).unwrap();
    let State::Refused(stopped) = &state else { panic!("refused") };
    let receipt: ReceiptId = id("rcp", n).parse().unwrap();
    let asked = stopped.proposal.asked();
    let leaf = seal::refusal(asked, "p.t", None, &stopped.refused, &receipt, Timestamp::now());
    let sealed = Event::Sealed(receipt);
    let state = next(Some(state), sealed.clone()).unwrap();
    (vec![event, sealed], state, leaf)
}

/// A receipt of no action.
fn leaf(n: u32) -> Leaf {
    refused(lifecycle(&[proposed(n, &format!("i{n}"), &format!("o{n}"))]), n).2
}

pub(crate) fn owner() -> Subject {
    lifecycle(&[proposed(1, "i", "o")]).proposal().asked().subject.clone()
}

pub(crate) fn action(n: u32) -> ActionId {
    id("act", n).parse().unwrap()
}

async fn at_once<T: Send + 'static>(
    many: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = many.into_iter().map(tokio::spawn).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all
}

pub(crate) async fn at_most_one_holds_an_intent_and_an_object(bed: &impl Bed) {
    let store = bed.open().await;
    let (events, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    // Reserved, and not in the journal yet.
    assert_eq!(claim(&*store, 2, "i1", "o1").await.unwrap_err().code, "IN_FLIGHT");
    assert_eq!(claim(&*store, 3, "i2", "o1").await.unwrap_err().code, "OBJECT_IN_DOUBT");
    assert!(claim(&*store, 4, "i3", "o2").await.is_ok());
    let latest = store.known("i1").await.unwrap().unwrap();
    assert_eq!((latest.action, latest.outcome), (action(1), None));
    store.append(0, events, &state).await.unwrap();
    store.release(state.proposal().action());
    // Durable now: a new process knows as much.
    drop(store);
    let store = bed.open().await;
    assert_eq!(claim(&*store, 2, "i1", "o1").await.unwrap_err().code, "IN_FLIGHT");
    assert_eq!(claim(&*store, 3, "i2", "o1").await.unwrap_err().code, "OBJECT_IN_DOUBT");
    assert_eq!(store.unfinished().await.unwrap().len(), 1);
}

pub(crate) async fn of_many_that_claim_at_once_one_wins(bed: &impl Bed) {
    let store = bed.open().await;
    for round in 0..5_u32 {
        let claims = (0..8_u32).map(|n| {
            let store = Arc::clone(&store);
            // Half of them the same wish, the others of the same object.
            let intent = if n % 2 == 0 { format!("r{round}") } else { format!("r{round}-{n}") };
            async move { claim(&*store, round * 8 + n, &intent, &format!("o{round}")).await }
        });
        let all = at_once(claims.collect::<Vec<_>>()).await;
        assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1, "round {round}");
        for no in all.into_iter().filter_map(Result::err) {
            assert!(["IN_FLIGHT", "OBJECT_IN_DOUBT"].contains(&no.code.as_str()), "{no:?}");
        }
    }
}

pub(crate) async fn a_proposal_that_is_claimed_twice_is_claimed_once(bed: &impl Bed) {
    let store = bed.open().await;
    let claims = (0..4).map(|_| {
        let store = Arc::clone(&store);
        async move { claim(&*store, 1, "i1", "o1").await }
    });
    let all = at_once(claims.collect::<Vec<_>>()).await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
    let no = all.into_iter().find_map(Result::err).unwrap();
    assert_eq!((no.code, no.other_action), ("IN_FLIGHT".into(), Some(action(1).to_string())));
}

/// At most two a day, whatever is asked for at once.
fn budget(catalog: &Catalog, policy: &Policy, n: u32) -> Budget {
    let contract = &catalog.tools["shop.refund"];
    let Body::Write(body) = &contract.body else { panic!("a write") };
    let State::Proposed(parked) = lifecycle(&[proposed(n, &format!("i{n}"), "o")]) else {
        panic!()
    };
    Budget::of(parked.proposal(), &[], contract, body, policy)
}

pub(crate) async fn a_limit_holds_among_claims_that_race(bed: &impl Bed) {
    let store = bed.open().await;
    let catalog = Arc::new(catalog(&PACK));
    let limit = "[{ name: day, per: tenant, tools: [\"*\"], within: 1d, count: 2 }]";
    let policy = Arc::new(with_limits(limit));
    let claims = (0..8_u32).map(|n| {
        let (store, budget) = (Arc::clone(&store), budget(&catalog, &policy, n));
        async move { within(&*store, n, &format!("i{n}"), &format!("o{n}"), &budget).await }
    });
    let all = at_once(claims.collect::<Vec<_>>()).await;
    let (yes, no): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    assert_eq!(yes.len(), 2);
    assert!(no.iter().all(|one| one.as_ref().unwrap_err().code == "VELOCITY_EXCEEDED"), "{no:?}");
    // What came to nothing is not booked any more; what is in the journal is.
    let mut yes = yes.into_iter().map(Result::unwrap);
    for (n, end) in [(1, true), (2, false)] {
        let (events, state) = yes.next().unwrap();
        store.append(0, events, &state).await.unwrap();
        store.release(state.proposal().action());
        if end {
            let (events, state, leaf) = refused(state, n);
            store.seal(leaf, Some((3, events, &state))).await.unwrap();
        }
    }
    drop(store);
    let store = bed.open().await;
    store.adopt().await.unwrap();
    let budget = |n| budget(&catalog, &policy, n);
    within(&*store, 21, "i21", "o21", &budget(21)).await.unwrap();
    let no = within(&*store, 22, "i22", "o22", &budget(22)).await.unwrap_err();
    assert_eq!(no.code, "VELOCITY_EXCEEDED");
    let spent = store.spent(&budget(23), Timestamp::now()).await.unwrap();
    assert_eq!(budget(23).check(&spent).unwrap_err().code, "VELOCITY_EXCEEDED");
}

pub(crate) async fn a_claim_that_was_not_made_durable_is_given_back(bed: &impl Bed) {
    let store = bed.open().await;
    let (_, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    store.release(state.proposal().action());
    let (_, state) = claim_soon(&*store, 2, "i1", "o1").await;
    let State::Claimed(claimed) = state else { panic!("claimed") };
    assert_eq!(claimed.occasion(), 0);
}

/// INTENT FIRST: what was only reserved was not sent.
pub(crate) async fn a_claim_ends_with_its_process(bed: &impl Bed) {
    let store = bed.open().await;
    claim(&*store, 1, "i1", "o1").await.unwrap();
    drop(store);
    let store = bed.open().await;
    assert!(store.adopt().await.unwrap().is_empty(), "nothing was begun");
    claim(&*store, 2, "i1", "o1").await.unwrap();
}

pub(crate) async fn a_refusal_opens_the_next_occasion_and_frees_the_object(bed: &impl Bed) {
    let store = bed.open().await;
    let (events, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    store.append(0, events, &state).await.unwrap();
    let (events, state, leaf) = refused(state, 1);
    assert_eq!(store.seal(leaf, Some((3, events, &state))).await.unwrap().index, 0);
    store.release(state.proposal().action());
    assert!(store.unfinished().await.unwrap().is_empty());
    let (events, state) = claim(&*store, 2, "i1", "o1").await.unwrap();
    let State::Claimed(claimed) = &state else { panic!("claimed") };
    assert_eq!(claimed.occasion(), 1);
    store.append(0, events, &state).await.unwrap();
    assert_eq!(store.refused("i1").await.unwrap(), [0], "the second is under way");
    assert!(store.refused("i2").await.unwrap().is_empty());
}

pub(crate) async fn what_was_applied_is_done_and_what_is_unknown_stays_locked(bed: &impl Bed) {
    let store = bed.open().await;
    for (n, outcome) in [(1, "applied"), (2, "unknown"), (3, "not_applied")] {
        let (intent, lock) = (format!("i{n}"), format!("o{n}"));
        let (events, state, leaf) = settled(&*store, n, &intent, &lock, outcome).await;
        store.seal(leaf, Some((0, events, &state))).await.unwrap();
        store.release(state.proposal().action());
    }
    let code = async |n, intent: &str, lock: &str| {
        claim(&*store, n, intent, lock).await.map_or_else(|no| no.code, |_| "claimed".into())
    };
    assert_eq!(code(11, "i1", "o1").await, "ALREADY_DONE");
    assert_eq!(code(12, "i2", "o2").await, "OBJECT_IN_DOUBT");
    assert_eq!(code(13, "other", "o2").await, "OBJECT_IN_DOUBT");
    assert_eq!(code(14, "i3", "o3").await, "claimed");
    assert_eq!(code(15, "another", "o1").await, "claimed");
    let latest = store.known("i1").await.unwrap().unwrap();
    assert_eq!(latest.receipt, Some(id("rcp", 1).parse().unwrap()));
}

pub(crate) async fn what_an_earlier_process_left_is_adopted(bed: &impl Bed) {
    let store = bed.open().await;
    let (events, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    store.append(0, events.clone(), &state).await.unwrap();
    let waits = vec![proposed(2, "i2", "o2")];
    store.append(0, waits.clone(), &lifecycle(&waits)).await.unwrap();
    assert!(store.holds(&action(1)).await.unwrap());
    assert!(!store.lease().left().is_zero());
    drop(store);
    let store = bed.open().await;
    assert_eq!(store.adopt().await.unwrap(), [action(1)]);
    assert!(store.holds(&action(1)).await.unwrap());
    // It goes on where it was.
    let (events, state, leaf) = refused(state, 1);
    store.seal(leaf, Some((3, events, &state))).await.unwrap();
    assert_eq!(store.unfinished().await.unwrap().len(), 0);
    store.leave().await.unwrap();
}

pub(crate) async fn two_writers_of_one_journal_cannot_both_win(bed: &impl Bed) {
    let store = bed.open().await;
    let events = vec![proposed(1, "i1", "o1")];
    let state = lifecycle(&events);
    store.append(0, events.clone(), &state).await.unwrap();
    assert_eq!(store.append(0, events.clone(), &state).await, Err(StoreError::Conflict));
    assert_eq!(store.journal(&owner(), Named::Action(action(1))).await.unwrap(), events);
}

/// Whatever part of a replacement fails, the older request waits as it was.
pub(crate) async fn a_request_is_replaced_whole_or_not_at_all(bed: &impl Bed) {
    let store = bed.open().await;
    let older = vec![proposed(1, "i1", "o1")];
    let state = lifecycle(&older);
    store.append(0, older.clone(), &state).await.unwrap();
    let begun = vec![proposed(2, "i1", "o1")];
    let taken = vec![proposed(3, "i1", "o1")];
    store.append(0, taken.clone(), &lifecycle(&taken)).await.unwrap();
    let replace = async |seq: u64, newer: &[Event]| {
        let (events, ended, leaf) = refused(state.clone(), 1);
        let newer = (newer.to_vec(), &lifecycle(newer));
        store.replace(leaf, (seq, events, &ended), newer).await
    };
    // The newer one is there already; somebody answered the older one meanwhile.
    for (seq, newer) in [(1, &taken), (0, &begun)] {
        assert_eq!(replace(seq, newer).await, Err(StoreError::Conflict));
        let journal = async |n| store.journal(&owner(), Named::Action(action(n))).await.unwrap();
        assert_eq!(journal(1).await, older);
        assert_eq!(journal(2).await, []);
        assert_eq!(store.checkpoint().await.unwrap(), "", "no receipt");
    }
    assert_eq!(replace(1, &begun).await, Ok(0));
}

pub(crate) async fn proposals_that_wait_are_counted(bed: &impl Bed) {
    let store = bed.open().await;
    for n in 1..4 {
        let events = vec![proposed(n, &format!("i{n}"), "o")];
        store.append(0, events.clone(), &lifecycle(&events)).await.unwrap();
    }
    let (caller, long_ago) = ("spiffe://t/planner", "2025-12-31T00:00:00Z".parse().unwrap());
    let open = store.open(&owner(), caller, long_ago).await.unwrap();
    assert_eq!((open.subject, open.planner), (3, 3));
    let open = store.open(&owner(), "spiffe://t/other", Timestamp::now()).await.unwrap();
    assert_eq!((open.subject, open.planner), (0, 0));
    assert_eq!(store.parked(Named::Action(action(2))).await.unwrap().len(), 1);
    assert!(store.waiting().await.unwrap().is_empty());
}
