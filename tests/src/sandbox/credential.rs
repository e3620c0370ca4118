//! Who may call: access tokens by name. Values are compared, never shown.

use std::collections::BTreeMap;
use std::fmt;

/// Access tokens by credential name.
#[derive(Clone, Default)]
pub struct Credentials {
    by_token: BTreeMap<String, String>,
}

impl Credentials {
    /// Adds `token` under `name`; white space around the token is dropped.
    pub fn add(&mut self, name: &str, token: &str) {
        self.by_token.insert(token.trim().to_owned(), name.to_owned());
    }

    /// True when no token is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_token.is_empty()
    }

    pub(crate) fn name_of(&self, token: &str) -> Option<&str> {
        self.by_token.get(token).map(String::as_str)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_token.values()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_only() {
        let mut known = Credentials::default();
        known.add("demo", "shpat_secret\n");
        assert_eq!(known.name_of("shpat_secret"), Some("demo"));
        assert!(!format!("{known:?}").contains("secret"));
    }
}
