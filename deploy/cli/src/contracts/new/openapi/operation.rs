//! The operations of a description.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::document::Document;
use crate::contracts::new::page::{sentence, singular, snake};

/// Longest name of a tool, without its pack.
const MAX_NAME: usize = 40;

/// One operation.
#[derive(Debug)]
pub(super) struct Operation<'d> {
    /// The tool's name, without its pack. Unique.
    pub(super) name: String,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub(super) method: &'static str,
    pub(super) path: Vec<Segment>,
    /// One sentence.
    pub(super) summary: String,
    pub(super) parameters: Vec<Parameter<'d>>,
    pub(super) body: Option<Body<'d>>,
    /// Statuses that mean yes.
    pub(super) accept: Vec<u16>,
    /// The answer's schema.
    pub(super) answer: Option<&'d Json>,
    /// Refusals that are described.
    pub(super) refusals: Vec<u16>,
}

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// As written.
    Fixed(String),
    /// A parameter, between what stands before and after it.
    Given { name: String, before: String, after: String },
}

/// A parameter outside the body.
#[derive(Debug)]
pub(super) struct Parameter<'d> {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) required: bool,
    pub(super) schema: &'d Json,
    pub(super) about: String,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    Cookie,
}

/// A request's body.
#[derive(Debug)]
pub(super) struct Body<'d> {
    pub(super) form: bool,
    pub(super) schema: &'d Json,
}

/// Every operation that a contract can be drafted for.
pub(super) fn operations(document: &Document) -> Vec<Operation<'_>> {
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    let paths = document.at("/paths").and_then(Json::as_object).into_iter().flatten();
    for (path, item) in paths {
        let item = document.follow(item);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if let Some(described) = item.get(method.to_ascii_lowercase()) {
                let mut operation = operation(document, path, item, method, described);
                operation.name = unique(&operation.name, &mut taken);
                found.push(operation);
            }
        }
    }
    found
}

fn operation<'d>(
    document: &'d Document,
    path: &str,
    item: &'d Json,
    method: &'static str,
    described: &'d Json,
) -> Operation<'d> {
    let text = |name: &str| described.get(name).and_then(Json::as_str).unwrap_or_default();
    let path = segments(path);
    let name = snake(text("operationId"));
    let name = if name.is_empty() { made_up(method, &path) } else { name };
    let said = [text("summary"), first_sentence(text("description"))];
    let summary = said.iter().map(|s| sentence(s, 160)).find(|s| !s.is_empty());
    let (accept, answer) = answer(document, described);
    Operation {
        summary: summary.unwrap_or_else(|| format!("{}.", name.replace('_', " "))),
        name: name.chars().take(MAX_NAME).collect(),
        method,
        parameters: parameters(document, &path, item, described),
        path,
        body: body(document, described),
        accept,
        answer,
        refusals: statuses(described).filter(|s| (400..500).contains(s)).collect(),
    }
}

fn first_sentence(text: &str) -> &str {
    text.split_inclusive(". ").next().unwrap_or(text).trim()
}

fn segments(path: &str) -> Vec<Segment> {
    path.split('/').filter(|part| !part.is_empty()).map(segment).collect()
}

fn segment(part: &str) -> Segment {
    let inside = part.split_once('{').and_then(|(before, rest)| {
        let (name, after) = rest.split_once('}')?;
        Some(Segment::Given {
            name: name.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
        })
    });
    inside.unwrap_or_else(|| Segment::Fixed(part.to_owned()))
}

/// `POST /v1/orders/{id}/cancel` as `cancel_order`.
fn made_up(method: &str, path: &[Segment]) -> String {
    let fixed: Vec<&str> = path.iter().filter_map(Segment::fixed).collect();
    let last = fixed.last().map_or_else(|| "root".to_owned(), |word| snake(word));
    let one = path.last().is_some_and(|segment| segment.fixed().is_none());
    let of = |verb: &str| format!("{verb}_{}", singular(&last));
    let before = path.len().checked_sub(2).and_then(|at| path.get(at));
    match (method, one) {
        ("GET", true) => of("get"),
        ("GET", false) => format!("list_{last}"),
        ("POST", _) => match (before, fixed.iter().rev().nth(1)) {
            // The last word after an object is what is done to it.
            (Some(Segment::Given { .. }), Some(object)) => {
                format!("{last}_{}", singular(&snake(object)))
            }
            _ => of("create"),
        },
        ("PUT", _) => of("put"),
        ("DELETE", _) => of("delete"),
        (_, _) => of("update"),
    }
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let free = names.find(|name| taken.insert(name.clone()));
    free.unwrap_or_default()
}

/// What a path's parameter is where the description forgets it.
static TEXT: LazyLock<Json> = LazyLock::new(|| json!({ "type": "string" }));

fn parameters<'d>(
    document: &'d Document,
    path: &[Segment],
    item: &'d Json,
    described: &'d Json,
) -> Vec<Parameter<'d>> {
    let list = |of: &'d Json| of.get("parameters").and_then(Json::as_array).into_iter().flatten();
    let mut found: Vec<Parameter<'d>> = Vec::new();
    // An operation's own parameter stands for the path's of the same name.
    for json in list(described).chain(list(item)) {
        let Some(parameter) = parameter(document, document.follow(json)) else { continue };
        if !found.iter().any(|p| p.name == parameter.name && p.place == parameter.place) {
            found.push(parameter);
        }
    }
    for name in path.iter().filter_map(Segment::given) {
        if !found.iter().any(|p| p.name == name && p.place == Place::Path) {
            let (name, about) = (name.to_owned(), String::new());
            found.push(Parameter {
                name,
                place: Place::Path,
                required: true,
                schema: &TEXT,
                about,
            });
        }
    }
    found
}

fn parameter<'d>(document: &'d Document, json: &'d Json) -> Option<Parameter<'d>> {
    let place = match json.get("in").and_then(Json::as_str)? {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        "cookie" => Place::Cookie,
        _ => return None,
    };
    let content = || json.get("content")?.as_object()?.values().next()?.get("schema");
    let schema = json.get("schema").or_else(content).unwrap_or(&Json::Null);
    Some(Parameter {
        name: json.get("name").and_then(Json::as_str)?.to_owned(),
        place,
        required: place == Place::Path
            || json.get("required").and_then(Json::as_bool) == Some(true),
        schema: document.follow(schema),
        about: sentence(json.get("description").and_then(Json::as_str).unwrap_or_default(), 160),
    })
}

fn body<'d>(document: &'d Document, described: &'d Json) -> Option<Body<'d>> {
    let content = document.follow(described.get("requestBody")?).get("content")?.as_object()?;
    let of = |word: &str| content.iter().find(|(kind, _)| kind.contains(word));
    let (form, media) = match (of("json"), of("x-www-form-urlencoded")) {
        (Some((_, media)), _) => (false, media),
        (None, Some((_, media))) => (true, media),
        (None, None) => return None,
    };
    Some(Body { form, schema: document.follow(media.get("schema")?) })
}

fn statuses(described: &Json) -> impl Iterator<Item = u16> {
    let responses = described.get("responses").and_then(Json::as_object).into_iter().flatten();
    responses.filter_map(|(status, _)| status.parse().ok())
}

/// Statuses that mean yes, and the schema of the first answer that has one.
fn answer<'d>(document: &'d Document, described: &'d Json) -> (Vec<u16>, Option<&'d Json>) {
    let mut accept: Vec<u16> = statuses(described).filter(|s| (200..300).contains(s)).collect();
    accept.sort_unstable();
    let schema = accept.iter().find_map(|status| {
        let response = document.follow(described.get("responses")?.get(status.to_string())?);
        let content = response.get("content")?.as_object()?;
        let (_, media) = content.iter().find(|(kind, _)| kind.contains("json"))?;
        Some(document.follow(media.get("schema")?))
    });
    if accept.is_empty() {
        accept.push(200);
    }
    (accept, schema)
}

impl Segment {
    pub(super) fn fixed(&self) -> Option<&str> {
        match self {
            Self::Fixed(text) => Some(text),
            Self::Given { .. } => None,
        }
    }

    /// The parameter's name.
    fn given(&self) -> Option<&str> {
        match self {
            Self::Fixed(_) => None,
            Self::Given { name, .. } => Some(name),
        }
    }
}

impl Operation<'_> {
    /// The last word of the path that is not a parameter.
    pub(super) fn last_word(&self) -> Option<&str> {
        self.path.iter().rev().find_map(Segment::fixed)
    }

    /// The singular of the word before a path's parameter.
    pub(super) fn stem_of(&self, parameter: &str) -> Option<String> {
        let at = self.path.iter().position(
            |segment| matches!(segment, Segment::Given { name, .. } if name == parameter),
        )?;
        let before = self.path.get(..at)?.iter().rev().find_map(Segment::fixed)?;
        Some(singular(&snake(before)))
    }

    /// Whether the path ends with a parameter: one object.
    pub(super) fn is_one(&self) -> bool {
        matches!(self.path.last(), Some(Segment::Given { .. }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[test]
    fn tools_have_names_that_say_what_they_do() {
        let text = "openapi: 3.0.0\npaths:\n  /v1/orders/{id}/cancel: { post: {} }\n  /v1/orders/{id}: { get: {}, patch: {}, delete: {} }\n  /v1/orders: { get: { operationId: ListOrders }, post: { operationId: listOrders } }\n";
        let document = Document::parse(text).unwrap();
        let names: Vec<_> = operations(&document).into_iter().map(|o| o.name).collect();
        assert_eq!(
            names,
            [
                "cancel_order",
                "get_order",
                "update_order",
                "delete_order",
                "list_orders",
                "list_orders_2"
            ]
        );
    }

    #[test]
    fn an_operations_own_parameter_stands_for_the_paths() {
        let text = "openapi: 3.0.0\npaths:\n  /o/{id}:\n    parameters: [ { name: id, in: path, schema: { type: string } }, { name: x, in: query, schema: {} } ]\n    get:\n      parameters: [ { name: id, in: path, schema: { type: integer } } ]\n      responses: { 404: {}, 201: {}, default: {} }\n";
        let document = Document::parse(text).unwrap();
        let operation = &operations(&document)[0];
        assert_eq!(operation.parameters.len(), 2);
        assert_eq!(operation.parameters[0].schema["type"], "integer");
        assert_eq!((operation.accept.clone(), operation.refusals.clone()), (vec![201], vec![404]));
        assert_eq!(operation.stem_of("id").unwrap(), "o");
    }
}
