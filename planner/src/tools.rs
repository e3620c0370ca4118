//! The tools as the executor lists them, read once per turn. Everything the
//! planner knows about a backend is in here; nothing is built in.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use countersign_proto::v1;
use parking_lot::Mutex;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::model::offline::literal::Literals;
use crate::model::offline::weigh::Profiles;
use crate::prompt::Answer;

/// The tools of one subject.
#[derive(Debug, Default)]
pub struct Toolbox {
    tools: Vec<ToolSpec>,
    profiles: OnceLock<Profiles>,
    literals: OnceLock<Literals>,
    answer: OnceLock<Result<Answer, String>>,
}

impl Toolbox {
    /// Reads a list of tools. A tool that cannot be read is left out, and said so
    /// in the log: the others still work.
    #[must_use]
    pub fn from_listed(listed: &[v1::Tool]) -> Self {
        let tools = listed.iter().filter_map(|tool| match ToolSpec::from_listed(tool) {
            Ok(spec) => Some(spec),
            Err(error) => {
                tracing::warn!(tool = %tool.name, %error, "tool left out");
                None
            }
        });
        Self { tools: tools.collect(), ..Self::default() }
    }

    /// What the examples say, weighed once.
    pub fn profiles(&self) -> &Profiles {
        self.profiles.get_or_init(|| Profiles::of(self))
    }

    /// The examples as sentences, read once.
    pub fn literals(&self) -> &Literals {
        self.literals.get_or_init(|| Literals::of(self))
    }

    /// The shape of a model's answer, compiled once.
    ///
    /// # Errors
    /// When the schema does not compile, which is a fault of ours.
    pub fn answer(&self) -> Result<&Answer, &str> {
        self.answer.get_or_init(|| Answer::of(self)).as_ref().map_err(String::as_str)
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ToolSpec> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// All of them, in the executor's order.
    pub fn iter(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.iter()
    }

    /// Those that customers ask for by themselves: the ones with examples.
    pub fn asked_for(&self) -> impl Iterator<Item = &ToolSpec> {
        self.tools.iter().filter(|tool| !tool.examples.is_empty())
    }
}

/// Toolboxes read before: most turns list the same tools, and their patterns are
/// slow to compile.
#[derive(Debug, Default)]
pub struct Toolboxes {
    kept: Mutex<Vec<(Vec<v1::Tool>, Arc<Toolbox>)>>,
}

/// Different lists kept: one per tenant and scope in practice.
const MAX_KEPT: usize = 16;

impl Toolboxes {
    /// The toolbox of a list.
    pub fn of(&self, listed: Vec<v1::Tool>) -> Arc<Toolbox> {
        let known = |kept: &[(Vec<v1::Tool>, Arc<Toolbox>)]| {
            kept.iter().find(|(tools, _)| *tools == listed).map(|(_, toolbox)| Arc::clone(toolbox))
        };
        if let Some(toolbox) = known(&self.kept.lock()) {
            return toolbox;
        }
        let toolbox = Arc::new(Toolbox::from_listed(&listed));
        let mut kept = self.kept.lock();
        kept.truncate(MAX_KEPT - 1);
        kept.insert(0, (listed, Arc::clone(&toolbox)));
        toolbox
    }
}

/// One tool.
#[derive(Debug)]
pub struct ToolSpec {
    /// Full name.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// True for a read.
    pub read: bool,
    /// Arguments by name.
    pub arguments: BTreeMap<String, ArgumentSpec>,
    /// Shape of what it returns, each leaf `fact` or `text`.
    pub output: Json,
    /// Sentences that mean it.
    pub examples: Vec<String>,
    /// The customer confirms a card first.
    pub needs_confirmation: bool,
    /// Below this score a person decides.
    pub floor: f64,
    /// How one result of a read reads.
    pub label: String,
}

impl ToolSpec {
    fn from_listed(tool: &v1::Tool) -> Result<Self, serde_json::Error> {
        let output = if tool.output_json.is_empty() {
            Json::Null
        } else {
            serde_json::from_str(&tool.output_json)?
        };
        let arguments = if tool.arguments_json.is_empty() {
            BTreeMap::new()
        } else {
            serde_json::from_str(&tool.arguments_json)?
        };
        Ok(Self {
            name: tool.name.clone(),
            summary: tool.summary.clone(),
            read: tool.read,
            arguments,
            output,
            examples: tool.examples.clone(),
            needs_confirmation: tool.needs_confirmation,
            floor: tool.confidence_floor,
            label: tool.label.clone(),
        })
    }

    /// What it does, for the middle of a sentence: `cancel an order that…`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let text = self.summary.trim().trim_end_matches('.');
        let mut letters = text.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    }
}

/// A kind of source that an argument accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A claim of the subject's token.
    Claim,
    /// A fact of an observation.
    Observation,
    /// A text of an observation.
    Text,
    /// A field of a receipt.
    Receipt,
    /// A span of an attested message.
    Utterance,
    /// The contract's default.
    Constant,
    /// A value typed by the model.
    Model,
}

/// One argument: a leaf, a list or an object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ArgumentSpec {
    /// Plain JSON Schema.
    pub schema: Json,
    /// Accepted sources (leaves).
    pub from: Vec<Source>,
    /// For people and models.
    #[serde(deserialize_with = "or_default")]
    pub about: String,
    /// `destination`, `account` or `amount`.
    pub role: Option<String>,
    /// Absent means required unless there is a default.
    pub required: Option<bool>,
    /// The contract's constant.
    pub default: Option<Json>,
    /// How to find it in a sentence: one group.
    pub extract: Option<String>,
    /// Reads that yield it.
    #[serde(deserialize_with = "or_default")]
    pub obtain: Vec<Obtain>,
    /// Words that mean a value of an enumeration.
    #[serde(deserialize_with = "or_default")]
    pub words: BTreeMap<String, Vec<String>>,
    /// The element of a list.
    pub items: Option<Box<ArgumentSpec>>,
    /// The fields of an object.
    pub fields: Option<BTreeMap<String, ArgumentSpec>>,
    /// The schema, compiled once.
    #[serde(skip)]
    validator: OnceLock<Option<jsonschema::Validator>>,
    /// `extract`, compiled at its first use: Unicode classes take their time.
    #[serde(skip)]
    pattern: OnceLock<Option<Regex>>,
}

impl ArgumentSpec {
    /// Whether it accepts this source.
    #[must_use]
    pub fn accepts(&self, source: Source) -> bool {
        self.from.contains(&source)
    }

    /// Whether a plan without it is refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.default.is_none() && self.required.unwrap_or(true)
    }

    /// Whether the schema accepts a value. Without a usable schema everything
    /// fits here: the executor checks again.
    #[must_use]
    pub fn fits(&self, value: &Json) -> bool {
        let compile =
            || jsonschema::options().should_validate_formats(true).build(&self.schema).ok();
        self.validator.get_or_init(compile).as_ref().is_none_or(|v| v.is_valid(value))
    }

    /// The contract's own pattern. One that does not compile finds nothing, and
    /// the log says so.
    #[must_use]
    pub fn pattern(&self) -> Option<&Regex> {
        let compile = || {
            let built =
                regex::RegexBuilder::new(self.extract.as_deref()?).size_limit(MAX_PATTERN).build();
            built
                .inspect_err(|error| tracing::warn!(%error, "a pattern of a contract is left out"))
                .ok()
        };
        self.pattern.get_or_init(compile).as_ref()
    }

    /// The schema's `type`, where it is one word.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.schema.get("type").and_then(Json::as_str).unwrap_or_default()
    }
}

/// A read that yields an argument.
#[derive(Debug, Clone, Deserialize)]
pub struct Obtain {
    /// The read.
    pub tool: String,
    /// JSON Pointer with `*` for each element of a list.
    pub at: String,
    /// Text to compare with the message, same shape of pointer.
    #[serde(default, rename = "match")]
    pub choose_by: Option<String>,
}

/// Bytes that one compiled pattern may take; Unicode classes are large.
const MAX_PATTERN: usize = 16 << 20;

fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_listed_tool_is_read_with_its_nested_arguments() {
        let tool = v1::Tool {
            name: "p.refund".into(),
            summary: "Refund lines.".into(),
            arguments_json: r##"{"lines":{"schema":{"type":"array"},"items":{"fields":{
                "id":{"schema":{"type":"string"},"from":["observation"],"obtain":[{"tool":"p.get","at":"/lines/*/id","match":"/lines/*/title"}]},
                "quantity":{"schema":{"type":"integer"},"from":["model","constant"],"default":1}}}},
                "n":{"schema":{"type":"string"},"from":["utterance"],"extract":"#([0-9]+)","about":null,"words":null}}"##
                .into(),
            ..v1::Tool::default()
        };
        let toolbox = Toolbox::from_listed(&[tool]);
        let spec = toolbox.get("p.refund").unwrap();
        assert_eq!(spec.in_words(), "refund lines");
        let line = spec.arguments.get("lines").unwrap().items.as_ref().unwrap();
        let fields = line.fields.as_ref().unwrap();
        assert!(!fields.get("quantity").unwrap().is_required());
        assert_eq!(fields.get("id").unwrap().obtain.first().unwrap().tool, "p.get");
        assert!(spec.arguments.get("n").unwrap().pattern().unwrap().is_match("#12"));
    }

    #[test]
    fn an_unreadable_tool_is_left_out_alone() {
        let bad =
            v1::Tool { name: "p.bad".into(), arguments_json: "{".into(), ..v1::Tool::default() };
        let good = v1::Tool { name: "p.good".into(), ..v1::Tool::default() };
        let names: Vec<_> =
            Toolbox::from_listed(&[bad, good]).iter().map(|t| t.name.clone()).collect();
        assert_eq!(names, ["p.good"]);
    }
}
