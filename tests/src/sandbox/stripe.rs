//! The stand-in of Stripe's API v1, version 2025-09-30.clover.
//!
//! Shapes follow <https://docs.stripe.com/api> (charges, refunds, subscriptions, prices,
//! customers, errors), keys follow <https://docs.stripe.com/api/idempotent_requests> and
//! <https://docs.stripe.com/error-low-level>. Guessed, because no page says it:
//!
//! * the `type` of a 409 for a key in use (`idempotency_error`), and that a parameter which names
//!   something that does not exist is refused with 400 after execution began (so it is stored);
//! * that a refund of more than remains carries no `code`, only its message;
//! * that the parameters of a key are compared before it is told to be in use;
//! * which answers carry which `Stripe-Should-Retry`.
//!
//! Not stood in for: invoices, so that a period ends without a new charge and a proration moves no
//! money; cursors other than `starting_after`; every endpoint that `route` does not list.

mod account;
mod change;
mod error;
mod form;
mod keys;
mod list;
mod object;
mod refund;
mod route;
mod seed;
mod staff;
mod subscription;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use staff::StripeAct;

pub(super) use error::Refusal;
pub(super) use keys::Scoped;
pub(super) use route::{Asked, Call};

use super::fault::{Fault, Taken};
use super::ledger::{Actor, Ledger};
use account::Account;
use change::Change;
use keys::{Keys, Known};
use work::Work;

/// Below which path the API is served.
pub const PATH: &str = "/v1";
/// The version that is answered.
pub(super) const VERSION: &str = "2025-09-30.clover";
/// The name of this API in the ledger.
const API: &str = "stripe";

/// The API with its account.
pub(super) struct Stripe {
    account: Arc<Account>,
    /// The state before the last write, for stale reads.
    before: Arc<Account>,
    keys: Keys,
}

/// What goes back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The answer of an earlier request with the same key.
    pub(super) replayed: bool,
    /// The key, where this request is the first to use it.
    pub(super) key: Option<Scoped>,
}

impl Reply {
    fn new((status, body): (u16, Value)) -> Self {
        Self { status, body, replayed: false, key: None }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.answer())
    }
}

impl Stripe {
    /// The account as seeded, at `now`.
    pub(super) fn open(now: Timestamp) -> Self {
        let account = Arc::new(seed::account(now));
        Self { before: Arc::clone(&account), account, keys: Keys::default() }
    }

    /// Adds plain payments of customer 1.
    pub(super) fn stock(&mut self, count: u64, now: Timestamp) {
        seed::stock(Arc::make_mut(&mut self.account), count, now);
    }

    /// Does what has fallen due: refunds settle, periods end.
    pub(super) fn tick(&mut self, now: Timestamp, ledger: &mut Ledger) {
        if self.account.anything_due(now) {
            let mut work = self.work(now, Actor::staff());
            refund::settle(&mut work);
            subscription::turn(&mut work);
            self.keep(work, ledger);
        }
    }

    /// Somebody acts in the dashboard, or a bank does.
    pub(super) fn staff(
        &mut self,
        what: &StripeAct,
        now: Timestamp,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let mut work = self.work(now, Actor::staff());
        staff::act(&mut work, what)?;
        self.keep(work, ledger);
        Ok(())
    }

    /// Answers one call for `actor`, bent by the faults `taken`.
    pub(super) fn answer(
        &mut self,
        call: &Call,
        (actor, taken, now): (Actor, &Taken, Timestamp),
        ledger: &mut Ledger,
    ) -> Reply {
        if !call.endpoint.writes() {
            let account = if taken.has(Fault::StaleRead) { &self.before } else { &self.account };
            return list::read(account, call)
                .map_or_else(Reply::from, |body| Reply::new((200, body)));
        }
        let Some(key) = call.key.clone().filter(|_| call.endpoint.takes_key()) else {
            return match Change::read(call) {
                Ok(change) => Reply::new(self.carry(&change, (actor, taken, now), None, ledger)),
                Err(refusal) => refusal.into(),
            };
        };
        let scoped = (actor.by.clone(), key);
        match self.keys.look(&scoped, call, now) {
            Known::Mismatch(refusal) | Known::Busy(refusal) => refusal.into(),
            Known::Replay(answer) => Reply { replayed: true, ..Reply::new(answer) },
            Known::Fresh => match Change::read(call) {
                // Execution has not begun: nothing is stored.
                Err(refusal) => refusal.into(),
                Ok(change) => {
                    let key = Some(scoped.1.clone());
                    let answer = self.carry(&change, (actor, taken, now), key, ledger);
                    self.keys.keep(scoped.clone(), call, now, answer.clone());
                    Reply { key: Some(scoped), ..Reply::new(answer) }
                }
            },
        }
    }

    /// Executes a change; what it answers is what is stored under its key, a 500 included.
    fn carry(
        &mut self,
        change: &Change,
        (actor, taken, now): (Actor, &Taken, Timestamp),
        key: Option<String>,
        ledger: &mut Ledger,
    ) -> (u16, Value) {
        let mut work = self.work(now, actor);
        work.bend(taken, key);
        if taken.has(Fault::StaffChange) {
            // What staff cannot do any more disturbs nobody.
            let _impossible = staff::act(&mut work, &change.disturbed());
        }
        let mut answer = match change.carry(&mut work) {
            Ok(body) => (200, body),
            Err(refusal) => refusal.answer(),
        };
        if taken.has(Fault::NoEffect) {
            work.throw_away();
        }
        self.keep(work, ledger);
        if taken.has(Fault::ErrorAfter) {
            answer = Refusal::broken().answer();
        }
        answer
    }

    /// Holds a key whose first request is still being answered.
    pub(super) fn hold(&mut self, key: &Scoped) {
        self.keys.hold(key);
    }

    /// Lets it go.
    pub(super) fn release(&mut self, key: &Scoped) {
        self.keys.release(key);
    }

    /// The true state of an object by id, in the shape of the API; a charge with its refunds.
    pub(super) fn state(&self, id: &str) -> Option<Value> {
        let account = &self.account;
        if let Some(charge) = account.charges.get(id) {
            let own = account.refunds.iter().filter(|refund| refund.charge == id);
            let refunds: Vec<Value> =
                own.map(|refund| object::refund(account, refund, &[])).collect();
            return Some(json!({ "charge": object::charge(charge), "refunds": refunds }));
        }
        account.subscriptions.get(id).map(|found| object::subscription(account, found, &[]))
    }

    /// Id, customer, amount and state of every charge and subscription, for people.
    pub(super) fn overview(&self) -> Vec<[String; 5]> {
        self.account.overview()
    }

    fn work(&self, now: Timestamp, actor: Actor) -> Work {
        Work::new(Account::clone(&self.account), now, actor)
    }

    fn keep(&mut self, work: Work, ledger: &mut Ledger) {
        if work.happened.is_empty() {
            // Ids are used up even where nothing stays.
            self.account = Arc::new(work.account);
            return;
        }
        self.before = std::mem::replace(&mut self.account, Arc::new(work.account));
        for happened in work.happened {
            ledger.record(API, happened);
        }
    }
}
