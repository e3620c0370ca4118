//! Builds a policy from a bundle's files and reports every problem at once.

use std::collections::BTreeMap;

use super::pattern::Pattern;
use super::{Policy, people, rules, settings, table};
use crate::contract::Catalog;
use crate::contract::load::file::File;
use crate::contract::load::section::Section;
use crate::contract::load::yaml::{Place, Yaml};
use crate::contract::load::{digest, parse};
use crate::contract::problem::{Problem, ProblemKind, Severity};
use crate::nearest::nearest;

const POLICY: &str = "policy.cedar";
const SCHEMA: &str = "schema.cedarschema";
const SETTINGS: &str = "settings.yaml";
const PEOPLE: &str = "people.yaml";
const TESTS: &str = "tests.yaml";

/// What became of a bundle's files.
#[derive(Debug)]
pub struct Loaded {
    /// The policy; absent when any problem is an error.
    pub policy: Option<Policy>,
    /// Errors and warnings, by file and place.
    pub problems: Vec<Problem>,
}

/// Loads a bundle from its files: path inside it and text. With a catalog, what names
/// a tool that is not there is a warning.
#[must_use]
pub fn policy(files: &BTreeMap<String, String>, catalog: Option<&Catalog>) -> Loaded {
    let [cedar, schema, settings_file, people_file, tests] =
        [POLICY, SCHEMA, SETTINGS, PEOPLE, TESTS].map(|name| Opened::open(files, name));
    same_schema(&schema);
    let rules = cedar.text.and_then(|text| rules::read(&cedar.file, text, catalog));
    let settings = settings_file.yaml().and_then(|y| settings::read(&settings_file.file, &y));
    let people = people_file.yaml().and_then(|y| people::read(&people_file.file, &y, files));
    let table = tests.yaml().and_then(|y| table::read(&tests.file, &y));
    let policy = build(rules, settings, people, table, digest(files));
    if let Some(catalog) = catalog {
        settings_file
            .yaml()
            .iter()
            .for_each(|yaml| named_tools(&settings_file.file, yaml, catalog));
    }
    let opened = [cedar, schema, settings_file, people_file, tests];
    let mut problems: Vec<_> = opened.into_iter().flat_map(|o| o.file.into_problems()).collect();
    problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    problems.dedup();
    let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
    Loaded { policy: policy.filter(|_| !failed), problems }
}

fn build(
    rules: Option<rules::Rules>,
    settings: Option<settings::Settings>,
    people: Option<people::People>,
    table: Option<table::Table>,
    digest: String,
) -> Option<Policy> {
    Some(Policy { digest, rules: rules?, settings: settings?, people: people?, table: table? })
}

/// One file of the bundle, and its text where there is one.
struct Opened<'f> {
    file: File,
    text: Option<&'f str>,
}

impl<'f> Opened<'f> {
    fn open(files: &'f BTreeMap<String, String>, name: &str) -> Self {
        let text = files.get(name).map(String::as_str);
        let file = File::new(name, text.unwrap_or_default());
        if text.is_none() {
            let message = format!("the policy has no {name}");
            let remedy = "`countersign init` writes one; an empty list in it is fine";
            file.error::<()>(Place::default(), ProblemKind::Missing, message, Some(remedy));
        }
        Self { file, text }
    }

    fn yaml(&self) -> Option<Yaml> {
        self.text.and_then(|text| parse(&self.file, text))
    }
}

/// Editors and reviewers must see the schema that counts.
fn same_schema(schema: &Opened<'_>) {
    if schema.text.is_some_and(|text| text != rules::SCHEMA) {
        let message = "this is not the schema that the executor checks policies against";
        let remedy = "`countersign policy schema > DIR/schema.cedarschema` writes the right one";
        schema.file.error::<()>(Place::default(), ProblemKind::WrongValue, message, Some(remedy));
    }
}

/// `tools` of a line: at least one pattern.
pub(super) fn tools(line: &Section<'_>) -> Option<Vec<Pattern>> {
    let yaml = line.need("tools")?;
    let items = line.file.list(yaml)?;
    if items.is_empty() {
        return line.file.wrong(yaml, "a list such as [\"shopify.*\"]");
    }
    let all: Vec<_> = items.iter().map(|yaml| tool(line.file, yaml)).collect();
    all.into_iter().collect()
}

fn tool(file: &File, yaml: &Yaml) -> Option<Pattern> {
    let pattern = Pattern::parse(file.text(yaml)?);
    pattern.or_else(|| file.wrong(yaml, "a tool, PACK.* or *"))
}

/// Patterns that match no tool: a slip there leaves a tool in shadow or unlimited.
fn named_tools(file: &File, yaml: &Yaml, catalog: &Catalog) {
    let Some(top) = Section::within(file, yaml) else { return };
    let lines = top.items("modes").iter().chain(top.items("limits"));
    let lines = lines.filter_map(|yaml| Section::within(file, yaml));
    for yaml in lines.flat_map(|line| line.items("tools")) {
        let Some(pattern) = tool(file, yaml) else { continue };
        if catalog.tools.keys().any(|tool| pattern.matches(tool)) {
            continue;
        }
        let near = nearest(&pattern.to_string(), catalog.tools.keys().map(String::as_str));
        let remedy = near.map(|near| format!("did you mean `{near}`?"));
        let message = format!("`{pattern}` matches no tool of the loaded packs");
        let kind = ProblemKind::UnknownReference;
        file.note(yaml.at, Severity::Warning, kind, message, remedy.as_deref());
    }
}
