//! The account's state: what the API shows and changes.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Everything the account knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    pub(crate) customers: BTreeMap<String, Customer>,
    pub(crate) products: BTreeMap<String, String>,
    pub(crate) prices: BTreeMap<String, Price>,
    pub(crate) charges: BTreeMap<String, Charge>,
    /// Oldest first.
    pub(crate) refunds: Vec<Refund>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    last_id: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) created: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) product: String,
    pub(crate) currency: &'static str,
    pub(crate) unit_amount: i64,
    pub(crate) interval: Interval,
    pub(crate) active: bool,
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    Month,
    Year,
}

#[derive(Debug, Clone)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) customer: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) currency: &'static str,
    pub(crate) amount: i64,
    /// With those that are pending, without those that failed.
    pub(crate) amount_refunded: i64,
    pub(crate) description: String,
    pub(crate) disputed: bool,
    pub(crate) last4: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) charge: String,
    pub(crate) created: Timestamp,
    pub(crate) amount: i64,
    pub(crate) reason: Option<String>,
    pub(crate) status: RefundStatus,
    pub(crate) metadata: BTreeMap<String, String>,
    /// When a pending one succeeds.
    pub(crate) settles: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefundStatus {
    Pending,
    Succeeded,
    Failed,
}

#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) created: Timestamp,
    pub(crate) description: Option<String>,
    pub(crate) items: Vec<Item>,
    pub(crate) period: (Timestamp, Timestamp),
    pub(crate) cancel_at_period_end: bool,
    /// When somebody asked for the cancellation.
    pub(crate) canceled_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) pause: Option<Pause>,
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pause {
    pub(crate) behavior: String,
    pub(crate) resumes_at: Option<Timestamp>,
}

impl Account {
    /// A new id of this kind, such as `re_Sandbox900001`; never given again.
    pub(crate) fn next_id(&mut self, kind: &str) -> String {
        self.last_id += 1;
        format!("{kind}_Sandbox{}", 900_000 + self.last_id)
    }

    /// Never gives the ids again that `other` has given.
    pub(crate) fn pass_ids_of(&mut self, other: &Self) {
        self.last_id = self.last_id.max(other.last_id);
    }

    /// Whether time alone changes something.
    pub(crate) fn anything_due(&self, now: Timestamp) -> bool {
        self.refunds.iter().any(|refund| refund.settles.is_some_and(|at| at <= now))
            || self.subscriptions.values().any(|subscription| subscription.is_due(now))
    }

    /// Id, customer, amount, state and what it is, for people.
    pub(crate) fn overview(&self) -> Vec<[String; 5]> {
        let email = |id: &str| self.customers.get(id).map_or("guest", |c| &c.email).to_owned();
        let charges = self.charges.values().map(|charge| {
            let state = if charge.disputed { "disputed" } else { "succeeded" };
            let refunded = decimal(charge.amount_refunded, charge.currency);
            [
                charge.id.clone(),
                email(charge.customer.as_deref().unwrap_or_default()),
                said(charge.amount, charge.currency),
                format!("{state}, {refunded} refunded"),
                charge.description.clone(),
            ]
        });
        let subscriptions = self.subscriptions.values().map(|subscription| {
            let price = subscription.items.first().and_then(|item| self.prices.get(&item.price));
            [
                subscription.id.clone(),
                email(&subscription.customer),
                price.map_or_else(String::new, |price| said(price.unit_amount, price.currency)),
                subscription.state().to_owned(),
                price.map_or_else(String::new, |price| price.id.clone()),
            ]
        });
        charges.chain(subscriptions).collect()
    }
}

impl Charge {
    /// What a further refund may not exceed.
    pub(crate) fn remaining(&self) -> i64 {
        self.amount - self.amount_refunded
    }
}

impl Subscription {
    /// `active` or `canceled`; pausing the collection leaves it active.
    pub(crate) fn status(&self) -> &'static str {
        if self.ended_at.is_some() { "canceled" } else { "active" }
    }

    fn state(&self) -> &'static str {
        match (self.ended_at, self.cancel_at_period_end, &self.pause) {
            (Some(_), _, _) => "canceled",
            (None, true, _) => "cancels at the end of the period",
            (None, false, Some(_)) => "payments paused",
            (None, false, None) => "active",
        }
    }

    /// Whether its period ends, or its pause.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let resumes = self.pause.as_ref().and_then(|pause| pause.resumes_at);
        self.ended_at.is_none()
            && (self.period.1 <= now || resumes.is_some_and(|resumes| resumes <= now))
    }
}

impl Interval {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Its length in days, roughly.
    pub(crate) fn days(self) -> i64 {
        match self {
            Self::Month => 30,
            Self::Year => 365,
        }
    }
}

impl RefundStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// An amount in the currency's smallest unit as a decimal: yen have no smaller one.
pub(crate) fn decimal(minor: i64, currency: &str) -> String {
    match currency {
        "jpy" => minor.to_string(),
        _ => format!("{}.{:02}", minor / 100, minor % 100),
    }
}

fn said(minor: i64, currency: &str) -> String {
    format!("{} {}", currency.to_uppercase(), decimal(minor, currency))
}
