//! Cancelling: the answer is a job, the order changes when the job runs.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::payment::all_lines;
use super::shop::{Cancelled, Order, Shop, gid};
use super::user_error::UserError;
use super::work::{GiveBack, Work};
use crate::sandbox::clock::after;
use crate::sandbox::ledger::Actor;

/// How long a cancel job takes when nothing is wrong.
const USUAL: Duration = Duration::from_millis(200);

/// A job that a mutation started.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) done: bool,
    due: Timestamp,
    /// What it does when due; nothing when it is to fail.
    cancel: Option<Cancel>,
}

/// A cancellation as it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Cancel {
    pub(crate) order: u64,
    pub(crate) reason: String,
    pub(crate) staff_note: Option<String>,
    pub(crate) refund: bool,
    pub(crate) restock: bool,
    pub(crate) pending: Option<Duration>,
    pub(crate) actor: Actor,
}

/// Why `order` cannot be cancelled, if it cannot.
pub(crate) fn refused(order: &Order) -> Option<UserError> {
    if order.cancelled.is_some() {
        return Some(
            UserError::on("orderId", "Cannot cancel an order that has already been canceled")
                .code("INVALID"),
        );
    }
    if !order.fulfillments.is_empty() {
        return Some(
            UserError::on("orderId", "Cannot cancel a paid and fulfilled order").code("INVALID"),
        );
    }
    None
}

/// Puts the cancellation on its way; gives the job's id.
pub(crate) fn start(work: &mut Work, cancel: Cancel) -> String {
    let n = work.shop.next_id();
    let job = Job {
        done: false,
        due: after(work.now, work.twist.job_late.unwrap_or(USUAL)),
        cancel: (!work.twist.job_fails).then_some(cancel),
    };
    work.shop.jobs.insert(n, Arc::new(job));
    job_id(n)
}

/// The job of an id that [`start`] gave.
pub(crate) fn find<'s>(shop: &'s Shop, id: &str) -> Option<&'s Job> {
    let n = id.rsplit('-').next()?.parse().ok()?;
    shop.jobs.get(&n).filter(|_| id == job_id(n)).map(Arc::as_ref)
}

fn job_id(n: u64) -> String {
    gid("Job", format!("00000000-0000-4000-8000-{n:012}"))
}

/// Keeps the jobs that `work` started, but takes what they would do: a success that lies.
pub(crate) fn hollow(shop: &mut Shop, work: &Work) {
    // An id that was answered must not turn up later as something real.
    shop.pass_ids_of(&work.shop);
    for (n, job) in &work.shop.jobs {
        let lying = Job { cancel: None, ..Job::clone(job) };
        shop.jobs.entry(*n).or_insert_with(|| Arc::new(lying));
    }
}

/// True when [`run_due`] would do something.
pub(crate) fn any_due(shop: &Shop, now: Timestamp) -> bool {
    shop.jobs.values().any(|job| !job.done && job.due <= now)
}

/// Runs every job that is due.
pub(crate) fn run_due(work: &mut Work) {
    let now = work.now;
    let due = work.shop.jobs.iter().filter(|(_, job)| !job.done && job.due <= now);
    for n in due.map(|(n, _)| *n).collect::<Vec<_>>() {
        let Some(job) = work.shop.jobs.get_mut(&n).map(Arc::make_mut) else {
            continue;
        };
        job.done = true;
        if let Some(cancel) = job.cancel.take() {
            carry_out(work, cancel);
        }
    }
}

/// Cancels now, unless the order has become uncancellable since it was asked.
pub(crate) fn carry_out(work: &mut Work, cancel: Cancel) {
    let (id, now) = (cancel.order, work.now);
    let Some(order) = work.shop.order_mut(id) else {
        return;
    };
    if refused(order).is_some() {
        return;
    }
    let restock = if cancel.restock { "CANCEL" } else { "NO_RESTOCK" };
    let mut lines = all_lines(order);
    for line in &mut lines {
        line.restock = restock.into();
    }
    let (amount, shipping) = (order.refundable(), order.shipping_left());
    let sale = order.transactions.iter().find(|t| t.kind == "SALE").map(|t| t.id);
    order.cancelled = Some(Cancelled {
        at: now,
        reason: cancel.reason.clone(),
        staff_note: cancel.staff_note.clone(),
    });
    work.actor = cancel.actor;
    let detail =
        json!({ "reason": cancel.reason, "refund": cancel.refund, "restock": cancel.restock });
    work.effect("order_cancelled", id, cancel.staff_note.clone(), detail);
    if let (true, Some(sale)) = (cancel.refund && amount > 0, sale) {
        work.twist.pending = cancel.pending;
        let payments = vec![(amount, sale)];
        let back = GiveBack { lines, shipping, note: None, payments, key: None };
        work.give_back(id, back);
    }
}
