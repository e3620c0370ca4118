#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use countersign_shared::money::Currency;
use jiff::SignedDuration;

use super::*;
use crate::register::Vote;

fn week() -> Week {
    Week::read("2026-W47").unwrap()
}

fn entry(n: u32, at: Timestamp, minor: i64) -> Entry {
    let currency: Currency = "USD".parse().unwrap();
    Entry {
        receipt: crate::testing::id("rcp", n),
        at,
        tenant: "t".into(),
        tool: "shopify.refund".into(),
        outcome: "applied".into(),
        code: String::new(),
        reason: String::new(),
        money: Some(Money::from_minor(minor, currency)),
        channel: String::new(),
        mode: "auto".into(),
        performed_by: "executor".into(),
        settles: false,
        votes: Vec::new(),
        took: Some(60_000),
        waited: None,
        tokens: 0,
    }
}

/// Amounts between 20 and 60 dollars, from a seed, over five weeks.
fn usual(seed: u32) -> Vec<Entry> {
    let mut dice = seed.wrapping_mul(2_654_435_761) | 1;
    let first = week().time().start - SignedDuration::from_hours(28 * 24);
    (0..350)
        .map(|n| {
            dice ^= dice << 13;
            dice ^= dice >> 17;
            dice ^= dice << 5;
            let at = first + SignedDuration::from_mins(i64::from(n) * 144);
            entry(n, at, 2_000 + i64::from(dice % 4_000))
        })
        .collect()
}

fn vote(by: &str, yes: bool, at: Timestamp) -> Vote {
    Vote { by: by.into(), yes, at }
}

#[test]
fn planted_amounts_are_found_and_nothing_else() {
    for seed in 1..40 {
        let mut paid = usual(seed);
        let quiet = of(&Rows { paid: paid.clone(), ..Rows::default() }, None, week());
        assert_eq!(quiet.amounts, [], "seed {seed}");
        let now = week().time().start + SignedDuration::from_hours(30);
        paid.push(entry(900, now, 90_000));
        // Far as well, and of an earlier week.
        paid.push(entry(901, now - SignedDuration::from_hours(10 * 24), 95_000));
        let found = of(&Rows { paid, ..Rows::default() }, None, week()).amounts;
        let receipts: Vec<_> = found.iter().map(|odd| odd.receipt.clone()).collect();
        assert_eq!(receipts, [crate::testing::id("rcp", 900)], "seed {seed}");
        assert!(found[0].deviations.unwrap() > 50, "{found:?}");
    }
}

#[test]
fn where_all_are_alike_twice_as_much_is_far() {
    let at = week().time().start;
    let mut paid: Vec<_> = (0..20).map(|n| entry(n, at, 1_000)).collect();
    paid.push(entry(30, at, 1_900));
    paid.push(entry(31, at, 2_100));
    let found = of(&Rows { paid, ..Rows::default() }, None, week()).amounts;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].money.minor(), found[0].deviations), (2_100, None));
}

#[test]
fn more_than_five_deviations_are_far_and_five_are_not() {
    let at = week().time().start;
    let mut paid: Vec<_> = (0..21).map(|n| entry(n, at, 990 + 10 * i64::from(n % 3))).collect();
    paid.push(entry(30, at, 1_050));
    paid.push(entry(31, at, 1_059));
    let found = of(&Rows { paid, ..Rows::default() }, None, week()).amounts;
    let amounts: Vec<_> = found.iter().map(|odd| odd.money.minor()).collect();
    assert_eq!(
        (amounts, found[0].median.minor(), found[0].deviations),
        (vec![1_059], 1_000, Some(5))
    );
}

#[test]
fn refusals_are_held_against_the_weeks_before() {
    let day = |days: i64, code: &str, actions: i64| Day {
        day: week().days().start + days,
        outcome: "refused".into(),
        code: code.into(),
        actions,
        ..Day::default()
    };
    let days = vec![
        day(1, "STATE_CHANGED", 8),
        day(-3, "STATE_CHANGED", 2),
        day(2, "ORDER_NOT_PAID", 20),
        day(-3, "ORDER_NOT_PAID", 80),
        day(2, "RARE", 4),
    ];
    let review = of(&Rows { days, ..Rows::default() }, None, week());
    let grew: Vec<_> = review.refusals.iter().map(|r| (r.code.as_str(), r.grew())).collect();
    assert_eq!(grew, [("STATE_CHANGED", true), ("ORDER_NOT_PAID", false), ("RARE", false)]);
    assert_eq!((review.sums.refused, review.before.refused), (32, 82));
}

#[test]
fn habits_and_overrides_of_people() {
    let noon = week().time().start + SignedDuration::from_hours(12);
    let night = week().time().start + SignedDuration::from_hours(23);
    let mut judged: Vec<_> = (0..10)
        .map(|n| {
            let votes =
                vec![vote("anna", true, noon - SignedDuration::from_secs(50 - i64::from(n)))];
            Entry { votes, ..entry(n, noon, 100) }
        })
        .collect();
    judged.push(Entry { votes: vec![vote("ben", false, night)], ..entry(20, night, 100) });
    judged.push(Entry { settles: true, ..entry(21, noon, 100) });
    // A matter that somebody ended.
    judged.push(Entry { settles: true, outcome: "refused".into(), ..entry(22, noon, 100) });
    let review = of(&Rows { judged, ..Rows::default() }, None, week());
    let [anna, ben] = &review.habits[..] else { panic!("{:?}", review.habits) };
    assert!(anna.always_yes() && !ben.always_yes());
    // Proposed a minute before noon.
    assert_eq!((anna.yes, anna.fastest, anna.median, anna.out_of_hours), (10, 10_000, 14_000, 0));
    assert_eq!((ben.no, ben.out_of_hours), (1, 1));
    let who: Vec<_> = review.overrides.iter().map(|one| one.by.as_str()).collect();
    assert_eq!(who, ["ben", ""]);
    let text = markdown(&review, "https://console.shop.example");
    for part in [
        "# Review of 2026-W47",
        "**always yes**",
        "ben said no",
        concat!(
            "[anna](https://console.shop.example/actions?approver=anna&by=people",
            "&from=2026-11-16&to=2026-11-23)"
        ),
        "| overrides | [",
        "/actions?by=override&from=",
        "/actions?by=nobody&from=",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A file leads nowhere by itself: without a console nothing in it is a link.
    assert!(!text.contains("](/"), "{text}");
    let alone = markdown(&review, "");
    assert!(!alone.contains("](") && alone.contains("| anna | 10 |"), "{alone}");
}

#[test]
fn what_settles_without_a_tool_is_told_without_one() {
    let noon = week().time().start + SignedDuration::from_hours(12);
    let settled = Entry { settles: true, tool: String::new(), ..entry(1, noon, 100) };
    let review = of(&Rows { judged: vec![settled], ..Rows::default() }, None, week());
    let text = markdown(&review, "");
    assert!(text.contains(" UTC: settled by a person"), "{text}");
}

#[test]
fn weeks_have_names() {
    assert_eq!(week().name(), "2026-W47");
    assert_eq!(week().previous().name(), "2026-W46");
    assert_eq!(Week::of("2026-11-22T23:00:00Z".parse().unwrap()), week());
    assert_eq!(Week::read("2026-W60"), None);
    assert_eq!(Week::read("last"), None);
}
