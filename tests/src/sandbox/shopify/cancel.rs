//! `orderCancel`: keyless and asynchronous.

use serde::Deserialize;

use super::job::{Cancel, refused, start};
use super::shop::number;
use super::user_error::UserError;
use super::work::Work;

/// The arguments of the mutation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelArguments {
    order_id: String,
    refund: Option<bool>,
    refund_method: Option<RefundMethod>,
    restock: bool,
    reason: String,
    staff_note: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundMethod {
    original_payment_methods_refund: Option<bool>,
}

/// Checks and starts the job; gives its id.
pub(super) fn order_cancel(work: &mut Work, asked: CancelArguments) -> Result<String, UserError> {
    let order = number(&asked.order_id, "Order").and_then(|id| work.shop.order(id));
    let order =
        order.ok_or_else(|| UserError::on("orderId", "Order does not exist").code("NOT_FOUND"))?;
    if asked.staff_note.as_ref().is_some_and(|note| note.chars().count() > 255) {
        let message = "Staff note is too long. Maximum length is 255 characters.";
        return Err(UserError::on("staffNote", message).code("INVALID"));
    }
    if asked.refund.is_some() && asked.refund_method.is_some() {
        let message = "Only one of the arguments `refund` or `refund_method` is allowed.";
        return Err(UserError::on("refund", message).code("INVALID"));
    }
    if let Some(error) = refused(order) {
        return Err(error);
    }
    let method = asked.refund_method.and_then(|method| method.original_payment_methods_refund);
    let cancel = Cancel {
        order: order.id,
        reason: asked.reason,
        staff_note: asked.staff_note,
        refund: asked.refund.or(method).unwrap_or(false) && !work.twist.half,
        restock: asked.restock,
        pending: work.twist.pending,
        actor: work.actor.clone(),
    };
    Ok(start(work, cancel))
}
