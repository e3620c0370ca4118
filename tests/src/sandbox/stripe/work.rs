//! One piece of work on the account: a changed copy and the effects it would have, kept or thrown
//! away.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::account::Account;
use crate::sandbox::fault::{Fault, Taken};
use crate::sandbox::ledger::{Actor, Happened};

/// A changed copy of the account with what happened to it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) account: Account,
    pub(crate) happened: Vec<Happened>,
    pub(crate) now: Timestamp,
    pub(crate) actor: Actor,
    before: Account,
    key: Option<String>,
    /// Half of it is done: half the money, or the metadata without the change.
    pub(crate) half: bool,
    /// How long a refund stays pending.
    pub(crate) pending: Option<Duration>,
}

impl Work {
    pub(crate) fn new(account: Account, now: Timestamp, actor: Actor) -> Self {
        Self {
            before: account.clone(),
            account,
            happened: Vec::new(),
            now,
            actor,
            key: None,
            half: false,
            pending: None,
        }
    }

    /// As the armed faults want it, for the request with this key.
    pub(crate) fn bend(&mut self, taken: &Taken, key: Option<String>) {
        self.key = key;
        self.half = taken.has(Fault::HalfEffect);
        self.pending = taken.delay(Fault::RefundPending);
    }

    /// As if nothing had been done; the ids are used up all the same.
    pub(crate) fn throw_away(&mut self) {
        self.before.pass_ids_of(&self.account);
        self.account = self.before.clone();
        self.happened.clear();
    }

    /// Notes an effect on `object`, which people call `name`.
    pub(crate) fn effect(
        &mut self,
        kind: &'static str,
        (object, name): (&str, &str),
        (money, marker): (Option<(String, String)>, Option<&String>),
        detail: Value,
    ) {
        self.happened.push(Happened {
            at: self.now,
            kind,
            object: object.to_owned(),
            name: name.to_owned(),
            money,
            marker: marker.cloned(),
            idempotency_key: self.key.clone().filter(|_| !self.actor.staff),
            actor: self.actor.clone(),
            detail,
        });
    }
}
