//! How a turn ends: the pieces of its result, and the endings that several roads
//! lead to.

use countersign_proto::v1::{
    Card, Confidence, EscalationReason, Intent, ModelUse, RecommendedAction, TurnAction,
};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;

use super::{Choosing, Conversation, Stage};
use crate::assemble::{Question, Task};
use crate::model::{Failure, Objection, Unusable};
use crate::reply;
use crate::submit::confidence;

/// Unhelpful answers to one question before a person takes over.
const MAX_MISSES: u32 = 2;

/// How a turn ends, before it becomes a message.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) reply: String,
    pub(super) intent: Intent,
    pub(super) confidence: Confidence,
    pub(super) actions: Vec<TurnAction>,
    pub(super) usage: ModelUse,
    pub(super) card: Option<Card>,
    /// A look-up wants to know more surely who it is.
    pub(super) asks_who: bool,
    /// Why it is left to a person that the executor does not know of yet.
    pub(super) hand_over: Option<EscalationReason>,
    /// Where the receipts of what is told can be read: for the customer alone, so that no words
    /// that go to anybody else hold them.
    pub(super) receipt_links: Vec<String>,
    /// What is told before the words with which a person takes over.
    pub(super) first: String,
    /// Nothing was decided, since something could not be asked.
    pub(super) passing: bool,
    /// No wish was heard in what was said.
    pub(super) nothing_understood: bool,
}

impl Ending {
    pub(super) fn says(intent: Intent, reply: impl Into<String>) -> Self {
        Self { reply: reply.into(), intent, ..Self::default() }
    }

    /// Something could not be asked: the same may be said again.
    pub(super) fn passes(intent: Intent, reply: impl Into<String>) -> Self {
        Self { passing: true, ..Self::says(intent, reply) }
    }

    pub(super) fn hands_over(reason: EscalationReason, reply: impl Into<String>) -> Self {
        Self { hand_over: Some(reason), ..Self::says(Intent::Escalate, reply) }
    }
}

pub(super) fn ask(conversation: &mut Conversation, task: Task, question: Question) -> Ending {
    let text = reply::ask(&question);
    let why = format!("open: {}", question.name);
    let score = task.score * 0.5;
    conversation.stage = Stage::Choosing(Box::new(Choosing { task, question, misses: 0 }));
    Ending {
        confidence: confidence(score, &why, RecommendedAction::Clarify),
        ..Ending::says(Intent::Clarify, text)
    }
}

pub(super) fn ask_once_more(conversation: &mut Conversation, mut waiting: Choosing) -> Ending {
    waiting.misses += 1;
    if waiting.misses >= MAX_MISSES {
        let why = format!("open: {}", waiting.question.name);
        let text = reply::escalate(None, reply::NOT_ANSWERED);
        let ending = Ending::hands_over(EscalationReason::Ambiguity, text);
        return Ending { confidence: confidence(0.0, &why, RecommendedAction::Escalate), ..ending };
    }
    let text = reply::ask(&waiting.question);
    conversation.stage = Stage::Choosing(Box::new(waiting));
    Ending {
        confidence: confidence(0.3, "the answer fits none", RecommendedAction::Clarify),
        ..Ending::says(Intent::Clarify, text)
    }
}

/// News of an earlier action come first; a reply that understood nothing adds nothing.
pub(super) fn joined(news: Ending, ending: Ending) -> Ending {
    if ending.nothing_understood {
        return Ending { usage: ending.usage, card: ending.card.or(news.card), ..news };
    }
    both(news, ending)
}

/// What became of something, then what is said to a new wish: neither is left out.
pub(super) fn both(news: Ending, ending: Ending) -> Ending {
    let reply = format!("{}\n\n{}", news.reply, ending.reply);
    let first = format!("{}\n\n{}", news.reply, ending.first);
    let actions = news.actions.into_iter().chain(ending.actions).collect();
    let receipt_links = news.receipt_links.into_iter().chain(ending.receipt_links).collect();
    let (passing, nothing_understood) = (false, false);
    Ending { reply, first, actions, receipt_links, passing, nothing_understood, ..ending }
}

pub(super) fn unusable(error: &Unusable, usage: ModelUse) -> Ending {
    tracing::warn!(reason = %error.reason, "the model gave no usable answer");
    let action =
        TurnAction { code: Code::ModelUnusable.name().to_owned(), ..TurnAction::default() };
    Ending {
        confidence: confidence(0.0, "no usable answer of the model", RecommendedAction::Clarify),
        actions: vec![action],
        usage,
        ..Ending::passes(Intent::Clarify, Code::ModelUnusable.page().say)
    }
}

/// Objections that no repair mended.
pub(super) fn objected(objections: &[Objection], usage: ModelUse) -> Ending {
    let reason = objections
        .iter()
        .map(|o| format!("{} at {}: {}", o.code, o.at, o.problem))
        .collect::<Vec<_>>()
        .join("; ");
    tracing::warn!(%reason, "the plan does not hold");
    let unusable_plan =
        Unusable { reason, usage: Box::default(), calls: Vec::new(), failure: Failure::Unknown };
    unusable(&unusable_plan, usage)
}

pub(super) fn refused_action(tool: &str, refusal: &Refusal) -> TurnAction {
    TurnAction {
        tool: tool.to_owned(),
        code: refusal.code.clone(),
        receipt_id: refusal.receipt_id.clone().unwrap_or_default(),
        action_id: refusal.action_id.clone().unwrap_or_default(),
        ..TurnAction::default()
    }
}

pub(super) fn awaiting(tool: &str) -> TurnAction {
    TurnAction {
        tool: tool.to_owned(),
        code: Code::AwaitingConfirmation.name().to_owned(),
        ..TurnAction::default()
    }
}
