//! What is altered in a receipt is found: a verdict always, a fact wherever it bears on
//! anything.

use countersign_core::replay::{Replayed, replay};
use countersign_core::value::Value;
use countersign_shared::receipt::Receipt;
use serde_json::{Value as Json, json};

use crate::books::Books;
use crate::{first, life};

fn some(books: &Books, want: impl Fn(&Receipt) -> bool) -> Receipt {
    let seeds = first()..first() + 20_000;
    let mut all = seeds.flat_map(|seed| life::receipts(books, seed));
    all.find(want).unwrap()
}

/// One member of a receipt by JSON Pointer, altered.
fn altered(receipt: &Receipt, pointer: &str, value: Json) -> Receipt {
    let mut whole = json!(receipt);
    let at = whole.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"));
    assert_ne!(*at, value, "{pointer} is so already");
    *at = value;
    serde_json::from_value(whole).unwrap()
}

/// Where the replay says that they part; `None` where it sees nothing.
fn found(books: &Books, receipt: &Receipt) -> Option<String> {
    match replay(receipt, &books.shelf) {
        Ok(Replayed::Same | Replayed::Told(_)) => None,
        Ok(Replayed::Differs(difference)) => Some(difference.to_string()),
        Err(unfit) => Some(unfit.to_string()),
    }
}

#[test]
fn decision_replay_finds_an_altered_verdict() {
    let books = Books::three();
    let applied = some(&books, |r| r.outcome == "applied" && r.gates.len() > 3);
    assert_eq!(found(&books, &applied), None);
    for (pointer, value, says) in [
        ("/outcome", json!("not_applied"), "outcome"),
        ("/code", json!("REPLY_LOST"), "code"),
        ("/gates/2/passed", json!(false), "gates[2].passed"),
        ("/gates/2/gate", json!("another"), "gates[2].gate"),
        ("/money/amount", json!("1.00"), "money.amount"),
        ("/key", json!("cs-0"), "key"),
        ("/backend/request", json!("00"), "backend.request"),
        ("/said", json!("Done twice."), "said"),
        ("/policy", json!("sha256:0"), "policy"),
        ("/grants/0/by", json!("bob"), "grants[0].by"),
        ("/tool", json!("till.other"), "tool"),
        ("/tenant", json!("another"), "tenant"),
        ("/asked/subject", json!("bob"), "asked.subject"),
        ("/performed_by", json!("human"), "performed_by"),
    ] {
        if applied.grants.is_empty() && pointer.starts_with("/grants") {
            continue;
        }
        let told = found(&books, &altered(&applied, pointer, value))
            .unwrap_or_else(|| panic!("{pointer}"));
        assert!(told.starts_with(says) || told.starts_with("outcome"), "{pointer}: {told}");
    }
    let refused = some(&books, |r| r.code == "LIMIT_EXCEEDED");
    for (pointer, value) in [("/outcome", json!("applied")), ("/code", json!("VELOCITY_EXCEEDED"))]
    {
        assert!(found(&books, &altered(&refused, pointer, value)).is_some(), "{pointer}");
    }
}

#[test]
fn decision_replay_finds_an_altered_fact() {
    let books = Books::three();
    let applied =
        some(&books, |r| r.outcome == "applied" && r.tool == "till.refund" && r.grants.len() == 1);
    let mut missed = Vec::new();
    let facts: Vec<String> = leaves(&applied.facts, "/facts");
    for pointer in &facts {
        let now = json!(&applied).pointer(pointer).unwrap().clone();
        if found(&books, &altered(&applied, pointer, other(&now))).is_none() {
            missed.push(pointer.clone());
        }
    }
    println!("{} of {} altered facts bear on nothing: {missed:#?}", missed.len(), facts.len());
    // A proposal is known by a digest over all that it was made from. What is left is
    // read of the claim's sums that no limit comes near, and of people's time.
    assert!(missed.iter().all(|at| !at.starts_with("/facts/0/")), "{missed:#?}");
    assert!(missed.len() * 4 < facts.len(), "{missed:#?}");
}

#[test]
fn decision_replay_believes_no_look_that_read_nothing() {
    let books = Books::three();
    let applied = some(&books, |r| r.outcome == "applied" && looks(r).is_some());
    let at = format!("/facts/{}/look", looks(&applied).unwrap());
    let mut look = json!(&applied).pointer(&at).unwrap()[0].clone();
    look["looked"] = json!(Value::Null);
    let none = altered(&applied, &at, json!([look]));
    let told = found(&books, &none).unwrap();
    assert!(told.contains("a look that read nothing"), "{told}");
}

fn looks(receipt: &Receipt) -> Option<usize> {
    receipt.facts.as_array()?.iter().position(|premise| premise.get("look").is_some())
}

#[test]
fn decision_replay_derives_nothing_that_was_told_from_outside() {
    let books = Books::three();
    let last = |r: &Receipt| r.facts.as_array().and_then(|all| all.last().cloned());
    let told = some(&books, |r| last(r).is_some_and(|premise| premise.get("told").is_some()));
    assert!(matches!(replay(&told, &books.shelf), Ok(Replayed::Told(_))));
    let at = format!("/facts/{}/told/findings", told.facts.as_array().unwrap().len() - 1);
    let gate = json!([{ "gate": "owner", "passed": false, "facts": {} }]);
    let forged = altered(&told, &at, gate);
    assert!(found(&books, &forged).unwrap().contains("gates of its own"));
}

#[test]
fn decision_replay_knows_what_it_cannot_do() {
    let books = Books::three();
    let applied = some(&books, |r| r.outcome == "applied");
    for (facts, says) in [
        (Json::Null, "no facts"),
        (json!("ERASED"), "erased"),
        (json!({ "omitted": "00", "bytes": 99_999 }), "too large"),
        (json!([{ "asked": 1 }]), "cannot be read"),
    ] {
        let receipt = Receipt { facts, ..applied.clone() };
        assert!(found(&books, &receipt).unwrap().contains(says), "{says}");
    }
    let empty = Books::of(&[]);
    assert!(found(&empty, &applied).unwrap().contains("is not among the bundles"));
}

/// SUBJECT OWNS IT: nothing of another's is in a receipt that the subject may read.
#[test]
fn decision_replay_keeps_nothing_of_what_is_anothers() {
    let books = Books::three();
    let owners = ["NOT_THE_SUBJECTS", "OWNER_UNKNOWN"];
    let seeds = first()..first() + 1_000;
    let all = seeds.flat_map(|seed| life::receipts(&books, seed));
    let mut seen = 0;
    for receipt in all.filter(|r| owners.contains(&r.code.as_str())) {
        let last = receipt.facts.as_array().unwrap().last().unwrap().to_string();
        assert!(!last.contains("bob") && !last.contains("\"paid\""), "{last}");
        seen += usize::from(last.contains("somebody else"));
    }
    assert!(seen > 5, "{seen}");
}

fn leaves(of: &Json, at: &str) -> Vec<String> {
    match of {
        Json::Object(members) => {
            let name = |n: &String| n.replace('~', "~0").replace('/', "~1");
            members.iter().flat_map(|(n, v)| leaves(v, &format!("{at}/{}", name(n)))).collect()
        }
        Json::Array(items) => {
            items.iter().enumerate().flat_map(|(i, v)| leaves(v, &format!("{at}/{i}"))).collect()
        }
        Json::Null => Vec::new(),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => vec![at.to_owned()],
    }
}

fn other(value: &Json) -> Json {
    match value {
        Json::Bool(b) => json!(!b),
        Json::Number(n) => n.as_i64().map_or_else(|| json!(0.123), |n| json!(n + 1)),
        Json::String(text) => json!(format!("{text}1")),
        Json::Null | Json::Array(_) | Json::Object(_) => json!("x"),
    }
}
