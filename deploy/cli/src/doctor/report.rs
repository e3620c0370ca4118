//! Findings, in the order they were made.

use std::io::{self, Write};

use crate::text::{printable, wrap};

/// Characters of a line.
const WIDTH: usize = 88;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

/// One thing that is right, doubtful or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) grade: Grade,
    /// The setting or the file.
    pub(super) place: String,
    pub(super) what: String,
    /// Empty where `what` says it already.
    pub(super) remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Good,
    Warning,
    Error,
}

impl Report {
    pub(super) fn good(&mut self, place: &str, what: impl Into<String>) {
        self.add(Grade::Good, place, what.into(), "");
    }

    pub(super) fn warn(&mut self, place: &str, what: impl Into<String>, remedy: &str) {
        self.add(Grade::Warning, place, what.into(), remedy);
    }

    pub(super) fn wrong(&mut self, place: &str, what: impl Into<String>, remedy: &str) {
        self.add(Grade::Error, place, what.into(), remedy);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.count(Grade::Error) > 0
    }

    fn add(&mut self, grade: Grade, place: &str, what: String, remedy: &str) {
        let finding = Finding { grade, place: place.to_owned(), what, remedy: remedy.to_owned() };
        self.findings.push(finding);
    }

    fn count(&self, grade: Grade) -> usize {
        self.findings.iter().filter(|finding| finding.grade == grade).count()
    }

    pub(super) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for finding in &self.findings {
            let grade = match finding.grade {
                Grade::Good => "ok",
                Grade::Warning => "warning",
                Grade::Error => "ERROR",
            };
            writeln!(out, "{grade:<8} {}", finding.place)?;
            for line in wrap(&printable(&finding.what), WIDTH) {
                writeln!(out, "         {line}")?;
            }
            if !finding.remedy.is_empty() {
                writeln!(out, "         -> {}", finding.remedy)?;
            }
        }
        let (errors, warnings) = (self.count(Grade::Error), self.count(Grade::Warning));
        writeln!(out, "{}, {}.", counted(errors, "error"), counted(warnings, "warning"))
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_error_names_place_and_remedy_and_decides_the_end() {
        let mut report = Report::default();
        report.good("packs", "1 pack");
        report.warn("egress", "plain http", "use https");
        assert!(!report.has_errors());
        report.wrong("tls.cert", "no such file", "issue one");
        assert!(report.has_errors());
        let mut out = Vec::new();
        report.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("ERROR    tls.cert\n         no such file\n         -> issue one"),
            "{text}"
        );
        assert!(text.ends_with("1 error, 1 warning.\n"), "{text}");
    }
}
