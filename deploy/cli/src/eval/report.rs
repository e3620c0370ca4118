//! How the plays went: a line for each way of failing, and each failure in full.

use std::fmt;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use super::guard::Guards;
use super::scenario::{Mode, Scenario};
use super::theatre::Ran;

/// Prices of a million tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prices {
    pub(super) input: f64,
    pub(super) output: f64,
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    modes: Vec<Line>,
    all: Line,
    /// Scenarios that name what holds them off.
    guarded: usize,
    /// Scenarios in which nothing could be left out.
    unguarded: usize,
    failures: Vec<Failure>,
}

/// One way of failing, or all of them.
#[derive(Debug, Serialize)]
struct Line {
    mode: String,
    plays: usize,
    passed: usize,
    scenarios: usize,
    /// Scenarios of which every play passed.
    passed_each_time: usize,
    cost: f64,
    input_tokens: u64,
    output_tokens: u64,
    /// Milliseconds of a play.
    p50_ms: u64,
    p95_ms: u64,
}

/// One play that did not pass.
#[derive(Debug, Serialize)]
struct Failure {
    scenario: String,
    about: String,
    wrong: Vec<String>,
    /// What was said and answered.
    turns: Vec<(String, String)>,
}

impl Report {
    pub(super) fn of(scenarios: &[Scenario], ran: &[Ran], prices: Prices) -> Self {
        let line = |name: &str, of: &dyn Fn(&Scenario) -> bool| {
            let mine = |ran: &&Ran| scenarios.get(ran.scenario).is_some_and(of);
            Line::of(name, &ran.iter().filter(mine).collect::<Vec<_>>(), prices)
        };
        let of_mode = |mode: Mode| line(mode.name(), &move |scenario| scenario.mode == mode);
        let modes = Mode::ALL.into_iter().map(of_mode).filter(|line| line.plays > 0);
        let named = |scenario: &&Scenario| matches!(scenario.guard, Guards::Named(_));
        let guarded = scenarios.iter().filter(named).count();
        let failed = ran.iter().filter(|ran| !ran.wrong.is_empty());
        Self {
            modes: modes.collect(),
            all: line("all", &|_| true),
            guarded,
            unguarded: scenarios.len() - guarded,
            failures: failed
                .filter_map(|ran| Some(Failure::of(scenarios.get(ran.scenario)?, ran)))
                .collect(),
        }
    }

    /// Whether every play passed.
    pub(super) fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Line {
    fn of(name: &str, ran: &[&Ran], prices: Prices) -> Self {
        let sum = |of: fn(&Ran) -> u64| ran.iter().map(|ran| of(ran)).sum::<u64>();
        let (input_tokens, output_tokens) =
            (sum(|ran| ran.played.input_tokens), sum(|ran| ran.played.output_tokens));
        let mut times: Vec<u64> = ran.iter().map(|ran| ran.played.took_ms).collect();
        times.sort_unstable();
        let share = |of: usize| times.get((times.len() * of / 100).min(times.len().max(1) - 1));
        let mut played: Vec<usize> = ran.iter().map(|ran| ran.scenario).collect();
        played.sort_unstable();
        played.dedup();
        let each_time = |at: &&usize| {
            ran.iter().filter(|ran| ran.scenario == **at).all(|ran| ran.wrong.is_empty())
        };
        let cost =
            (input_tokens as f64 * prices.input + output_tokens as f64 * prices.output) / 1e6;
        Self {
            mode: name.to_owned(),
            plays: ran.len(),
            passed: ran.iter().filter(|ran| ran.wrong.is_empty()).count(),
            scenarios: played.len(),
            passed_each_time: played.iter().filter(each_time).count(),
            cost,
            input_tokens,
            output_tokens,
            p50_ms: share(50).copied().unwrap_or_default(),
            p95_ms: share(95).copied().unwrap_or_default(),
        }
    }

    fn cells(&self) -> [String; 7] {
        [
            self.mode.clone(),
            format!("{}/{}", self.passed, self.plays),
            format!("{}/{}", self.passed_each_time, self.scenarios),
            format!("{:.4}", self.cost),
            format!("{} + {}", self.input_tokens, self.output_tokens),
            format!("{} ms", self.p50_ms),
            format!("{} ms", self.p95_ms),
        ]
    }
}

impl Failure {
    fn of(scenario: &Scenario, ran: &Ran) -> Self {
        let turns = ran.played.turns.iter().map(|turn| (turn.said.clone(), turn.reply.clone()));
        Self {
            scenario: scenario.name.clone(),
            about: scenario.about.clone(),
            wrong: ran.wrong.clone(),
            turns: turns.collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(out, "FAILED {}: {}", failure.scenario, failure.about)?;
            for wrong in &failure.wrong {
                writeln!(out, "  {wrong}")?;
            }
            for (said, reply) in &failure.turns {
                writeln!(
                    out,
                    "  customer:  {said}\n  assistant: {}",
                    reply.replace('\n', "\n             ")
                )?;
            }
            writeln!(out)?;
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["failure mode", "passed", "pass^k", "cost", "tokens", "p50", "p95"]);
        for line in self.modes.iter().chain([&self.all]) {
            table.add_row(line.cells());
        }
        writeln!(out, "{table}")?;
        write!(
            out,
            "{} scenarios name what holds them off, {} have nothing that could be left out.",
            self.guarded, self.unguarded
        )
    }
}
