//! What was asked for and how it ended, by what somebody knows of it.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use countersign_shared::receipt::Receipt;
use futures_util::future::join_all;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::console::Console;
use crate::console::frame::{Frame, Place};
use crate::console::requests::page;
use crate::console::view::{clock, words};
use crate::console::visitor::{Duty, Visitor};
use crate::register::{self, Found, Mark, Part, Search};
use crate::service::search::amounts;

/// Actions on one page.
const PAGE: u32 = 50;
/// A choice of a field: its name in the address, and for people.
type Choice = (&'static str, &'static str);
const OUTCOMES: [Choice; 5] = [
    ("", "any"),
    ("applied", "applied: it is done"),
    ("not_applied", "not applied: proved that nothing was done"),
    ("unknown", "unknown: nobody can tell yet"),
    ("refused", "refused: before anything was sent"),
];
/// The parts that people of the house can have.
const PARTS: [Choice; 7] = [
    ("", "any"),
    ("nobody", "none: it ended without a person"),
    ("somebody", "somebody answered, or had to look"),
    ("people", "somebody said yes or no"),
    ("hand", "somebody settled it by hand"),
    ("override", "somebody said no, or settled it by hand"),
    ("first", "any, as it ended at first: without what settled it later"),
];

#[derive(Template)]
#[template(path = "actions.html")]
struct Actions {
    frame: Frame,
    tenants: Vec<(String, bool)>,
    /// The one that is looked at.
    tenant: String,
    fields: Vec<Field>,
    wrong: String,
    rows: Vec<Row>,
    /// The address of the next page; empty on the last.
    next: String,
}

struct Field {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    hint: &'static str,
    value: String,
    /// Where there is nothing but these to write.
    choices: &'static [Choice],
}

struct Row {
    receipt: String,
    at: String,
    tool: String,
    /// Whose, and on what: from the receipt, as far as it still tells.
    subject: String,
    object: String,
    outcome: String,
    tone: &'static str,
    code: String,
    amount: String,
    people: String,
}

/// What the address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    tenant: String,
    customer: String,
    value: String,
    conversation: String,
    ticket: String,
    approver: String,
    tool: String,
    outcome: String,
    code: String,
    reason: String,
    currency: String,
    least: String,
    most: String,
    by: String,
    from: String,
    to: String,
    after: String,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/actions", get(show))
}

/// `GET /actions`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Actions) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (tenant, tenants) = tenants(&visitor, &asked.tenant);
    let mut view = Actions {
        frame,
        tenants,
        tenant: tenant.clone(),
        fields: asked.fields(),
        wrong: String::new(),
        rows: vec![],
        next: String::new(),
    };
    let found = match asked.search(tenant) {
        Ok(search) => console.desk.pipeline.store.search(search).await.map_err(|e| e.to_string()),
        Err(wrong) => Err(wrong),
    };
    match found {
        Ok(found) => {
            let full = u32::try_from(found.len()).is_ok_and(|count| count == PAGE);
            let last = found.last().filter(|_| full).map(|last| last.place().token());
            view.next = last.map(|after| asked.address(&after)).unwrap_or_default();
            let rows = found.into_iter().map(async |found| {
                let id = found.entry.receipt.parse().ok();
                let receipt = match &id {
                    Some(id) => console.desk.receipt(id).await.ok().flatten(),
                    None => None,
                };
                row(found, receipt.as_ref().map(|(_, receipt)| receipt))
            });
            view.rows = join_all(rows).await;
        }
        Err(wrong) => view.wrong = wrong,
    }
    page(&view)
}

/// The tenant that is looked at, of those that somebody audits; and all of them, to choose.
pub(super) fn tenants(visitor: &Visitor, asked: &str) -> (String, Vec<(String, bool)>) {
    let all = visitor.tenants(&[Duty::Auditor]);
    let chosen = all.get(asked).or_else(|| all.first()).cloned().unwrap_or_default();
    let each = all.into_iter().map(|tenant| (tenant.clone(), tenant == chosen)).collect();
    (chosen, each)
}

impl Asked {
    fn texts(&self) -> [(&'static str, &String); 16] {
        [
            ("tenant", &self.tenant),
            ("customer", &self.customer),
            ("value", &self.value),
            ("conversation", &self.conversation),
            ("ticket", &self.ticket),
            ("approver", &self.approver),
            ("tool", &self.tool),
            ("outcome", &self.outcome),
            ("code", &self.code),
            ("reason", &self.reason),
            ("currency", &self.currency),
            ("least", &self.least),
            ("most", &self.most),
            ("by", &self.by),
            ("from", &self.from),
            ("to", &self.to),
        ]
    }

    fn fields(&self) -> Vec<Field> {
        let about = |name: &str| match name {
            "customer" => ("Customer", "text", "e-mail or name at the shop"),
            "value" => ("Order or other id", "text", "#1001"),
            "ticket" => ("Ticket", "text", ""),
            "conversation" => ("Conversation", "text", ""),
            "approver" => ("Answered by", "text", ""),
            "tool" => ("Tool", "text", "shopify.cancel_order"),
            "outcome" => ("Outcome", "choice", ""),
            "code" => ("Code", "text", "STATE_CHANGED"),
            "reason" => ("For a person, why", "text", "in_doubt"),
            "currency" => ("Currency", "text", "USD"),
            "least" => ("Amount, at least", "text", "100.00"),
            "most" => ("Amount, at most", "text", "500.00"),
            "by" => ("What people of the house did", "choice", ""),
            "from" => ("From", "date", ""),
            _ => ("Until, not included", "date", ""),
        };
        let each = self.texts().into_iter().filter(|(name, _)| *name != "tenant");
        let field = |(name, value): (&'static str, &String)| {
            let (label, kind, hint) = about(name);
            let choices: &[Choice] = match name {
                "outcome" => &OUTCOMES,
                "by" => &PARTS,
                _ => &[],
            };
            Field { name, label, kind, hint, value: value.clone(), choices }
        };
        each.map(field).collect()
    }

    fn address(&self, after: &str) -> String {
        let mut query = to_actions();
        for (name, value) in self.texts().into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.append_pair("after", after);
        query.finish()
    }

    fn search(&self, tenant: String) -> Result<Search, String> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let marks = [
            (Mark::Customer, &self.customer),
            (Mark::Value, &self.value),
            (Mark::Conversation, &self.conversation),
            (Mark::Ticket, &self.ticket),
            (Mark::Approver, &self.approver),
        ];
        let marks = marks.into_iter().filter_map(|(mark, text)| Some((mark, given(text)?)));
        let wrong = || "The address of this page is not one of ours.".to_owned();
        let after = given(&self.after).map(|after| register::Place::read(&after).ok_or_else(wrong));
        let (from, to) = (date(&self.from)?, date(&self.to)?);
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err("From has to be before Until: nothing lies between them.".to_owned());
        }
        Ok(Search {
            tenant: Some(tenant),
            marks: marks.collect(),
            tool: given(&self.tool),
            outcome: given(&self.outcome),
            code: given(&self.code),
            reason: given(&self.reason),
            amount: amounts(self.currency.trim(), &self.least, &self.most)?,
            paid: false,
            from,
            to,
            after: after.transpose()?,
            part: match given(&self.by) {
                Some(by) => Some(Part::named(&by).ok_or_else(|| wrong_part(&by))?),
                None => None,
            },
            limit: PAGE,
        })
    }
}

fn wrong_part(by: &str) -> String {
    let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).filter(|n| !n.is_empty()).collect();
    format!("{by} is nothing that people did: choose one of {}.", names.join(", "))
}

/// An address of this page, to which conditions are added.
pub(super) fn to_actions() -> Serializer<'static, String> {
    const PAGE: &str = "/actions?";
    Serializer::for_suffix(PAGE.to_owned(), PAGE.len())
}

/// The beginning of a day, UTC; `None` for an empty text.
pub(super) fn date(text: &str) -> Result<Option<Timestamp>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let date: Date = text.parse().map_err(|_| format!("{text} is no date such as 2026-11-16."))?;
    let zoned = date.to_zoned(TimeZone::UTC).map_err(|e| e.to_string())?;
    Ok(Some(zoned.timestamp()))
}

/// The name that the object had when it was read (an order's `#1001`), or else the id that
/// was asked for.
fn object(receipt: &Receipt) -> String {
    let read = receipt.before.as_object().into_iter().flatten();
    let mut names = read.filter(|(path, _)| path.split_once('.').is_some_and(|p| p.1 == "name"));
    let name = names.find_map(|(_, value)| value.as_str());
    let id = || receipt.arguments.iter().find(|argument| is_id(&argument.path));
    name.map(str::to_owned).or_else(|| Some(words(&id()?.value))).unwrap_or_default()
}

/// Whether an argument is an id: `order_id`, `lines[0].id`, and not `paid`.
fn is_id(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    last == "id" || last.ends_with("_id")
}

fn row(found: Found, receipt: Option<&Receipt>) -> Row {
    let entry = found.entry;
    let vote = |vote: &register::Vote| {
        let word = if vote.yes { "yes" } else { "no" };
        format!("{word}: {}", vote.by)
    };
    let mut people: Vec<_> = entry.votes.iter().map(vote).collect();
    if entry.settles {
        let ended = if entry.settles_an_action() { "settled" } else { "ended" };
        people.push(format!("{ended} by a person"));
    } else if !entry.reason.is_empty() {
        people.push(entry.reason.replace('_', " "));
    }
    Row {
        receipt: entry.receipt.clone(),
        at: clock(entry.at),
        tone: tone(&entry.outcome),
        amount: entry.money.map_or_else(String::new, |money| money.to_string()),
        tool: entry.tool,
        subject: receipt.map_or_else(String::new, |receipt| receipt.asked.subject.clone()),
        object: receipt.map_or_else(String::new, object),
        outcome: entry.outcome.replace('_', " "),
        code: entry.code,
        people: people.join(", "),
    }
}

/// The colour of an outcome, as the stylesheet names it.
pub(super) fn tone(outcome: &str) -> &'static str {
    match outcome {
        "applied" => "good",
        "unknown" => "doubt",
        "refused" | "not_applied" => "bad",
        _ => "waits",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_next_page_asks_the_same() {
        let asked =
            Asked { customer: "a&b@example.com".into(), tool: "p.t".into(), ..Asked::default() };
        assert_eq!(
            asked.address("5-7"),
            "/actions?customer=a%26b%40example.com&tool=p.t&after=5-7"
        );
        let search = asked.search("t".into()).unwrap();
        assert_eq!(search.tenant.as_deref(), Some("t"));
        assert_eq!(search.marks, [(Mark::Customer, "a&b@example.com".to_owned())]);
    }

    #[test]
    fn only_an_id_stands_for_the_object() {
        assert!(["id", "order_id", "lines[0].id", "order.line_id"].into_iter().all(is_id));
        let others = ["paid", "order.valid", "id.note", "order_id.valid", "ids[0]", ""];
        assert!(!others.into_iter().any(is_id));
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        let wrong = |asked: Asked| asked.search("t".into()).unwrap_err();
        assert!(wrong(Asked { from: "soon".into(), ..Asked::default() }).contains("2026-11-16"));
        assert!(wrong(Asked { least: "5".into(), ..Asked::default() }).contains("currency"));
        assert!(wrong(Asked { by: "me".into(), ..Asked::default() }).contains("override"));
        let back = Asked { from: "2026-11-16".into(), to: "2026-11-15".into(), ..Asked::default() };
        assert!(wrong(back).contains("before Until"));
        assert!(wrong(Asked { after: "x".into(), ..Asked::default() }).contains("not one of ours"));
    }
}
