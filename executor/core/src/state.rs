//! Fresh state: what the executor read by itself for one write, and what of it a
//! grant binds (FRESH STATE).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::contract::{SubjectRule, WriteBody};
use crate::expr::Scope;
use crate::resolve::Arguments;
use crate::subject::Subject;
use crate::value::Value;

/// Results of a contract's fresh reads, by name. Cheap to clone: the stages hand it on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "BTreeMap<String, Value>")]
pub struct State {
    /// An object: what rules see as `state`.
    reads: Arc<Value>,
}

/// The part of a state that rules, money, verification and texts use: dotted
/// path to value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Projection(Map<String, Json>);

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

    /// Narrowed to what the contract uses.
    #[must_use]
    pub fn project(&self, write: &WriteBody) -> Projection {
        let show = |path: &Vec<String>| (path.join("."), show(&self.reads, path));
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
            .with("args", arguments.scope_value())
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
        let paths: BTreeSet<_> = self.0.keys().chain(now.0.keys()).collect();
        let at = |map: &Map<String, Json>, path| map.get(path).cloned().unwrap_or_default();
        paths
            .into_iter()
            .filter(|path| self.0.get(*path) != now.0.get(*path))
            .map(|path| (path, at(&self.0, path), at(&now.0, path)))
            // A field that is not there is null.
            .filter(|(_, before, now)| before != now)
            .map(|(path, before, now)| Change { path: path.clone(), before, now })
            .collect()
    }

    /// As JSON, keys sorted by the contract's path order.
    #[must_use]
    pub fn to_json(&self) -> Json {
        Json::Object(self.0.clone())
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

/// The same as JSON.
#[must_use]
pub fn show(value: &Value, path: &[String]) -> Json {
    match (path.split_first(), value) {
        (None, _) => value.to_json(),
        (Some(_), Value::List(items)) => Json::Array(items.iter().map(|i| show(i, path)).collect()),
        (Some((name, rest)), _) => show(value.member(name), rest),
    }
}
