//! What was measured, for a person and for a program.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::callers::{Round, Side};
use crate::proof::Proof;

/// Everything of one run.
pub struct Report {
    rounds: u32,
    round_ms: u64,
    disk: [(u64, u64); 2],
    levels: Vec<Level>,
    proof: Option<Value>,
}

/// Both sides at one number of callers.
pub struct Level {
    callers: usize,
    executor: Vec<Round>,
    forwarder: Vec<Round>,
}

/// One side's figures over its rounds.
struct Figures {
    per_second: f64,
    p50: u64,
    p99: u64,
    processor: f64,
}

impl Report {
    pub fn new(rounds: u32, round_ms: u64, disk: &Histogram<u64>) -> Self {
        let disk = [percentiles(disk), (0, 0)];
        Self { rounds, round_ms, disk, levels: vec![], proof: None }
    }

    pub fn add(&mut self, level: Level) {
        self.levels.push(level);
    }

    pub fn disk_after(&mut self, disk: &Histogram<u64>) {
        self.disk[1] = percentiles(disk);
    }

    pub fn prove(&mut self, proof: &Proof) {
        self.proof = Some(json!({
            "effects": proof.effects, "receipts": proof.receipts, "replies": proof.replies,
            "forwarded": proof.forwarded, "backend_calls_per_action": proof.calls,
        }));
    }

    pub fn json(&self) -> Value {
        let [before, after] = self.disk.map(|(p50, p99)| json!({ "p50_us": p50, "p99_us": p99 }));
        json!({
            "at": jiff::Timestamp::now().strftime("%FT%TZ").to_string(),
            "cores": cores(), "rounds": self.rounds, "round_ms": self.round_ms,
            "append_and_fdatasync": { "before": before, "after": after },
            "levels": self.levels.iter().map(Level::json).collect::<Vec<_>>(),
            "proof": self.proof,
        })
    }
}

impl Level {
    pub fn new(callers: usize) -> Self {
        Self { callers, executor: vec![], forwarder: vec![] }
    }

    pub fn add(&mut self, side: Side, round: Round) {
        match side {
            Side::Executor => self.executor.push(round),
            Side::Forwarder => self.forwarder.push(round),
        }
    }

    fn ratio(&self) -> f64 {
        Figures::of(&self.executor).per_second / Figures::of(&self.forwarder).per_second
    }

    fn json(&self) -> Value {
        let side = |rounds: &[Round]| {
            let f = Figures::of(rounds);
            json!({ "per_second": f.per_second.round(), "p50_us": f.p50, "p99_us": f.p99,
                    "processor_us": f.processor.round() })
        };
        json!({
            "callers": self.callers, "executor": side(&self.executor),
            "forwarder": side(&self.forwarder), "ratio": (self.ratio() * 1000.0).round() / 1000.0,
        })
    }
}

impl Figures {
    /// Medians of the rounds; latencies over all of them.
    fn of(rounds: &[Round]) -> Self {
        let mut latency = Histogram::<u64>::new(3).unwrap();
        rounds.iter().for_each(|r| latency.add(&r.latency).unwrap());
        let (p50, p99) = percentiles(&latency);
        Self {
            per_second: median(rounds.iter().map(|r| r.per_second)),
            p50,
            p99,
            processor: median(rounds.iter().map(|r| r.processor.unwrap_or_default())),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::now().strftime("%F %H:%M UTC");
        let (rounds, ms) = (self.rounds, self.round_ms);
        writeln!(f, "{at}, {} cores for everything, {rounds} rounds of {ms} ms each\n", cores())?;
        writeln!(f, "callers              actions/s    p50 ms    p99 ms   processor µs/action")?;
        for level in &self.levels {
            for (name, rounds) in [("executor", &level.executor), ("forwarder", &level.forwarder)] {
                let Figures { per_second, p50, p99, processor } = Figures::of(rounds);
                let (p50, p99) = (p50 as f64 / 1000.0, p99 as f64 / 1000.0);
                let callers = level.callers;
                writeln!(
                    f,
                    "{callers:>7}  {name:<10} {per_second:>10.0} {p50:>9.2} {p99:>9.2} {processor:>13.0}"
                )?;
            }
            writeln!(f, "         ratio      {:>10.2}", level.ratio())?;
        }
        let [(p50, p99), (later, later99)] = self.disk;
        writeln!(
            f,
            "\nappend + fdatasync: p50 {p50} µs, p99 {p99} µs before; p50 {later} µs, p99 {later99} µs after"
        )?;
        match &self.proof {
            None => write!(f, "not proved"),
            Some(p) => write!(
                f,
                "proved: {} effects = {} receipts = {} replies; {} backend calls an action on both sides",
                p["effects"], p["receipts"], p["replies"], p["backend_calls_per_action"]
            ),
        }
    }
}

fn percentiles(of: &Histogram<u64>) -> (u64, u64) {
    (of.value_at_quantile(0.5), of.value_at_quantile(0.99))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}
