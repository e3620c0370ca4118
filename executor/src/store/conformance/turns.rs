//! What planners told of their turns, and whose address is whose.

use std::ops::Range;

use super::*;

use countersign_core::person::Person;
use countersign_core::subject::{Matched, Strength};
use countersign_shared::ids::TurnId;
use jiff::SignedDuration;

use crate::conversations::{Cost, Costs, Rating, Ratings};
use crate::ports::{ReceiptQuery, Turn, TurnQuery};
use crate::register::day_of;
use crate::store::old::first_id;

/// A turn that was told so many days ago.
pub(crate) fn turn(who: &Subject, conversation: &str, days: i64) -> Turn {
    let at = Timestamp::now() - SignedDuration::from_hours(24 * days);
    let [tenant, issuer, subject] = [&who.tenant, &who.issuer, &who.id].map(Clone::clone);
    Turn {
        id: TurnId::from_uuid(first_id(at)),
        tenant,
        issuer,
        subject,
        conversation: conversation.into(),
        external_ref: "T-1".into(),
        trace: days.to_string(),
        body: "{\"told\":{}}".into(),
        cost: None,
    }
}

pub(crate) fn ada() -> Subject {
    let claims = BTreeMap::from([("email".to_owned(), "Ada@Example.com".to_owned())]);
    Subject { id: "ada".into(), signs_as: "ada".into(), claims, ..owner() }
}

pub(crate) async fn turns_are_found_by_whose_and_when_and_go_when_they_are_old(bed: &impl Bed) {
    let store = bed.open().await;
    let (old, week, today) =
        (turn(&owner(), "c", 400), turn(&ada(), "c", 7), turn(&owner(), "d", 0));
    for (who, turn) in [(owner(), &today), (owner(), &old), (ada(), &week)] {
        store.record(&who, turn.clone()).await.unwrap();
    }
    assert!(store.record(&owner(), today.clone()).await.is_err(), "each is told once");
    let one = TurnQuery { limit: 1, ..TurnQuery::default() };
    assert_eq!(store.turns(one).await.unwrap(), [today], "as it was told, the newest first");
    let found = async |query: TurnQuery| {
        let found = store.turns(TurnQuery { limit: 9, ..query }).await.unwrap();
        found.into_iter().map(|turn| turn.trace).collect::<Vec<_>>()
    };
    let all = TurnQuery::default;
    assert_eq!(found(all()).await, ["0", "7", "400"]);
    let person = store.person(&Person::of(&ada()));
    assert_eq!(found(TurnQuery { person, ..all() }).await, ["7"]);
    let conversation = TurnQuery { conversation: "c".into(), tenant: "t".into(), ..all() };
    assert_eq!(found(conversation).await, ["7", "400"]);
    assert_eq!(found(TurnQuery { external_ref: "T-1".into(), ..all() }).await.len(), 3);
    assert!(found(TurnQuery { tenant: "u".into(), ..all() }).await.is_empty());
    let now = Timestamp::now();
    let yesterday = Some(now - SignedDuration::from_hours(24));
    assert_eq!(found(TurnQuery { from: yesterday, ..all() }).await, ["0"]);
    let month = Some(now - SignedDuration::from_hours(24 * 30));
    assert_eq!(found(TurnQuery { from: month, to: yesterday, ..all() }).await, ["7"]);
    let keep = crate::purge::Keep { proposals: Duration::from_secs(3600), plaintext: 13 };
    let held = store.person(&Person::of(&owner()));
    store.hold(held.clone(), true, says(1)).await.unwrap();
    assert_eq!(crate::purge::round(&*store, now, keep).await.unwrap(), 0, "held");
    store.hold(held, false, says(2)).await.unwrap();
    assert_eq!(crate::purge::round(&*store, now, keep).await.unwrap(), 1);
    assert_eq!(found(all()).await, ["0", "7"]);
}

pub(crate) async fn conversations_cost_what_their_turns_did(bed: &impl Bed) {
    let store = bed.open().await;
    let told = async |who: &Subject, conversation: &str, days: i64, cost: Option<(&str, i64)>| {
        let cost = cost.map(|(currency, micros)| Cost { currency: currency.into(), micros });
        let turn = Turn { cost, ..turn(who, conversation, days) };
        store.record(who, turn).await.unwrap();
    };
    let today = day_of(Timestamp::now());
    told(&owner(), "c", 3, Some(("USD", 5))).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    told(&owner(), "c", 2, Some(("USD", 6))).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    told(&ada(), "c", 2, Some(("USD", 100))).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    told(&ada(), "d", 2, Some(("EUR", 7))).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    told(&ada(), "e", 2, None).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    told(&ada(), "e", 1, Some(("USD", 4))).await;
    let costs = async |tenant: Option<&str>, days: Range<i64>| {
        let costs = store.costs(tenant.map(str::to_owned), days).await.unwrap();
        let flat = |c: Costs| (today - c.day, c.currency, c.spent.micros, c.spent.conversations);
        costs.into_iter().map(flat).collect::<Vec<_>>()
    };
    let row = |ago, currency: &str, micros, count| (ago, currency.to_owned(), micros, count);
    let (usd, eur) = (row(3, "USD", 11, 1), row(2, "EUR", 7, 1));
    let all = [usd, eur.clone(), row(2, "USD", 104, 2)];
    assert_eq!(
        costs(None, today - 9..today + 1).await,
        all,
        "each on the day on which it began, and one for each person"
    );
    assert_eq!(costs(Some("t"), today - 9..today + 1).await, all);
    assert_eq!(costs(Some("u"), today - 9..today + 1).await, []);
    let later = [eur, row(2, "USD", 104, 2)];
    assert_eq!(costs(None, today - 2..today).await, later, "of those that began within the time");
    assert_eq!(costs(None, today - 1..today + 1).await, [], "all of it counts where it began");
    let person = store.person(&Person::of(&ada()));
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.erase(vec![(person, says(9))], Timestamp::now()).await.unwrap().unwrap();
    assert_eq!(costs(None, today - 9..today + 1).await, all, "of whoever is erased sums are left");
    forgotten(&*store).await;
    assert_eq!(costs(None, today - 9..today + 1).await, all, "and of what is too old");
}

/// So much later that no turn is kept.
async fn forgotten(store: &dyn Store) {
    let keep = crate::purge::Keep { proposals: Duration::from_secs(3600), plaintext: 13 };
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 500);
    crate::purge::round(store, later, keep).await.unwrap();
    let left = store.turns(TurnQuery { limit: 9, ..TurnQuery::default() }).await.unwrap();
    assert_eq!(left, []);
}

/// Conversations with costs and ratings, and what they sum up to.
pub(crate) async fn summed(store: &dyn Store) -> (Vec<Costs>, Vec<Ratings>) {
    let usd = |micros| Some(Cost { currency: "USD".into(), micros });
    for (who, days, cost) in [
        (owner(), 5, None),
        (owner(), 4, usd(7)),
        (owner(), 3, usd(2)),
        (ada(), 2, usd(1)),
        (ada(), 1, None),
    ] {
        store.record(&who, Turn { cost, ..turn(&who, "c", days) }).await.unwrap();
    }
    for (who, day, score) in [(owner(), 7, 2), (owner(), 8, 5), (ada(), 8, 5)] {
        assert!(store.rate(&who, "c", Rating { day, score }).await.unwrap());
    }
    let (costs, ratings) = sums(store).await;
    assert_eq!((costs.len(), ratings.len()), (2, 1));
    (costs, ratings)
}

/// Leads back to the layout in which there were no sums yet.
pub(crate) const BEFORE_SUMS: &str = "
    DROP TABLE cost_days; DROP TABLE rating_days;
    DROP INDEX turns_by_guest; DROP INDEX turns_by_conversation;
    DROP INDEX turns_by_owner; DROP INDEX turns_by_currency; DROP INDEX escalations_ended;
    ALTER TABLE turns DROP COLUMN guest;
    CREATE INDEX turns_by_conversation ON turns (conversation, turn_id);
    CREATE INDEX turns_by_cost ON turns (day);
    CREATE INDEX turns_by_rating ON turns (rated);
    DELETE FROM migrations WHERE number > 20";

/// All sums of conversations.
pub(crate) async fn sums(store: &dyn Store) -> (Vec<Costs>, Vec<Ratings>) {
    let costs = store.costs(None, 0..i64::MAX).await.unwrap();
    (costs, store.ratings(None, 0..i64::MAX).await.unwrap())
}

pub(crate) async fn a_conversation_has_one_rating_by_its_own_subject(bed: &impl Bed) {
    let store = bed.open().await;
    for (who, conversation, days) in [(owner(), "c", 3), (owner(), "c", 2), (ada(), "d", 1)] {
        store.record(&who, turn(&who, conversation, days)).await.unwrap();
    }
    let rate = async |who: &Subject, conversation: &str, day: i64, score: i64| {
        store.rate(who, conversation, Rating { day, score }).await.unwrap()
    };
    assert!(!rate(&ada(), "c", 7, 1).await, "somebody else's");
    assert!(!rate(&owner(), "x", 7, 1).await, "none");
    let ratings = async |tenant: Option<&str>, days: Range<i64>| {
        let ratings = store.ratings(tenant.map(str::to_owned), days).await.unwrap();
        ratings.into_iter().map(|r| (r.rating.day, r.rating.score, r.count)).collect::<Vec<_>>()
    };
    assert_eq!(ratings(None, 0..99).await, []);
    assert!(rate(&owner(), "c", 7, 2).await && rate(&owner(), "c", 8, 5).await);
    assert!(rate(&ada(), "d", 8, 5).await);
    assert_eq!(ratings(None, 0..99).await, [(8, 5, 2)], "the latest");
    assert_eq!(ratings(Some("t"), 8..9).await, [(8, 5, 2)]);
    assert_eq!(ratings(Some("u"), 0..99).await, []);
    assert_eq!(ratings(None, 0..8).await, []);
    let person = store.person(&Person::of(&ada()));
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.erase(vec![(person, says(9))], Timestamp::now()).await.unwrap().unwrap();
    assert_eq!(ratings(None, 0..99).await, [(8, 5, 2)], "of whoever is erased the sum is left");
    assert!(rate(&owner(), "c", 9, 1).await);
    assert_eq!(ratings(None, 0..99).await, [(8, 5, 1), (9, 1, 1)]);
    forgotten(&*store).await;
    assert_eq!(ratings(None, 0..99).await, [(8, 5, 1), (9, 1, 1)], "and of what is too old");
    assert!(!rate(&owner(), "c", 9, 2).await, "nothing of it is kept");
}

fn guest(name: &str) -> Subject {
    let (id, signs_as) = (name.into(), name.into());
    Subject { id, signs_as, strength: Strength::Asserted, ..owner() }
}

fn matches() -> Matched {
    let claims = BTreeMap::from([("email".to_owned(), "b@example.com".to_owned())]);
    Matched { claims, at: Timestamp::now() }
}

/// A guest whose match is kept, and whom they were matched to.
pub(crate) async fn guest_and_matched(store: &dyn Store) -> [Subject; 2] {
    let (guest, matches) = (guest("g"), matches());
    store.remember_match(&guest, "planner c", matches.clone()).await.unwrap();
    let at = matches.at;
    [guest.clone(), guest.raised(Some(matches), at)]
}

pub(crate) async fn a_turn_that_is_told_too_late_names_no_erased_guest(bed: &impl Bed) {
    let store = bed.open().await;
    let [guest, matched] = guest_and_matched(&*store).await;
    let found = async || {
        let rating = Rating { day: 7, score: 5 };
        store.rate(&guest, "c", rating).await.unwrap()
    };
    store.record(&matched, turn(&matched, "c", 3)).await.unwrap();
    assert!(found().await, "by the name in the token");
    let person = store.person(&Person::of(&guest));
    tokio::time::sleep(Duration::from_millis(2)).await;
    store.erase(vec![(person.clone(), says(9))], Timestamp::now()).await.unwrap().unwrap();
    // Who it is of was found before they were erased.
    store.record(&matched, turn(&matched, "c", 2)).await.unwrap();
    assert!(!found().await && !store.knows(&person).await.unwrap());
    // Who comes back and is matched again is one with whom they are matched to.
    guest_and_matched(&*store).await;
    store.record(&matched, turn(&matched, "c", 1)).await.unwrap();
    assert!(found().await && store.knows(&person).await.unwrap());
}

pub(crate) async fn a_guest_who_is_matched_midway_has_one_conversation(bed: &impl Bed) {
    let store = bed.open().await;
    let matched = guest("g").raised(Some(matches()), Timestamp::now());
    assert_ne!(matched.id, "g");
    for (who, conversation, days, micros) in [
        (guest("g"), "c", 5, 1),
        (matched.clone(), "c", 4, 2),
        (guest("h"), "c", 3, 4),
        (matched.clone(), "d", 2, 8),
    ] {
        let cost = Some(Cost { currency: "USD".into(), micros });
        store.record(&who, Turn { cost, ..turn(&who, conversation, days) }).await.unwrap();
    }
    let (costs, _) = sums(&*store).await;
    let costs: Vec<_> = costs.iter().map(|c| (c.spent.micros, c.spent.conversations)).collect();
    assert_eq!(costs, [(3, 1), (4, 1), (8, 1)], "neither another guest's nor another one");
    let rated = async |who: &Subject, day: i64, score: i64| {
        assert!(store.rate(who, "c", Rating { day, score }).await.unwrap());
        let (_, ratings) = sums(&*store).await;
        ratings.into_iter().map(|r| (r.rating.day, r.rating.score, r.count)).collect::<Vec<_>>()
    };
    assert_eq!(rated(&guest("g"), 7, 2).await, [(7, 2, 1)]);
    assert_eq!(rated(&matched, 8, 5).await, [(8, 5, 1)], "the later in the place of the earlier");
    assert_eq!(rated(&guest("g"), 9, 4).await, [(9, 4, 1)], "also once the match is over");
    assert_eq!(rated(&guest("h"), 9, 4).await, [(9, 4, 2)]);
    // Of whoever is erased nothing is left in the other's turns.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let person = store.person(&Person::of(&guest("g")));
    store.erase(vec![(person, says(9))], Timestamp::now()).await.unwrap().unwrap();
    assert!(!store.rate(&guest("g"), "c", Rating { day: 9, score: 1 }).await.unwrap());
}

pub(crate) async fn an_address_leads_to_whoever_asked_with_it(bed: &impl Bed) {
    let store = bed.open().await;
    let [ada_is, owner_is] = [ada(), owner()].map(|who| store.person(&Person::of(&who)));
    assert!(store.persons_of("ada@example.com").await.unwrap().is_empty());
    store.record(&ada(), turn(&ada(), "c", 0)).await.unwrap();
    store.record(&owner(), turn(&owner(), "c", 1)).await.unwrap();
    assert_eq!(store.persons_of(" ADA@example.com").await.unwrap(), [ada_is]);
    // Asking for something is enough.
    let json = serde_json::to_string(&proposed(7, "i7", "o7")).unwrap();
    let json = json.replacen("\"claims\":{}", "\"claims\":{\"email\":\"b@example.com\"}", 1);
    let asked: Event = serde_json::from_str(&json).unwrap();
    store.append(0, vec![asked.clone()], &lifecycle(&[asked])).await.unwrap();
    assert_eq!(store.persons_of("b@example.com").await.unwrap(), [owner_is]);
}

pub(crate) async fn receipts_are_found_by_their_time(bed: &impl Bed) {
    let store = bed.open().await;
    let at = |day: i64| Timestamp::from_second(86_400 * (20_000 + day)).unwrap();
    for day in 0..3 {
        let mut one = leaf(u32::try_from(day).unwrap());
        one.receipt.receipt_id = ReceiptId::from_uuid(first_id(at(day))).to_string();
        one.receipt.sealed_at = at(day);
        store.seal(one, None).await.unwrap();
    }
    let found = async |from, to| {
        let query = ReceiptQuery { from, to, limit: 9, ..ReceiptQuery::default() };
        let found = store.receipts(query).await.unwrap();
        found.into_iter().map(|one| one.index).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None).await, [2, 1, 0]);
    assert_eq!(found(Some(at(1)), None).await, [2, 1]);
    assert_eq!(found(Some(at(1)), Some(at(2))).await, [1]);
}
