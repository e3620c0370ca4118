//! The two doors of a planner: gRPC, and OpenAI's Chat Completions over HTTP. Both say the same.

use anyhow::Context;
use countersign_proto::v1::{Outcome, Turn, TurnAction};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::play::Acted;
use crate::chat::frontend::{Frontend, Shown};
use crate::chat::voice::Voice;
use crate::chat::yes::is_yes;

/// Key of the HTTP frontend. It opens nothing but a planner of one play.
pub(super) const KEY: &str = "the-key-of-an-evaluation-and-nothing-else";

/// Through which door plays go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Door {
    /// The planner's own protocol.
    Grpc,
    /// OpenAI's Chat Completions.
    Chat,
}

/// What came of something that was said.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) reply: String,
    pub(super) actions: Vec<Acted>,
    /// Why the planner did not finish the turn.
    pub(super) failed: Option<String>,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
}

/// A conversation at one of the doors.
pub(super) enum Face {
    Grpc { frontend: Box<Frontend>, last: Option<Shown> },
    Chat(Box<Chat>),
}

/// A conversation over HTTP.
pub(super) struct Chat {
    pub(super) client: reqwest::Client,
    pub(super) url: String,
    pub(super) voice: Voice,
    pub(super) conversation: String,
    pub(super) messages: Vec<Json>,
    /// What waits for an answer.
    pub(super) card: Option<Shown>,
    /// What was shown last, answered or not.
    pub(super) last: Option<Shown>,
}

impl Face {
    /// The card shown last gets no signed answer.
    pub(super) fn look_away(&mut self) {
        match self {
            Self::Grpc { frontend, .. } => frontend.look_at(None),
            Self::Chat(chat) => chat.card = None,
        }
    }

    /// The card shown last gets another signed answer.
    pub(super) fn look_back(&mut self) {
        match self {
            Self::Grpc { frontend, last } => frontend.look_at(last.clone()),
            Self::Chat(chat) => chat.card.clone_from(&chat.last),
        }
    }

    pub(super) async fn say(&mut self, text: &str) -> anyhow::Result<Heard> {
        match self {
            Self::Grpc { frontend, last } => {
                let spoken = frontend.say(text, |_progress| {}).await?;
                if spoken.card.is_some() {
                    *last = spoken.card;
                }
                Ok(match spoken.turn {
                    Ok(turn) => Heard::of(turn),
                    Err(failed) => Heard::failed(failed.say, &failed.code, &failed.message),
                })
            }
            Self::Chat(chat) => chat.say(text).await,
        }
    }
}

impl Chat {
    async fn say(&mut self, text: &str) -> anyhow::Result<Heard> {
        let now = Timestamp::now();
        let answered = self.card.take().filter(|_| is_yes(text));
        let yes = answered.map(|card| self.voice.confirm(&self.conversation, &card, now));
        self.messages.push(json!({ "role": "user", "content": text }));
        let id = format!("m{}", self.messages.len());
        let attested = self.voice.attest(&self.conversation, id, text, now)?;
        let mut signed = json!({
            "message_id": attested.message_id, "attestation": attested.attestation,
        });
        if let (Some(yes), Some(signed)) = (yes.transpose()?, signed.as_object_mut()) {
            signed.insert("confirmation".to_owned(), yes.into());
        }
        let body = json!({
            "model": "countersign", "messages": self.messages, "countersign": signed,
        });
        let asked = self
            .client
            .post(format!("{}/v1/chat/completions", self.url))
            .bearer_auth(KEY)
            .header("X-Subject-Token", self.voice.token(now)?)
            .header("X-Countersign-Conversation", &self.conversation);
        let answer = asked.json(&body).send().await.context("the planner's HTTP door")?;
        let status = answer.status();
        if !status.is_success() {
            let said = answer.text().await?;
            return Ok(Heard::failed(said.clone(), status.as_str(), &said));
        }
        let answer: Answer = answer.json().await.context("the planner's HTTP door")?;
        let reply = answer.choices.into_iter().next().map(|choice| choice.message.content);
        let reply = reply.unwrap_or_default();
        self.messages.push(json!({ "role": "assistant", "content": reply }));
        self.card = answer.countersign.card.map(Card::shown);
        if self.card.is_some() {
            self.last.clone_from(&self.card);
        }
        Ok(Heard {
            reply,
            failed: None,
            actions: answer.countersign.actions.into_iter().map(Action::acted).collect(),
            input_tokens: answer.usage.prompt_tokens,
            output_tokens: answer.usage.completion_tokens,
        })
    }
}

impl Heard {
    fn of(turn: Turn) -> Self {
        let used = turn.model.unwrap_or_default();
        Self {
            reply: turn.reply,
            actions: turn.actions.into_iter().map(acted).collect(),
            failed: None,
            input_tokens: used.input_tokens.into(),
            output_tokens: used.output_tokens.into(),
        }
    }

    /// A turn that the planner could not finish.
    fn failed(say: String, code: &str, message: &str) -> Self {
        Self { reply: say, failed: Some(format!("{code} {message}")), ..Self::default() }
    }
}

fn acted(action: TurnAction) -> Acted {
    let outcome = match action.outcome() {
        Outcome::Unspecified => None,
        Outcome::Applied => Some("applied"),
        Outcome::NotApplied => Some("not_applied"),
        Outcome::Unknown => Some("unknown"),
        Outcome::Refused => Some("refused"),
    };
    Acted {
        tool: action.tool,
        outcome: outcome.map(str::to_owned),
        code: action.code,
        arguments: Map::new(),
        receipt: action.receipt_id,
    }
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
    usage: Usage,
    countersign: Beside,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

#[derive(Deserialize)]
struct Beside {
    actions: Vec<Action>,
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Action {
    tool: String,
    outcome: String,
    code: String,
    receipt_id: String,
}

#[derive(Deserialize)]
struct Card {
    proposal_id: String,
    text: String,
    commitment: String,
    expires_at: Timestamp,
}

impl Action {
    fn acted(self) -> Acted {
        Acted {
            tool: self.tool,
            outcome: Some(self.outcome).filter(|outcome| !outcome.is_empty()),
            code: self.code,
            arguments: Map::new(),
            receipt: self.receipt_id,
        }
    }
}

impl Card {
    fn shown(self) -> Shown {
        Shown {
            proposal_id: self.proposal_id,
            text: self.text,
            expires_at: self.expires_at,
            commitment: self.commitment,
        }
    }
}
