//! Parses and validates the policies, noting every problem at its place.

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;

use super::{Names, Rules, SCHEMA, Sorted};
use crate::contract::Catalog;
use crate::contract::load::file::File;
use crate::contract::load::yaml::Place;
use crate::contract::problem::{ProblemKind, Severity};
use crate::nearest::nearest;

const WHOLE: Place = Place { line: 0, column: 0 };

/// The policies; `None` where something is wrong, which is noted. With a catalog,
/// tools and packs that are not in it are noted too.
pub(in crate::policy) fn read(file: &File, text: &str, catalog: Option<&Catalog>) -> Option<Rules> {
    let note = |error: &dyn Diagnostic, kind| wrong(file, text, Severity::Error, kind, error);
    let parsed: PolicySet = match text.parse::<PolicySet>() {
        Ok(parsed) => parsed,
        Err(errors) => {
            errors.iter().for_each(|error| note(error, ProblemKind::Syntax));
            return None;
        }
    };
    let policies = named(file, text, &parsed)?;
    // The schema is our own, and a test loads it.
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
        .map_err(|error| note(&error, ProblemKind::Syntax))
        .ok()?;
    let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
    for error in once_per_place(result.validation_errors()) {
        note(error, ProblemKind::WrongType);
    }
    for warning in result.validation_warnings() {
        wrong(file, text, Severity::Warning, ProblemKind::Rule, warning);
    }
    if let Some(catalog) = catalog {
        policies.policies().for_each(|policy| known(file, text, policy, catalog));
    }
    let names = Names::new().map_err(|error| note(&error, ProblemKind::Syntax)).ok()?;
    if !result.validation_passed() {
        return None;
    }
    match Sorted::new(&policies, &names) {
        Ok(policies) => Some(Rules { policies, names }),
        Err(error) => file.error(WHOLE, ProblemKind::Syntax, error, None),
    }
}

/// Each policy under its `@id`: what refusals and receipts name.
fn named(file: &File, text: &str, parsed: &PolicySet) -> Option<PolicySet> {
    let mut ids = BTreeSet::new();
    let mut named = PolicySet::new();
    let mut good = parsed.num_of_templates() == 0;
    if !good {
        let message = "templates such as `?principal` are not used here";
        file.error::<()>(WHOLE, ProblemKind::WrongValue, message, Some("write a whole policy"));
    }
    for policy in parsed.policies() {
        let id = policy.annotation("id").filter(|id| !id.is_empty());
        let problem = match id {
            None => "a policy has no @id".to_owned(),
            Some(id) if !ids.insert(id.to_owned()) => format!("two policies have @id(\"{id}\")"),
            Some(id) => {
                good &= named.add(policy.new_id(PolicyId::new(id))).is_ok();
                continue;
            }
        };
        good = false;
        let remedy = Some("write @id(\"what-it-is-for\") above it, each another");
        file.error::<()>(place_of(text, policy), ProblemKind::Missing, problem, remedy);
    }
    good.then_some(named)
}

/// Tools and packs that a policy names and nobody has: a slip there permits or
/// forbids nothing.
fn known(file: &File, text: &str, policy: &Policy, catalog: &Catalog) {
    let tools = || catalog.tools.keys().map(String::as_str);
    let packs = || catalog.packs.keys().map(String::as_str);
    for literal in policy.entity_literals() {
        let id = literal.id().unescaped();
        let near = match literal.type_name().basename() {
            "Tool" if !catalog.tools.contains_key(id) => nearest(id, tools()),
            "Pack" if !catalog.packs.contains_key(id) => nearest(id, packs()),
            _ => continue,
        };
        unknown(file, place_of(text, policy), &literal, near);
    }
}

fn unknown(file: &File, at: Place, literal: &EntityUid, near: Option<&str>) {
    let message = format!("no loaded pack has {literal}");
    let remedy = near.map(|near| format!("did you mean `{near}`?"));
    let kind = ProblemKind::UnknownReference;
    file.note(at, Severity::Warning, kind, message, remedy.as_deref());
}

/// Cedar repeats an error for each action that a policy speaks of.
fn once_per_place<'e, E: Diagnostic + 'e>(
    errors: impl Iterator<Item = &'e E>,
) -> impl Iterator<Item = &'e E> {
    let mut seen = BTreeSet::new();
    errors.filter(move |error| offset(*error).is_none_or(|offset| seen.insert(offset)))
}

fn wrong(file: &File, text: &str, severity: Severity, kind: ProblemKind, error: &dyn Diagnostic) {
    let at = offset(error).map_or(WHOLE, |offset| place(text, offset));
    let remedy = error.help().map(|help| help.to_string());
    file.note(at, severity, kind, error, remedy.as_deref());
}

/// Where an error points to, in bytes.
fn offset(error: &dyn Diagnostic) -> Option<usize> {
    error.labels()?.next().map(|label| label.offset())
}

/// Where a policy stands: at its `@id`, or at its first word.
fn place_of(text: &str, policy: &Policy) -> Place {
    let own = policy.to_string();
    text.find(&own).map_or(WHOLE, |offset| place(text, offset))
}

/// Line and column of a byte.
fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line, column }
}
