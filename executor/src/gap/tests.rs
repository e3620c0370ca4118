#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;

use countersign_core::answer::Verdict;
use countersign_core::dispatch::AttemptResult;
use countersign_core::effect::Ask;
use countersign_core::lifecycle::{Event, fold};
use countersign_core::plan::Source;
use countersign_core::subject::Subject;
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;
use serde_json::json;

use crate::desk::{Desk, Done, Request};
use crate::grants::tests::house::Impatient;
use crate::grants::tests::shop::{PACK, Shop};
use crate::ports::{Named, ReceiptQuery};
use crate::standing::{Gap, Standing};
use crate::testing::{catalog, desk, plan, policy};
use crate::turned::Turned;

/// A desk in a gap, whose refunds need nobody; the pack is changed by `edit`.
fn in_gap(folder: &std::path::Path, shop: &Arc<Shop>, edit: impl Fn(&str) -> String) -> Desk {
    let since = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    in_gap_since(since, folder, shop, edit)
}

fn in_gap_since(
    since: Timestamp,
    folder: &std::path::Path,
    shop: &Arc<Shop>,
    edit: impl Fn(&str) -> String,
) -> Desk {
    let files = PACK.map(|(name, text)| (name, edit(&without_approval(text))));
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let backends = Arc::clone(shop) as _;
    let desk = desk(folder, (catalog(&files), policy()), backends, Arc::new(Impatient));
    let gap = Some(Gap { since, missing: 1 });
    desk.pipeline.vitals.stand(&Standing { gap, ..Standing::default() });
    desk
}

pub(crate) fn without_approval(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with("approve:"));
    kept.collect::<Vec<_>>().join("\n")
}

fn subject() -> Subject {
    let subject = serde_json::from_value(json!({
        "tenant": "t", "issuer": "i", "id": "s", "signs_as": "s",
        "claims": { "customer_id": "c1" },
        "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
        "verified_at": Timestamp::now(),
    }));
    subject.unwrap()
}

/// The customer's wish.
async fn ask(desk: &Desk) -> Result<Done, Turned> {
    let reason = ("reason".to_owned(), Source::Model("damaged".into()));
    let request = Request { caller: "planner".into(), subject: subject(), messages: vec![] };
    desk.execute_plan(&request, &plan("shop.refund", [reason].into())).await
}

/// The customer's wish, carried out; answers with its receipt.
pub(crate) async fn refund(desk: &Desk) -> Receipt {
    let _told = ask(desk).await;
    let query = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
    let newest = desk.pipeline.store.receipts(query).await.unwrap();
    newest[0].open().unwrap()
}

#[tokio::test]
async fn an_effect_whose_receipt_is_lost_is_found_and_not_done_again() {
    let shop = Arc::<Shop>::default();
    let first = tempfile::tempdir().unwrap();
    let done = refund(&in_gap(first.path(), &shop, str::to_owned)).await;
    assert_eq!((done.outcome.as_str(), shop.refunds()), ("applied", 1), "{}", done.message);
    // A store that knows nothing of it has the same key for the same wish.
    let second = tempfile::tempdir().unwrap();
    let again = refund(&in_gap(second.path(), &shop, str::to_owned)).await;
    assert_eq!((again.outcome.as_str(), shop.refunds()), ("applied", 1), "{}", again.message);
    assert_eq!(again.verification.evidence, ["read_back"]);
    assert_eq!(again.key, done.key);
    assert_eq!(again.attempts.iter().filter(|a| a.status.is_some()).count(), 0, "nothing answered");
}

/// A desk of a store that is lost.
async fn lost(shop: &Arc<Shop>) -> Receipt {
    let folder = tempfile::tempdir().unwrap();
    refund(&in_gap(folder.path(), shop, str::to_owned)).await
}

#[tokio::test]
async fn right_after_a_recovery_absence_says_nothing_and_uses_no_key_up() {
    let shop = Arc::<Shop>::default();
    let folder = tempfile::tempdir().unwrap();
    let desk = in_gap_since(Timestamp::now(), folder.path(), &shop, str::to_owned);
    let early = ask(&desk).await.err().unwrap();
    assert_eq!((early.refused.code.as_str(), shop.refunds()), ("EFFECTS_HALTED", 0));
    // What was under way shows, and it is asked again as told.
    let done = lost(&shop).await;
    let since = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let gap = Some(Gap { since, missing: 1 });
    desk.pipeline.vitals.stand(&Standing { gap, ..Standing::default() });
    let again = refund(&desk).await;
    assert_eq!((again.outcome.as_str(), shop.refunds()), ("applied", 1), "{}", again.message);
    assert_eq!(again.key, done.key);
    assert!(early.receipt.is_none(), "nothing was begun");
}

/// Away after so many reads, it is refused by a gate or by the look, which uses its key up.
#[tokio::test]
async fn what_was_refused_may_have_been_done_and_is_looked_for_too() {
    for (reads, code) in [(1, "BACKEND_UNREACHABLE"), (2, "HISTORY_MISSING")] {
        let shop = Arc::<Shop>::default();
        let done = lost(&shop).await;
        let folder = tempfile::tempdir().unwrap();
        let desk = in_gap(folder.path(), &shop, str::to_owned);
        shop.away_after(reads);
        let refused = refund(&desk).await;
        assert_eq!((refused.code.as_str(), &refused.key), (code, &done.key));
        shop.back();
        for _ in 0..2 {
            let again = refund(&desk).await;
            assert_eq!((again.code.as_str(), shop.refunds()), ("HISTORY_MISSING", 1), "{reads}");
            assert_ne!(again.key, done.key);
        }
    }
}

#[tokio::test]
async fn what_was_refused_and_not_done_is_done() {
    let shop = Arc::<Shop>::default();
    let folder = tempfile::tempdir().unwrap();
    let desk = in_gap(folder.path(), &shop, str::to_owned);
    shop.away_after(1);
    assert_eq!(refund(&desk).await.code, "BACKEND_UNREACHABLE");
    shop.back();
    let done = refund(&desk).await;
    assert_eq!((done.outcome.as_str(), shop.refunds()), ("applied", 1), "{}", done.message);
}

/// Each key costs a look between the gates and the sending.
#[tokio::test]
async fn what_was_refused_too_often_goes_to_a_person() {
    for (refusals, code, done) in [(4, "", 1), (5, "HISTORY_MISSING", 0)] {
        let shop = Arc::<Shop>::default();
        let folder = tempfile::tempdir().unwrap();
        let desk = in_gap(folder.path(), &shop, str::to_owned);
        for _ in 0..refusals {
            // The dry run reads; the gates do not, which uses its key up.
            shop.away_after(1);
            assert_eq!(refund(&desk).await.code, "BACKEND_UNREACHABLE");
            shop.back();
        }
        let told = refund(&desk).await;
        assert_eq!((told.code.as_str(), shop.refunds()), (code, done), "{}", told.message);
        assert_eq!(told.next == "person", done == 0);
    }
}

#[tokio::test]
async fn what_cannot_be_looked_for_goes_to_a_person() {
    let shop = Arc::<Shop>::default();
    let folder = tempfile::tempdir().unwrap();
    let blind = |text: &str| {
        let class = "{ class: server_key, window: 24h, irreversible: true, probe: { on: 2026-11-21, source: \"https://shop.example/docs\" } }";
        text.replace(class, "{ class: blind, irreversible: true }")
    };
    let refused = refund(&in_gap(folder.path(), &shop, blind)).await;
    assert_eq!((refused.code.as_str(), refused.next.as_str()), ("HISTORY_MISSING", "person"));
    assert_eq!(shop.refunds(), 0);
}

#[tokio::test]
async fn a_look_that_fails_goes_to_a_person() {
    let shop = Arc::<Shop>::default();
    let folder = tempfile::tempdir().unwrap();
    let desk = in_gap(folder.path(), &shop, str::to_owned);
    // The dry run and the gates read; the look does not.
    shop.away_after(2);
    let refused = refund(&desk).await;
    assert_eq!((refused.code.as_str(), refused.next.as_str()), ("HISTORY_MISSING", "person"));
    shop.back();
    assert_eq!(shop.refunds(), 0);
}

/// A journal of the backup ends where nothing had left yet.
#[tokio::test]
async fn what_may_have_been_sent_before_the_recovery_is_looked_for_and_not_sent_again() {
    let shop = Arc::<Shop>::default();
    let folder = tempfile::tempdir().unwrap();
    let desk = in_gap(folder.path(), &shop, str::to_owned);
    let action = Named::Action(refund(&desk).await.action_id.parse().unwrap());
    let mut journal = desk.pipeline.store.journal(&subject(), action).await.unwrap();
    let sent = journal.iter().position(|event| matches!(event, Event::Intended(_))).unwrap();
    journal.truncate(sent + 1);
    let at = Timestamp::now();
    let answered = |verdict| {
        let result = AttemptResult { at, status: None, verdict, raw: String::new() };
        Event::Answered(Box::new(result))
    };
    let unsent = || answered(Verdict::NotSent { why: "no route".into(), halted: false });
    let lost = answered(Verdict::Lost { why: "cut".into() });
    let mut doubted = journal.clone();
    doubted.extend([lost, Event::Resent(at), unsent()]);
    journal.push(unsent());
    let contract = &desk.pipeline.catalog.tools["shop.refund"];
    let after = |journal: &[Event]| {
        let state = fold(journal.to_vec()).unwrap();
        desk.pipeline.unless_forgotten(Ask::Resend(at), &state, contract)
    };
    for journal in [&journal, &doubted] {
        let next = after(journal);
        assert_eq!(next, Ask::Resend(at), "nothing is forgotten that came after the recovery");
    }
    let since = at + jiff::SignedDuration::from_secs(1);
    desk.pipeline
        .vitals
        .stand(&Standing { gap: Some(Gap { since, missing: 1 }), ..Standing::default() });
    // Whatever is known of an earlier try, the forgotten one may still be about to show.
    for journal in [&journal, &doubted] {
        let next = after(journal);
        assert!(matches!(next, Ask::Look(at) if at > since), "{next:?}");
    }
}
