//! Which tools a line of the settings speaks of.

use std::fmt;

/// `*`, `pack.*` or one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Every tool.
    All,
    /// Every tool of a pack.
    Pack(String),
    /// One tool, `pack.name`.
    Tool(String),
}

impl Pattern {
    /// `None` for what is none of the three.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let word = |w: &str| {
            !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        match text.split_once('.')? {
            (pack, "*") if word(pack) => Some(Self::Pack(pack.to_owned())),
            (pack, name) if word(pack) && word(name) => Some(Self::Tool(text.to_owned())),
            _ => None,
        }
    }

    /// Whether it speaks of this tool.
    #[must_use]
    pub fn matches(&self, tool: &str) -> bool {
        match self {
            Self::All => true,
            Self::Pack(pack) => tool.split_once('.').is_some_and(|(of, _)| of == pack),
            Self::Tool(name) => tool == name,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Pack(pack) => write!(f, "{pack}.*"),
            Self::Tool(tool) => f.write_str(tool),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::Pattern;

    #[test]
    fn a_pattern_is_all_a_pack_or_a_tool() {
        for (pattern, tool, matches) in [
            ("*", "stripe.refund", true),
            ("stripe.*", "stripe.refund", true),
            ("stripe.*", "stripes.refund", false),
            ("stripe.refund", "stripe.refund", true),
            ("stripe.refund", "stripe.refund_all", false),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(tool), matches, "{pattern} {tool}");
            assert_eq!(parsed.to_string(), pattern);
        }
        for wrong in ["", "stripe", ".*", "stripe.re*", "*.refund", "a.b.c"] {
            assert_eq!(Pattern::parse(wrong), None, "{wrong}");
        }
    }
}
