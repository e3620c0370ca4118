//! A review as Markdown.

use std::fmt::Write as _;

use jiff::Timestamp;
use url::form_urlencoded::Serializer;

use super::{Review, Week};
use crate::analytics::{duration, percent};
use crate::timeline::clock;

/// A settled action is counted as it ended at first: what settled it is not listed again.
pub const FIRST: (&str, &str) = ("by", "first");

/// An approver's answers, and not what they settled: those are no answers.
pub const ANSWERED: (&str, &str) = ("by", "people");

/// The console's page of a week's actions of one tenant or of all, with conditions.
#[must_use]
pub fn link(week: Week, tenant: Option<&str>, conditions: &[(&str, &str)]) -> String {
    const PAGE: &str = "/actions?";
    let date = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let time = week.time();
    let mut query = Serializer::for_suffix(PAGE.to_owned(), PAGE.len());
    query
        .extend_pairs(tenant.map(|tenant| ("tenant", tenant)))
        .extend_pairs(conditions)
        .append_pair("from", &date(time.start))
        .append_pair("to", &date(time.end));
    query.finish()
}

/// The review as a file, which is read far from here: its links lead to pages of the console at
/// `origin`. Empty where there is no console, and then nothing is a link.
#[must_use]
pub fn markdown(review: &Review, origin: &str) -> String {
    let mut text = String::new();
    let links = Links { origin, week: review.week, tenant: review.tenant.as_deref() };
    // Writing into memory does not fail.
    let _ = write(&mut text, review, links);
    text
}

/// Pages of the console, as the file names them.
#[derive(Clone, Copy)]
struct Links<'a> {
    origin: &'a str,
    week: Week,
    tenant: Option<&'a str>,
}

impl Links<'_> {
    fn to(self, text: &str, path: &str) -> String {
        match self.origin {
            "" => text.to_owned(),
            origin => format!("[{text}]({origin}{path})"),
        }
    }

    /// The week's actions, with conditions.
    fn actions(self, text: &str, conditions: &[(&str, &str)]) -> String {
        self.to(text, &link(self.week, self.tenant, conditions))
    }

    fn receipt(self, receipt: &str) -> String {
        self.to(receipt, &format!("/actions/{receipt}"))
    }
}

fn write(out: &mut String, review: &Review, links: Links<'_>) -> std::fmt::Result {
    let (week, sums) = (review.week, &review.sums);
    writeln!(out, "# Review of {}\n", week.name())?;
    let tenant = review.tenant.as_deref().map_or("All tenants", |tenant| tenant);
    let until = week.time().end;
    writeln!(out, "{}, {} until {}.\n", cell(tenant), clock(week.time().start), clock(until))?;
    if review.cut {
        writeln!(out, "There was more than was read: amounts and answers are of a part.\n")?;
    }
    let share = |part| percent(part, sums.actions).map_or("-".to_owned(), |p| format!("{p} %"));
    writeln!(out, "| | that week | four weeks before |\n|---|---:|---:|")?;
    let (now, before) = (sums, &review.before);
    let without = share(now.contained);
    for (name, count, more, was, of) in [
        ("actions", now.actions, String::new(), before.actions, &[FIRST][..]),
        (
            "applied",
            now.applied,
            String::new(),
            before.applied,
            &[("outcome", "applied"), FIRST][..],
        ),
        (
            "without a person",
            now.contained,
            format!(" ({without})"),
            before.contained,
            &[("by", "nobody")][..],
        ),
        (
            "overrides",
            now.overrides(),
            String::new(),
            before.overrides(),
            &[("by", "override")][..],
        ),
    ] {
        let count = links.actions(&count.to_string(), of);
        writeln!(out, "| {name} | {count}{more} | {was} |")?;
    }
    amounts(out, review, links)?;
    refusals(out, review, links)?;
    overrides(out, review, links)?;
    habits(out, review, links)
}

fn amounts(out: &mut String, review: &Review, links: Links<'_>) -> std::fmt::Result {
    writeln!(out, "\n## Amounts far from the usual\n")?;
    if review.amounts.is_empty() {
        return writeln!(out, "None.");
    }
    writeln!(out, "| action | tool | amount | median | deviations |\n|---|---|---:|---:|---:|")?;
    for odd in &review.amounts {
        let far =
            odd.deviations.map_or("all others are alike".to_owned(), |times| times.to_string());
        let (tool, receipt) = (cell(&odd.tool), links.receipt(&odd.receipt));
        writeln!(out, "| {receipt} | {tool} | {} | {} | {far} |", odd.money, odd.median)?;
    }
    Ok(())
}

fn refusals(out: &mut String, review: &Review, links: Links<'_>) -> std::fmt::Result {
    writeln!(out, "\n## Refusals\n")?;
    if review.refusals.is_empty() {
        return writeln!(out, "None.");
    }
    writeln!(out, "| code | that week | four weeks before | |\n|---|---:|---:|---|")?;
    for refusals in &review.refusals {
        let grew = if refusals.grew() { "**more than usual**" } else { "" };
        let code = cell(&refusals.code);
        let of = [("outcome", "refused"), ("code", refusals.code.as_str()), FIRST];
        let now = links.actions(&refusals.now.to_string(), &of);
        writeln!(out, "| {code} | {now} | {} | {grew} |", refusals.before)?;
    }
    Ok(())
}

fn overrides(out: &mut String, review: &Review, links: Links<'_>) -> std::fmt::Result {
    writeln!(out, "\n## Overrides\n")?;
    if review.overrides.is_empty() {
        return writeln!(out, "None.");
    }
    for one in &review.overrides {
        let who = if one.by.is_empty() {
            "settled by a person".to_owned()
        } else {
            format!("{} said no", cell(&one.by))
        };
        let (receipt, at) = (links.receipt(&one.receipt), clock(one.at));
        // A receipt that settles an earlier one names no tool.
        let tool =
            if one.tool.is_empty() { String::new() } else { format!(", {}", cell(&one.tool)) };
        writeln!(out, "- {receipt}, {at}{tool}: {who}")?;
    }
    Ok(())
}

fn habits(out: &mut String, review: &Review, links: Links<'_>) -> std::fmt::Result {
    writeln!(out, "\n## Approvers\n")?;
    if review.habits.is_empty() {
        return writeln!(out, "Nobody was asked.");
    }
    writeln!(
        out,
        "| who | yes | no | median | fastest | out of hours | |\n|---|---:|---:|---:|---:|---:|---|"
    )?;
    for habits in &review.habits {
        let always = if habits.always_yes() { "**always yes**" } else { "" };
        let of = [("approver", habits.by.as_str()), ANSWERED];
        let by = links.actions(&cell(&habits.by), &of);
        let (median, fastest) = (duration(habits.median), duration(habits.fastest));
        writeln!(
            out,
            "| {by} | {} | {} | {median} | {fastest} | {} | {always} |",
            habits.yes, habits.no, habits.out_of_hours
        )?;
    }
    Ok(())
}

/// Text that stays within its cell.
fn cell(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"|[]()<>`*\\".contains(*c)).collect()
}
