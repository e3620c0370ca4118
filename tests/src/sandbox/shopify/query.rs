//! The query root.

use std::sync::Arc;

use apollo_compiler::response::{JsonMap, JsonValue};

use super::customer::{customer, nodes, orders};
use super::job::find;
use super::object::{Resolved, Shown, leaf, maybe_object, object, text, unknown};
use super::order::{fulfillment, line_item, order};
use super::payment::{refund, transaction};
use super::shop::{Shop, number};

/// Everything that can be read from this state of the shop.
pub(super) fn query_field(shop: &Arc<Shop>, field: &str, args: &JsonMap) -> Resolved {
    let id = text(args, "id").unwrap_or_default();
    match field {
        "order" => {
            maybe_object(number(id, "Order").and_then(|n| shop.order(n)).map(|o| order(shop, o)))
        }
        "orders" => orders(shop, None, args),
        "customer" => {
            let found = number(id, "Customer").and_then(|n| shop.customers.get(&n));
            maybe_object(found.map(|found| customer(shop, found)))
        }
        "job" => maybe_object(job(shop, id)),
        "node" => maybe_object(node(shop, id)),
        "nodes" => {
            let ids = args.get("ids").and_then(JsonValue::as_array);
            nodes(ids.into_iter().flatten().map(|id| node(shop, id.as_str().unwrap_or_default())))
        }
        "shop" => Ok(object("Shop", |field, _| match field {
            "id" => leaf("gid://shopify/Shop/1"),
            "name" => leaf("Countersign Sandbox"),
            "myshopifyDomain" => leaf("countersign-sandbox.myshopify.com"),
            "currencyCode" => leaf("USD"),
            _ => unknown(field),
        })),
        _ => unknown(field),
    }
}

/// The query root as an object of its own, for `Job.query`.
fn query_root(shop: &Arc<Shop>) -> Shown {
    let shop = Arc::clone(shop);
    object("QueryRoot", move |field, args| query_field(&shop, field, args))
}

/// The object of a job, done or not.
pub(super) fn job(shop: &Arc<Shop>, id: &str) -> Option<Shown> {
    let found = find(shop, id)?;
    let (shop, id, done) = (Arc::clone(shop), id.to_owned(), found.done);
    Some(object("Job", move |field, _| match field {
        "id" => leaf(id.clone()),
        "done" => leaf(done),
        "query" => Ok(query_root(&shop)),
        _ => unknown(field),
    }))
}

fn node(shop: &Arc<Shop>, id: &str) -> Option<Shown> {
    if let Some(n) = number(id, "Order") {
        return shop.order(n).map(|found| order(shop, found));
    }
    if let Some(n) = number(id, "Customer") {
        return shop.customers.get(&n).map(|found| customer(shop, found));
    }
    shop.orders.values().find_map(|of| {
        if let Some(n) = number(id, "LineItem") {
            return of.line(n).map(|line| line_item(of, line.id));
        }
        if let Some(n) = number(id, "Refund") {
            return of.refunds.iter().find(|r| r.id == n).map(|r| refund(shop, of, r.id));
        }
        if let Some(n) = number(id, "OrderTransaction") {
            return of.transactions.iter().find(|t| t.id == n).map(|t| transaction(shop, of, t.id));
        }
        let n = number(id, "Fulfillment")?;
        of.fulfillments.iter().find(|f| f.id == n).map(|f| fulfillment(of, f))
    })
}
