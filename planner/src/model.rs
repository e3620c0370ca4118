//! What reads a message: given the words, the tools and what was read so far, it
//! decides what is wanted. It never sees a credential and its prose is never shown.

use async_trait::async_trait;
use countersign_proto::v1;
use countersign_shared::turn::ModelCall;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

use crate::budget::Purse;
use crate::knowledge::Passages;
use crate::tools::Toolbox;

pub mod offline;
pub mod openai;
pub mod routed;

/// How long models are waited for in one turn, all their answers together.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A reader of messages.
#[async_trait]
pub trait Model: Send + Sync {
    /// Decides what the newest message wants.
    ///
    /// # Errors
    /// [`Unusable`] where there is no answer that could be used.
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable>;
    /// Its name, as plans report it.
    fn name(&self) -> &str;
}

/// What a model may look at.
#[derive(Debug)]
pub struct View<'a> {
    /// The newest message as it was written.
    pub text: &'a str,
    /// Earlier messages of the user in this conversation, oldest first.
    pub earlier: &'a [String],
    /// How things stand: what was done, what waits. See [`crate::checkpoint`].
    pub standing: &'a Json,
    /// The tools.
    pub toolbox: &'a Toolbox,
    /// Reads of this conversation, oldest first.
    pub observations: &'a [v1::Observation],
    /// What the executor said about the plan before, for a repair.
    pub objections: &'a [Objection],
    /// What the house's pages say near the message. It decides nothing.
    pub passages: &'a Passages,
    /// Who pays for it.
    pub purse: Purse,
    /// When the turn's time for models is used up, whoever is asked and however often.
    pub until: Instant,
}

/// A machine-readable problem with a decision, fed back to the model once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// A stable code.
    pub code: String,
    /// Where, such as `calls/0/arguments/order_id`.
    pub at: String,
    /// What is wrong.
    pub problem: String,
}

/// A decision and what it cost.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Tokens and time.
    pub usage: v1::ModelUse,
    /// What was asked of models, in order.
    pub calls: Vec<ModelCall>,
}

/// What a message wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What kind of message it is.
    pub want: Want,
    /// How sure, 0 to 1.
    pub score: f64,
    /// Why not surer. Empty when nothing is open.
    pub doubt: String,
    /// How likely its words were to the model itself, 0 to 1; where the server tells.
    pub tokens: Option<f64>,
}

/// What kind of message it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Want {
    /// One tool: a write to propose, or a read that answers.
    Tool(Call),
    /// Reads wanted before deciding.
    Reads(Vec<Call>),
    /// A question that no tool answers.
    Question,
    /// Unclear.
    Clarify,
    /// For a person.
    Escalate,
}

impl Want {
    /// In a few words, for records.
    #[must_use]
    pub fn in_short(&self) -> String {
        match self {
            Self::Tool(call) => format!("tool {}", call.tool),
            Self::Reads(calls) => {
                let tools: Vec<_> = calls.iter().map(|call| call.tool.as_str()).collect();
                format!("reads {}", tools.join(", "))
            }
            Self::Question => "question".to_owned(),
            Self::Clarify => "clarify".to_owned(),
            Self::Escalate => "escalate".to_owned(),
        }
    }
}

/// A tool with what the message says about its arguments. Whatever is missing
/// is looked for afterwards.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Call {
    /// Tool name.
    pub tool: String,
    /// Arguments by name.
    pub arguments: BTreeMap<String, Given>,
    /// Byte ranges of the message that speak for this call. Empty: all of it.
    pub heard: Vec<Range<usize>>,
    /// Byte ranges that say what is *not* meant.
    pub shunned: Vec<Range<usize>>,
}

/// What a model says about one argument.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Given {
    /// Words of the user's message, copied exactly.
    Quote(String),
    /// A field of an observation.
    Observed {
        /// `obs_…`.
        observation_id: String,
        /// JSON Pointer.
        pointer: String,
    },
    /// A typed value, as JSON.
    Typed(Json),
    /// A list.
    List(Vec<Given>),
    /// An object.
    Fields(BTreeMap<String, Given>),
}

/// No usable answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the model gave no usable answer: {reason}")]
pub struct Unusable {
    /// Why, for logs.
    pub reason: String,
    /// What was spent on it.
    pub usage: Box<v1::ModelUse>,
    /// What was asked of models, in order.
    pub calls: Vec<ModelCall>,
    /// What became of the last request.
    pub failure: Failure,
}

/// What is known of a request that brought nothing usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A status finds fault with this request, or no time was left to make it: it cost nothing
    /// and tells nothing of the server, so whoever words a message badly takes the model from
    /// nobody else.
    Request,
    /// It cost nothing: a status refused it, or it never got there.
    Server,
    /// It may have been answered, and billed.
    Unknown,
}
