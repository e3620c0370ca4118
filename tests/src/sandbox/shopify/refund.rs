//! `refundCreate`: needs a key, moves only the money its transactions name.

use serde::Deserialize;
use serde_json::Value;

use super::shop::{Order, RefundLine, number};
use super::user_error::UserError;
use super::work::{GiveBack, Work};

/// The input of the mutation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RefundInput {
    pub(super) order_id: String,
    note: Option<String>,
    shipping: Option<Shipping>,
    refund_line_items: Option<Vec<LineInput>>,
    transactions: Option<Vec<TransactionInput>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shipping {
    amount: Option<Value>,
    full_refund: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LineInput {
    line_item_id: String,
    quantity: i64,
    restock_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionInput {
    amount: Value,
    kind: String,
    parent_id: Option<String>,
}

/// Checks and refunds; gives the ids of order and refund.
pub(super) fn refund_create(
    work: &mut Work,
    input: RefundInput,
    key: String,
) -> Result<(u64, u64), UserError> {
    let missing = || UserError::on("orderId", "Order does not exist");
    let order =
        number(&input.order_id, "Order").and_then(|id| work.shop.order(id)).ok_or_else(missing)?;
    let lines = lines(order, &input)?;
    let shipping = shipping(order, &input)?;
    let mut payments = payments(order, &input)?;
    if lines.is_empty() && payments.is_empty() && shipping == 0 {
        return Err(UserError::general(
            "Refund must have at least one line item, shipping or transaction",
        ));
    }
    if work.twist.half {
        payments.clear();
    }
    let id = order.id;
    let back = GiveBack { lines, shipping, note: input.note, payments, key: Some(key) };
    let again = work.twist.twice.then(|| back.clone());
    let refund = work.give_back(id, back).ok_or_else(missing)?;
    if let Some(again) = again {
        work.give_back(id, again);
    }
    Ok((id, refund))
}

fn lines(order: &Order, input: &RefundInput) -> Result<Vec<RefundLine>, UserError> {
    let mut lines: Vec<RefundLine> = Vec::new();
    for (at, asked) in input.refund_line_items.iter().flatten().enumerate() {
        let on =
            |part: &str, message| UserError::on(&format!("refundLineItems.{at}.{part}"), message);
        let line = number(&asked.line_item_id, "LineItem").and_then(|id| order.line(id));
        let line = line.ok_or_else(|| on("lineItemId", "Line item does not exist"))?;
        let before: i64 = lines.iter().filter(|l| l.line == line.id).map(|l| l.quantity).sum();
        if asked.quantity < 0 {
            return Err(on("quantity", "Quantity must be greater than or equal to 0"));
        }
        if before + asked.quantity > order.refundable_quantity(line) {
            return Err(on("quantity", "Quantity cannot refund more items than were purchased"));
        }
        let restock = asked.restock_type.clone().unwrap_or_else(|| "NO_RESTOCK".into());
        lines.push(RefundLine { id: 0, line: line.id, quantity: asked.quantity, restock });
    }
    Ok(lines)
}

fn shipping(order: &Order, input: &RefundInput) -> Result<i64, UserError> {
    let Some(asked) = &input.shipping else {
        return Ok(0);
    };
    let amount = match &asked.amount {
        _ if asked.full_refund == Some(true) => order.shipping_left(),
        Some(amount) => minor(order, amount)
            .ok_or_else(|| UserError::on("shipping.amount", "Amount is invalid"))?,
        None => 0,
    };
    if amount > order.shipping_left() {
        return Err(UserError::on("shipping", "Shipping amount is more than can be refunded"));
    }
    Ok(amount)
}

fn payments(order: &Order, input: &RefundInput) -> Result<Vec<(i64, u64)>, UserError> {
    let mut payments = Vec::new();
    for asked in input.transactions.iter().flatten() {
        if asked.kind != "REFUND" {
            let kind = asked.kind.to_lowercase();
            return Err(UserError::general(format!("Kind {kind} is not a valid transaction")));
        }
        let parent = asked.parent_id.as_deref().and_then(|id| number(id, "OrderTransaction"));
        let parent = parent.filter(|id| order.transactions.iter().any(|t| t.id == *id));
        let message = "Transactions require a parent_id associated with the order";
        let parent = parent.ok_or_else(|| UserError::on("transactions", message))?;
        let amount = minor(order, &asked.amount).filter(|amount| *amount > 0);
        payments.push((
            amount.ok_or_else(|| UserError::on("transactions", "Amount is invalid"))?,
            parent,
        ));
    }
    let total: i64 = payments.iter().map(|(amount, _)| amount).sum();
    if total > order.refundable() {
        let (asked, left) =
            (order.currency.display(total), order.currency.display(order.refundable()));
        let message = format!("Refund amount {asked} is greater than net payment received {left}");
        return Err(UserError::general(message));
    }
    Ok(payments)
}

/// Money comes as a text or as a JSON number.
fn minor(order: &Order, amount: &Value) -> Option<i64> {
    match amount {
        Value::String(text) => order.currency.parse(text),
        Value::Number(number) => order.currency.parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
