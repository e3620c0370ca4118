//! The API as a caller sees it: reads, mutations, keys, and every fault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::sandbox::credential::Credentials;
use crate::sandbox::fault::FaultSpec;
use crate::sandbox::world::{Answer, World};

pub(super) struct Shopper(pub(super) World);

impl Shopper {
    pub(super) fn new() -> Self {
        let mut known = Credentials::default();
        known.add("demo", "token");
        Self(World::open(known).unwrap())
    }

    pub(super) fn send(&mut self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.0.shopify_request(Some("token"), body.as_bytes())
    }

    pub(super) fn data(&mut self, query: &str, variables: Value) -> Value {
        let answer = self.send(query, variables);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.get("errors").is_none(), "{}", answer.body);
        answer.body["data"].clone()
    }

    fn kinds(&mut self) -> Vec<String> {
        self.0.tick();
        self.0.ledger.effects().iter().map(|effect| effect.kind.clone()).collect()
    }

    fn skip(&mut self, seconds: u64) {
        self.0.clock.advance(Duration::from_secs(seconds));
        self.0.tick();
    }

    fn arm(&mut self, fault: impl Into<FaultSpec>) {
        self.0.faults.arm(fault.into());
    }

    fn state(&mut self, name: &str) -> Value {
        self.0.tick();
        self.0.shopify.state(name).unwrap()
    }

    fn answered(&self) -> &str {
        &self.0.requests.received().last().unwrap().answered
    }
}

const CANCEL: &str = "mutation Cancel($id: ID!, $note: String) {
  orderCancel(orderId: $id, reason: CUSTOMER, restock: true, staffNote: $note,
    refundMethod: { originalPaymentMethodsRefund: true }) {
    job { id done } orderCancelUserErrors { field message code } userErrors { field message }
  }
}";

const REFUND: &str = "mutation Refund($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id note totalRefundedSet { shopMoney { amount currencyCode } }
      refundLineItems(first: 5) { nodes { quantity lineItem { title } } }
      transactions(first: 5) { nodes { id kind status amountSet { shopMoney { amount } } } } }
    order { id displayFinancialStatus }
    userErrors { field message }
  }
}";

const UPDATE: &str = "mutation Update($input: OrderInput!) {
  orderUpdate(input: $input) { order { id note shippingAddress { address1 provinceCode province } } userErrors { field message } }
}";

const READ: &str = "query Read($id: ID!) { order(id: $id) { name cancelledAt note cancellation { staffNote } displayFinancialStatus } }";

fn order_1001() -> Value {
    json!({ "id": "gid://shopify/Order/1001", "note": "cs:abc" })
}

fn scarf(note: &str) -> Value {
    json!({
        "orderId": "gid://shopify/Order/1001", "note": note,
        "refundLineItems": [{ "lineItemId": "gid://shopify/LineItem/10012", "quantity": 1, "restockType": "NO_RESTOCK" }],
        "transactions": [{ "amount": "34.50", "gateway": "bogus", "kind": "REFUND",
            "orderId": "gid://shopify/Order/1001", "parentId": "gid://shopify/OrderTransaction/100101" }]
    })
}

fn address(street: &str) -> Value {
    json!({ "input": { "id": "gid://shopify/Order/1001", "note": "cs:addr", "shippingAddress": {
        "firstName": "Ada", "lastName": "Moreno", "address1": street, "city": "Austin",
        "provinceCode": "TX", "zip": "78701", "countryCode": "US" } } })
}

#[test]
fn aliases_fragments_and_typename_are_projected() {
    let data = Shopper::new().data(
        "query($id: ID!) {
           mine: order(id: $id) { __typename ...Head items: lineItems(first: 1) { edges { cursor node { t: title } } pageInfo { hasNextPage } } }
           other: node(id: \"gid://shopify/Customer/2\") { id ... on Customer { displayName } }
         }
         fragment Head on Order { name customer { email } total: totalPriceSet { shopMoney { amount currencyCode } } }",
        json!({ "id": "gid://shopify/Order/1001" }),
    );
    assert_eq!(data["mine"]["__typename"], "Order");
    assert_eq!(data["mine"]["name"], "#1001");
    assert_eq!(data["mine"]["customer"]["email"], "customer1@example.com");
    assert_eq!(data["mine"]["total"]["shopMoney"]["amount"], "130.0");
    assert_eq!(data["mine"]["items"]["edges"][0]["node"]["t"], "Denim Jacket");
    assert_eq!(data["mine"]["items"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(data["other"]["displayName"], "Tom Okafor");
}

#[test]
fn the_seed_has_what_the_stories_need() {
    let mut shop = Shopper::new();
    let guest = shop
        .data("{ order(id: \"gid://shopify/Order/3001\") { customer { id } email } }", json!({}));
    assert_eq!(guest["order"]["customer"], Value::Null);
    let shipped = shop.state("#1002");
    assert_eq!(shipped["displayFulfillmentStatus"], "FULFILLED");
    assert!(shipped["fulfillments"][0]["trackingInfo"][0]["number"].is_string());
    assert_eq!(shop.state("#1003")["displayFinancialStatus"], "PARTIALLY_REFUNDED");
    assert_eq!(shop.state("#1005")["totalPriceSet"]["shopMoney"]["amount"], "2400.0");
    assert_eq!(
        shop.state("4001")["totalPriceSet"]["shopMoney"],
        json!({ "amount": "14600.0", "currencyCode": "JPY" })
    );
    assert_eq!(shop.state("2003")["currencyCode"], "EUR");
}

#[test]
fn pages_follow_their_cursors() {
    let mut shop = Shopper::new();
    let query = "query($after: String) { orders(first: 4, sortKey: ID, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } }";
    let (mut names, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = shop.data(query, json!({ "after": after }))["orders"].clone();
        names.extend(page["nodes"].as_array().unwrap().iter().map(|n| n["name"].to_string()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    names.dedup();
    assert_eq!(names.len(), 10);
}

#[test]
fn what_the_schema_lacks_is_answered_in_shopifys_shape() {
    let mut shop = Shopper::new();
    let body = shop.send("mutation M { refund: refundCreate(input: {orderId: \"x\"}) @idempotent(key: \"k\") { userErrors { code } } }", json!({})).body;
    let expected = json!([{ "message": "Field 'code' doesn't exist on type 'UserError'", "locations": [{ "line": 1, "column": 95 }],
        "path": ["mutation M", "refund", "userErrors", "code"],
        "extensions": { "code": "undefinedField", "typeName": "UserError", "fieldName": "code" } }]);
    assert_eq!(body["errors"], expected);
    let body = shop.send("query($id: ID!) { order(id: $id) { name } }", json!({})).body;
    assert_eq!(body["errors"][0]["extensions"]["code"], "INVALID_VARIABLE");
    let body = shop.send("{ orders { nodes { id } } }", json!({})).body;
    assert_eq!(body["errors"][0]["message"], "you must provide one of first or last");
    let body = shop
        .send(
            UPDATE,
            json!({ "input": { "id": "gid://shopify/Order/1001", "staffMemberId": "1" } }),
        )
        .body;
    assert!(body["errors"][0]["message"].as_str().unwrap().contains("staffMemberId"), "{body}");
}

#[test]
fn an_unknown_token_is_denied() {
    let mut shop = Shopper::new();
    let answer = shop.0.shopify_request(Some("wrong"), b"{}");
    assert_eq!(answer.status, 401);
    assert!(answer.body["errors"].as_str().unwrap().starts_with("[API] Invalid API key"));
}

#[test]
fn cancelling_is_a_job_that_ends_in_a_full_refund() {
    let mut shop = Shopper::new();
    let data = shop.data(CANCEL, order_1001());
    assert_eq!(data["orderCancel"]["job"]["done"], false);
    let job = json!({ "id": data["orderCancel"]["job"]["id"] });
    assert!(shop.kinds().is_empty(), "accepted is not done");
    shop.skip(1);
    assert_eq!(shop.data("query($id: ID!) { job(id: $id) { done } }", job)["job"]["done"], true);
    assert_eq!(shop.kinds(), ["order_cancelled", "refund_created"]);
    let order = shop.state("1001");
    assert_eq!(order["cancellation"]["staffNote"], "cs:abc");
    assert_eq!(order["displayFinancialStatus"], "REFUNDED");
    assert_eq!(order["netPaymentSet"]["shopMoney"]["amount"], "0.0");
    let refunded = &shop.0.ledger.effects()[1];
    assert_eq!(
        (refunded.amount.as_deref(), refunded.by.as_str(), refunded.staff),
        (Some("130.0"), "demo", false)
    );
    let again = shop.data(CANCEL, order_1001());
    assert_eq!(again["orderCancel"]["orderCancelUserErrors"][0]["code"], "INVALID");
    assert_eq!(shop.answered(), "user_errors");
}

#[test]
fn a_repeat_with_the_same_key_is_answered_from_the_present() {
    let mut shop = Shopper::new();
    shop.arm(Fault::RefundPending);
    let ask = json!({ "input": scarf("cs:1"), "key": "k1" });
    let first = shop.data(REFUND, ask.clone())["refundCreate"].clone();
    assert_eq!(first["refund"]["transactions"]["nodes"][0]["status"], "PENDING");
    assert_eq!(first["order"]["displayFinancialStatus"], "PAID");
    shop.skip(16);
    let again = shop.data(REFUND, ask)["refundCreate"].clone();
    assert_eq!(again["refund"]["id"], first["refund"]["id"]);
    assert_eq!(again["refund"]["transactions"]["nodes"][0]["status"], "SUCCESS");
    assert_eq!(again["order"]["displayFinancialStatus"], "PARTIALLY_REFUNDED");
    assert_eq!(shop.kinds(), ["refund_created", "refund_settled"]);
    assert_eq!(shop.0.ledger.effects()[0].idempotency_key.as_deref(), Some("k1"));
}

#[test]
fn one_request_can_happen_twice() {
    let mut shop = Shopper::new();
    shop.arm(Fault::Twice);
    shop.data(REFUND, json!({ "input": scarf("cs:1"), "key": "k1" }));
    let effects = shop.0.ledger.effects();
    let markers: Vec<_> = effects.iter().map(|effect| effect.marker.as_deref()).collect();
    assert_eq!(markers, [Some("cs:1"), Some("cs:1")]);
    assert_ne!(effects[0].detail["refund"], effects[1].detail["refund"]);
}

#[test]
fn a_key_with_other_parameters_is_refused_and_a_day_later_it_is_new() {
    let mut shop = Shopper::new();
    let money_only = |amount: &str| {
        let mut input = scarf("cs:1");
        input["refundLineItems"] = json!([]);
        input["transactions"][0]["amount"] = json!(amount);
        json!({ "input": input, "key": "k1" })
    };
    shop.data(REFUND, money_only("10.00"));
    let other = shop.data(REFUND, money_only("11.00"))["refundCreate"].clone();
    assert_eq!(other["refund"], Value::Null);
    assert_eq!(shop.answered(), "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    shop.skip(24 * 3600);
    shop.data(REFUND, money_only("10.00"));
    assert_eq!(shop.kinds(), ["refund_created", "refund_created"]);
}

#[test]
fn a_refund_without_a_key_is_an_error_and_a_busy_key_waits() {
    let mut shop = Shopper::new();
    let bare = REFUND.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "");
    let body = shop.send(&bare, json!({ "input": scarf("cs:1") })).body;
    assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(body["data"]["refundCreate"], Value::Null);
    shop.arm(Fault::Slow);
    let ask = json!({ "input": scarf("cs:1"), "key": "k" });
    let slow = shop.send(REFUND, ask.clone());
    assert_eq!(slow.after, Duration::from_secs(15));
    let meanwhile = shop.data(REFUND, ask.clone());
    assert_eq!(shop.answered(), "IDEMPOTENCY_CONCURRENT_REQUEST");
    assert_eq!(meanwhile["refundCreate"]["refund"], Value::Null);
    shop.0.release(&slow.held);
    shop.data(REFUND, ask);
    assert_eq!(shop.answered(), "replayed");
    assert_eq!(shop.kinds(), ["refund_created"]);
}

#[test]
fn more_than_remains_is_refused() {
    let mut shop = Shopper::new();
    let mut input = scarf("cs:1");
    input["transactions"][0]["amount"] = json!("130.01");
    let body = shop.data(REFUND, json!({ "input": input, "key": "a" }));
    let message = "Refund amount $130.01 is greater than net payment received $130.00";
    assert_eq!(body["refundCreate"]["userErrors"], json!([{ "field": null, "message": message }]));
    let mut input = scarf("cs:1");
    input["refundLineItems"][0]["quantity"] = json!(2);
    let body = shop.data(REFUND, json!({ "input": input, "key": "b" }));
    assert_eq!(
        body["refundCreate"]["userErrors"][0]["field"],
        json!(["refundLineItems", "0", "quantity"])
    );
    assert!(shop.kinds().is_empty());
}

#[test]
fn the_suggestion_uses_discounted_prices_and_what_is_left() {
    let mut shop = Shopper::new();
    let query = "query($lines: [RefundLineItemInput!], $full: Boolean) { order(id: \"gid://shopify/Order/1004\") { suggestedRefund(refundLineItems: $lines, suggestFullRefund: $full) {
        amountSet { shopMoney { amount } } refundLineItems { quantity lineItem { title } } suggestedTransactions { kind gateway amountSet { shopMoney { amount } } parentTransaction { id } } } } }";
    let one = json!({ "lines": [{ "lineItemId": "gid://shopify/LineItem/10041", "quantity": 1 }] });
    let one = shop.data(query, one)["order"]["suggestedRefund"].clone();
    assert_eq!(one["amountSet"]["shopMoney"]["amount"], "12.0");
    assert_eq!(
        one["suggestedTransactions"][0]["parentTransaction"]["id"],
        "gid://shopify/OrderTransaction/100401"
    );
    let full = shop.data(query, json!({ "full": true }))["order"]["suggestedRefund"].clone();
    assert_eq!(full["amountSet"]["shopMoney"]["amount"], "30.5");
}

#[test]
fn an_update_changes_all_or_nothing() {
    let mut shop = Shopper::new();
    let data = shop.data(UPDATE, address("1 Congress Avenue"));
    assert_eq!(data["orderUpdate"]["order"]["shippingAddress"]["province"], "Texas");
    assert_eq!(shop.kinds(), ["note_changed", "address_changed"]);
    assert_eq!(shop.0.ledger.effects()[1].marker.as_deref(), Some("cs:addr"));
    let mut wrong = address("2 Congress Avenue");
    wrong["input"]["shippingAddress"]["provinceCode"] = json!("ON");
    let data = shop.data(UPDATE, wrong);
    let message = "State is not a valid state in United States";
    assert_eq!(
        data["orderUpdate"]["userErrors"],
        json!([{ "field": ["shippingAddress", "province"], "message": message }])
    );
    assert_eq!(shop.state("1001")["shippingAddress"]["address1"], "1 Congress Avenue");
    let field = json!({ "input": { "id": "gid://shopify/Order/1001", "metafields": [{ "namespace": "countersign", "key": "action", "value": "k", "type": "single_line_text_field" }] } });
    shop.data(UPDATE, field);
    assert_eq!(shop.kinds().last().unwrap(), "metafield_set");
    let read = "{ order(id: \"gid://shopify/Order/1001\") { metafield(namespace: \"countersign\", key: \"action\") { value } } }";
    assert_eq!(shop.data(read, json!({}))["order"]["metafield"]["value"], "k");
}

#[test]
fn faults_around_the_effect() {
    for (fault, status, cut, effects) in [
        (Fault::LostReply, 0, true, 1),
        (Fault::ErrorBefore, 500, false, 0),
        (Fault::ErrorAfter, 500, false, 1),
        (Fault::RateLimited, 429, false, 0),
        (Fault::RevokedCredential, 401, false, 0),
        (Fault::NoEffect, 200, false, 0),
        (Fault::Slow, 200, false, 1),
    ] {
        let mut shop = Shopper::new();
        shop.arm(fault);
        let answer = shop.send(REFUND, json!({ "input": scarf("cs:1"), "key": "k" }));
        assert_eq!((answer.status, answer.cut), (status, cut), "{}", fault.name());
        assert_eq!(shop.kinds().len(), effects, "{}", fault.name());
        assert_eq!(shop.0.requests.received()[0].faults, [fault.name()]);
    }
}

#[test]
fn a_lying_cancel_ends_its_job_without_an_effect() {
    for fault in [Fault::NoEffect, Fault::JobFails] {
        let mut shop = Shopper::new();
        shop.arm(fault);
        let data = shop.data(CANCEL, order_1001());
        shop.skip(1);
        let job = json!({ "id": data["orderCancel"]["job"]["id"] });
        assert_eq!(
            shop.data("query($id: ID!) { job(id: $id) { done } }", job)["job"]["done"],
            true
        );
        assert!(shop.kinds().is_empty());
        assert_eq!(shop.state("1001")["cancelledAt"], Value::Null);
    }
}

#[test]
fn an_id_from_a_lie_never_becomes_real() {
    let mut shop = Shopper::new();
    shop.arm(Fault::NoEffect);
    let lie =
        shop.data(REFUND, json!({ "input": scarf("cs:1"), "key": "k" }))["refundCreate"].clone();
    let truth =
        shop.data(REFUND, json!({ "input": scarf("cs:1"), "key": "k" }))["refundCreate"].clone();
    assert!(lie["refund"]["id"].is_string());
    assert_ne!(lie["refund"]["id"], truth["refund"]["id"]);
    assert_eq!(shop.kinds(), ["refund_created"]);
}

#[test]
fn a_half_cancel_does_not_refund_and_a_late_job_is_late() {
    let mut shop = Shopper::new();
    shop.arm(Fault::HalfEffect);
    shop.arm(Fault::JobLate);
    shop.data(CANCEL, order_1001());
    shop.skip(14);
    assert!(shop.kinds().is_empty());
    shop.skip(2);
    assert_eq!(shop.kinds(), ["order_cancelled"]);
    assert_eq!(shop.state("1001")["displayFinancialStatus"], "PAID");
}

#[test]
fn a_stale_read_shows_the_state_before_the_last_write() {
    let mut shop = Shopper::new();
    shop.data(CANCEL, order_1001());
    shop.skip(1);
    shop.arm(Fault::StaleRead);
    let id = json!({ "id": "gid://shopify/Order/1001" });
    assert_eq!(shop.data(READ, id.clone())["order"]["cancelledAt"], Value::Null);
    assert!(shop.data(READ, id)["order"]["cancelledAt"].is_string());
}

#[test]
fn staff_gets_there_first() {
    let mut shop = Shopper::new();
    shop.arm(Fault::StaffChange);
    let data = shop.data(CANCEL, order_1001());
    assert_eq!(data["orderCancel"]["job"], Value::Null);
    assert_eq!(shop.state("1001")["cancellation"]["staffNote"], "Cancelled by a colleague");
    assert!(shop.0.ledger.effects().iter().all(|effect| effect.staff && effect.by == "staff"));

    let mut shop = Shopper::new();
    shop.arm(Fault::StaffChange);
    shop.data(UPDATE, address("1 Congress Avenue"));
    assert_eq!(shop.kinds(), ["address_changed", "note_changed", "address_changed"]);

    let mut shop = Shopper::new();
    shop.arm(FaultSpec {
        staff: Some(StaffAct::Fulfill { tracking_number: None }),
        ..Fault::StaffChange.into()
    });
    let data = shop.data(CANCEL, order_1001());
    assert_eq!(data["orderCancel"]["orderCancelUserErrors"][0]["field"], json!(["orderId"]));
    assert_eq!(shop.kinds(), ["order_fulfilled"]);
}

#[test]
fn a_job_finds_what_changed_since_it_was_asked() {
    let mut shop = Shopper::new();
    shop.arm(Fault::JobLate);
    shop.data(CANCEL, order_1001());
    let now = shop.0.clock.now();
    shop.0
        .shopify
        .staff("1001", &StaffAct::Fulfill { tracking_number: None }, now, &mut shop.0.ledger)
        .unwrap();
    shop.skip(20);
    assert_eq!(shop.kinds(), ["order_fulfilled"]);
}

#[test]
fn reset_brings_everything_back() {
    let mut shop = Shopper::new();
    shop.arm(FaultSpec { times: 9, ..Fault::Slow.into() });
    shop.data(REFUND, json!({ "input": scarf("cs:1"), "key": "k" }));
    shop.0.reset();
    assert!(shop.kinds().is_empty());
    assert_eq!(shop.0.faults.armed().count(), 0);
    assert_eq!(shop.state("1001")["refunds"], json!([]));
}
