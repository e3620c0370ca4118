#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;

/// 2026-11-16, a Monday.
const MONDAY: i64 = 20_773;

fn day(day: i64, outcome: &str, code: &str, actions: i64) -> Day {
    Day {
        tenant: "t".into(),
        day,
        tool: "shopify.refund".into(),
        outcome: outcome.into(),
        code: code.into(),
        actions,
        contained: actions,
        ..Day::default()
    }
}

#[test]
fn a_world_counted_by_hand() {
    let usd = |day: Day, minor: i64| Day { currency: "USD".into(), minor, ..day };
    let days = [
        usd(day(MONDAY, "applied", "", 6), 60_000),
        usd(Day { approvals: 2, contained: 0, ..day(MONDAY, "applied", "", 2) }, 90_000),
        day(MONDAY + 1, "refused", "ORDER_NOT_PAID", 3),
        Day { rejections: 1, contained: 0, ..day(MONDAY + 1, "refused", "REJECTED", 1) },
        Day { reason: "in_doubt".into(), contained: 0, ..day(MONDAY + 2, "unknown", "", 1) },
        // The same action, settled by a person: no further one.
        usd(Day { settles: true, contained: 0, ..day(MONDAY + 8, "applied", "", 1) }, 500),
        // A matter that was ended by hand settles none, and is none.
        Day { settles: true, contained: 0, ..day(MONDAY + 8, "refused", "ESCALATED", 1) },
        Day { tool: "stripe.refund".into(), ..day(MONDAY + 8, "not_applied", "X", 2) },
    ];
    let wait = |day, milliseconds| Wait { day, milliseconds };
    let waits = [wait(MONDAY, 60_000), wait(MONDAY + 8, 10_000), wait(MONDAY + 1, 600_000)];
    let all = of(&days, &waits, &(MONDAY..MONDAY + 14), Width::Week);
    let sums = Sums {
        actions: 15,
        contained: 11,
        applied: 8,
        not_applied: 2,
        unknown: 1,
        refused: 4,
        approvals: 2,
        rejections: 1,
        by_hand: 1,
        tokens: 0,
    };
    assert_eq!(all.total, sums);
    assert_eq!((all.total.containment(), all.total.success()), (Some(73), Some(53)));
    assert_eq!(all.total.overrides(), 2);
    let weeks: Vec<_> = all.buckets.iter().map(|(day, of)| (*day, of.sums.actions)).collect();
    assert_eq!(weeks, [(MONDAY, 13), (MONDAY + 7, 2)]);
    let (first, second) = (&all.buckets[0].1, &all.buckets[1].1);
    assert_eq!((first.moved["USD"], second.moved["USD"]), (150_000, 500));
    assert_eq!((first.reasons["in_doubt"], first.refusals["ORDER_NOT_PAID"]), (1, 3));
    assert!(second.reasons.is_empty() && second.refusals.is_empty());
    assert_eq!(all.reasons, [("in_doubt".to_owned(), 1)]);
    assert_eq!(all.refusals, [("ORDER_NOT_PAID".to_owned(), 3), ("REJECTED".to_owned(), 1)]);
    assert_eq!(all.errors[0], Errors { connector: "stripe".into(), unknown: 0, not_applied: 2 });
    assert_eq!(all.errors[1].unknown, 1);
    assert_eq!(all.moved[0].sum.to_string(), "USD 1505.00");
    assert_eq!(all.moved[0].actions, 9);
    assert_eq!(all.waits, Waits { actions: 3, median: 60_000, p90: 600_000 });
    assert_eq!(first.waits, Waits { actions: 2, median: 60_000, p90: 600_000 });
    assert_eq!(second.waits, Waits { actions: 1, median: 10_000, p90: 10_000 });
}

#[test]
fn nothing_is_no_share() {
    let all = of(&[], &[], &(MONDAY..MONDAY + 2), Width::Day);
    assert_eq!(all.total.containment(), None);
    assert_eq!(all.buckets.len(), 2, "empty days are there");
    assert_eq!(all.waits, Waits::default());
}

#[test]
fn costs_are_added_up_by_currency() {
    let costs = |day, currency: &str, micros, conversations| Costs {
        day,
        currency: currency.into(),
        spent: Spent { micros, conversations },
    };
    let rows =
        [costs(MONDAY, "EUR", 9, 1), costs(MONDAY, "USD", 10, 2), costs(MONDAY + 8, "USD", 4, 1)];
    let all = of(&[], &[], &(MONDAY..MONDAY + 14), Width::Week).with_costs(&rows, Width::Week);
    let [(_, first), (_, second)] = &all.buckets[..] else { panic!("{all:?}") };
    assert_eq!((all.costs["USD"].each(), all.costs["EUR"].each()), (5, 9));
    assert_eq!(first.costs["USD"], Spent { micros: 10, conversations: 2 });
    assert_eq!((second.costs["USD"].each(), second.costs.len()), (4, 1));
}

#[test]
fn ratings_are_added_up() {
    let ratings =
        |day, score, count| Ratings { rating: crate::conversations::Rating { day, score }, count };
    let rows = [ratings(MONDAY, 2, 1), ratings(MONDAY + 1, 5, 3), ratings(MONDAY + 8, 4, 1)];
    let all = of(&[], &[], &(MONDAY..MONDAY + 14), Width::Week).with_ratings(&rows, Width::Week);
    assert_eq!(all.rated, Rated { count: 5, sum: 21, high: 4 });
    let weeks: Vec<_> = all.buckets.iter().map(|(_, week)| week.rated.mean()).collect();
    assert_eq!(weeks, [425, 400]);
}

#[test]
fn weeks_begin_on_monday() {
    for (at, begins) in [(0, 0), (6, 0), (7, 7), (-1, -7)] {
        assert_eq!(Width::Week.begin(MONDAY + at), MONDAY + begins, "{at}");
    }
}
