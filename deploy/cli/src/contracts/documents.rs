//! A light check of GraphQL documents: variables used are declared, declared ones
//! are used, and some contract asks with each document.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::contract::problem::{Problem, ProblemKind, Severity};

type Place = (usize, usize);

/// What is wrong with the documents of a pack.
pub(super) fn problems(files: &BTreeMap<String, String>) -> Vec<Problem> {
    let documents = files.iter().filter(|(path, _)| path.starts_with("documents/"));
    let mut problems = Vec::new();
    for (path, text) in documents {
        let found = variables(text);
        for (name, place) in
            found.used.iter().filter(|(name, _)| !found.declared.contains_key(*name))
        {
            let remedy = format!("declare it: query Name(${name}: String!)");
            let message = format!("`${name}` is used and not declared");
            problems.push(problem(path, *place, Severity::Error, message, &remedy));
        }
        for (name, place) in
            found.declared.iter().filter(|(name, _)| !found.used.contains_key(*name))
        {
            let message = format!("`${name}` is declared and not used");
            problems.push(problem(path, *place, Severity::Error, message, "take it out"));
        }
        if !asked(files, path) {
            let message = "no contract asks with this document".to_owned();
            let remedy = "name it in `do.graphql`, or delete it";
            problems.push(problem(path, (1, 1), Severity::Warning, message, remedy));
        }
    }
    problems
}

fn problem(file: &str, at: Place, severity: Severity, message: String, remedy: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        line: at.0,
        column: at.1,
        severity,
        kind: ProblemKind::UnknownReference,
        message,
        remedy: Some(remedy.to_owned()),
    }
}

/// Whether a contract names the document.
fn asked(files: &BTreeMap<String, String>, path: &str) -> bool {
    let name = path.trim_start_matches("documents/");
    let names = |line: &str| {
        let value = line.trim().strip_prefix("graphql:").map(|v| v.split('#').next().unwrap_or(v));
        value.is_some_and(|v| v.trim().trim_matches(['"', '\'']) == name)
            || line.contains(&format!("graphql: {name}"))
    };
    let contracts = files.iter().filter(|(path, _)| path.starts_with("contracts/"));
    contracts.into_iter().any(|(_, text)| text.lines().any(names))
}

#[derive(Default)]
struct Variables {
    declared: BTreeMap<String, Place>,
    used: BTreeMap<String, Place>,
}

/// Where each `$name` is first declared and first used. `$name:` declares: in a
/// selection a variable stands behind the colon.
fn variables(text: &str) -> Variables {
    let mut found = Variables::default();
    let letters = letters(text);
    let mut rest = letters.iter().peekable();
    while let Some((c, place)) = rest.next() {
        if *c != '$' {
            continue;
        }
        let mut name = String::new();
        while let Some((c, _)) = rest.next_if(|(c, _)| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(*c);
        }
        while rest.next_if(|(c, _)| c.is_whitespace() || *c == ',').is_some() {}
        let map = match rest.peek() {
            Some((':', _)) => &mut found.declared,
            _ => &mut found.used,
        };
        map.entry(name).or_insert(*place);
    }
    found
}

/// Every character with its place, without comments and the insides of strings.
fn letters(text: &str) -> Vec<(char, Place)> {
    let mut letters = Vec::new();
    let mut hidden = Hidden::No;
    for (number, line) in text.lines().enumerate() {
        if hidden != Hidden::Block {
            hidden = Hidden::No;
        }
        let chars: Vec<char> = line.chars().collect();
        let mut skip = BTreeSet::new();
        for (column, c) in chars.iter().enumerate() {
            if skip.contains(&column) {
                continue;
            }
            let block = chars.get(column..column + 3).is_some_and(|three| three == ['"'; 3]);
            match (hidden, c) {
                (Hidden::No, '#') => hidden = Hidden::Comment,
                (Hidden::No, '"') if block => hidden = Hidden::Block,
                (Hidden::Block, '"') if block => hidden = Hidden::No,
                (Hidden::No, '"') => hidden = Hidden::Text,
                (Hidden::Text, '"') => hidden = Hidden::No,
                (Hidden::No, c) => letters.push((*c, (number + 1, column + 1))),
                (Hidden::Comment | Hidden::Text | Hidden::Block, _) => {}
            }
            if block {
                skip.extend([column + 1, column + 2]);
            }
            if hidden == Hidden::Text && *c == '\\' {
                skip.insert(column + 1);
            }
        }
        letters.push(('\n', (number + 1, chars.len() + 1)));
    }
    letters
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    No,
    Comment,
    Text,
    Block,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn check(document: &str) -> Vec<String> {
        let files = [
            ("contracts/a.yaml", "do:\n  graphql: a.graphql # ours\n"),
            ("documents/a.graphql", document),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        problems(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_document_has_no_problem() {
        let document = "# $no\nquery A($id: ID!, $n : Int = 3) {\n  a(id: $id, note: \"$x \\\" $y\") { b(n: $n) }\n}\n";
        assert_eq!(check(document), Vec::<String>::new());
        assert_eq!(
            check("query A($id: ID!) { a(d: \"\"\"$x \" $y\n$z\"\"\", id: $id) }"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn unknown_and_idle_variables_are_named_with_their_place() {
        let found = check("query A($id: ID!, $idle: Int) {\n  a(id: $id) { b(n: $lost) }\n}\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("documents/a.graphql:2:21: error: `$lost`"), "{found:?}");
        assert!(found[1].starts_with("documents/a.graphql:1:19: error: `$idle`"), "{found:?}");
    }

    #[test]
    fn a_document_that_nobody_asks_with_is_a_warning() {
        let files = [("documents/a.graphql", "query A { a }")];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let found = problems(&files);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Warning));
    }
}
