//! What an expression can see when it is evaluated.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::value::Value;

/// Values by name. Cheap to clone and to extend.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    values: BTreeMap<String, Arc<Value>>,
}

impl Scope {
    /// A scope without names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields of an object, each a name.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let Value::Object(fields) = object else { return Self::new() };
        fields.iter().fold(Self::new(), |scope, (name, value)| scope.with(name, value.clone()))
    }

    /// The scope with `name` set to `value`; replaces an earlier one.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Arc<Value>>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).map(Arc::as_ref)
    }
}
