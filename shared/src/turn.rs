//! What a planner tells of one turn, and how the executor keeps it. It is the planner's
//! word: nothing is decided by it, and only the message's attestation was checked.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Most of what a planner may tell of one turn, in bytes.
pub const LARGEST: usize = 64 * 1024;

/// How a user may rate a conversation.
pub const SCORES: std::ops::RangeInclusive<u32> = 1..=5;

/// A turn as the executor keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Which planner told it, a SPIFFE id.
    pub caller: String,
    /// What the user wrote; absent for a bare confirmation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Said>,
    /// The rest.
    pub told: Told,
}

/// A user's message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The frontend's id for it.
    pub id: String,
    /// What the user wrote.
    pub text: String,
    /// Hex SHA-256 of the text: receipts name the messages that they rest on by it.
    pub sha256: String,
    /// The frontend whose signature over it holds; empty where the planner only asserts it.
    pub attested_by: String,
}

/// What a planner tells. Whatever it leaves out is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// What the message was to what was waited for: `new`, `picked`, `detail`, `drop`, …
    pub heard: String,
    /// The proposal that a signed yes came for.
    pub confirmed: String,
    /// What the turn was taken for: `question`, `action`, `clarify`, `escalate`.
    pub intent: String,
    /// Each call of a model, in order.
    pub models: Vec<ModelCall>,
    /// Each thing asked of the executor, in order.
    pub calls: Vec<Call>,
    /// What the frontend was told of each action, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Acted>,
    /// What the user was told.
    pub reply: String,
    /// Where something was left out for its size.
    pub cut: bool,
}

/// One call of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelCall {
    /// The model's name.
    pub model: String,
    /// Which of several it is: `cheap` or `strong`; empty where there is one.
    pub tier: String,
    /// Why it was asked, where there are several.
    pub why: String,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Milliseconds.
    pub latency_ms: u32,
    /// What it cost, such as `0.000420 USD`; empty where no price is configured,
    /// or no usage was told.
    pub cost: String,
    /// Repair rounds.
    pub repairs: u32,
    /// Requests that the server refused for a parameter, and that were made again without it.
    pub refused: u32,
    /// What it decided, in a few words, or why its answer could not be used.
    pub decided: String,
    /// Requests and answers, where the planner is configured to record them.
    pub bodies: Vec<Exchange>,
}

impl ModelCall {
    /// What it cost, in millionths of a currency of three letters. `None` where it had no price.
    #[must_use]
    pub fn priced(&self) -> Option<(i64, &str)> {
        let (amount, currency) = self.cost.split_once(' ')?;
        let (whole, part) = amount.split_once('.')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let letters = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        if !letters || part.len() != 6 || !digits(whole) || !digits(part) {
            return None;
        }
        Some((format!("{whole}{part}").parse().unwrap_or(i64::MAX), currency))
    }
}

/// One request to a model server, and its answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// The request.
    pub request: Json,
    /// The answer's text; empty where none came.
    pub answer: String,
}

/// One thing asked of the executor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// `read`, `propose`, `execute`, `withdraw`, `look`, `match` or `escalate`.
    pub what: String,
    /// The tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// Where each argument was to come from: references, not values.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub arguments: Json,
    /// What a read yielded: `obs_…`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub observation: String,
    /// The proposal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proposal: String,
    /// The action.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
    /// The receipt that the executor named.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub receipt: String,
    /// How the action ended, as far as it was told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// The executor's code; empty for a plain yes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
}

/// An action as the frontend was told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acted {
    /// The tool; empty where none was understood.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// How it ended; empty while it waits, or where it was refused before it began.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// The code; empty for a plain yes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The receipt; empty where there is none yet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub receipt: String,
}
