//! What is wrong with a pack's files.

use std::fmt;

use serde::Serialize;

/// One problem, at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path of the file inside the pack.
    pub file: String,
    /// Line, from 1; 0 where the problem is the whole file.
    pub line: usize,
    /// Column in characters, from 1; 0 where the problem is the whole file.
    pub column: usize,
    /// Whether the pack loads nevertheless.
    pub severity: Severity,
    /// What sort of problem.
    pub kind: ProblemKind,
    /// One sentence.
    pub message: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The pack does not load.
    Error,
    /// The pack loads; somebody should look.
    Warning,
}

/// The sorts of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Not YAML, or no expression.
    Syntax,
    /// A key that the format does not have.
    UnknownKey,
    /// A part that must be there.
    Missing,
    /// A value that the key does not take.
    WrongValue,
    /// An expression uses a name that is not there.
    UnknownName,
    /// An expression uses a function that is not there.
    UnknownFunction,
    /// An expression's type does not fit.
    WrongType,
    /// An expression uses what may be absent.
    MayBeAbsent,
    /// A tool, document or code that does not exist.
    UnknownReference,
    /// A named rule is not upheld.
    Rule,
    /// No recorded probe of the backend.
    Unprobed,
    /// A draft's question that nobody has answered.
    Undecided,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.message)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, " ({remedy})"))
    }
}
