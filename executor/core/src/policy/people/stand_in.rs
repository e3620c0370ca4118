//! Nobody stands in for somebody who stands in: chains would hide who decides. Nor does an
//! auditor for one who decides, or the other way round.

use super::{AUDITOR, Absence, People, Person};
use crate::contract::load::file::File;
use crate::contract::load::yaml::Place;
use crate::contract::problem::ProblemKind;

/// An absence, with its place in the file.
pub(super) struct Placed {
    pub(super) person: String,
    pub(super) number: usize,
    pub(super) at: Place,
}

/// Notes every delegation that does not hold.
pub(super) fn check(file: &File, people: &People, placed: &[Placed]) {
    for Placed { person, number, at } in placed {
        let Some(person) = people.get(person) else { continue };
        let Some(away) = person.absent.get(*number) else { continue };
        if let Some((problem, remedy)) = problem(people, person, away, *number) {
            file.error::<()>(*at, ProblemKind::Rule, problem, Some(remedy));
        }
    }
}

fn problem(
    people: &People,
    person: &Person,
    away: &Absence,
    number: usize,
) -> Option<(String, &'static str)> {
    let delegate = &away.delegate;
    if away.from > away.to {
        return Some(("the absence ends before it begins".to_owned(), "swap `from` and `to`"));
    }
    if *delegate == person.id {
        let message = format!("`{delegate}` cannot stand in for themself");
        return Some((message, "name somebody else"));
    }
    let overlap = |other: &Absence| other.from <= away.to && away.from <= other.to;
    if person.absent.iter().skip(number + 1).any(overlap) {
        let message = format!("two absences of `{}` overlap", person.id);
        return Some((message, "make one of them, or part the days"));
    }
    let Some(other) = people.get(delegate) else {
        let message = format!("there is no person `{delegate}`");
        return Some((message, "`delegate` is the `id` of somebody in this file"));
    };
    let audits = |one: &Person| one.roles.contains(AUDITOR);
    if audits(person) != audits(other) {
        let message = format!("of `{}` and `{delegate}` only one audits", person.id);
        return Some((message, "an auditor changes nothing: auditors stand in for auditors only"));
    }
    other.absent.iter().any(overlap).then(|| {
        let message = format!("`{delegate}` is away too in those days");
        (message, "name somebody who is there: nobody stands in for a stand-in")
    })
}
