//! What every model call is told of how things stand: what was done, what was not, what is in
//! doubt, what a colleague found, what waits, what is taken for granted. Made of receipts and
//! the executor's answers, never of prose, and no longer after forty turns than after ten.

use std::collections::BTreeMap;

use countersign_proto::v1::{Action, Argument, Outcome, argument};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::assemble::choose::Candidate;
use crate::conversation::{Checking, Stage};
use crate::executor::is_sealed;
use crate::submit::says_nothing;

/// Matters kept; the oldest go first.
const MOST: usize = 12;
/// Arguments of the last matter that are shown.
const MOST_ASSUMED: usize = 8;
/// Longest note of a colleague, in characters.
const LONGEST: usize = 300;

/// What has ended in this conversation, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Checkpoint(Vec<Known>);

/// How one matter ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    /// The action, or the receipt where there was none: what is heard of it again takes
    /// its place.
    of: String,
    how: How,
    tool: String,
    code: String,
    receipt: String,
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    /// Read back by the executor.
    Done,
    /// Refused, or proved not to have happened.
    NotDone,
    /// Nobody knows yet.
    InDoubt,
    /// A person has ended it.
    Colleague,
}

impl How {
    const fn told(self) -> &'static str {
        match self {
            Self::Done => "done_and_verified",
            Self::NotDone => "not_done",
            Self::InDoubt => "in_doubt",
            Self::Colleague => "from_a_colleague",
        }
    }
}

impl Checkpoint {
    /// Learns how an action ended; one that goes on has not (NO CLAIM WITHOUT A RECEIPT).
    pub fn learn_of(&mut self, action: &Action) {
        if !is_sealed(action) {
            return;
        }
        let how = match action.outcome() {
            Outcome::Applied => How::Done,
            Outcome::NotApplied | Outcome::Refused => How::NotDone,
            Outcome::Unknown | Outcome::Unspecified => How::InDoubt,
        };
        self.learn(Known {
            of: action.action_id.clone(),
            how,
            tool: action.tool.clone(),
            code: action.code.clone(),
            receipt: action.receipt_id.clone(),
            note: String::new(),
        });
    }

    /// Learns that something was refused. That the same was done before, or goes on, or that
    /// nobody looked, is not that it was not done: an earlier end is in here already (NO CLAIM
    /// WITHOUT A RECEIPT).
    pub fn learn_refused(&mut self, tool: &str, refusal: &Refusal) {
        let is = |code: Code| refusal.code == code.name();
        let proves_nothing = is(Code::Overloaded) || says_nothing(refusal);
        if is(Code::AlreadyDone) || is(Code::InFlight) || proves_nothing {
            return;
        }
        let receipt = refusal.receipt_id.clone().unwrap_or_default();
        self.learn(Known {
            of: format!("{tool} {} {receipt}", refusal.code),
            how: if is(Code::ObjectInDoubt) { How::InDoubt } else { How::NotDone },
            tool: tool.to_owned(),
            code: refusal.code.clone(),
            receipt,
            note: String::new(),
        });
    }

    /// Learns what a person wrote, signed, when they ended what was handed to them.
    pub fn learn_from_colleague(&mut self, receipt: &str, note: &str) {
        self.learn(Known {
            of: receipt.to_owned(),
            how: How::Colleague,
            tool: String::new(),
            code: String::new(),
            receipt: receipt.to_owned(),
            note: note.chars().filter(|c| !c.is_control()).take(LONGEST).collect(),
        });
    }

    fn learn(&mut self, known: Known) {
        self.0.retain(|other| other.of != known.of);
        self.0.push(known);
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    /// One line for each, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |known: &Known| {
            let parts = [known.how.told(), &known.tool, &known.code, &known.receipt, &known.note];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        };
        self.0.iter().map(line).collect()
    }

    /// The block of a model call. What is empty is left out.
    #[must_use]
    pub fn shown(
        &self,
        stage: &Stage,
        pending: &[Checking],
        focus: &BTreeMap<String, Candidate>,
    ) -> Json {
        let mut block = Map::new();
        for known in &self.0 {
            let parts = [
                ("tool", &known.tool),
                ("code", &known.code),
                ("receipt", &known.receipt),
                ("note_of_a_colleague", &known.note),
            ];
            let told = parts.into_iter().filter(|(_, part)| !part.is_empty());
            let told: Map<String, Json> =
                told.map(|(name, part)| (name.to_owned(), json!(part))).collect();
            let list = block.entry(known.how.told()).or_insert_with(|| json!([]));
            if let Json::Array(list) = list {
                list.push(Json::Object(told));
            }
        }
        if let Some(waiting) = waiting(stage) {
            block.insert("waiting_for".to_owned(), waiting);
        }
        if !pending.is_empty() {
            let going_on = |checking: &Checking| json!({ "the_end_of": checking.proposal_id, "tool": checking.tool });
            block.insert("going_on".to_owned(), pending.iter().map(going_on).collect());
        }
        let assumed: Map<String, Json> = focus
            .iter()
            .filter_map(|(name, candidate)| Some((name.clone(), place(&candidate.argument)?)))
            .take(MOST_ASSUMED)
            .collect();
        if !assumed.is_empty() {
            block.insert("assumed_to_be_meant_by_it".to_owned(), Json::Object(assumed));
        }
        Json::Object(block)
    }
}

fn waiting(stage: &Stage) -> Option<Json> {
    match stage {
        Stage::Listening | Stage::Checking(_) => None,
        Stage::Choosing(waiting) => Some(json!({
            "an_answer_about": waiting.question.name, "tool": waiting.task.call.tool,
        })),
        Stage::Confirming(waiting) => {
            Some(json!({ "a_signed_yes_to": waiting.card.proposal_id, "tool": waiting.tool }))
        }
        Stage::Repeating(waiting) => Some(json!({
            "whether_once_more_after": waiting.receipt_id, "tool": waiting.task.call.tool,
        })),
    }
}

/// Where a value stands, never the value: labels are words of others.
fn place(argument: &Argument) -> Option<Json> {
    match argument.source.as_ref()? {
        argument::Source::Observation(read) => {
            Some(json!(format!("{}#{}", read.observation_id, read.pointer)))
        }
        argument::Source::Utterance(span) => Some(json!(span.message_id)),
        argument::Source::Claim(_)
        | argument::Source::Receipt(_)
        | argument::Source::ModelJson(_)
        | argument::Source::List(_)
        | argument::Source::Fields(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use countersign_proto::v1::ActionState;

    fn action(id: usize, outcome: Outcome, state: ActionState) -> Action {
        Action {
            action_id: format!("act_{id}"),
            tool: "shop.cancel".to_owned(),
            receipt_id: format!("rcp_{id}"),
            outcome: outcome.into(),
            state: state.into(),
            said: "prose that no model is to read".to_owned(),
            receipt_link: "https://prose.example".to_owned(),
            ..Action::default()
        }
    }

    #[test]
    fn forty_turns_later_it_is_as_long_and_still_true() {
        let mut checkpoint = Checkpoint::default();
        let shown = |checkpoint: &Checkpoint| {
            checkpoint.shown(&Stage::Listening, &[], &BTreeMap::new()).to_string()
        };
        let mut longest = 0;
        for turn in 100..140 {
            checkpoint.learn_of(&action(turn, Outcome::Unknown, ActionState::Sealed));
            if turn % 2 == 0 {
                checkpoint.learn_of(&action(turn, Outcome::Applied, ActionState::Sealed));
            }
            let length = shown(&checkpoint).len();
            if turn < 112 {
                longest = longest.max(length);
            }
            assert!(length <= longest, "turn {turn}: {length} bytes");
        }
        let block = checkpoint.shown(&Stage::Listening, &[], &BTreeMap::new());
        // The newest twelve, each in the one place where it ended last.
        assert_eq!(block["done_and_verified"].as_array().map(Vec::len), Some(6));
        assert_eq!(block["in_doubt"].as_array().map(Vec::len), Some(6));
        let text = block.to_string();
        assert_eq!(text.matches("rcp_138").count(), 1, "{text}");
        assert!(text.contains("rcp_139") && !text.contains("rcp_127"), "{text}");
        assert!(!text.contains("prose"), "{text}");
    }

    #[test]
    fn what_goes_on_has_not_ended() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.learn_of(&action(1, Outcome::Applied, ActionState::Verifying));
        assert_eq!(checkpoint, Checkpoint::default());
    }

    #[test]
    fn what_was_done_before_or_is_in_doubt_is_not_told_as_not_done() {
        let mut checkpoint = Checkpoint::default();
        let mut refused = |code| checkpoint.learn_refused("shop.cancel", &Refusal::new(code, "no"));
        refused(Code::AlreadyDone);
        refused(Code::InFlight);
        refused(Code::ObjectInDoubt);
        let block = checkpoint.shown(&Stage::Listening, &[], &BTreeMap::new());
        assert_eq!(block["in_doubt"][0]["code"], "OBJECT_IN_DOUBT");
        assert!(block.get("not_done").is_none(), "{block}");
        checkpoint.learn_refused("shop.cancel", &Refusal::new(Code::StateChanged, "no"));
        let block = checkpoint.shown(&Stage::Listening, &[], &BTreeMap::new());
        assert_eq!(block["not_done"][0]["code"], "STATE_CHANGED");
    }

    #[test]
    fn a_colleagues_note_is_cut_and_named_as_theirs() {
        let mut checkpoint = Checkpoint::default();
        checkpoint.learn_from_colleague("rcp_1", &"x\n".repeat(900));
        let block = checkpoint.shown(&Stage::Listening, &[], &BTreeMap::new());
        let note = &block["from_a_colleague"][0]["note_of_a_colleague"];
        assert_eq!(note.as_str().map(str::len), Some(LONGEST));
    }
}
