//! `countersign audit backtest`: which past actions a candidate policy or contract would
//! decide differently, and the money on each side.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{anyhow, bail};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_core::backtest::{Compared, Past, Verdict, compare};
use countersign_core::policy::load;
use countersign_core::replay::{Candidate, Shelf};
use countersign_executor::packs;
use countersign_shared::money::{Currency, Money};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;

use super::many::each;
use super::shelf;
use crate::receipts::source::{Source, SourceArgs};

/// What `audit backtest` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the candidate policy.
    #[arg(long, value_name = "DIR", required_unless_present = "packs")]
    policy: Option<PathBuf>,
    /// Folder of a candidate pack; may be given for several.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// Only what was decided since then: `2026-11-01`, or `2026-11-01T12:00:00Z`.
    #[arg(long, value_name = "DATE", value_parser = since)]
    since: Option<Timestamp>,
    #[command(flatten)]
    source: SourceArgs,
    /// Folder of policies and packs, as `audit bundles` writes it. Without it they are fetched from
    /// the executor.
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Past actions that changed sides in the same way.
#[derive(Default)]
struct Side {
    receipts: Vec<String>,
    money: BTreeMap<Currency, i64>,
}

/// What came of all of them.
#[derive(Default)]
struct Outcome {
    /// By verdict of then and verdict of the candidate.
    sides: BTreeMap<(Verdict, Verdict), Side>,
    same: u64,
    /// Answers, changes, counted refusals: no plan was decided.
    others: u64,
    unfit: BTreeMap<String, u64>,
}

/// One line.
enum Decided {
    Before,
    Other,
    Unfit(String),
    Both(Of, Compared),
}

/// Which receipt of which action it is.
struct Of {
    receipt: String,
    action: String,
    at: Timestamp,
}

pub(super) async fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<bool> {
    let source = Source::open(args.source).await?;
    let shelf = shelf::open(args.bundles.as_deref(), &source).await?;
    let mut candidate = Candidate::default();
    if let Some(dir) = &args.policy {
        let loaded = load::policy(&packs::read_dir(dir)?, None);
        let problems = || loaded.problems.iter().map(|p| format!("{}/{p}", dir.display()));
        let policy = loaded.policy.clone().ok_or_else(|| {
            anyhow!("the policy does not load:\n{}", problems().collect::<Vec<_>>().join("\n"))
        })?;
        candidate.policy = Some(policy);
    }
    for dir in &args.packs {
        let (pack, _) = packs::load_one(dir).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow!("the pack does not load:\n{}", lines.join("\n"))
        })?;
        candidate.take(pack)?;
    }
    let bodies = source.bodies().await?;
    if bodies.is_empty() {
        bail!("no receipts there");
    }
    let began = Instant::now();
    let decided = each(&bodies, |body| decide(body, args.since, &shelf, &candidate));
    let took = began.elapsed().as_secs_f64();
    let outcome = Outcome::of(decided);
    if args.json {
        writeln!(out, "{}", outcome.json())?;
    } else {
        outcome.print(out)?;
    }
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = bodies.len() as f64 / took.max(1e-9);
    writeln!(io::stderr(), "{} receipts in {took:.1} s: {rate:.0} a second", bodies.len())?;
    Ok(outcome.unfit.is_empty())
}

fn decide(body: &[u8], since: Option<Timestamp>, shelf: &Shelf, candidate: &Candidate) -> Decided {
    let past: Past = match serde_json::from_slice(body) {
        Ok(past) => past,
        Err(error) => return Decided::Unfit(format!("not a receipt with facts: {error}")),
    };
    if since.is_some_and(|since| past.sealed_at < since) {
        return Decided::Before;
    }
    match compare(&past, shelf, candidate) {
        Ok(None) => Decided::Other,
        Ok(Some(both)) => {
            let Past { receipt_id: receipt, action_id: action, sealed_at: at, .. } = past;
            Decided::Both(Of { receipt, action, at }, both)
        }
        Err(unfit) => Decided::Unfit(unfit.to_string()),
    }
}

impl Outcome {
    fn of(all: Vec<Decided>) -> Self {
        let mut outcome = Self::default();
        let last = last(&all);
        for one in all {
            match one {
                Decided::Both(of, _) if last.get(&of.action).is_some_and(|at| *at > of.at) => {
                    outcome.others += 1;
                }
                Decided::Before => {}
                Decided::Other => outcome.others += 1,
                Decided::Unfit(why) => *outcome.unfit.entry(why).or_default() += 1,
                Decided::Both(_, both) if both.was == both.would => outcome.same += 1,
                Decided::Both(of, both) => {
                    let side = outcome.sides.entry((both.was, both.would)).or_default();
                    side.receipts.push(of.receipt);
                    if let Some(money) = both.money {
                        let sum = side.money.entry(money.currency()).or_default();
                        *sum = sum.saturating_add(money.minor());
                    }
                }
            }
        }
        outcome
    }

    fn changed(&self) -> usize {
        self.sides.values().map(|side| side.receipts.len()).sum()
    }

    fn print(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if !self.sides.is_empty() {
            let mut table = Table::new();
            table.load_style(NOTHING);
            table.set_header(["IT WAS", "IT WOULD BE", "ACTIONS", "MONEY", "FOR EXAMPLE"]);
            for ((was, would), side) in &self.sides {
                let example = side.receipts.first().cloned().unwrap_or_default();
                let count = side.receipts.len().to_string();
                table.add_row([was.to_string(), would.to_string(), count, side.sums(), example]);
            }
            writeln!(out, "{}\n", table.trim_fmt())?;
        }
        let (changed, same, others) = (self.changed(), self.same, self.others);
        writeln!(
            out,
            "{changed} actions would be decided differently, {same} the same; {others} receipts \
             are no plan's"
        )?;
        for (why, count) in &self.unfit {
            writeln!(out, "{count} receipts cannot be decided again: {why}")?;
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        let side = |((was, would), side): (&(Verdict, Verdict), &Side)| {
            json!({ "was": was, "would": would, "actions": side.receipts.len(),
                    "money": side.each().collect::<Vec<_>>(), "receipts": side.receipts })
        };
        json!({ "different": self.sides.iter().map(side).collect::<Vec<_>>(),
                "changed": self.changed(), "same": self.same, "others": self.others,
                "unfit": self.unfit })
    }
}

/// When the last receipt of each action was sealed.
fn last(all: &[Decided]) -> BTreeMap<String, Timestamp> {
    let mut last = BTreeMap::new();
    for one in all {
        if let Decided::Both(Of { action, at, .. }, _) = one
            && !action.is_empty()
        {
            let newest = last.entry(action.clone()).or_insert(*at);
            *newest = (*newest).max(*at);
        }
    }
    last
}

impl Side {
    fn each(&self) -> impl Iterator<Item = Money> {
        self.money.iter().map(|(currency, minor)| Money::from_minor(*minor, *currency))
    }

    fn sums(&self) -> String {
        self.each().map(|money| money.to_string()).collect::<Vec<_>>().join("\n")
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let date: Date = text.parse().map_err(|_| format!("`{text}` is no date such as 2026-11-01"))?;
    let at = date.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    Ok(at.timestamp())
}
