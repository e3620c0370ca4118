//! `output` of a read and `response` of a write: shapes.

use std::collections::BTreeMap;

use regex::Regex;

use super::file::File;
use super::section::Section;
use super::yaml::{Key, Kind as YamlKind, Yaml};
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::expr::MAX_LIST;
use crate::shape::{Fact, Field, Kind, MoneyAt, Shape};

/// Longest text.
const MAX_TEXT: usize = 20_000;

/// Reads where a field is, relative to what is around it.
type Place = fn(&Section<'_>) -> Option<String>;

/// A shape from a mapping of fields.
pub(super) fn shape(file: &File, yaml: &Yaml) -> Option<Shape> {
    fields(file, yaml).map(Shape::new)
}

fn fields(file: &File, yaml: &Yaml) -> Option<BTreeMap<String, Field>> {
    let entries = file.map(yaml)?;
    if entries.is_empty() {
        return file.error(yaml.at, ProblemKind::Missing, "a shape has at least one field", None);
    }
    let read: Vec<_> = entries
        .iter()
        .map(|(key, yaml)| {
            let (name, field) = (file.named(key.at, &key.text), field(file, yaml));
            Some((name?, field?))
        })
        .collect();
    read.into_iter().collect()
}

fn field(file: &File, yaml: &Yaml) -> Option<Field> {
    let entries = file.map(yaml)?;
    let has = |name: &str| has_scalar(entries, name);
    let keyed = |name: &str| entries.iter().any(|(key, _)| key.text == name);
    if has("fact") || has("text") {
        return scalar(file, yaml, needed_place);
    }
    if keyed("list") && keyed("of") {
        return list_field(&Section::open(file, yaml, keys::LIST)?);
    }
    if keyed("of") {
        let section = Section::open(file, yaml, keys::OBJECT)?;
        let (at, of) = (place(&section), section.need("of").and_then(|of| fields(file, of)));
        return Some(Field {
            optional: section.flag("optional"),
            at: at?,
            kind: Kind::Object(of?),
        });
    }
    if has("at") || has("optional") || has("pattern") {
        let message = "this is neither a fact nor a text";
        let remedy = Some(
            "add `fact: id` (or decimal, int, bool, time, money, a list of values), or `text: 500`",
        );
        return file.error(yaml.at, ProblemKind::Missing, message, remedy);
    }
    let kind = Kind::Object(fields(file, yaml)?);
    Some(Field { optional: false, at: String::new(), kind })
}

fn place(section: &Section<'_>) -> Option<String> {
    section.get("at").map_or_else(|| Some(String::new()), |yaml| section.file.pointer(yaml))
}

fn needed_place(section: &Section<'_>) -> Option<String> {
    section.need("at").and_then(|yaml| section.file.pointer(yaml))
}

/// Whether a mapping has this key, and not as a field of that name.
fn has_scalar(entries: &[(Key, Yaml)], name: &str) -> bool {
    entries.iter().any(|(key, value)| key.text == name && !matches!(value.kind, YamlKind::Map(_)))
}

/// A fact or a text.
fn scalar(file: &File, yaml: &Yaml, at: Place) -> Option<Field> {
    if has_scalar(file.map(yaml)?, "fact") {
        return fact_field(&Section::open(file, yaml, keys::FACT)?, at);
    }
    text_field(&Section::open(file, yaml, keys::TEXT)?, at)
}

fn text_field(section: &Section<'_>, at: Place) -> Option<Field> {
    let cap = section.count("text", MAX_TEXT);
    let at = at(section);
    Some(Field { optional: section.flag("optional"), at: at?, kind: Kind::Text(cap?) })
}

fn list_field(section: &Section<'_>) -> Option<Field> {
    let of = section.need("of").and_then(|yaml| element(section.file, yaml));
    let list = Section::open(section.file, section.need("list")?, keys::LIST_AT)?;
    let at = list.need("at").and_then(|yaml| list.file.pointer(yaml));
    let max = list.need("max").and_then(|_| list.count("max", MAX_LIST));
    let drop_more = match list.get("more") {
        Some(more) => list.file.choice(more, &[("drop", ())]).is_some(),
        None => false,
    };
    let kind = Kind::List { max: max?, drop_more, of: Box::new(of?) };
    Some(Field { optional: section.flag("optional"), at: at?, kind })
}

/// A list's element: fields, or one scalar, which without `at` is the element
/// itself.
fn element(file: &File, yaml: &Yaml) -> Option<Field> {
    let entries = file.map(yaml)?;
    if has_scalar(entries, "fact") || has_scalar(entries, "text") {
        return scalar(file, yaml, place);
    }
    let kind = Kind::Object(fields(file, yaml)?);
    Some(Field { optional: false, at: String::new(), kind })
}

fn fact_field(section: &Section<'_>, at: Place) -> Option<Field> {
    let fact = fact(section);
    let optional = section.flag("optional");
    let at = if matches!(fact, Some(Fact::Money(_))) { place(section) } else { at(section) };
    Some(Field { optional, at: at?, kind: Kind::Fact(fact?) })
}

fn fact(section: &Section<'_>) -> Option<Fact> {
    let file = section.file;
    let yaml = section.need("fact")?;
    if let YamlKind::List(values) = &yaml.kind {
        let values: Vec<Option<&str>> = values.iter().map(|value| file.text(value)).collect();
        let values =
            values.into_iter().map(|v| v.map(str::to_owned)).collect::<Option<Vec<_>>>()?;
        if values.is_empty() {
            return file.error(yaml.at, ProblemKind::Missing, "name at least one value", None);
        }
        return only(section, &["fact", "at"], Fact::OneOf(values));
    }
    let kinds = [("id", 0), ("decimal", 1), ("int", 2), ("bool", 3), ("time", 4), ("money", 5)];
    let plain: &[&str] = &["fact", "at"];
    match file.choice(yaml, &kinds)? {
        0 => {
            let pattern = section.get("pattern").map(|yaml| anchored(file, yaml));
            let pattern = pattern.map_or(Some(None), |found| found.map(Some))?;
            only(section, &["fact", "at", "pattern"], Fact::Id(pattern))
        }
        1 => only(section, plain, Fact::Decimal),
        2 => only(section, plain, Fact::Int),
        3 => only(section, plain, Fact::Bool),
        4 => only(section, plain, Fact::Time),
        _ => money(section).map(Fact::Money),
    }
}

/// Keys that this kind of fact does not take are problems.
fn only(section: &Section<'_>, taken: &[&str], fact: Fact) -> Option<Fact> {
    let extra = keys::FACT.iter().filter(|key| **key != "optional" && !taken.contains(key));
    for key in extra {
        if let Some(yaml) = section.get(key) {
            let message = format!("this kind of fact has no `{key}`");
            section.file.error::<()>(yaml.at, ProblemKind::WrongValue, message, None);
        }
    }
    Some(fact)
}

fn money(section: &Section<'_>) -> Option<MoneyAt> {
    let file = section.file;
    let minor = section.get("minor");
    let amount = match minor {
        Some(minor) => file.pointer(minor),
        None => section.need("amount").and_then(|yaml| file.pointer(yaml)),
    };
    let currency = section.need("currency").and_then(|yaml| currency(file, yaml));
    Some(MoneyAt { amount: amount?, minor: minor.is_some(), currency: currency? })
}

/// A pointer, or a fixed code.
fn currency(file: &File, yaml: &Yaml) -> Option<String> {
    let text = file.text(yaml)?;
    let fixed = text.parse::<countersign_shared::money::Currency>().is_ok();
    if text.starts_with('/') || fixed {
        return Some(text.to_owned());
    }
    file.wrong(yaml, "a JSON Pointer, or a currency such as USD")
}

/// A pattern of a whole string.
pub(super) fn anchored(file: &File, yaml: &Yaml) -> Option<Regex> {
    let source = file.text(yaml)?;
    if !source.starts_with('^') || !source.ends_with('$') || source.ends_with("\\$") {
        let message = "the pattern does not close the string at both ends";
        return file.error(yaml.at, ProblemKind::Rule, message, Some("write ^…$"));
    }
    // `^a|b$` closes neither end of either half.
    Regex::new(&format!("^(?:{source})$")).map(Some).unwrap_or_else(|_| {
        file.error(yaml.at, ProblemKind::WrongValue, "this is no regular expression", None)
    })
}
