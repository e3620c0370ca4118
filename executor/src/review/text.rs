//! A review as Markdown.

use std::fmt::Write as _;

use jiff::Timestamp;
use url::form_urlencoded::Serializer;

use super::{Review, Week};
use crate::analytics::{duration, percent};
use crate::timeline::clock;

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

/// The review as a file. Links lead to pages of the console.
#[must_use]
pub fn markdown(review: &Review) -> String {
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = write(&mut text, review);
    text
}

fn write(out: &mut String, review: &Review) -> std::fmt::Result {
    let (week, sums) = (review.week, &review.sums);
    writeln!(out, "# Review of {}\n", week.name())?;
    let tenant = review.tenant.as_deref().map_or("All tenants", |tenant| tenant);
    let until = week.time().end;
    writeln!(out, "{}, {} until {}.\n", cell(tenant), clock(week.time().start), clock(until))?;
    if review.cut {
        writeln!(out, "There was more than was read: amounts and answers are of a part.\n")?;
    }
    let share = |part| percent(part, sums.actions).map_or("-".to_owned(), |p| format!("{p} %"));
    writeln!(out, "| | this week | four weeks before |\n|---|---:|---:|")?;
    let of = review.tenant.as_deref();
    let actions = link(week, of, &[]);
    writeln!(out, "| actions | [{}]({actions}) | {} |", sums.actions, review.before.actions)?;
    let applied = link(week, of, &[("outcome", "applied")]);
    writeln!(out, "| applied | [{}]({applied}) | {} |", sums.applied, review.before.applied)?;
    let without = share(sums.contained);
    writeln!(
        out,
        "| without a person | {} ({without}) | {} |",
        sums.contained, review.before.contained
    )?;
    writeln!(out, "| overrides | {} | {} |", sums.overrides(), review.before.overrides())?;
    amounts(out, review)?;
    refusals(out, review)?;
    overrides(out, review)?;
    habits(out, review)
}

fn amounts(out: &mut String, review: &Review) -> std::fmt::Result {
    writeln!(out, "\n## Amounts far from the usual\n")?;
    if review.amounts.is_empty() {
        return writeln!(out, "None.");
    }
    writeln!(out, "| action | tool | amount | median | deviations |\n|---|---|---:|---:|---:|")?;
    for odd in &review.amounts {
        let far =
            odd.deviations.map_or("all others are alike".to_owned(), |times| times.to_string());
        let (tool, receipt) = (cell(&odd.tool), &odd.receipt);
        writeln!(
            out,
            "| [{receipt}](/actions/{receipt}) | {tool} | {} | {} | {far} |",
            odd.money, odd.median
        )?;
    }
    Ok(())
}

fn refusals(out: &mut String, review: &Review) -> std::fmt::Result {
    writeln!(out, "\n## Refusals\n")?;
    if review.refusals.is_empty() {
        return writeln!(out, "None.");
    }
    writeln!(out, "| code | this week | four weeks before | |\n|---|---:|---:|---|")?;
    for refusals in &review.refusals {
        let grew = if refusals.grew() { "**more than usual**" } else { "" };
        let code = cell(&refusals.code);
        let of = [("outcome", "refused"), ("code", refusals.code.as_str())];
        let link = link(review.week, review.tenant.as_deref(), &of);
        writeln!(out, "| {code} | [{}]({link}) | {} | {grew} |", refusals.now, refusals.before)?;
    }
    Ok(())
}

fn overrides(out: &mut String, review: &Review) -> std::fmt::Result {
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
        let receipt = &one.receipt;
        writeln!(
            out,
            "- [{receipt}](/actions/{receipt}), {}, {}: {who}",
            clock(one.at),
            cell(&one.tool)
        )?;
    }
    Ok(())
}

fn habits(out: &mut String, review: &Review) -> std::fmt::Result {
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
        let by = cell(&habits.by);
        let of = [("approver", habits.by.as_str())];
        let link = link(review.week, review.tenant.as_deref(), &of);
        let (median, fastest) = (duration(habits.median), duration(habits.fastest));
        writeln!(
            out,
            "| [{by}]({link}) | {} | {} | {median} | {fastest} | {} | {always} |",
            habits.yes, habits.no, habits.out_of_hours
        )?;
    }
    Ok(())
}

/// Text that stays within its cell.
fn cell(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"|[]()<>`*\\".contains(*c)).collect()
}
