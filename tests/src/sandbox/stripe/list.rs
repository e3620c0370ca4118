//! Reads: one object, or a list, newest first.

use serde_json::Value;

use super::account::Account;
use super::error::Refusal;
use super::object;
use super::route::{Call, Endpoint};

/// Most elements of a list, and how many where nobody says.
const LIMITS: (i64, usize) = (100, 10);

/// What a read answers.
pub(crate) fn read(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let expand = call.params.expand();
    if expand.iter().any(|path| path.split('.').count() > 4) {
        return Err(Refusal::invalid("You cannot expand more than 4 levels of a property."));
    }
    let id = call.id.as_str();
    match call.endpoint {
        Endpoint::RetrieveCustomer => {
            account.customers.get(id).map(object::customer).ok_or_else(|| missing("customer", id))
        }
        Endpoint::RetrieveCharge => {
            account.charges.get(id).map(object::charge).ok_or_else(|| missing("charge", id))
        }
        Endpoint::RetrieveRefund => {
            let found = account.refunds.iter().find(|refund| refund.id == id);
            found
                .map(|refund| object::refund(account, refund, expand))
                .ok_or_else(|| missing("refund", id))
        }
        Endpoint::RetrieveSubscription => {
            let found = account.subscriptions.get(id);
            found
                .map(|own| object::subscription(account, own, expand))
                .ok_or_else(|| missing("subscription", id))
        }
        Endpoint::RetrievePrice => {
            let found = account.prices.get(id);
            found
                .map(|price| object::price(account, price, expand))
                .ok_or_else(|| missing("price", id))
        }
        Endpoint::ListCharges
        | Endpoint::ListRefunds
        | Endpoint::ListSubscriptions
        | Endpoint::ListPrices => listed(account, call),
        Endpoint::CreateRefund | Endpoint::UpdateSubscription | Endpoint::CancelSubscription => {
            Err(Refusal::broken())
        }
    }
}

pub(crate) fn missing(kind: &str, id: &str) -> Refusal {
    Refusal::missing(format!("No such {kind}: '{id}'")).coded("resource_missing").at("id")
}

fn listed(account: &Account, call: &Call) -> Result<Value, Refusal> {
    let params = &call.params;
    let inner = object::below(params.expand(), "data");
    let fits = |name: &str, value: Option<&str>| params.get(name).is_none_or(|p| Some(p) == value);
    let (known, mut all): (&[&str], Vec<(i64, Value)>) = match call.endpoint {
        Endpoint::ListCharges => {
            let own = account.charges.values().filter(|c| fits("customer", c.customer.as_deref()));
            let shown = own.map(|c| (c.created.as_second(), object::charge(c)));
            (&["customer", "limit", "starting_after"], shown.collect())
        }
        Endpoint::ListRefunds => {
            let own = account.refunds.iter().filter(|r| fits("charge", Some(&r.charge)));
            let shown = own.map(|r| (r.created.as_second(), object::refund(account, r, &inner)));
            (&["charge", "limit", "starting_after"], shown.collect())
        }
        Endpoint::ListSubscriptions => {
            // Canceled ones are left out unless somebody asks for `all` or `canceled`.
            let status = params.one_of("status", &["active", "canceled", "all"])?;
            let own = account.subscriptions.values().filter(|s| {
                fits("customer", Some(&s.customer))
                    && match status {
                        None => s.status() != "canceled",
                        Some("all") => true,
                        Some(wanted) => s.status() == wanted,
                    }
            });
            let shown =
                own.map(|s| (s.created.as_second(), object::subscription(account, s, &inner)));
            (&["customer", "status", "limit", "starting_after"], shown.collect())
        }
        Endpoint::ListPrices
        | Endpoint::RetrieveCustomer
        | Endpoint::RetrieveCharge
        | Endpoint::RetrieveRefund
        | Endpoint::RetrieveSubscription
        | Endpoint::RetrievePrice
        | Endpoint::CreateRefund
        | Endpoint::UpdateSubscription
        | Endpoint::CancelSubscription => {
            let active = params.flag("active")?;
            let own = account.prices.values().filter(|p| active.is_none_or(|a| a == p.active));
            let shown = own.map(|p| (p.unit_amount, object::price(account, p, &inner)));
            (&["active", "type", "limit", "starting_after"], shown.collect())
        }
    };
    params.only(known)?;
    all.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
    page(all.into_iter().map(|(_, body)| body).collect(), call)
}

fn page(all: Vec<Value>, call: &Call) -> Result<Value, Refusal> {
    let params = &call.params;
    let limit = match params.positive("limit")? {
        Some(limit) if limit > LIMITS.0 => {
            return Err(Refusal::invalid("limit must be at most 100").at("limit"));
        }
        Some(limit) => usize::try_from(limit).unwrap_or(LIMITS.1),
        None => LIMITS.1,
    };
    let from = match params.get("starting_after") {
        None => 0,
        Some(id) => {
            let at = all.iter().position(|body| body["id"] == id);
            at.ok_or_else(|| missing("object", id).at("starting_after"))? + 1
        }
    };
    let more = all.len() > from + limit;
    Ok(object::list(all.into_iter().skip(from).take(limit).collect(), more, &call.path))
}
