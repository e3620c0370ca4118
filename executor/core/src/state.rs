//! Fresh state: what the executor read by itself for one write, and what of it a
//! grant binds (FRESH STATE).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::contract::{SubjectRule, WriteBody};
use crate::expr::Scope;
use crate::resolve::Arguments;
use crate::shown::{Place, Shown};
use crate::subject::Subject;
use crate::value::Value;

/// In the place of an owner who is none of the subject's business.
const WITHHELD: &str = "(somebody else)";

/// Results of a contract's fresh reads, by name. Cheap to clone: the stages hand it on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<String, Value>")]
pub struct State {
    /// An object: what rules see as `state`.
    reads: Arc<Value>,
}

/// The part of a state that rules, money, verification and texts use: dotted
/// path to value, in the contract's path order.
#[derive(Debug, Clone, Default)]
pub struct Projection(Vec<(Arc<str>, Shown)>);

/// One difference between two projections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Dotted path.
    pub path: String,
    /// As the person saw it.
    pub before: Json,
    /// As it is.
    pub now: Json,
}

impl State {
    /// With one more read.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        if let Value::Object(reads) = Arc::make_mut(&mut self.reads) {
            reads.insert(name.to_owned(), value);
        }
        self
    }

    /// What rules see as `state`.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.reads
    }

    /// SUBJECT OWNS IT: of somebody else's object nothing but that it is not the
    /// subject's.
    #[must_use]
    pub fn withheld(&self, rule: &SubjectRule) -> Self {
        let owned = self.owner(rule).as_str().is_some_and(|owner| !owner.is_empty());
        let owner = if owned { Value::Str(WITHHELD.to_owned()) } else { Value::Null };
        let path = rule.path.strip_prefix(&["state".to_owned()]).unwrap_or(&rule.path);
        let nest = |inner, name: &String| Value::Object([(name.clone(), inner)].into());
        Self { reads: Arc::new(path.iter().rev().fold(owner, nest)) }
    }

    /// Narrowed to what the contract uses.
    #[must_use]
    pub fn project(&self, write: &WriteBody) -> Projection {
        let show = |place: &Place| (Arc::clone(place.name()), Shown::at(&self.reads, place));
        Projection(write.projection.iter().map(show).collect())
    }

    /// Whose the object is, as the contract's rule finds it.
    #[must_use]
    pub fn owner(&self, rule: &SubjectRule) -> Value {
        let path = rule.path.strip_prefix(&["state".to_owned()]).unwrap_or(&rule.path);
        pick(&self.reads, path)
    }

    /// What expressions see: `args`, `subject`, `state`, `now`.
    #[must_use]
    pub fn scope(&self, arguments: &Arguments, subject: &Subject, now: Timestamp) -> Scope {
        Scope::new()
            .with("args", Arc::clone(arguments.value()))
            .with("subject", subject.value())
            .with("state", Arc::clone(&self.reads))
            .with("now", Value::Time(now))
    }
}

impl Default for State {
    fn default() -> Self {
        Self::from(BTreeMap::new())
    }
}

impl From<BTreeMap<String, Value>> for State {
    fn from(reads: BTreeMap<String, Value>) -> Self {
        Self { reads: Arc::new(Value::Object(reads)) }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &*self.reads {
            Value::Object(reads) => reads.serialize(to),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Decimal(_)
            | Value::Str(_)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Money(_)
            | Value::List(_) => self.reads.serialize(to),
        }
    }
}

impl Projection {
    /// What differs, in path order.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        if self == now {
            return Vec::new();
        }
        let paths: BTreeSet<_> = self.0.iter().chain(&now.0).map(|(path, _)| path).collect();
        // A field that is not there is null.
        let at = |of: &Self, path| of.at(path).map_or(Json::Null, Shown::to_json);
        paths
            .into_iter()
            .map(|path| Change {
                path: path.to_string(),
                before: at(self, path),
                now: at(now, path),
            })
            .filter(|change| change.before != change.now)
            .collect()
    }

    fn at(&self, path: &str) -> Option<&Shown> {
        self.0.iter().find(|(known, _)| **known == *path).map(|(_, shown)| shown)
    }

    /// As JSON, in the contract's path order.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let told = |(path, shown): &(Arc<str>, Shown)| (path.to_string(), shown.to_json());
        Json::Object(self.0.iter().map(told).collect())
    }
}

impl PartialEq for Projection {
    fn eq(&self, other: &Self) -> bool {
        // The same contract has the same order.
        self.0.len() == other.0.len()
            && (self.0.iter().zip(&other.0).all(|(a, b)| a == b)
                || self.0.iter().all(|(path, shown)| other.at(path) == Some(shown)))
    }
}

impl Serialize for Projection {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(path, shown)| (path, shown)))
    }
}

impl<'de> Deserialize<'de> for Projection {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let told = Map::deserialize(from)?;
        Ok(Self(told.into_iter().map(|(path, json)| (path.into(), Shown::from(json))).collect()))
    }
}

/// Adds money to a scope, where the contract moves some.
#[must_use]
pub fn with_money(scope: Scope, money: Option<Money>) -> Scope {
    match money {
        Some(money) => scope.with("money", Value::Money(money)),
        None => scope,
    }
}

/// The value at a path; a list on the way yields the list of what its elements
/// hold.
#[must_use]
pub fn pick(value: &Value, path: &[String]) -> Value {
    match (path.split_first(), value) {
        (None, _) => value.clone(),
        (Some(_), Value::List(items)) => Value::List(items.iter().map(|i| pick(i, path)).collect()),
        (Some((name, rest)), _) => pick(value.member(name), rest),
    }
}
