//! `POST /v1/refunds`: gives back all or part of what a charge took.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::account::{Charge, Refund, RefundStatus, decimal};
use super::error::Refusal;
use super::form::Params;
use super::object;
use super::work::Work;
use crate::sandbox::clock::after;

/// A refund that may be carried out if the charge allows it.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) charge: String,
    amount: Option<i64>,
    reason: Option<String>,
    metadata: BTreeMap<String, String>,
}

impl Wanted {
    pub(crate) fn read(params: &Params) -> Result<Self, Refusal> {
        params.only(&["charge", "payment_intent", "amount", "reason"])?;
        let charge = match (params.get("charge"), params.get("payment_intent")) {
            (Some(charge), None) => charge.to_owned(),
            (None, Some(intent)) => intent.replacen("pi_", "ch_", 1),
            (Some(_), Some(_)) | (None, None) => {
                let message = "One of the following params should be provided for this request: \
                               payment_intent or charge.";
                return Err(Refusal::invalid(message));
            }
        };
        let reasons = ["duplicate", "fraudulent", "requested_by_customer"];
        let reason = params.one_of("reason", &reasons)?.map(str::to_owned);
        let mut metadata = BTreeMap::new();
        params.write_metadata(&mut metadata);
        Ok(Self { charge, amount: params.positive("amount")?, reason, metadata })
    }

    pub(crate) fn carry(&self, work: &mut Work) -> Result<Value, Refusal> {
        let charge = work.account.charges.get(&self.charge).ok_or_else(|| {
            let message = format!("No such charge: '{}'", self.charge);
            Refusal::of("charge", "resource_missing", message)
        })?;
        let amount = allowed(charge, self.amount)?;
        let given = if work.half { amount / 2 } else { amount };
        let made = give_back(work, self, given)?;
        let shown = Refund { amount, ..made };
        Ok(object::refund(&work.account, &shown, &[]))
    }
}

/// State guards: they fail a repeat, they do not replay.
fn allowed(charge: &Charge, amount: Option<i64>) -> Result<i64, Refusal> {
    if charge.disputed {
        let message = format!("Charge {} has been charged back; cannot issue a refund.", charge.id);
        return Err(Refusal::invalid(message).coded("charge_disputed"));
    }
    let left = charge.remaining();
    if left == 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(Refusal::invalid(message).coded("charge_already_refunded"));
    }
    let amount = amount.unwrap_or(left);
    if amount > left {
        let message = format!(
            "Refund amount ({}) is greater than unrefunded amount on charge ({})",
            decimal(amount, charge.currency),
            decimal(left, charge.currency)
        );
        return Err(Refusal::invalid(message).at("amount"));
    }
    Ok(amount)
}

fn give_back(work: &mut Work, wanted: &Wanted, amount: i64) -> Result<Refund, Refusal> {
    let id = work.account.next_id("re");
    let settles = work.pending.map(|late| after(work.now, late));
    let status = if settles.is_some() { RefundStatus::Pending } else { RefundStatus::Succeeded };
    let charge = work.account.charges.get_mut(&wanted.charge).ok_or_else(Refusal::broken)?;
    charge.amount_refunded += amount;
    let (name, money) = (charge.description.clone(), money(charge, amount));
    let refund = Refund {
        id,
        charge: wanted.charge.clone(),
        created: work.now,
        amount,
        reason: wanted.reason.clone(),
        status,
        metadata: wanted.metadata.clone(),
        settles,
    };
    work.account.refunds.push(refund.clone());
    let detail = json!({ "refund": refund.id, "status": status.name() });
    let marker = refund.metadata.get("countersign");
    work.effect("refund_created", (&wanted.charge, &name), (Some(money), marker), detail);
    Ok(refund)
}

/// Refunds everything that is left, or an amount, as somebody in the dashboard does.
pub(crate) fn by_hand(work: &mut Work, charge: &str, amount: Option<i64>) -> Result<(), Refusal> {
    let found = work.account.charges.get(charge);
    let found = found.ok_or_else(|| Refusal::invalid(format!("No such charge: '{charge}'")))?;
    let amount = allowed(found, amount)?;
    let reason = Some("requested_by_customer".to_owned());
    let wanted = Wanted {
        charge: charge.to_owned(),
        amount: None,
        reason,
        metadata: BTreeMap::from([("note".to_owned(), "Refunded by a colleague".to_owned())]),
    };
    let pending = work.pending.take();
    let made = give_back(work, &wanted, amount);
    work.pending = pending;
    made.map(drop)
}

/// Lets pending refunds succeed whose time has come.
pub(crate) fn settle(work: &mut Work) {
    let now = work.now;
    let due = |refund: &Refund| refund.settles.is_some_and(|at| at <= now);
    let ids: Vec<String> =
        work.account.refunds.iter().filter(|r| due(r)).map(|r| r.id.clone()).collect();
    for id in ids {
        end(work, &id, RefundStatus::Succeeded);
    }
}

/// The bank takes a pending refund, or returns it; a returned one is the charge's again.
pub(crate) fn end(work: &mut Work, id: &str, status: RefundStatus) {
    let Some(refund) = work.account.refunds.iter_mut().find(|refund| refund.id == id) else {
        return;
    };
    refund.status = status;
    refund.settles = None;
    let refund = refund.clone();
    let Some(charge) = work.account.charges.get_mut(&refund.charge) else { return };
    let failed = status == RefundStatus::Failed;
    if failed {
        charge.amount_refunded -= refund.amount;
    }
    let (name, money) = (charge.description.clone(), money(charge, refund.amount));
    let kind = if failed { "refund_failed" } else { "refund_settled" };
    work.effect(kind, (&refund.charge, &name), (Some(money), None), json!({ "refund": id }));
}

fn money(charge: &Charge, amount: i64) -> (String, String) {
    (decimal(amount, charge.currency), charge.currency.to_uppercase())
}
