//! Arguments as schemas, types and typed values.

use std::collections::BTreeMap;

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value as Json, json};

use super::{ArgumentSpec, Contract, Nested};
use crate::expr::{Text, Type};
use crate::value::Value;

impl Contract {
    /// The typed value of `args`: defaults filled in, what is left out absent.
    /// `json` must have passed `self.schema`; what does not fit is absent.
    #[must_use]
    pub fn arguments_value(&self, json: &Json) -> Value {
        fields_value(&self.arguments, json)
    }

    /// The type of `args`.
    #[must_use]
    pub fn arguments_kind(&self) -> Type {
        fields_kind(&self.arguments)
    }
}

/// Plain JSON Schema of an object of these arguments: nothing else may be there.
pub(super) fn schema(fields: &BTreeMap<String, ArgumentSpec>) -> Json {
    let properties: Map<String, Json> =
        fields.iter().map(|(name, spec)| (name.clone(), spec.schema.clone())).collect();
    let required: Vec<&str> =
        fields.iter().filter(|(_, spec)| spec.required).map(|(name, _)| name.as_str()).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Compiles a schema: linear-time patterns, formats checked, nothing fetched.
pub(super) fn validator(schema: &Json) -> Result<Validator, String> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| error.to_string())
}

/// The type of an argument's value, when it is there.
pub(super) fn kind(spec: &ArgumentSpec) -> Type {
    match &spec.nested {
        Nested::Items(item) => kind(item).list(),
        Nested::Fields(fields) => fields_kind(fields),
        Nested::Leaf => leaf_kind(&spec.schema),
    }
}

pub(super) fn fields_kind(fields: &BTreeMap<String, ArgumentSpec>) -> Type {
    let kinds = fields.iter().map(|(name, spec)| {
        let kind = kind(spec);
        let certain = spec.required || spec.default.is_some();
        (name.clone(), if certain { kind } else { kind.optional() })
    });
    Type::Object(kinds.collect())
}

fn leaf_kind(schema: &Json) -> Type {
    match schema.get("type").and_then(Json::as_str) {
        Some("integer") => return Type::Int,
        Some("boolean") => return Type::Bool,
        _ => {}
    }
    if schema.get("format").and_then(Json::as_str) == Some("date-time") {
        return Type::Time;
    }
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        let values = values.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        return Type::Str(Text::OneOf(values));
    }
    if schema.get("pattern").is_some() { Type::ID } else { Type::TEXT }
}

fn fields_value(fields: &BTreeMap<String, ArgumentSpec>, json: &Json) -> Value {
    let values = fields.iter().map(|(name, spec)| {
        let given = json.get(name).or(spec.default.as_ref());
        (name.clone(), given.map_or(Value::Null, |given| value(spec, given)))
    });
    Value::Object(values.collect())
}

fn value(spec: &ArgumentSpec, json: &Json) -> Value {
    match (&spec.nested, json) {
        (Nested::Items(item), Json::Array(items)) => {
            Value::List(items.iter().map(|json| value(item, json)).collect())
        }
        (Nested::Fields(fields), Json::Object(_)) => fields_value(fields, json),
        (Nested::Leaf, Json::Bool(b)) => Value::Bool(*b),
        (Nested::Leaf, Json::Number(n)) => n.as_i64().map_or(Value::Null, Value::Int),
        (Nested::Leaf, Json::String(s)) if leaf_kind(&spec.schema) == Type::Time => {
            s.parse().map_or(Value::Null, Value::Time)
        }
        (Nested::Leaf, Json::String(s)) => Value::Str(s.clone()),
        _ => Value::Null,
    }
}
