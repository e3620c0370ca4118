//! `arguments`: strict JSON Schema with our own words beside it.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Map, Value as Json, json};

use super::file::File;
use super::output::anchored;
use super::section::Section;
use super::templates::template;
use super::yaml::{Key, Kind, Place, Yaml};
use crate::contract::argument;
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::contract::{ArgumentSpec, From, Nested, Obtain, Role};
use crate::expr::{MAX_LIST, Names, Template, Type};

/// Longest free text where the contract says nothing.
const MAX_TEXT: u64 = 2000;

/// What `arguments` says.
pub(super) struct Arguments {
    pub(super) specs: BTreeMap<String, ArgumentSpec>,
    /// Arguments whose declaration is broken.
    pub(super) broken: Vec<String>,
    /// Reads named by `obtain`, to be checked once every read is known.
    pub(super) obtained: Vec<Obtained>,
    /// Places of the arguments, by name.
    pub(super) places: BTreeMap<String, Place>,
}

/// An `obtain` at its place.
pub(super) struct Obtained {
    pub(super) at: Place,
    pub(super) obtain: Obtain,
    /// What the argument holds.
    pub(super) kind: Type,
}

/// Reads `arguments`; absent means none.
pub(super) fn arguments(file: &File, yaml: Option<&Yaml>) -> Arguments {
    let mut reader = Reader { file, obtained: Vec::new() };
    let entries = yaml.and_then(|yaml| file.map(yaml)).unwrap_or_default();
    let (specs, broken) = reader.fields(entries);
    let places = entries.iter().map(|(key, _)| (key.text.clone(), key.at)).collect();
    Arguments { specs, broken, obtained: reader.obtained, places }
}

struct Reader<'y> {
    file: &'y File,
    obtained: Vec<Obtained>,
}

impl Reader<'_> {
    /// The sound ones, and the names of the others.
    fn fields(&mut self, entries: &[(Key, Yaml)]) -> (BTreeMap<String, ArgumentSpec>, Vec<String>) {
        let mut fields = BTreeMap::new();
        let mut broken = Vec::new();
        for (key, yaml) in entries {
            match (self.file.named(key.at, &key.text), self.argument(yaml)) {
                (Some(name), Some(spec)) => {
                    fields.insert(name, spec);
                }
                _ => broken.push(key.text.clone()),
            }
        }
        (fields, broken)
    }

    fn argument(&mut self, yaml: &Yaml) -> Option<ArgumentSpec> {
        let file = self.file;
        let section = Section::open(file, yaml, keys::ARGUMENT)?;
        let kind = kind(&section)?;
        limits(&section, kind);
        let spec = match kind {
            "array" => self.list(&section),
            "object" => self.object(&section),
            leaf => self.leaf(&section, leaf),
        }?;
        checked_default(&section, &spec)?;
        Some(spec)
    }

    fn list(&mut self, section: &Section<'_>) -> Option<ArgumentSpec> {
        let items = section.need("items").and_then(|yaml| self.argument(yaml));
        let max = section.need("maxItems").and_then(|_| section.count("maxItems", MAX_LIST));
        let min = section.count("minItems", MAX_LIST).unwrap_or(0);
        let (items, max) = (items?, max?);
        let mut schema = json!({ "type": "array", "items": items.schema, "maxItems": max });
        if let Some(object) = schema.as_object_mut() {
            if min > 0 {
                object.insert("minItems".to_owned(), json!(min));
            }
            if section.flag("uniqueItems") {
                object.insert("uniqueItems".to_owned(), json!(true));
            }
        }
        Some(ArgumentSpec { nested: Nested::Items(Box::new(items)), ..common(section, schema) })
    }

    fn object(&mut self, section: &Section<'_>) -> Option<ArgumentSpec> {
        let fields = section.need("properties").and_then(|yaml| self.file.map(yaml))?;
        let (fields, broken) = self.fields(fields);
        if !broken.is_empty() {
            return None;
        }
        let schema = argument::schema(&fields);
        Some(ArgumentSpec { nested: Nested::Fields(fields), ..common(section, schema) })
    }

    fn leaf(&mut self, section: &Section<'_>, kind: &str) -> Option<ArgumentSpec> {
        let mut spec = common(section, schema(section, kind)?);
        spec.from = self.sources(section)?;
        spec.role = section.get("role").and_then(|yaml| role(self.file, yaml, &spec.from));
        spec.extract = section.get("extract").and_then(|yaml| extract(self.file, yaml, &spec.from));
        spec.words = words(section, &spec);
        let value = argument::kind(&spec);
        for yaml in section.items("obtain") {
            self.obtain(yaml, &mut spec, &value);
        }
        Some(spec)
    }

    fn sources(&self, section: &Section<'_>) -> Option<BTreeSet<From>> {
        let kinds = [
            ("claim", From::Claim),
            ("observation", From::Observation),
            ("text", From::Text),
            ("receipt", From::Receipt),
            ("utterance", From::Utterance),
            ("asserted", From::Asserted),
            ("constant", From::Constant),
            ("model", From::Model),
        ];
        let yaml = section.need("from")?;
        let sources: BTreeSet<From> = self
            .file
            .list(yaml)?
            .iter()
            .filter_map(|source| self.file.choice(source, &kinds))
            .collect();
        let missing = |message: &str, remedy: &str| {
            self.file.error::<()>(yaml.at, ProblemKind::Rule, message, Some(remedy));
        };
        match (sources.contains(&From::Constant), section.get("default").is_some()) {
            (true, false) => missing("the source `constant` needs a value", "add `default: …`"),
            (false, true) => missing("a default is a constant", "add `constant` to `from`"),
            (true, true) | (false, false) => {}
        }
        if sources.is_empty() {
            missing("nothing may fill this argument", "name at least one source");
        }
        Some(sources)
    }

    fn obtain(&mut self, yaml: &Yaml, spec: &mut ArgumentSpec, kind: &Type) {
        let Some(section) = Section::open(self.file, yaml, keys::OBTAIN) else { return };
        let tool = section.need_text("tool");
        let at = section.need("at").and_then(|at| self.file.pointer(at));
        let choose_by = section.get("match").and_then(|at| self.file.pointer(at));
        if let (Some(tool), Some(at)) = (tool, at) {
            let obtain = Obtain { tool: tool.to_owned(), at, choose_by };
            spec.obtain.push(obtain.clone());
            self.obtained.push(Obtained { at: yaml.at, obtain, kind: kind.clone() });
        }
    }
}

/// The parts that every argument has.
fn common(section: &Section<'_>, schema: Json) -> ArgumentSpec {
    let default = section.get("default").and_then(|yaml| constant(section.file, yaml));
    let required =
        default.is_none() && section.get("required").is_none_or(|_| section.flag("required"));
    ArgumentSpec {
        schema,
        required,
        about: section.text("about").unwrap_or_default().to_owned(),
        from: BTreeSet::new(),
        role: None,
        default,
        extract: None,
        obtain: Vec::new(),
        words: BTreeMap::new(),
        nested: Nested::Leaf,
    }
}

fn kind(section: &Section<'_>) -> Option<&'static str> {
    let Some(yaml) = section.get("type") else {
        if section.get("enum").is_some() {
            return Some("string");
        }
        let message = "`type` is missing";
        return section.file.error(section.at, ProblemKind::Missing, message, None);
    };
    if matches!(&yaml.kind, Kind::Text(text) if text == "number") {
        let message = "there are no floating-point arguments";
        let remedy = Some("use integer, or a string with a pattern and decimal(…)");
        return section.file.error(yaml.at, ProblemKind::WrongValue, message, remedy);
    }
    let kinds = ["string", "integer", "boolean", "array", "object"].map(|kind| (kind, kind));
    section.file.choice(yaml, &kinds)
}

/// Keys that this type does not take are problems.
fn limits(section: &Section<'_>, kind: &str) {
    let leaf = ["from", "role", "extract", "obtain", "words"];
    let of_type: &[&str] = match kind {
        "string" => &["enum", "pattern", "format", "minLength", "maxLength"],
        "integer" => &["minimum", "maximum"],
        "array" => &["items", "minItems", "maxItems", "uniqueItems"],
        "object" => &["properties"],
        _ => &[],
    };
    let nested = matches!(kind, "array" | "object");
    let any = ["type", "required", "about", "default"];
    for key in keys::ARGUMENT {
        let taken = any.contains(key) || of_type.contains(key) || (!nested && leaf.contains(key));
        if let (false, Some(yaml)) = (taken, section.get(key)) {
            let message = format!("`{key}` does not apply to {kind}");
            section.file.error::<()>(yaml.at, ProblemKind::WrongValue, message, None);
        }
    }
}

/// Plain JSON Schema of a leaf.
fn schema(section: &Section<'_>, kind: &str) -> Option<Json> {
    let file = section.file;
    let mut schema = Map::from_iter([("type".to_owned(), json!(kind))]);
    let mut closed = false;
    if let Some(yaml) = section.get("enum") {
        let values: Vec<_> = file.list(yaml)?.iter().map(|value| file.text(value)).collect();
        schema.insert("enum".to_owned(), json!(values.into_iter().collect::<Option<Vec<_>>>()?));
        closed = true;
    }
    if let Some(yaml) = section.get("pattern") {
        anchored(file, yaml)?;
        schema.insert("pattern".to_owned(), json!(file.text(yaml)?));
        closed = true;
    }
    if let Some(yaml) = section.get("format") {
        let formats = ["date-time", "date", "email", "uri"].map(|format| (format, format));
        schema.insert("format".to_owned(), json!(file.choice(yaml, &formats)?));
    }
    for key in ["minLength", "maxLength", "minimum", "maximum"] {
        if let Some(yaml) = section.get(key) {
            let Kind::Int(n) = yaml.kind else { return file.wrong(yaml, "a whole number") };
            schema.insert(key.to_owned(), json!(n));
        }
    }
    if kind == "string" && !closed && !schema.contains_key("maxLength") {
        schema.insert("maxLength".to_owned(), json!(MAX_TEXT));
    }
    Some(Json::Object(schema))
}

fn role(file: &File, yaml: &Yaml, from: &BTreeSet<From>) -> Option<Role> {
    let roles =
        [("destination", Role::Destination), ("account", Role::Account), ("amount", Role::Amount)];
    let role = file.choice(yaml, &roles)?;
    for (source, whose) in [(From::Model, "the model's"), (From::Asserted, "what nobody signed")] {
        if from.contains(&source) {
            let message = format!(
                "a destination, account or amount is never {whose} (REFERENCES, NOT VALUES)"
            );
            let remedy = format!("take `{}` out of `from`", source.name());
            file.error::<()>(yaml.at, ProblemKind::Rule, message, Some(&remedy));
        }
    }
    Some(role)
}

fn extract(file: &File, yaml: &Yaml, from: &BTreeSet<From>) -> Option<String> {
    let source = file.text(yaml)?;
    let Ok(regex) = Regex::new(source) else {
        return file.error(yaml.at, ProblemKind::WrongValue, "this is no regular expression", None);
    };
    if regex.captures_len() != 2 {
        let message = "the pattern has one group: what it extracts";
        return file.error(
            yaml.at,
            ProblemKind::WrongValue,
            message,
            Some("write (?:…) for other groups"),
        );
    }
    if !from.contains(&From::Utterance) && !from.contains(&From::Asserted) {
        let message = "`extract` looks into a message, and `from` has no `utterance`";
        return file.error(yaml.at, ProblemKind::Rule, message, None);
    }
    Some(source.to_owned())
}

fn words(section: &Section<'_>, spec: &ArgumentSpec) -> BTreeMap<String, Vec<String>> {
    let file = section.file;
    if let (Some(yaml), false) = (section.get("words"), spec.from.contains(&From::Model)) {
        let message = "`words` let the model choose a value, and `from` has no `model`";
        let remedy =
            Some("add `model` to `from` where a wrong choice does no harm, or take `words` out");
        file.error::<()>(yaml.at, ProblemKind::Rule, message, remedy);
    }
    let values = spec.schema.get("enum").and_then(Json::as_array);
    let mut words = BTreeMap::new();
    for (key, yaml) in section.entries("words") {
        if !values.is_some_and(|values| values.iter().any(|v| v == key.text.as_str())) {
            let message = format!("`{}` is no value of the argument's enum", key.text);
            file.error::<()>(key.at, ProblemKind::UnknownReference, message, None);
        }
        let list = file.list(yaml).unwrap_or_default().iter();
        let list = list.filter_map(|word| file.text(word)).map(str::to_owned).collect();
        words.insert(key.text.clone(), list);
    }
    words
}

fn constant(file: &File, yaml: &Yaml) -> Option<Json> {
    match template(file, yaml, &Names::new())? {
        Template::Constant(json) => Some(json),
        Template::Expr(_)
        | Template::Number(_)
        | Template::List(_)
        | Template::Object(_)
        | Template::Each { .. } => file.wrong(yaml, "a constant"),
    }
}

fn checked_default(section: &Section<'_>, spec: &ArgumentSpec) -> Option<()> {
    let Some(default) = &spec.default else { return Some(()) };
    let at = section.get("default").map_or(section.at, |yaml| yaml.at);
    match argument::validator(&spec.schema) {
        Ok(validator) if validator.is_valid(default) => Some(()),
        Ok(_) => {
            let message = "the default does not fit the argument's own schema";
            section.file.error(at, ProblemKind::WrongValue, message, None)
        }
        Err(message) => section.file.error(section.at, ProblemKind::WrongValue, message, None),
    }
}
