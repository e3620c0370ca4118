//! Idempotency keys: kept a day per credential; a repeat is answered from the present state.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::sandbox::clock::later;

/// A key together with the credential that used it: the scope in which it is one key.
pub(crate) type Scoped = (String, String);

/// How long a key is kept; after that the same key is a new request.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// What a key was used for.
#[derive(Debug, Clone)]
struct Used {
    parameters: String,
    at: Timestamp,
    order: u64,
    refund: u64,
}

/// What is known about a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Not seen in the last day.
    Fresh,
    /// The same request was carried out: this order, this refund.
    Replay { order: u64, refund: u64 },
    /// Used with other parameters.
    Mismatch,
    /// Its first request has not been answered yet.
    Busy,
}

/// The keys of the last day.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    used: BTreeMap<Scoped, Used>,
    busy: BTreeSet<Scoped>,
}

impl Keys {
    pub(crate) fn look(&self, key: &Scoped, parameters: &str, now: Timestamp) -> Known {
        if self.busy.contains(key) {
            return Known::Busy;
        }
        match self.used.get(key).filter(|used| now < later(used.at, KEPT)) {
            None => Known::Fresh,
            Some(used) if used.parameters != parameters => Known::Mismatch,
            Some(used) => Known::Replay { order: used.order, refund: used.refund },
        }
    }

    pub(crate) fn keep(
        &mut self,
        key: Scoped,
        parameters: String,
        at: Timestamp,
        order: u64,
        refund: u64,
    ) {
        self.used.insert(key, Used { parameters, at, order, refund });
    }

    /// Holds keys until their first request is answered.
    pub(crate) fn hold(&mut self, keys: &[Scoped]) {
        self.busy.extend(keys.iter().cloned());
    }

    pub(crate) fn release(&mut self, keys: &[Scoped]) {
        for key in keys {
            self.busy.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lives_for_a_day_within_its_credential() {
        let (mut keys, start) = (Keys::default(), Timestamp::UNIX_EPOCH);
        let key = ("app".to_owned(), "k".to_owned());
        keys.keep(key.clone(), "p".into(), start, 1001, 7);
        let at = |seconds| later(start, SignedDuration::from_secs(seconds));
        assert_eq!(keys.look(&key, "p", at(86_399)), Known::Replay { order: 1001, refund: 7 });
        assert_eq!(keys.look(&key, "q", at(1)), Known::Mismatch);
        assert_eq!(keys.look(&key, "p", at(86_400)), Known::Fresh);
        assert_eq!(keys.look(&("other".into(), "k".into()), "p", at(1)), Known::Fresh);
    }
}
