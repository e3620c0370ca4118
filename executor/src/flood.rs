//! Refusals beyond a quota are counted instead of being receipted one by one, and
//! sealed as one leaf when their minute is over: a caller cannot make the log grow
//! without bound (RECEIPT BEFORE REPLY).

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::seal;
use countersign_shared::ids::ReceiptId;
use countersign_shared::receipt::Counted;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::desk::Desk;

/// Refusals of one caller for one tenant that have receipts of their own, per window.
const QUOTA: u32 = 600;
/// Turns of one caller for one tenant that are kept, per window.
const TURNS: u32 = 6000;
/// How long one quota lasts.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// Who was refused how often in their present window. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Flood {
    refusals: Arc<Mutex<BTreeMap<Source, Window>>>,
    turns: Arc<Mutex<BTreeMap<Source, Told>>>,
}

/// Whose refusals are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The calling workload.
    pub caller: String,
    /// The tenant it asked for.
    pub tenant: String,
}

/// Turns that were told since.
#[derive(Debug)]
struct Told {
    since: Timestamp,
    count: u32,
}

#[derive(Debug)]
struct Window {
    since: Timestamp,
    receipted: u32,
    beyond: BTreeMap<String, u64>,
}

impl Flood {
    /// Whether one more refusal gets a receipt of its own; otherwise it is counted.
    fn admits(&self, source: Source, code: &str, now: Timestamp) -> bool {
        let mut windows = self.refusals.lock();
        let fresh = || Window { since: now, receipted: 0, beyond: BTreeMap::new() };
        let window = windows.entry(source).or_insert_with(fresh);
        if window.is_over(now) && window.beyond.is_empty() {
            *window = fresh();
        }
        if window.receipted < QUOTA {
            window.receipted += 1;
            return true;
        }
        *window.beyond.entry(code.to_owned()).or_default() += 1;
        false
    }

    /// Whether one more turn is kept: a planner cannot fill the disk with what it tells.
    fn hears(&self, source: Source, now: Timestamp) -> bool {
        let mut turns = self.turns.lock();
        let told = turns.entry(source).or_insert(Told { since: now, count: 0 });
        if now.duration_since(told.since).abs() >= WINDOW {
            *told = Told { since: now, count: 0 };
        }
        told.count = told.count.saturating_add(1);
        told.count <= TURNS
    }

    /// Takes back what could not be sealed.
    fn put_back(&self, source: Source, counted: Counted) {
        let mut windows = self.refusals.lock();
        let fresh = || Window { since: counted.since, receipted: QUOTA, beyond: BTreeMap::new() };
        let window = windows.entry(source).or_insert_with(fresh);
        window.since = window.since.min(counted.since);
        for (code, count) in counted.codes {
            *window.beyond.entry(code).or_default() += count;
        }
    }

    /// Takes what was counted in windows that are over, or in all of them.
    fn take(&self, now: Timestamp, all: bool) -> Vec<(Source, Counted)> {
        let mut windows = self.refusals.lock();
        let over: Vec<_> = windows
            .iter()
            .filter(|(_, window)| all || window.is_over(now))
            .map(|(source, _)| source.clone())
            .collect();
        let ended = over.into_iter().filter_map(|source| {
            let Window { since, beyond, .. } = windows.remove(&source)?;
            let counted = Counted { since, until: now, codes: beyond };
            (!counted.codes.is_empty()).then_some((source, counted))
        });
        ended.collect()
    }
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since).abs() >= WINDOW
    }
}

impl Desk {
    /// Whether one more refusal gets a receipt of its own; otherwise it is counted.
    pub(crate) fn admits(&self, source: Source, code: &str) -> bool {
        self.flood.admits(source, code, self.pipeline.clock.now())
    }

    /// Whether one more turn is kept.
    pub(crate) fn hears(&self, source: Source) -> bool {
        self.flood.hears(source, self.pipeline.clock.now())
    }

    /// Seals what was counted in windows that are over, or, before the end, in all.
    pub async fn seal_counted(&self, all: bool) {
        let now = self.pipeline.clock.now();
        for (source, counted) in self.flood.take(now, all) {
            let id = ReceiptId::from_uuid(self.pipeline.clock.fresh_id());
            let leaf = seal::counted(&source.caller, &source.tenant, counted.clone(), &id, now);
            let tally = self.pipeline.metrics.tally(&leaf.receipt);
            match self.pipeline.store.seal(leaf, None).await {
                Ok(_) => {
                    tally.count();
                    self.pipeline.sealed.notify_one();
                }
                Err(error) => {
                    tracing::error!(%error, caller = %source.caller, "counted refusals wait for their receipt");
                    self.flood.put_back(source, counted);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn of(caller: &str) -> Source {
        Source { caller: caller.to_owned(), tenant: "t".to_owned() }
    }

    #[test]
    fn turns_are_kept_up_to_a_quota_of_each_caller_and_again_in_the_next_minute() {
        let flood = Flood::default();
        let source = |caller: &str| Source { caller: caller.into(), tenant: "shop".into() };
        let kept = (0..TURNS + 5).filter(|_| flood.hears(source("a"), at(0))).count();
        assert_eq!(kept, TURNS as usize);
        assert!(flood.hears(source("b"), at(0)));
        assert!(flood.hears(source("a"), at(60)));
    }

    #[test]
    fn beyond_the_quota_each_refusal_is_counted_and_the_next_minute_is_a_new_one() {
        let flood = Flood::default();
        for _ in 0..QUOTA {
            assert!(flood.admits(of("a"), "PLAN_INVALID", at(0)));
        }
        for _ in 0..5 {
            assert!(!flood.admits(of("a"), "PLAN_INVALID", at(30)));
        }
        assert!(!flood.admits(of("a"), "TOOL_UNKNOWN", at(59)));
        assert!(flood.admits(of("b"), "PLAN_INVALID", at(59)), "another caller's quota");
        assert_eq!(flood.take(at(59), false), []);
        // What was counted is not forgotten when the minute is over before it is sealed.
        assert!(!flood.admits(of("a"), "TOOL_UNKNOWN", at(61)));
        let taken = flood.take(at(61), false);
        let codes = [("PLAN_INVALID".to_owned(), 5), ("TOOL_UNKNOWN".to_owned(), 2)];
        let counted = Counted { since: at(0), until: at(61), codes: codes.into() };
        assert_eq!(taken, [(of("a"), counted.clone())]);
        // What could not be sealed is counted on.
        flood.put_back(of("a"), counted);
        assert!(!flood.admits(of("a"), "TOOL_UNKNOWN", at(62)));
        let again = flood.take(at(62), false);
        assert_eq!((again[0].1.since, again[0].1.codes["TOOL_UNKNOWN"]), (at(0), 3));
        assert_eq!(flood.take(at(200), true), []);
        assert!(flood.admits(of("a"), "PLAN_INVALID", at(62)));
    }
}
