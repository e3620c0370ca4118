//! Form-encoded parameters: names with brackets, read flat.

use std::collections::BTreeMap;

use super::error::Refusal;

/// Parameters by their whole name, such as `items[0][price]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params {
    by_name: BTreeMap<String, String>,
    expand: Vec<String>,
}

impl Params {
    /// From a query or a body; of a name given twice the last value counts.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(encoded) {
            if name.starts_with("expand[") {
                params.expand.push(value.into_owned());
            } else {
                params.by_name.insert(name.into_owned(), value.into_owned());
            }
        }
        params
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.by_name.get(name).map(String::as_str)
    }

    pub(crate) fn expand(&self) -> &[String] {
        &self.expand
    }

    /// A whole number of at least one.
    pub(crate) fn positive(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number @ 1..) => Ok(Some(number)),
            Ok(_) => Err(Refusal::of(
                name,
                "parameter_invalid_integer",
                "This value must be greater than or equal to 1.",
            )),
            Err(_) => Err(Refusal::of(
                name,
                "parameter_invalid_integer",
                format!("Invalid integer: {text}"),
            )),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Refusal::invalid(format!("Invalid boolean: {other}")).at(name)),
        }
    }

    /// One of a closed list.
    pub(crate) fn one_of(&self, name: &str, list: &[&str]) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            Some(value) if !list.contains(&value) => {
                Err(Refusal::invalid(format!("Invalid {name}: must be one of {}", list.join(", ")))
                    .at(name))
            }
            value => Ok(value),
        }
    }

    /// Refuses names that are none of these, apart from `metadata` and its members. A name that
    /// ends in `[` allows every member of it.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        let fits = |name: &str| {
            let member = |k: &&str| k.ends_with('[') && name.starts_with(*k);
            known.contains(&name)
                || known.iter().any(member)
                || name == "metadata"
                || name.starts_with("metadata[")
        };
        match self.by_name.keys().find(|name| !fits(name)) {
            None => Ok(()),
            Some(name) => {
                let message = format!("Received unknown parameter: {name}");
                Err(Refusal::of(name, "parameter_unknown", message))
            }
        }
    }

    /// Sets what is named, unsets what is named with nothing; `metadata=` unsets all.
    pub(crate) fn write_metadata(&self, metadata: &mut BTreeMap<String, String>) {
        if self.get("metadata") == Some("") {
            metadata.clear();
        }
        for (name, value) in &self.by_name {
            let key = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']'));
            match key {
                Some(key) if value.is_empty() => drop(metadata.remove(key)),
                Some(key) => drop(metadata.insert(key.to_owned(), value.clone())),
                None => {}
            }
        }
    }
}
