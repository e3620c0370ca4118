//! How the effect of a write may be found again: which read shows it, which
//! element is ours, what must be true of it.

use super::argument::Argument;
use super::naming::{Means, means};
use super::operation::{Operation, Segment};
use super::output::{Field, What};
use super::read::Read;
use crate::contracts::new::page::{Page, quoted, scalar, singular, snake, verbatim};

/// The read that shows the effect.
#[derive(Debug, Clone)]
pub(super) struct Look<'r> {
    pub(super) read: &'r Read<'r>,
    /// Its arguments, as templates.
    with: Vec<(String, String)>,
    /// It needs the answer's id, so a lost reply cannot be looked after.
    needs_answer: bool,
}

/// What is known of a write when its verification is drafted.
pub(super) struct Known<'a> {
    pub(super) arguments: &'a [Argument],
    /// The body's member that holds the marker.
    pub(super) marker: Option<&'a str>,
    pub(super) ids: Ids,

    pub(super) moves_money: bool,
}

/// Which ids of the object itself are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    /// The answer's is kept.
    pub(super) answer_id: bool,
    /// It is our key.
    pub(super) keyed_id: bool,
}

/// The read that shows the effect of a write, if one does.
pub(super) fn look<'r>(
    operation: &Operation<'_>,
    reads: &'r [Read<'r>],
    arguments: &[Argument],
    has: Ids,
) -> Option<Look<'r>> {
    let same = |path: &[Segment]| {
        reads.iter().filter(move |r| alike(&r.operation.path, path)).collect::<Vec<_>>()
    };
    let parent = operation.path.split_last().filter(|(last, _)| last.fixed().is_some());
    let parent = parent
        .map(|(_, parent)| parent)
        .filter(|p| matches!(p.last(), Some(Segment::Given { .. })));
    let word = operation.last_word();
    let lists = reads.iter().filter(|r| r.list().is_some() && r.operation.last_word() == word);
    let one = |read: &&Read<'_>| {
        let path = read.operation.path.split_last();
        path.is_some_and(|(last, rest)| last.fixed().is_none() && alike(rest, &operation.path))
    };
    let candidates = same(&operation.path)
        .into_iter()
        .chain(parent.map(same).unwrap_or_default())
        .chain(lists)
        .chain(reads.iter().filter(one));
    candidates.into_iter().find_map(|read| filled(read, arguments, has))
}

/// Whether two paths lead to the same place, whatever parameters are called.
fn alike(a: &[Segment], b: &[Segment]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.fixed() == b.fixed())
}

fn filled<'r>(read: &'r Read<'r>, arguments: &[Argument], has: Ids) -> Option<Look<'r>> {
    let mut needs_answer = false;
    let own = format!("{}_id", read.stem());
    let with = read.needs().map(|need| {
        let known = arguments.iter().any(|a| a.required && a.name == need);
        if known {
            return Some((need.to_owned(), format!("=args.{need}")));
        }
        if need == own && has.keyed_id {
            return Some((need.to_owned(), "=key".to_owned()));
        }
        let answered = has.answer_id && need == own && read.list().is_none();
        needs_answer |= answered;
        answered.then(|| (need.to_owned(), "=has(response.id) ? response.id : \"\"".to_owned()))
    });
    let with = with.collect::<Option<Vec<_>>>()?;
    Some(Look { read, with, needs_answer })
}

/// The reads that show the state of the objects that a write names.
pub(super) fn fresh<'r>(
    reads: &'r [Read<'r>],
    arguments: &[Argument],
) -> Vec<(String, &'r Read<'r>)> {
    let mut found: Vec<(String, &Read<'_>)> = Vec::new();
    for argument in arguments.iter().filter(|a| a.required) {
        let Some(stem) = argument.object() else { continue };
        let known = |need: &str| arguments.iter().any(|a| a.required && a.name == need);
        let shows = |read: &&Read<'_>| {
            read.list().is_none()
                && read.operation.is_one()
                && read.stem() == stem
                && read.needs().all(known)
        };
        if let Some(read) = reads.iter().find(shows)
            && !found.iter().any(|(name, _)| *name == stem)
        {
            found.push((stem, read));
        }
    }
    found
}

impl Look<'_> {
    /// The field of what is looked at that shows a text of the body.
    pub(super) fn shows(&self, member: &str) -> bool {
        let text = |f: &Field| matches!(f.what, What::Text(_) | What::Id(_));
        self.read.result().iter().any(|f| f.name == member && text(f))
    }
}

/// Writes `verify`.
pub(super) fn write(page: &mut Page, look: Option<&Look<'_>>, known: &Known<'_>) {
    page.below("verify:", |page| {
        match look {
            Some(look) => looked(page, look, known),
            None => {
                page.decide("no read shows the effect. Write one, then: look: { tool: PACK.READ, with: { … } }, find: { ours: … } and that: …");
            }
        }
        page.line("every: 2s");
        page.marked("within: 2m", "how long may it take until it is finished?");
    });
}

fn looked(page: &mut Page, look: &Look<'_>, known: &Known<'_>) {
    if look.needs_answer {
        page.decide("it needs the id of the answer, so a lost reply cannot be looked after. Is there a list to look into?");
    }
    let with: Vec<_> =
        look.with.iter().map(|(name, value)| format!("{name}: {}", scalar(value))).collect();
    page.line(format!("look: {{ tool: {}, with: {{ {} }} }}", look.read.tool, with.join(", ")));
    find(page, look, known);
    for (key, wanted) in [("pending", Means::Pending), ("failed", Means::Failed)] {
        let rule = statuses(look, wanted);
        if !rule.is_empty() {
            page.line(format!("{key}: {}", verbatim(&rule.join(" || "))));
        }
    }
    that(page, look, known);
}

fn find(page: &mut Page, look: &Look<'_>, known: &Known<'_>) {
    let fields = look.read.result();
    let stem = Some(look.read.stem());
    let given = known.arguments.iter().find(|a| a.required && a.object() == stem);
    let own = fields.iter().find(|f| match given.filter(|given| given.is_own_name()) {
        Some(given) => f.name == given.name && given.compares(&f.what),
        None => matches!(f.what, What::Id(_)) && is_own_id(f, look),
    });
    let mut ours = Vec::new();
    ours.extend(known.marker.map(|marker| format!("found.{marker} == marker")));
    if let Some(own) = own {
        if known.ids.keyed_id {
            ours.push(format!("found.{} == key", own.name));
        } else if known.ids.answer_id && given.is_none() {
            ours.push(format!("found.{} == response.id", own.name));
        } else if let (Some(given), true) = (given, ours.is_empty()) {
            ours.push(format!("found.{} == args.{}", own.name, given.name));
        }
    }
    let list = look.read.list().map(|(list, _)| format!("in: looked.{list}, as: found, "));
    let (line, decide) = match ours.is_empty() {
        false => (
            format!(
                "find: {{ {}ours: {} }}",
                list.unwrap_or_default(),
                verbatim(&ours.join(" || "))
            ),
            "is it ours and nobody else's? An id of our own answer or a marker says so",
        ),
        true => (
            format!("find: {{ {} }}", list.unwrap_or_default().trim_end_matches(", ")),
            "add ours: …, which tells our own effect from everybody else's",
        ),
    };
    page.marked(line, decide);
}

fn is_own_id(field: &Field, look: &Look<'_>) -> bool {
    field.name == "id" || snake(&field.name) == format!("{}_id", singular(&look.read.stem()))
}

/// Comparisons of a status with each of its words of one meaning.
fn statuses(look: &Look<'_>, wanted: Means) -> Vec<String> {
    let each = look.read.result().iter().flat_map(|field| {
        let values = if let What::OneOf(values) = &field.what { values.as_slice() } else { &[] };
        let telling = values.iter().filter(|value| means(value) == Some(wanted));
        telling
            .map(|value| format!("found.{} == {}", field.name, quoted(value)))
            .collect::<Vec<_>>()
    });
    each.collect()
}

fn that(page: &mut Page, look: &Look<'_>, known: &Known<'_>) {
    let mut rules = Vec::new();
    let done = statuses(look, Means::Done);
    match done.as_slice() {
        [] => {}
        [one] => rules.push(one.clone()),
        several => rules.push(format!("({})", several.join(" || "))),
    }
    for field in look.read.result() {
        let money = matches!(field.what, What::Money { .. });
        if money && known.moves_money && field.name.contains("amount") {
            rules.push(format!("found.{} == money", field.name));
        }
        // What it was found by is there whether anything was done to it or not.
        let telling = |a: &&Argument| a.required && a.object().as_ref() != Some(&look.read.stem());
        let same = known.arguments.iter().filter(telling).find(|a| a.name == field.name);
        if same.is_some_and(|argument| argument.compares(&field.what)) {
            rules.push(format!("found.{0} == args.{0}", field.name));
        }
    }
    if rules.is_empty() {
        page.decide("add that: …, which is true where the effect is what was asked for");
    } else {
        page.marked(
            format!("that: {}", verbatim(&rules.join(" && "))),
            "is that all that was asked for?",
        );
    }
}
