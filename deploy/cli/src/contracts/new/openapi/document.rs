//! An OpenAPI description as JSON, its references followed inside it and nowhere
//! else.

use anyhow::{Context, anyhow, bail};
use serde_json::Value as Json;

/// Largest description, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most references followed from one place to the next.
const MAX_STEPS: usize = 16;
/// Deepest nesting of a description.
const MAX_DEPTH: usize = 200;

/// A description whose references all lead somewhere inside it.
#[derive(Debug)]
pub(super) struct Document {
    root: Json,
}

impl Document {
    /// Reads JSON or YAML.
    ///
    /// # Errors
    /// Neither, too large, no OpenAPI 3.0 or 3.1, or a reference to another file.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        if text.len() > MAX_BYTES {
            bail!("the description is larger than {MAX_BYTES} bytes");
        }
        let root: Json = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).or_else(|_| yaml(text))?
        } else {
            yaml(text)?
        };
        let document = Self { root };
        document.check_version()?;
        let mut problems = Vec::new();
        document.check_references(&document.root, 0, &mut problems);
        if problems.is_empty() { Ok(document) } else { bail!("{}", problems.join("\n")) }
    }

    fn check_version(&self) -> anyhow::Result<()> {
        match self.root.get("openapi").and_then(Json::as_str) {
            Some(version) if version.starts_with("3.0") || version.starts_with("3.1") => Ok(()),
            Some(version) => bail!("this is OpenAPI {version}; 3.0 and 3.1 can be read"),
            None if self.root.get("swagger").is_some() => {
                bail!("this is Swagger 2; convert it to OpenAPI 3 first")
            }
            None => bail!("this is no OpenAPI description: `openapi: 3.…` is missing"),
        }
    }

    fn check_references(&self, at: &Json, depth: usize, problems: &mut Vec<String>) {
        if depth > MAX_DEPTH {
            problems.push("the description is nested too deeply".to_owned());
            return;
        }
        if let Some(reference) = reference(at) {
            match reference.strip_prefix('#') {
                None => problems.push(format!(
                    "`{reference}` is outside this file: bundle the description into one file first"
                )),
                Some(_) if self.target(reference).is_none() => {
                    problems.push(format!("`{reference}` leads nowhere"));
                }
                Some(_) => {}
            }
            return;
        }
        match at {
            Json::Array(items) => {
                items.iter().for_each(|item| self.check_references(item, depth + 1, problems));
            }
            Json::Object(fields) => {
                // Examples are data: a `$ref` in one refers to nothing.
                let inside =
                    fields.iter().filter(|(name, _)| *name != "example" && *name != "examples");
                inside.for_each(|(_, value)| self.check_references(value, depth + 1, problems));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// What stands here, or where a reference here leads.
    pub(super) fn follow<'d>(&'d self, mut at: &'d Json) -> &'d Json {
        for _ in 0..MAX_STEPS {
            match reference(at).and_then(|reference| self.target(reference)) {
                Some(target) => at = target,
                None => break,
            }
        }
        at
    }

    fn target(&self, reference: &str) -> Option<&Json> {
        let pointer = reference.strip_prefix('#')?;
        self.root.pointer(pointer).or_else(|| self.root.pointer(&decoded(pointer)))
    }

    /// What stands at a JSON Pointer, references at its end followed.
    pub(super) fn at(&self, pointer: &str) -> Option<&Json> {
        self.root.pointer(pointer).map(|found| self.follow(found))
    }

    /// A text at a JSON Pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.at(pointer).and_then(Json::as_str)
    }
}

fn reference(at: &Json) -> Option<&str> {
    at.get("$ref").and_then(Json::as_str)
}

/// References may be percent-encoded, as they are URIs.
fn decoded(pointer: &str) -> String {
    let url = url::form_urlencoded::parse(pointer.as_bytes()).next();
    url.map_or_else(String::new, |(name, _)| name.into_owned())
}

fn yaml(text: &str) -> anyhow::Result<Json> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH, max_events: 4_000_000, max_nodes: 2_000_000,
            max_total_scalar_bytes: MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| anyhow!("{}", error.without_snippet()))
        .context("this is neither JSON nor YAML")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn references_inside_are_followed() {
        let text = "openapi: 3.0.3\na: { $ref: '#/components/b~1c' }\ncomponents: { b/c: { $ref: '#/d%20e' } }\n'd e': { x: 1 }\n";
        let document = Document::parse(text).unwrap();
        assert_eq!(document.at("/a").unwrap(), &serde_json::json!({ "x": 1 }));
    }

    #[test]
    fn references_to_other_files_are_refused_all_at_once() {
        let text = r##"{"openapi":"3.1.0","a":{"$ref":"other.yaml#/x"},"b":[{"$ref":"https://e.example/x"}],"c":{"$ref":"#/no"},"example":{"$ref":"y"}}"##;
        let error = Document::parse(text).unwrap_err().to_string();
        assert_eq!(error.lines().count(), 3, "{error}");
        assert!(error.contains("bundle") && error.contains("leads nowhere"), "{error}");
    }

    #[test]
    fn a_ring_of_references_ends() {
        let text = "openapi: 3.0.0\na: { $ref: '#/b' }\nb: { $ref: '#/a' }\n";
        Document::parse(text).unwrap().at("/a").unwrap();
    }

    #[test]
    fn other_descriptions_are_refused() {
        for (text, part) in [
            ("swagger: '2.0'", "Swagger 2"),
            ("openapi: 4.0", "OpenAPI"),
            ("a: 1", "no OpenAPI"),
            ("a: [", "neither"),
        ] {
            let error = format!("{:#}", Document::parse(text).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn statuses_may_be_written_as_numbers() {
        let document = Document::parse("openapi: 3.0.0\nresponses:\n  200: { a: 1 }\n").unwrap();
        assert!(document.at("/responses/200").is_some());
    }
}
