//! What of a value people, journals and receipts are told: the JSON of
//! [`Value::to_json`], written straight out. It becomes a tree only where somebody
//! takes it apart.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::value::Value;

/// Where in a value something stands: names, and the same dotted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    name: Arc<str>,
    steps: Arc<[String]>,
}

impl Place {
    /// The place that these names lead to.
    #[must_use]
    pub fn new(steps: &[String]) -> Self {
        Self { name: steps.join(".").into(), steps: steps.into() }
    }

    /// The names, dotted.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The first name, and those below it.
    #[must_use]
    pub fn split(&self) -> Option<(&str, &[String])> {
        self.steps.split_first().map(|(root, rest)| (root.as_str(), rest))
    }
}

/// What stands at a place of a value. A list on the way yields the list of what its
/// elements hold.
#[derive(Clone)]
pub struct Shown(Source);

#[derive(Clone)]
enum Source {
    Value {
        root: Arc<Value>,
        place: Place,
    },
    /// As the journal gave it back.
    Json(Json),
}

impl Shown {
    /// What stands there.
    #[must_use]
    pub fn at(root: &Arc<Value>, place: &Place) -> Self {
        Self(Source::Value { root: Arc::clone(root), place: place.clone() })
    }

    /// The same, to be taken apart.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.0 {
            Source::Value { root, place } => show(root, &place.steps),
            Source::Json(json) => json.clone(),
        }
    }
}

/// The JSON of what stands at a path.
fn show(value: &Value, path: &[String]) -> Json {
    match (path.split_first(), value) {
        (None, _) => value.to_json(),
        (Some(_), Value::List(items)) => Json::Array(items.iter().map(|i| show(i, path)).collect()),
        (Some((name, rest)), _) => show(value.member(name), rest),
    }
}

impl From<Json> for Shown {
    fn from(json: Json) -> Self {
        Self(Source::Json(json))
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Json(a), Source::Json(b)) => a == b,
            (Source::Value { root, place }, Source::Json(json))
            | (Source::Json(json), Source::Value { root, place }) => {
                reads(root, &place.steps, json)
            }
            (Source::Value { root: a, place }, Source::Value { root: b, place: other }) => {
                if place == other {
                    alike(a, b, &place.steps)
                } else {
                    show(a, &place.steps) == show(b, &other.steps)
                }
            }
        }
    }
}

/// Whether what stands at a path is this JSON.
fn reads(value: &Value, path: &[String], json: &Json) -> bool {
    match (path.split_first(), value, json) {
        (_, Value::List(items), Json::Array(told)) => {
            items.len() == told.len() && items.iter().zip(told).all(|(i, j)| reads(i, path, j))
        }
        (Some((name, rest)), Value::Object(_), json) => reads(value.member(name), rest, json),
        (None, Value::Str(text), Json::String(told)) => text == told,
        (None, Value::Object(fields), Json::Object(told)) => {
            let same = |(name, value)| told.get(name).is_some_and(|json| reads(value, &[], json));
            fields.len() == told.len() && fields.iter().all(same)
        }
        (_, value, json) => show(value, path) == *json,
    }
}

/// Whether the same JSON stands at a path of two values.
fn alike(a: &Value, b: &Value, path: &[String]) -> bool {
    match (path.split_first(), a, b) {
        (_, Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b, path))
        }
        (Some((name, rest)), Value::Object(_), Value::Object(_)) => {
            alike(a.member(name), b.member(name), rest)
        }
        (None, Value::Object(a), Value::Object(b)) => {
            let same = |((x, a), (y, b)): ((&String, &Value), (&String, &Value))| {
                x == y && alike(a, b, path)
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        // 1.0 and 1.00 are one number and two texts.
        (None, Value::Decimal(a), Value::Decimal(b)) => a.serialize() == b.serialize(),
        (None, a, b) if a == b => true,
        (_, a, b) => show(a, path) == show(b, path),
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Source::Value { root, place } => Told(root, &place.steps).serialize(to),
            Source::Json(json) => json.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Json::deserialize(from).map(Self::from)
    }
}

/// A value at a path, written as [`show`] would have it.
pub(crate) struct Told<'a>(pub(crate) &'a Value, pub(crate) &'a [String]);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(value, path) = *self;
        match (path.split_first(), value) {
            (_, Value::List(items)) => to.collect_seq(items.iter().map(|item| Told(item, path))),
            (Some((name, rest)), _) => Told(value.member(name), rest).serialize(to),
            (None, Value::Null) => to.serialize_unit(),
            (None, Value::Bool(bool)) => to.serialize_bool(*bool),
            (None, Value::Int(int)) => to.serialize_i64(*int),
            (None, Value::Decimal(decimal)) => to.collect_str(decimal),
            (None, Value::Str(text)) => to.serialize_str(text),
            (None, Value::Time(time)) => to.collect_str(time),
            (None, Value::Duration(length)) => {
                to.collect_str(&format_args!("{}s", length.as_secs()))
            }
            (None, Value::Money(money)) => money.serialize(to),
            (None, Value::Object(fields)) => {
                to.collect_map(fields.iter().map(|(name, value)| (name, Told(value, &[]))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::money::Money;
    use serde_json::json;

    use super::*;

    fn object(fields: &[(&str, Value)]) -> Value {
        Value::Object(fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    }

    /// Values of every kind, some of them close to each other.
    fn values() -> Vec<Value> {
        let text = |text: &str| Value::Str(text.into());
        let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
        let usd = |text: &str| Value::Money(Money::parse(text, "USD".parse().unwrap()).unwrap());
        let line = |id: &str| object(&[("id", text(id)), ("n", Value::Int(1))]);
        let scalars = [
            Value::Null,
            Value::Bool(false),
            Value::Int(1),
            text("1"),
            text("1.0"),
            decimal("1.0"),
            decimal("1.00"),
            text("1s"),
            Value::Duration(jiff::SignedDuration::from_millis(1000)),
            Value::Duration(jiff::SignedDuration::from_millis(1001)),
            Value::Time("2026-11-01T10:00:00Z".parse().unwrap()),
            text("2026-11-01T10:00:00Z"),
            usd("12.30"),
            object(&[("amount", text("12.30")), ("currency", text("USD"))]),
        ];
        let lists = [vec![], vec![Value::Null], vec![line("a"), line("b")], vec![line("a")]];
        let lists = lists.map(Value::List);
        let objects = [object(&[]), line("a"), object(&[("id", Value::List(vec![line("a")]))])];
        scalars.into_iter().chain(lists).chain(objects).collect()
    }

    #[test]
    fn what_is_shown_is_told_compared_and_written_as_its_json() {
        let place =
            |path: &[&str]| Place::new(&path.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        let places = [place(&[]), place(&["x"]), place(&["x", "id"]), place(&["x", "id", "id"])];
        let roots = values().into_iter().map(|value| Arc::new(object(&[("x", value)])));
        let shown: Vec<_> =
            roots.flat_map(|root| places.each_ref().map(|place| Shown::at(&root, place))).collect();
        for a in &shown {
            let told = serde_json::to_string(a).unwrap();
            assert_eq!(told, a.to_json().to_string());
            let back: Shown = serde_json::from_str(&told).unwrap();
            for b in &shown {
                let same = a.to_json() == b.to_json();
                assert_eq!((a == b, back == *b, *b == back), (same, same, same), "{a:?} {b:?}");
            }
        }
        assert_eq!(Shown::from(json!([1])), Shown::from(json!([1])));
    }
}
