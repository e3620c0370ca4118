//! Is it worth it? Numbers of a time, each of which leads to its actions.

use std::collections::BTreeSet;
use std::ops::Range;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use countersign_shared::money::Money;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::actions::{date, tenants, to_actions};
use super::plot::{Plot, Series};
use crate::analytics::{self, Analytics, Bucket, Sums, Width, duration, percent};
use crate::console::Console;
use crate::console::frame::{Frame, Place};
use crate::console::requests::{notice, page};
use crate::console::view::Headline;
use crate::console::visitor::Visitor;
use crate::conversations::{Spent, amount, hundredths};
use crate::register::begin_of;
use crate::review::FIRST;

/// Days that are shown where nobody says from when, and the most.
const DAYS: i64 = 14;
const MOST: i64 = 2 * 366;
/// Of the parts of a plot that mean nothing by themselves, in their order, as the stylesheet names
/// them; no plot has more.
const TONES: [&str; 4] = ["good", "bad", "waits", "doubt"];

#[derive(Template)]
#[template(path = "analytics.html")]
struct Numbers {
    frame: Frame,
    tenants: Vec<(String, bool)>,
    from: String,
    to: String,
    weekly: bool,
    tiles: Vec<Tile>,
    plots: Vec<Plot>,
    rows: Vec<Row>,
    tables: Vec<Table>,
    /// Why these are not the days that were asked for; empty where they are.
    wrong: String,
}

struct Tile {
    name: &'static str,
    value: String,
    note: String,
    link: String,
}

struct Row {
    name: String,
    /// Each number with the way to what it counts; to nothing there is none.
    cells: Vec<(String, String)>,
}

struct Table {
    name: &'static str,
    none: &'static str,
    rows: Vec<(String, String, String)>,
}

/// What the address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    tenant: String,
    from: String,
    to: String,
    by: String,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/analytics", get(show))
}

/// `GET /analytics`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Analytics) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (tenant, choices) = tenants(&visitor, &asked.tenant);
    let now = console.desk.pipeline.clock.now();
    let days = asked.days(now);
    let width = if asked.by == "week" { Width::Week } else { Width::Day };
    let wanted = analytics::Asked { tenant: Some(tenant.clone()), days: days.clone(), width };
    match analytics::read(&*console.desk.pipeline.store, &wanted).await {
        Ok(all) => {
            let view = view(frame, choices, &Links { tenant, wanted: &wanted }, &all);
            page(&Numbers { wrong: asked.wrong(now), ..view })
        }
        Err(error) => notice(frame, Headline::unreadable(&error.to_string())),
    }
}

impl Asked {
    /// What cannot be read is as if it were not said.
    fn within(&self, now: Timestamp) -> Range<i64> {
        let to = date(&self.to).ok().flatten().unwrap_or(now);
        let back = SignedDuration::from_hours(24 * (DAYS - 1));
        let from = date(&self.from).ok().flatten();
        analytics::days(from.unwrap_or_else(|| to.saturating_sub(back).unwrap_or(to)), to)
    }

    /// Whole days that can be shown.
    fn days(&self, now: Timestamp) -> Range<i64> {
        let days = self.within(now);
        let [first, last] = [MOST, 1].map(|back| days.end.saturating_sub(back));
        days.start.clamp(first, last)..days.end
    }

    /// Why these are not the days that were asked for; empty where they are.
    fn wrong(&self, now: Timestamp) -> String {
        if let Err(wrong) = date(&self.from).and(date(&self.to)) {
            return wrong;
        }
        let days = self.within(now);
        if days.is_empty() {
            "From lies after Until. This is the day of Until alone.".to_owned()
        } else if days.end.saturating_sub(days.start) > MOST {
            format!("No more than {MOST} days are shown. These are the last of them.")
        } else {
            String::new()
        }
    }
}

/// The way from a number to its actions.
struct Links<'a> {
    tenant: String,
    wanted: &'a analytics::Asked,
}

impl Links<'_> {
    fn of(&self, days: &Range<i64>, condition: &[(&str, &str)]) -> String {
        let mut query = to_actions();
        query.append_pair("tenant", &self.tenant);
        query.extend_pairs(condition);
        query.append_pair("from", &day(days.start));
        query.append_pair("to", &day(days.end));
        query.finish()
    }

    fn all(&self, condition: &[(&str, &str)]) -> String {
        self.of(&self.wanted.days, condition)
    }

    /// The days of a bucket, as far as they are asked for.
    fn bucket(&self, begins: i64) -> Range<i64> {
        let days = match self.wanted.width {
            Width::Day => 1,
            Width::Week => 7,
        };
        let asked = &self.wanted.days;
        begins.max(asked.start)..begins.saturating_add(days).min(asked.end)
    }
}

fn day(day: i64) -> String {
    begin_of(day).strftime("%Y-%m-%d").to_string()
}

fn share(percent: Option<i64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %"))
}

fn view(frame: Frame, tenants: Vec<(String, bool)>, links: &Links<'_>, all: &Analytics) -> Numbers {
    let days = &links.wanted.days;
    Numbers {
        frame,
        tenants,
        from: day(days.start),
        to: day(days.end.saturating_sub(1)),
        weekly: links.wanted.width == Width::Week,
        tiles: tiles(links, all),
        plots: plots(links, all),
        rows: all.buckets.iter().map(|(begins, of)| row(links, *begins, &of.sums)).collect(),
        tables: tables(links, all),
        wrong: String::new(),
    }
}

fn tiles(links: &Links<'_>, all: &Analytics) -> Vec<Tile> {
    let total = &all.total;
    let tile = |name, value: String, note: String, link| Tile { name, value, note, link };
    let part = |count: i64, ended: &str| match total.actions {
        0 => "nothing was asked for".to_owned(),
        of => format!("{count} of {of} {ended}"),
    };
    let contained = part(total.contained, "without a person");
    let applied = part(total.applied, "applied");
    let nine = if all.waits.actions == 0 {
        "nobody had to answer".to_owned()
    } else {
        format!("nine in ten within {}; {} answered", duration(all.waits.p90), all.waits.actions)
    };
    let said = format!("{} said no, {} settled by hand", total.rejections, total.by_hand);
    let median = if all.waits.actions == 0 { "-".to_owned() } else { duration(all.waits.median) };
    vec![
        tile("Containment", share(total.containment()), contained, links.all(&[("by", "nobody")])),
        tile(
            "Success",
            share(total.success()),
            applied,
            links.all(&[("outcome", "applied"), FIRST]),
        ),
        tile("Time to a yes or no", median, nine, links.all(&[("by", "people")])),
        tile("Overrides", total.overrides().to_string(), said, links.all(&[("by", "override")])),
        costs(links, all),
        satisfaction(links, all),
    ]
}

/// What a conversation cost, in each currency: they are never added.
fn costs(links: &Links<'_>, all: &Analytics) -> Tile {
    let each = all.costs.iter().map(|(code, spent)| money(code, spent.each()));
    let of = all.costs.iter().map(|(code, spent)| {
        let sum = money(code, spent.micros);
        format!("{sum} in {} that had a priced call of a model", spent.conversations)
    });
    let (value, note) = if all.costs.is_empty() {
        ("-".to_owned(), "no call of a model had a price".to_owned())
    } else {
        (each.collect::<Vec<_>>().join(", "), of.collect::<Vec<_>>().join("; "))
    };
    Tile { name: "Cost per conversation", value, note, link: links.all(&[FIRST]) }
}

/// How conversations were rated, as frontends say.
fn satisfaction(links: &Links<'_>, all: &Analytics) -> Tile {
    let rated = all.rated;
    let (value, note) = if rated.count == 0 {
        ("-".to_owned(), "no frontend sent a rating".to_owned())
    } else {
        let good = share(percent(rated.high, rated.count));
        let note = format!("{good} gave 4 or 5; {} rated, as frontends say", rated.count);
        (format!("{} of 5", hundredths(rated.mean())), note)
    };
    Tile { name: "Satisfaction", value, note, link: links.all(&[FIRST]) }
}

fn money(code: &str, micros: i64) -> String {
    format!("{code} {}", amount(micros))
}

/// One part of each stack of a plot.
struct Part<'a> {
    name: String,
    /// Its number of a bucket.
    of: Box<dyn Fn(&Bucket) -> i64 + 'a>,
    /// By what its actions are found.
    condition: Vec<(&'a str, &'a str)>,
}

impl Part<'_> {
    /// Its colour: the same wherever it means the same, else that of its rank.
    fn tone(&self, rank: &'static str) -> &'static str {
        match self.condition.as_slice() {
            [("outcome", _), ("code", _), ..] => rank,
            [("outcome", "applied"), ..] => "good",
            [("outcome", "not_applied"), ..] => "bad",
            [("outcome", "unknown"), ..] => "doubt",
            [("outcome", "refused") | ("by", "somebody"), ..] => "waits",
            _ => rank,
        }
    }
}

fn part<'a>(name: &str, of: fn(&Sums) -> i64, condition: &[(&'a str, &'a str)]) -> Part<'a> {
    let of = Box::new(move |bucket: &Bucket| of(&bucket.sums));
    Part { name: name.to_owned(), of, condition: condition.to_vec() }
}

/// The course over time of all that is counted, as far as there is any.
fn plots(links: &Links<'_>, all: &Analytics) -> Vec<Plot> {
    let count = |count: i64| count.to_string();
    let outcomes = [
        part("applied", |sums| sums.applied, &[("outcome", "applied"), FIRST]),
        part("refused", |sums| sums.refused, &[("outcome", "refused"), FIRST]),
        part("not applied", |sums| sums.not_applied, &[("outcome", "not_applied"), FIRST]),
        part("unknown", |sums| sums.unknown, &[("outcome", "unknown"), FIRST]),
    ];
    let contained = [
        part("without a person", |sums| sums.contained, &[("by", "nobody")]),
        part("with a person", |sums| sums.needed(), &[("by", "somebody")]),
    ];
    let failed = [
        part(
            "not applied",
            |sums| failed_share(sums.not_applied, sums.actions),
            &[("outcome", "not_applied"), FIRST],
        ),
        part(
            "unknown",
            |sums| failed_share(sums.unknown, sums.actions),
            &[("outcome", "unknown"), FIRST],
        ),
    ];
    let reasons = all.reasons.iter().take(TONES.len()).map(|(name, _)| Part {
        name: name.replace('_', " "),
        of: Box::new(move |bucket| bucket.reasons.get(name).copied().unwrap_or(0)),
        condition: vec![("reason", name)],
    });
    let refusals = all.refusals.iter().take(TONES.len()).map(|(name, _)| Part {
        name: name.clone(),
        of: Box::new(move |bucket| bucket.refusals.get(name).copied().unwrap_or(0)),
        condition: vec![("outcome", "refused"), ("code", name), FIRST],
    });
    let waited = Part {
        name: "median".to_owned(),
        of: Box::new(|bucket| bucket.waits.median),
        condition: vec![("by", "people")],
    };
    let mut plots = vec![
        plot(links, all, "Actions by outcome", &count, &outcomes),
        plot(links, all, "Containment", &count, &contained),
        plot(links, all, "Share that failed", &percents, &failed),
        plot(links, all, "The most frequent refusals", &count, &refusals.collect::<Vec<_>>()),
        plot(
            links,
            all,
            "The most frequent reasons for a person",
            &count,
            &reasons.collect::<Vec<_>>(),
        ),
        plot(links, all, "Time to a yes or no", &duration, &[waited]),
    ];
    let currencies: BTreeSet<_> = all.moved.iter().map(|m| m.sum.currency().code()).collect();
    plots.extend(currencies.into_iter().map(|code| {
        let show = |minor: i64| match code.parse() {
            Ok(currency) => Money::from_minor(minor, currency).to_string(),
            Err(_) => minor.to_string(),
        };
        let moved = Part {
            name: "moved".to_owned(),
            of: Box::new(move |bucket| bucket.moved.get(code).copied().unwrap_or(0)),
            condition: vec![("outcome", "applied"), ("currency", code)],
        };
        plot(links, all, &format!("Money moved, {code}"), &show, &[moved])
    }));
    plots.extend(all.costs.keys().map(|code| {
        let each = Part {
            name: "per conversation".to_owned(),
            of: Box::new(move |bucket| bucket.costs.get(code).copied().map_or(0, Spent::each)),
            condition: vec![FIRST],
        };
        let show = |micros: i64| money(code, micros);
        plot(links, all, &format!("Cost per conversation, {code}"), &show, &[each])
    }));
    let mean = Part {
        name: "of 5".to_owned(),
        of: Box::new(|bucket| bucket.rated.mean()),
        condition: vec![FIRST],
    };
    plots.push(plot(links, all, "Satisfaction, as frontends say", &hundredths, &[mean]));
    plots.retain(|plot| !plot.bars.is_empty());
    plots
}

fn plot(
    links: &Links<'_>,
    all: &Analytics,
    title: &str,
    show: &dyn Fn(i64) -> String,
    parts: &[Part<'_>],
) -> Plot {
    let stacks = all.buckets.iter().map(|(begins, bucket)| {
        let days = links.bucket(*begins);
        let each = parts.iter().map(|one| ((one.of)(bucket), links.of(&days, &one.condition)));
        (day(*begins), each.collect())
    });
    let stacks = stacks.collect();
    let legend = parts.iter().zip(TONES).map(|(one, rank)| Series::new(&one.name, one.tone(rank)));
    let plot = Plot::stacked(title.to_owned(), legend.collect(), show, stacks);
    // No list has the conversations that it counts.
    let any = parts.iter().all(|one| one.condition == [FIRST]);
    Plot { leads: if any { "all actions of its time" } else { "its actions" }, ..plot }
}

/// A share in hundredths of a percent; 0 of nothing, and never where anything failed: one of many
/// has its bar.
fn failed_share(part: i64, of: i64) -> i64 {
    let share = part.saturating_mul(10_000).saturating_add(of / 2).checked_div(of).unwrap_or(0);
    share.max(part.clamp(0, 1))
}

fn percents(share: i64) -> String {
    format!("{} %", hundredths(share))
}

fn row(links: &Links<'_>, begins: i64, sums: &Sums) -> Row {
    let days = links.bucket(begins);
    let cell = |text: String, count: i64, condition: &[(&str, &str)]| {
        let link = if count == 0 { String::new() } else { links.of(&days, condition) };
        (text, link)
    };
    let counted =
        |count: i64, condition: &[(&str, &str)]| cell(count.to_string(), count, condition);
    let ended = |outcome, count| counted(count, &[("outcome", outcome), FIRST]);
    let cells = vec![
        counted(sums.actions, &[FIRST]),
        cell(share(sums.containment()), sums.contained, &[("by", "nobody")]),
        ended("applied", sums.applied),
        ended("not_applied", sums.not_applied),
        ended("unknown", sums.unknown),
        ended("refused", sums.refused),
        counted(sums.overrides(), &[("by", "override")]),
    ];
    Row { name: day(begins), cells }
}

fn tables(links: &Links<'_>, all: &Analytics) -> Vec<Table> {
    let counted = |counts: &[(String, i64)], by: &str| {
        let row = |(name, count): &(String, i64)| {
            (name.replace('_', " "), count.to_string(), links.all(&[(by, name.as_str())]))
        };
        let plain = |(name, count): &(String, i64)| {
            let of = [("outcome", "refused"), (by, name.as_str()), FIRST];
            (name.clone(), count.to_string(), links.all(&of))
        };
        if by == "code" {
            counts.iter().map(plain).collect()
        } else {
            counts.iter().map(row).collect::<Vec<_>>()
        }
    };
    let errors = all.errors.iter().flat_map(|e| {
        let tools = format!("{}.*", e.connector);
        let ends =
            [("not applied", "not_applied", e.not_applied), ("unknown", "unknown", e.unknown)];
        ends.into_iter().filter(|(.., count)| *count > 0).map(move |(name, outcome, count)| {
            let link = links.all(&[("tool", tools.as_str()), ("outcome", outcome), FIRST]);
            (format!("{}, {name}", e.connector), count.to_string(), link)
        })
    });
    let moved = all.moved.iter().map(|m| {
        let noun = if m.actions == 1 { "action" } else { "actions" };
        let text = format!("{} in {} {noun}", m.sum, m.actions);
        let currency = m.sum.currency().code();
        (
            m.tool.clone(),
            text,
            links.all(&[("tool", m.tool.as_str()), ("outcome", "applied"), ("currency", currency)]),
        )
    });
    vec![
        Table { name: "Money that was moved", none: "No money was moved.", rows: moved.collect() },
        Table {
            name: "Refusals by code",
            none: "Nothing was refused.",
            rows: counted(&all.refusals, "code"),
        },
        Table {
            name: "Why a person had to look",
            none: "Nobody had to.",
            rows: counted(&all.reasons, "reason"),
        },
        Table { name: "Failures by connector", none: "Nothing failed.", rows: errors.collect() },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Waits;

    #[test]
    fn the_time_to_a_yes_has_a_course_that_leads_to_its_actions() {
        let waits = Waits { actions: 3, median: 125_000, p90: 600_000 };
        let buckets = vec![(0, Bucket { waits, ..Bucket::default() }), (1, Bucket::default())];
        let all = Analytics { buckets, ..Analytics::default() };
        let wanted = analytics::Asked { tenant: None, days: 0..2, width: Width::Day };
        let links = Links { tenant: "t".to_owned(), wanted: &wanted };
        let plots = plots(&links, &all);
        let bars = plots.iter().flat_map(|plot| &plot.bars);
        let bars: Vec<_> = bars.map(|bar| (bar.label.as_str(), bar.link.as_str())).collect();
        let link = "/actions?tenant=t&by=people&from=1970-01-01&to=1970-01-02";
        assert_eq!(bars, [("1970-01-01: 2 min 5 s median", link)]);
    }

    #[test]
    fn one_failure_of_many_is_shown() {
        let told = |part, of| percents(failed_share(part, of));
        assert_eq!([told(0, 0), told(0, 9)], ["0.00 %", "0.00 %"]);
        assert_eq!([told(1, 3), told(1, 4_000)], ["33.33 %", "0.03 %"]);
        assert_eq!(told(1, 1_000_000), "0.01 %");
    }

    /// Each plot's parts with their colours.
    fn colours() -> Vec<(String, Vec<(String, &'static str)>)> {
        let sums = Sums {
            actions: 4,
            contained: 1,
            applied: 1,
            not_applied: 1,
            unknown: 1,
            refused: 1,
            ..Sums::default()
        };
        let codes = ["POLICY_FORBIDS", "RULE_ERROR"].map(|code| (code.to_owned(), 1));
        let bucket =
            Bucket { sums, refusals: codes.iter().cloned().collect(), ..Bucket::default() };
        let all = Analytics {
            buckets: vec![(0, bucket)],
            refusals: codes.to_vec(),
            ..Analytics::default()
        };
        let wanted = analytics::Asked { tenant: None, days: 0..1, width: Width::Day };
        let links = Links { tenant: "t".to_owned(), wanted: &wanted };
        let named = |plot: Plot| {
            let parts = plot.legend.into_iter().map(|series| (series.name, series.tone));
            (plot.title, parts.collect())
        };
        plots(&links, &all).into_iter().map(named).collect()
    }

    #[test]
    fn a_colour_means_the_same_in_every_plot() {
        for (title, parts) in colours() {
            for (name, tone) in &parts {
                let meant = match name.as_str() {
                    "applied" | "without a person" => "good",
                    "not applied" => "bad",
                    "unknown" => "doubt",
                    "refused" | "with a person" => "waits",
                    _ => *tone,
                };
                assert_eq!(*tone, meant, "{name} in {title}");
            }
            let mut tones: Vec<_> = parts.iter().map(|(_, tone)| tone).collect();
            tones.sort();
            tones.dedup();
            assert_eq!(tones.len(), parts.len(), "{title}: {parts:?} are told apart");
        }
        assert!(colours().iter().any(|(title, parts)| title == "Share that failed"
            && parts.iter().any(|(_, tone)| *tone == "bad")));
    }
}
