//! `do`: the request, the key's place, and how the answer is read.

use std::collections::BTreeMap;

use super::connector::header_name;
use super::context::Context;
use super::file::File;
use super::graphql::{Operation, operation};
use super::output::shape;
use super::section::Section;
use super::templates::template;
use super::yaml::{Kind, Place, Yaml};
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::contract::{
    Call, ErrorClass, ErrorRule, ErrorRules, HttpBody, HttpRequest, KeyPlace, PackKind, Pages,
    Request,
};
use crate::expr::{Names, Template};
use crate::shape::Shape;

/// Whether a call is a read's or a write's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Read,
    Write,
}

/// `do`, and the shape of what it keeps of the answer: `None` where it keeps
/// nothing, `Some(None)` where the shape is broken.
pub(super) struct Called {
    pub(super) call: Option<Call>,
    pub(super) response: Option<Option<Shape>>,
}

/// Reads `do`.
pub(super) fn call(top: &Section<'_>, context: &Context<'_>, names: &Names, side: Side) -> Called {
    let section = top.need("do").and_then(|yaml| Section::open(top.file, yaml, keys::DO));
    let Some(section) = section else { return Called { call: None, response: Some(None) } };
    let key = section.get("key").and_then(|yaml| key_place(top.file, yaml));
    let errors = section.get("errors").map(|yaml| errors(top.file, yaml, context));
    let response = section.get("response").map(|yaml| shape(top.file, yaml));
    if let (Side::Read, Some(yaml)) = (side, section.get("response")) {
        let message = "a read keeps its `output`, not a `response`";
        top.file.error::<()>(yaml.at, ProblemKind::WrongValue, message, None);
    }
    let request = match context.pack.kind {
        PackKind::GraphQl { .. } => graphql(&section, context, names, side, key.as_ref()),
        PackKind::Http => http(&section, names, side),
    };
    let errors = errors.unwrap_or_else(|| Some(ErrorRules::default()));
    let kept = response.clone().map_or(Some(None), |shape| shape.map(Some));
    let call = match (request, errors, kept) {
        (Some(request), Some(errors), Some(response)) => {
            Some(Call { request, key, errors, response })
        }
        _ => None,
    };
    Called { call, response }
}

fn key_place(file: &File, yaml: &Yaml) -> Option<KeyPlace> {
    let section = Section::open(file, yaml, keys::KEY)?;
    if let Some(name) = section.text("variable") {
        return Some(KeyPlace::Variable(name.to_owned()));
    }
    if let Some(name) = section.get("header") {
        return header_name(file, name).map(KeyPlace::Header);
    }
    if let Some(name) = section.text("field") {
        return Some(KeyPlace::Field(name.to_owned()));
    }
    file.wrong(yaml, "{ variable: NAME }, { header: NAME } or { field: NAME }")
}

fn graphql(
    section: &Section<'_>,
    context: &Context<'_>,
    names: &Names,
    side: Side,
    key: Option<&KeyPlace>,
) -> Option<Request> {
    let file = section.file;
    only(section, &["graphql", "variables", "key", "errors", "response"], "GraphQL");
    let variables = templates(section, "variables", names);
    let name = section.need("graphql")?;
    let file_name = file.text(name)?;
    let Some(document) = context.documents.get(file_name) else {
        let message = format!("there is no documents/{file_name}");
        return file.error(name.at, ProblemKind::UnknownReference, message, None);
    };
    let operation = match operation(document) {
        Ok(operation) => operation,
        Err(why) => {
            let message = format!("documents/{file_name}: {why}");
            return file.error(
                name.at,
                ProblemKind::Syntax,
                message,
                Some("write one named operation"),
            );
        }
    };
    let wanted = if side == Side::Read { "query" } else { "mutation" };
    if operation.kind != wanted {
        let message = format!("documents/{file_name} is a {}, not a {wanted}", operation.kind);
        file.error::<()>(name.at, ProblemKind::Rule, message, None);
    }
    filled(section, file_name, &operation, key);
    let document = (*document).to_owned();
    Some(Request::GraphQl { document, operation: operation.name, variables: variables? })
}

/// Every variable given is declared, and every one that must be given is.
fn filled(section: &Section<'_>, document: &str, operation: &Operation, key: Option<&KeyPlace>) {
    let note = |at: Place, kind: ProblemKind, message: String| {
        section.file.error::<()>(at, kind, message, None);
    };
    let given = section.entries("variables");
    let keyed = match key {
        Some(KeyPlace::Variable(variable)) => Some(variable),
        Some(KeyPlace::Header(_) | KeyPlace::Field(_)) | None => None,
    };
    let at = section.get("key").map_or(section.at, |yaml| yaml.at);
    let named = given.iter().map(|(name, yaml)| (&name.text, yaml.at));
    for (variable, at) in named.chain(keyed.map(|variable| (variable, at))) {
        if !operation.variables.contains_key(variable) {
            let message = format!("documents/{document} declares no ${variable}");
            note(at, ProblemKind::UnknownReference, message);
        }
    }
    for (variable, needed) in &operation.variables {
        let filled =
            keyed == Some(variable) || given.iter().any(|(name, _)| name.text == *variable);
        if *needed && !filled {
            let message = format!("documents/{document} needs ${variable}");
            note(section.at, ProblemKind::Missing, message);
        }
    }
}

fn http(section: &Section<'_>, names: &Names, side: Side) -> Option<Request> {
    let file = section.file;
    only(section, &["http", "accept", "pages", "key", "errors", "response"], "HTTP");
    let http = Section::open(file, section.need("http")?, keys::HTTP)?;
    let method = http.need("method").and_then(|yaml| method(file, yaml, side));
    let path: Vec<_> = http
        .need("path")
        .and_then(|yaml| file.list(yaml))
        .unwrap_or_default()
        .iter()
        .map(|segment| template(file, segment, names))
        .collect();
    let query = templates(&http, "query", names);
    let headers = templates(&http, "headers", names);
    let body = body(&http, names);
    let accept = accept(section);
    let pages = section.get("pages").map(|yaml| pages(file, yaml, side));
    Some(Request::Http(HttpRequest {
        method: method?.to_owned(),
        path: path.into_iter().collect::<Option<_>>()?,
        query: query?,
        headers: headers?,
        body: body?,
        accept: accept?,
        pages: pages.map_or(Some(None), |pages| pages.map(Some))?,
    }))
}

fn method(file: &File, yaml: &Yaml, side: Side) -> Option<&'static str> {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|method| (method, method));
    let method = file.choice(yaml, &methods)?;
    // Some APIs search by POST; nothing is written by GET.
    if side == Side::Write && method == "GET" {
        let message = "a write is not made with GET";
        return file.error(yaml.at, ProblemKind::Rule, message, None);
    }
    if side == Side::Read && matches!(method, "PUT" | "PATCH" | "DELETE") {
        let message = format!("a read is not made with {method}");
        return file.error(yaml.at, ProblemKind::Rule, message, None);
    }
    Some(method)
}

fn body(http: &Section<'_>, names: &Names) -> Option<HttpBody> {
    match (http.get("json"), http.get("form")) {
        (None, None) => Some(HttpBody::Empty),
        (Some(json), None) => template(http.file, json, names).map(HttpBody::Json),
        (None, Some(_)) => templates(http, "form", names).map(HttpBody::Form),
        (Some(_), Some(form)) => {
            let message = "a request has one body: `json` or `form`";
            http.file.error(form.at, ProblemKind::WrongValue, message, None)
        }
    }
}

fn accept(section: &Section<'_>) -> Option<Vec<u16>> {
    if section.get("accept").is_none() {
        return Some(vec![200]);
    }
    let statuses = section.items("accept").iter().map(|yaml| status(section.file, yaml, 200..300));
    statuses.collect::<Vec<_>>().into_iter().collect()
}

fn status(file: &File, yaml: &Yaml, range: std::ops::Range<i64>) -> Option<u16> {
    let number = if let Kind::Int(n) = yaml.kind { Some(n) } else { None };
    let found = number.filter(|n| range.contains(n)).and_then(|n| u16::try_from(n).ok());
    found.or_else(|| {
        file.wrong(yaml, &format!("a status from {} to {}", range.start, range.end - 1))
    })
}

fn pages(file: &File, yaml: &Yaml, side: Side) -> Option<Pages> {
    if side == Side::Write {
        return file.error(yaml.at, ProblemKind::WrongValue, "only reads are paged", None);
    }
    let section = Section::open(file, yaml, keys::PAGES)?;
    let next = section.need("next").and_then(|yaml| file.pointer(yaml));
    let into = section.need_text("into");
    let list = section.need("list").and_then(|yaml| file.pointer(yaml));
    let max = section.need("max").and_then(|_| section.count("max", 20));
    Some(Pages { next: next?, into: into?.to_owned(), list: list?, max: max? })
}

/// Named templates of a mapping; absent means none.
pub(super) fn templates(
    section: &Section<'_>,
    key: &str,
    names: &Names,
) -> Option<BTreeMap<String, Template>> {
    let entries = section
        .entries(key)
        .iter()
        .map(|(key, yaml)| Some((key.text.clone(), template(section.file, yaml, names)?)));
    entries.collect::<Vec<_>>().into_iter().collect()
}

fn errors(file: &File, yaml: &Yaml, context: &Context<'_>) -> Option<ErrorRules> {
    let section = Section::open(file, yaml, keys::ERRORS)?;
    let at = section.get("at").map(|yaml| file.pointer(yaml));
    let codes: Vec<_> =
        section.items("codes").iter().map(|yaml| error_rule(file, yaml, context)).collect();
    let by_status: Vec<_> =
        section.items("by_status").iter().map(|yaml| error_status(file, yaml, context)).collect();
    Some(ErrorRules {
        at: at.map_or(Some(None), |at| at.map(Some))?,
        codes: codes.into_iter().collect::<Option<_>>()?,
        by_status: by_status.into_iter().collect::<Option<_>>()?,
    })
}

fn error_rule(file: &File, yaml: &Yaml, context: &Context<'_>) -> Option<ErrorRule> {
    let section = Section::open(file, yaml, keys::ERROR_CODE)?;
    let matches = section.need_text("match").map(str::to_lowercase);
    let (code, class) = code_and_class(&section, context);
    Some(ErrorRule { matches: matches?, code: code?, class: class? })
}

fn error_status(
    file: &File,
    yaml: &Yaml,
    context: &Context<'_>,
) -> Option<(u16, String, ErrorClass)> {
    let section = Section::open(file, yaml, keys::ERROR_STATUS)?;
    let status = section.need("status").and_then(|yaml| status(file, yaml, 400..500));
    let (code, class) = code_and_class(&section, context);
    Some((status?, code?, class?))
}

fn code_and_class(
    section: &Section<'_>,
    context: &Context<'_>,
) -> (Option<String>, Option<ErrorClass>) {
    let classes = [
        ("terminal", ErrorClass::Terminal),
        ("transient", ErrorClass::Transient),
        ("guard", ErrorClass::Guard),
        ("unclear", ErrorClass::Unclear),
    ];
    let code = section.need("code").and_then(|yaml| context.code(section.file, yaml));
    let class = section.need("class").and_then(|yaml| section.file.choice(yaml, &classes));
    (code, class)
}

/// Keys of the other kind of pack are problems.
fn only(section: &Section<'_>, taken: &[&str], kind: &str) {
    for key in keys::DO.iter().filter(|key| !taken.contains(key)) {
        if let Some(yaml) = section.get(key) {
            let message = format!("`{key}` does not apply: this pack speaks {kind}");
            section.file.error::<()>(yaml.at, ProblemKind::WrongValue, message, None);
        }
    }
}
