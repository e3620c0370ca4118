//! Typed projections of answers: the only thing that leaves the executor.
//!
//! ```yaml
//! orders: { list: { at: /data/orders/nodes, max: 10 }, of: { id: { fact: id, at: /id } } }
//! address: { at: /shippingAddress, optional: true, of: { city: { text: 100, at: /city } } }
//! total: { fact: money, amount: /total/amount, currency: /total/currencyCode }
//! refunded: { fact: money, minor: /amount_refunded, currency: /currency }
//! status: { fact: [PAID, PENDING], at: /displayFinancialStatus }
//! ```
//!
//! `list` takes `more: drop` to keep the first `max` elements of a longer list;
//! without it a longer list is an error. A list of scalars has the scalar under
//! `of`, where no `at` means the element itself. A pointer is relative to the
//! enclosing `at`, or element; `at: ""` is that place itself, so an answer that is
//! a bare list is `{ list: { at: "", max: 10 }, of: … }`.

mod error;
mod fact;
mod project;
mod step;

pub use error::{FieldProblem, ProjectError, Why};
pub use fact::{Fact, MoneyAt};
pub use step::{Label, Step};

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::expr::Type;
use crate::value::Value;

/// A checked projection; its root is an object.
#[derive(Debug, Clone)]
pub struct Shape {
    root: Field,
}

/// One place of a shape.
#[derive(Debug, Clone)]
pub struct Field {
    /// Whether it may be absent or null.
    pub optional: bool,
    /// JSON Pointer, relative to the enclosing place; empty: that place itself.
    pub at: String,
    /// What is there.
    pub kind: Kind,
}

/// What a place of a shape holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A closed value.
    Fact(Fact),
    /// Free text, cut after this many characters.
    Text(usize),
    /// Fields by name.
    Object(BTreeMap<String, Field>),
    /// A list.
    List {
        /// Longest list.
        max: usize,
        /// Whether elements past `max` are dropped; otherwise they are an error.
        drop_more: bool,
        /// One element.
        of: Box<Field>,
    },
}

impl Shape {
    /// A shape of these fields.
    #[must_use]
    pub const fn new(fields: BTreeMap<String, Field>) -> Self {
        let kind = Kind::Object(fields);
        Self { root: Field { optional: false, at: String::new(), kind } }
    }

    /// The typed value of a raw answer.
    ///
    /// # Errors
    /// Every field that is missing, or not of its closed type.
    pub fn project(&self, raw: &Json) -> Result<Value, ProjectError> {
        project::project(&self.root, raw)
    }

    /// `"fact"` or `"text"` in the place of each leaf of `value`.
    #[must_use]
    pub fn labels(&self, value: &Value) -> Json {
        step::labels(&self.root, value)
    }

    /// The shape in words: `{"orders": [{"id": "fact", "note": "text"}]}`.
    #[must_use]
    pub fn describe(&self) -> Json {
        step::describe(&self.root)
    }

    /// The label of the leaf at a path; `None` where there is no leaf.
    #[must_use]
    pub fn label_at(&self, path: &[Step]) -> Option<Label> {
        step::label(step::find(&self.root, path)?)
    }

    /// The type of what is at a path; `None` where there is nothing.
    #[must_use]
    pub fn kind_at(&self, path: &[Step]) -> Option<Type> {
        step::find(&self.root, path).map(step::kind)
    }

    /// The type of the whole, for the checker.
    #[must_use]
    pub fn kind(&self) -> Type {
        step::kind(&self.root)
    }
}

#[cfg(test)]
mod tests;
