//! Writes YAML as a person would, with what is to be decided marked.

use crate::contracts::decide::DECIDE;

/// A YAML file under way.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
    depth: usize,
}

impl Page {
    /// One line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(&"  ".repeat(self.depth));
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// A line that a person must look at.
    pub(super) fn marked(&mut self, line: impl AsRef<str>, decide: &str) {
        self.line(format!("{}  {DECIDE}{decide}", line.as_ref()));
    }

    /// A place that a person must fill.
    pub(super) fn decide(&mut self, what: &str) {
        self.line(format!("{DECIDE}{what}"));
    }

    /// A remark.
    pub(super) fn remark(&mut self, text: &str) {
        self.line(format!("# {text}"));
    }

    /// A heading and what stands below it.
    pub(super) fn below(&mut self, heading: impl AsRef<str>, write: impl FnOnce(&mut Self)) {
        self.line(heading);
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A text as a YAML scalar, quoted where it must be.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./-=() ".contains(c);
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || "/=".contains(c));
    let word = ["true", "false", "null", "yes", "no", "on", "off", "none", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if first && !word && text.trim_end() == text && text.chars().all(plain) {
        return text.to_owned();
    }
    quoted(text)
}

/// A text in double quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A regular expression or rule: in single quotes, as it is.
pub(super) fn verbatim(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A sentence for prose: one line, of no more than `max` characters, no holes.
pub(super) fn sentence(text: &str, max: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).collect();
    let line: String = line.chars().filter(|c| !"{}".contains(*c)).take(max).collect();
    line.trim().to_owned()
}

/// `getPaymentById` and `Get payment` as `get_payment_by_id` and `get_payment`.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            let starts =
                c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
            if starts || (!before.is_ascii_alphanumeric() && !out.is_empty()) {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    let out = out.trim_start_matches(|c: char| !c.is_ascii_lowercase()).to_owned();
    out.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

/// `payments` as `payment`.
pub(super) fn singular(word: &str) -> String {
    let ends = [
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("ss", "ss"),
        ("us", "us"),
        ("s", ""),
    ];
    let found =
        ends.iter().find_map(|(end, with)| Some(format!("{}{with}", word.strip_suffix(end)?)));
    found.filter(|w| !w.is_empty()).unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ours() {
        for (given, ours) in [
            ("getPaymentById", "get_payment_by_id"),
            ("Get a payment", "get_a_payment"),
            ("orders.list-all", "orders_list_all"),
            ("v2/IDs", "v2_ids"),
            ("42", ""),
        ] {
            assert_eq!(snake(given), ours);
        }
        for (many, one) in [
            ("payments", "payment"),
            ("addresses", "address"),
            ("boxes", "box"),
            ("entries", "entry"),
            ("status", "status"),
            ("data", "data"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn texts_are_quoted_where_they_must_be() {
        for (text, scalar_) in [
            ("a b", "a b"),
            ("no", "\"no\""),
            ("1", "\"1\""),
            ("a: b", "\"a: b\""),
            ("#x", "\"#x\""),
            ("=args.a", "=args.a"),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), scalar_);
        }
        assert_eq!(sentence("  A {b}\n c. ", 80), "A b c.");
    }
}
