//! Objects in the shape of the API. Members that nothing here needs are left out.

use serde_json::{Value, json};

use super::account::{Account, Charge, Customer, Item, Price, Refund, Subscription};

pub(crate) fn customer(customer: &Customer) -> Value {
    json!({
        "id": customer.id, "object": "customer", "name": customer.name, "email": customer.email,
        "created": customer.created.as_second(), "livemode": false, "metadata": {},
    })
}

pub(crate) fn charge(charge: &Charge) -> Value {
    let brand = "visa";
    json!({
        "id": charge.id, "object": "charge",
        "amount": charge.amount, "amount_captured": charge.amount,
        "amount_refunded": charge.amount_refunded,
        "captured": true, "paid": true, "status": "succeeded",
        "refunded": charge.amount_refunded == charge.amount,
        "disputed": charge.disputed,
        "created": charge.created.as_second(), "currency": charge.currency,
        "customer": charge.customer, "description": charge.description,
        "payment_intent": charge.id.replacen("ch_", "pi_", 1),
        "payment_method_details": { "type": "card", "card": { "brand": brand, "last4": charge.last4 } },
        "outcome": { "network_status": "approved_by_network", "risk_level": "normal", "type": "authorized" },
        "review": null, "livemode": false, "metadata": {},
    })
}

pub(crate) fn refund(account: &Account, refund: &Refund, expand: &[String]) -> Value {
    let of = account.charges.get(&refund.charge);
    let shown = match of.filter(|_| wanted(expand, "charge")) {
        Some(of) => charge(of),
        None => json!(refund.charge),
    };
    let mut body = json!({
        "id": refund.id, "object": "refund", "amount": refund.amount, "charge": shown,
        "created": refund.created.as_second(), "currency": of.map(|of| of.currency),
        "metadata": refund.metadata, "payment_intent": refund.charge.replacen("ch_", "pi_", 1),
        "reason": refund.reason, "status": refund.status.name(),
    });
    if refund.status == super::account::RefundStatus::Failed
        && let Some(members) = body.as_object_mut()
    {
        members.insert("failure_reason".to_owned(), json!("expired_or_canceled_card"));
    }
    body
}

pub(crate) fn price(account: &Account, price: &Price, expand: &[String]) -> Value {
    let product = match account.products.get(&price.product).filter(|_| wanted(expand, "product")) {
        Some(name) => {
            json!({ "id": price.product, "object": "product", "active": true, "name": name })
        }
        None => json!(price.product),
    };
    json!({
        "id": price.id, "object": "price", "active": price.active, "currency": price.currency,
        "product": product, "type": "recurring", "billing_scheme": "per_unit",
        "recurring": { "interval": price.interval.name(), "interval_count": 1, "usage_type": "licensed" },
        "unit_amount": price.unit_amount, "unit_amount_decimal": price.unit_amount.to_string(),
        "metadata": price.metadata, "livemode": false,
    })
}

pub(crate) fn subscription(account: &Account, own: &Subscription, expand: &[String]) -> Value {
    let below = below(expand, "items.data.price");
    let items: Vec<Value> = own.items.iter().map(|i| item(account, own, i, &below)).collect();
    let pause = own.pause.as_ref().map(|pause| {
        json!({
            "behavior": pause.behavior,
            "resumes_at": pause.resumes_at.map(jiff::Timestamp::as_second),
        })
    });
    let ends = own.cancel_at_period_end.then(|| own.period.1.as_second());
    json!({
        "id": own.id, "object": "subscription", "customer": own.customer, "status": own.status(),
        "created": own.created.as_second(), "description": own.description,
        "cancel_at_period_end": own.cancel_at_period_end, "cancel_at": ends,
        "canceled_at": own.canceled_at.map(jiff::Timestamp::as_second),
        "ended_at": own.ended_at.map(jiff::Timestamp::as_second),
        "collection_method": "charge_automatically",
        "items": list(items, false, "/v1/subscription_items"),
        "pause_collection": pause, "metadata": own.metadata, "livemode": false,
    })
}

/// Since 2025-03-31 the current period is the item's, no longer the subscription's.
fn item(account: &Account, own: &Subscription, item: &Item, expand: &[String]) -> Value {
    let shown = account.prices.get(&item.price).map(|found| price(account, found, expand));
    json!({
        "id": item.id, "object": "subscription_item", "price": shown, "quantity": item.quantity,
        "subscription": own.id, "metadata": {},
        "current_period_start": own.period.0.as_second(), "current_period_end": own.period.1.as_second(),
    })
}

pub(crate) fn list(data: Vec<Value>, has_more: bool, url: &str) -> Value {
    json!({ "object": "list", "data": data, "has_more": has_more, "url": url })
}

fn wanted(expand: &[String], name: &str) -> bool {
    expand.iter().any(|path| path == name)
}

/// What is asked to be expanded below `place`.
pub(crate) fn below(expand: &[String], place: &str) -> Vec<String> {
    let inner = |path: &String| path.strip_prefix(place)?.strip_prefix('.').map(str::to_owned);
    expand.iter().filter_map(inner).collect()
}
