//! A customer, and lists of orders by search.

use std::sync::Arc;

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::JsonMap;

use super::connection::{Item, connection};
use super::object::{Resolved, Shown, leaf, list, maybe, object, text, texts, time, unknown};
use super::order::order;
use super::search::Search;
use super::shop::{Customer, Order, Shop, gid};

/// The object of `customer`.
pub(super) fn customer(shop: &Arc<Shop>, customer: &Arc<Customer>) -> Shown {
    let (shop, customer) = (Arc::clone(shop), Arc::clone(customer));
    object("Customer", move |field, args| match field {
        "id" => leaf(gid("Customer", customer.id)),
        "legacyResourceId" => leaf(customer.id.to_string()),
        "email" => leaf(customer.email.clone()),
        "defaultEmailAddress" => Ok(email_address(customer.email.clone())),
        "displayName" => leaf(format!("{} {}", customer.first_name, customer.last_name)),
        "firstName" => leaf(customer.first_name.clone()),
        "lastName" => leaf(customer.last_name.clone()),
        "phone" | "note" => maybe(None::<String>),
        "tags" => texts(Vec::<String>::new()),
        "createdAt" | "updatedAt" => time(customer.created_at),
        "numberOfOrders" => leaf(of(&shop, Some(customer.id)).len().to_string()),
        "orders" => orders(&shop, Some(customer.id), args),
        _ => unknown(field),
    })
}

fn email_address(email: String) -> Shown {
    object("CustomerEmailAddress", move |field, _| match field {
        "emailAddress" => leaf(email.clone()),
        _ => unknown(field),
    })
}

fn of(shop: &Shop, customer: Option<u64>) -> Vec<&Arc<Order>> {
    let within = |order: &&Arc<Order>| customer.is_none() || order.customer == customer;
    shop.orders.values().filter(within).collect()
}

/// The orders that `query` finds, of one customer or of all, sorted and paged.
pub(super) fn orders(shop: &Arc<Shop>, customer: Option<u64>, args: &JsonMap) -> Resolved {
    let search = Search::parse(text(args, "query").unwrap_or_default());
    let search = search.map_err(|message| FieldError { message })?;
    let mut found = of(shop, customer);
    found.retain(|order| search.matches(order));
    match text(args, "sortKey").unwrap_or("ID") {
        "CREATED_AT" | "PROCESSED_AT" => found.sort_by_key(|order| (order.created_at, order.id)),
        "UPDATED_AT" => found.sort_by_key(|order| (order.updated_at, order.id)),
        "TOTAL_PRICE" => found.sort_by_key(|order| (order.total(), order.id)),
        _ => found.sort_by_key(|order| order.id),
    }
    let item = |found: &Arc<Order>| {
        let (shop, found) = (Arc::clone(shop), Arc::clone(found));
        Item::new(found.id, move || order(&shop, &found))
    };
    connection(("OrderConnection", "OrderEdge"), found.into_iter().map(item).collect(), args)
}

/// The objects of several ids, null where there is none.
pub(super) fn nodes(found: impl IntoIterator<Item = Option<Shown>>) -> Resolved {
    list(found.into_iter().map(|one| one.unwrap_or_else(Shown::null)))
}
