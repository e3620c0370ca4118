//! An order, its lines, its address and its parcels as the API shows them.

use std::sync::Arc;

use apollo_compiler::response::JsonMap;

use super::connection::{Item, connection};
use super::customer::customer;
use super::object::{
    Resolved, Shown, fail, int, leaf, list, maybe, maybe_object, maybe_time, money, object, text,
    texts, time, unknown,
};
use super::payment::{refund, suggested_refund, transaction};
use super::region;
use super::seed::image_url;
use super::shop::{Address, Fulfillment, Line, Metafield, Order, Shop, gid};

/// The object of `order` within `shop`.
pub(super) fn order(shop: &Arc<Shop>, order: &Arc<Order>) -> Shown {
    let (shop, order) = (Arc::clone(shop), Arc::clone(order));
    object("Order", move |field, args| match field {
        "customer" => {
            let found = order.customer.and_then(|id| shop.customers.get(&id));
            maybe_object(found.map(|found| customer(&shop, found)))
        }
        "lineItems" => connection(("LineItemConnection", "LineItemEdge"), line_items(&order), args),
        "refunds" => list(limited(&order.refunds, args).map(|part| refund(&shop, &order, part.id))),
        "transactions" => {
            list(limited(&order.transactions, args).map(|part| transaction(&shop, &order, part.id)))
        }
        "suggestedRefund" => suggested_refund(&shop, &order, args),
        "fulfillments" => {
            list(limited(&order.fulfillments, args).map(|part| fulfillment(&order, part)))
        }
        "shippingAddress" | "billingAddress" | "displayAddress" => {
            maybe_object(order.address.clone().map(|at| address(order.id, at)))
        }
        "shippingLine" => Ok(shipping_line(&order)),
        "shippingLines" => {
            let line = Arc::clone(&order);
            let items = vec![Item::new(order.id, move || shipping_line(&line))];
            connection(("ShippingLineConnection", "ShippingLineEdge"), items, args)
        }
        "metafield" => maybe_object(one_metafield(&order, args)),
        "metafields" => {
            connection(("MetafieldConnection", "MetafieldEdge"), metafields(&order, args), args)
        }
        _ => sums(&order, field).unwrap_or_else(|| facts(&order, field)),
    })
}

/// The fields that are amounts.
fn sums(order: &Order, field: &str) -> Option<Resolved> {
    let minor = match field {
        "subtotalPriceSet" => order.subtotal(),
        "currentSubtotalPriceSet" => order.current_subtotal(),
        "totalPriceSet" | "originalTotalPriceSet" => order.total(),
        "currentTotalPriceSet" => order.current_total(),
        "totalShippingPriceSet" => order.shipping.1,
        "totalTaxSet" | "currentTotalTaxSet" => 0,
        "totalDiscountsSet" => order.discounts(),
        "totalOutstandingSet" => order.outstanding(),
        "totalRefundedSet" => order.refunded(),
        "totalRefundedShippingSet" => order.shipping_refunded(),
        "totalReceivedSet" => order.received(),
        "netPaymentSet" => order.net(),
        _ => return None,
    };
    Some(money(order.currency, minor))
}

/// The fields that are plain facts.
fn facts(order: &Order, field: &str) -> Resolved {
    match field {
        "id" => leaf(order.gid()),
        "name" => leaf(order.name.clone()),
        "number" => leaf(i32::try_from(order.id).unwrap_or(i32::MAX)),
        "legacyResourceId" => leaf(order.id.to_string()),
        "createdAt" | "processedAt" => time(order.created_at),
        "updatedAt" => time(order.updated_at),
        "note" => maybe(order.note.clone()),
        "email" => maybe(order.email.clone()),
        "phone" => maybe(order.phone.clone()),
        "poNumber" => maybe(order.po_number.clone()),
        "tags" => texts(order.tags.clone()),
        "customAttributes" => list(order.attributes.iter().cloned().map(attribute)),
        "displayFinancialStatus" => leaf(order.financial_status()),
        "displayFulfillmentStatus" => leaf(order.fulfillment_status()),
        "currencyCode" | "presentmentCurrencyCode" => leaf(order.currency.code),
        "paymentGatewayNames" => texts(order.transactions.first().map(|t| t.gateway.clone())),
        "refundable" => leaf(order.refundable() > 0),
        "fullyPaid" => leaf(order.outstanding() == 0),
        "unpaid" => leaf(order.received() == 0),
        "restockable" | "confirmed" | "requiresShipping" | "test" => leaf(true),
        "risk" => {
            let recommendation = order.risk;
            Ok(object("OrderRiskSummary", move |field, _| match field {
                "recommendation" => leaf(recommendation),
                _ => unknown(field),
            }))
        }
        _ => cancelling(order, field),
    }
}

fn cancelling(order: &Order, field: &str) -> Resolved {
    let cancelled = order.cancelled.as_ref();
    match field {
        "cancelledAt" | "closedAt" => maybe_time(cancelled.map(|c| c.at)),
        "closed" => leaf(cancelled.is_some()),
        "cancelReason" => maybe(cancelled.map(|c| c.reason.clone())),
        "cancellation" => maybe_object(cancelled.map(|c| {
            let note = c.staff_note.clone();
            object("OrderCancellation", move |field, _| match field {
                "staffNote" => maybe(note.clone()),
                _ => unknown(field),
            })
        })),
        _ => unknown(field),
    }
}

fn limited<'a, T>(items: &'a [T], args: &JsonMap) -> impl Iterator<Item = &'a T> {
    let first = int(args, "first").and_then(|n| usize::try_from(n).ok());
    items.iter().take(first.unwrap_or(usize::MAX))
}

fn attribute((key, value): (String, String)) -> Shown {
    object("Attribute", move |field, _| match field {
        "key" => leaf(key.clone()),
        "value" => leaf(value.clone()),
        _ => unknown(field),
    })
}

fn line_items(order: &Arc<Order>) -> Vec<Item> {
    let item = |line: &Line| {
        let (order, id) = (Arc::clone(order), line.id);
        Item::new(id, move || line_item(&order, id))
    };
    order.lines.iter().map(item).collect()
}

/// The object of line `id`, which must be on the order.
pub(super) fn line_item(order: &Arc<Order>, id: u64) -> Shown {
    let order = Arc::clone(order);
    object("LineItem", move |field, _| match order.line(id) {
        Some(line) => line_field(&order, line, field),
        None => fail(format!("line {id} is gone")),
    })
}

fn line_field(order: &Order, line: &Line, field: &str) -> Resolved {
    let amount = |minor| money(order.currency, minor);
    match field {
        "id" => leaf(gid("LineItem", line.id)),
        "title" => leaf(line.title.clone()),
        "name" => leaf(format!("{} - {}", line.title, line.variant)),
        "variantTitle" => leaf(line.variant.clone()),
        "sku" => leaf(line.sku.clone()),
        "vendor" => leaf("Sandbox Goods"),
        "quantity" => leaf(line.quantity),
        "currentQuantity" => leaf(order.current_quantity(line)),
        "refundableQuantity" => leaf(order.refundable_quantity(line)),
        "unfulfilledQuantity" => leaf(order.unfulfilled_quantity(line)),
        "nonFulfillableQuantity" => leaf(0),
        "requiresShipping" | "restockable" | "taxable" => leaf(true),
        "isGiftCard" => leaf(false),
        "originalUnitPriceSet" => amount(line.unit),
        "discountedUnitPriceSet" | "discountedUnitPriceAfterAllDiscountsSet" => {
            amount(line.discounted)
        }
        "originalTotalSet" => amount(line.unit * line.quantity),
        "discountedTotalSet" => amount(line.discounted * line.quantity),
        "totalDiscountSet" => amount((line.unit - line.discounted) * line.quantity),
        "image" => {
            let (url, alt) = (image_url(line), line.title.clone());
            Ok(object("Image", move |field, _| match field {
                "url" => leaf(url.clone()),
                "altText" => leaf(alt.clone()),
                "width" | "height" => leaf(600),
                _ => unknown(field),
            }))
        }
        _ => unknown(field),
    }
}

fn shipping_line(order: &Arc<Order>) -> Shown {
    let order = Arc::clone(order);
    object("ShippingLine", move |field, _| match field {
        "id" => leaf(gid("ShippingLine", order.id)),
        "title" | "code" => leaf(order.shipping.0.clone()),
        "originalPriceSet" | "discountedPriceSet" => money(order.currency, order.shipping.1),
        "isRemoved" => leaf(false),
        _ => unknown(field),
    })
}

fn address(order: u64, at: Address) -> Shown {
    object("MailingAddress", move |field, _| match field {
        "id" => leaf(gid("MailingAddress", order)),
        "name" => leaf(format!("{} {}", at.first_name, at.last_name)),
        "firstName" => leaf(at.first_name.clone()),
        "lastName" => leaf(at.last_name.clone()),
        "company" => maybe(at.company.clone()),
        "address1" => leaf(at.address1.clone()),
        "address2" => maybe(at.address2.clone()),
        "city" => leaf(at.city.clone()),
        "provinceCode" => maybe(at.province_code.clone()),
        "province" => {
            let code = at.province_code.as_deref();
            maybe(code.map(|code| {
                region::province_name(&at.country_code, code).unwrap_or(code).to_owned()
            }))
        }
        "zip" => leaf(at.zip.clone()),
        "countryCodeV2" => leaf(at.country_code.clone()),
        "country" => leaf(region::country_name(&at.country_code)),
        "phone" => maybe(at.phone.clone()),
        "formatted" => {
            let second = at.address2.clone();
            let city = [at.city.clone(), at.zip.clone()].join(" ");
            let country = region::country_name(&at.country_code).to_owned();
            texts(
                [Some(at.address1.clone()), second, Some(city), Some(country)]
                    .into_iter()
                    .flatten(),
            )
        }
        _ => unknown(field),
    })
}

/// The object of one parcel.
pub(super) fn fulfillment(order: &Order, part: &Fulfillment) -> Shown {
    let (name, part) = (order.name.clone(), part.clone());
    object("Fulfillment", move |field, _| match field {
        "id" => leaf(gid("Fulfillment", part.id)),
        "name" => leaf(format!("{name}.1")),
        "status" => leaf("SUCCESS"),
        "displayStatus" => leaf(part.display_status),
        "createdAt" | "updatedAt" => time(part.created_at),
        "inTransitAt" => time(part.created_at),
        "estimatedDeliveryAt" => maybe_time(part.estimated_at),
        "deliveredAt" => maybe_time(part.delivered_at),
        "totalQuantity" => leaf(part.lines.iter().map(|(_, quantity)| quantity).sum::<i64>()),
        "trackingInfo" => list([tracking(&part)]),
        _ => unknown(field),
    })
}

fn tracking(part: &Fulfillment) -> Shown {
    let (company, number) = (part.company.clone(), part.tracking_number.clone());
    object("FulfillmentTrackingInfo", move |field, _| match field {
        "company" => leaf(company.clone()),
        "number" => leaf(number.clone()),
        "url" => leaf(format!("https://sandbox.invalid/track/{number}")),
        _ => unknown(field),
    })
}

fn one_metafield(order: &Order, args: &JsonMap) -> Option<Shown> {
    let key = text(args, "key")?;
    let (namespace, key) = match (text(args, "namespace"), key.split_once('.')) {
        (Some(namespace), _) => (namespace, key),
        (None, Some((namespace, key))) => (namespace, key),
        (None, None) => ("app", key),
    };
    let found = order.metafields.iter().find(|m| m.namespace == namespace && m.key == key);
    found.cloned().map(metafield)
}

fn metafields(order: &Order, args: &JsonMap) -> Vec<Item> {
    let namespace = text(args, "namespace");
    let wanted = order.metafields.iter().filter(|m| namespace.is_none_or(|n| n == m.namespace));
    let item = |m: &Metafield| {
        let m = m.clone();
        Item::new(m.id, move || metafield(m.clone()))
    };
    wanted.map(item).collect()
}

fn metafield(m: Metafield) -> Shown {
    object("Metafield", move |field, _| match field {
        "id" => leaf(gid("Metafield", m.id)),
        "namespace" => leaf(m.namespace.clone()),
        "key" => leaf(m.key.clone()),
        "type" => leaf(m.kind.clone()),
        "value" => leaf(m.value.clone()),
        "createdAt" | "updatedAt" => time(m.updated_at),
        _ => unknown(field),
    })
}
