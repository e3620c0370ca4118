//! Each number with its name. What has a label that is known at start begins at 0, so that a
//! first increase is one.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::closed::{Closed, OUTCOMES, RESULTS};

/// Labels, by name.
type Labels<const N: usize> = [(&'static str, String); N];
type Seconds<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
pub(super) type Level = Gauge<i64, AtomicI64>;

/// Upper bounds in seconds: a backend's answer, a commit.
const CALL: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const COMMIT: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0];

pub(super) struct Families {
    registry: Registry,
    pub(super) actions: Family<Labels<2>, Counter>,
    pub(super) refusals: Family<Labels<1>, Counter>,
    pub(super) calls: Family<Labels<3>, Counter>,
    pub(super) call_seconds: Seconds<2>,
    pub(super) commit_seconds: Histogram,
    pub(super) left_alone: Family<Labels<2>, Level>,
    pub(super) in_doubt: Level,
    pub(super) in_doubt_oldest: Level,
    pub(super) under_way: Level,
    pub(super) under_way_oldest: Level,
    pub(super) waiting: Level,
    pub(super) waiting_oldest: Level,
    pub(super) escalations: Level,
    pub(super) escalations_oldest: Level,
    pub(super) log_size: Level,
    pub(super) log_behind: Family<Labels<1>, Level>,
    pub(super) log_behind_seconds: Family<Labels<1>, Level>,
    pub(super) siem_behind: Family<Labels<1>, Level>,
    pub(super) siem_behind_seconds: Family<Labels<1>, Level>,
    pub(super) disk_free: Level,
    pub(super) halted: Level,
    pub(super) quarantined: Level,
    pub(super) switches_off: Level,
    pub(super) surveyed: Level,
    pub(super) tls_ends: Family<Labels<1>, Level>,
}

/// A level as it is told; beyond what fits it stays at the most.
pub(super) fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Puts a number under its name.
fn named<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

impl Families {
    pub(super) fn new(closed: &Closed) -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let r = &mut registry;
        let seconds: fn() -> Histogram = || Histogram::new(CALL);
        let families = Self {
            actions: named(r, "receipts", "Receipts of writes and refusals", Family::default()),
            refusals: named(
                r,
                "refusals",
                "Refusals, with a receipt or without",
                Family::default(),
            ),
            calls: named(r, "backend_calls", "Calls of backends", Family::default()),
            call_seconds: named(
                r,
                "backend_call_seconds",
                "How long calls of backends took",
                Family::new_with_constructor(seconds),
            ),
            commit_seconds: named(
                r,
                "store_commit_seconds",
                "How long the store takes to make a small write durable",
                Histogram::new(COMMIT),
            ),
            left_alone: named(
                r,
                "backend_left_alone",
                "1 while writes to a failing backend are held back",
                Family::default(),
            ),
            in_doubt: named(r, "in_doubt", "Actions that ended unknown and wait", Level::default()),
            in_doubt_oldest: named(
                r,
                "in_doubt_oldest_seconds",
                "Age of the oldest of them",
                Level::default(),
            ),
            under_way: named(r, "under_way", "Actions begun, without a receipt", Level::default()),
            under_way_oldest: named(
                r,
                "under_way_oldest_seconds",
                "Time since the oldest of them was begun",
                Level::default(),
            ),
            waiting: named(
                r,
                "waiting_for_staff",
                "Requests that wait for a yes",
                Level::default(),
            ),
            waiting_oldest: named(
                r,
                "waiting_for_staff_oldest_seconds",
                "Age of the oldest of them",
                Level::default(),
            ),
            escalations: named(r, "escalations", "Matters open for a person", Level::default()),
            escalations_oldest: named(
                r,
                "escalations_oldest_seconds",
                "Age of the oldest of them",
                Level::default(),
            ),
            log_size: named(r, "log_size", "Leaves of the log", Level::default()),
            log_behind: named(
                r,
                "log_behind",
                "Leaves that the folder does not show, or no planner countersigned",
                Family::default(),
            ),
            log_behind_seconds: named(
                r,
                "log_behind_seconds",
                "Age of the oldest of those leaves",
                Family::default(),
            ),
            siem_behind: named(
                r,
                "siem_behind",
                "Leaves that a sink has not acknowledged",
                Family::default(),
            ),
            siem_behind_seconds: named(
                r,
                "siem_behind_seconds",
                "Age of the oldest of those leaves",
                Family::default(),
            ),
            disk_free: named(
                r,
                "disk_free_bytes",
                "Free bytes on the disk of the state folder",
                Level::default(),
            ),
            halted: named(r, "effects_halted", "1 while no effect may begin", Level::default()),
            quarantined: named(
                r,
                "quarantined",
                "1 while the store only reads, because it went back in time",
                Level::default(),
            ),
            switches_off: named(r, "switches_off", "Switches that are off", Level::default()),
            surveyed: named(
                r,
                "surveyed_timestamp_seconds",
                "When the levels above were read from the store, since 1970",
                Level::default(),
            ),
            tls_ends: named(
                r,
                "tls_end_timestamp_seconds",
                "When certificates, authorities and revocation lists in use end, since 1970",
                Family::default(),
            ),
            registry,
        };
        families.begin(closed);
        families
    }

    fn begin(&self, closed: &Closed) {
        for tool in closed.tools() {
            for outcome in OUTCOMES {
                let labels = [("tool", tool.clone()), ("outcome", outcome.to_owned())];
                drop(self.actions.get_or_create(&labels));
            }
        }
        closed.codes().for_each(|code| drop(self.refusals.get_or_create(&[("code", code)])));
        for (pack, class) in &closed.calls {
            let call = [("pack", pack.clone()), ("class", (*class).to_owned())];
            drop(self.call_seconds.get_or_create(&call));
            for result in RESULTS {
                let [pack, class] = call.clone();
                let labels = [pack, class, ("result", result.to_owned())];
                drop(self.calls.get_or_create(&labels));
            }
        }
        for sink in closed.sinks() {
            drop(self.siem_behind.get_or_create(&[("sink", sink.clone())]));
            drop(self.siem_behind_seconds.get_or_create(&[("sink", sink)]));
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string fails only where a metric does, and none of these can.
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }
}
