//! The rules language of contracts: CEL's syntax, a typed subset of its meaning.
//!
//! ```text
//! source --Expr::parse(names)--> checked tree --eval(scope)--> Value
//! ```
//!
//! What passes `parse` cannot meet a wrong type at `eval`, as long as the scope
//! holds values of the declared types. What may still fail (an index out of
//! range, two currencies, a number too large) is an [`EvalError`]; whoever
//! evaluates a rule refuses then (ERRORS REFUSE). There are no floats, no clock
//! and no unbounded work: lists hold at most [`MAX_LIST`] elements and one
//! evaluation at most [`MAX_STEPS`] steps.

mod check;
mod error;
mod eval;
mod flow;
mod functions;
mod names;
mod node;
mod prose;
mod scope;
mod syntax;
mod template;
mod token;
mod types;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use error::{EvalError, Fault, FaultKind};
pub(crate) use functions::duration;
pub use names::Names;
pub use prose::Prose;
pub use scope::Scope;
pub use template::Template;
pub use types::{Text, Type};

use crate::shown::Place;
use crate::value::Value;

/// Longest source of one expression, in bytes.
pub const MAX_SOURCE: usize = 4096;
/// Longest list that an expression walks over.
pub const MAX_LIST: usize = 250;
/// Most steps of one evaluation.
pub const MAX_STEPS: u64 = 1_000_000;
/// Longest string that an expression makes, in bytes.
pub const MAX_TEXT: usize = 65_536;

/// A path of names from the scope's root; list steps are left out:
/// `["state", "order", "lines", "id"]`.
pub type Path = Vec<String>;

/// A checked expression.
#[derive(Debug, Clone)]
pub struct Expr {
    written: Arc<Written>,
    paths: BTreeSet<Path>,
    kind: Type,
    node: node::Node,
}

/// What findings tell of an expression: its source and where it looks.
#[derive(Debug)]
pub struct Written {
    source: String,
    places: Vec<Place>,
}

impl Expr {
    /// Parses `source` and checks it against the declared `names`.
    ///
    /// # Errors
    /// Every fault found, each with its place in the source.
    pub fn parse(source: &str, names: &Names) -> Result<Self, Vec<Fault>> {
        check::expression(source, names)
    }

    /// The source as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.written.source
    }

    /// The source and every path, to be kept.
    #[must_use]
    pub const fn written(&self) -> &Arc<Written> {
        &self.written
    }

    /// Every path that it reads, as long as it is written: `state.order.name`
    /// is one path, not three.
    #[must_use]
    pub const fn paths(&self) -> &BTreeSet<Path> {
        &self.paths
    }

    /// The type of what it yields.
    #[must_use]
    pub const fn kind(&self) -> &Type {
        &self.kind
    }

    /// What it means in `scope`.
    ///
    /// # Errors
    /// See [`EvalError`]. Refuse then.
    pub fn eval(&self, scope: &Scope) -> Result<Value, EvalError> {
        eval::evaluate(&self.node, scope)
    }

    /// Whether it is true in `scope`.
    ///
    /// # Errors
    /// As `eval`, and when it yields anything but true or false.
    pub fn test(&self, scope: &Scope) -> Result<bool, EvalError> {
        let value = self.eval(scope)?;
        if let Value::Bool(answer) = value { Ok(answer) } else { Err(eval::wrong("bool", &value)) }
    }
}

impl Written {
    fn new(source: &str, paths: &BTreeSet<Path>) -> Self {
        let places = paths.iter().map(|path| Place::new(path)).collect();
        Self { source: source.to_owned(), places }
    }

    /// Where it looks, from the scope's root.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.source)
    }
}

#[cfg(test)]
mod tests;
