//! The output of a read, drafted from the schema of its answer: closed types are
//! facts, every other text is text.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::document::Document;
use super::naming::{is_amount, is_currency, is_id, is_label, owner};
use super::schema::{Kind, View, view};
use crate::contracts::new::page::{Page, quoted, scalar, verbatim};

/// Deepest output that is drafted.
const MAX_DEPTH: usize = 4;
/// An e-mail address, closed.
const EMAIL: &str = r"^[^@\s]+@[^@\s]+$";
/// A date without time, closed.
const DATE: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
/// A UUID, closed.
const UUID: &str = "^[0-9a-fA-F-]{36}$";

/// One field of an output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: String,
    /// JSON Pointer, relative to what is around it.
    pub(super) at: String,
    pub(super) optional: bool,
    pub(super) what: What,
    /// What a person must look at.
    pub(super) decide: Option<&'static str>,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Id(Option<String>),
    OneOf(Vec<String>),
    Bool,
    Int,
    Decimal,
    Time,
    /// Amount in cents or not, and the pointer to its currency.
    Money {
        minor: bool,
        currency: String,
    },
    Text(u64),
    Object(Vec<Field>),
    List(Vec<Field>),
    /// A list of texts.
    Texts,
}

/// The fields of an object's schema; `left_out` takes what cannot be drafted.
pub(super) fn fields(
    document: &Document,
    schema: &Json,
    depth: usize,
    left_out: &mut Vec<String>,
) -> Vec<Field> {
    let Kind::Object { fields, required } = view(document, schema).kind else { return Vec::new() };
    members(document, &fields, &required, depth, left_out)
}

fn members(
    document: &Document,
    fields: &[(&str, &Json)],
    required: &BTreeSet<&str>,
    depth: usize,
    left_out: &mut Vec<String>,
) -> Vec<Field> {
    let currency = fields.iter().find(|(name, _)| is_currency(name)).map(|(name, _)| *name);
    let mut drafted: Vec<Field> = Vec::new();
    for (name, schema) in fields {
        let seen = view(document, schema);
        let optional = seen.nullable || !required.contains(name);
        let field = ours(name).and_then(|ours| {
            let (what, decide) = what(document, name, &seen, currency, depth, left_out)?;
            let at = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            Some(Field { name: ours, at, optional, what, decide })
        });
        match field {
            Some(field) if !drafted.iter().any(|f| f.name == field.name) => drafted.push(field),
            Some(_) => {}
            None => left_out.push((*name).to_owned()),
        }
    }
    drafted
}

/// A name that expressions can use: as it is, where that will do.
pub(super) fn ours(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let kept: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let first = kept.starts_with(|c: char| c.is_ascii_alphabetic());
    let reserved = matches!(kept.as_str(), "true" | "false" | "null" | "in");
    (first && !reserved).then_some(kept)
}

fn what(
    document: &Document,
    name: &str,
    seen: &View<'_>,
    currency: Option<&str>,
    depth: usize,
    left_out: &mut Vec<String>,
) -> Option<(What, Option<&'static str>)> {
    let money = currency.filter(|_| is_amount(name)).map(|currency| format!("/{currency}"));
    Some(match &seen.kind {
        Kind::Text { format, pattern, values, longest } => match money {
            Some(currency) if values.is_empty() => (What::Money { minor: false, currency }, None),
            _ => text(name, format, *pattern, values, *longest),
        },
        Kind::Integer { .. } => match money {
            Some(currency) if is_amount(name) => {
                let decide = (!counts_minor(seen.about)).then_some(
                    "is it counted in cents? If not, write amount: in the place of minor:",
                );
                (What::Money { minor: true, currency }, decide)
            }
            _ if is_id(name) => (What::Id(Some("^[0-9]+$".to_owned())), None),
            _ => (What::Int, None),
        },
        Kind::Number => match money {
            Some(currency) => (What::Money { minor: false, currency }, None),
            None => (What::Decimal, None),
        },
        Kind::Bool => (What::Bool, None),
        Kind::Object { .. } if depth < MAX_DEPTH => {
            (What::Object(inner(document, seen, depth, left_out)?), None)
        }
        Kind::List(items) if depth < MAX_DEPTH => (list(document, items, depth, left_out)?, None),
        Kind::Object { .. } | Kind::List(_) | Kind::Unknown => return None,
    })
}

/// Whether a description says that an amount is in minor units.
fn counts_minor(about: &str) -> bool {
    let about = about.to_ascii_lowercase();
    about.contains("cent") || about.contains("minor") || about.contains("smallest")
}

fn text(
    name: &str,
    format: &str,
    pattern: Option<&str>,
    values: &[&str],
    longest: Option<u64>,
) -> (What, Option<&'static str>) {
    let closed = |pattern: &str| (What::Id(Some(pattern.to_owned())), None);
    if !values.is_empty() {
        return (What::OneOf(values.iter().map(|v| (*v).to_owned()).collect()), None);
    }
    match (format, pattern) {
        (_, Some(pattern)) => closed(pattern),
        ("date-time", _) => (What::Time, None),
        ("date", _) => closed(DATE),
        ("uuid", _) => closed(UUID),
        _ if is_currency(name) => closed("^[A-Z]{3}$"),
        _ if is_id(name) => {
            (What::Id(None), Some("add a pattern: as narrow as the service's ids are"))
        }
        ("email", _) => (
            What::Id(Some(EMAIL.to_owned())),
            Some("does only the service write it? Otherwise make it a text"),
        ),
        _ if owner(name).is_some_and(|(_, claim)| claim == "email") => (
            What::Id(Some(EMAIL.to_owned())),
            Some("does only the service write it? Otherwise make it a text"),
        ),
        _ if owner(name).is_some() => {
            (What::Id(None), Some("does only the service write it? Otherwise make it a text"))
        }
        _ => (What::Text(longest.unwrap_or(255).clamp(1, 2000)), None),
    }
}

fn inner(
    document: &Document,
    seen: &View<'_>,
    depth: usize,
    left_out: &mut Vec<String>,
) -> Option<Vec<Field>> {
    let Kind::Object { fields, required } = &seen.kind else { return None };
    let found = members(document, fields, required, depth + 1, left_out);
    (!found.is_empty()).then_some(found)
}

fn list(
    document: &Document,
    items: &Json,
    depth: usize,
    left_out: &mut Vec<String>,
) -> Option<What> {
    let seen = view(document, items);
    match seen.kind {
        Kind::Object { .. } => inner(document, &seen, depth, left_out).map(What::List),
        Kind::Text { .. } => Some(What::Texts),
        Kind::Integer { .. } | Kind::Number | Kind::Bool | Kind::List(_) | Kind::Unknown => None,
    }
}

impl Field {
    /// Writes the field.
    pub(super) fn write(&self, page: &mut Page) {
        let optional = if self.optional { ", optional: true" } else { "" };
        let at = scalar(&self.at);
        let leaf = |page: &mut Page, fact: &str| {
            let line = format!("{}: {{ {fact}, at: {at}{optional} }}", self.name);
            match self.decide {
                Some(decide) => page.marked(line, decide),
                None => page.line(line),
            }
        };
        match &self.what {
            What::Id(None) => leaf(page, "fact: id"),
            What::Id(Some(pattern)) => {
                leaf(page, &format!("fact: id, pattern: {}", verbatim(pattern)))
            }
            What::OneOf(values) => {
                let values: Vec<_> = values.iter().map(|v| quoted(v)).collect();
                leaf(page, &format!("fact: [{}]", values.join(", ")));
            }
            What::Bool => leaf(page, "fact: bool"),
            What::Int => leaf(page, "fact: int"),
            What::Decimal => leaf(page, "fact: decimal"),
            What::Time => leaf(page, "fact: time"),
            What::Text(longest) => leaf(page, &format!("text: {longest}")),
            What::Money { minor, currency } => self.money(page, *minor, currency, optional),
            What::Object(fields) => self.object(page, fields, optional),
            What::List(fields) => self.list(page, fields, optional),
            What::Texts => {
                let of = "{ text: 255, at: \"\" }";
                page.line(format!(
                    "{}: {{ list: {{ at: {at}, max: 50 }}, of: {of}{optional} }}",
                    self.name
                ));
            }
        }
    }

    fn money(&self, page: &mut Page, minor: bool, currency: &str, optional: &str) {
        let key = if minor { "minor" } else { "amount" };
        let (name, at) = (&self.name, scalar(&self.at));
        let line =
            format!("{name}: {{ fact: money, {key}: {at}, currency: {currency}{optional} }}");
        match self.decide {
            Some(decide) => page.marked(line, decide),
            None => page.line(line),
        }
    }

    fn object(&self, page: &mut Page, fields: &[Self], optional: &str) {
        page.below(format!("{}:", self.name), |page| {
            page.line(format!("at: {}", scalar(&self.at)));
            if !optional.is_empty() {
                page.line("optional: true");
            }
            page.below("of:", |page| fields.iter().for_each(|field| field.write(page)));
        });
    }

    fn list(&self, page: &mut Page, fields: &[Self], optional: &str) {
        page.below(format!("{}:", self.name), |page| {
            page.line(format!("list: {{ at: {}, max: 50 }}", scalar(&self.at)));
            if !optional.is_empty() {
                page.line("optional: true");
            }
            page.below("of:", |page| fields.iter().for_each(|field| field.write(page)));
        });
    }

    /// Whether texts and rules can use it without a test.
    pub(super) fn is_certain(&self) -> bool {
        !self.optional
    }
}

/// The field that people call an object by, and that is always there.
pub(super) fn label(fields: &[Field]) -> Option<&Field> {
    let words = |f: &&Field| matches!(f.what, What::Id(_) | What::Text(_)) && f.is_certain();
    let mut named = fields.iter().filter(words);
    let called = named.clone().find(|f| is_label(&f.name) && !is_currency(&f.name));
    called.or_else(|| named.find(|f| f.name == "id" || matches!(f.what, What::Text(_))))
}

/// The surest owner of an object: dotted path and claim.
pub(super) fn owned(fields: &[Field]) -> Option<(String, &'static str)> {
    let direct = fields.iter().filter(|f| matches!(f.what, What::Id(_)));
    let direct =
        direct.filter_map(|f| owner(&f.name).map(|(sure, claim)| (sure, f.name.clone(), claim)));
    let nested = fields.iter().filter_map(|field| {
        let (What::Object(inner), Some((sure, claim))) = (&field.what, owner(&field.name)) else {
            return None;
        };
        let id = inner.iter().find(|f| f.name == "id" && matches!(f.what, What::Id(_)))?;
        Some((sure, format!("{}.{}", field.name, id.name), claim))
    });
    let (_, path, claim) = direct.chain(nested).min_by_key(|(sure, ..)| *sure)?;
    Some((path, claim))
}
