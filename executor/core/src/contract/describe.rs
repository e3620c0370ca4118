//! What a planner is told of a tool: its arguments and what it yields.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::{ArgumentSpec, Body, Contract, From, Nested, Obtain, Role};
use crate::shape::Label;

/// Arguments by name: objects have `fields`, arrays have `items`, leaves have
/// `from` (`ListTools`).
#[must_use]
pub fn arguments_json(contract: &Contract) -> Json {
    fields(&contract.arguments)
}

/// Each field of the output as `"fact"` or `"text"`.
#[must_use]
pub fn output_json(contract: &Contract) -> Json {
    match &contract.body {
        Body::Read(read) => read.output.describe(),
        Body::Write(write) => {
            let label = |free: bool| if free { Label::Text } else { Label::Fact }.as_str();
            let outputs = write
                .output
                .iter()
                .map(|(name, expr)| (name.clone(), Json::from(label(expr.kind().is_free_text()))));
            Json::Object(outputs.collect())
        }
    }
}

fn fields(specs: &BTreeMap<String, ArgumentSpec>) -> Json {
    Json::Object(specs.iter().map(|(name, spec)| (name.clone(), argument(spec))).collect())
}

fn argument(spec: &ArgumentSpec) -> Json {
    let mut out = Map::new();
    let mut put = |name: &str, value: Json| out.insert(name.to_owned(), value);
    put("schema", spec.schema.clone());
    put("required", json!(spec.required));
    put("about", json!(spec.about));
    put("default", spec.default.clone().unwrap_or(Json::Null));
    match &spec.nested {
        Nested::Items(item) => {
            put("items", argument(item));
        }
        Nested::Fields(inner) => {
            put("fields", fields(inner));
        }
        Nested::Leaf => {
            put("from", spec.from.iter().map(|from| from.as_str()).collect());
            put("role", json!(spec.role.map(Role::as_str)));
            put("extract", json!(spec.extract));
            put("obtain", spec.obtain.iter().map(obtain).collect());
            put("words", json!(spec.words));
        }
    }
    Json::Object(out)
}

fn obtain(obtain: &Obtain) -> Json {
    json!({ "tool": obtain.tool, "at": obtain.at, "match": obtain.choose_by })
}

impl From {
    /// As contracts spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Observation => "observation",
            Self::Text => "text",
            Self::Receipt => "receipt",
            Self::Utterance => "utterance",
            Self::Asserted => "asserted",
            Self::Constant => "constant",
            Self::Model => "model",
        }
    }
}

impl Role {
    /// As contracts spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Account => "account",
            Self::Amount => "amount",
        }
    }
}
