//! The body of a write: each member an argument, a claim, money of a fresh read,
//! or our marker.

use serde_json::Value as Json;

use super::super::argument::Argument;
use super::super::document::Document;
use super::super::naming::{is_amount, is_currency, is_id, is_note, owner};
use super::super::operation::Operation;
use super::super::schema::{Kind, view};
use super::effect::Class;
use crate::contracts::new::page::{Page, scalar};

/// Most members that are drafted where none is required.
const MAX_OPTIONAL: usize = 12;

/// What a body is made of.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// Name and template.
    sent: Vec<(String, String)>,
    pub(super) arguments: Vec<Argument>,
    pub(super) claims: Vec<&'static str>,
    /// The member that holds the marker.
    pub(super) marker: Option<String>,
    pub(super) moves_money: bool,
    pub(super) left_out: Vec<String>,
    /// Members that must be there and could not be drafted.
    pub(super) open: Vec<String>,
}

/// The ids among the members, as arguments.
pub(super) fn ids(document: &Document, operation: &Operation<'_>, class: &Class) -> Vec<Argument> {
    let wanted = wanted(document, operation);
    let ids =
        wanted.iter().filter(|m| is_id(m.name) && owner(m.name).is_none() && !class.is_key(m.name));
    ids.filter_map(|m| Argument::new(document, m.name, m.schema, m.required)).collect()
}

struct Member<'d> {
    name: &'d str,
    schema: &'d Json,
    required: bool,
}

/// The members that are drafted: those that must be there, notes, and where none
/// must, the first few.
fn wanted<'d>(document: &'d Document, operation: &Operation<'d>) -> Vec<Member<'d>> {
    let Some(schema) = super::schema(operation) else { return Vec::new() };
    let Kind::Object { fields, required } = view(document, schema).kind else { return Vec::new() };
    let all = required.is_empty();
    let take = |(name, schema): (&'d str, &'d Json)| {
        let needed = required.contains(name);
        (needed || all || is_note(name)).then_some(Member { name, schema, required: needed })
    };
    let taken = fields.into_iter().filter_map(take);
    if all { taken.take(MAX_OPTIONAL).collect() } else { taken.collect() }
}

/// Drafts the body. `money` is the amount that a fresh read shows; `shows` tells
/// whether the look shows a member.
pub(super) fn members(
    document: &Document,
    operation: &Operation<'_>,
    class: &Class,
    money: Option<&str>,
    shows: impl Fn(&str) -> bool,
) -> Members {
    let wanted = wanted(document, operation);
    let mut members =
        Members { left_out: left_out(document, operation, &wanted), ..Members::default() };
    let form = operation.body.as_ref().is_some_and(|body| body.form);
    members.moves_money = wanted.iter().any(|m| is_amount(m.name));
    for member in &wanted {
        if class.is_key(member.name) {
            continue;
        }
        let value = members.value(document, member, money, &shows, form);
        match value {
            Some(value) => members.sent.push((member.name.to_owned(), value)),
            None if member.required => members.open.push(member.name.to_owned()),
            None => members.left_out.push(member.name.to_owned()),
        }
    }
    if let Some(body) = &operation.body
        && wanted.is_empty()
        && !matches!(view(document, body.schema).kind, Kind::Object { .. })
    {
        members.open.push("the body".to_owned());
    }
    members
}

fn left_out(document: &Document, operation: &Operation<'_>, wanted: &[Member<'_>]) -> Vec<String> {
    let Some(schema) = super::schema(operation) else { return Vec::new() };
    let Kind::Object { fields, .. } = view(document, schema).kind else { return Vec::new() };
    let names = fields.into_iter().map(|(name, _)| name);
    names.filter(|name| !wanted.iter().any(|m| m.name == *name)).map(str::to_owned).collect()
}

impl Members {
    fn value(
        &mut self,
        document: &Document,
        member: &Member<'_>,
        money: Option<&str>,
        shows: &impl Fn(&str) -> bool,
        form: bool,
    ) -> Option<String> {
        let kind = view(document, member.schema).kind;
        if let Some((_, claim)) = owner(member.name).filter(|(_, claim)| *claim != "email") {
            self.claims.push(claim);
            return Some(format!("=subject.{claim}"));
        }
        if money.is_some() && self.moves_money {
            match kind {
                Kind::Integer { .. } if is_amount(member.name) => {
                    return Some("=minor(money)".to_owned());
                }
                Kind::Number if is_amount(member.name) && !form => {
                    return Some("=json_number(amount(money))".to_owned());
                }
                Kind::Number | Kind::Text { .. } if is_amount(member.name) => {
                    return Some("=money".to_owned());
                }
                Kind::Text { .. } if is_currency(member.name) => {
                    return Some("=currency(money)".to_owned());
                }
                Kind::Text { .. }
                | Kind::Integer { .. }
                | Kind::Number
                | Kind::Bool
                | Kind::List(_)
                | Kind::Object { .. }
                | Kind::Unknown => {}
            }
        }
        if is_note(member.name) && matches!(kind, Kind::Text { .. }) {
            if self.marker.is_none() && shows(member.name) {
                self.marker = Some(member.name.to_owned());
                return Some("=marker".to_owned());
            }
            if !member.required {
                return None;
            }
        }
        let argument = Argument::new(document, member.name, member.schema, member.required)?;
        let value = argument.sent(!form)?;
        self.arguments.push(argument);
        Some(value)
    }

    /// Writes `json` or `form`.
    pub(super) fn write(&self, page: &mut Page, operation: &Operation<'_>) {
        let Some(body) = &operation.body else { return };
        let kind = if body.form { "form" } else { "json" };
        if self.sent.is_empty() {
            return page.line(format!("{kind}: {{}}"));
        }
        page.below(format!("{kind}:"), |page| {
            for (name, value) in &self.sent {
                page.line(format!("{}: {}", scalar(name), scalar(value)));
            }
        });
    }
}
