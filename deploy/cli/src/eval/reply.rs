//! What a scripted model answers, well or badly.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// One answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A decision. What is left out of it is filled in as a sure model would.
    Decide(Decide),
    /// These words, whatever they are. `{{obs:TOOL}}` stands for the newest read of a tool.
    Text(String),
    /// This HTTP status, and an error with an integer for its code.
    Status(u16),
    /// The connection is cut in the middle of an answer.
    Cut(String),
    /// An answer of so many bytes.
    Huge(usize),
    /// A decision that comes a piece at a time.
    Slow(Slow),
}

/// A decision, and how long it takes from its first byte to its last.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slow {
    /// Milliseconds.
    pub(super) ms: u64,
    pub(super) decide: Decide,
}

/// A decision, in short.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    #[serde(default = "action")]
    intent: String,
    #[serde(default = "sure")]
    confidence: f64,
    #[serde(default)]
    uncertainty_reason: String,
    #[serde(default = "proceed")]
    recommended_action: String,
    #[serde(default)]
    calls: Vec<Call>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    #[serde(default)]
    arguments: Map<String, Json>,
}

fn action() -> String {
    "action".to_owned()
}

fn sure() -> f64 {
    0.97
}

fn proceed() -> String {
    "proceed".to_owned()
}

impl Decide {
    /// The decision as a model writes it, for the shape that is asked for: arguments of which
    /// nothing is said are null.
    pub(super) fn written(&self, request: &Json) -> String {
        let calls: Vec<_> = self.calls.iter().map(|call| call.written(request)).collect();
        json!({
            "intent": self.intent,
            "confidence": self.confidence,
            "uncertainty_reason": self.uncertainty_reason,
            "recommended_action": self.recommended_action,
            "calls": calls,
        })
        .to_string()
    }
}

impl Call {
    fn written(&self, request: &Json) -> Json {
        let shapes = "/response_format/json_schema/schema/properties/calls/items/anyOf";
        let shapes = request.pointer(shapes).and_then(Json::as_array);
        let mine = shapes.into_iter().flatten().find(|shape| {
            shape.pointer("/properties/tool/enum/0").and_then(Json::as_str) == Some(&self.tool)
        });
        let names = mine.and_then(|shape| shape.pointer("/properties/arguments/properties"));
        let names = names.and_then(Json::as_object).into_iter().flatten();
        let mut arguments: Map<String, Json> =
            names.map(|(name, _)| (name.clone(), Json::Null)).collect();
        arguments.extend(self.arguments.clone());
        json!({ "tool": self.tool, "arguments": arguments })
    }
}
