//! Walking a shape: types and labels of its places.

use serde_json::{Map, Value as Json};

use super::{Fact, Field, Kind};
use crate::expr::{Text, Type};
use crate::value::Value;

/// One step into an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field.
    Field(String),
    /// One element of a list, from 0.
    Index(usize),
    /// Each element of a list: `*`.
    Each,
}

/// Whether a leaf may decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Of a closed type.
    Fact,
    /// Anything that somebody wrote.
    Text,
}

impl Step {
    /// The steps of a JSON Pointer such as `/orders/0/id` or `/orders/*/id`.
    /// `None` when it does not begin with `/`.
    #[must_use]
    pub fn parse(pointer: &str) -> Option<Vec<Self>> {
        let rest = pointer.strip_prefix('/')?;
        Some(rest.split('/').map(Self::token).collect())
    }

    fn token(token: &str) -> Self {
        if token == "*" {
            return Self::Each;
        }
        token.parse().map_or_else(|_| Self::Field(token.to_owned()), Self::Index)
    }
}

impl Label {
    /// `fact` or `text`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Text => "text",
        }
    }
}

pub(super) fn find<'a>(field: &'a Field, path: &[Step]) -> Option<&'a Field> {
    let Some((step, rest)) = path.split_first() else { return Some(field) };
    match (step, &field.kind) {
        (Step::Field(name), Kind::Object(fields)) => find(fields.get(name)?, rest),
        (Step::Index(_) | Step::Each, Kind::List { of, .. }) => find(of, rest),
        _ => None,
    }
}

pub(super) const fn label(field: &Field) -> Option<Label> {
    match field.kind {
        Kind::Fact(_) => Some(Label::Fact),
        Kind::Text(_) => Some(Label::Text),
        Kind::Object(_) | Kind::List { .. } => None,
    }
}

pub(super) fn kind(field: &Field) -> Type {
    let kind = match &field.kind {
        Kind::Fact(fact) => fact_kind(fact),
        Kind::Text(_) => Type::TEXT,
        Kind::Object(fields) => {
            Type::Object(fields.iter().map(|(k, f)| (k.clone(), kind(f))).collect())
        }
        Kind::List { of, .. } => kind(of).list(),
    };
    if field.optional { kind.optional() } else { kind }
}

fn fact_kind(fact: &Fact) -> Type {
    match fact {
        Fact::Id(_) => Type::ID,
        Fact::OneOf(values) => Type::Str(Text::OneOf(values.clone())),
        Fact::Bool => Type::Bool,
        Fact::Int => Type::Int,
        Fact::Decimal => Type::Decimal,
        Fact::Time => Type::Time,
        Fact::Money(_) => Type::Money,
    }
}

pub(super) fn describe(field: &Field) -> Json {
    match &field.kind {
        Kind::Fact(_) => Json::from(Label::Fact.as_str()),
        Kind::Text(_) => Json::from(Label::Text.as_str()),
        Kind::Object(fields) => Json::Object(
            fields.iter().map(|(k, f)| (k.clone(), describe(f))).collect::<Map<_, _>>(),
        ),
        Kind::List { of, .. } => Json::Array(vec![describe(of)]),
    }
}

pub(super) fn labels(field: &Field, value: &Value) -> Json {
    match (&field.kind, value) {
        (_, Value::Null) => Json::Null,
        (Kind::Object(fields), Value::Object(_)) => Json::Object(
            fields
                .iter()
                .map(|(name, field)| (name.clone(), labels(field, value.member(name))))
                .collect::<Map<_, _>>(),
        ),
        (Kind::List { of, .. }, Value::List(items)) => {
            Json::Array(items.iter().map(|item| labels(of, item)).collect())
        }
        (Kind::Text(_), _) => Json::from(Label::Text.as_str()),
        (Kind::Fact(_) | Kind::Object(_) | Kind::List { .. }, _) => {
            Json::from(Label::Fact.as_str())
        }
    }
}
