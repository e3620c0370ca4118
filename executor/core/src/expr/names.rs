//! The names that an expression may use, declared with their types.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{self, Place};
use super::types::Type;
use super::{Path, syntax};

/// Declared names. The checker knows no others.
#[derive(Debug, Clone, Default)]
pub struct Names {
    roots: BTreeMap<String, Declared>,
    /// Names that exist elsewhere, and why not here.
    absent: BTreeMap<String, String>,
    /// Places that a rule before has proved present.
    known: Vec<Place>,
    /// Paths whose declaration is broken: using them is no second fault.
    broken: BTreeSet<Path>,
}

/// One declared name.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) kind: Type,
    /// Where its value comes from: the path itself, or the list it is an element of.
    pub(super) origin: Option<Path>,
}

impl Names {
    /// No names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares `name`.
    #[must_use]
    pub fn with(mut self, name: &str, kind: Type) -> Self {
        let origin = Some(vec![name.to_owned()]);
        self.roots.insert(name.to_owned(), Declared { kind, origin });
        self
    }

    /// The fields of an object type, each a name.
    #[must_use]
    pub fn of(object: &Type) -> Self {
        let Type::Object(fields) = object.present() else { return Self::new() };
        fields.iter().fold(Self::new(), |names, (name, kind)| names.with(name, kind.clone()))
    }

    /// Declares `name` as an element of the list at `origin` (`None`: of a list
    /// that is computed), so that paths lead back to the list.
    #[must_use]
    pub fn with_element(mut self, name: &str, kind: Type, origin: Option<Path>) -> Self {
        self.roots.insert(name.to_owned(), Declared { kind, origin });
        self
    }

    /// Says why `name`, which other expressions know, is not known here.
    #[must_use]
    pub fn without(mut self, name: &str, why: &str) -> Self {
        self.roots.remove(name);
        self.absent.insert(name.to_owned(), why.to_owned());
        self
    }

    /// Marks a path whose declaration is broken elsewhere. An expression that
    /// uses it does not parse, without a fault of its own.
    #[must_use]
    pub fn broken<'a>(mut self, path: impl IntoIterator<Item = &'a str>) -> Self {
        self.broken.insert(path.into_iter().map(str::to_owned).collect());
        self
    }

    /// The names after `rule` has been found true: what it tests is present.
    #[must_use]
    pub fn given(mut self, rule: &str) -> Self {
        if let Ok(ast) = syntax::parse(rule) {
            self.known.extend(flow::proved(&ast, true, &[]));
        }
        self
    }

    /// The type of `name`.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&Type> {
        self.roots.get(name).map(|d| &d.kind)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Declared> {
        self.roots.get(name)
    }

    pub(super) fn why_absent(&self, name: &str) -> Option<&str> {
        self.absent.get(name).map(String::as_str)
    }

    pub(crate) fn is_broken(&self, path: &[String]) -> bool {
        self.broken.contains(path)
    }

    pub(super) fn known(&self) -> &[Place] {
        &self.known
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }
}
