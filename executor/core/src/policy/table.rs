//! `tests.yaml`: who asks for what, and what the policy must say. Nobody edits a policy
//! without seeing which of these changed.

mod read;
mod run;

use std::collections::BTreeSet;

use countersign_shared::money::Money;
use jiff::Timestamp;

pub(super) use read::read;

use super::Verb;
use crate::subject::{Kind, Strength};

/// Every row, in order.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The rows.
    pub rows: Vec<Row>,
}

/// One question and its expected answer.
#[derive(Debug, Clone)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: usize,
    /// Who asks.
    pub who: Who,
    /// Where they belong.
    pub tenant: String,
    /// The calling workload.
    pub workload: String,
    /// Through which frontend.
    pub channel: String,
    /// The step.
    pub verb: Verb,
    /// The tool.
    pub tool: String,
    /// Money that moves.
    pub amount: Option<Money>,
    /// The planner's score.
    pub confidence: f64,
    /// When.
    pub at: Timestamp,
    /// `None`: a permit. Otherwise the code of the refusal.
    pub refusal: Option<String>,
    /// The mode's name, where the row says one.
    pub mode: Option<String>,
}

/// Who asks in a row.
#[derive(Debug, Clone)]
pub enum Who {
    /// A subject as an issuer vouches for it.
    Subject {
        /// Customer or staff.
        kind: Kind,
        /// Id at the issuer.
        id: String,
        /// Segment.
        segment: String,
        /// Strength.
        strength: Strength,
        /// Scopes.
        scopes: BTreeSet<String>,
    },
    /// Somebody of `people.yaml`, who approves.
    Person {
        /// Their id.
        id: String,
        /// The role in which they say yes.
        role: String,
    },
}

/// A row, asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The row's line.
    pub line: usize,
    /// Who, what, how much: in a few words.
    pub what: String,
    /// What was expected: `permit`, `permit, auto` or a code.
    pub expected: String,
    /// What the policy said.
    pub got: String,
    /// The policies that decided, or why there is no answer.
    pub by: String,
    /// Whether they agree.
    pub passed: bool,
}
