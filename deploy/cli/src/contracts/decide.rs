//! What a draft leaves for a person to decide: marked in its files by `new`, told by `check` until
//! the mark is gone.

use std::collections::BTreeMap;

use countersign_core::contract::problem::{Problem, ProblemKind, Severity};

/// What a person has to decide is marked with this.
pub(super) const DECIDE: &str = "# DECIDE: ";

/// One mark.
pub(super) struct Decision<'f> {
    pub(super) file: &'f str,
    /// From 1.
    pub(super) line: usize,
    /// In characters, from 1.
    column: usize,
    pub(super) what: &'f str,
}

/// Every mark, in the order of the files.
pub(super) fn decisions(files: &BTreeMap<String, String>) -> Vec<Decision<'_>> {
    let each = files.iter().flat_map(|(file, text)| {
        text.lines().enumerate().filter_map(move |(number, line)| {
            let (before, what) = line.split_once(DECIDE)?;
            let (line, column) = (number + 1, before.chars().count() + 1);
            Some(Decision { file, line, column, what: what.trim() })
        })
    });
    each.collect()
}

/// The marks as warnings: a draft loads with them, and they are still questions.
pub(super) fn problems(files: &BTreeMap<String, String>) -> impl Iterator<Item = Problem> {
    decisions(files).into_iter().map(|Decision { file, line, column, what }| Problem {
        file: file.to_owned(),
        line,
        column,
        severity: Severity::Warning,
        kind: ProblemKind::Undecided,
        message: what.to_owned(),
        remedy: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_mark_is_found_with_line_and_column_until_it_is_gone() {
        let files = |text: &str| BTreeMap::from([("connector.yaml".to_owned(), text.to_owned())]);
        let marked = files("a: 1\nsummary: Größe  # DECIDE: what is it?\n  # DECIDE: and why?\n");
        let found: Vec<_> = problems(&marked).map(|p| (p.line, p.column, p.message)).collect();
        assert_eq!(found, [(2, 17, "what is it?".to_owned()), (3, 3, "and why?".to_owned())]);
        assert_eq!(problems(&files("summary: Größe  # decided\n")).count(), 0);
    }
}
