//! What a message is to what we were waiting for: an answer, a no, or something new.

mod card;

use crate::assemble::Question;
use crate::assemble::choose::{Chosen, answer};
use crate::assemble::label::numbers;
use crate::conversation::Stage;
use crate::guards::Guard;
use crate::model::offline::hear::hear;
use crate::model::offline::phrase::LEXICON;
use crate::model::offline::text::{Word, words};
use crate::model::{Decision, Want, offline};
use crate::tools::Toolbox;
use card::Beside;

/// What to do with a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Something new: the model reads it.
    New,
    /// These candidates, by index.
    Picked(Vec<usize>),
    /// More words for the task that waits.
    Detail,
    /// Not that, after all.
    Drop,
    /// A question about the card that waits.
    Asks,
    /// A yes in words while a card waits.
    UnsignedYes,
    /// Once more, although it was done before.
    Again,
    /// No answer to our question.
    Unclear,
}

impl Heard {
    /// Its name in records.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Picked(_) => "picked",
            Self::Detail => "detail",
            Self::Drop => "drop",
            Self::Asks => "asks",
            Self::UnsignedYes => "unsigned_yes",
            Self::Again => "again",
            Self::Unclear => "unclear",
        }
    }
}

/// A reading this sure counts as a new wish while we wait for something else.
const NEW_WISH: f64 = 0.6;

/// Decides what the message is.
#[must_use]
pub fn triage(stage: &Stage, text: &str, toolbox: &Toolbox) -> Heard {
    match stage {
        Stage::Listening | Stage::Checking(_) => Heard::New,
        Stage::Repeating(waiting) => {
            let other = new_wish(&offline::read(text, toolbox), &waiting.task.call.tool);
            if other {
                Heard::New
            } else if says(text, AGAIN) && !says(text, NO) {
                Heard::Again
            } else if is_no(text) {
                Heard::Drop
            } else {
                Heard::New
            }
        }
        Stage::Confirming(waiting) => {
            beside_a_card(text, (&waiting.tool, &waiting.card.text), toolbox)
        }
        Stage::Choosing(waiting) => {
            choosing(text, &waiting.question, &waiting.task.call.tool, toolbox)
        }
    }
}

/// What a message is beside a card of this tool with these words.
#[must_use]
pub fn beside_a_card(text: &str, (tool, card): (&str, &str), toolbox: &Toolbox) -> Heard {
    let reading = offline::read(text, toolbox);
    let beside = Beside::read(text, card);
    let about_the_card = beside.asks() || beside.denies();
    if new_wish(&reading, tool) && (reading.want == Want::Escalate || !about_the_card) {
        return Heard::New;
    }
    let same = matches!(&reading.want, Want::Tool(call) if call.tool == tool);
    // The card's own wish said again is a yes that was not signed.
    if same && !beside.asks() && beside.says_more() {
        Heard::New
    } else if beside.withdraws() {
        Heard::Drop
    } else if beside.asks() {
        Heard::Asks
    } else if beside.agrees() || (same && !beside.doubts()) {
        Heard::UnsignedYes
    } else {
        Heard::Unclear
    }
}

/// Whether what was heard beside a card is a no to it: alone, or before another wish.
#[must_use]
pub fn says_no(heard: &Heard, text: &str) -> bool {
    (*heard == Heard::Drop && Guard::DropsOnNo.is_on())
        || (*heard == Heard::New && (is_no(text) || Beside::read(text, "").withdraws()))
}

fn choosing(text: &str, question: &Question, tool: &str, toolbox: &Toolbox) -> Heard {
    let reading = offline::read(text, toolbox);
    if new_wish(&reading, tool) {
        return Heard::New;
    }
    if question.candidates.is_empty() {
        return if is_no(text) { Heard::Drop } else { Heard::Detail };
    }
    match answer(&question.candidates, text, question.many) {
        Chosen::These(indexes) => Heard::Picked(indexes),
        Chosen::All => Heard::Picked((0..question.candidates.len()).collect()),
        Chosen::NoneOfThem => Heard::Drop,
        Chosen::Unclear if is_no(text) => Heard::Drop,
        Chosen::Unclear if question.candidates.len() == 1 && Beside::read(text, "").agrees() => {
            Heard::Picked(vec![0])
        }
        Chosen::Unclear if !numbers(text, &[]).is_empty() => Heard::Detail,
        Chosen::Unclear => Heard::Unclear,
    }
}

/// Whether a reading is a wish for something else than what waits.
fn new_wish(reading: &Decision, waiting: &str) -> bool {
    match &reading.want {
        Want::Tool(call) => call.tool != waiting && reading.score >= NEW_WISH,
        Want::Escalate | Want::Question => true,
        Want::Reads(_) | Want::Clarify => false,
    }
}

/// Any of these makes it doubtful that something is wanted once more.
const NO: &[&str] = &[
    "no", "not", "never", "stop", "wait", "drop", "forget", "leave", "nah", "neither", "n", "abort",
];
const AGAIN: &[&str] = &["again", "repeat", "anyway", "another", "twice", "once"];

fn says(text: &str, list: &[&str]) -> bool {
    words(text, LEXICON.known()).iter().any(|w| list.contains(&w.spelled.as_str()))
}

/// Words before a no that change nothing of it.
const BEFORE: &[&str] = &[
    "actually", "and", "hello", "hey", "hi", "hm", "hmm", "just", "oh", "ok", "okay", "please",
    "so", "sorry", "thanks", "then", "um", "well",
];
/// Words after a no beside which it still stands alone.
const AFTER: &[&str] = &[
    "about",
    "again",
    "all",
    "alone",
    "anymore",
    "any",
    "be",
    "everything",
    "for",
    "it",
    "longer",
    "me",
    "mind",
    "moment",
    "more",
    "no",
    "now",
    "one",
    "please",
    "second",
    "sorry",
    "thank",
    "thanks",
    "that",
    "then",
    "this",
    "today",
    "wait",
    "yet",
    "you",
];
/// Words that make something else of the no before them: "no problem", "do not worry".
const NONE: &[&str] = &[
    "doubt",
    "forget",
    "idea",
    "know",
    "matter",
    "problem",
    "rush",
    "understand",
    "worry",
    "worries",
];

/// Whether a message asks and wants nothing done ("how long does a refund take?").
pub(crate) fn only_asks(text: &str) -> bool {
    Beside::read(text, "").only_asks()
}

/// Whether it is said that what waits is not to be done. A no counts where it opens the message
/// or stands alone in its clause, never where something is asked.
pub(crate) fn is_no(text: &str) -> bool {
    let clauses = hear(text).clauses;
    clauses.iter().enumerate().any(|(at, clause)| !clause.asks && refuses(&clause.words, at == 0))
}

fn refuses(words: &[Word], opens: bool) -> bool {
    let spelled = words.iter().map(|word| word.spelled.as_str());
    let said: Vec<&str> = spelled.skip_while(|word| BEFORE.contains(word)).collect();
    let alone = |rest: &[&str]| rest.iter().all(|word| AFTER.contains(word));
    let other = |rest: &[&str]| rest.first().is_some_and(|word| NONE.contains(word));
    match said.as_slice() {
        ["no" | "nah" | "n" | "neither" | "stop" | "abort", rest @ ..]
        | ["do", "not", rest @ ..] => (opens || alone(rest)) && !other(rest),
        ["i" | "we", "do", "not", "want" | "need" | "agree", ..]
        | ["i" | "we", "would", "rather", "not", ..]
        | ["i", "changed", "my", "mind", ..]
        | ["i", "have", "changed", "my", "mind", ..] => true,
        ["not" | "never" | "wait" | "drop" | "forget" | "leave", rest @ ..] => alone(rest),
        [..] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::choose::Candidate;
    use crate::conversation::fake::tools;

    /// What is heard where one candidate was asked about.
    fn heard_of_the_only_one(text: &str) -> Heard {
        let only = Candidate {
            argument: countersign_proto::v1::Argument::default(),
            label: "#1001, USD 20.00, placed 2026-11-01".to_owned(),
            text: "#1001".to_owned(),
            element: serde_json::Value::Null,
        };
        let (name, about) = ("order_id".to_owned(), "which order".to_owned());
        let question = Question { name, about, candidates: vec![only], many: false };
        let toolbox = Toolbox::from_listed(&tools(include_str!("../testdata/shopify_tools.json")));
        choosing(text, &question, "shopify.cancel_order", &toolbox)
    }

    #[test]
    fn the_only_candidate_is_picked_by_a_yes_and_by_nothing_beside_one() {
        for text in ["yes", "Yes please!", "ok", "that's right", "yes, that one", "#1001"] {
            assert_eq!(heard_of_the_only_one(text), Heard::Picked(vec![0]), "{text}");
        }
        for text in ["No, that's not the right one", "please don't", "no, do the other one"] {
            assert_eq!(heard_of_the_only_one(text), Heard::Drop, "{text}");
        }
        let unclear = include_str!("../../tests/data/card/unclear.txt").lines();
        let drops = include_str!("../../tests/data/card/drops.txt").lines();
        let phrases = unclear.chain(drops).filter_map(|line| line.split_once(' '));
        let picked: Vec<&str> = phrases
            .map(|(_language, text)| text)
            .filter(|text| matches!(heard_of_the_only_one(text), Heard::Picked(_)))
            .collect();
        assert!(picked.is_empty(), "{picked:#?}");
    }

    #[test]
    fn a_no_is_a_no() {
        for text in [
            "no",
            "No, leave it",
            "don't",
            "stop",
            "please do not",
            "nope",
            "Never mind",
            "ok, forget it",
            "thanks but no thanks",
            "I don't want that any more",
            "I'd rather not",
            "please don't cancel it",
            "wait a moment, no",
            "actually no, cancel order #1004 instead",
        ] {
            assert!(is_no(text), "{text}");
        }
    }

    #[test]
    fn a_question_or_a_remark_is_no_no() {
        for text in [
            "yes",
            "ok do it",
            "yes, no doubt about it",
            "no problem, yes",
            "ok, why not",
            "How long do I have to wait for the refund?",
            "Is shipping not refunded too?",
            "Can't you do it faster?",
            "don't worry, go ahead",
            "it does not fit me",
            "I have not received it",
            "please leave it with my neighbour",
            "I can't wait",
            "no idea, is that right?",
        ] {
            assert!(!is_no(text), "{text}");
        }
    }
}
