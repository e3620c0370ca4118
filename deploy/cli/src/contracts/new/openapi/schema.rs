//! What a schema says, as far as a draft needs it.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value as Json;

use super::document::Document;

/// Deepest composition that is looked into.
const MAX_DEPTH: usize = 8;

/// A schema in short.
#[derive(Debug, Clone)]
pub(super) struct View<'d> {
    pub(super) kind: Kind<'d>,
    /// May be null.
    pub(super) nullable: bool,
    /// Its description.
    pub(super) about: &'d str,
}

/// The kinds of value.
#[derive(Debug, Clone)]
pub(super) enum Kind<'d> {
    Text {
        format: &'d str,
        /// Closed at both ends, and understood here.
        pattern: Option<&'d str>,
        /// Empty where any text will do.
        values: Vec<&'d str>,
        longest: Option<u64>,
    },
    Integer {
        least: Option<i64>,
        most: Option<i64>,
    },
    Number,
    Bool,
    List(&'d Json),
    Object {
        fields: Vec<(&'d str, &'d Json)>,
        required: BTreeSet<&'d str>,
    },
    /// Anything: no draft can be made of it.
    Unknown,
}

/// Looks at a schema.
pub(super) fn view<'d>(document: &'d Document, schema: &'d Json) -> View<'d> {
    view_at(document, schema, 0)
}

fn view_at<'d>(document: &'d Document, schema: &'d Json, depth: usize) -> View<'d> {
    let schema = document.follow(schema);
    let about = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    let (kind, nullable) = if depth > MAX_DEPTH {
        (Kind::Unknown, false)
    } else if let Some(parts) = list(schema, "allOf") {
        (all_of(document, schema, parts, depth), flag(schema, "nullable"))
    } else if let Some(parts) = list(schema, "oneOf").or_else(|| list(schema, "anyOf")) {
        one_of(document, parts, depth)
    } else {
        let (name, null) = name(schema);
        (plain(schema, name), null || flag(schema, "nullable"))
    };
    View { kind, nullable, about }
}

fn list<'d>(schema: &'d Json, key: &str) -> Option<&'d Vec<Json>> {
    schema.get(key).and_then(Json::as_array).filter(|all| !all.is_empty())
}

fn flag(schema: &Json, key: &str) -> bool {
    schema.get(key).and_then(Json::as_bool) == Some(true)
}

/// The type's name; 3.1 writes `[string, "null"]`.
fn name(schema: &Json) -> (&str, bool) {
    match schema.get("type") {
        Some(Json::String(name)) => (name, false),
        Some(Json::Array(names)) => {
            let names: Vec<_> = names.iter().filter_map(Json::as_str).collect();
            let mut others = names.iter().filter(|name| **name != "null");
            let only = match (others.next(), others.next()) {
                (Some(name), None) => *name,
                _ => "",
            };
            (only, names.contains(&"null"))
        }
        _ if schema.get("properties").is_some() => ("object", false),
        _ if schema.get("enum").is_some() || schema.get("const").is_some() => ("string", false),
        _ => ("", false),
    }
}

fn plain<'d>(schema: &'d Json, name: &str) -> Kind<'d> {
    let text = |key: &str| schema.get(key).and_then(Json::as_str);
    let whole = |key: &str| schema.get(key).and_then(Json::as_i64);
    match name {
        "string" => Kind::Text {
            format: text("format").unwrap_or_default(),
            pattern: text("pattern").filter(|pattern| is_closed(pattern)),
            values: values(schema),
            longest: schema.get("maxLength").and_then(Json::as_u64),
        },
        "integer" => Kind::Integer { least: whole("minimum"), most: whole("maximum") },
        "number" => Kind::Number,
        "boolean" => Kind::Bool,
        "array" => schema.get("items").map_or(Kind::Unknown, Kind::List),
        "object" => object(schema),
        _ => Kind::Unknown,
    }
}

fn values(schema: &Json) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Json::as_array).into_iter().flatten();
    listed.chain(schema.get("const")).filter_map(Json::as_str).collect()
}

/// Whether a pattern closes the whole text and means here what it means there.
fn is_closed(pattern: &str) -> bool {
    let ends = pattern.starts_with('^') && pattern.ends_with('$') && !pattern.ends_with("\\$");
    ends && Regex::new(pattern).is_ok()
}

fn object(schema: &Json) -> Kind<'_> {
    let fields = schema.get("properties").and_then(Json::as_object);
    let fields: Vec<_> = fields.into_iter().flatten().map(|(name, s)| (name.as_str(), s)).collect();
    let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
    let required = required.filter_map(Json::as_str).collect();
    if fields.is_empty() { Kind::Unknown } else { Kind::Object { fields, required } }
}

/// Objects together have the fields of all; of anything else the first counts.
fn all_of<'d>(
    document: &'d Document,
    schema: &'d Json,
    parts: &'d [Json],
    depth: usize,
) -> Kind<'d> {
    let views = parts.iter().map(|part| view_at(document, part, depth + 1).kind);
    let mut together: Vec<(&str, &Json)> = Vec::new();
    let mut needed = BTreeSet::new();
    let mut other = None;
    for kind in views.chain([object(schema)]) {
        match kind {
            Kind::Object { fields, required } => {
                together.extend(fields);
                needed.extend(required);
            }
            Kind::Unknown => {}
            kind @ (Kind::Text { .. }
            | Kind::Integer { .. }
            | Kind::Number
            | Kind::Bool
            | Kind::List(_)) => other = other.or(Some(kind)),
        }
    }
    if together.is_empty() {
        return other.unwrap_or(Kind::Unknown);
    }
    Kind::Object { fields: together, required: needed }
}

/// One kind beside null is that kind; objects have what any of them has.
fn one_of<'d>(document: &'d Document, parts: &'d [Json], depth: usize) -> (Kind<'d>, bool) {
    let is_null =
        |part: &&Json| document.follow(part).get("type").and_then(Json::as_str) == Some("null");
    let nullable = parts.iter().any(|part| is_null(&part));
    let views: Vec<_> = parts
        .iter()
        .filter(|part| !is_null(part))
        .map(|part| view_at(document, part, depth + 1))
        .collect();
    let nullable = nullable || views.iter().any(|view| view.nullable);
    let mut kinds = views.into_iter().map(|view| view.kind);
    let kind = match (kinds.next(), kinds.len()) {
        (Some(only), 0) => only,
        (Some(Kind::Object { mut fields, .. }), _) => {
            for kind in kinds {
                let Kind::Object { fields: more, .. } = kind else {
                    return (Kind::Unknown, nullable);
                };
                fields.extend(
                    more.into_iter().filter(|(name, _)| !has(&fields, name)).collect::<Vec<_>>(),
                );
            }
            Kind::Object { fields, required: BTreeSet::new() }
        }
        _ => Kind::Unknown,
    };
    (kind, nullable)
}

fn has(fields: &[(&str, &Json)], name: &str) -> bool {
    fields.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn kind_of(schema: &str, check: impl Fn(View<'_>)) {
        let text = format!("openapi: 3.1.0\ns: {schema}\n");
        let document = Document::parse(&text).unwrap();
        check(view(&document, document.at("/s").unwrap()));
    }

    #[test]
    fn null_is_understood_in_each_spelling() {
        for schema in [
            "{ type: string, nullable: true }",
            "{ type: [string, 'null'] }",
            "{ oneOf: [ { type: 'null' }, { type: string } ] }",
        ] {
            kind_of(schema, |view| {
                assert!(view.nullable, "{schema}");
                assert!(matches!(view.kind, Kind::Text { .. }), "{schema}");
            });
        }
    }

    #[test]
    fn composed_objects_have_all_fields() {
        let all = "{ allOf: [ { properties: { a: {} }, required: [a] }, { properties: { b: {} } } ], required: [b] }";
        kind_of(all, |view| {
            let Kind::Object { fields, required } = view.kind else { panic!() };
            assert_eq!(fields.len(), 2);
            assert!(required.contains("a"));
        });
        kind_of("{ anyOf: [ { type: string }, { type: integer } ] }", |view| {
            assert!(matches!(view.kind, Kind::Unknown));
        });
    }

    #[test]
    fn an_open_pattern_closes_nothing() {
        for (pattern, closed) in [("^a$", true), ("a", false), ("^(?!a)b$", false)] {
            kind_of(&format!("{{ type: string, pattern: '{pattern}' }}"), |view| {
                let Kind::Text { pattern, .. } = view.kind else { panic!() };
                assert_eq!(pattern.is_some(), closed, "{pattern:?}");
            });
        }
    }
}
