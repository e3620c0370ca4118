//! A write through all its stages, with no I/O at all: each effect class against
//! each way an attempt can end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "support/open.rs"]
mod open;
#[path = "support/shop.rs"]
mod shop;

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::abandon::abandon;
use countersign_core::answer::Verdict;
use countersign_core::claim::{self, Known};
use countersign_core::contract::{Body, Catalog, Contract, WriteBody, load};
use countersign_core::dispatch::{self, Account, AttemptResult};
use countersign_core::effect::{Ask, ask};
use countersign_core::error::Refused;
use countersign_core::finish;
use countersign_core::gate::{self, Facts};
use countersign_core::grant::{self, Signers};
use countersign_core::lifecycle::{Event, Outcome, Settlement, State as Life, fold, next};
use countersign_core::limit::{Budget, Spent};
use countersign_core::plan::{Confidence, ModelUse, Plan, Source, Step, admit};
use countersign_core::policy::Policy;
use countersign_core::proposal::{Asked, Fresh, draft};
use countersign_core::resolve::{Arguments, Evidence, resolve};
use countersign_core::seal;
use countersign_core::signed::Keyring;
use countersign_core::state::State;
use countersign_core::subject::Subject;
use countersign_core::value::Value;
use countersign_core::verify::{Look, Sight};
use countersign_shared::codes::Code;
use countersign_shared::receipt::Receipt;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shop::{Shop, sale};

const MARKER: &str = "{ class: marker, visible_within: 2s, probe: { on: 2026-01-01, source: x } }";
const FINAL: &str = "{ class: marker, visible_within: 2s, irreversible: true, probe: { on: 2026-01-01, source: x } }";
const KEYED: &str =
    "{ class: server_key, window: 24h, irreversible: true, probe: { on: 2026-01-01, source: x } }";
const VERSIONED: &str =
    "{ class: compare_and_set, visible_within: 2s, probe: { on: 2026-01-01, source: x } }";
const NUMBERED: &str =
    "{ class: client_id, visible_within: 2s, probe: { on: 2026-01-01, source: x } }";
/// Nobody has seen that its marker shows: as good as blind.
const UNPROBED: &str = "{ class: marker, visible_within: 2s }";
const BLIND: &str = "{ class: blind, irreversible: true, probe: { on: 2026-01-01, source: x } }";

fn lost() -> Verdict {
    Verdict::Lost { why: "cut".into() }
}

fn absent() -> Sight {
    Sight::Absent { facts: json!({}) }
}

fn outcome(asked: Ask) -> (Outcome, String) {
    let Ask::Settle(settlement) = asked else { panic!("not settled: {asked:?}") };
    (settlement.outcome, settlement.code)
}

#[test]
fn gates_refuse_and_say_which() {
    let shop = Shop::new(MARKER);
    let code = |score: f64, state: &State| shop.propose(&shop.plan(score), state).unwrap_err().code;
    assert_eq!(code(0.9, &sale("bob", true, "5.00")), "NOT_THE_SUBJECTS");
    assert_eq!(code(0.9, &sale("", true, "5.00")), "OWNER_UNKNOWN");
    assert_eq!(code(0.9, &sale("ann", false, "5.00")), "TOO_LATE");
    assert_eq!(code(0.7, &sale("ann", true, "5.00")), "CONFIDENCE_TOO_LOW");
    assert_eq!(code(0.9, &sale("ann", true, "100.01")), "CONFIDENCE_TOO_LOW");
    assert!(shop.propose(&shop.plan(0.9), &sale("ann", true, "100.00")).is_ok());
    assert_eq!(code(0.9, &State::default()), "OWNER_UNKNOWN", "nothing read: refuse");
    // A refusal carries the findings until then, the refusing one last.
    let refused = shop.propose(&shop.plan(0.9), &sale("ann", false, "5.00")).unwrap_err();
    assert_eq!(
        refused.findings.last().map(|f| (f.gate.as_str(), f.passed)),
        Some(("TOO_LATE", false))
    );
}

#[test]
fn what_a_journal_gives_back_is_what_was_and_is_written_alike() {
    let journal = Shop::new(MARKER).sent();
    let texts: Vec<_> = journal.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
    let back: Vec<Event> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(back, journal);
    let again: Vec<_> = back.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
    assert_eq!(again, texts);
    let (live, read) = (fold(journal).unwrap(), fold(back).unwrap());
    assert_eq!(live.proposal().digest(), read.proposal().digest());
    // Findings and state as an earlier executor wrote them.
    let finding = r#"{"gate":"TOO_LATE","passed":true,"facts":{"rule":"state.sale.open","state.sale.open":true}}"#;
    assert!(texts[0].contains(finding), "{}", texts[0]);
    let state = r#""state":{"sale.open":true,"sale.owner":"ann","sale.paid":{"amount":"5.00","currency":"USD"}}"#;
    assert!(texts[0].contains(state), "{}", texts[0]);
}

#[test]
fn fresh_state_refuses_what_was_not_shown() {
    let shop = Shop::new(MARKER);
    let journal = shop.sent();
    let Life::Claimed(claimed) = fold(journal[..3].to_vec()).unwrap() else { panic!() };
    let plan = shop.plan(0.9);
    let arguments = shop.arguments(&plan);
    let changed = sale("ann", true, "6.00");
    let asked = shop.asked(&plan);
    let refused = gate::decide(&claimed, &shop.facts(&arguments, &asked, &changed)).unwrap_err();
    assert_eq!(refused.code, "STATE_CHANGED");
    assert!(refused.message.contains("sale.paid"), "{}", refused.message);
}

#[test]
fn a_refusal_under_the_lock_shows_what_its_gates_saw() {
    let shop = Shop::new(MARKER);
    let journal = shop.sent();
    let (plan, id) = (shop.plan(0.9), format!("rcp_{:026}", 1).parse().unwrap());
    let Life::Claimed(claimed) = fold(journal[..3].to_vec()).unwrap() else { panic!() };
    let sealed = |steps: usize, refused: Refused| {
        let mut events = journal[..steps].to_vec();
        // As the journal reads it back.
        let text = serde_json::to_string(&Event::Refused(Box::new(refused))).unwrap();
        events.push(serde_json::from_str(&text).unwrap());
        let state = fold(events).unwrap();
        seal::seal(&state, Some(shop.contract()), &id, shop.now).unwrap().receipt
    };
    let decide = |state: &State| {
        let (arguments, asked) = (shop.arguments(&plan), shop.asked(&plan));
        sealed(3, gate::decide(&claimed, &shop.facts(&arguments, &asked, state)).unwrap_err())
    };
    let gates = |receipt: &Receipt| {
        receipt.gates.iter().map(|g| (g.gate.clone(), g.passed)).collect::<Vec<_>>()
    };
    let changed = decide(&sale("ann", true, "6.00"));
    assert_eq!(changed.before["sale.paid"]["amount"], "6.00", "{}", changed.before);
    assert_eq!(gates(&changed).last(), Some(&("unchanged".to_owned(), false)));
    let closed = decide(&sale("ann", false, "5.00"));
    assert_eq!(closed.before["sale.open"], false, "{}", closed.before);
    assert_eq!(gates(&closed).last(), Some(&("TOO_LATE".to_owned(), false)));
    // SUBJECT OWNS IT: of another's object nothing is kept.
    let others = decide(&sale("bob", true, "5.00"));
    assert_eq!((others.code.as_str(), &others.before), ("NOT_THE_SUBJECTS", &json!(null)));
    let asked = [("strength".to_owned(), true), ("subject".to_owned(), false)];
    assert_eq!(gates(&others), asked);
    // Nothing could be read: no gate is said to have passed.
    let unread = sealed(3, Refused::new(Code::StateUnreadable, "down"));
    assert_eq!((gates(&unread), unread.before), (vec![], json!(null)));
    // The request could not be made: every gate had passed.
    let Life::Cleared(cleared) = fold(journal[..4].to_vec()).unwrap() else { panic!() };
    let no_way = cleared.passed().refuse(Refused::new(Code::EgressDenied, "no connection"));
    let no_way = sealed(4, no_way);
    assert_eq!(gates(&no_way).last(), Some(&("unchanged".to_owned(), true)));
    assert_eq!(no_way.before["sale.paid"]["amount"], "5.00");
}

#[test]
fn no_byte_is_sent_twice_without_a_reason() {
    let shop = Shop::new(MARKER);
    let mut journal = shop.sent();
    assert_eq!(shop.ask(&journal, 0), Ask::Send);
    journal.push(shop.answered(Verdict::Accepted { response: Value::Null }));
    assert_eq!(shop.ask(&journal, 0), Ask::Look(shop.now));
    // A marker class never sends again after a lost reply; a key class does.
    for (effect, resends) in [(MARKER, false), (FINAL, false), (KEYED, true), (BLIND, false)] {
        let shop = Shop::new(effect);
        let mut journal = shop.sent();
        journal.push(shop.answered(lost()));
        let asked = shop.ask(&journal, 0);
        assert_eq!(matches!(asked, Ask::Resend(_)), resends, "{effect}: {asked:?}");
    }
}

#[test]
fn a_key_is_not_used_past_the_backends_window() {
    let shop = Shop::new(KEYED);
    let mut journal = shop.sent();
    journal.push(shop.answered(lost()));
    let day = 24 * 3600;
    assert!(matches!(shop.ask(&journal, day - day / 20 - 1), Ask::Resend(_)));
    assert!(
        matches!(shop.ask(&journal, day - day / 20), Ask::Look(_)),
        "5 % before the end it looks"
    );
}

/// FRESH STATE: somebody may have removed what was made, and it would be made anew.
#[test]
fn an_object_with_our_id_is_not_asked_for_again_once_the_gates_answers_are_old() {
    let shop = Shop::new(NUMBERED);
    let mut journal = shop.sent();
    journal.push(shop.answered(lost()));
    assert!(matches!(shop.ask(&journal, 595), Ask::Resend(_)));
    for late in [600, 2 * 24 * 3600] {
        assert!(matches!(shop.ask(&journal, late), Ask::Look(_)), "{late}");
    }
    // One that was put off meanwhile is neither.
    journal.extend([Event::Resent(shop.now), shop.answered(Verdict::Throttled { after: None })]);
    assert!(matches!(shop.ask(&journal, 595), Ask::Resend(_)));
    assert!(matches!(shop.ask(&journal, 2 * 24 * 3600), Ask::Look(_)));
}

#[test]
fn a_clock_that_was_set_back_sends_no_key_again() {
    let shop = Shop::new(KEYED);
    let mut journal = shop.sent();
    journal.push(shop.answered(lost()));
    assert!(matches!(shop.ask(&journal, 0), Ask::Resend(_)), "it stands still");
    assert!(matches!(shop.ask(&journal, -3600), Ask::Look(_)), "before the first send");
    // The newest time that is known counts, not the first send alone.
    let later = shop.now.checked_add(SignedDuration::from_hours(2)).unwrap();
    let result = AttemptResult { at: later, status: None, verdict: lost(), raw: String::new() };
    journal.extend([Event::Resent(later), Event::Answered(Box::new(result))]);
    assert!(matches!(shop.ask(&journal, 3600), Ask::Look(_)));
    assert!(matches!(shop.ask(&journal, 2 * 3600), Ask::Resend(_)));
    // Nor is one sent again that the backend only put off.
    let busy = Verdict::Throttled { after: None };
    journal.extend([Event::Resent(later), shop.answered(busy)]);
    assert!(matches!(shop.ask(&journal, 3600), Ask::Look(_)));
}

#[test]
fn blind_is_never_resolved_by_itself() {
    let shop = Shop::new(BLIND);
    let mut journal = shop.sent();
    journal.push(shop.answered(lost()));
    assert_eq!(outcome(shop.ask(&journal, 0)), (Outcome::Unknown, "REPLY_LOST".into()));
}

#[test]
fn refusals_prove_only_what_they_can() {
    let shop = Shop::new(KEYED);
    let no = || Verdict::Rejected { code: "TOO_LATE".into(), message: "closed".into() };
    let mut journal = shop.sent();
    journal.push(shop.answered(no()));
    assert_eq!(outcome(shop.ask(&journal, 0)), (Outcome::NotApplied, "TOO_LATE".into()));
    // After a lost attempt the same refusal may be about our own effect: look.
    let mut journal = shop.sent();
    journal.extend([shop.answered(lost()), Event::Resent(shop.now), shop.answered(no())]);
    assert!(matches!(shop.ask(&journal, 0), Ask::Look(_)));
    // "Already so" is looked at; with a single attempt and nothing of ours it was somebody else.
    let guard = Verdict::Guard { code: "TOO_LATE".into(), message: "already".into() };
    let mut journal = shop.sent();
    journal.push(shop.answered(guard));
    assert!(matches!(shop.ask(&journal, 0), Ask::Look(_)));
    journal.push(shop.looked(absent(), 0));
    assert_eq!(outcome(shop.ask(&journal, 0)), (Outcome::NotApplied, "TOO_LATE".into()));
}

/// One request may land twice on its way, and what the first landing made, a version, an
/// object of our id or a sale that is closed now, refuses the second.
#[test]
fn a_guard_proves_nothing_until_our_effect_had_time_to_show() {
    for class in [VERSIONED, NUMBERED, MARKER] {
        let shop = Shop::new(class);
        let guard = Verdict::Guard { code: "TOO_LATE".into(), message: "already".into() };
        let mut journal = shop.sent();
        journal.extend([shop.answered(guard), shop.looked(absent(), 1)]);
        assert!(matches!(shop.ask(&journal, 1), Ask::Look(_)));
        journal.push(shop.looked(absent(), 2));
        assert_eq!(outcome(shop.ask(&journal, 2)), (Outcome::NotApplied, "TOO_LATE".into()));
    }
}

/// What was seen before anything was sent is not taken back by a look that lags.
#[test]
fn an_effect_that_was_found_first_is_never_told_as_not_applied() {
    let (shop, mut journal) = (Shop::new(MARKER), Shop::new(MARKER).sent());
    let verdict = Verdict::Guard { code: "ALREADY_DONE".into(), message: "not sent".into() };
    let found = AttemptResult { at: shop.now, status: None, verdict, raw: String::new() };
    journal.extend([Event::Answered(Box::new(found)), shop.looked(absent(), 0)]);
    assert!(matches!(shop.ask(&journal, 0), Ask::Look(_)));
    journal.push(shop.looked(absent(), 3600));
    assert_eq!(outcome(shop.ask(&journal, 3600)).0, Outcome::Unknown);
}

#[test]
fn transient_is_bounded_and_obeys_the_backend() {
    let shop = Shop::new(MARKER);
    let mut journal = shop.sent();
    let busy = |after| Verdict::Throttled { after: Some(Duration::from_secs(after)) };
    journal.push(shop.answered(busy(7)));
    assert_eq!(
        shop.ask(&journal, 0),
        Ask::Resend(shop.now.checked_add(SignedDuration::from_secs(7)).unwrap())
    );
    for _ in 0..4 {
        journal.extend([Event::Resent(shop.now), shop.answered(busy(7))]);
    }
    assert_eq!(outcome(shop.ask(&journal, 0)), (Outcome::NotApplied, "BACKEND_THROTTLED".into()));
    let mut journal = shop.sent();
    journal.push(shop.answered(busy(3600)));
    assert_eq!(outcome(shop.ask(&journal, 0)), (Outcome::NotApplied, "BACKEND_THROTTLED".into()));
}

/// Tries it whenever that is asked for, and no try leaves: what comes after the last one,
/// and the pauses before each.
fn unreached(shop: &Shop, journal: &mut Vec<Event>, halted: bool) -> (Ask, Vec<SignedDuration>) {
    let (mut now, mut pauses) = (shop.now, Vec::new());
    loop {
        match ask(&fold(journal.clone()).unwrap(), shop.contract(), now) {
            Ask::Send => {}
            Ask::Resend(at) => {
                pauses.push(at.duration_since(now));
                now = at;
                journal.push(Event::Resent(at));
            }
            asked @ (Ask::AwaitGrants
            | Ask::Claim
            | Ask::Gate
            | Ask::Prepare
            | Ask::Look(_)
            | Ask::Settle(_)
            | Ask::Seal
            | Ask::Nothing) => return (asked, pauses),
        }
        let verdict = Verdict::NotSent { why: "no route".into(), halted };
        let result = AttemptResult { at: now, status: None, verdict, raw: String::new() };
        journal.push(Event::Answered(Box::new(result)));
    }
}

/// Ten minutes with ever longer pauses, so that a receipt holds every try; one minute where
/// a look may tell what an earlier try did.
#[test]
fn what_never_left_uses_up_no_attempt_and_is_tried_for_so_long() {
    let shop = Shop::new(MARKER);
    let (ended, fresh) = unreached(&shop, &mut shop.sent(), false);
    assert_eq!(outcome(ended), (Outcome::NotApplied, "BACKEND_UNREACHABLE".into()));
    let (ended, halted) = unreached(&shop, &mut shop.sent(), true);
    assert_eq!(outcome(ended), (Outcome::NotApplied, "EFFECTS_HALTED".into()), "not the backend's");
    assert_eq!(halted, fresh);
    let shop = Shop::new(KEYED);
    let mut journal = shop.sent();
    journal.push(shop.answered(lost()));
    let (ended, in_doubt) = unreached(&shop, &mut journal, false);
    assert!(matches!(ended, Ask::Look(_)), "{ended:?}");
    for (pauses, long, tries) in [(fresh, 530..=601, 12..40), (in_doubt, 20..=61, 5..12)] {
        let whole = pauses.iter().copied().fold(SignedDuration::ZERO, |sum, pause| sum + pause);
        assert!(long.contains(&whole.as_secs()), "{whole}");
        assert!(tries.contains(&pauses.len()), "{pauses:?}");
        assert!(pauses.iter().all(|pause| pause.as_millis() >= 100 && pause.as_secs() <= 60));
    }
}

#[test]
fn attempts_are_counted_by_what_may_have_reached_the_backend() {
    let shop = Shop::new(KEYED);
    let mut journal = shop.sent();
    for _ in 0..6 {
        let unsent = Verdict::NotSent { why: "no route".into(), halted: false };
        journal.extend([shop.answered(unsent), Event::Resent(shop.now)]);
    }
    for _ in 0..4 {
        journal.extend([shop.answered(lost()), Event::Resent(shop.now)]);
    }
    journal.pop();
    assert!(matches!(shop.ask(&journal, 0), Ask::Resend(_)), "four were lost");
    journal.extend([Event::Resent(shop.now), shop.answered(lost())]);
    assert!(matches!(shop.ask(&journal, 0), Ask::Look(_)), "the fifth was the last");
}

#[test]
fn a_yes_that_does_not_show_is_a_mismatch() {
    let shop = Shop::new(MARKER);
    let mut journal = shop.sent();
    journal.push(shop.answered(Verdict::Accepted { response: Value::Null }));
    journal.push(shop.looked(absent(), 1));
    assert!(matches!(shop.ask(&journal, 1), Ask::Look(_)), "within the bound it looks again");
    assert!(matches!(shop.ask(&journal, 3600), Ask::Look(_)), "after a pause it looks, too");
    journal.push(shop.looked(absent(), 3));
    assert_eq!(outcome(shop.ask(&journal, 3)), (Outcome::Unknown, "VERIFY_MISMATCH".into()));
    journal.push(shop.looked(Sight::Wrong { facts: json!({}) }, 3));
    assert_eq!(outcome(shop.ask(&journal, 3)), (Outcome::Unknown, "VERIFY_MISMATCH".into()));
    journal.push(shop.looked(Sight::Many { count: 2 }, 3));
    assert_eq!(outcome(shop.ask(&journal, 3)), (Outcome::Unknown, "DUPLICATE_EFFECT".into()));
    journal.push(shop.looked(Sight::Pending { facts: json!({}) }, 19));
    assert!(matches!(shop.ask(&journal, 19), Ask::Look(_)));
    journal.push(shop.looked(Sight::Pending { facts: json!({}) }, 21));
    assert_eq!(outcome(shop.ask(&journal, 21)), (Outcome::Unknown, "VERIFY_TIMEOUT".into()));
    journal.push(shop.looked(Sight::Failed { facts: json!({}) }, 21));
    assert_eq!(outcome(shop.ask(&journal, 21)), (Outcome::NotApplied, "BACKEND_REFUSED".into()));
}

/// After a recovery what never left is looked for too: it may have been sent since.
#[test]
fn a_read_that_fails_is_made_again_for_its_time_however_late_it_begins() {
    let away = || Sight::Unreadable { why: "away".into() };
    let unsent = Verdict::NotSent { why: "no route".into(), halted: false };
    let shop = Shop::new(FINAL);
    for (verdict, code) in [(lost(), "REPLY_LOST"), (unsent, "HISTORY_MISSING")] {
        let mut journal = shop.sent();
        journal.extend([shop.answered(verdict), shop.looked(away(), 3600)]);
        assert!(matches!(shop.ask(&journal, 3600), Ask::Look(_)), "{code}");
        journal.push(shop.looked(away(), 3619));
        assert!(matches!(shop.ask(&journal, 3619), Ask::Look(_)), "{code}");
        let mut absent_then = journal.clone();
        journal.push(shop.looked(away(), 3620));
        assert_eq!(outcome(shop.ask(&journal, 3620)), (Outcome::Unknown, code.into()));
        absent_then.push(shop.looked(absent(), 3619));
        assert!(matches!(shop.ask(&absent_then, 3619), Ask::Look(_)), "only one saw nothing");
        // The next that fails begins anew, an hour later as well.
        let mut failing_then = absent_then.clone();
        failing_then.push(shop.looked(away(), 7200));
        assert!(matches!(shop.ask(&failing_then, 7200), Ask::Look(_)), "{code}");
        failing_then.push(shop.looked(away(), 7220));
        assert_eq!(outcome(shop.ask(&failing_then, 7220)), (Outcome::Unknown, code.into()));
        absent_then.push(shop.looked(absent(), 3621));
        assert_eq!(outcome(shop.ask(&absent_then, 3621)), (Outcome::Unknown, code.into()));
    }
}

#[test]
fn absence_after_a_lost_reply_waits_and_looks_twice() {
    let each =
        [(MARKER, Outcome::NotApplied), (FINAL, Outcome::Unknown), (UNPROBED, Outcome::Unknown)];
    for (effect, ends) in each {
        let shop = Shop::new(effect);
        let mut journal = shop.sent();
        journal.push(shop.answered(lost()));
        journal.push(shop.looked(absent(), 0));
        // It may show at any time; 10 s for the backend to finish and 2 s to show.
        for (now, next) in [(0, 1), (1, 2), (2, 4), (4, 8), (8, 12), (11, 12)] {
            let at = shop.now.checked_add(SignedDuration::from_secs(next)).unwrap();
            assert_eq!(shop.ask(&journal, now), Ask::Look(at));
        }
        journal.push(shop.looked(absent(), 12));
        let second = shop.now.checked_add(SignedDuration::from_secs(14)).unwrap();
        assert_eq!(shop.ask(&journal, 12), Ask::Look(second));
        journal.push(shop.looked(absent(), 14));
        assert_eq!(outcome(shop.ask(&journal, 14)).0, ends, "{effect}");
    }
}

/// AT MOST ONE EFFECT: it frees the object and opens the next occasion.
#[test]
fn a_persons_no_counts_only_once_what_was_sent_can_show_no_more() {
    for effect in [MARKER, FINAL, BLIND] {
        let shop = Shop::new(effect);
        let quiet = if effect == BLIND { 15 } else { 12 };
        let mut journal = shop.sent();
        journal.push(shop.answered(lost()));
        journal.push(Event::Settled(Settlement::new(Outcome::Unknown, "REPLY_LOST", "")));
        let Life::Settled(settled) = fold(journal).unwrap() else { panic!() };
        let word = |done: bool, open: bool, untouched: bool, after: i64| {
            let statement = json!({
                "id": "fay", "issuer": "d", "role": "finance", "done": done, "note": "",
                "at": shop.now, "jws": "",
            });
            let statement = serde_json::from_value(statement).unwrap();
            let looked = Value::Object(BTreeMap::from([("open".to_owned(), Value::Bool(open))]));
            let sight = if untouched {
                Sight::Many { count: 2 }
            } else {
                Sight::Absent { facts: json!({}) }
            };
            let at = shop.now.checked_add(SignedDuration::from_secs(after)).unwrap();
            let look = Look { at, looked, sight };
            finish::decide(&settled, statement, look, untouched, shop.contract())
        };
        for untouched in [false, true] {
            let early = word(false, true, untouched, 0).unwrap_err();
            assert_eq!(early.code, "IN_FLIGHT", "{effect}");
            assert_eq!(early.retry_after, Some(Duration::from_secs(quiet)), "{effect}");
            let until = format!("until 2026-01-01T00:00:{quiet}Z");
            assert!(early.message.contains(&until), "{}", early.message);
            let quiet = i64::try_from(quiet).unwrap();
            assert_eq!(word(false, true, untouched, quiet - 1).unwrap_err().code, "IN_FLIGHT");
            assert!(word(false, true, untouched, quiet).is_ok(), "{effect}");
        }
        // What the read shows is there whenever it is looked at.
        assert!(word(true, false, false, 0).is_ok());
        assert_eq!(word(false, false, false, 0).unwrap_err().code, "HUMAN_DISAGREES");
    }
}

/// Nothing of it goes to a colleague, so none is promised (NO CLAIM WITHOUT A RECEIPT).
#[test]
fn absence_that_is_proved_is_not_told_in_words_of_doubt() {
    let unsent = Verdict::NotSent { why: "no route".into(), halted: false };
    for verdict in [lost(), unsent] {
        let shop = Shop::new(MARKER);
        let mut journal = shop.sent();
        journal.push(shop.answered(verdict));
        journal.extend([shop.looked(absent(), 12), shop.looked(absent(), 14)]);
        let Ask::Settle(settlement) = shop.ask(&journal, 14) else { panic!() };
        journal.push(Event::Settled(settlement));
        let id = format!("rcp_{:026}", 1).parse().unwrap();
        let state = fold(journal).unwrap();
        let leaf = seal::seal(&state, Some(shop.contract()), &id, shop.now).unwrap();
        let (outcome, code) = (leaf.receipt.outcome.as_str(), leaf.receipt.code.as_str());
        assert_eq!((outcome, code), ("not_applied", "REPLY_LOST"));
        assert_eq!(leaf.receipt.said, "That was not done. Nothing was changed.");
        assert_eq!(leaf.queue, seal::Queue::Stays);
    }
}

#[test]
fn found_after_a_lost_reply_is_applied_and_receipted() {
    let shop = Shop::new(FINAL);
    let mut journal = shop.sent();
    journal.push(shop.answered(lost()));
    let output = json!({ "amount": "5.00" }).as_object().unwrap().clone();
    journal.push(shop.looked(Sight::Right { output, facts: json!({}) }, 0));
    let Ask::Settle(settlement) = shop.ask(&journal, 0) else { panic!() };
    journal.push(Event::Settled(settlement));
    let state = fold(journal.clone()).unwrap();
    let id = format!("rcp_{:026}", 1).parse().unwrap();
    let leaf = seal::seal(&state, Some(shop.contract()), &id, shop.now).unwrap();
    assert_eq!(leaf.receipt.outcome, "applied");
    assert_eq!(leaf.receipt.verification.evidence, ["read_back"]);
    assert_eq!(leaf.receipt.said, format!("Paid back USD 5.00 ({id})."));
    assert_eq!(leaf.receipt.next, "none");
    assert!(serde_json::to_vec(&leaf.receipt).unwrap().len() < seal::MAX_BYTES);
    // The journal survives its own serialisation, step by step.
    let mut live: Option<Life> = None;
    for event in journal {
        let text = serde_json::to_string(&event).unwrap();
        let read: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(read, event);
        live = Some(next(live, read).unwrap());
    }
    assert_eq!(live, Some(state));
}

#[test]
fn four_outcomes_hold_without_the_contract() {
    let shop = Shop::new(MARKER);
    let whole = shop.sent();
    let accepted = shop.answered(Verdict::Accepted { response: Value::Null });
    let looked = shop.looked(Sight::Pending { facts: json!({}) }, 1);
    let whole = [whole, vec![accepted, looked]].concat();
    // A proposal waits for its grants as before.
    assert_eq!(abandon(&fold(whole[..1].to_vec()).unwrap(), shop.now), None);
    for steps in 2..=whole.len() {
        let mut state = fold(whole[..steps].to_vec()).unwrap();
        let (stood, sent) = (state.name(), steps >= 5);
        while let Some(event) = abandon(&state, shop.now) {
            state = next(Some(state), event).unwrap();
        }
        let id = format!("rcp_{:026}", 1).parse().unwrap();
        let receipt = seal::seal(&state, None, &id, shop.now).unwrap().receipt;
        let ends = if sent { ("unknown", "person") } else { ("refused", "none") };
        assert_eq!((receipt.outcome.as_str(), receipt.next.as_str()), ends, "{stood}");
        assert_eq!(receipt.code, "TOOL_UNKNOWN", "{stood}");
        assert_eq!(receipt.attempts.len(), usize::from(sent), "{stood}");
        assert_eq!(receipt.backend.is_some_and(|b| b.pack == "till"), sent, "{stood}");
        assert_eq!(!receipt.key.is_empty(), steps >= 3, "{stood}: what was claimed has its key");
        // Told neither as done nor as not done.
        assert_eq!(receipt.said.contains("A colleague will check"), sent, "{}", receipt.said);
    }
}

#[test]
fn steps_out_of_order_are_illegal() {
    let shop = Shop::new(MARKER);
    let journal = shop.sent();
    for at in 0..journal.len() {
        let mut skipped = journal.clone();
        skipped.remove(at);
        assert!(fold(skipped).is_err() || at + 1 == journal.len(), "without step {at}");
        let mut twice = journal.clone();
        twice.insert(at, journal[at].clone());
        assert!(fold(twice).is_err(), "step {at} twice");
    }
}
