//! The parts that reads and writes share.

use std::collections::BTreeSet;

use super::arguments::{Arguments, Obtained};
use super::context::Context;
use super::file::File;
use super::section::Section;
use crate::contract::problem::ProblemKind;
use crate::expr::{Names, Prose, Type};
use crate::shape::{Label, Step};
use crate::subject::{Kind, Strength};

/// Most examples of one tool.
const MAX_EXAMPLES: usize = 40;

/// Sentences that mean the tool.
pub(super) fn examples(top: &Section<'_>) -> Vec<String> {
    let items = top.items("examples");
    if let Some(extra) = items.get(MAX_EXAMPLES) {
        let message = format!("a tool has at most {MAX_EXAMPLES} examples");
        top.file.error::<()>(extra.at, ProblemKind::WrongValue, message, None);
    }
    let sentences = items.iter().filter_map(|yaml| {
        let sentence = top.file.text(yaml)?;
        // `{…}` only marks a slot for people, so there is nothing to check it against.
        if sentence.trim().is_empty()
            || sentence.matches('{').count() != sentence.matches('}').count()
        {
            return top.file.wrong(yaml, "a sentence such as \"cancel order {number}\"");
        }
        Some(sentence.to_owned())
    });
    sentences.collect()
}

/// Whose subjects may use it: customers, unless it says otherwise.
pub(super) fn open_to(top: &Section<'_>) -> Option<BTreeSet<Kind>> {
    let Some(yaml) = top.get("for") else { return Some([Kind::Customer].into()) };
    let all = [Kind::Customer, Kind::Staff].map(|kind| (kind.name(), kind));
    let kinds: Vec<_> = top.items("for").iter().map(|one| top.file.choice(one, &all)).collect();
    if kinds.is_empty() {
        return top.file.wrong(yaml, "a list such as [customer, staff]");
    }
    kinds.into_iter().collect()
}

/// How surely it has to be the subject.
pub(super) fn strength(top: &Section<'_>, unsaid: Strength) -> Option<Strength> {
    let Some(yaml) = top.get("strength") else { return Some(unsaid) };
    let all = [Strength::Asserted, Strength::Matched, Strength::SignedIn, Strength::Strong];
    let strength = top.file.choice(yaml, &all.map(|s| (s.name(), s)))?;
    if strength == Strength::Asserted && top.get("subject").is_some() {
        let message = "an asserted subject is whoever the frontend says: its claims prove no owner";
        let remedy = Some("ask for `matched` or more, or take `subject` out");
        return top.file.error(yaml.at, ProblemKind::Rule, message, remedy);
    }
    Some(strength)
}

/// A sentence for people, if there is one.
pub(super) fn sentence(top: &Section<'_>, key: &str, names: &Names) -> Option<Option<Prose>> {
    match top.get(key) {
        None => Some(None),
        Some(yaml) => super::templates::prose(top.file, yaml, names).map(Some),
    }
}

/// Each `obtain` names a read of the pack and a fact of the right type in it.
pub(super) fn obtains(file: &File, arguments: &Arguments, context: &Context<'_>) {
    for obtained in &arguments.obtained {
        let Some(face) = context.read(file, obtained.at, &obtained.obtain.tool) else { continue };
        let Obtained { at, obtain, kind } = obtained;
        let steps = Step::parse(&obtain.at).unwrap_or_default();
        match (face.output.kind_at(&steps), face.output.label_at(&steps)) {
            (Some(found), Some(Label::Fact)) => fits(file, obtained, &found, kind),
            (_, Some(Label::Text)) => {
                let message = format!("`{}` is text of {}, not a fact", obtain.at, obtain.tool);
                file.error::<()>(*at, ProblemKind::Rule, message, None);
            }
            _ => nowhere(file, obtained, &obtain.at),
        }
        if let Some(choose_by) = &obtain.choose_by {
            let steps = Step::parse(choose_by).unwrap_or_default();
            if face.output.label_at(&steps).is_none() {
                nowhere(file, obtained, choose_by);
            }
        }
    }
}

fn nowhere(file: &File, obtained: &Obtained, pointer: &str) {
    let message = format!("`{pointer}` leads to no field of {}", obtained.obtain.tool);
    let remedy = Some("write for example /orders/*/id, with * for each element of a list");
    file.error::<()>(obtained.at, ProblemKind::UnknownReference, message, remedy);
}

fn fits(file: &File, obtained: &Obtained, found: &Type, wanted: &Type) {
    let same = match (found.present(), wanted) {
        (Type::Str(_), Type::Str(_)) => true,
        (found, wanted) => found == wanted,
    };
    if !same {
        let message = format!("the argument is {wanted}, and `{}` is {found}", obtained.obtain.at);
        file.error::<()>(obtained.at, ProblemKind::WrongType, message, None);
    }
}
