//! What an expression can see when it is evaluated.

use std::sync::Arc;

use crate::value::Value;

/// Values by name. Cheap to clone and to extend.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// A handful, so the first to be found is found fast.
    values: Vec<(Arc<str>, Arc<Value>)>,
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
        let value = value.into();
        match self.values.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, old)) => *old = value,
            None => self.values.push((name.into(), value)),
        }
        self
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.find(name).map(Arc::as_ref)
    }

    /// The value of `name`, to be kept as it stands.
    #[must_use]
    pub fn share(&self, name: &str) -> Option<Arc<Value>> {
        self.find(name).cloned()
    }

    fn find(&self, name: &str) -> Option<&Arc<Value>> {
        self.values.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }
}
