//! Values that rules work on: what a read yields and what an expression means.
//! There are no floats; money carries its currency.

use std::collections::BTreeMap;

use countersign_shared::money::Money;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json};

/// A typed value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// Absent, or JSON null.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// A string: an id, one of an enumeration, or text.
    Str(String),
    /// A point in time.
    Time(Timestamp),
    /// A length of time.
    Duration(SignedDuration),
    /// An amount in a currency.
    Money(Money),
    /// A list.
    List(Vec<Value>),
    /// Fields by name.
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// The JSON that observations, receipts and cards hold: decimals and times as
    /// strings, money as `{"amount", "currency"}`, durations in seconds as text.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(b) => Json::Bool(*b),
            Self::Int(i) => Json::Number(Number::from(*i)),
            Self::Decimal(d) => Json::String(d.to_string()),
            Self::Str(s) => Json::String(s.clone()),
            Self::Time(t) => Json::String(t.to_string()),
            Self::Duration(d) => Json::String(format!("{}s", d.as_secs())),
            Self::Money(m) => m.to_json(),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Object(fields) => Json::Object(
                fields.iter().map(|(k, v)| (k.clone(), v.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// From JSON that a schema already admitted: whole numbers, strings, lists,
    /// objects. A number that is not whole becomes an exact decimal.
    #[must_use]
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(b) => Self::Bool(*b),
            Json::Number(n) => n.as_i64().map_or_else(
                || Decimal::from_str_exact(&n.to_string()).map_or(Self::Null, Self::Decimal),
                Self::Int,
            ),
            Json::String(s) => Self::Str(s.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Json::Object(fields) => {
                Self::Object(fields.iter().map(|(k, v)| (k.clone(), Self::from_json(v))).collect())
            }
        }
    }

    /// The member at `path`; `Null` where there is none.
    #[must_use]
    pub fn member(&self, name: &str) -> &Self {
        const NULL: &Value = &Value::Null;
        match self {
            Self::Object(fields) => fields.get(name).unwrap_or(NULL),
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Decimal(_)
            | Self::Str(_)
            | Self::Time(_)
            | Self::Duration(_)
            | Self::Money(_)
            | Self::List(_) => NULL,
        }
    }

    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(s) = self { Some(s) } else { None }
    }
}
