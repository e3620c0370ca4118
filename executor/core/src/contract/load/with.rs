//! `with`: the arguments that a contract gives to a read.

use std::collections::BTreeMap;

use super::context::{Context, ReadFace};
use super::file::File;
use super::section::Section;
use super::templates::template;
use super::yaml::{Place, Yaml};
use crate::contract::problem::ProblemKind;
use crate::contract::{ArgumentSpec, Nested, argument};
use crate::expr::{Names, Template, Type};
use crate::nearest::nearest;

/// `tool` and `with` of a section that names a read. The face is `None` when
/// the read is broken in its own file.
pub(super) struct Given<'c> {
    pub(super) tool: String,
    pub(super) with: BTreeMap<String, Template>,
    pub(super) face: Option<&'c ReadFace>,
}

pub(super) fn given<'c>(
    section: &Section<'_>,
    context: &'c Context<'_>,
    names: &Names,
) -> Option<Given<'c>> {
    let file = section.file;
    let tool = section.need("tool");
    let face = tool.and_then(|yaml| context.read(file, yaml.at, file.text(yaml)?));
    let mut with = BTreeMap::new();
    let mut sound = true;
    for (key, yaml) in section.entries("with") {
        let spec = face.map(|face| known(file, face, &key.text, key.at));
        match template(file, yaml, names) {
            Some(template) => {
                if let Some(Some(spec)) = spec {
                    fits(file, yaml, &template, spec);
                }
                with.insert(key.text.clone(), template);
            }
            None => sound = false,
        }
    }
    if let Some(face) = face {
        missing(section, face, &with);
    }
    let tool = file.text(tool?)?.to_owned();
    sound.then_some(Given { tool, with, face })
}

fn known<'c>(file: &File, face: &'c ReadFace, name: &str, at: Place) -> Option<&'c ArgumentSpec> {
    face.arguments.get(name).or_else(|| {
        let known: Vec<&str> = face.arguments.keys().map(String::as_str).collect();
        let remedy = nearest(name, known.iter().copied()).map_or_else(
            || format!("it takes: {}", known.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("the read has no argument `{name}`");
        file.error(at, ProblemKind::UnknownReference, message, Some(&remedy))
    })
}

fn missing(section: &Section<'_>, face: &ReadFace, with: &BTreeMap<String, Template>) {
    let written = |name: &str| section.entries("with").iter().any(|(key, _)| key.text == name);
    for (name, spec) in &face.arguments {
        if spec.required && !with.contains_key(name) && !written(name) {
            let message = format!("the read needs the argument `{name}`");
            section.file.error::<()>(section.at, ProblemKind::Missing, message, None);
        }
    }
}

fn fits(file: &File, yaml: &Yaml, template: &Template, spec: &ArgumentSpec) {
    let wanted = argument::kind(spec);
    let wrong = |found: String| {
        let message = format!("the argument is {wanted}, and this is {found}");
        file.error::<()>(yaml.at, ProblemKind::WrongType, message, None);
    };
    match template {
        Template::Constant(json) => {
            if argument::validator(&spec.schema).is_ok_and(|schema| !schema.is_valid(json)) {
                let message = "this does not fit the argument's schema";
                file.error::<()>(yaml.at, ProblemKind::WrongValue, message, None);
            }
        }
        Template::Expr(expr) | Template::Number(expr) => match (expr.kind(), spec.required) {
            (Type::Optional(_) | Type::Null, true) => {
                let message = "this may be absent, and the argument is required";
                file.error::<()>(yaml.at, ProblemKind::MayBeAbsent, message, None);
            }
            (kind, _) if !alike(kind.present(), &wanted) => wrong(kind.to_string()),
            _ => {}
        },
        Template::List(_) | Template::Each { .. } => {
            if !matches!(spec.nested, Nested::Items(_)) {
                wrong("a list".to_owned());
            }
        }
        Template::Object(_) => {
            if !matches!(spec.nested, Nested::Fields(_)) {
                wrong("an object".to_owned());
            }
        }
    }
}

/// Whether a value of one type can fill the other; the read's own schema is
/// the last word when it is made.
fn alike(found: &Type, wanted: &Type) -> bool {
    match (found, wanted) {
        (Type::Str(_), Type::Str(_))
        | (Type::List(_), Type::List(_))
        | (Type::Object(_), Type::Object(_))
        // Money and decimals are written as strings.
        | (Type::Decimal | Type::Money | Type::Time, Type::Str(_)) => true,
        (found, wanted) => found == wanted,
    }
}
