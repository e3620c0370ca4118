#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use serde_json::json;

use super::*;
use crate::contract::Body;
use crate::contract::load::{pack, testing::example_pack};

/// The output of the example pack's `find_order`.
fn orders() -> Shape {
    let contracts = pack(&example_pack()).pack.unwrap().contracts;
    match &contracts.iter().find(|c| c.tool == "shop.find_order").unwrap().body {
        Body::Read(read) => read.output.clone(),
        Body::Write(_) => panic!("a read"),
    }
}

fn raw() -> Json {
    json!({ "orders": [{
        "id": "o_1", "customer": 77, "total": 1250, "currency": "usd", "status": "PAID",
        "placed": "2026-11-01T10:00:00Z", "note": "x".repeat(300), "secret": "s",
        "tags": ["a", "b", "c", "d", "e", "f"],
    }] })
}

fn why(change: impl FnOnce(&mut Json)) -> Vec<(String, String, Why)> {
    let mut raw = raw();
    change(&mut raw);
    let error = orders().project(&raw).unwrap_err();
    error.problems.into_iter().map(|p| (p.field.join("."), p.at, p.why)).collect()
}

#[test]
fn only_what_is_declared_gets_through() {
    let value = orders().project(&raw()).unwrap();
    let wanted = json!({ "orders": [{
        "id": "o_1", "customer": "77", "total": { "amount": "12.50", "currency": "USD" },
        "status": "PAID", "placed": "2026-11-01T10:00:00Z", "note": "x".repeat(200),
        "tags": ["a", "b", "c", "d", "e"],
    }] });
    assert_eq!(value.to_json(), wanted);
}

#[test]
fn what_is_optional_may_be_absent() {
    let mut raw = raw();
    raw["orders"][0]["note"] = Json::Null;
    raw["orders"][0].as_object_mut().unwrap().remove("customer");
    let value = orders().project(&raw).unwrap();
    let Value::List(list) = value.member("orders") else { panic!("a list") };
    assert_eq!((list[0].member("note"), list[0].member("customer")), (&Value::Null, &Value::Null));
    let labels = orders().labels(&value);
    assert_eq!(
        (&labels["orders"][0]["note"], &labels["orders"][0]["id"]),
        (&Json::Null, &json!("fact"))
    );
}

#[test]
fn a_fact_without_its_closed_type_is_an_error() {
    let one = |field: &str, value: Json| why(|raw| raw["orders"][0][field] = value);
    let at = |field: &str, why: Why| {
        vec![(format!("orders.{field}"), format!("/orders/0/{field}"), why)]
    };
    let money = Why::NotA("an exact amount of a known currency");
    assert_eq!(one("status", json!("REFUNDED")), at("status", Why::Unexpected));
    assert_eq!(one("status", Json::Null), at("status", Why::Missing));
    assert_eq!(one("id", json!("o_1 ")), at("id", Why::Pattern));
    assert_eq!(one("id", json!(1.5)), at("id", Why::NotA("an id")));
    assert_eq!(one("customer", json!("a b")), at("customer", Why::Pattern));
    assert_eq!(one("total", json!(12.5)), at("total", money.clone()));
    assert_eq!(one("placed", json!("yesterday")), at("placed", Why::NotA("a point in time")));
    assert_eq!(one("note", json!(3)), at("note", Why::NotA("a string")));
    assert_eq!(one("currency", json!("XXX")), at("total", money));
    let tags = one("tags", json!(["a b"]));
    assert_eq!(tags, [("orders.tags".into(), "/orders/0/tags/0".into(), Why::Pattern)]);
}

#[test]
fn every_problem_is_named_and_no_content() {
    let mut raw = raw();
    raw["orders"][0]["status"] = json!("private words");
    raw["orders"][0]["id"] = json!("private id");
    let error = orders().project(&raw).unwrap_err();
    assert_eq!(error.problems.len(), 2);
    assert!(!error.to_string().contains("private"), "{error}");
}

#[test]
fn a_longer_list_than_declared_is_an_error() {
    let order = raw()["orders"][0].clone();
    let found = why(|raw| raw["orders"] = Json::Array(vec![order; 11]));
    assert_eq!(found, [("orders".into(), "/orders".into(), Why::TooLong { length: 11, max: 10 })]);
    assert_eq!(why(|raw| raw["orders"] = json!({}))[0].2, Why::NotA("a list"));
}

#[test]
fn an_answer_without_the_object_lacks_its_fields() {
    let contracts = pack(&example_pack()).pack.unwrap().contracts;
    let refunds = contracts.iter().find(|c| c.tool == "shop.refunds").unwrap();
    let Body::Read(read) = &refunds.body else { panic!("a read") };
    let error = read.output.project(&json!({ "refunds": [] })).unwrap_err();
    assert!(error.lacks(&["customer".into()]) && error.lacks(&["total".into()]));
    assert!(!error.lacks(&["refunds".into()]));
}

fn lacks(shape: &Shape, raw: &Json, path: &str) -> bool {
    let path: Vec<_> = path.split('.').map(str::to_owned).collect();
    shape.project(raw).unwrap_err().lacks(&path)
}

#[test]
fn a_malformed_element_is_no_missing_list() {
    let change = |change: fn(&mut Json)| {
        let mut raw = raw();
        change(&mut raw["orders"][0]);
        raw
    };
    let gap = change(|order| order["status"] = Json::Null);
    let null = change(|order| *order = Json::Null);
    for raw in [gap, null] {
        assert!(!lacks(&orders(), &raw, "orders"), "{raw}");
    }
    assert!(lacks(&orders(), &json!({}), "orders"));
    assert!(lacks(&orders(), &Json::Null, "orders"));
    let tags = output("tags: { list: { at: /tags, max: 9 }, of: { fact: id } }");
    assert!(!lacks(&tags, &json!({ "tags": [null] }), "tags"));
}

#[test]
fn a_gap_inside_an_object_is_no_missing_object() {
    let shape = output("order: { at: /order, of: { id: { fact: id, at: /id } } }");
    assert!(lacks(&shape, &json!({ "order": null }), "order"));
    assert!(lacks(&shape, &json!({ "order": null }), "order.id"));
    assert!(lacks(&shape, &json!({ "order": {} }), "order.id"));
    assert!(!lacks(&shape, &json!({ "order": {} }), "order"));
    let told = shape.project(&json!({})).unwrap_err().to_string();
    assert_eq!(told, "`order` at /order is missing");
}

#[test]
fn a_bare_list_is_projected() {
    let shape = output("orders: { list: { at: \"\", max: 2 }, of: { id: { fact: id, at: /id } } }");
    let value = shape.project(&json!([{ "id": "o_1", "secret": "s" }])).unwrap();
    assert_eq!(value.to_json(), json!({ "orders": [{ "id": "o_1" }] }));
    assert_eq!(shape.project(&json!([])).unwrap().to_json(), json!({ "orders": [] }));
    let why = |raw: Json| shape.project(&raw).unwrap_err().problems.remove(0).why;
    assert_eq!(why(json!({})), Why::NotA("a list"));
    assert_eq!(why(json!([1, 2, 3])), Why::TooLong { length: 3, max: 2 });
    // A shape that takes no place as it is wants an object, whatever it leaves optional.
    let object = output("note: { text: 9, at: /note, optional: true }");
    let error = object.project(&json!([])).unwrap_err();
    assert_eq!(error.problems[0].why, Why::NotA("an object"));
}

/// A read's output, from its YAML.
fn output(yaml: &str) -> Shape {
    let read = "tool: shop.things\nsummary: Things.\neffect: none\n\
                do: { http: { method: GET, path: [v1] } }\noutput:\n";
    let output: String = yaml.lines().map(|line| format!("  {line}\n")).collect();
    let mut files = example_pack();
    files.retain(|path, _| path == "connector.yaml");
    files.insert("contracts/things.yaml".to_owned(), format!("{read}{output}"));
    let loaded = pack(&files);
    let contracts = loaded.pack.unwrap_or_else(|| panic!("{:?}", loaded.problems)).contracts;
    match &contracts[0].body {
        Body::Read(read) => read.output.clone(),
        Body::Write(_) => panic!("a read"),
    }
}

#[test]
fn a_list_of_texts_or_facts_needs_no_place_of_its_element() {
    let shape = output("tags: { list: { at: /tags, max: 9 }, of: { text: 3 } }");
    let value = shape.project(&json!({ "tags": ["a b c", "d"] })).unwrap();
    assert_eq!(value.to_json(), json!({ "tags": ["a b", "d"] }));
}

#[test]
fn the_guides_shapes_load() {
    let page = include_str!("../../../packs/CONTRACTS.md");
    let (_, section) = page.split_once("### 2.6 Shapes").unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let value = output(block).project(&json!({
        "status": "paid", "id": "pay_1", "total": { "amount": "1.00", "currency": "EUR" },
        "amount": 100, "quantity": 1, "done": true, "rate": "1.5", "created_at": 0,
        "lines": [], "tags": ["x"],
    }));
    assert_eq!(value.unwrap().member("tags").to_json(), json!(["x"]));
}

#[test]
fn places_have_labels_and_types() {
    let shape = orders();
    let label = |pointer: &str| Step::parse(pointer).and_then(|steps| shape.label_at(&steps));
    assert_eq!(label("/orders/0/id"), Some(Label::Fact));
    assert_eq!(label("/orders/*/note"), Some(Label::Text));
    assert_eq!(label("/orders/0/tags/1"), Some(Label::Fact));
    for nowhere in ["/orders", "/orders/id", "/orders/0/none", "/orders/0/id/x", "orders"] {
        assert_eq!(label(nowhere), None, "{nowhere}");
    }
    assert_eq!(shape.kind_at(&Step::parse("/orders/*/total").unwrap()), Some(Type::Money));
}

#[test]
fn decimals_and_integers_are_read_exactly() {
    let field = |fact| Field { optional: false, at: "/x".into(), kind: Kind::Fact(fact) };
    let read = |fact: Fact, x: Json| {
        let shape = Shape::new([("x".to_owned(), field(fact))].into());
        shape.project(&json!({ "x": x })).ok().map(|v| v.member("x").to_json())
    };
    assert_eq!(read(Fact::Decimal, json!("1.10")), Some(json!("1.10")));
    assert_eq!(read(Fact::Decimal, json!(1.1)), Some(json!("1.1")));
    assert_eq!(read(Fact::Decimal, json!(0.123_456_789_012_345_67)), None);
    assert_eq!(read(Fact::Decimal, json!("1e3")), None);
    assert_eq!(read(Fact::Int, json!("12")), Some(json!(12)));
    assert_eq!(read(Fact::Int, json!("012")), None);
    assert_eq!(read(Fact::Int, json!(1.0)), None);
    assert_eq!(read(Fact::Time, json!(0)), Some(json!("1970-01-01T00:00:00Z")));
    assert_eq!(read(Fact::Bool, json!("true")), None);
}
