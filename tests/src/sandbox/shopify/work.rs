//! One piece of work on the shop: a changed copy and the effects it would have, kept or thrown away.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::shop::{Order, Refund, RefundLine, Shop, Transaction, gid};
use super::staff::StaffAct;
use crate::sandbox::clock::after;
use crate::sandbox::fault::{Fault, Taken};
use crate::sandbox::ledger::{Actor, Happened};

/// How the armed faults bend this piece of work.
#[derive(Debug, Clone, Default)]
pub(crate) struct Twist {
    /// Success is answered, the work is thrown away.
    pub(crate) nothing: bool,
    pub(crate) half: bool,
    /// How much later than usual the cancel job runs.
    pub(crate) job_late: Option<Duration>,
    pub(crate) job_fails: bool,
    /// How long a refund stays PENDING.
    pub(crate) pending: Option<Duration>,
    /// One request, two refunds.
    pub(crate) twice: bool,
    /// Staff does this first; the inner none picks what hurts most.
    pub(crate) staff: Option<Option<StaffAct>>,
}

impl Twist {
    pub(crate) fn of(taken: &Taken) -> Self {
        Self {
            nothing: taken.has(Fault::NoEffect),
            half: taken.has(Fault::HalfEffect),
            job_late: taken.delay(Fault::JobLate),
            job_fails: taken.has(Fault::JobFails),
            pending: taken.delay(Fault::RefundPending),
            twice: taken.has(Fault::Twice),
            staff: taken.get(Fault::StaffChange).map(|spec| spec.staff.clone()),
        }
    }
}

/// A changed copy of the shop with what happened to it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) shop: Shop,
    pub(crate) happened: Vec<Happened>,
    pub(crate) now: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) twist: Twist,
}

/// What a refund consists of.
#[derive(Debug, Clone)]
pub(crate) struct GiveBack {
    pub(crate) lines: Vec<RefundLine>,
    pub(crate) shipping: i64,
    pub(crate) note: Option<String>,
    /// Amount and parent transaction of each payment back.
    pub(crate) payments: Vec<(i64, u64)>,
    pub(crate) key: Option<String>,
}

impl Work {
    pub(crate) fn new(shop: Shop, now: Timestamp, actor: Actor, twist: Twist) -> Self {
        Self { shop, happened: Vec::new(), now, actor, twist }
    }

    /// Notes an effect on `order` and marks the order as updated now.
    pub(crate) fn effect(
        &mut self,
        kind: &'static str,
        order: u64,
        marker: Option<String>,
        detail: Value,
    ) {
        let now = self.now;
        let Some(order) = self.shop.order_mut(order) else {
            return;
        };
        order.updated_at = now;
        let happened = Happened {
            at: now,
            kind,
            object: order.gid(),
            name: order.name.clone(),
            money: None,
            marker,
            idempotency_key: None,
            actor: self.actor.clone(),
            detail,
        };
        self.happened.push(happened);
    }

    /// Creates a refund on `order` and notes it with its amount; gives its id.
    pub(crate) fn give_back(&mut self, order: u64, back: GiveBack) -> Option<u64> {
        let id = self.shop.next_id();
        let ids: Vec<u64> = back.payments.iter().map(|_| self.shop.next_id()).collect();
        let line_ids: Vec<u64> = back.lines.iter().map(|_| self.shop.next_id()).collect();
        let (now, settles_at) = (self.now, self.twist.pending.map(|late| after(self.now, late)));
        let amount: i64 = back.payments.iter().map(|(amount, _)| amount).sum();
        let status = if settles_at.is_some() { "PENDING" } else { "SUCCESS" };
        let order = self.shop.order_mut(order)?;
        for (id, (amount, parent)) in ids.iter().zip(&back.payments) {
            let gateway = gateway_of(order, *parent);
            order.transactions.push(Transaction {
                id: *id,
                kind: "REFUND",
                status,
                gateway,
                amount: *amount,
                parent: Some(*parent),
                at: now,
                settles_at,
            });
        }
        let lines =
            back.lines.into_iter().zip(line_ids).map(|(line, id)| RefundLine { id, ..line });
        let refund = Refund {
            id,
            note: back.note.clone(),
            created_at: now,
            lines: lines.collect(),
            shipping: back.shipping,
            transactions: ids,
        };
        let of_line = |line: &RefundLine| json!({ "line": gid("LineItem", line.line), "quantity": line.quantity });
        let lines: Vec<_> = refund.lines.iter().map(of_line).collect();
        order.refunds.push(refund);
        let money = (order.currency.decimal(amount), order.currency.code.to_owned());
        let order = order.id;
        let detail = json!({ "refund": gid("Refund", id), "status": status, "lines": lines });
        self.effect("refund_created", order, back.note, detail);
        if let Some(last) = self.happened.last_mut() {
            last.money = Some(money);
            last.idempotency_key = back.key;
        }
        Some(id)
    }

    /// Lets PENDING refunds succeed whose time has come.
    pub(crate) fn settle(&mut self) {
        let now = self.now;
        let is_due = |t: &Transaction| t.settles_at.is_some_and(|at| at <= now);
        let due = self.shop.orders.values().filter(|order| order.transactions.iter().any(is_due));
        for id in due.map(|order| order.id).collect::<Vec<_>>() {
            let mut settled = Vec::new();
            if let Some(order) = self.shop.order_mut(id) {
                for transaction in order.transactions.iter_mut().filter(|t| is_due(t)) {
                    transaction.status = "SUCCESS";
                    transaction.settles_at = None;
                    settled.push((
                        order.currency.decimal(transaction.amount),
                        order.currency.code.to_owned(),
                    ));
                }
            }
            for money in settled {
                self.effect("refund_settled", id, None, Value::Null);
                if let Some(last) = self.happened.last_mut() {
                    last.money = Some(money);
                }
            }
        }
    }
}

fn gateway_of(order: &Order, transaction: u64) -> String {
    let found = order.transactions.iter().find(|t| t.id == transaction);
    found.map(|t| t.gateway.clone()).unwrap_or_default()
}

/// True when a PENDING refund's time has come.
pub(crate) fn any_settles(shop: &Shop, now: Timestamp) -> bool {
    let mut transactions = shop.orders.values().flat_map(|order| &order.transactions);
    transactions.any(|t| t.settles_at.is_some_and(|at| at <= now))
}
