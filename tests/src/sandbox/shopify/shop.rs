//! The shop's state, and the sums that the API derives from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::job::Job;
use super::money::Currency;

/// Everything the shop knows. Cloning is cheap: objects are shared until changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shop {
    pub(crate) orders: BTreeMap<u64, Arc<Order>>,
    pub(crate) customers: BTreeMap<u64, Arc<Customer>>,
    pub(crate) jobs: BTreeMap<u64, Arc<Job>>,
    last_id: u64,
}

impl Shop {
    /// A number that no other new object has; the same in every run.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        900_000 + self.last_id
    }

    /// Never gives the numbers again that `other` has given.
    pub(crate) fn pass_ids_of(&mut self, other: &Self) {
        self.last_id = self.last_id.max(other.last_id);
    }

    /// An order by the number in its id.
    pub(crate) fn order(&self, id: u64) -> Option<&Arc<Order>> {
        self.orders.get(&id)
    }

    /// The same for changing.
    pub(crate) fn order_mut(&mut self, id: u64) -> Option<&mut Order> {
        self.orders.get_mut(&id).map(Arc::make_mut)
    }

    /// An order by its name, with or without `#`.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Order>> {
        let name = name.trim_start_matches('#');
        self.orders.values().find(|order| order.name.trim_start_matches('#') == name)
    }
}

/// The number at the end of a `gid://shopify/KIND/NUMBER`, if it is of that kind.
pub(crate) fn number(gid: &str, kind: &str) -> Option<u64> {
    let rest = gid.strip_prefix("gid://shopify/")?.strip_prefix(kind)?.strip_prefix('/')?;
    rest.parse().ok()
}

/// The id of object `id` of `kind`.
pub(crate) fn gid(kind: &str, id: impl std::fmt::Display) -> String {
    format!("gid://shopify/{kind}/{id}")
}

#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: u64,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) cancelled: Option<Cancelled>,
    /// None for a guest.
    pub(crate) customer: Option<u64>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) po_number: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) metafields: Vec<Metafield>,
    pub(crate) currency: Currency,
    pub(crate) lines: Vec<Line>,
    /// Title and price of the shipping method.
    pub(crate) shipping: (String, i64),
    pub(crate) address: Option<Address>,
    pub(crate) fulfillments: Vec<Fulfillment>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) risk: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Cancelled {
    pub(crate) at: Timestamp,
    pub(crate) reason: String,
    pub(crate) staff_note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metafield {
    pub(crate) id: u64,
    pub(crate) namespace: String,
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) value: String,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) variant: String,
    pub(crate) sku: String,
    pub(crate) quantity: i64,
    /// List price of one, in minor units.
    pub(crate) unit: i64,
    /// Price of one after discounts: what a refund of it gives back.
    pub(crate) discounted: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) company: Option<String>,
    pub(crate) address1: String,
    pub(crate) address2: Option<String>,
    pub(crate) city: String,
    pub(crate) province_code: Option<String>,
    pub(crate) zip: String,
    pub(crate) country_code: String,
    pub(crate) phone: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Fulfillment {
    pub(crate) id: u64,
    pub(crate) display_status: &'static str,
    pub(crate) created_at: Timestamp,
    pub(crate) estimated_at: Option<Timestamp>,
    pub(crate) delivered_at: Option<Timestamp>,
    /// Line id and quantity.
    pub(crate) lines: Vec<(u64, i64)>,
    pub(crate) tracking_number: String,
    pub(crate) company: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: u64,
    pub(crate) note: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) lines: Vec<RefundLine>,
    /// How much of it is for shipping.
    pub(crate) shipping: i64,
    /// Ids among the order's transactions.
    pub(crate) transactions: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct RefundLine {
    pub(crate) id: u64,
    pub(crate) line: u64,
    pub(crate) quantity: i64,
    pub(crate) restock: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) id: u64,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) gateway: String,
    pub(crate) amount: i64,
    pub(crate) parent: Option<u64>,
    pub(crate) at: Timestamp,
    /// When a PENDING one succeeds.
    pub(crate) settles_at: Option<Timestamp>,
}

impl Order {
    pub(crate) fn gid(&self) -> String {
        gid("Order", self.id)
    }

    pub(crate) fn line(&self, id: u64) -> Option<&Line> {
        self.lines.iter().find(|line| line.id == id)
    }

    fn refunded_quantity(&self, line: u64) -> i64 {
        let lines = self.refunds.iter().flat_map(|refund| &refund.lines);
        lines.filter(|part| part.line == line).map(|part| part.quantity).sum()
    }

    fn fulfilled_quantity(&self, line: u64) -> i64 {
        let lines = self.fulfillments.iter().flat_map(|f| &f.lines);
        lines.filter(|(id, _)| *id == line).map(|(_, quantity)| quantity).sum()
    }

    /// How many of the line can still be refunded.
    pub(crate) fn refundable_quantity(&self, line: &Line) -> i64 {
        (line.quantity - self.refunded_quantity(line.id)).max(0)
    }

    /// How many are still on the order: nothing once it is cancelled.
    pub(crate) fn current_quantity(&self, line: &Line) -> i64 {
        if self.cancelled.is_some() { 0 } else { self.refundable_quantity(line) }
    }

    /// How many are still to be shipped.
    pub(crate) fn unfulfilled_quantity(&self, line: &Line) -> i64 {
        (self.current_quantity(line) - self.fulfilled_quantity(line.id)).max(0)
    }

    pub(crate) fn subtotal(&self) -> i64 {
        self.lines.iter().map(|line| line.discounted * line.quantity).sum()
    }

    pub(crate) fn current_subtotal(&self) -> i64 {
        self.lines.iter().map(|line| line.discounted * self.current_quantity(line)).sum()
    }

    pub(crate) fn discounts(&self) -> i64 {
        self.lines.iter().map(|line| (line.unit - line.discounted) * line.quantity).sum()
    }

    pub(crate) fn total(&self) -> i64 {
        self.subtotal() + self.shipping.1
    }

    pub(crate) fn current_total(&self) -> i64 {
        if self.cancelled.is_some() { 0 } else { self.current_subtotal() + self.shipping_left() }
    }

    pub(crate) fn shipping_refunded(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.shipping).sum()
    }

    pub(crate) fn shipping_left(&self) -> i64 {
        (self.shipping.1 - self.shipping_refunded()).max(0)
    }

    fn sum(&self, kind: &str, status: &str) -> i64 {
        let matching = self.transactions.iter().filter(|t| t.kind == kind && t.status == status);
        matching.map(|t| t.amount).sum()
    }

    pub(crate) fn received(&self) -> i64 {
        self.sum("SALE", "SUCCESS")
    }

    pub(crate) fn refunded(&self) -> i64 {
        self.sum("REFUND", "SUCCESS")
    }

    /// Received minus given back.
    pub(crate) fn net(&self) -> i64 {
        self.received() - self.refunded()
    }

    /// What a further refund may not exceed: the net payment without what is already on its way.
    pub(crate) fn refundable(&self) -> i64 {
        (self.net() - self.sum("REFUND", "PENDING")).max(0)
    }

    pub(crate) fn outstanding(&self) -> i64 {
        (self.current_total() - self.net()).max(0)
    }

    pub(crate) fn financial_status(&self) -> &'static str {
        match (self.refunded(), self.net()) {
            (0, _) => "PAID",
            (_, ..=0) => "REFUNDED",
            (_, _) => "PARTIALLY_REFUNDED",
        }
    }

    pub(crate) fn fulfillment_status(&self) -> &'static str {
        let shipped = |line: &Line| self.fulfilled_quantity(line.id) >= line.quantity;
        if self.fulfillments.is_empty() {
            "UNFULFILLED"
        } else if self.lines.iter().all(shipped) {
            "FULFILLED"
        } else {
            "PARTIALLY_FULFILLED"
        }
    }
}
