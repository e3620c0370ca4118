//! Expressions, templates and sentences of a file, checked against names.

use serde_json::{Map, Number, Value as Json};

use super::file::File;
use super::section::Section;
use super::yaml::{Kind, Yaml};
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::expr::{Expr, Names, Prose, Template, Type};

/// An expression of any type.
pub(super) fn expression(file: &File, yaml: &Yaml, names: &Names) -> Option<Expr> {
    let source = match &yaml.kind {
        Kind::Text(source) => source.clone(),
        Kind::Bool(b) => b.to_string(),
        Kind::Int(n) => n.to_string(),
        Kind::Null | Kind::Float(_) | Kind::List(_) | Kind::Map(_) => {
            return file.wrong(yaml, "an expression");
        }
    };
    if source.starts_with('=') {
        let message = "this is an expression already";
        return file.error(
            yaml.at,
            ProblemKind::Syntax,
            message,
            Some("leave out the leading `=`"),
        );
    }
    Expr::parse(&source, names).map_err(|faults| file.faults(yaml, 0, faults)).ok()
}

/// An expression of one type, which may not be absent.
pub(super) fn typed(file: &File, yaml: &Yaml, names: &Names, wanted: &Type) -> Option<Expr> {
    let expr = expression(file, yaml, names)?;
    if expr.kind() == wanted || matches!((expr.kind(), wanted), (Type::Str(_), Type::Str(_))) {
        return Some(expr);
    }
    let message = format!("expected {wanted}, found {}", expr.kind());
    let kind = if expr.kind().present() == wanted {
        ProblemKind::MayBeAbsent
    } else {
        ProblemKind::WrongType
    };
    file.error(yaml.at, kind, message, None)
}

/// A sentence with holes.
pub(super) fn prose(file: &File, yaml: &Yaml, names: &Names) -> Option<Prose> {
    let source = file.text(yaml)?;
    if source.trim().is_empty() {
        return file.error(yaml.at, ProblemKind::Missing, "the sentence is empty", None);
    }
    Prose::parse(source, names).map_err(|faults| file.faults(yaml, 0, faults)).ok()
}

/// JSON with holes.
pub(super) fn template(file: &File, yaml: &Yaml, names: &Names) -> Option<Template> {
    match &yaml.kind {
        Kind::Null => Some(Template::Constant(Json::Null)),
        Kind::Bool(b) => Some(Template::Constant(Json::Bool(*b))),
        Kind::Int(n) => Some(Template::Constant(Json::Number(Number::from(*n)))),
        Kind::Float(_) => {
            let remedy = Some("write '=json_number(decimal(\"1.5\"))', or put it in quotes");
            let message = "there are no floating-point numbers";
            file.error(yaml.at, ProblemKind::WrongValue, message, remedy)
        }
        Kind::Text(text) => match text.strip_prefix('=') {
            Some(source) => hole(file, yaml, source, names),
            None => Some(Template::Constant(Json::String(text.clone()))),
        },
        Kind::List(items) => {
            let items: Vec<_> = items.iter().map(|item| template(file, item, names)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(list)
        }
        Kind::Map(entries) if entries.iter().any(|(key, _)| key.text == "each") => {
            each(&Section::open(file, yaml, keys::EACH)?, names)
        }
        Kind::Map(entries) => {
            let fields: Vec<_> = entries
                .iter()
                .map(|(key, item)| Some((key.text.clone(), template(file, item, names)?)))
                .collect();
            fields.into_iter().collect::<Option<Vec<_>>>().map(object)
        }
    }
}

fn hole(file: &File, yaml: &Yaml, source: &str, names: &Names) -> Option<Template> {
    Template::hole(source, names).map_err(|faults| file.faults(yaml, 1, faults)).ok()
}

/// `{ each: =LIST, as: NAME, item: TEMPLATE }`.
fn each(section: &Section<'_>, names: &Names) -> Option<Template> {
    let file = section.file;
    let over = section.need("each").and_then(|yaml| list_of(file, yaml, names));
    let name = section.need("as").and_then(|yaml| file.named(yaml.at, file.text(yaml)?));
    let (item, (over, element)) = (section.need("item"), over?);
    let name = name?;
    let inner = names.clone().with_element(&name, element, origin(&over));
    let item = Box::new(template(file, item?, &inner)?);
    Some(Template::Each { over, name, item })
}

/// `=LIST` and the type of its elements.
pub(super) fn list_of(file: &File, yaml: &Yaml, names: &Names) -> Option<(Expr, Type)> {
    let Some(source) = file.text(yaml)?.strip_prefix('=') else {
        return file.wrong(yaml, "a list such as =args.lines");
    };
    let over = Expr::parse(source, names).map_err(|faults| file.faults(yaml, 1, faults)).ok()?;
    let Type::List(element) = over.kind().clone() else {
        let message = format!("expected a list, found {}", over.kind());
        return file.error(yaml.at, ProblemKind::WrongType, message, None);
    };
    Some((over, *element))
}

/// The path that a list spells, if it is names and dots only.
pub(super) fn origin(over: &Expr) -> Option<Vec<String>> {
    let path = over.paths().first()?;
    (over.source().trim() == path.join(".")).then(|| path.clone())
}

/// A list without holes is one constant.
fn list(items: Vec<Template>) -> Template {
    let constants: Option<Vec<Json>> = items.iter().map(constant).collect();
    constants.map_or(Template::List(items), |all| Template::Constant(Json::Array(all)))
}

/// An object without holes is one constant.
fn object(fields: Vec<(String, Template)>) -> Template {
    let constants: Option<Map<String, Json>> =
        fields.iter().map(|(name, field)| Some((name.clone(), constant(field)?))).collect();
    constants.map_or(Template::Object(fields), |all| Template::Constant(Json::Object(all)))
}

fn constant(template: &Template) -> Option<Json> {
    if let Template::Constant(json) = template { Some(json.clone()) } else { None }
}
