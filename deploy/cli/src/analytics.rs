//! `countersign analytics` and `countersign review`: is it worth it, and what was out of the
//! ordinary.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_executor::analytics::{duration, percent};
use countersign_executor::review::Week;
use countersign_proto::v1::{
    AnalyticsCost, AnalyticsCount, AnalyticsRatings, AnalyticsRequest, AnalyticsResponse,
    AnalyticsSums, ReviewRequest,
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::auditor::{AuditorArgs, time};
use crate::command::OK;
use crate::remote::timed;
use crate::text::{one_line, printable};

const EXAMPLES: &str = "\
Examples:
  countersign analytics --state ./demo-state
  countersign analytics --since 90d --weekly --json --executor executor.example:7443 \\
      --tls ./auditor --executor-id spiffe://shop.example/executor

Days are whole, in UTC. Nothing is estimated. What conversations cost is the planner's word,
by the prices in its configuration. Satisfaction is what frontends say that users gave: a claim,
never evidence.";

const REVIEW_EXAMPLES: &str = "\
Examples:
  countersign review --state ./demo-state
  countersign review --week 2026-W47 --state ./demo-state > review.md

The week is held against the four before it. Links lead to the executor's own pages, where it has
some.";

/// What `analytics` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    auditor: AuditorArgs,
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// From this day on: 30d, 2026-11-16. Without it, seven days with the last one.
    #[arg(long, value_parser = time)]
    since: Option<Timestamp>,
    /// Until this day, included.
    #[arg(long, value_parser = time)]
    until: Option<Timestamp>,
    /// Weeks, from Monday on, instead of days.
    #[arg(long)]
    weekly: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `review` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = REVIEW_EXAMPLES)]
pub struct ReviewArgs {
    #[command(flatten)]
    auditor: AuditorArgs,
    /// Only this tenant's.
    #[arg(long)]
    tenant: Option<String>,
    /// The week, as ISO 8601 names it: `2026-W47`. Without it, the last whole one.
    #[arg(long)]
    week: Option<String>,
}

/// Does what the arguments say.
///
/// # Errors
/// When the executor cannot be reached or refuses.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(add_up(args))?;
    Ok(ExitCode::from(OK))
}

async fn add_up(args: Args) -> anyhow::Result<()> {
    let auditor = args.auditor.open()?;
    let request = AnalyticsRequest {
        tenant: args.tenant.unwrap_or_default(),
        from: args.since.map_or(0, Timestamp::as_second),
        to: args.until.map_or(0, Timestamp::as_second),
        weekly: args.weekly,
    };
    let answer = auditor.client.clone().analytics(timed(request)).await;
    let answer = answer.map_err(|status| auditor.refused(&status))?.into_inner();
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", whole(&answer))?;
    } else {
        page(&mut out, &answer)?;
    }
    Ok(())
}

/// Does what the arguments say.
///
/// # Errors
/// When the executor cannot be reached or refuses.
pub fn review(args: ReviewArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(look_back(args))?;
    Ok(ExitCode::from(OK))
}

async fn look_back(args: ReviewArgs) -> anyhow::Result<()> {
    let auditor = args.auditor.open()?;
    let week = args.week.unwrap_or_else(|| Week::of(Timestamp::now()).previous().name());
    let request = ReviewRequest { tenant: args.tenant.unwrap_or_default(), week };
    let answer = auditor.client.clone().review(timed(request)).await;
    let answer = answer.map_err(|status| auditor.refused(&status))?.into_inner();
    io::stdout().lock().write_all(printable(&answer.markdown).as_bytes())?;
    Ok(())
}

fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map_or_else(|_| String::new(), |at| at.strftime("%F").to_string())
}

fn share(part: i64, of: i64) -> String {
    percent(part, of).map_or_else(|| "-".to_owned(), |share| format!("{share} %"))
}

fn page(out: &mut impl Write, all: &AnalyticsResponse) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "FROM",
        "ACTIONS",
        "CONTAINED",
        "APPLIED",
        "NOT APPLIED",
        "UNKNOWN",
        "REFUSED",
        "OVERRIDES",
    ]);
    let row = |name: String, sums: &AnalyticsSums| {
        let overrides = sums.rejections.saturating_add(sums.by_hand);
        let counts = [sums.not_applied, sums.unknown, sums.refused, overrides];
        let mut row = vec![
            name,
            sums.actions.to_string(),
            share(sums.contained, sums.actions),
            share(sums.applied, sums.actions),
        ];
        row.extend(counts.map(|count| count.to_string()));
        row
    };
    for bucket in &all.buckets {
        table.add_row(row(date(bucket.begins), bucket));
    }
    if let Some(total) = &all.total {
        table.add_row(row("all".to_owned(), total));
    }
    writeln!(out, "{}", table.trim_fmt())?;
    if all.waited > 0 {
        let (median, p90) = (duration(all.wait_median_ms), duration(all.wait_p90_ms));
        writeln!(
            out,
            "\nPeople answered {} actions: half within {median}, nine in ten within {p90}.",
            all.waited
        )?;
    }
    for moved in &all.moved {
        let (tool, currency, amount) = (one_line(&moved.tool), &moved.currency, &moved.amount);
        let actions =
            if moved.actions == 1 { "1 action" } else { &format!("{} actions", moved.actions) };
        writeln!(out, "Moved {currency} {amount} by {tool} in {actions}.")?;
    }
    costs(out, all.total.as_ref())?;
    satisfaction(out, all.total.as_ref())?;
    counts(out, "Refused", &all.refusals)?;
    counts(out, "For a person", &all.reasons)?;
    for e in &all.errors {
        let connector = one_line(&e.connector);
        writeln!(
            out,
            "Failed at {connector}: {} not applied, {} unknown.",
            e.not_applied, e.unknown
        )?;
    }
    Ok(())
}

fn costs(out: &mut impl Write, total: Option<&AnalyticsSums>) -> io::Result<()> {
    let costs = total.map_or(&[][..], |total| &total.costs);
    if costs.is_empty() {
        return writeln!(out, "Cost per conversation: no call of a model had a price.");
    }
    costs.iter().try_for_each(|cost| {
        let (code, conversations) = (one_line(&cost.currency), cost.conversations);
        let (each, sum) = (&cost.each, &cost.amount);
        let noun = if conversations == 1 { "conversation" } else { "conversations" };
        writeln!(
            out,
            "Cost per conversation: {code} {each}, of {code} {sum} in {conversations} {noun}."
        )
    })
}

fn satisfaction(out: &mut impl Write, total: Option<&AnalyticsSums>) -> io::Result<()> {
    let rated = total.and_then(|total| total.ratings.as_ref()).filter(|rated| rated.count > 0);
    let Some(rated) = rated else {
        return writeln!(out, "Satisfaction: no frontend sent a rating.");
    };
    let (mean, good) = (one_line(&rated.mean), share(rated.high, rated.count));
    let count = rated.count;
    writeln!(out, "Satisfaction, as frontends say: {mean} of 5, {good} gave 4 or 5, {count} rated.")
}

fn counts(out: &mut impl Write, what: &str, all: &[AnalyticsCount]) -> io::Result<()> {
    all.iter().try_for_each(|one| writeln!(out, "{what}: {} {}", one_line(&one.name), one.count))
}

fn whole(all: &AnalyticsResponse) -> Json {
    let cost = |c: &AnalyticsCost| {
        json!({
            "currency": c.currency, "amount": c.amount, "conversations": c.conversations,
            "each": c.each,
        })
    };
    let rated = |r: &AnalyticsRatings| {
        let mean = Some(&r.mean).filter(|mean| !mean.is_empty());
        json!({ "count": r.count, "mean": mean, "high": r.high })
    };
    let counts = |all: &[AnalyticsCount]| {
        all.iter()
            .map(|one| (one.name.clone(), json!(one.count)))
            .collect::<serde_json::Map<_, _>>()
    };
    let sums = |sums: &AnalyticsSums| {
        json!({
            "begins": date(sums.begins), "actions": sums.actions, "contained": sums.contained,
            "applied": sums.applied, "not_applied": sums.not_applied, "unknown": sums.unknown,
            "refused": sums.refused, "approvals": sums.approvals, "rejections": sums.rejections,
            "by_hand": sums.by_hand, "tokens": sums.tokens,
            "costs": sums.costs.iter().map(cost).collect::<Vec<_>>(),
            "ratings": sums.ratings.as_ref().map(rated),
        })
    };
    let bucket = |of: &AnalyticsSums| {
        let moved = of.moved.iter().map(|m| json!({ "currency": m.currency, "amount": m.amount }));
        let course = json!({
            "reasons": counts(&of.reasons), "refusals": counts(&of.refusals),
            "moved": moved.collect::<Vec<_>>(), "waited": of.waited,
            "wait_median_ms": of.wait_median_ms, "wait_p90_ms": of.wait_p90_ms,
        });
        let mut all = sums(of);
        if let (Some(all), Json::Object(course)) = (all.as_object_mut(), course) {
            all.extend(course);
        }
        all
    };
    let errors = all.errors.iter().map(
        |e| json!({ "connector": e.connector, "unknown": e.unknown, "not_applied": e.not_applied }),
    );
    let moved = all.moved.iter().map(|m| {
        json!({ "tool": m.tool, "currency": m.currency, "amount": m.amount, "actions": m.actions })
    });
    json!({
        "total": all.total.as_ref().map(sums),
        "buckets": all.buckets.iter().map(bucket).collect::<Vec<_>>(),
        "reasons": counts(&all.reasons), "refusals": counts(&all.refusals),
        "errors": errors.collect::<Vec<_>>(), "moved": moved.collect::<Vec<_>>(),
        "waited": all.waited, "wait_median_ms": all.wait_median_ms, "wait_p90_ms": all.wait_p90_ms,
    })
}
