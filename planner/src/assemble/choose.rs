//! Which of several found things a customer means: by number, by words, by
//! place in the list. Never a guess: what does not single one out is asked.

use std::ops::Range;

use countersign_proto::v1::Argument;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::model::offline::phrase::{self, LEXICON};
use crate::model::offline::text::{Word, near, stem, words};

/// One thing that an argument could be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The source that the plan would use.
    #[serde(with = "crate::stored::one")]
    pub argument: Argument,
    /// What the customer is shown.
    pub label: String,
    /// What messages are compared with.
    pub text: String,
    /// The element it was found in, for values beside it.
    pub element: Json,
}

/// What a message says about candidates.
#[derive(Debug, Clone, PartialEq)]
pub enum Chosen {
    /// These, by index.
    These(Vec<usize>),
    /// All of them.
    All,
    /// None of them.
    NoneOfThem,
    /// Nothing that singles any out.
    Unclear,
}

/// Candidates that a message mentions on its own, ignoring what stands in `shunned`.
#[must_use]
pub fn mentioned(
    candidates: &[Candidate],
    message: &str,
    shunned: &[Range<usize>],
) -> Vec<Mention> {
    let off =
        |range: &Range<usize>| shunned.iter().any(|s| s.start <= range.start && range.end <= s.end);
    let said = phrase::said(message);
    let counts: Vec<bool> =
        said.iter().enumerate().map(|(at, w)| !off(&w.range) && !is_denied(&said, at)).collect();
    let told: Vec<Vec<Word>> = candidates.iter().map(|c| words(&c.text, LEXICON.known())).collect();
    let numbers = by(&said, &counts, &told, |a, b| {
        a.number && b.number && a.stem == b.stem && a.stem.len() >= 3
    });
    if numbers.is_empty() { by(&said, &counts, &told, alike) } else { numbers }
}

/// A candidate and the word of the message that singled it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Index of the candidate.
    pub candidate: usize,
    /// Index of the first word that means it, among [`phrase::said`].
    pub word: usize,
}

fn by(
    said: &[Word],
    counts: &[bool],
    told: &[Vec<Word>],
    same: impl Fn(&Word, &Word) -> bool,
) -> Vec<Mention> {
    let hits = |word: &Word, told: &[Word]| told.iter().any(|t| same(word, t));
    let heard = || said.iter().zip(counts).enumerate().filter(|(_, (_, counts))| **counts);
    let score = |told: &[Word]| heard().filter(|(_, (w, _))| hits(w, told)).count();
    let mut found: Vec<Mention> = Vec::new();
    for (at, (word, _)) in heard() {
        let meant: Vec<usize> =
            (0..told.len()).filter(|i| told.get(*i).is_some_and(|t| hits(word, t))).collect();
        let best = meant.iter().filter_map(|i| told.get(*i)).map(|t| score(t)).max().unwrap_or(0);
        // A word that every candidate bears singles out none; equals are kept, to be asked about.
        if meant.len() == told.len() && told.len() > 1 {
            continue;
        }
        for candidate in
            meant.into_iter().filter(|i| told.get(*i).is_some_and(|t| score(t) == best))
        {
            if !found.iter().any(|m| m.candidate == candidate) {
                found.push(Mention { candidate, word: at });
            }
        }
    }
    found
}

/// Whether several candidates were mentioned by the very same word.
#[must_use]
pub fn rivals(mentions: &[Mention]) -> bool {
    mentions
        .iter()
        .enumerate()
        .any(|(at, m)| mentions.iter().skip(at + 1).any(|other| other.word == m.word))
}

/// Candidates that a message leaves out by name: "everything except the mug".
#[must_use]
pub fn left_out(candidates: &[Candidate], message: &str) -> Vec<usize> {
    let said = phrase::said(message);
    let spared: Vec<&Word> =
        said.iter().enumerate().filter(|(at, _)| is_denied(&said, *at)).map(|(_, w)| w).collect();
    let names = |c: &Candidate| {
        words(&c.text, LEXICON.known()).iter().any(|t| spared.iter().any(|w| alike(w, t)))
    };
    candidates.iter().enumerate().filter(|(_, c)| names(c)).map(|(at, _)| at).collect()
}

/// Whether a message names goods that the candidate is not: "the jacket" where
/// only a mug was found. Then even an only candidate is asked about.
#[must_use]
pub fn names_other_goods(candidate: &Candidate, message: &str) -> bool {
    const BEFORE: &[&str] =
        &["the", "my", "a", "an", "this", "these", "those", "of", "two", "three", "both"];
    let own = words(&candidate.text, LEXICON.known());
    let said = phrase::said(message);
    let strange =
        |w: &Word| content(w) && !LEXICON.knows(&w.stem) && !own.iter().any(|o| alike(w, o));
    said.windows(2).any(|pair| match pair {
        [before, word] => {
            (before.number || BEFORE.contains(&before.spelled.as_str())) && strange(word)
        }
        _shorter => false,
    })
}

/// "Not the two mugs", "except the scarf".
fn is_denied(said: &[Word], at: usize) -> bool {
    const BETWEEN: &[&str] =
        &["the", "my", "a", "this", "thi", "that", "those", "these", "for", "two", "three", "both"];
    let mut before = said.iter().take(at).rev().take(4);
    let first = before.find(|w| !w.number && !BETWEEN.contains(&w.stem.as_str()));
    let spared = |w: &Word| match w.stem.as_str() {
        "not" | "except" | "without" | "no" => true,
        "but" => whole(said),
        _other => false,
    };
    first.is_some_and(spared)
}

/// Whether two words of goods are the same, give or take a letter.
fn alike(a: &Word, b: &Word) -> bool {
    content(a)
        && content(b)
        && (a.stem == b.stem || (a.stem.len() >= 5 && b.stem.len() >= 5 && near(&a.stem, &b.stem)))
}

/// Whether a word may name goods.
fn content(word: &Word) -> bool {
    !word.number && word.stem.len() >= 3 && !PLAIN.contains(&word.stem.as_str())
}

/// Words too common to single out goods.
const PLAIN: &[&str] = &[
    "the", "and", "for", "with", "set", "pack", "new", "one", "order", "item", "not", "you", "all",
    "from", "that", "this", "thi", "have", "refund", "return", "money", "back", "please", "pleas",
];

/// Reads an answer to "which one?".
#[must_use]
pub fn answer(candidates: &[Candidate], message: &str, many: bool) -> Chosen {
    let said = phrase::said(message);
    let has = |list: &[&str]| said.iter().any(|w| list.contains(&w.spelled.as_str()));
    let mentions = mentioned(candidates, message, &[]);
    if !mentions.is_empty() && !rivals(&mentions) && (many || mentions.len() == 1) {
        return Chosen::These(mentions.into_iter().map(|m| m.candidate).collect());
    }
    if has(&["none", "neither", "nothing"])
        || (has(&["not"]) && has(&["either", "any", "them", "these", "those"]))
    {
        return Chosen::NoneOfThem;
    }
    if many && whole(&said) {
        return Chosen::All;
    }
    let places = places(&said, candidates.len());
    if !places.is_empty() && (many || places.len() == 1) {
        return Chosen::These(places);
    }
    match by_label(candidates, &said).as_slice() {
        [only] => Chosen::These(vec![*only]),
        [] | [_, _, ..] => Chosen::Unclear,
    }
}

/// "All of it", "the whole order".
#[must_use]
pub fn whole(said: &[Word]) -> bool {
    let all = [
        "all",
        "everything",
        "both",
        "whole",
        "entire",
        "complete",
        "completely",
        "full",
        "fully",
        "every",
        "each",
        "rest",
        "remaining",
    ];
    said.iter().any(|w| all.contains(&w.spelled.as_str()))
}

const PLACES: &[&[&str]] = &[
    &["first", "1st", "1"],
    &["second", "2nd", "2"],
    &["third", "3rd", "3"],
    &["fourth", "4th", "4"],
    &["fifth", "5th", "5"],
    &["sixth", "6th", "6"],
    &["seventh", "7th", "7"],
    &["eighth", "8th", "8"],
];

fn places(said: &[Word], count: usize) -> Vec<usize> {
    let is = |w: &Word, names: &[&str]| names.iter().any(|n| w.stem == *n || w.stem == stem(n));
    let mut found: Vec<usize> = Vec::new();
    for (place, names) in PLACES.iter().enumerate().take(count) {
        if said.iter().any(|w| is(w, names)) {
            found.push(place);
        }
    }
    if found.is_empty() && said.iter().any(|w| w.stem == "last") && count > 0 {
        found.push(count - 1);
    }
    found
}

/// Candidates whose label shares most words with the answer.
fn by_label(candidates: &[Candidate], said: &[Word]) -> Vec<usize> {
    let shared = |c: &Candidate| {
        let told = words(&c.label, LEXICON.known());
        let same = |w: &&Word| told.iter().any(|t| (w.number && t.stem == w.stem) || alike(w, t));
        said.iter().filter(same).count()
    };
    let counts: Vec<usize> = candidates.iter().map(shared).collect();
    let best = counts.iter().copied().max().unwrap_or(0);
    let at_best = counts.iter().enumerate().filter(|(_, n)| best > 0 && **n == best);
    at_best.map(|(at, _)| at).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn candidates(texts: &[&str]) -> Vec<Candidate> {
        let one = |text: &&str| Candidate {
            argument: Argument::default(),
            label: format!("{text}, USD 20.00, placed 2026-11-01"),
            text: (*text).to_owned(),
            element: Json::Null,
        };
        texts.iter().map(one).collect()
    }

    #[test]
    fn answers_by_number_place_and_word() {
        let orders = candidates(&["#1001", "#1004"]);
        for (said, index) in [
            ("the second one", 1),
            ("#1004", 1),
            ("1001 please", 0),
            ("the first", 0),
            ("2", 1),
            ("the last one", 1),
        ] {
            assert_eq!(answer(&orders, said, false), Chosen::These(vec![index]), "{said}");
        }
        let goods = candidates(&["Rain jacket, navy", "Wool scarf", "Rain jacket, red"]);
        assert_eq!(answer(&goods, "the scraf", true), Chosen::Unclear);
        assert_eq!(answer(&goods, "the scarf", true), Chosen::These(vec![1]));
        assert_eq!(answer(&goods, "the red jacket", true), Chosen::These(vec![2]));
        assert_eq!(answer(&goods, "the jacket", true), Chosen::Unclear);
        assert_eq!(answer(&goods, "all of them", true), Chosen::All);
        assert_eq!(answer(&goods, "neither", true), Chosen::NoneOfThem);
    }

    #[test]
    fn other_goods_than_the_only_candidate_are_noticed() {
        let mug = &candidates(&["Ceramic mug"])[0];
        assert!(names_other_goods(mug, "the jacket is torn, I want my money back"));
        assert!(names_other_goods(mug, "refund 2 plates please"));
        for text in [
            "the mug is torn",
            "refund my order please",
            "I want my money back for this",
            "the first",
        ] {
            assert!(!names_other_goods(mug, text), "{text}");
        }
    }

    #[test]
    fn two_goods_by_two_words_are_two_mentions() {
        let goods = candidates(&["Rain jacket", "Wool scarf", "Mug"]);
        let both = mentioned(&goods, "refund the jacket and the mug", &[]);
        assert_eq!(both.iter().map(|m| m.candidate).collect::<Vec<_>>(), [0, 2]);
        assert!(!rivals(&both));
        let all_but = "refund everything but the mug";
        assert_eq!(left_out(&goods, all_but), [2]);
        assert!(mentioned(&goods, all_but, &[]).is_empty());
        let one = mentioned(&goods, "refund the jacket, not the scarf", &[]);
        assert_eq!(one.iter().map(|m| m.candidate).collect::<Vec<_>>(), [0]);
    }
}
