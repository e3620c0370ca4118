//! Sentences that a contract's author wrote: whoever says one of them, with something in its
//! slots, means that tool, whatever the other tools' examples look like.

use std::collections::BTreeSet;

use super::hear::{Heard, hear};
use super::phrase::{LEXICON, said};
use super::text::{Word, words};
use super::weigh::EMPTY;
use crate::tools::Toolbox;

/// Most words that fill one slot: a postal address.
const LONGEST_FILL: usize = 12;
/// Words outside its slots that a sentence needs: "{reference} please" says nothing.
const LEAST_WORDS: usize = 2;

/// Every example, ready to be compared with messages.
#[derive(Debug)]
pub struct Literals(Vec<Literal>);

#[derive(Debug)]
struct Literal {
    tool: String,
    parts: Vec<Part>,
    /// It is a question itself.
    asks: bool,
}

#[derive(Debug)]
enum Part {
    /// A word, by its stem.
    Word(String),
    /// Anything that says nothing by itself: a number, a name, a thing.
    Slot,
}

impl Literals {
    /// From the tools that customers ask for.
    #[must_use]
    pub fn of(toolbox: &Toolbox) -> Self {
        let examples = toolbox.asked_for().flat_map(|t| t.examples.iter().map(|e| (&t.name, e)));
        Self(examples.filter_map(|(tool, example)| Literal::of(tool, example)).collect())
    }

    /// The one tool of which the whole message is an example.
    #[must_use]
    pub fn tool(&self, message: &str, heard: &Heard) -> Option<&str> {
        let words = said(message);
        let asks = heard.clauses.iter().any(|c| c.asks);
        let mut tools =
            self.0.iter().filter(|l| (l.asks || !asks) && l.is(&words)).map(|l| &l.tool);
        let tool = tools.next()?;
        tools.all(|other| other == tool).then_some(tool)
    }
}

impl Literal {
    fn of(tool: &str, example: &str) -> Option<Self> {
        let asks = hear(example).clauses.iter().any(|c| c.asks);
        let parts = parts(example);
        let plain = parts.iter().filter(|part| matches!(part, Part::Word(_))).count();
        (plain >= LEAST_WORDS).then(|| Self { tool: tool.to_owned(), parts, asks })
    }

    /// Whether the words are this sentence, from the first to the last.
    fn is(&self, words: &[Word]) -> bool {
        let mut reached = BTreeSet::from([0]);
        for part in &self.parts {
            reached = reached.into_iter().flat_map(|from| part.ends(words, from)).collect();
        }
        reached.contains(&words.len())
    }
}

impl Part {
    /// Where it may end that begins at `from`.
    fn ends(&self, words: &[Word], from: usize) -> Vec<usize> {
        let rest = words.get(from..).unwrap_or_default();
        match self {
            Self::Word(stem) => {
                rest.first().filter(|w| w.stem == *stem).map(|_| from + 1).into_iter().collect()
            }
            Self::Slot => {
                let fill = rest.iter().take(LONGEST_FILL).take_while(|w| fills(w)).count();
                (from + 1..=from + fill).collect()
            }
        }
    }
}

/// A word of support in a slot would change what the sentence says: "1001 or refund it".
fn fills(word: &Word) -> bool {
    word.number || !(LEXICON.knows(&word.stem) || EMPTY.contains(&word.stem.as_str()))
}

/// An example as words and slots; slots side by side are one.
fn parts(example: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = example;
    while let Some((before, after)) = rest.split_once('{') {
        parts.extend(plain(before));
        if !matches!(parts.last(), Some(Part::Slot)) {
            parts.push(Part::Slot);
        }
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    parts.extend(plain(rest));
    parts
}

fn plain(text: &str) -> impl Iterator<Item = Part> {
    words(text, LEXICON.known()).into_iter().map(|word| Part::Word(word.stem))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_proto::v1;

    use super::*;

    fn told(message: &str, examples: &[(&str, &str)]) -> Option<String> {
        let tool = |(name, example): &(&str, &str)| v1::Tool {
            name: (*name).into(),
            examples: vec![(*example).into()],
            ..v1::Tool::default()
        };
        let tools: Vec<_> = examples.iter().map(tool).collect();
        let literals = Literals::of(&Toolbox::from_listed(&tools));
        literals.tool(message, &hear(message)).map(str::to_owned)
    }

    #[test]
    fn a_sentence_is_known_whole_and_with_its_slots_filled() {
        let examples = [("p.cancel", "cancel order {number}"), ("p.see", "where is my parcel")];
        for said in ["cancel order 1001", "Cancel order #1001!", "cancel order Blue Moon 7"] {
            assert_eq!(told(said, &examples).as_deref(), Some("p.cancel"), "{said}");
        }
        assert_eq!(told("Where's my parcel?", &examples).as_deref(), Some("p.see"));
        for other in [
            "cancel order",
            "cancel order 1001?",
            "do not cancel order 1001",
            "cancel order 1001 or refund it",
            "cancel order 1001 but not 1002",
            "cancel order my last one",
            "where is my parcel and my money",
        ] {
            assert_eq!(told(other, &examples), None, "{other}");
        }
    }

    #[test]
    fn a_question_of_the_authors_is_known_as_one() {
        let examples = [("p.find", "is order {number} paid"), ("p.track", "where is {number}")];
        for said in ["is order #1001 paid?", "Is order 1001 paid"] {
            assert_eq!(told(said, &examples).as_deref(), Some("p.find"), "{said}");
        }
    }

    #[test]
    fn what_two_tools_mean_or_what_says_nothing_is_not_told() {
        let twice = [("p.a", "refund {x}, please"), ("p.b", "refund {y} please")];
        assert_eq!(told("refund INV-1 please", &twice), None);
        assert_eq!(told("INV-1 please", &[("p.a", "{x} please")]), None);
    }
}
