//! Refunds, transactions and the vendor's own suggestion of what to give back.

use std::sync::Arc;

use apollo_compiler::resolvers::FieldError;
use apollo_compiler::response::{JsonMap, JsonValue};

use super::connection::{Item, connection};
use super::object::{
    Resolved, Shown, fail, flag, int, leaf, list, maybe, maybe_object, money, object, text, time,
    unknown,
};
use super::order::{line_item, order};
use super::shop::{Order, Refund, RefundLine, Shop, Transaction, gid, number};

/// The object of refund `id`, which must be on the order.
pub(super) fn refund(shop: &Arc<Shop>, of: &Arc<Order>, id: u64) -> Shown {
    let (shop, of) = (Arc::clone(shop), Arc::clone(of));
    object("Refund", move |field, args| match of.refunds.iter().find(|refund| refund.id == id) {
        Some(refund) => refund_field(&shop, &of, refund, field, args),
        None => fail(format!("refund {id} is gone")),
    })
}

fn refund_field(
    shop: &Arc<Shop>,
    of: &Arc<Order>,
    refund: &Refund,
    field: &str,
    args: &JsonMap,
) -> Resolved {
    match field {
        "id" => leaf(gid("Refund", refund.id)),
        "legacyResourceId" => leaf(refund.id.to_string()),
        "createdAt" | "updatedAt" | "processedAt" => time(refund.created_at),
        "note" => maybe(refund.note.clone()),
        "order" => Ok(order(shop, of)),
        "totalRefundedSet" => money(of.currency, refund_total(of, refund)),
        "refundLineItems" => {
            let item = |part: &RefundLine| {
                let (of, part) = (Arc::clone(of), part.clone());
                Item::new(part.id, move || refund_line(&of, &part))
            };
            let items = refund.lines.iter().map(item).collect();
            connection(("RefundLineItemConnection", "RefundLineItemEdge"), items, args)
        }
        "transactions" => {
            let item = |id: &u64| {
                let (shop, of, id) = (Arc::clone(shop), Arc::clone(of), *id);
                Item::new(id, move || transaction(&shop, &of, id))
            };
            let items = refund.transactions.iter().map(item).collect();
            connection(("OrderTransactionConnection", "OrderTransactionEdge"), items, args)
        }
        _ => unknown(field),
    }
}

/// The sum of a refund's transactions, on their way or arrived.
pub(super) fn refund_total(order: &Order, refund: &Refund) -> i64 {
    let own = order.transactions.iter().filter(|t| refund.transactions.contains(&t.id));
    own.map(|t| t.amount).sum()
}

fn refund_line(of: &Arc<Order>, part: &RefundLine) -> Shown {
    let (of, part) = (Arc::clone(of), part.clone());
    let unit = of.line(part.line).map_or(0, |line| line.discounted);
    object("RefundLineItem", move |field, _| match field {
        "id" => leaf(gid("RefundLineItem", part.id)),
        "lineItem" => Ok(line_item(&of, part.line)),
        "quantity" => leaf(part.quantity),
        "restockType" => leaf(part.restock.clone()),
        "restocked" => leaf(part.restock != "NO_RESTOCK"),
        "priceSet" => money(of.currency, unit),
        "subtotalSet" => money(of.currency, unit * part.quantity),
        "totalTaxSet" => money(of.currency, 0),
        _ => unknown(field),
    })
}

/// The object of transaction `id`, which must be on the order.
pub(super) fn transaction(shop: &Arc<Shop>, of: &Arc<Order>, id: u64) -> Shown {
    let (shop, of) = (Arc::clone(shop), Arc::clone(of));
    object("OrderTransaction", move |field, _| match of.transactions.iter().find(|t| t.id == id) {
        Some(found) => transaction_field(&shop, &of, found, field),
        None => fail(format!("transaction {id} is gone")),
    })
}

fn transaction_field(
    shop: &Arc<Shop>,
    of: &Arc<Order>,
    found: &Transaction,
    field: &str,
) -> Resolved {
    match field {
        "id" => leaf(gid("OrderTransaction", found.id)),
        "kind" => leaf(found.kind),
        "status" => leaf(found.status),
        "gateway" | "formattedGateway" => leaf(found.gateway.clone()),
        "amountSet" => money(of.currency, found.amount),
        "createdAt" | "processedAt" => time(found.at),
        "errorCode" => maybe(None::<String>),
        "test" => leaf(true),
        "parentTransaction" => maybe_object(found.parent.map(|id| transaction(shop, of, id))),
        "order" => Ok(order(shop, of)),
        _ => unknown(field),
    }
}

/// What a refund of these lines would give back.
struct Suggestion {
    lines: Vec<RefundLine>,
    subtotal: i64,
    shipping: i64,
    amount: i64,
}

/// The vendor's arithmetic: discounted prices, what is left of shipping, never more than was paid.
pub(super) fn suggested_refund(shop: &Arc<Shop>, of: &Arc<Order>, args: &JsonMap) -> Resolved {
    let suggestion = suggest(of, args)?;
    let (shop, of) = (Arc::clone(shop), Arc::clone(of));
    Ok(object("SuggestedRefund", move |field, _| {
        let amount = |minor| money(of.currency, minor);
        match field {
            "amountSet" => amount(suggestion.amount),
            "maximumRefundableSet" => amount(of.refundable()),
            "subtotalSet" | "discountedSubtotalSet" => amount(suggestion.subtotal),
            "totalTaxSet" | "totalCartDiscountAmountSet" | "totalDutiesSet" => amount(0),
            "refundLineItems" => list(suggestion.lines.iter().map(|part| refund_line(&of, part))),
            "shipping" => Ok(shipping_refund(&of, suggestion.shipping)),
            "suggestedTransactions" => list(suggested_transaction(&shop, &of, suggestion.amount)),
            _ => unknown(field),
        }
    }))
}

fn suggest(of: &Order, args: &JsonMap) -> Result<Suggestion, FieldError> {
    let full = flag(args, "suggestFullRefund");
    let lines = if full { all_lines(of) } else { asked_lines(of, args)? };
    let unit = |part: &RefundLine| of.line(part.line).map_or(0, |line| line.discounted);
    let subtotal: i64 = lines.iter().map(|part| unit(part) * part.quantity).sum();
    let wanted = match text(args, "shippingAmount").map(|text| of.currency.parse(text)) {
        Some(Some(minor)) => minor,
        Some(None) => return Err(error("Shipping amount is invalid")),
        None if full || flag(args, "refundShipping") => of.shipping_left(),
        None => 0,
    };
    let shipping = wanted.min(of.shipping_left());
    let amount = (subtotal + shipping).min(of.refundable());
    Ok(Suggestion { lines, subtotal, shipping, amount })
}

/// Everything that is still refundable.
pub(super) fn all_lines(of: &Order) -> Vec<RefundLine> {
    let part = |line: &super::shop::Line| RefundLine {
        id: line.id,
        line: line.id,
        quantity: of.refundable_quantity(line),
        restock: "CANCEL".into(),
    };
    of.lines.iter().map(part).filter(|part| part.quantity > 0).collect()
}

fn asked_lines(of: &Order, args: &JsonMap) -> Result<Vec<RefundLine>, FieldError> {
    let asked = args.get("refundLineItems").and_then(JsonValue::as_array);
    let one = |item: &JsonValue| {
        let item = item.as_object().ok_or_else(|| error("Refund line item is invalid"))?;
        let id = text(item, "lineItemId").and_then(|id| number(id, "LineItem"));
        let line =
            id.and_then(|id| of.line(id)).ok_or_else(|| error("Line item does not exist"))?;
        let quantity = int(item, "quantity").unwrap_or(0);
        if quantity < 0 || quantity > of.refundable_quantity(line) {
            return Err(error("Quantity cannot refund more items than were purchased"));
        }
        let restock = text(item, "restockType").unwrap_or("NO_RESTOCK").to_owned();
        Ok(RefundLine { id: line.id, line: line.id, quantity, restock })
    };
    asked.into_iter().flatten().map(one).collect()
}

fn shipping_refund(of: &Order, minor: i64) -> Shown {
    let (currency, left) = (of.currency, of.shipping_left());
    object("ShippingRefund", move |field, _| match field {
        "amountSet" => money(currency, minor),
        "maximumRefundableSet" => money(currency, left),
        "taxSet" => money(currency, 0),
        _ => unknown(field),
    })
}

fn suggested_transaction(shop: &Arc<Shop>, of: &Arc<Order>, minor: i64) -> Option<Shown> {
    let sale = of.transactions.iter().find(|t| t.kind == "SALE").filter(|_| minor > 0)?.clone();
    let (shop, of) = (Arc::clone(shop), Arc::clone(of));
    Some(object("SuggestedOrderTransaction", move |field, _| match field {
        "amountSet" => money(of.currency, minor),
        "maximumRefundableSet" => money(of.currency, of.refundable()),
        "gateway" | "formattedGateway" => leaf(sale.gateway.clone()),
        "kind" => leaf("SUGGESTED_REFUND"),
        "accountNumber" => maybe(None::<String>),
        "parentTransaction" => Ok(transaction(&shop, &of, sale.id)),
        _ => unknown(field),
    }))
}

fn error(message: &str) -> FieldError {
    FieldError { message: message.into() }
}
