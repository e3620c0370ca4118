//! A file of a pack while it is read: its problems, and where things stand in it.

use std::cell::RefCell;
use std::fmt::Display;

use super::yaml::{Kind, Place, Yaml};
use crate::contract::problem::{Problem, ProblemKind, Severity};
use crate::expr::{Fault, FaultKind};

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    path: String,
    lines: Vec<Vec<char>>,
    problems: RefCell<Vec<Problem>>,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            lines: text.split('\n').map(|line| line.chars().collect()).collect(),
            problems: RefCell::default(),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Notes an error. Always `None`, so that a reader can end with it.
    pub(crate) fn error<T>(
        &self,
        at: Place,
        kind: ProblemKind,
        message: impl Display,
        remedy: Option<&str>,
    ) -> Option<T> {
        self.note(at, Severity::Error, kind, message, remedy);
        None
    }

    pub(crate) fn note(
        &self,
        at: Place,
        severity: Severity,
        kind: ProblemKind,
        message: impl Display,
        remedy: Option<&str>,
    ) {
        self.problems.borrow_mut().push(Problem {
            file: self.path.clone(),
            line: at.line,
            column: at.column,
            severity,
            kind,
            message: message.to_string(),
            remedy: remedy.map(str::to_owned),
        });
    }

    /// Notes the faults of an expression that starts `skip` characters into a scalar.
    pub(crate) fn faults(&self, scalar: &Yaml, skip: usize, faults: Vec<Fault>) {
        for fault in faults {
            let at = self.inside(scalar, skip + fault.offset);
            let kind = match fault.kind {
                FaultKind::Syntax => ProblemKind::Syntax,
                FaultKind::UnknownName => ProblemKind::UnknownName,
                FaultKind::UnknownFunction => ProblemKind::UnknownFunction,
                FaultKind::WrongType => ProblemKind::WrongType,
                FaultKind::MayBeAbsent => ProblemKind::MayBeAbsent,
            };
            self.error::<()>(at, kind, fault.message, fault.remedy.as_deref());
        }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// The place of the `offset`th character of a scalar's text; the scalar's own
    /// place where its source cannot be followed.
    fn inside(&self, scalar: &Yaml, offset: usize) -> Place {
        let Kind::Text(text) = &scalar.kind else { return scalar.at };
        let mut source = Source { file: self, at: scalar.at };
        source.open(text).and_then(|style| source.skip(text, offset, style)).unwrap_or(scalar.at)
    }

    fn char_at(&self, at: Place) -> Option<char> {
        let line = self.lines.get(at.line.checked_sub(1)?)?;
        let column = at.column.checked_sub(1)?;
        match line.get(column) {
            Some(c) => Some(*c),
            None => (column == line.len() && at.line < self.lines.len()).then_some('\n'),
        }
    }
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
}

/// Follows a scalar's text through its source.
struct Source<'f> {
    file: &'f File,
    at: Place,
}

impl Source<'_> {
    fn open(&mut self, text: &str) -> Option<Style> {
        let quote = self.file.char_at(self.at)?;
        let next = self.file.char_at(Place { column: self.at.column + 1, ..self.at });
        // The text of a block may itself begin with a quote.
        let own = text.starts_with(quote)
            && !matches!((quote, next), ('"', Some('\\')) | ('\'', Some('\'')));
        match quote {
            '"' | '\'' if own => Some(Style::Plain),
            '\'' => {
                self.at.column += 1;
                Some(Style::Single)
            }
            '"' => {
                self.at.column += 1;
                Some(Style::Double)
            }
            _ => Some(Style::Plain),
        }
    }

    fn skip(&mut self, text: &str, offset: usize, style: Style) -> Option<Place> {
        for wanted in text.chars().take(offset) {
            let found = self.file.char_at(self.at)?;
            match (style, found) {
                (_, '\n') if matches!(wanted, ' ' | '\n') => {
                    self.at = Place { line: self.at.line + 1, column: 1 };
                    self.blank();
                }
                (Style::Double, '\\') => self.at.column += self.escape()?,
                (Style::Single, '\'') => self.at.column += 2,
                (_, found) if found == wanted => self.at.column += 1,
                _ => return None,
            }
        }
        // A place at a line's end belongs to what follows.
        if self.file.char_at(self.at) == Some('\n') && offset < text.chars().count() {
            self.at = Place { line: self.at.line + 1, column: 1 };
            self.blank();
        }
        Some(self.at)
    }

    fn blank(&mut self) {
        while matches!(self.file.char_at(self.at), Some(' ' | '\t')) {
            self.at.column += 1;
        }
    }

    fn escape(&self) -> Option<usize> {
        let next = Place { column: self.at.column + 1, ..self.at };
        Some(match self.file.char_at(next)? {
            'x' => 4,
            'u' => 6,
            'U' => 10,
            '\n' => return None,
            _ => 2,
        })
    }
}
