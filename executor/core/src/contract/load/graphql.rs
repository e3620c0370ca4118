//! The little that must be known of a GraphQL document: its one operation and
//! the variables that it declares.

use std::collections::BTreeMap;

/// One operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) kind: String,
    pub(super) name: String,
    /// Whether a value must be given, by variable.
    pub(super) variables: BTreeMap<String, bool>,
}

/// The one operation of a document; fragments may stand beside it.
pub(super) fn operation(document: &str) -> Result<Operation, String> {
    let words = words(document);
    let mut depth = 0_usize;
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "query" | "mutation" | "subscription" if depth == 0 => found.push(at),
            "{" if depth == 0 && !opened(&words, at) => {
                return Err("the operation has no name".to_owned());
            }
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.checked_sub(1).ok_or("a bracket closes nothing")?;
            }
            _ => {}
        }
    }
    match (&found[..], depth) {
        (_, 1..) => Err("a bracket is not closed".to_owned()),
        ([at], 0) => read(words.get(*at..).unwrap_or_default()),
        _ => Err(format!("the document has {} operations, not one", found.len())),
    }
}

/// Whether the brace at `at` belongs to an operation or fragment before it.
fn opened(words: &[String], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|word| word != "}")
}

fn read(words: &[String]) -> Result<Operation, String> {
    let mut words = words.iter();
    let kind = words.next().cloned().unwrap_or_default();
    let name =
        words.next().filter(|name| is_name(name)).ok_or("the operation has no name")?.clone();
    let mut variables = BTreeMap::new();
    let mut rest = words.peekable();
    if rest.next_if(|word| *word == "(").is_some() {
        let inside: Vec<&String> = rest.by_ref().take_while(|word| *word != ")").collect();
        for declared in inside.split(|word| *word == "$").skip(1) {
            let variable = declared.first().map(|name| (*name).clone()).unwrap_or_default();
            let default = declared.iter().any(|word| *word == "=");
            // The type's own `!` is its last word; one inside a list's brackets is not.
            let required = declared
                .iter()
                .take_while(|word| **word != "@")
                .last()
                .is_some_and(|word| *word == "!");
            variables.insert(variable, required && !default);
        }
    }
    Ok(Operation { kind, name, variables })
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Names and marks, without blanks, commas, comments and the insides of strings.
fn words(document: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = document;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => string(rest),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                rest.find(|c: char| !name(c)).unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (word, after) = rest.split_at_checked(length.max(1)).unwrap_or((rest, ""));
        if !c.is_whitespace() && !matches!(c, ',' | '#' | '\u{feff}') {
            words.push(if c == '"' { "\"\"".to_owned() } else { word.to_owned() });
        }
        rest = after;
    }
    words
}

/// The length of the string at the start of `rest`, quotes included.
fn string(rest: &str) -> usize {
    if let Some(block) = rest.strip_prefix("\"\"\"") {
        return block.find("\"\"\"").map_or(rest.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\n' => return at,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn finds_the_one_operation() {
        let document = "# query Comment { a }\nmutation Refund($input: RefundInput!, $key: String, $tags: [String!] = [\"}\"], $ids: [ID!]!) {\n refund(input: $input) @idempotent(key: $key) { id ...F } }\nfragment F on Refund { note }";
        let found = operation(document).unwrap();
        assert_eq!((found.kind.as_str(), found.name.as_str()), ("mutation", "Refund"));
        let wanted = [("ids", true), ("input", true), ("key", false), ("tags", false)];
        assert_eq!(found.variables, wanted.map(|(n, r)| (n.to_owned(), r)).into());
    }

    #[test]
    fn refuses_what_is_not_one_named_operation() {
        assert!(operation("{ a }").is_err());
        assert!(operation("query { a }").is_err());
        assert!(operation("query A { a } query B { b }").is_err());
        assert!(operation("query A { a ").is_err());
        assert!(operation("query A { a } { b }").is_err());
        assert!(operation("").is_err());
    }
}
