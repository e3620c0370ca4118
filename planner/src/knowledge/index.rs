//! Finds the piece that a question is about, by parts of words of four letters: endings,
//! compounds and misspellings of many languages leave most of those as they are, so nobody has
//! to say which language a page is in. How pieces rank is Okapi BM25.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Letters of a part.
const LETTERS: usize = 4;
/// A piece that holds less of what a question asks is no answer.
const ENOUGH: f64 = 0.45;
/// How soon a part that comes again tells nothing more (k1 of BM25).
const SOON: f64 = 1.2;
/// How much a long piece counts for less (b of BM25).
const LENGTH: f64 = 0.75;
/// Words that ask, greet and join in five languages, one a line: they tell no page from another.
const PLAIN: &str = include_str!("plain.txt");

/// Parts of the words of all pieces.
#[derive(Debug)]
pub(super) struct Index {
    /// In which pieces a part stands, and how often.
    held: HashMap<String, BTreeMap<usize, u32>>,
    /// Parts of each piece.
    sizes: Vec<u32>,
    /// The mean of those.
    mean: f64,
    plain: BTreeSet<String>,
}

impl Index {
    /// Of the pieces' texts; a piece is found by its place among them.
    pub(super) fn of(texts: impl IntoIterator<Item = String>) -> Self {
        let plain = PLAIN.split_whitespace().map(folded).collect();
        let mut index = Self { held: HashMap::new(), sizes: Vec::new(), mean: 0.0, plain };
        for (at, text) in texts.into_iter().enumerate() {
            let parts = index.parts(&text);
            index.sizes.push(u32::try_from(parts.len()).unwrap_or(u32::MAX));
            for part in parts {
                *index.held.entry(part).or_default().entry(at).or_default() += 1;
            }
        }
        let all: f64 = index.sizes.iter().map(|size| f64::from(*size)).sum();
        index.mean = all / count(index.sizes.len());
        index
    }

    /// The pieces that rank first, as long as each holds enough of what is asked.
    pub(super) fn near(&self, question: &str) -> Vec<usize> {
        let (mut asked, mut found) = (0.0, BTreeMap::<usize, (f64, f64)>::new());
        for part in BTreeSet::from_iter(self.parts(question)) {
            let held = self.held.get(&part);
            let spread = count(held.map_or(0, BTreeMap::len));
            let tells = (1.0 + count(self.sizes.len()) / (1.0 + spread)).ln();
            asked += tells;
            for (at, times) in held.into_iter().flatten() {
                let (rank, share) = found.entry(*at).or_default();
                *rank += self.rarity(spread) * self.weight(*at, f64::from(*times));
                *share += tells;
            }
        }
        // Of several that are alike, the first one comes first.
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by(|(_, (one, _)), (_, (other, _))| other.total_cmp(one));
        let enough = |(_, (_, share)): &(usize, (f64, f64))| *share >= ENOUGH * asked;
        found.into_iter().take_while(enough).map(|(at, _)| at).collect()
    }

    fn rarity(&self, spread: f64) -> f64 {
        (1.0 + (count(self.sizes.len()) - spread + 0.5) / (spread + 0.5)).ln()
    }

    /// What it tells that a part stands in a piece this often.
    fn weight(&self, at: usize, times: f64) -> f64 {
        let size = self.sizes.get(at).map_or(self.mean, |size| f64::from(*size));
        times * (SOON + 1.0) / (times + SOON * (1.0 - LENGTH + LENGTH * size / self.mean))
    }

    fn parts(&self, text: &str) -> Vec<String> {
        let words = text.split(|letter: char| !letter.is_alphanumeric()).map(folded);
        let telling = words.filter(|word| !word.is_empty() && !self.plain.contains(word));
        telling.flat_map(|word| parts(&word)).collect()
    }
}

/// The parts of a word; where it begins is one of their letters.
fn parts(word: &str) -> Vec<String> {
    let letters: Vec<char> = std::iter::once('^').chain(word.chars()).collect();
    if letters.len() <= LETTERS {
        return vec![letters.iter().collect()];
    }
    letters.windows(LETTERS).map(|part| part.iter().collect()).collect()
}

/// In small letters without marks, so that `Größe`, `groesse` and `grosse` are one.
fn folded(word: &str) -> String {
    let plain: String = word.nfd().filter(|letter| !is_combining_mark(*letter)).collect();
    let plain = plain.to_lowercase().replace('ß', "ss").replace('œ', "oe").replace('æ', "ae");
    plain.replace("ae", "a").replace("oe", "o").replace("ue", "u")
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_alike_however_they_are_written() {
        for (one, other) in [("Größe", "groesse"), ("Überweisung", "ueberweisung"), ("œuf", "oeuf")]
        {
            assert_eq!(folded(one), folded(other));
        }
        assert_eq!(parts("wool"), ["^woo", "wool"]);
        assert_eq!((parts("eu"), parts("")), (vec!["^eu".to_owned()], vec!["^".to_owned()]));
    }

    #[test]
    fn of_what_is_alike_the_first_is_found_and_of_nothing_nothing() {
        let index = Index::of(["wash wool", "wash wool", "gift card"].map(str::to_owned));
        assert_eq!(index.near("how do I wash wool?"), [0, 1]);
        assert_eq!(index.near("gift cards"), [2]);
        for nothing in ["opening hours", "how?", ""] {
            assert!(index.near(nothing).is_empty(), "{nothing}");
        }
        assert!(Index::of([]).near("wool").is_empty());
    }
}
