//! The sandbox beside the vendor's schema and recorded exchanges, where those are at hand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::path::PathBuf;

use apollo_compiler::Schema;
use apollo_compiler::schema::ExtendedType;
use serde_json::{Value, json};

use super::tests::Shopper;

/// The vendor's reference data, kept outside the project; tests skip without it.
fn vendor(file: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vendor/shopify");
    let text = std::fs::read_to_string(folder.join(file)).ok();
    if text.is_none() {
        eprintln!("skipped: {file} of the vendor's reference data is not here");
    }
    text
}

fn recorded(file: &str) -> Option<Value> {
    vendor(&format!("recorded/{file}")).map(|text| serde_json::from_str(&text).unwrap())
}

#[test]
fn every_name_is_the_vendors() {
    let Some(theirs) = vendor("admin-2026-07.schema.graphql") else {
        return;
    };
    let theirs = Schema::parse(theirs, "vendor.graphql").unwrap_or_else(|broken| broken.partial);
    let ours = Schema::parse(include_str!("schema.graphql"), "ours.graphql").unwrap();
    let mut wrong = Vec::new();
    for (name, ty) in ours.types.iter().filter(|(_, ty)| !ty.is_built_in()) {
        let Some(their) = theirs.types.get(name) else {
            wrong.push(name.to_string());
            continue;
        };
        match (ty, their) {
            (ExtendedType::Object(ours), ExtendedType::Object(their)) => {
                for (field, def) in &ours.fields {
                    let same = their.fields.get(field).is_some_and(|there| {
                        there.ty == def.ty
                            && def.arguments.iter().all(|argument| {
                                let there = there.argument_by_name(&argument.name);
                                there.is_some_and(|there| {
                                    there.ty == argument.ty
                                        && there.default_value == argument.default_value
                                })
                            })
                    });
                    wrong.extend((!same).then(|| format!("{name}.{field}")));
                }
            }
            (ExtendedType::InputObject(ours), ExtendedType::InputObject(their)) => {
                for (field, def) in &ours.fields {
                    let same = their.fields.get(field).is_some_and(|there| there.ty == def.ty);
                    wrong.extend((!same).then(|| format!("{name}.{field}")));
                }
            }
            (ExtendedType::Enum(ours), ExtendedType::Enum(their)) => {
                let unknown = ours.values.keys().filter(|value| !their.values.contains_key(*value));
                wrong.extend(unknown.map(|value| format!("{name}.{value}")));
            }
            (ExtendedType::Scalar(_), ExtendedType::Scalar(_))
            | (ExtendedType::Interface(_), ExtendedType::Interface(_)) => {}
            _ => wrong.push(format!("{name} is of another kind")),
        }
    }
    assert!(wrong.is_empty(), "not in the vendor's schema: {wrong:?}");
}

#[test]
fn every_field_of_the_schema_is_answered() {
    let schema = Schema::parse(include_str!("schema.graphql"), "ours.graphql").unwrap();
    let leaves = |name: &str| selection(&schema, name, 3);
    let mut shop = Shopper::new();
    for id in [1001, 1002, 1003] {
        let order =
            format!("{{ order(id: \"gid://shopify/Order/{id}\") {{ {} }} }}", leaves("Order"));
        shop.data(&order, json!({}));
    }
    shop.data(
        &format!(
            "{{ customer(id: \"gid://shopify/Customer/1\") {{ {} }} shop {{ {} }} }}",
            leaves("Customer"),
            leaves("Shop")
        ),
        json!({}),
    );
    let cancel = format!(
        "mutation {{ orderCancel(orderId: \"gid://shopify/Order/1001\", reason: OTHER, restock: false) {{ {} }} }}",
        leaves("OrderCancelPayload")
    );
    shop.data(&cancel, json!({}));
}

/// Everything below `name`, `depth` objects deep, with what arguments connections need.
fn selection(schema: &Schema, name: &str, depth: u32) -> String {
    let object = schema.get_object(name).unwrap();
    let mut fields = Vec::new();
    for (field, def) in &object.fields {
        let inner = def.ty.inner_named_type();
        let arguments = match def.argument_by_name("after") {
            Some(_) => "(first: 5)",
            None if field == "metafield" => "(key: \"a.b\")",
            None => "",
        };
        let pages = inner.ends_with("Connection") || inner.ends_with("Edge");
        match &schema.types[inner] {
            ExtendedType::Object(_) if depth == 0 || inner == "QueryRoot" => {}
            ExtendedType::Object(_) => {
                let below = selection(schema, inner, if pages { depth } else { depth - 1 });
                fields.push(format!("{field}{arguments} {{ __typename {below} }}"));
            }
            ExtendedType::Scalar(_)
            | ExtendedType::Enum(_)
            | ExtendedType::Interface(_)
            | ExtendedType::Union(_)
            | ExtendedType::InputObject(_) => fields.push(format!("{field}{arguments}")),
        }
    }
    fields.join(" ")
}

const CANCEL_ERRORS: &str = "2026-04-orderCancel-error-messages.json";

#[test]
fn cancel_refusals_are_the_recorded_ones() {
    let Some(recording) = recorded(CANCEL_ERRORS) else {
        return;
    };
    for (name, case) in recording["expected"].as_object().unwrap() {
        let mut shop = Shopper::new();
        let mut variables = case["variables"].clone();
        variables["orderId"] = json!("gid://shopify/Order/1001");
        if name == "alreadyCancelled" {
            shop.data(case["query"].as_str().unwrap(), variables.clone());
            shop.0.clock.advance(std::time::Duration::from_secs(1));
        }
        let data = shop.data(case["query"].as_str().unwrap(), variables);
        assert_eq!(data, case["response"]["payload"]["data"], "{name}");
    }
}

#[test]
fn a_cancelled_order_reads_as_the_recorded_one() {
    let Some(recording) = recorded("2026-04-orderCancel-restock-refundMethod-parity.json") else {
        return;
    };
    let theirs = &recording["downstreamRead"]["response"]["data"]["order"];
    let mut shop = Shopper::new();
    let mut variables = recording["variables"].clone();
    variables["orderId"] = json!("gid://shopify/Order/1001");
    let cancel = "mutation($orderId: ID!, $restock: Boolean!, $reason: OrderCancelReason!, $notifyCustomer: Boolean, $staffNote: String, $refundMethod: OrderCancelRefundMethodInput) {
        orderCancel(orderId: $orderId, restock: $restock, reason: $reason, notifyCustomer: $notifyCustomer, staffNote: $staffNote, refundMethod: $refundMethod) { orderCancelUserErrors { field message code } } }";
    let data = shop.data(cancel, variables);
    assert_eq!(data, recording["mutation"]["response"]["data"]);
    shop.0.clock.advance(std::time::Duration::from_secs(1));
    let read = "query($id: ID!) { order(id: $id) { closed cancelReason cancellation { staffNote } displayFinancialStatus displayFulfillmentStatus
        totalOutstandingSet { shopMoney { amount } } currentTotalPriceSet { shopMoney { amount } } netPaymentSet { shopMoney { amount } }
        transactions { kind status } refunds { transactions(first: 5) { nodes { kind status } } } } }";
    let ours = shop.data(read, json!({ "id": "gid://shopify/Order/1001" }))["order"].clone();
    for field in [
        "closed",
        "cancelReason",
        "cancellation",
        "displayFinancialStatus",
        "displayFulfillmentStatus",
    ] {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    for field in ["totalOutstandingSet", "currentTotalPriceSet", "netPaymentSet"] {
        assert_eq!(
            ours[field]["shopMoney"]["amount"], theirs[field]["shopMoney"]["amount"],
            "{field}"
        );
    }
    let kinds = |order: &Value| {
        order["transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| (t["kind"].clone(), t["status"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds(&ours), kinds(theirs));
}

#[test]
fn update_refusals_are_the_recorded_ones() {
    let Some(recording) = recorded("2026-04-orderUpdate-input-validation.json") else {
        return;
    };
    let mut shop = Shopper::new();
    let mut variables = recording["variables"].clone();
    for (_, input) in variables.as_object_mut().unwrap() {
        input["id"] = json!("gid://shopify/Order/1001");
    }
    let ours = shop.data(recording["document"].as_str().unwrap(), variables);
    for (case, theirs) in recording["mutation"]["response"]["data"].as_object().unwrap() {
        assert_eq!(ours[case]["userErrors"], theirs["userErrors"], "{case}");
    }
    assert_eq!(ours["happyNote"]["order"]["note"], "orderUpdate input validation happy note");
}

#[test]
fn refund_refusals_are_the_recorded_ones() {
    let Some(recording) = recorded("2026-04-refund-create-transactions-validation.json") else {
        return;
    };
    for case in ["invalidKind", "missingParent", "mismatchedGateway"] {
        let mut shop = Shopper::new();
        let mut variables = recording[case]["variables"].clone();
        variables["input"]["orderId"] = json!("gid://shopify/Order/1001");
        let transaction = &mut variables["input"]["transactions"][0];
        if case != "missingParent" {
            transaction["parentId"] = json!("gid://shopify/OrderTransaction/100101");
        }
        transaction["orderId"] = json!("gid://shopify/Order/1001");
        let ours = shop.data(recording[case]["query"].as_str().unwrap(), variables);
        let theirs = &recording[case]["response"]["data"]["refundCreate"];
        assert_eq!(ours["refundCreate"]["userErrors"], theirs["userErrors"], "{case}");
        assert_eq!(ours["refundCreate"]["refund"].is_null(), theirs["refund"].is_null(), "{case}");
        assert_eq!(
            ours["refundCreate"]["order"]["displayFinancialStatus"],
            theirs["order"]["displayFinancialStatus"],
            "{case}"
        );
    }
}
