//! Each number with its name.

use std::sync::atomic::{AtomicI64, AtomicU64};

use countersign_shared::codes::Code;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// Labels, by name.
pub(super) type Labels<const N: usize> = [(&'static str, String); N];
type Seconds<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;
type Level = Gauge<i64, AtomicI64>;

/// Upper bounds of a model's answer, in seconds.
const ANSWER: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// What a message can be taken for.
const WANTS: [&str; 6] = ["tool", "reads", "question", "clarify", "escalate", "unusable"];

pub(super) struct Families {
    registry: Registry,
    pub(super) decisions: Family<Labels<1>, Counter>,
    pub(super) calls: Family<Labels<3>, Counter>,
    pub(super) seconds: Seconds<2>,
    pub(super) tokens: Family<Labels<3>, Counter>,
    pub(super) micros: Family<Labels<2>, Counter>,
    pub(super) strong: Family<Labels<1>, Counter>,
    pub(super) left_alone: Family<Labels<2>, Level>,
    pub(super) budget_left: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    pub(super) distrusted: Level,
    pub(super) reached: Level,
    pub(super) remembers: Level,
    pub(super) refusals: Family<Labels<1>, Counter>,
    pub(super) tls_ends: Family<Labels<1>, Level>,
}

/// Puts a number under its name.
fn named<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Families {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let r = &mut registry;
        let seconds: fn() -> Histogram = || Histogram::new(ANSWER);
        let families = Self {
            decisions: named(
                r,
                "model_decisions",
                "Messages, by what they were taken for",
                Family::default(),
            ),
            calls: named(r, "model_calls", "Decisions asked of servers", Family::default()),
            seconds: named(
                r,
                "model_call_seconds",
                "How long those decisions took",
                Family::new_with_constructor(seconds),
            ),
            tokens: named(r, "model_tokens", "Tokens read and written", Family::default()),
            micros: named(
                r,
                "model_cost_micros",
                "Millionths of the prices' currency spent",
                Family::default(),
            ),
            strong: named(
                r,
                "model_strong",
                "Times the strong model was asked, by why",
                Family::default(),
            ),
            left_alone: named(
                r,
                "model_left_alone",
                "1 while a failing server is not asked",
                Family::default(),
            ),
            budget_left: named(
                r,
                "model_budget_left_ratio",
                "What is left of today's budget, 0 to 1",
                Family::default(),
            ),
            distrusted: named(
                r,
                "history_distrusted",
                "1 while the executor's history is not believed and nothing is asked of it",
                Level::default(),
            ),
            reached: named(r, "executor_reached", "1 while the executor answers", Level::default()),
            remembers: named(
                r,
                "planner_memory_reached",
                "1 while what planners remember can be asked for",
                Level::default(),
            ),
            refusals: named(r, "refusals", "Calls that were turned away", Family::default()),
            tls_ends: named(
                r,
                "tls_end_timestamp_seconds",
                "When certificates, authorities and revocation lists in use end, since 1970",
                Family::default(),
            ),
            registry,
        };
        for want in WANTS {
            drop(families.decisions.get_or_create(&[("want", want.to_owned())]));
        }
        let turned_away = Code::CallerNotAllowed.name().to_owned();
        drop(families.refusals.get_or_create(&[("code", turned_away)]));
        families
    }
}

impl Families {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string fails only where a metric does, and none of these can.
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }
}
