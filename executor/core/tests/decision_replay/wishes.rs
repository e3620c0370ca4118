//! What is asked for, by whom, and what is found: most of it right, some of it not.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::plan::{Confidence, ModelUse, Plan, Source, Step};
use countersign_core::resolve::{Evidence, Message, Observation};
use countersign_core::state::State;
use countersign_core::subject::{Kind, Strength, Subject};
use countersign_core::value::Value;
use countersign_shared::money::Money;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::dice::Dice;

pub(crate) fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

pub(crate) fn subject(dice: &mut Dice, now: Timestamp) -> Subject {
    let staff = dice.once_in(8);
    let scopes = if staff && !dice.once_in(4) { vec!["till:write", "till:read"] } else { vec![] };
    let owner = if dice.once_in(25) { "" } else { "ann" };
    Subject {
        tenant: "t".into(),
        issuer: "i".into(),
        id: "ann".into(),
        signs_as: "ann".into(),
        claims: BTreeMap::from([("owner".to_owned(), owner.to_owned())]),
        kind: if staff { Kind::Staff } else { Kind::Customer },
        scopes: scopes.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
        segment: (*dice.pick(&["", "", "vip", "new", "blocked"])).to_owned(),
        strength: if dice.once_in(25) { Strength::Matched } else { Strength::SignedIn },
        verified_at: now,
    }
}

fn observation() -> countersign_shared::ids::ObservationId {
    format!("obs_{:026}", 1).parse().unwrap()
}

pub(crate) fn messages(dice: &mut Dice, now: Timestamp) -> Vec<Message> {
    let old = if dice.once_in(15) { -3600 } else { -5 };
    vec![Message {
        id: "m1".into(),
        text: "please pay back sale 7, it is broken".into(),
        frontend: if dice.once_in(15) { String::new() } else { "web".into() },
        signed_at: after(now, old),
    }]
}

/// What was read before, with more in it than any plan points to.
pub(crate) fn evidence() -> Evidence {
    let seen = Observation {
        id: observation(),
        tool: "till.get_sale".into(),
        value: json!({ "sales": [{ "id": "6", "note": "n" }, { "id": "7", "note": "n/a" }] }),
        labels: json!({ "sales": [{ "id": "fact", "note": "text" }, { "id": "fact", "note": "text" }] }),
        at: Timestamp::UNIX_EPOCH,
    };
    Evidence { observations: [(seen.id.clone(), seen)].into(), ..Evidence::default() }
}

pub(crate) fn plan(dice: &mut Dice) -> Plan {
    let at = |pointer: &str| Source::Observation { id: observation(), pointer: pointer.into() };
    let said = |start, end| Source::Utterance { message: "m1".into(), start, end };
    let id = match dice.below(24) {
        0 => Source::Model("7".into()),
        1 => at("/sales/1/note"),
        2 => at("/sales/9/id"),
        3 => at("/sales/1"),
        4 => said(0, 6),
        5 => Source::Claim("none".into()),
        6..=9 => said(21, 22),
        _ => at("/sales/1/id"),
    };
    let mut arguments = BTreeMap::from([("id".to_owned(), id)]);
    match dice.below(30) {
        0 => drop(arguments.remove("id")),
        1 => drop(arguments.insert("more".to_owned(), Source::Model(json!(1)))),
        2 => drop(arguments.insert("why".to_owned(), Source::Model(json!("bored")))),
        3..=9 => drop(arguments.insert("why".to_owned(), Source::Model(json!("damaged")))),
        _ => {}
    }
    let tool = match dice.below(40) {
        0 => "till.none",
        1 => "shop.refund",
        2..=15 => "till.credit",
        _ => "till.refund",
    };
    let step = |id: &str, tool: &str| Step {
        id: id.into(),
        tool: tool.into(),
        arguments: arguments.clone(),
    };
    let steps = match dice.below(40) {
        0 => vec![],
        1 => vec![step("a", tool), step("b", tool)],
        2 => vec![step("a", "till.get_sale"), step("b", tool)],
        3..=5 => vec![step("a", "till.get_sale")],
        _ => vec![step("a", tool)],
    };
    Plan {
        conversation: if dice.once_in(60) { "c".repeat(400) } else { "c-1".into() },
        external_ref: if dice.once_in(60) { "T".repeat(300) } else { "T-1".into() },
        steps,
        confidence: Confidence {
            score: if dice.once_in(100) {
                f64::NAN
            } else if dice.once_in(4) {
                0.7 + 0.3 * dice.score()
            } else {
                0.99
            },
            uncertainty_reason: String::new(),
            features: Default::default(),
            recommended_action: "proceed".into(),
        },
        model: ModelUse { model: "offline".into(), ..ModelUse::default() },
        after_receipt: None,
    }
}

pub(crate) fn usd(minor: i64) -> Money {
    Money::from_minor(minor, "USD".parse().unwrap())
}

/// A sale as a read finds it.
pub(crate) fn sale(owner: &str, open: bool, paid: i64, marks: &[(&str, i64)]) -> Value {
    let owner = if owner.is_empty() { Value::Null } else { Value::Str(owner.into()) };
    let mark = |(key, amount): &(&str, i64)| {
        Value::Object(BTreeMap::from([
            ("key".to_owned(), Value::Str((*key).to_owned())),
            ("amount".to_owned(), Value::Money(usd(*amount))),
        ]))
    };
    Value::Object(BTreeMap::from([
        ("id".to_owned(), Value::Str("7".into())),
        ("owner".to_owned(), owner),
        ("open".to_owned(), Value::Bool(open)),
        ("paid".to_owned(), Value::Money(usd(paid))),
        ("marks".to_owned(), Value::List(marks.iter().map(mark).collect())),
    ]))
}

/// The state of a write; `paid` in cents.
pub(crate) fn state(dice: &mut Dice, paid: i64) -> State {
    let owner = match dice.below(20) {
        0 => "bob",
        1 => "",
        _ => "ann",
    };
    State::default().with("sale", sale(owner, !dice.once_in(20), paid, &[]))
}

/// What is paid for a sale, in cents.
pub(crate) fn paid(dice: &mut Dice) -> i64 {
    *dice.pick(&[500, 1999, 5000, 5001, 9900, 10_001, 16_000, 25_000])
}
