//! Reads through the executor, bounded per turn, their observations kept for
//! references.

use std::collections::BTreeMap;

use countersign_proto::v1::{
    Argument, AttestedMessage, Confidence, ExecuteRequest, ModelUse, Observation, Plan,
    RecommendedAction, Step, argument, execute_request,
};
use parking_lot::Mutex;
use serde_json::Value as Json;

use crate::budget::Purse;
use crate::executor::{CallError, Executor};
use crate::subject::Named;

/// Reads that one turn may make.
pub const MAX_READS: usize = 8;
/// Observations kept per conversation; the oldest go first.
const MAX_KEPT: usize = 40;
/// Newest messages that a write is shown to rest on.
const WORDS_SHOWN: usize = 10;

/// What identifies a turn to the executor.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The subject's token.
    pub token: &'a str,
    /// The conversation.
    pub conversation_id: &'a str,
    /// The frontend's ticket; may be empty.
    pub external_ref: &'a str,
    /// Who pays for models. The executor has verified the token by then.
    pub purse: &'a Purse,
    /// Attested messages that spans may point into.
    pub messages: &'a [AttestedMessage],
}

impl Asker<'_> {
    /// The conversation's newest messages and those that the steps point into: what
    /// a write's receipt shows that it rests on.
    #[must_use]
    pub fn words_behind(&self, steps: &[Step]) -> Vec<AttestedMessage> {
        let pointed = self.messages_of(steps);
        let old = self.messages.len().saturating_sub(WORDS_SHOWN);
        let (old, newest) = self.messages.split_at_checked(old).unwrap_or((&[], self.messages));
        let also = old.iter().filter(|m| pointed.iter().any(|p| p.message_id == m.message_id));
        also.chain(newest).cloned().collect()
    }

    /// The messages that these steps point into, and no others: an old one may
    /// have expired.
    #[must_use]
    pub fn messages_of(&self, steps: &[Step]) -> Vec<AttestedMessage> {
        let mut ids = Vec::new();
        for argument in steps.iter().flat_map(|s| s.arguments.values()) {
            collect(argument, &mut ids);
        }
        self.messages.iter().filter(|m| ids.contains(&m.message_id)).cloned().collect()
    }
}

/// Who pays for models in a conversation of whoever a token names.
#[must_use]
pub fn purse(named: Named, conversation_id: &str) -> Purse {
    Purse { conversation: format!("{conversation_id}\n{}", named.key), tenant: named.house }
}

fn collect(argument: &Argument, ids: &mut Vec<String>) {
    use argument::Source;
    match &argument.source {
        Some(Source::Utterance(span)) => ids.push(span.message_id.clone()),
        Some(Source::List(list)) => list.items.iter().for_each(|a| collect(a, ids)),
        Some(Source::Fields(fields)) => fields.fields.values().for_each(|a| collect(a, ids)),
        Some(
            Source::Claim(_) | Source::Observation(_) | Source::Receipt(_) | Source::ModelJson(_),
        )
        | None => {}
    }
}

/// What was read in one turn, whoever asked for it.
#[derive(Debug, Default)]
pub struct Reads(Mutex<Vec<Made>>);

#[derive(Debug)]
struct Made {
    step: Step,
    confidence: Confidence,
    /// What it is kept as. Empty where nothing came of it.
    observation_id: String,
}

impl Reads {
    /// Takes one from the turn's budget; answers with its place.
    fn begun(&self, step: &Step, confidence: &Confidence) -> Result<usize, ReadStop> {
        let mut made = self.0.lock();
        if made.len() >= MAX_READS {
            return Err(ReadStop::TooMany);
        }
        let (step, confidence) = (step.clone(), confidence.clone());
        made.push(Made { step, confidence, observation_id: String::new() });
        Ok(made.len() - 1)
    }

    fn answered(&self, at: usize, observation_id: &str) {
        if let Some(made) = self.0.lock().get_mut(at) {
            observation_id.clone_into(&mut made.observation_id);
        }
    }

    /// Where the same was read. A plan's own read is weighed as one, so no look on the way
    /// answers for it.
    fn of(&self, step: &Step, confidence: &Confidence) -> Option<String> {
        let made = self.0.lock();
        let same = made.iter().find(|made| {
            made.step == *step && made.confidence == *confidence && !made.observation_id.is_empty()
        });
        same.map(|made| made.observation_id.clone())
    }
}

/// Makes reads of a turn.
pub struct Reader<'a> {
    executor: &'a dyn Executor,
    /// Who asks.
    pub asker: Asker<'a>,
    /// Observations of the conversation, oldest first.
    pub observations: &'a mut Vec<Observation>,
    usage: ModelUse,
    confidence: Confidence,
    reads: &'a Reads,
}

impl<'a> Reader<'a> {
    /// A reader with what is left of the turn's budget.
    pub fn new(
        executor: &'a dyn Executor,
        (asker, reads): (Asker<'a>, &'a Reads),
        observations: &'a mut Vec<Observation>,
        usage: ModelUse,
    ) -> Self {
        // What is looked at on the way decides nothing; the plan that comes of it is weighed.
        let recommended_action = RecommendedAction::Proceed.into();
        let confidence = Confidence { score: 1.0, recommended_action, ..Confidence::default() };
        Self { executor, asker, observations, usage, confidence, reads }
    }

    /// What is read from here on is the plan, and this is how sure it is.
    pub fn plans(&mut self, confidence: Confidence) {
        self.confidence = confidence;
    }

    /// Reads once; the same read of the same turn is answered from before.
    ///
    /// # Errors
    /// What the executor said, or [`ReadStop::TooMany`].
    pub async fn read(
        &mut self,
        tool: &str,
        arguments: BTreeMap<String, Argument>,
    ) -> Result<Observation, ReadStop> {
        let step = Step {
            id: "r1".to_owned(),
            tool: tool.to_owned(),
            arguments: arguments.into_iter().collect(),
        };
        if let Some(known) = self.known(&step) {
            return Ok(known);
        }
        let at = self.reads.begun(&step, &self.confidence)?;
        let request = self.request(step);
        let answer = self.executor.execute(request).await?;
        let lost = || CallError::Lost("the answer holds no observation".to_owned());
        let observation = answer.observations.into_iter().next().ok_or_else(lost)?;
        self.reads.answered(at, &observation.observation_id);
        self.observations.push(observation.clone());
        let surplus = self.observations.len().saturating_sub(MAX_KEPT);
        self.observations.drain(..surplus);
        Ok(observation)
    }

    fn known(&self, step: &Step) -> Option<Observation> {
        let id = self.reads.of(step, &self.confidence)?;
        self.observations.iter().find(|o| o.observation_id == id).cloned()
    }

    fn request(&self, step: Step) -> ExecuteRequest {
        let steps = vec![step];
        ExecuteRequest {
            subject_token: self.asker.token.to_owned(),
            messages: self.asker.messages_of(&steps),
            target: Some(execute_request::Target::Plan(Plan {
                conversation_id: self.asker.conversation_id.to_owned(),
                external_ref: self.asker.external_ref.to_owned(),
                steps,
                confidence: Some(self.confidence.clone()),
                model: Some(self.usage.clone()),
                after_receipt_id: String::new(),
            })),
            confirmation: String::new(),
        }
    }
}

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadStop {
    /// The executor's answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The turn's reads are used up.
    #[error("more than {MAX_READS} reads in one turn")]
    TooMany,
}

/// The value of an observation.
#[must_use]
pub fn value(observation: &Observation) -> Json {
    serde_json::from_str(&observation.value_json).unwrap_or(Json::Null)
}

/// Pointers that a pattern with `*` stands for in a value, in order.
#[must_use]
pub fn pointers(value: &Json, pattern: &str) -> Vec<String> {
    let Some((before, after)) = pattern.split_once("/*") else {
        return value
            .pointer(pattern)
            .filter(|v| !v.is_null())
            .map(|_| pattern.to_owned())
            .into_iter()
            .collect();
    };
    let length = value.pointer(before).and_then(Json::as_array).map_or(0, Vec::len);
    (0..length).flat_map(|at| pointers(value, &format!("{before}/{at}{after}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_star_stands_for_each_element() {
        let value = json!({"orders": [{"id": "a", "lines": [{"id": 1}, {"id": 2}]}, {"id": "b", "lines": []}]});
        assert_eq!(pointers(&value, "/orders/*/id"), ["/orders/0/id", "/orders/1/id"]);
        assert_eq!(
            pointers(&value, "/orders/*/lines/*/id"),
            ["/orders/0/lines/0/id", "/orders/0/lines/1/id"]
        );
        assert!(pointers(&value, "/nothing/*/id").is_empty());
    }
}
