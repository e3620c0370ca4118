//! Why an answer does not have its shape.

use std::fmt;

/// What is wrong with an answer, all of it (at most 20 fields are named).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectError {
    /// Field by field; never empty.
    pub problems: Vec<FieldProblem>,
}

/// One field that is not as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// Field of the output, list steps left out: `["orders", "id"]`.
    pub field: Vec<String>,
    /// Where in the answer, as a JSON Pointer.
    pub at: String,
    /// Whether it is inside an element of a list.
    pub in_element: bool,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a field. Says nothing of its content: answers hold
/// personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Absent or null, and not optional.
    Missing,
    /// Not of its closed type, which this names.
    NotA(&'static str),
    /// Does not match its pattern.
    Pattern,
    /// None of the declared values.
    Unexpected,
    /// Longer than declared.
    TooLong {
        /// Elements there are.
        length: usize,
        /// Elements allowed.
        max: usize,
    },
}

impl ProjectError {
    /// Whether the answer lacks the field at `path` of the output, or something
    /// above it: what the `empty` rule of a read asks. What is there and has a gap
    /// inside is malformed, and not empty.
    #[must_use]
    pub fn lacks(&self, path: &[String]) -> bool {
        self.problems
            .iter()
            .filter(|p| p.why == Why::Missing && !p.in_element)
            .any(|p| path.starts_with(&p.field))
    }
}

impl std::error::Error for ProjectError {}

impl fmt::Display for ProjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            let comma = if n == 0 { "" } else { "; " };
            write!(f, "{comma}`{}` at {} {}", problem.field.join("."), problem.at, problem.why)?;
        }
        Ok(())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::NotA(kind) => write!(f, "is not {kind}"),
            Self::Pattern => f.write_str("does not match its pattern"),
            Self::Unexpected => f.write_str("is none of the declared values"),
            Self::TooLong { length, max } => write!(f, "has {length} elements, more than {max}"),
        }
    }
}
