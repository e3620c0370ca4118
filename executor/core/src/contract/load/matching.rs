//! `match` of `connector.yaml`: how the executor finds out by itself who a guest is.

use std::collections::BTreeMap;

use super::context::{Context, ReadFace};
use super::file::File;
use super::section::Section;
use super::with::given;
use super::yaml::{Key, Yaml};
use crate::contract::problem::ProblemKind;
use crate::contract::{Matching, keys};
use crate::expr::{Names, Type};
use crate::shape::{Label, Step};

/// The claim that is compared with what the guest said.
const COMPARED: &str = "email";

/// The tool that `match` names, before anything of it is checked.
pub(super) fn tool<'y>(file: &'y File, yaml: &'y Yaml) -> Option<&'y str> {
    let section = Section::within(file, Section::within(file, yaml)?.get("match")?)?;
    section.text("tool")
}

/// Reads `match`, where there is one.
pub(super) fn matching(file: &File, yaml: &Yaml, context: &Context<'_>) -> Option<Matching> {
    let section = Section::open(file, Section::within(file, yaml)?.get("match")?, keys::MATCH)?;
    let names = Names::new().with("order", Type::TEXT).with(COMPARED, Type::TEXT);
    let given = given(&section, context, &names)?;
    let face = given.face?;
    section.need("claims");
    let entries = section.entries("claims");
    let claims: BTreeMap<_, _> = entries
        .iter()
        .filter_map(|(key, yaml)| Some((key.text.clone(), claim(file, key, yaml, face, context)?)))
        .collect();
    if !entries.iter().any(|(key, _)| key.text == COMPARED) {
        let message = "`claims` has no `email`: it is compared with what the guest said";
        return file.error(section.at, ProblemKind::Missing, message, None);
    }
    if entries.len() > 2 {
        let message = "`claims` has more than one beside `email`: a guest goes by one";
        return file.error(section.at, ProblemKind::Rule, message, None);
    }
    (claims.len() == entries.len()).then_some(Matching {
        tool: given.tool,
        with: given.with,
        claims,
    })
}

fn claim(
    file: &File,
    key: &Key,
    yaml: &Yaml,
    face: &ReadFace,
    context: &Context<'_>,
) -> Option<String> {
    if !context.pack.subject_claims.contains(&key.text) {
        let message = format!("`{}` is not a claim of this pack", key.text);
        let remedy = Some("list it under `subject`");
        return file.error(key.at, ProblemKind::UnknownName, message, remedy);
    }
    let pointer = file.pointer(yaml)?;
    let steps = Step::parse(&pointer).filter(|steps| !steps.contains(&Step::Each));
    match steps.and_then(|steps| face.output.label_at(&steps)) {
        Some(Label::Fact) => Some(pointer),
        // What is compared letter by letter may be text; what proves an owner may not.
        Some(Label::Text) if key.text == COMPARED => Some(pointer),
        Some(Label::Text) => {
            let message = format!("`{}` is text that somebody wrote, not a fact", key.text);
            file.error(yaml.at, ProblemKind::Rule, message, None)
        }
        None => {
            let message = format!("`{pointer}` leads to no single field of the read");
            let remedy = Some("write for example /orders/0/customer_id");
            file.error(yaml.at, ProblemKind::UnknownReference, message, remedy)
        }
    }
}
