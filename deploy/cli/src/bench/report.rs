//! What was measured, for a program; [`table`](super::table) is for a person.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::callers::Round;
use super::proof::Proof;

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// When it ended.
    pub(super) at: String,
    /// `release` or `debug`.
    pub(super) build: &'static str,
    /// Processors, for every process together.
    pub(super) cores: usize,
    pub(super) rounds: u32,
    pub(super) round_ms: u64,
    pub(super) disk: DiskFigures,
    pub(super) levels: Vec<Level>,
    pub(super) stores: Vec<Stored>,
    /// The forwarder's effects, each of which it answered.
    pub(super) forwarded: usize,
}

/// What the disk does by itself.
#[derive(Debug, Serialize)]
pub(super) struct DiskFigures {
    /// An append of 4 KiB and its `fdatasync`, before everything.
    pub(super) append_and_fdatasync_before: Percentiles,
    /// The same after everything.
    pub(super) append_and_fdatasync_after: Percentiles,
    /// The device whose flushes are counted, everybody's together.
    pub(super) flushes_of: Option<String>,
}

/// All sides at one number of callers.
#[derive(Debug, Serialize)]
pub(super) struct Level {
    pub(super) callers: u16,
    pub(super) forwarder: Forwarded,
    pub(super) executors: Vec<Executed>,
    /// An append of 4 KiB and its `fdatasync`, right after these rounds.
    pub(super) append_and_fdatasync: Percentiles,
}

/// The forwarder's figures.
#[derive(Debug, Serialize)]
pub(super) struct Forwarded {
    /// With the same calls to the backend as the executor makes.
    pub(super) action: Figures,
    /// With the write alone.
    pub(super) write_only: Figures,
}

/// An executor's figures. Ratios are medians over the rounds, each against the round beside it.
#[derive(Debug, Serialize)]
pub(super) struct Executed {
    #[serde(flatten)]
    pub(super) store: Store,
    pub(super) action: Figures,
    pub(super) repeat: Figures,
    pub(super) action_to_forwarder: f64,
    pub(super) action_to_write_only: f64,
    pub(super) repeat_to_forwarder: f64,
    /// To the same executor on an empty store, where this one was filled.
    pub(super) action_to_empty: Option<f64>,
    /// One caller's median beyond the forwarder's and two appends with `fdatasync`.
    pub(super) beyond_two_syncs_us: Option<i64>,
}

/// Which store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Store {
    pub(super) store: &'static str,
    /// Receipts that it was filled with beforehand.
    pub(super) receipts_before: u64,
}

/// What holds for an executor as a whole.
#[derive(Debug, Serialize)]
pub(super) struct Stored {
    #[serde(flatten)]
    pub(super) store: Store,
    /// From the process's start until it listened.
    pub(super) start_ms: u64,
    /// Memory held after all rounds.
    pub(super) resident_bytes: Option<u64>,
    pub(super) proof: Proof,
}

/// One kind of work at one side over its rounds.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Replies a second, the median of the rounds.
    pub(super) per_second: f64,
    #[serde(flatten)]
    pub(super) latency: Percentiles,
    /// Processor time of the process called for each reply, the median of the rounds.
    pub(super) processor_us: Option<f64>,
    /// Flushes of the disk for each reply, the median of the rounds.
    pub(super) flushes: Option<f64>,
}

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
}

impl Percentiles {
    pub(super) fn of(taken: &Histogram<u64>) -> Self {
        Self { p50_us: taken.value_at_quantile(0.5), p99_us: taken.value_at_quantile(0.99) }
    }
}

impl Figures {
    /// Medians of the rounds; latencies over all of them.
    pub(super) fn of(rounds: &[Round]) -> anyhow::Result<Self> {
        let mut latency = Histogram::<u64>::new(3)?;
        rounds.iter().try_for_each(|round| latency.add(&round.latency))?;
        let processor: Option<Vec<_>> = rounds.iter().map(|round| round.processor).collect();
        let flushes: Option<Vec<_>> = rounds.iter().map(|round| round.flushes).collect();
        Ok(Self {
            per_second: median(rounds.iter().map(|round| round.per_second)),
            latency: Percentiles::of(&latency),
            processor_us: processor.map(|all| median(all.into_iter())),
            flushes: flushes.map(|all| median(all.into_iter())),
        })
    }
}

impl Store {
    /// As people call it.
    pub(super) fn name(&self) -> String {
        match self.receipts_before {
            0 => self.store.to_owned(),
            count => format!("{} with {count} receipts", self.store),
        }
    }
}

/// The median of the rounds' ratios, each round against the one beside it.
pub(super) fn ratio(these: &[Round], those: &[Round]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this.per_second / that.per_second))
}

/// To three places: the rest is noise.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or_default();
    (middle * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn round(per_second: f64, latencies: [u64; 3]) -> Round {
        let mut latency = Histogram::new(3).unwrap();
        latencies.into_iter().for_each(|us| latency.record(us).unwrap());
        Round { per_second, latency, processor: Some(per_second * 2.0), flushes: None }
    }

    pub(in super::super) fn report() -> Report {
        let rounds = [3.0, 1.0, 2.0].map(|speed| round(speed * 100.0, [900, 1000, 4000]));
        let slow = [1.0, 1.0, 1.0].map(|speed| round(speed * 100.0, [1900, 2000, 4000]));
        let figures = |rounds: &[Round]| Figures::of(rounds).unwrap();
        let disk = Percentiles { p50_us: 200, p99_us: 900 };
        let store = Store { store: "sqlite", receipts_before: 0 };
        let executed = Executed {
            store: store.clone(),
            action: figures(&slow),
            repeat: figures(&rounds),
            action_to_forwarder: ratio(&slow, &rounds),
            action_to_write_only: ratio(&slow, &rounds),
            repeat_to_forwarder: ratio(&rounds, &rounds),
            action_to_empty: None,
            beyond_two_syncs_us: Some(600),
        };
        let forwarder = Forwarded { action: figures(&rounds), write_only: figures(&rounds) };
        let level =
            Level { callers: 1, forwarder, executors: vec![executed], append_and_fdatasync: disk };
        let proof = Proof { effects: 9, receipts: 9, replies: 9, repeats: 4, backend_calls: 4 };
        Report {
            at: "2026-11-25T20:00:00Z".to_owned(),
            build: "debug",
            cores: 2,
            rounds: 3,
            round_ms: 100,
            disk: DiskFigures {
                append_and_fdatasync_before: disk,
                append_and_fdatasync_after: disk,
                flushes_of: None,
            },
            levels: vec![level],
            stores: vec![Stored { store, start_ms: 80, resident_bytes: Some(1 << 25), proof }],
            forwarded: 12,
        }
    }

    #[test]
    fn a_program_reads_every_figure_where_it_has_been() {
        let expected = serde_json::json!({
            "at": "2026-11-25T20:00:00Z", "build": "debug", "cores": 2, "rounds": 3, "round_ms": 100,
            "disk": {
                "append_and_fdatasync_before": { "p50_us": 200, "p99_us": 900 },
                "append_and_fdatasync_after": { "p50_us": 200, "p99_us": 900 },
                "flushes_of": null,
            },
            "levels": [{
                "callers": 1,
                "forwarder": {
                    "action": { "per_second": 200.0, "p50_us": 1000, "p99_us": 4001, "processor_us": 400.0, "flushes": null },
                    "write_only": { "per_second": 200.0, "p50_us": 1000, "p99_us": 4001, "processor_us": 400.0, "flushes": null },
                },
                "executors": [{
                    "store": "sqlite", "receipts_before": 0,
                    "action": { "per_second": 100.0, "p50_us": 2000, "p99_us": 4001, "processor_us": 200.0, "flushes": null },
                    "repeat": { "per_second": 200.0, "p50_us": 1000, "p99_us": 4001, "processor_us": 400.0, "flushes": null },
                    "action_to_forwarder": 0.5, "action_to_write_only": 0.5, "repeat_to_forwarder": 1.0,
                    "action_to_empty": null, "beyond_two_syncs_us": 600,
                }],
                "append_and_fdatasync": { "p50_us": 200, "p99_us": 900 },
            }],
            "stores": [{
                "store": "sqlite", "receipts_before": 0, "start_ms": 80, "resident_bytes": 33554432,
                "proof": { "effects": 9, "receipts": 9, "replies": 9, "repeats": 4, "backend_calls": 4 },
            }],
            "forwarded": 12,
        });
        assert_eq!(serde_json::to_value(report()).unwrap(), expected);
    }

    #[test]
    fn a_ratio_compares_rounds_that_stood_side_by_side() {
        // A machine that grows slower: each pair says one half, medians of each would too.
        let ours = [50.0, 20.0, 10.0].map(|speed| round(speed, [1, 1, 1]));
        let theirs = [100.0, 40.0, 80.0].map(|speed| round(speed, [1, 1, 1]));
        assert!((ratio(&ours, &theirs) - 0.5).abs() < 1e-9);
    }
}
