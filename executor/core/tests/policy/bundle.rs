//! Bundles for tests: the shipped one, with parts of it exchanged.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_core::contract::load::pack;
use countersign_core::contract::{Catalog, Contract};
use countersign_core::error::Refused;
use countersign_core::policy::{Policy, Question, Verb, Verdict, load};
use countersign_core::subject::{Kind, Strength, Subject};
use countersign_shared::money::Money;
use jiff::Timestamp;

use crate::packs::{Files, files, packs};

pub(crate) const REFUND: &str = "shopify.refund_lines";
pub(crate) const READ: &str = "shopify.get_order";

/// The files of the shipped bundle.
pub(crate) fn shipped() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("policy");
    files(&folder)
}

/// The shipped bundle with one file exchanged.
pub(crate) fn with(name: &str, text: &str) -> Files {
    let mut files = shipped();
    files.insert(name.to_owned(), text.to_owned());
    files
}

/// A bundle that must load.
pub(crate) fn policy(files: &Files) -> Policy {
    let loaded = load::policy(files, None);
    let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    loaded.policy.unwrap()
}

/// What is wrong with a bundle, a line each.
pub(crate) fn problems(files: &Files) -> Vec<String> {
    let loaded = load::policy(files, Some(&catalog()));
    loaded.problems.iter().map(ToString::to_string).collect()
}

/// The tools that ship.
pub(crate) fn catalog() -> Catalog {
    let loaded = pack(&files(&packs().join("shopify")));
    Catalog::load([loaded.pack.unwrap()]).unwrap()
}

/// A customer who is signed in.
pub(crate) fn customer() -> Subject {
    Subject {
        tenant: "demo-shop".into(),
        issuer: "https://shop.test.invalid".into(),
        id: "customer1".into(),
        signs_as: "customer1".into(),
        claims: BTreeMap::new(),
        kind: Kind::Customer,
        scopes: std::collections::BTreeSet::new(),
        segment: String::new(),
        strength: Strength::SignedIn,
        verified_at: now(),
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

pub(crate) fn usd(amount: &str) -> Money {
    Money::parse(amount, "USD".parse().unwrap()).unwrap()
}

/// Asks for a subject.
pub(crate) fn ask(
    policy: &Policy,
    subject: &Subject,
    verb: Verb,
    contract: &Contract,
    money: Option<Money>,
) -> Result<Verdict, Refused> {
    policy.ask(&Question {
        verb,
        subject,
        workload: "spiffe://test.invalid/planner",
        channel: "web-chat",
        conversation: "c1",
        contract,
        money,
        confidence: 0.95,
        now: now(),
    })
}
