//! `verify`: how our own effect is found and judged.

use std::time::Duration;

use super::context::Context;
use super::section::Section;
use super::templates::{expression, typed};
use super::with::{Given, given};
use super::yaml::Yaml;
use crate::contract::Verify;
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::expr::{Expr, Names, Type};

/// Longest poll budget.
const MAX_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Reads `verify`; `names` are those of `do` and of its answer. Yields the names
/// after it too: `looked` and `found`.
pub(super) fn verify(
    top: &Section<'_>,
    context: &Context<'_>,
    names: Names,
) -> (Option<Verify>, Names) {
    let section = top.need("verify").and_then(|yaml| Section::open(top.file, yaml, keys::VERIFY));
    let Some(section) = section else { return (None, names.broken(["looked"]).broken(["found"])) };
    let look = section
        .need("look")
        .and_then(|yaml| Section::open(top.file, yaml, keys::LOOK))
        .and_then(|look| given(&look, context, &names));
    let face = look.as_ref().and_then(|look| look.face);
    let names = match face {
        Some(face) => names.with("looked", face.output.kind()),
        None => names.broken(["looked"]),
    };
    let (find_in, names) = found(&section, names);
    (judged(&section, look, find_in, &names), names)
}

fn judged(
    section: &Section<'_>,
    look: Option<Given<'_>>,
    find_in: Option<Option<Expr>>,
    names: &Names,
) -> Option<Verify> {
    let file = section.file;
    let every = budget(section, "every");
    let within = budget(section, "within");
    let test = |yaml: &Yaml| typed(file, yaml, names, &Type::Bool);
    let ours = section
        .get("find")
        .and_then(|yaml| Section::within(file, yaml))
        .and_then(|find| find.need("ours").and_then(test));
    let pending = section.get("pending").map(test);
    let failed = section.get("failed").map(test);
    let that = section.need("that").and_then(test);
    let human = section.get("human").map(|yaml| typed(file, yaml, &by_hand(names), &Type::Bool));
    let (every, within) = (every?, within?);
    if every.is_zero() || every > within || within > MAX_WITHIN {
        let message = "`every` is above 0 and at most `within`, which is at most 24h";
        file.error::<()>(section.at, ProblemKind::WrongValue, message, None);
    }
    let look = look?;
    Some(Verify {
        look: look.tool,
        with: look.with,
        find_in: find_in?,
        ours: ours?,
        pending: pending.map_or(Some(None), |test| test.map(Some))?,
        failed: failed.map_or(Some(None), |test| test.map(Some))?,
        that: that?,
        human: human.map_or(Some(None), |test| test.map(Some))?,
        every,
        within,
    })
}

/// What a person does in the backend's own pages bears no mark of ours.
fn by_hand(names: &Names) -> Names {
    let why = "a person's work bears no mark of ours";
    ["marker", "key", "response", "found"]
        .into_iter()
        .fold(names.clone(), |names, name| names.without(name, why))
}

fn budget(section: &Section<'_>, key: &str) -> Option<Duration> {
    section.need(key).and_then(|_| section.duration(key))
}

/// `find`: the list that our effect is in, and `found`: an element of it, or the
/// whole that was looked at.
fn found(section: &Section<'_>, names: Names) -> (Option<Option<Expr>>, Names) {
    let file = section.file;
    let list = section.need("find").and_then(|yaml| {
        let find = Section::open(file, yaml, keys::FIND)?;
        if let Some(name) = find.get("as") {
            file.choice(name, &[("found", ())])?;
        }
        match find.get("in") {
            None => Some((None, names.kind("looked").cloned()?)),
            Some(yaml) => listed(section, yaml, &names).map(|(list, of)| (Some(list), of)),
        }
    });
    match list {
        Some((list, kind)) => (Some(list), names.with("found", kind)),
        None => (None, names.broken(["found"])),
    }
}

fn listed(section: &Section<'_>, yaml: &Yaml, names: &Names) -> Option<(Expr, Type)> {
    let list = expression(section.file, yaml, names)?;
    let Type::List(element) = list.kind().clone() else {
        let message = format!("expected a list, found {}", list.kind());
        return section.file.error(yaml.at, ProblemKind::WrongType, message, None);
    };
    Some((list, *element))
}
