//! `subject`: exactly `PATH == subject.CLAIM` (SUBJECT OWNS IT).

use super::context::Context;
use super::file::File;
use super::yaml::Yaml;
use crate::contract::SubjectRule;
use crate::contract::problem::ProblemKind;
use crate::expr::{Names, Type};
use crate::nearest::nearest;

/// Where the owner stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// In what a write's fresh reads found: below `state`.
    Fresh,
    /// In a read's own output.
    Output,
}

/// Reads the rule; its path starts at one of `names`.
pub(super) fn rule(
    file: &File,
    yaml: &Yaml,
    context: &Context<'_>,
    names: &Names,
    from: Owner,
) -> Option<SubjectRule> {
    let source = file.text(yaml)?;
    let form = || {
        let message = "the rule is exactly PATH == subject.CLAIM";
        let remedy = Some("write for example state.order.customer_id == subject.customer_id");
        file.error(yaml.at, ProblemKind::Rule, message, remedy)
    };
    let Some((path, claim)) = source.split_once("==") else { return form() };
    let Some(claim) = claim.trim().strip_prefix("subject.") else { return form() };
    let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word(claim) || !path.iter().all(|step| word(step)) {
        return form();
    }
    if from == Owner::Fresh && path.first().is_none_or(|root| root != "state") {
        let message = "the owner is read from the backend: the path begins with `state`";
        return file.error(yaml.at, ProblemKind::Rule, message, None);
    }
    if claim != "id" && !context.pack.subject_claims.contains(claim) {
        let known = context.pack.subject_claims.iter().map(String::as_str).chain(["id"]);
        let remedy = nearest(claim, known).map_or_else(
            || "list it under `subject` in connector.yaml".to_owned(),
            |near| format!("did you mean `subject.{near}`?"),
        );
        let message = format!("`subject.{claim}` is not a claim of this pack");
        return file.error(yaml.at, ProblemKind::UnknownName, message, Some(&remedy));
    }
    let broken =
        (1..=path.len()).any(|n| path.get(..n).is_some_and(|start| names.is_broken(start)));
    if broken {
        return None;
    }
    owner(file, yaml, &path, names)?;
    Some(SubjectRule { path, claim: claim.to_owned() })
}

/// The path must lead to a fact; it may cross lists.
fn owner(file: &File, yaml: &Yaml, path: &[String], names: &Names) -> Option<()> {
    let (root, steps) = path.split_first()?;
    let Some(mut kind) = names.kind(root) else {
        let message = format!("`{root}` is not known here");
        return file.error(yaml.at, ProblemKind::UnknownName, message, None);
    };
    for step in steps {
        while let Type::List(element) = kind.present() {
            kind = element;
        }
        let fields = if let Type::Object(fields) = kind.present() { Some(fields) } else { None };
        let Some(next) = fields.and_then(|fields| fields.get(step)) else {
            let message = format!("`{}` has no `{step}`", path.join("."));
            return file.error(yaml.at, ProblemKind::UnknownName, message, None);
        };
        kind = next;
    }
    if kind.is_free_text() {
        let message = "an owner is a fact, and this is text that somebody wrote";
        return file.error(yaml.at, ProblemKind::Rule, message, Some("declare it as `fact: id`"));
    }
    if matches!(kind.present(), Type::Str(_)) {
        return Some(());
    }
    let message = format!("an owner is an id, and this is {}", kind.present());
    file.error(yaml.at, ProblemKind::WrongType, message, None)
}
