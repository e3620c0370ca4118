//! Fresh state: what the executor read by itself for one write, and what of it a
//! grant binds (FRESH STATE).

use std::collections::BTreeMap;

use countersign_shared::money::Money;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::contract::WriteBody;
use crate::expr::Scope;
use crate::resolve::Arguments;
use crate::subject::Subject;
use crate::value::Value;

/// Results of a contract's fresh reads, by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State {
    /// Below `state`.
    pub reads: BTreeMap<String, Value>,
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
    /// Narrowed to what the contract uses.
    #[must_use]
    pub fn project(&self, write: &WriteBody) -> Projection {
        let root = Value::Object(self.reads.clone());
        let pick = |path: &Vec<String>| (path.join("."), pick(&root, path).to_json());
        Projection(write.projection.iter().map(pick).collect())
    }

    /// What expressions see: `args`, `subject`, `state`, `now`.
    #[must_use]
    pub fn scope(&self, arguments: &Arguments, subject: &Subject, now: Timestamp) -> Scope {
        Scope::new()
            .with("args", arguments.scope_value())
            .with("subject", subject.value())
            .with("state", Value::Object(self.reads.clone()))
            .with("now", Value::Time(now))
    }
}

impl Projection {
    /// What differs, in path order.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(now.0.keys()).collect();
        let at =
            |map: &Map<String, Json>, path: &String| map.get(path).cloned().unwrap_or_default();
        let change = |path: &String| Change {
            path: path.clone(),
            before: at(&self.0, path),
            now: at(&now.0, path),
        };
        paths.into_iter().map(change).filter(|c| c.before != c.now).collect()
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
