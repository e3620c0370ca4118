//! Reads `tests.yaml` strictly, noting every problem.

use countersign_shared::codes::Code;
use countersign_shared::money::Money;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Row, Table, Who};
use crate::contract::load::file::File;
use crate::contract::load::section::Section;
use crate::contract::load::yaml::{Kind as YamlKind, Yaml};
use crate::contract::problem::ProblemKind;
use crate::policy::Verb;
use crate::policy::settings::amount;
use crate::subject::{Kind, Strength};

const TOP: &[&str] = &["given", "rows"];
const GIVEN: &[&str] = &["tenant", "workload", "channel", "on"];
const ROW: &[&str] = &[
    "who",
    "id",
    "segment",
    "strength",
    "scopes",
    "person",
    "role",
    "tenant",
    "workload",
    "channel",
    "on",
    "verb",
    "tool",
    "amount",
    "confidence",
    "expect",
    "mode",
];

/// The table; `None` where something is wrong, which is noted.
pub(in crate::policy) fn read(file: &File, yaml: &Yaml) -> Option<Table> {
    let top = Section::open(file, yaml, TOP)?;
    let given = Section::open(file, top.need("given")?, GIVEN)?;
    let given = Given {
        tenant: given.need_text("tenant"),
        workload: given.need_text("workload"),
        channel: given.need_text("channel"),
        on: given.need("on").and_then(|yaml| day(file, yaml)),
    };
    let items = file.list(top.need("rows")?)?;
    let rows: Vec<_> = items.iter().map(|yaml| row(file, yaml, &given)).collect();
    Some(Table { rows: rows.into_iter().collect::<Option<_>>()? })
}

/// What rows have unless they say otherwise.
struct Given<'y> {
    tenant: Option<&'y str>,
    workload: Option<&'y str>,
    channel: Option<&'y str>,
    on: Option<Timestamp>,
}

fn row(file: &File, yaml: &Yaml, given: &Given<'_>) -> Option<Row> {
    let row = Section::open(file, yaml, ROW)?;
    let who = who(&row);
    let verb = row.need("verb").and_then(|yaml| file.choice(yaml, Verb::WORDS));
    let tool = row.need_text("tool");
    let refusal = row.need("expect").and_then(|yaml| refusal(file, yaml));
    let modes = [("shadow", "shadow"), ("approve", "approve"), ("auto", "auto")];
    let mode = row.get("mode").and_then(|yaml| file.choice(yaml, &modes));
    let at = match row.get("on") {
        Some(yaml) => day(file, yaml),
        None => given.on,
    };
    let or = |key, otherwise: Option<&str>| row.text(key).or(otherwise).map(str::to_owned);
    Some(Row {
        line: row.at.line,
        tenant: or("tenant", given.tenant)?,
        workload: or("workload", given.workload)?,
        channel: or("channel", given.channel)?,
        verb: verb?,
        tool: tool?.to_owned(),
        amount: money(&row)?,
        confidence: confidence(&row)?,
        at: at?,
        who: who?,
        refusal: refusal?,
        mode: mode.map(str::to_owned),
    })
}

fn who(row: &Section<'_>) -> Option<Who> {
    let file = row.file;
    let texts = |key| row.items(key).iter().filter_map(|yaml| file.text(yaml)).map(str::to_owned);
    if let Some(person) = row.text("person") {
        let role = row.need_text("role")?.to_owned();
        return Some(Who::Person { id: person.to_owned(), role });
    }
    let kinds = [("customer", Kind::Customer), ("staff", Kind::Staff)];
    let strengths = [
        ("asserted", Strength::Asserted),
        ("matched", Strength::Matched),
        ("signed_in", Strength::SignedIn),
        ("strong", Strength::Strong),
    ];
    let strength = match row.get("strength") {
        Some(yaml) => file.choice(yaml, &strengths)?,
        None => Strength::SignedIn,
    };
    Some(Who::Subject {
        kind: file.choice(row.need("who")?, &kinds)?,
        id: row.text("id").unwrap_or("somebody").to_owned(),
        segment: row.text("segment").unwrap_or_default().to_owned(),
        strength,
        scopes: texts("scopes").collect(),
    })
}

/// `permit`, or a code; the inner `None` is a permit.
fn refusal(file: &File, yaml: &Yaml) -> Option<Option<String>> {
    match file.text(yaml)? {
        "permit" => Some(None),
        code if Code::by_name(code).is_some() => Some(Some(code.to_owned())),
        _ => file.wrong(yaml, "permit, or a code such as POLICY_FORBIDS"),
    }
}

fn money(row: &Section<'_>) -> Option<Option<Money>> {
    let Some(yaml) = row.get("amount") else { return Some(None) };
    let [(currency, value)] = row.file.map(yaml)? else {
        return row.file.wrong(yaml, "one amount such as { USD: \"12.00\" }");
    };
    amount(row.file, currency.at, &currency.text, value).map(|(_, money)| Some(money))
}

fn confidence(row: &Section<'_>) -> Option<f64> {
    let Some(yaml) = row.get("confidence") else { return Some(1.0) };
    match yaml.kind {
        YamlKind::Float(score) if (0.0..=1.0).contains(&score) => Some(score),
        YamlKind::Int(0) => Some(0.0),
        YamlKind::Int(1) => Some(1.0),
        YamlKind::Null
        | YamlKind::Bool(_)
        | YamlKind::Int(_)
        | YamlKind::Float(_)
        | YamlKind::Text(_)
        | YamlKind::List(_)
        | YamlKind::Map(_) => row.file.wrong(yaml, "a number from 0 to 1"),
    }
}

/// Noon of a day, in UTC.
fn day(file: &File, yaml: &Yaml) -> Option<Timestamp> {
    let day = file.text(yaml)?.parse::<Date>().ok();
    let noon = day.and_then(|day| day.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).ok());
    noon.map(|noon| noon.timestamp()).or_else(|| {
        let message = "this is no day";
        file.error(yaml.at, ProblemKind::WrongValue, message, Some("write it like 2026-12-24"))
    })
}
