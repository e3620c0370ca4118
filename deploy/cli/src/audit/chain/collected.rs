//! A chain as the executor collected it, read.

use anyhow::Context as _;
use countersign_proto::v1;
use countersign_shared::receipt::Receipt;
use countersign_shared::turn::Turn;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::cause::Cause;
use crate::receipts::Logged;

/// Everything that belongs to one receipt.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The receipt.
    pub(crate) logged: Logged,
    /// Its `.tlog-proof`.
    pub(crate) proof: String,
    /// Its journal, in order.
    pub(crate) events: Vec<Json>,
    /// What planners told, oldest first.
    pub(crate) turns: Vec<Recorded>,
    /// Receipts of the same wish, object or conversation, oldest first.
    pub(crate) related: Vec<Receipt>,
    /// Changes to the executor itself, oldest first.
    pub(crate) changes: Vec<Receipt>,
    /// What was left out.
    pub(crate) left_out: Vec<String>,
}

/// A turn, and when it was told.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) at: Timestamp,
    pub(crate) subject: String,
    pub(crate) conversation: String,
    pub(crate) external_ref: String,
    pub(crate) trace: String,
    pub(crate) turn: Turn,
}

impl Chain {
    /// Reads the executor's answer.
    pub(crate) fn read(answer: v1::GetChainResponse) -> anyhow::Result<Self> {
        let receipt = answer.receipt.context("the executor's answer holds no receipt")?;
        let read = |receipt: v1::Receipt| Ok(Logged::of(receipt)?.receipt);
        let events = answer.events_json.iter().map(|text| serde_json::from_str(text));
        Ok(Self {
            logged: Logged::of(receipt)?,
            proof: answer.tlog_proof,
            events: events.collect::<Result<_, _>>().context("an event that is no JSON")?,
            turns: answer.turns.into_iter().map(Recorded::read).collect::<anyhow::Result<_>>()?,
            related: answer.related.into_iter().map(read).collect::<anyhow::Result<_>>()?,
            changes: answer.changes.into_iter().map(read).collect::<anyhow::Result<_>>()?,
            left_out: answer.left_out,
        })
    }

    /// The receipt.
    pub(crate) fn receipt(&self) -> &Receipt {
        &self.logged.receipt
    }

    /// The first event of this kind.
    pub(crate) fn event(&self, kind: &str) -> Option<&Json> {
        self.events.iter().find_map(|event| event.get(kind))
    }

    /// All of it for machines.
    pub(crate) fn to_json(&self, cause: &Cause) -> Json {
        json!({
            "receipt": self.receipt(), "leaf_index": self.logged.index, "tlog_proof": self.proof,
            "events": self.events,
            "turns": self.turns.iter().map(Recorded::to_json).collect::<Vec<_>>(),
            "related": self.related, "changes": self.changes, "left_out": self.left_out,
            "cause": { "kind": cause.kind.map(|kind| kind.name()), "sentence": cause.sentence,
                       "known": cause.known },
        })
    }
}

impl Recorded {
    /// Reads a turn of the executor's answer.
    pub(crate) fn read(turn: v1::RecordedTurn) -> anyhow::Result<Self> {
        Ok(Self {
            at: Timestamp::from_millisecond(turn.at)?,
            subject: turn.subject,
            conversation: turn.conversation_id,
            external_ref: turn.external_ref,
            trace: turn.trace,
            turn: serde_json::from_str(&turn.body_json).context("a turn that cannot be read")?,
        })
    }

    /// The same with this in the turn's place.
    pub(crate) fn with(&self, turn: Turn) -> Self {
        let [subject, conversation, external_ref, trace] =
            [&self.subject, &self.conversation, &self.external_ref, &self.trace].map(Clone::clone);
        Self { at: self.at, subject, conversation, external_ref, trace, turn }
    }

    /// For machines.
    pub(crate) fn to_json(&self) -> Json {
        json!({ "at": self.at, "subject": self.subject, "conversation": self.conversation,
                "ticket": self.external_ref, "trace": self.trace, "turn": self.turn })
    }
}
