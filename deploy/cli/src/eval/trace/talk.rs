//! What was said, heard and told, as steps of a scenario.

use std::collections::BTreeMap;

use countersign_shared::codes::Code;
use countersign_shared::receipt::Receipt;
use countersign_shared::turn::{Exchange, Told};
use serde::Serialize;

use super::super::names::Names;
use super::super::scenario::{Act, Expected, Step};
use crate::audit::chain::Recorded;
use crate::chat::yes::is_yes;
use crate::conversation::Conversation;

/// The built-in reader's name among models. It answers the same without a recording.
const BUILT_IN: &str = "offline";

/// A conversation as steps.
#[derive(Default)]
pub(super) struct Talk {
    pub(super) steps: Vec<Step>,
    pub(super) actions: Vec<Expected>,
    pub(super) model: Vec<Answer>,
    pub(super) by_hand: Vec<String>,
}

/// One recorded answer of a model.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Text(String),
    /// None came.
    Status(u16),
}

impl Talk {
    pub(super) fn of(held: &Conversation, mut meanwhile: BTreeMap<usize, Vec<Act>>) -> Self {
        let mut talk = Self::default();
        let mut before: Option<&Recorded> = None;
        for (at, turn) in held.turns.iter().enumerate() {
            let acts = meanwhile.remove(&at).unwrap_or_default();
            talk.steps.extend(acts.into_iter().map(Step::Meanwhile));
            talk.step(turn, before);
            before = Some(turn);
            let told = turn.turn.told.actions.iter();
            talk.actions.extend(told.map(|told| Expected {
                tool: told.tool.clone(),
                outcome: Some(told.outcome.clone()).filter(|outcome| !outcome.is_empty()),
                code: Some(told.code.clone()).filter(|code| !code.is_empty()),
                arguments: arguments(&held.receipts, &told.outcome, &told.receipt),
            }));
        }
        if talk.actions.is_empty() && !held.receipts.is_empty() {
            talk.needs("an older planner told of these turns: put `actions` in");
        }
        talk.answered(&held.turns);
        talk.beside(&held.receipts);
        talk
    }

    fn needs(&mut self, note: impl Into<String>) {
        self.by_hand.push(note.into());
    }

    fn step(&mut self, turn: &Recorded, before: Option<&Recorded>) {
        let number = self.steps.len() + 1;
        let signed = !turn.turn.told.confirmed.is_empty();
        let words = turn.turn.message.as_ref().map_or("yes", |said| said.text.as_str());
        let said = if signed && !is_yes(words) {
            self.needs(format!("step {number}: a card was signed beside \"{words}\""));
            "yes"
        } else {
            words
        };
        let card = before.is_some_and(|before| shows_a_card(&before.turn.told));
        let said = said.to_owned();
        let anew = before.is_some_and(|before| before.conversation != turn.conversation);
        self.steps.push(match (signed, card) {
            (_, _) if anew => Step::SayAnew(said),
            (true, false) => Step::SayAgainSigned(said),
            (false, true) if is_yes(&said) => Step::SayUnsigned(said),
            (true, true) | (false, _) => Step::Say(said),
        });
    }

    /// The model's answers, if all of them were recorded.
    fn answered(&mut self, turns: &[Recorded]) {
        let calls = turns.iter().flat_map(|turn| &turn.turn.told.models);
        let calls: Vec<_> = calls.filter(|call| call.model != BUILT_IN).collect();
        if calls.iter().any(|call| call.bodies.is_empty()) {
            return self.needs(
                "the model's answers were not recorded (`record_bodies: true` of the planner): it is \
                 played with the model that you evaluate",
            );
        }
        let bodies = calls.iter().flat_map(|call| &call.bodies);
        let mut seen = Names::default();
        self.model = bodies.map(|body| answer(body, &mut seen)).collect();
    }

    /// What happened and no step of a scenario does.
    fn beside(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            for grant in receipt.grants.iter().filter(|grant| grant.kind != "customer") {
                let (tool, kind) = (&receipt.tool, &grant.kind);
                self.needs(format!("{tool}: a colleague answered ({kind}), which no step does"));
            }
        }
    }
}

fn shows_a_card(told: &Told) -> bool {
    told.actions.iter().any(|action| action.code == Code::AwaitingConfirmation.name())
}

fn answer(body: &Exchange, seen: &mut Names) -> Answer {
    seen.see(&body.request);
    match body.answer.as_str() {
        "" => Answer::Status(503),
        text => Answer::Text(seen.to_number(text)),
    }
}

/// What was sent, where something was: a scenario that moves nothing needs none.
fn arguments(receipts: &[Receipt], outcome: &str, id: &str) -> BTreeMap<String, serde_json::Value> {
    let receipt = receipts.iter().find(|receipt| receipt.receipt_id == id);
    let sent = receipt.filter(|_| outcome == "applied");
    let sent = sent.into_iter().flat_map(|receipt| &receipt.arguments);
    sent.map(|argument| (argument.path.clone(), argument.value.clone())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::turn::{Acted, ModelCall, Said, Turn};
    use serde_json::{Value as Json, json};

    use super::*;

    fn said(conversation: &str, text: &str, confirmed: &str, code: &str) -> Recorded {
        let message = Some(Said { text: text.to_owned(), ..Said::default() });
        let acted = Acted { code: code.to_owned(), ..Acted::default() };
        let actions = if code.is_empty() { Vec::new() } else { vec![acted] };
        let told = Told { confirmed: confirmed.to_owned(), actions, ..Told::default() };
        Recorded {
            at: "2026-11-25T10:00:00Z".parse().unwrap(),
            subject: String::new(),
            conversation: conversation.to_owned(),
            external_ref: String::new(),
            trace: String::new(),
            turn: Turn { message, told, ..Turn::default() },
        }
    }

    fn talk(turns: Vec<Recorded>) -> Talk {
        Talk::of(&Conversation { turns, receipts: Vec::new() }, BTreeMap::new())
    }

    #[test]
    fn a_yes_is_what_it_was_signed_unsigned_again_or_in_another_conversation() {
        let (card, paid) = ("AWAITING_CONFIRMATION", "");
        let talk = talk(vec![
            said("c1", "cancel #1001", "", card),
            said("c1", "yes", "", card),
            said("c1", "yes", "prp_1", paid),
            said("c1", "yes", "prp_1", paid),
            said("c2", "cancel #1001", "", "ALREADY_DONE"),
        ]);
        let steps: Vec<Json> =
            talk.steps.iter().map(|step| serde_json::to_value(step).unwrap()).collect();
        assert_eq!(
            Json::from(steps),
            json!([
                { "say": "cancel #1001" }, { "say_unsigned": "yes" }, { "say": "yes" },
                { "say_again_signed": "yes" }, { "say_anew": "cancel #1001" }
            ])
        );
        assert_eq!((talk.actions.len(), talk.by_hand.len()), (3, 0));
    }

    #[test]
    fn answers_are_recorded_whole_or_not_at_all() {
        let reads = json!({ "reads": [{ "id": "obs_7", "tool": "shop.find" }] }).to_string();
        let request = json!({ "messages": [{ "role": "user", "content": reads }] });
        let answered = Exchange { request, answer: "see obs_7".to_owned() };
        let call = |bodies: Vec<Exchange>| ModelCall {
            model: "some".to_owned(),
            bodies,
            ..ModelCall::default()
        };
        let mut turn = said("c1", "hello", "", "");
        turn.turn.told.models = vec![call(vec![answered.clone(), Exchange::default()])];
        let whole = talk(vec![turn]);
        let recorded = vec![Answer::Text("see {{obs:1}}".to_owned()), Answer::Status(503)];
        assert_eq!((whole.model, whole.by_hand.len()), (recorded, 0));
        let mut turn = said("c1", "hello", "", "");
        turn.turn.told.models = vec![call(vec![answered]), call(Vec::new())];
        let half = talk(vec![turn]);
        assert!(half.model.is_empty() && half.by_hand.len() == 1);
    }
}
