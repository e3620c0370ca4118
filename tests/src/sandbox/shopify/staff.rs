//! What a staff member does in the admin, behind the API's back.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::job::{Cancel, carry_out};
use super::shop::{Fulfillment, Order, Shop};
use super::work::{GiveBack, Work};
use crate::sandbox::ledger::Actor;

/// One thing a staff member does to an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum StaffAct {
    /// Cancels and refunds.
    Cancel {
        /// The staff note; `Cancelled by a colleague` when left out.
        #[serde(default)]
        staff_note: Option<String>,
    },
    /// Corrects parts of the shipping address.
    Address {
        /// Street and number; `9 Corrected Street` when left out.
        #[serde(default)]
        address1: Option<String>,
        /// City.
        #[serde(default)]
        city: Option<String>,
        /// Postal code.
        #[serde(default)]
        zip: Option<String>,
    },
    /// Refunds money without touching lines.
    Refund {
        /// Decimal amount; everything that is left when left out.
        #[serde(default)]
        amount: Option<String>,
    },
    /// Ships everything.
    Fulfill {
        /// The parcel's number; `SANDBOX-STAFF` when left out.
        #[serde(default)]
        tracking_number: Option<String>,
    },
    /// Writes the order's note.
    Note {
        /// The new note.
        note: String,
    },
    /// Writes anything into another field that takes any text.
    Text {
        /// Which.
        field: OrderText,
        /// The new text.
        text: String,
    },
}

/// A field of an order that takes any text; of several lines, parcels or refunds the first one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderText {
    /// What a line is called.
    Title,
    /// The line's variant.
    Variant,
    /// First name in the shipping address.
    FirstName,
    /// Last name in the shipping address.
    LastName,
    /// The shipping address's second line.
    Address2,
    /// Who carries a parcel.
    Carrier,
    /// The note of a refund.
    RefundNote,
}

impl OrderText {
    /// Where it stands; nowhere, where the order has no such part.
    fn of(self, order: &mut Order) -> Option<&mut String> {
        let address = order.address.as_mut();
        match self {
            Self::Title => order.lines.first_mut().map(|line| &mut line.title),
            Self::Variant => order.lines.first_mut().map(|line| &mut line.variant),
            Self::FirstName => address.map(|at| &mut at.first_name),
            Self::LastName => address.map(|at| &mut at.last_name),
            Self::Address2 => address.map(|at| at.address2.get_or_insert_default()),
            Self::Carrier => order.fulfillments.first_mut().map(|parcel| &mut parcel.company),
            Self::RefundNote => {
                order.refunds.first_mut().map(|refund| refund.note.get_or_insert_default())
            }
        }
    }
}

impl StaffAct {
    /// What disturbs this mutation most: it is already cancelled, refunded, or corrected otherwise.
    pub(crate) fn against(mutation: &str) -> Self {
        match mutation {
            "orderCancel" => Self::Cancel { staff_note: None },
            "refundCreate" => Self::Refund { amount: None },
            _ => Self::Address { address1: None, city: None, zip: None },
        }
    }
}

/// Carries out `act` on order `id` as staff; says why when it cannot.
pub(crate) fn act(work: &mut Work, id: u64, act: &StaffAct) -> Result<(), String> {
    let actor = std::mem::replace(&mut work.actor, Actor::staff());
    let pending = work.twist.pending.take();
    let done = carry(work, id, act);
    work.actor = actor;
    work.twist.pending = pending;
    done
}

fn carry(work: &mut Work, id: u64, act: &StaffAct) -> Result<(), String> {
    let now = work.now;
    let order = order_of(&mut work.shop, id)?;
    match act {
        StaffAct::Cancel { staff_note } => {
            if let Some(why) = super::job::refused(order) {
                return Err(why.message);
            }
            let note = staff_note.as_deref().unwrap_or("Cancelled by a colleague");
            carry_out(
                work,
                Cancel {
                    order: id,
                    reason: "STAFF".into(),
                    staff_note: Some(note.into()),
                    refund: true,
                    restock: true,
                    pending: None,
                    actor: Actor::staff(),
                },
            );
        }
        StaffAct::Address { address1, city, zip } => {
            let at = order.address.as_mut().ok_or("the order has no shipping address")?;
            at.address1 = address1.clone().unwrap_or_else(|| "9 Corrected Street".into());
            at.city = city.clone().unwrap_or_else(|| at.city.clone());
            at.zip = zip.clone().unwrap_or_else(|| at.zip.clone());
            let detail = json!({ "address1": at.address1, "city": at.city, "zip": at.zip });
            work.effect("address_changed", id, None, detail);
        }
        StaffAct::Refund { amount } => refund(work, id, amount.as_deref())?,
        StaffAct::Fulfill { tracking_number } => {
            let number = tracking_number.clone().unwrap_or_else(|| "SANDBOX-STAFF".into());
            fulfill(order, now, number.clone());
            work.effect("order_fulfilled", id, Some(number), serde_json::Value::Null);
        }
        StaffAct::Note { note } => {
            order.note = Some(note.clone());
            work.effect("note_changed", id, Some(note.clone()), serde_json::Value::Null);
        }
        StaffAct::Text { field, text } => {
            let place = field.of(order).ok_or("the order has no such field")?;
            place.clone_from(text);
            work.effect("text_changed", id, Some(text.clone()), json!({ "field": field }));
        }
    }
    Ok(())
}

fn order_of(shop: &mut Shop, id: u64) -> Result<&mut Order, String> {
    shop.order_mut(id).ok_or_else(|| "the sandbox has no such order".to_owned())
}

fn refund(work: &mut Work, id: u64, amount: Option<&str>) -> Result<(), String> {
    let order = order_of(&mut work.shop, id)?;
    let wanted = match amount {
        Some(text) => {
            order.currency.parse(text).ok_or("the amount is no decimal of the order's currency")?
        }
        None => order.refundable(),
    };
    let sale = order.transactions.iter().find(|t| t.kind == "SALE").map(|t| t.id);
    let sale = sale.filter(|_| wanted > 0 && wanted <= order.refundable());
    let payments = vec![(wanted, sale.ok_or("that much is not refundable")?)];
    let note = Some("Refunded by a colleague".to_owned());
    work.give_back(id, GiveBack { lines: Vec::new(), shipping: 0, note, payments, key: None });
    Ok(())
}

fn fulfill(order: &mut Order, now: jiff::Timestamp, tracking_number: String) {
    order.fulfillments.push(Fulfillment {
        id: order.id * 10 + 1 + order.fulfillments.len() as u64,
        display_status: "IN_TRANSIT",
        created_at: now,
        estimated_at: None,
        delivered_at: None,
        lines: order.lines.iter().map(|line| (line.id, order.unfulfilled_quantity(line))).collect(),
        tracking_number,
        company: "UPS".into(),
    });
}
