//! Other books over the same past, against counts made by hand.

use std::collections::BTreeMap;

use countersign_core::backtest::{Past, compare};
use countersign_core::replay::Candidate;
use countersign_shared::receipt::Receipt;

use crate::books::{AUTO, Books, DAY, instead, loaded_pack, pack, policy};
use crate::{first, life};

/// How often each change of mind, and how many cents on it.
type Sides = BTreeMap<(String, String), (u64, i64)>;

fn past(receipt: &Receipt) -> Past {
    serde_json::from_slice(&serde_json::to_vec(receipt).unwrap()).unwrap()
}

fn sides(books: &Books, all: &[Receipt], candidate: &Candidate) -> Sides {
    let mut sides = Sides::new();
    for receipt in all {
        let Some(both) = compare(&past(receipt), &books.shelf, candidate).unwrap() else {
            continue;
        };
        if both.was != both.would {
            let side = sides.entry((both.was.to_string(), both.would.to_string())).or_default();
            side.0 += 1;
            side.1 += both.money.map_or(0, |m| m.minor());
        }
    }
    sides
}

fn made(books: &Books, seeds: u64) -> Vec<Receipt> {
    (first()..first() + seeds).flat_map(|seed| life::receipts(books, seed)).collect()
}

#[test]
fn decision_replay_backtests_the_same_books_to_nothing() {
    let books = Books::of(&[(pack("0.8"), policy(AUTO, DAY, ""))]);
    let all = made(&books, 600);
    assert_eq!(sides(&books, &all, &instead(&policy(AUTO, DAY, ""))), Sides::new());
}

/// What a receipt says for itself, read by other means than the core's.
fn went(receipt: &Receipt) -> bool {
    !receipt.attempts.is_empty() && !receipt.grants.iter().any(|g| g.kind == "finish")
}

fn cents(receipt: &Receipt) -> i64 {
    receipt.money.map_or(0, |money| money.minor())
}

#[test]
fn decision_replay_backtests_a_stricter_limit() {
    let books = Books::of(&[(pack("0.8"), policy(AUTO, DAY, ""))]);
    let all = made(&books, 900);
    // By hand: whatever went and moves more than 100 dollars by itself.
    let by_hand = all.iter().filter(|r| went(r) && cents(r) > 10_000);
    let (count, sum) = by_hand.fold((0, 0), |(n, sum), r| (n + 1, sum + cents(r)));
    assert!(count > 10, "{count}");
    let strict =
        "[{ name: day, per: customer, tools: [\"*\"], within: 1d, most: { USD: \"100.00\" } }]";
    let sides = sides(&books, &all, &instead(&policy(AUTO, strict, "")));
    let held = sides.iter().filter(|((was, would), _)| {
        (was.starts_with("goes") || was.starts_with("asks")) && would == "refused LIMIT_EXCEEDED"
    });
    let found = held.fold((0, 0), |(n, sum), (_, side)| (n + side.0, sum + side.1));
    // Those that waited or were taken back would have been refused as well, and those
    // whose day had seen something already.
    assert!(found.0 >= count && found.1 >= sum, "{found:?} of {count}, {sum}: {sides:#?}");
    let sent: Vec<_> = all.iter().filter(|r| went(r) && cents(r) > 10_000).collect();
    let again = sides_of(&books, &sent, &instead(&policy(AUTO, strict, "")));
    let again: Vec<_> = again.into_iter().collect();
    let all_refused = again.iter().all(|((_, would), _)| would == "refused LIMIT_EXCEEDED");
    let total = again.iter().fold((0, 0), |(n, c), (_, side)| (n + side.0, c + side.1));
    assert!(all_refused && total == (count, sum), "{again:#?} of {count}, {sum}");
}

fn sides_of(books: &Books, some: &[&Receipt], candidate: &Candidate) -> Sides {
    let some: Vec<Receipt> = some.iter().map(|receipt| (*receipt).clone()).collect();
    sides(books, &some, candidate)
}

#[test]
fn decision_replay_backtests_a_rule_and_a_mode() {
    let books = Books::of(&[(pack("0.8"), policy(AUTO, DAY, ""))]);
    let all = made(&books, 900);
    let sent: Vec<_> = all.iter().filter(|r| went(r)).collect();
    // Nobody of the segment `vip` is let through any more.
    let vip = |r: &&&Receipt| {
        r.facts[0]["ask"]["asked"]["subject"]["segment"] == "vip"
            && r.facts[0]["ask"]["asked"]["subject"]["kind"] == "customer"
    };
    let by_hand = sent.iter().filter(vip).fold((0, 0), |(n, c), r| (n + 1, c + cents(r)));
    let rule = "@id(\"no-vip\") forbid (principal is Customer, action == Action::\"propose\", \
                resource) when { principal.segment == \"vip\" };\n";
    let found = sides_of(&books, &sent, &instead(&policy(AUTO, DAY, rule)));
    let total = found.iter().fold((0, 0), |(n, c), (_, side)| (n + side.0, c + side.1));
    assert!(by_hand.0 > 10 && total == by_hand, "{found:#?} by hand {by_hand:?}");
    assert!(found.keys().all(|(_, would)| would == "refused POLICY_FORBIDS"), "{found:#?}");

    // Every credit waits for finance.
    let credit = |r: &&&Receipt| r.tool == "till.credit";
    let by_hand = sent.iter().filter(credit).fold((0, 0), |(n, c), r| (n + 1, c + cents(r)));
    let modes = "[{ tools: [\"till.credit\"], mode: approve, by: [finance] }, { tools: [\"*\"], mode: auto }]";
    let found = sides_of(&books, &sent, &instead(&policy(modes, DAY, "")));
    let only = ("goes by itself".to_owned(), "asks finance".to_owned());
    // The gate finds that nobody of finance was asked then: it is the mode that changed.
    assert_eq!(found.keys().collect::<Vec<_>>(), [&only], "{found:#?}");
    assert!(by_hand.0 > 10 && found[&only] == by_hand, "{found:#?} by hand {by_hand:?}");
}

#[test]
fn decision_replay_backtests_a_contract() {
    let books = Books::of(&[(pack("0.8"), policy(AUTO, DAY, ""))]);
    let all = made(&books, 900);
    let sent: Vec<_> = all.iter().filter(|r| went(r)).collect();
    let unsure = |r: &&&Receipt| r.asked.confidence < 0.9;
    let by_hand = sent.iter().filter(unsure).fold((0, 0), |(n, c), r| (n + 1, c + cents(r)));
    let mut candidate = Candidate::default();
    candidate.take(loaded_pack(&pack("0.9"))).unwrap();
    let found = sides_of(&books, &sent, &candidate);
    let total = found.iter().fold((0, 0), |(n, c), (_, side)| (n + side.0, c + side.1));
    assert!(by_hand.0 > 3 && total == by_hand, "{found:#?} by hand {by_hand:?}");
    assert!(found.keys().all(|(_, would)| would == "refused CONFIDENCE_TOO_LOW"), "{found:#?}");
}

#[test]
fn decision_replay_backtests_what_a_softer_policy_would_let_go() {
    let strict = policy(
        AUTO,
        "[{ name: day, per: customer, tools: [\"*\"], within: 1d, most: { USD: \"60.00\" } }]",
        "",
    );
    let books = Books::of(&[(pack("0.8"), strict)]);
    let all = made(&books, 900);
    let held = |r: &&Receipt| r.code == "LIMIT_EXCEEDED" && r.action_id.is_empty();
    let held: Vec<_> = all.iter().filter(held).collect();
    let soft =
        "[{ name: day, per: customer, tools: [\"*\"], within: 1d, most: { USD: \"100000.00\" } }]";
    let found = sides_of(&books, &held, &instead(&policy(AUTO, soft, "")));
    let total: u64 = found.values().map(|side| side.0).sum();
    assert!(held.len() > 10 && total == held.len() as u64, "{found:#?}");
    // What was asked for at once stops at the customer's yes instead.
    let goes = |would: &str| {
        let asks = would.starts_with("goes") || would.starts_with("asks");
        asks || would == "refused CONFIRMATION_REQUIRED"
    };
    assert!(found.keys().all(|(was, would)| was == "refused LIMIT_EXCEEDED" && goes(would)));
    // A limit over another time asks for what no receipt holds, and says so.
    let week =
        "[{ name: week, per: customer, tools: [\"*\"], within: 7d, most: { USD: \"100000.00\" } }]";
    let found = sides_of(&books, &held, &instead(&policy(AUTO, week, "")));
    let unsure =
        |would: &str| would.contains("not recorded") || would == "refused CONFIRMATION_REQUIRED";
    assert!(found.keys().all(|(_, would)| unsure(would)), "{found:#?}");
}
