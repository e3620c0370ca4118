//! Rows beside the receipts, as both stores on disk write and read them: the same SQL, in
//! which `$1` is the first value.

use std::ops::Range;

use countersign_core::seal::Queue;
use countersign_shared::money::{Currency, Money};
use countersign_shared::receipt::Receipt;
use jiff::Timestamp;

use super::known::damaged;
use crate::ports::StoreError;
use crate::register::{Day, Entry, Found, Mark, Part, Search, Vote, marks};

/// A receipt as a row, and what it is found by.
#[derive(Debug, Clone)]
pub(super) struct EntryRow {
    pub(super) entry: Entry,
    /// Keyed digest; empty where it is nobody's, or erased.
    pub(super) person: String,
    pub(super) marks: Vec<i64>,
    /// What it adds to the sums of its day.
    pub(super) days: Vec<Day>,
}

/// A keyed digest of a text, apart from other kinds of text.
pub(super) type Digest<'a> = &'a dyn Fn(&str, &str) -> String;

impl EntryRow {
    /// Of an opened receipt.
    pub(super) fn opened(
        receipt: &Receipt,
        queue: &Queue,
        person: &str,
        digest: Digest<'_>,
    ) -> Self {
        let marks = marks(receipt).into_iter();
        Self {
            marks: marks.filter_map(|(kind, text)| number(digest, kind, &text)).collect(),
            person: person.to_owned(),
            ..Self::closed(receipt, queue)
        }
    }

    /// Of one whose personal values are covered or erased: it only counts.
    pub(super) fn closed(receipt: &Receipt, queue: &Queue) -> Self {
        let entry = Entry::of(receipt, queue);
        let days = Day::of(receipt, &entry);
        Self { entry, person: String::new(), marks: Vec::new(), days }
    }

    /// The same once its person is erased.
    pub(super) fn erased(self) -> Self {
        Self { person: String::new(), marks: Vec::new(), ..self }
    }
}

/// What a text is found by. `None` for no text.
pub(super) fn mark(digest: Digest<'_>, kind: Mark, text: &str) -> Option<i64> {
    number(digest, kind, &kind.normal(text))
}

fn number(digest: Digest<'_>, kind: Mark, normal: &str) -> Option<i64> {
    let hex = digest(&format!("mark {} v1", kind.name()), normal);
    let first = u64::from_str_radix(hex.get(..16)?, 16).ok()?;
    Some(i64::from_be_bytes(first.to_be_bytes()))
}

/// One value of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Maybe(Option<i64>),
}

/// SQL with its values, in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

pub(super) const INSERT: &str = "
    INSERT INTO register (idx, receipt_id, at, tenant, tool, outcome, code, reason, currency, minor,
                          person, channel, mode, performed_by, settles, votes, took, waited, tokens)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
    ON CONFLICT (idx) DO NOTHING";
pub(super) const MARK: &str =
    "INSERT INTO marks (mark, at, idx) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
pub(super) const COUNT: &str = "
    INSERT INTO days (tenant, day, tool, outcome, code, reason, currency, settles,
                      actions, minor, contained, approvals, rejections, tokens)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (tenant, day, tool, outcome, code, reason, currency, settles) DO UPDATE SET
        actions = days.actions + excluded.actions, minor = days.minor + excluded.minor,
        contained = days.contained + excluded.contained,
        approvals = days.approvals + excluded.approvals,
        rejections = days.rejections + excluded.rejections,
        tokens = days.tokens + excluded.tokens";
/// Of a person: what they are found by goes, what can be counted stays.
pub(super) const ERASE: [&str; 2] = [
    "DELETE FROM marks WHERE idx IN (SELECT idx FROM register WHERE person = $1 AND person <> '')",
    "UPDATE register SET person = '' WHERE person = $1 AND person <> ''",
];
/// Receipts without a row, from an index on.
pub(super) const MISSING: &str = "
    SELECT l.receipt_id, l.idx, l.body, o.body
    FROM leaves AS l LEFT JOIN openings AS o ON o.receipt_id = l.receipt_id
    WHERE l.idx >= $1 AND NOT EXISTS (SELECT 1 FROM register AS r WHERE r.idx = l.idx)
    ORDER BY l.idx LIMIT 500";
pub(super) const BEHIND: &str =
    "SELECT (SELECT count(*) FROM leaves) - (SELECT count(*) FROM register)";

/// The values of `INSERT`.
pub(super) fn inserted(index: u64, row: &EntryRow) -> Result<Vec<Value>, StoreError> {
    let e = &row.entry;
    let votes = if e.votes.is_empty() {
        String::new()
    } else {
        serde_json::to_string(&e.votes).map_err(damaged)?
    };
    let text = |text: &str| Value::Text(text.to_owned());
    Ok(vec![
        Value::Number(i64::try_from(index).map_err(damaged)?),
        text(&e.receipt),
        Value::Number(e.at.as_millisecond()),
        text(&e.tenant),
        text(&e.tool),
        text(&e.outcome),
        text(&e.code),
        text(&e.reason),
        text(e.currency()),
        Value::Number(e.money.map_or(0, Money::minor)),
        text(&row.person),
        text(&e.channel),
        text(&e.mode),
        text(&e.performed_by),
        Value::Number(i64::from(e.settles)),
        Value::Text(votes),
        Value::Maybe(e.took),
        Value::Maybe(e.waited),
        Value::Number(e.tokens),
    ])
}

/// The values of `COUNT`.
pub(super) fn counted(day: &Day) -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    vec![
        text(&day.tenant),
        Value::Number(day.day),
        text(&day.tool),
        text(&day.outcome),
        text(&day.code),
        text(&day.reason),
        text(&day.currency),
        Value::Number(i64::from(day.settles)),
        Value::Number(day.actions),
        Value::Number(day.minor),
        Value::Number(day.contained),
        Value::Number(day.approvals),
        Value::Number(day.rejections),
        Value::Number(day.tokens),
    ]
}

impl Statement {
    pub(super) fn begin(sql: &str) -> Self {
        Self { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds a condition, in which `$` is the value.
    fn narrow(&mut self, condition: &str, value: Value) {
        self.values.push(value);
        let place = format!("${}", self.values.len());
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace('$', &place));
    }

    fn narrow_text(&mut self, condition: &str, value: Option<&String>) {
        if let Some(text) = value {
            self.narrow(condition, Value::Text(text.clone()));
        }
    }

    /// Of one tool, or of all whose names begin with what stands before the `*`.
    fn of_tool(&mut self, tool: Option<&str>) {
        let text = |text: &str| Value::Text(text.to_owned());
        match tool.map(|tool| (tool, tool.strip_suffix(".*"))) {
            // The byte after a dot is a slash.
            Some((_, Some(pack))) => {
                self.narrow("r.tool > $", text(&format!("{pack}.")));
                self.narrow("r.tool < $", text(&format!("{pack}/")));
            }
            Some((tool, None)) => self.narrow("r.tool = $", text(tool)),
            None => {}
        }
    }

    /// The rows that match, newest first.
    pub(super) fn search(search: &Search, digest: Digest<'_>) -> Result<Self, StoreError> {
        // Read in the order of the answer: by the first mark, or else by a column's index.
        let (from, by) = match search.marks.len() {
            0 => ("register AS r".to_owned(), "r"),
            marks => {
                let each: Vec<_> = (0..marks).map(|n| format!("marks AS m{n}")).collect();
                (format!("{} CROSS JOIN register AS r", each.join(" CROSS JOIN ")), "m0")
            }
        };
        let mut query = Self::begin(&format!(
            "SELECT r.idx, r.receipt_id, r.at, r.tenant, r.tool, r.outcome, r.code, r.reason, \
             r.currency, r.minor, r.channel, r.mode, r.performed_by, r.settles, r.votes, r.took, \
             r.waited, r.tokens FROM {from} WHERE r.outcome <> 'changed'"
        ));
        for (n, (kind, text)) in search.marks.iter().enumerate() {
            // What has no digest is nobody's.
            let Some(mark) = mark(digest, *kind, text) else {
                query.sql.push_str(" AND r.idx < 0");
                continue;
            };
            query.narrow(&format!("m{n}.mark = $"), Value::Number(mark));
            let joined = if n == 0 { "r" } else { "m0" };
            query.sql.push_str(&format!(" AND {joined}.idx = m{n}.idx"));
        }
        query.narrow_text("r.tenant = $", search.tenant.as_ref());
        query.of_tool(search.tool.as_deref());
        query.narrow_text("r.outcome = $", search.outcome.as_ref());
        // Their indexes hold rows that have one at all.
        query.narrow_text("r.code <> '' AND r.code = $", search.code.as_ref());
        query.narrow_text("r.reason <> '' AND r.reason = $", search.reason.as_ref());
        if let Some(amount) = search.amount {
            let currency = Value::Text(amount.currency.code().to_owned());
            query.narrow("r.currency <> '' AND r.currency = $", currency);
            query.narrow("r.minor >= $", Value::Number(amount.least));
            query.narrow("r.minor <= $", Value::Number(amount.most));
        }
        if search.paid {
            query.sql.push_str(" AND r.currency <> ''");
        }
        query.sql.push_str(search.part.map_or("", part));
        query.within(by, search)?;
        query
            .sql
            .push_str(&format!(" ORDER BY {by}.at DESC, {by}.idx DESC LIMIT {}", search.limit));
        Ok(query)
    }

    fn within(&mut self, by: &str, search: &Search) -> Result<(), StoreError> {
        if let Some(from) = search.from {
            self.narrow(&format!("{by}.at >= $"), Value::Number(from.as_millisecond()));
        }
        if let Some(to) = search.to {
            self.narrow(&format!("{by}.at < $"), Value::Number(to.as_millisecond()));
        }
        if let Some(after) = search.after {
            self.narrow(&format!("{by}.at <= $"), Value::Number(after.at));
            let index = i64::try_from(after.index).map_err(damaged)?;
            self.values.push(Value::Number(index));
            let (at, index) = (self.values.len().saturating_sub(1), self.values.len());
            self.sql.push_str(&format!(" AND ({by}.at, {by}.idx) < (${at}, ${index})"));
        }
        Ok(())
    }

    /// Of these days, and of this tenant where one is named.
    pub(super) fn of_days(&mut self, tenant: Option<&String>, days: &Range<i64>) {
        self.narrow_text("tenant = $", tenant);
        self.narrow("day >= $", Value::Number(days.start));
        self.narrow("day < $", Value::Number(days.end));
    }

    /// Sums of these days.
    pub(super) fn days(tenant: Option<&String>, days: &Range<i64>) -> Self {
        let mut query = Self::begin(
            "SELECT tenant, day, tool, outcome, code, reason, currency, settles, actions, minor, \
             contained, approvals, rejections, tokens FROM days WHERE outcome <> 'changed'",
        );
        query.of_days(tenant, days);
        query.sql.push_str(" ORDER BY day, tenant, tool, outcome, code, reason, currency, settles");
        query
    }

    /// On which days people of the house were waited for, and how long.
    pub(super) fn waits(tenant: Option<&String>, within: &Range<Timestamp>) -> Self {
        let sql = "SELECT at / 86400000, waited FROM register WHERE waited IS NOT NULL";
        let mut query = Self::begin(sql);
        query.narrow("at >= $", Value::Number(within.start.as_millisecond()));
        query.narrow("at < $", Value::Number(within.end.as_millisecond()));
        query.narrow_text("tenant = $", tenant);
        query
    }
}

/// The condition for a part of people. Votes are JSON as it is written here; an index has the
/// first half of the last condition for its own.
const fn part(part: Part) -> &'static str {
    match part {
        Part::None => {
            " AND r.votes = '' AND r.reason = '' AND r.settles = 0 AND r.code <> 'HUMAN_DISAGREES'"
        }
        Part::Needed => {
            " AND (r.votes <> '' OR r.reason <> '') AND r.settles = 0 \
             AND r.code <> 'HUMAN_DISAGREES'"
        }
        // A word that the read contradicts settles nothing and is no action either.
        Part::First => " AND r.settles = 0 AND r.code <> 'HUMAN_DISAGREES'",
        Part::Answered => " AND r.votes <> ''",
        // A word that ends a matter about which nothing can be read settles no action.
        Part::Settled => " AND r.settles = 1 AND r.outcome <> 'refused'",
        Part::Overrode => {
            " AND (r.settles = 1 OR r.votes LIKE '%\"yes\":false%') \
             AND (r.settles = 0 OR r.outcome <> 'refused')"
        }
    }
}

/// A row as it was read, in the order of `Statement::search`.
pub(super) struct Columns {
    pub(super) index: i64,
    pub(super) texts: [String; 11],
    pub(super) at: i64,
    pub(super) minor: i64,
    pub(super) settles: i64,
    pub(super) took: Option<i64>,
    pub(super) waited: Option<i64>,
    pub(super) tokens: i64,
}

impl Columns {
    pub(super) fn found(self) -> Result<Found, StoreError> {
        let [receipt, tenant, tool, outcome, code, reason, currency, channel, mode, by, votes] =
            self.texts;
        let votes: Vec<Vote> = if votes.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&votes).map_err(damaged)?
        };
        let currency: Option<Currency> = match currency.as_str() {
            "" => None,
            code => Some(code.parse().map_err(damaged)?),
        };
        let entry = Entry {
            receipt,
            at: Timestamp::from_millisecond(self.at).map_err(damaged)?,
            tenant,
            tool,
            outcome,
            code,
            reason,
            money: currency.map(|currency| Money::from_minor(self.minor, currency)),
            channel,
            mode,
            performed_by: by,
            settles: self.settles != 0,
            votes,
            took: self.took,
            waited: self.waited,
            tokens: self.tokens,
        };
        Ok(Found { index: u64::try_from(self.index).map_err(damaged)?, entry })
    }
}

/// Whether a row is among those that are looked for: what the SQL says, in Rust.
#[cfg(any(test, feature = "memory"))]
pub(super) fn matches(search: &Search, row: &EntryRow, index: u64, digest: Digest<'_>) -> bool {
    use countersign_shared::codes::Code;
    let e = &row.entry;
    let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|w| w == is);
    let marked = |(kind, text): &(Mark, String)| {
        mark(digest, *kind, text).is_some_and(|mark| row.marks.contains(&mark))
    };
    let amount = search.amount.is_none_or(|amount| e.money.is_some_and(|it| amount.hold(it)));
    let first = !e.settles && e.code != Code::HumanDisagrees.name();
    let part = search.part.is_none_or(|part| match part {
        Part::None => e.is_contained() && first,
        Part::Needed => !e.is_contained() && first,
        Part::First => first,
        Part::Answered => !e.votes.is_empty(),
        Part::Settled => e.settles_an_action(),
        Part::Overrode => e.settles_an_action() || e.votes.iter().any(|vote| !vote.yes),
    });
    let place = Found { index, entry: e.clone() }.place();
    e.is_action()
        && amount
        && (!search.paid || e.money.is_some())
        && is(&search.tenant, &e.tenant)
        && search.of_tool(&e.tool)
        && is(&search.outcome, &e.outcome)
        && is(&search.code, &e.code)
        && is(&search.reason, &e.reason)
        && search.marks.iter().all(marked)
        && part
        && search.from.is_none_or(|from| e.at >= from)
        && search.to.is_none_or(|to| e.at < to)
        && search.after.is_none_or(|after| place < after)
}

/// Sums of what rows add, day by day.
#[cfg(any(test, feature = "memory"))]
pub(super) fn sums<'a>(days: impl Iterator<Item = &'a Day>) -> Vec<Day> {
    use std::collections::BTreeMap;
    let mut all: BTreeMap<_, Day> = BTreeMap::new();
    for day in days.filter(|day| day.outcome != "changed") {
        let key = (
            (day.day, day.tenant.clone(), day.tool.clone(), day.outcome.clone()),
            (day.code.clone(), day.reason.clone(), day.currency.clone(), day.settles),
        );
        match all.get_mut(&key) {
            Some(sum) => sum.add(day),
            None => drop(all.insert(key, day.clone())),
        }
    }
    all.into_values().collect()
}
