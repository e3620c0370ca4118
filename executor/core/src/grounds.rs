//! What each gate looked at. Written out as JSON only where somebody reads it.

use std::fmt;
use std::sync::Arc;

use countersign_shared::money::Money;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::expr::{Expr, Scope, Written};
use crate::policy::Tally;
use crate::shown::Told;
use crate::state::Change;
use crate::value::Value;

/// What one gate looked at.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Grounds {
    /// How surely it is the subject.
    Strength {
        /// As it is.
        has: &'static str,
        /// As the contract wants it.
        wanted: &'static str,
    },
    /// Staff, who own nothing.
    Staff {
        /// What binds them.
        rule: &'static str,
        /// The scope that they have.
        scope: String,
    },
    /// Whose the object is.
    Owner {
        /// The rule.
        rule: String,
        /// The subject's claim.
        subject: Option<String>,
    },
    /// The amount that moves.
    Money {
        /// How it is computed.
        rule: Arc<Written>,
        /// How much.
        money: Money,
    },
    /// A rule of the contract.
    Rule(Seen),
    /// How sure the planner is.
    Confidence {
        /// Its score.
        score: f64,
        /// The floor that applies.
        floor: f64,
        /// Why it is not surer.
        reason: String,
    },
    /// What the policy said.
    Policy {
        /// The step that was asked about.
        verb: &'static str,
        /// The tool.
        tool: String,
        /// The policies that decided.
        policies: Vec<String>,
        /// How far it goes by itself.
        mode: &'static str,
        /// The policy's digest.
        policy: String,
    },
    /// Whom a yes is not accepted from.
    Approver {
        /// Who it is.
        person: String,
        /// In which role they answered.
        role: String,
        /// Why not.
        why: String,
    },
    /// A limit, and what was done before.
    Limit {
        /// Whose tally.
        per: &'static str,
        /// The window, in seconds.
        within_seconds: u64,
        /// Most money in it.
        most: Vec<Money>,
        /// Most actions in it.
        count: Option<u32>,
        /// What is in it, where that is the subject's to know.
        so_far: Option<Tally>,
        /// What would be added.
        money: Option<Money>,
    },
    /// What is not as it was shown.
    Unchanged {
        /// Each difference.
        changes: Vec<Change>,
    },
    /// As the journal gave it back.
    Told(Json),
}

/// A rule, and the value of each path that it names as it stood then.
#[derive(Clone)]
pub struct Seen {
    rule: Arc<Written>,
    /// One for each of the rule's places.
    roots: Vec<Option<Arc<Value>>>,
}

impl Seen {
    /// What a rule sees.
    #[must_use]
    pub fn of(rule: &Expr, scope: &Scope) -> Self {
        let rule = Arc::clone(rule.written());
        let root = |place: &crate::shown::Place| scope.share(place.split()?.0);
        Self { roots: rule.places().iter().map(root).collect(), rule }
    }

    /// The same, to be taken apart.
    #[must_use]
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut facts = to.serialize_map(Some(self.roots.len() + 1))?;
        facts.serialize_entry("rule", &self.rule)?;
        for (place, root) in self.rule.places().iter().zip(&self.roots) {
            let root = root.as_deref().unwrap_or(&Value::Null);
            let rest = place.split().map_or_else(Default::default, |(_, rest)| rest);
            facts.serialize_entry(place.name(), &Told(root, rest))?;
        }
        facts.end()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl Grounds {
    /// The same, to be taken apart.
    #[must_use]
    pub fn to_json(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl PartialEq for Grounds {
    fn eq(&self, other: &Self) -> bool {
        self.to_json() == other.to_json()
    }
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_json().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Grounds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Json::deserialize(from).map(Self::Told)
    }
}
