//! Idempotency keys: the first answer is stored, a 500 too, and given again for a day.
//!
//! <https://docs.stripe.com/api/idempotent_requests>: keys are pruned once they are at least 24
//! hours old, and a key that was pruned is a new request. Parameters that differ are an error.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::error::Refusal;
use super::form::Params;
use super::route::Call;
use crate::sandbox::clock::later;

/// A key together with the credential that used it: the scope in which it is one key.
pub(crate) type Scoped = (String, String);

/// How long a key is kept; after that the same key is a new request.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Clone)]
struct Used {
    path: String,
    params: Params,
    at: Timestamp,
    answer: (u16, Value),
}

/// What is known about a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Known {
    /// Not seen in the last day.
    Fresh,
    /// This was answered to the same request.
    Replay((u16, Value)),
    /// Used for another endpoint or with other parameters.
    Mismatch(Refusal),
    /// Its first request has not been answered yet.
    Busy(Refusal),
}

/// The keys of the last day.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    used: BTreeMap<Scoped, Used>,
    busy: BTreeSet<Scoped>,
}

impl Keys {
    pub(crate) fn look(&mut self, key: &Scoped, call: &Call, now: Timestamp) -> Known {
        self.used.retain(|_, used| now < later(used.at, KEPT));
        let Some(used) = self.used.get(key) else { return Known::Fresh };
        let other = "if you meant to execute a different request.";
        if used.path != call.path {
            return Known::Mismatch(Refusal::key_mismatch(format!(
                "Keys for idempotent requests can only be used for the same endpoint they were first \
                 used for ('{}' instead of '{}'). Try using a key other than '{}' {other}",
                call.path, used.path, key.1
            )));
        }
        if used.params != call.params {
            return Known::Mismatch(Refusal::key_mismatch(format!(
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with. Try using a key other than '{}' {other}",
                key.1
            )));
        }
        if self.busy.contains(key) {
            return Known::Busy(Refusal::key_in_use(&key.1));
        }
        Known::Replay(used.answer.clone())
    }

    pub(crate) fn keep(&mut self, key: Scoped, call: &Call, at: Timestamp, answer: (u16, Value)) {
        let (path, params) = (call.path.clone(), call.params.clone());
        self.used.insert(key, Used { path, params, at, answer });
    }

    /// Holds a key until its first request is answered.
    pub(crate) fn hold(&mut self, key: &Scoped) {
        self.busy.insert(key.clone());
    }

    pub(crate) fn release(&mut self, key: &Scoped) {
        self.busy.remove(key);
    }
}
