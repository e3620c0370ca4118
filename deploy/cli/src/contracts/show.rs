//! Requests, values and findings as a person reads them.

use countersign_core::gate::Finding;
use countersign_core::request::WireRequest;
use serde_json::Value as Json;

use crate::text::printable;

/// A request, without host and credential.
pub(super) fn request(request: &WireRequest) -> String {
    let query =
        if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let mut lines = vec![format!("{} {}{query}", request.method, request.path)];
    lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    if !request.body.is_empty() {
        lines.push(String::new());
        lines.push(body(&String::from_utf8_lossy(&request.body)));
    }
    printable(&lines.join("\n"))
}

/// A GraphQL document is shown as it is written, its variables below it.
fn body(text: &str) -> String {
    let Ok(json) = serde_json::from_str::<Json>(text) else { return text.to_owned() };
    match (json.get("query").and_then(Json::as_str), json.get("variables")) {
        (Some(document), Some(variables)) => format!("{}\n{variables:#}", document.trim_end()),
        _ => format!("{json:#}"),
    }
}

/// Each leaf of a value on a line, with its label.
pub(super) fn labelled(value: &Json, labels: &Json) -> String {
    let mut lines = Vec::new();
    leaves("", value, labels, &mut lines);
    let width = lines.iter().map(|(path, ..)| path.chars().count()).max().unwrap_or(0);
    let line = |(path, value, label): &(String, String, String)| {
        printable(&format!("{label:4}  {path:width$}  {value}").replace('\n', " "))
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn leaves(path: &str, value: &Json, labels: &Json, lines: &mut Vec<(String, String, String)>) {
    match (value, labels) {
        (Json::Object(fields), Json::Object(_)) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, labels.get(name).unwrap_or(&Json::Null), lines);
            }
        }
        (Json::Array(items), Json::Array(_)) if !items.is_empty() => {
            for (number, value) in items.iter().enumerate() {
                let label = labels.get(number).unwrap_or(&Json::Null);
                leaves(&format!("{path}[{number}]"), value, label, lines);
            }
        }
        (value, label) => {
            let label = label.as_str().unwrap_or_default().to_owned();
            lines.push((path.to_owned(), value.to_string(), label));
        }
    }
}

/// Gates in the order asked, with what they saw.
pub(super) fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.passed { "pass" } else { "NO" };
        printable(&format!("{mark:4}  {}  {}", finding.gate, finding.facts).replace('\n', " "))
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Text under a heading, indented.
pub(super) fn section(heading: &str, text: &str) -> String {
    let lines: Vec<_> =
        text.lines().map(|line| format!("  {line}").trim_end().to_owned()).collect();
    format!("{heading}\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_reads_as_it_is_sent() {
        let graphql = json!({ "query": "query A {\n  a\n}\n", "variables": { "id": 1 } });
        let wire = WireRequest {
            method: "POST".to_owned(),
            path: "/g".to_owned(),
            query: "a=1".to_owned(),
            headers: vec![("X-A".to_owned(), "b".to_owned())],
            body: graphql.to_string().into_bytes(),
        };
        assert_eq!(request(&wire), "POST /g?a=1\nX-A: b\n\nquery A {\n  a\n}\n{\n  \"id\": 1\n}");
    }

    #[test]
    fn leaves_carry_their_label() {
        let value = json!({ "a": [{ "id": "x", "note": "y\u{1b}" }], "none": [] });
        let labels = json!({ "a": [{ "id": "fact", "note": "text" }], "none": [] });
        let lines =
            ["fact  a[0].id    \"x\"", "text  a[0].note  \"y\\u001b\"", "      none       []"];
        assert_eq!(labelled(&value, &labels), lines.join("\n"));
    }
}
