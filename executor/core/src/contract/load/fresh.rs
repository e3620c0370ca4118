//! `read` of a write: fresh reads by name.

use std::collections::BTreeMap;

use super::context::Context;
use super::section::Section;
use super::templates::{list_of, origin};
use super::with::given;
use super::yaml::{Key, Yaml};
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::contract::{FanOut, FreshRead};
use crate::expr::{MAX_LIST, Names, Type};

/// The reads in order, and the names after them: `state` beside those before.
pub(super) struct Reads {
    pub(super) reads: Option<Vec<FreshRead>>,
    pub(super) state: Names,
}

/// Reads `read`. Each may use what the ones before it found.
pub(super) fn reads(top: &Section<'_>, context: &Context<'_>, base: &Names) -> Reads {
    let mut reads = Some(Vec::new());
    let mut state = BTreeMap::new();
    let mut names = base.clone().with("state", Type::Object(BTreeMap::new()));
    for (key, yaml) in top.entries("read") {
        match fresh(top, context, &names, key, yaml) {
            Some((read, kind)) => {
                state.insert(key.text.clone(), kind);
                names = names.with("state", Type::Object(state.clone()));
                if let Some(all) = reads.as_mut() {
                    all.push(read);
                }
            }
            None => {
                names = names.broken(["state", &key.text]);
                reads = None;
            }
        }
    }
    Reads { reads, state: names }
}

fn fresh(
    top: &Section<'_>,
    context: &Context<'_>,
    names: &Names,
    key: &Key,
    yaml: &Yaml,
) -> Option<(FreshRead, Type)> {
    let section = Section::open(top.file, yaml, keys::FRESH)?;
    let name = top.file.named(key.at, &key.text);
    let (each, inner) = match section.get("each") {
        Some(over) => {
            let (fan, inner) = fan_out(&section, over, names)?;
            (Some(fan), inner)
        }
        None => (None, names.clone()),
    };
    let given = given(&section, context, &inner)?;
    let output = given.face?.output.kind();
    let kind = if each.is_some() { output.list() } else { output };
    let read = FreshRead { name: name?, tool: given.tool, with: given.with, each };
    Some((read, kind))
}

fn fan_out(section: &Section<'_>, over: &Yaml, names: &Names) -> Option<(FanOut, Names)> {
    let file = section.file;
    let name = section.need("as").and_then(|yaml| file.named(yaml.at, file.text(yaml)?));
    let max = section.need("max").and_then(|_| section.count("max", MAX_LIST));
    let (over, element) = list_of(file, over, names)?;
    let name = name?;
    if names.kind(&name).is_some() {
        let message = format!("`{name}` is already a name here");
        return file.error(section.at, ProblemKind::WrongValue, message, None);
    }
    let inner = names.clone().with_element(&name, element, origin(&over));
    Some((FanOut { over, name, max: max? }, inner))
}
