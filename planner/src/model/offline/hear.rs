//! From words to what is meant: clauses, what is denied in them, taken back,
//! told of the past or asked in general.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::deny::{is_denied, is_report};
use super::lexicon::Notion;
use super::phrase::{Hit, LEXICON};
use super::postal;
use super::text::{Word, without_quotes, words};

/// A message taken apart.
#[derive(Debug)]
pub struct Heard {
    /// Its clauses in order.
    pub clauses: Vec<Clause>,
    /// Whether it holds what looks like a postal address.
    pub postal: bool,
}

/// One clause.
#[derive(Debug)]
pub struct Clause {
    /// Bytes of the message.
    pub range: Range<usize>,
    /// Its words.
    pub words: Vec<Word>,
    /// Phrases in it that stand.
    pub hits: Vec<Hit>,
    /// Phrases in it that are denied or taken back.
    pub denied: Vec<Hit>,
    /// Ends with a question mark or is built as a question.
    pub asks: bool,
    /// Built as a request: an imperative, "can you", "I want".
    pub requests: bool,
    /// Asks the listener to do something: "could you", "please".
    pub asks_favour: bool,
    /// Names one particular thing: a number, "my order".
    pub specific: bool,
}

impl Clause {
    /// Whether a standing phrase of this notion is in it.
    #[must_use]
    pub fn has(&self, notion: Notion) -> bool {
        self.hits.iter().any(|hit| hit.notion == notion)
    }
}

/// Takes a message apart.
#[must_use]
pub fn hear(message: &str) -> Heard {
    let text = without_quotes(message);
    let mut clauses: Vec<Clause> =
        split(&text).into_iter().filter_map(|r| clause(&text, r)).collect();
    take_back(&mut clauses);
    Heard { clauses, postal: postal::is_address(&text) }
}

/// Byte ranges between marks and contrasts.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    for found in BREAKS.find_iter(text) {
        ranges.push(start..found.end());
        start = found.end();
    }
    ranges.push(start..text.len());
    ranges
}

static BREAKS: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "a constant, compiled by a test")]
    Regex::new(r"(?i)[!?]+|[.;:,]+(?:\s|$)|\.\.+|\n|\s[-–—]+\s|\b(?:but|however|although|though)\b")
        .unwrap()
});

fn clause(text: &str, range: Range<usize>) -> Option<Clause> {
    let part = text.get(range.clone())?;
    let mut words = words(part, LEXICON.known());
    for word in &mut words {
        word.range = word.range.start + range.start..word.range.end + range.start;
    }
    if words.is_empty() {
        return None;
    }
    let found = LEXICON.find(&words);
    let off = |hit: &Hit| is_denied(&words, &found, hit) || is_report(&words, hit);
    let (denied, hits): (Vec<Hit>, Vec<Hit>) = found.iter().cloned().partition(off);
    let stems: Vec<&str> = words.iter().map(|w| w.stem.as_str()).collect();
    Some(Clause {
        asks: part.contains('?') || asks(&stems),
        requests: requests(&stems, &hits),
        asks_favour: asks_favour(&stems),
        specific: specific(&words),
        range,
        hits,
        denied,
        words,
    })
}

fn asks(stems: &[&str]) -> bool {
    let opening: Vec<&str> =
        stems.iter().copied().skip_while(|s| FILLERS.contains(s)).take(2).collect();
    matches!(
        opening.as_slice(),
        ["how" | "what" | "wher" | "when" | "which" | "who" | "why", ..]
            | [
                "doe"
                    | "is"
                    | "are"
                    | "can"
                    | "could"
                    | "will"
                    | "would"
                    | "has"
                    | "have"
                    | "did"
                    | "am"
                    | "was",
                "i" | "you"
                    | "my"
                    | "the"
                    | "there"
                    | "a"
                    | "an"
                    | "your"
                    | "we"
                    | "customer"
                    | "this"
                    | "that"
                    | "people"
                    | "one"
                    | "anyone"
            ]
            | ["do" | "did", "i" | "you" | "my" | "we" | "they" | "your" | "customer" | "people"]
            | ["is" | "will" | "doe" | "did" | "has" | "can", "it"]
            | ["is" | "was" | "did" | "has" | "will", "order"]
    ) || stems.windows(2).any(|pair| matches!(pair, ["how", "to"]))
}

pub(super) const FILLERS: &[&str] = &[
    "hi",
    "hello",
    "hey",
    "ok",
    "okay",
    "so",
    "and",
    "then",
    "also",
    "just",
    "pleas",
    "kindly",
    "ye",
    "no",
    "well",
    "oh",
    "um",
    "now",
    "actually",
    "dear",
    "team",
    "good",
    "morn",
    "even",
    "afternoon",
    "or",
    "guy",
    "instead",
];

fn requests(stems: &[&str], hits: &[Hit]) -> bool {
    let pairs = || stems.windows(2);
    let wants = pairs().any(|p| {
        matches!(
            p,
            [
                "i" | "we",
                "want" | "need" | "would" | "wish" | "demand" | "request" | "hereby" | "requir"
            ]
        )
    });
    let first = stems.iter().position(|s| !FILLERS.contains(s));
    let commands = hits.iter().any(|h| Some(h.words.start) == first && acts(h.notion));
    wants || commands || asks_favour(stems)
}

fn asks_favour(stems: &[&str]) -> bool {
    let you = stems.windows(2).any(|p| matches!(p, ["can" | "could" | "would" | "will", "you"]));
    you || ["pleas", "chanc", "kindly"].iter().any(|w| stems.contains(w))
}

/// Notions that name something to be done.
pub(crate) fn acts(notion: Notion) -> bool {
    matches!(notion, Notion::Cancel | Notion::Refund | Notion::Return | Notion::Address)
}

pub(super) const THINGS: &[&str] = &[
    "order",
    "parcel",
    "packag",
    "deliv",
    "delivery",
    "shipment",
    "purchas",
    "item",
    "packet",
    "box",
    "stuff",
    "booking",
    "subscription",
    "appointment",
    "account",
    "jacket",
    "payment",
    "invoic",
    "last",
    "recent",
];

fn specific(words: &[Word]) -> bool {
    let owned = words.iter().enumerate().any(|(at, word)| {
        matches!(word.stem.as_str(), "my" | "this" | "that" | "the" | "our")
            && words.iter().skip(at + 1).take(2).any(|w| THINGS.contains(&w.stem.as_str()))
    });
    let for_me =
        words.windows(2).any(|pair| matches!(pair, [a, b] if a.stem == "for" && b.stem == "me"));
    owned
        || for_me
        || words
            .iter()
            .any(|w| w.number && w.stem.len() >= 3 && w.stem.chars().all(|c| c.is_ascii_digit()))
}

/// Where a clause takes something back: a phrase of it, or nothing but "not yet".
fn retraction(clause: &Clause) -> Option<usize> {
    let only: Vec<&str> = clause.words.iter().map(|w| w.stem.as_str()).collect();
    if matches!(
        only.as_slice(),
        ["not", "yet" | "now" | "today"] | ["never" | "wait"] | ["no", "no" | "wait"]
    ) {
        return Some(0);
    }
    clause.hits.iter().find(|h| h.notion == Notion::Retract).map(|h| h.words.start)
}

/// A retraction takes back what stands before it; what follows counts.
fn take_back(clauses: &mut [Clause]) {
    for at in 0..clauses.len() {
        let Some(place) = clauses.get(at).and_then(retraction) else { continue };
        for (index, clause) in clauses.iter_mut().enumerate().take(at + 1) {
            let before = |hit: &Hit| {
                hit.notion != Notion::Retract
                    && hit.notion < Notion::Human
                    && (index < at || hit.words.start < place)
            };
            let (back, hits) = std::mem::take(&mut clause.hits).into_iter().partition(before);
            clause.hits = hits;
            clause.denied.extend::<Vec<Hit>>(back);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn standing(text: &str, notion: Notion) -> bool {
        hear(text).clauses.iter().any(|c| c.has(notion))
    }

    #[test]
    fn a_denied_wish_does_not_stand() {
        for text in [
            "do not cancel my order",
            "please don't cancel it",
            "I never asked to cancel",
            "I don't want to cancel 1001",
            "I'd like to keep it rather than cancel",
            "no need to cancel",
        ] {
            assert!(!standing(text, Notion::Cancel), "{text}");
        }
        for text in [
            "can't you cancel it",
            "cancel order no 1001",
            "I don't like it, cancel it",
            "why don't you just cancel it",
        ] {
            assert!(standing(text, Notion::Cancel), "{text}");
        }
    }

    #[test]
    fn a_retraction_reaches_back_but_not_forward() {
        assert!(!standing("cancel 1001. No, forget it", Notion::Cancel));
        assert!(standing("refund it, never mind, cancel it", Notion::Cancel));
    }

    #[test]
    fn addresses_are_recognised() {
        for text in [
            "10 Whitehall Mews, London SW1A 2AA",
            "Schillerplatz 3, 70173 Stuttgart",
            "615 Lake Shore Dr, Madison WI 53703",
        ] {
            assert!(hear(text).postal, "{text}");
        }
        assert!(!hear("cancel order 1001 please, I ordered 2 mugs").postal);
    }
}
