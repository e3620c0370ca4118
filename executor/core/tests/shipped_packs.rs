//! The packs that ship load without a single problem, and so does the one that the
//! guide for authors builds. What a contract's patterns find in sentences is what
//! they should find.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

#[path = "support/packs.rs"]
mod packs;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::contract::Confirm::{self, Customer};
use countersign_core::contract::load::{self, LoadedPack};
use countersign_core::contract::{ArgumentSpec, Body, Contract, EffectClass, Nested};
use countersign_core::subject::{Kind, Strength};
use packs::{Files, files, guide, packs, shipped};
use regex::Regex;

fn loaded(files: &Files) -> LoadedPack {
    let loaded = load::pack(files);
    let problems: Vec<_> = loaded.problems.iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    loaded.pack.expect("no problems, and yet no pack")
}

fn tool(name: &str) -> Arc<Contract> {
    let pack = name.split('.').next().unwrap();
    let contracts = loaded(&files(&packs().join(pack))).contracts;
    contracts.into_iter().find(|c| c.tool == name).unwrap()
}

#[test]
fn every_shipped_pack_loads_without_a_problem() {
    assert!(!shipped().is_empty());
    for folder in shipped() {
        let pack = loaded(&files(&folder));
        assert_eq!(folder.file_name().unwrap().to_str().unwrap(), pack.pack.name);
    }
}

#[test]
fn a_broken_contract_is_named_with_its_place() {
    let mut files = files(&packs().join("shopify"));
    let contract = files.get_mut("contracts/refund_lines.yaml").unwrap();
    *contract = contract.replace("money: state.quote.amount", "money: state.quote.amuont");
    let line = contract.lines().position(|l| l.starts_with("money:")).unwrap() + 1;
    let loaded = load::pack(&files);
    assert!(loaded.pack.is_none());
    let hit = loaded.problems.iter().find(|p| p.message.contains("amuont")).unwrap();
    assert_eq!((hit.file.as_str(), hit.line), ("contracts/refund_lines.yaml", line));
}

/// Class, whether it cannot be called back, and who confirms, of a pack's writes.
fn writes(pack: &str) -> BTreeMap<String, (EffectClass, bool, Confirm)> {
    let contracts = loaded(&files(&packs().join(pack))).contracts;
    let write = |c: Arc<Contract>| match &c.body {
        Body::Write(write) => {
            Some((c.tool.clone(), (c.effect.class, c.effect.irreversible, write.confirm)))
        }
        Body::Read(_) => None,
    };
    contracts.into_iter().filter_map(write).collect()
}

#[test]
fn shopify_writes_are_confirmed_and_of_the_class_that_the_backend_supports() {
    let wanted = [
        ("shopify.cancel_order", (EffectClass::Marker, true, Customer)),
        ("shopify.change_address", (EffectClass::Marker, false, Customer)),
        ("shopify.refund_lines", (EffectClass::ServerKey, true, Customer)),
    ];
    assert_eq!(writes("shopify"), wanted.map(|(tool, is)| (tool.to_owned(), is)).into());
}

#[test]
fn stripe_writes_are_confirmed_and_of_the_class_that_the_backend_supports() {
    let wanted = [
        ("stripe.cancel_subscription", (EffectClass::ServerKey, false, Customer)),
        ("stripe.change_plan", (EffectClass::ServerKey, false, Customer)),
        ("stripe.pause_subscription", (EffectClass::ServerKey, false, Customer)),
        ("stripe.refund_charge", (EffectClass::ServerKey, true, Customer)),
        ("stripe.resume_subscription", (EffectClass::ServerKey, false, Customer)),
    ];
    assert_eq!(writes("stripe"), wanted.map(|(tool, is)| (tool.to_owned(), is)).into());
}

/// Prices are nobody's: their contracts say so.
#[test]
fn every_read_that_customers_may_name_is_the_subjects_own_or_said_to_be_public() {
    let mut public = Vec::new();
    for folder in shipped() {
        let theirs = |c: &Arc<Contract>| c.listed && c.open_to.contains(&Kind::Customer);
        for contract in loaded(&files(&folder)).contracts.into_iter().filter(theirs) {
            if let Body::Read(read) = &contract.body
                && read.subject.is_none()
            {
                assert_eq!(contract.strength, Strength::Asserted, "{}", contract.tool);
                public.push(contract.tool.clone());
            }
        }
    }
    public.sort();
    assert_eq!(public, ["stripe.get_price", "stripe.list_prices"]);
}

#[test]
fn the_guides_pack_loads_without_a_problem() {
    let files = guide();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let wanted = [
        "connector.yaml",
        "contracts/find_payment.yaml",
        "contracts/get_payment.yaml",
        "contracts/list_refunds.yaml",
        "contracts/refund_payment.yaml",
        "recorded/refund_payment.json",
    ];
    assert_eq!(names, wanted);
    assert_eq!(loaded(&files).contracts.len(), 4);
}

fn extractor(spec: &ArgumentSpec) -> Regex {
    Regex::new(spec.extract.as_ref().unwrap()).unwrap()
}

fn found<'t>(regex: &Regex, text: &'t str) -> Option<&'t str> {
    regex.captures(text).map(|c| c.get(1).unwrap().as_str())
}

#[test]
fn order_numbers_are_found_in_sentences() {
    let regex = extractor(&tool("shopify.find_order").arguments["number"]);
    for text in [
        "#1001",
        "1001",
        "where is order 1001?",
        "cancel my order #1001 please",
        "Order no. 1001 is late",
        "order number: 1001",
        "my orders 1001 and 1002",
        "change order 1001 to 12 Elm Street, Springfield, 62704",
    ] {
        assert_eq!(found(&regex, text), Some("1001"), "{text}");
    }
    for text in
        ["track 1Z999AA10123456784", "two orders from 2024", "order 12", "order 12345678901"]
    {
        assert_eq!(found(&regex, text), None, "{text}");
    }
}

#[test]
fn addresses_are_found_in_sentences() {
    let contract = tool("shopify.change_address");
    let parts = ["address1", "address2", "city", "province", "zip"];
    let regexes = parts.map(|part| extractor(&contract.arguments[part]));
    let cases = [
        (
            "send order #1001 to 12 Elm Street, Springfield, 62704",
            ["12 Elm Street", "", "Springfield", "", "62704"],
        ),
        (
            "My new address is 12 Elm St., Apt 4B, St. Louis, MO 63101-2345.",
            ["12 Elm St.", "Apt 4B", "St. Louis", "MO", "63101-2345"],
        ),
        (
            "ship no. 1001 to 5 rue de la Paix, 75002 Paris instead",
            ["5 rue de la Paix", "", "Paris", "", "75002"],
        ),
        (
            "Please use Hauptstraße 5a, 10115 Berlin for order 2003",
            ["Hauptstraße 5a", "", "Berlin", "", "10115"],
        ),
        (
            "it should be 221B Baker Street, London, NW1 6XE",
            ["221B Baker Street", "", "London", "", "NW1 6XE"],
        ),
        (
            "to\n88 King Street West\nSuite 200\nToronto, ON M5H 1J9",
            ["88 King Street West", "Suite 200", "Toronto", "ON", "M5H 1J9"],
        ),
        ("please change the address of order 1001, thanks", ["", "", "", "", ""]),
    ];
    for (text, wanted) in cases {
        let got = [0, 1, 2, 3, 4].map(|n| found(&regexes[n], text).unwrap_or_default());
        assert_eq!(got, wanted, "{text}");
    }
}

#[test]
fn quantities_are_found_in_sentences() {
    let contract = tool("shopify.refund_lines");
    let Nested::Items(item) = &contract.arguments["lines"].nested else { panic!() };
    let Nested::Fields(fields) = &item.nested else { panic!() };
    let regex = extractor(&fields["quantity"]);
    for text in [
        "refund 2 mugs from order 1004",
        "money back for 2 of the mugs",
        "I want 2x the mug refunded",
        "return the 2 socks",
    ] {
        assert_eq!(found(&regex, text), Some("2"), "{text}");
    }
    for text in
        ["refund order 1001", "I ordered it 3 days ago, refund it", "refund the 12-inch pan"]
    {
        assert_eq!(found(&regex, text), None, "{text}");
    }
}
