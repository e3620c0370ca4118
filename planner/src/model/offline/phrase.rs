//! The lexicon compiled: phrases found in a row of words.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::LazyLock;

use super::lexicon::{Notion, phrases};
use super::text::{Word, stem, without_quotes, words};

/// The key of phrases that begin with a number.
const NUMBER: &str = "#";
/// Longest run of words that a gap stands for.
const GAP: usize = 3;

/// The compiled lexicon.
pub static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::compile);

/// The customer's own words of a message: quoted mail left out, spelling mended.
#[must_use]
pub fn said(message: &str) -> Vec<Word> {
    words(&without_quotes(message), LEXICON.known())
}

/// Phrases by the stem that they begin with.
#[derive(Debug)]
pub struct Lexicon {
    by_first: HashMap<String, Vec<Phrase>>,
    known: BTreeSet<String>,
    vocabulary: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Phrase {
    notion: Notion,
    weight: f64,
    first: Choice,
    rest: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    OneOf(Vec<Choice>),
    Gap,
}

/// A word of a phrase: by its stem, or exactly as spelled.
#[derive(Debug, Clone, PartialEq)]
struct Choice {
    stem: String,
    exact: Option<String>,
    /// Any number as well.
    number: bool,
}

/// What `@` stands for, beside numbers.
const THING: &str = "order|purchase|package|parcel|shipment|delivery|it|this|that|them|these|those|thing|everything|booking|subscription|one";

impl Choice {
    fn of(word: &str) -> Self {
        let exact = word.strip_suffix('+');
        Self { stem: stem(exact.unwrap_or(word)), exact: exact.map(str::to_owned), number: false }
    }

    /// The words of one place of a phrase.
    fn all(words: &str) -> Vec<Self> {
        let thing = words.split('|').any(|w| w == "@");
        let things = THING.split('|').filter(|_| thing).map(Self::of);
        let number = thing.then(|| Self { stem: NUMBER.to_owned(), exact: None, number: true });
        words.split('|').filter(|w| *w != "@").map(Self::of).chain(things).chain(number).collect()
    }

    fn is(&self, word: &Word) -> bool {
        if self.number {
            return word.number;
        }
        self.exact.as_ref().map_or(self.stem == word.stem, |exact| *exact == word.spelled)
    }
}

/// A phrase found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// What it stands for.
    pub notion: Notion,
    /// How strongly.
    pub weight: f64,
    /// Which words.
    pub words: Range<usize>,
}

impl Lexicon {
    fn compile() -> Self {
        let mut lexicon =
            Self { by_first: HashMap::new(), known: BTreeSet::new(), vocabulary: BTreeSet::new() };
        for (notion, weight, phrase) in phrases() {
            lexicon.add(notion, weight, phrase);
        }
        lexicon
    }

    fn add(&mut self, notion: Notion, weight: f64, phrase: &str) {
        let mut parts = phrase.split(' ').map(|word| match word {
            "_" => Part::Gap,
            words => Part::OneOf(Choice::all(words)),
        });
        let Some(Part::OneOf(first)) = parts.next() else { return };
        let rest: Vec<Part> = parts.collect();
        let others = rest.iter().flat_map(|part| match part {
            Part::OneOf(words) => words.as_slice(),
            Part::Gap => &[],
        });
        for word in first.iter().chain(others) {
            self.vocabulary.insert(word.stem.clone());
            if word.stem.len() >= 5 {
                self.known.insert(word.stem.clone());
            }
        }
        for word in first {
            let phrase = Phrase { notion, weight, first: word.clone(), rest: rest.clone() };
            self.by_first.entry(word.stem.clone()).or_default().push(phrase);
        }
    }

    /// Stems that spelling is mended to.
    #[must_use]
    pub fn known(&self) -> &BTreeSet<String> {
        &self.known
    }

    /// Whether the stem is a word of support rather than a thing that is sold.
    #[must_use]
    pub fn knows(&self, stem: &str) -> bool {
        self.vocabulary.contains(stem)
    }

    /// Every phrase in `words`, without those inside a longer one.
    #[must_use]
    pub fn find(&self, words: &[Word]) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (start, word) in words.iter().enumerate() {
            let key = if word.number { NUMBER } else { word.stem.as_str() };
            for phrase in self.by_first.get(key).into_iter().flatten() {
                if !phrase.first.is(word) {
                    continue;
                }
                if let Some(end) = ending(&phrase.rest, words, start + 1) {
                    hits.push(Hit {
                        notion: phrase.notion,
                        weight: phrase.weight,
                        words: start..end,
                    });
                }
            }
        }
        let inside = |hit: &Hit| {
            hits.iter().any(|other| {
                other.notion != hit.notion
                    && hit.notion < Notion::Human
                    && other.words.len() > hit.words.len()
                    && other.words.start <= hit.words.start
                    && hit.words.end <= other.words.end
            })
        };
        hits.iter().filter(|hit| !inside(hit)).cloned().collect()
    }
}

/// Where the rest of a phrase ends, matched from `at` on.
fn ending(rest: &[Part], words: &[Word], at: usize) -> Option<usize> {
    match rest.split_first() {
        None => Some(at),
        Some((Part::OneOf(choices), rest)) => {
            let word = words.get(at)?;
            choices.iter().any(|c| c.is(word)).then(|| ending(rest, words, at + 1))?
        }
        Some((Part::Gap, rest)) => (at..=at + GAP).find_map(|from| ending(rest, words, from)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn notions(text: &str) -> Vec<Notion> {
        LEXICON.find(&words(text, LEXICON.known())).into_iter().map(|h| h.notion).collect()
    }

    #[test]
    fn a_gap_spans_a_few_words() {
        assert_eq!(notions("stop my last order"), [Notion::Cancel]);
        assert!(notions("stop").is_empty());
    }

    #[test]
    fn the_longer_phrase_swallows_the_shorter() {
        assert!(notions("where is my refund").iter().all(|n| *n == Notion::RefundStatus));
        assert!(notions("where is it").contains(&Notion::Track));
    }
}
