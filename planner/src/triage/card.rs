//! What is said while a card waits: a question about what it shows, a no to it, or a yes. In doubt
//! it is none of these, and the card is shown again. Words are in `card.txt`, by language.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::refuses;
use crate::model::offline::hear::{Clause, Heard, acts, hear};
use crate::model::offline::phrase::LEXICON;
use crate::model::offline::text::{self, Word};

/// A message beside a card.
pub(super) struct Beside {
    heard: Heard,
    about: bool,
    more: bool,
}

impl Beside {
    /// Reads it; `card` is what is shown.
    pub(super) fn read(text: &str, card: &str) -> Self {
        let heard = hear(text);
        let wishes = |c: &Clause| c.requests && c.hits.iter().any(|hit| acts(hit.notion));
        let about = places(&heard).any(|(at, clause)| is_about(clause, asks(&heard, at)))
            && !heard.clauses.iter().any(wishes)
            && !beyond(&heard, card, 3);
        let more = beyond(&heard, card, 1);
        Self { heard, about, more }
    }

    /// Whether it asks about what is shown.
    pub(super) fn asks(&self) -> bool {
        self.about
    }

    /// Whether it has a number that is not on the card: another order, another quantity.
    pub(super) fn says_more(&self) -> bool {
        self.more
    }

    /// Whether something in it is a question and nobody is asked to do anything.
    pub(super) fn only_asks(&self) -> bool {
        let does =
            |c: &Clause| c.asks_favour || (c.requests && c.hits.iter().any(|hit| acts(hit.notion)));
        self.questions() && !self.heard.clauses.iter().any(does)
    }

    /// Whether what waits is not to be done. A "wait" before a question about it only asks; what
    /// is refused stays refused with an "ok?" behind it.
    pub(super) fn withdraws(&self) -> bool {
        places(&self.heard).any(|(at, clause)| {
            let waits = self.about && spelled(clause).next() == Some("wait");
            let refuses = !is_question(clause) && refuses(&clause.words, at == 0);
            let denies = !asks(&self.heard, at) && denies(clause, at == 0);
            !waits && (refuses || denies)
        })
    }

    /// Whether it says which one it is not, and nothing else.
    pub(super) fn denies(&self) -> bool {
        places(&self.heard).all(|(at, clause)| !asks(&self.heard, at) && denies(clause, false))
    }

    /// Whether it is a yes and nothing else: a condition, a question or another word makes none.
    pub(super) fn agrees(&self) -> bool {
        let mut words = self.heard.clauses.iter().flat_map(spelled);
        !self.questions()
            && words.clone().any(|word| YES.contains(word))
            && words.all(|word| YES.contains(word) || WITH_A_YES.contains(word))
    }

    /// Whether something in it leaves open that it is wanted.
    pub(super) fn doubts(&self) -> bool {
        let mut words = self.heard.clauses.iter().flat_map(spelled);
        self.questions() || words.any(|word| DOUBT.contains(word))
    }

    fn questions(&self) -> bool {
        places(&self.heard).any(|(at, _)| asks(&self.heard, at))
    }
}

fn places(heard: &Heard) -> impl Iterator<Item = (usize, &Clause)> {
    heard.clauses.iter().enumerate()
}

fn spelled(clause: &Clause) -> impl Iterator<Item = &str> + Clone {
    clause.words.iter().map(|word| word.spelled.as_str())
}

/// Whether a clause asks: by itself, or by what hangs on it ("…, right?").
fn asks(heard: &Heard, at: usize) -> bool {
    let Some(clause) = heard.clauses.get(at) else { return false };
    let hangs = |next: &Clause| next.words.len() <= 2 && is_question(next);
    is_question(clause) || (clause.words.len() > 2 && heard.clauses.get(at + 1).is_some_and(hangs))
}

fn is_question(clause: &Clause) -> bool {
    let mut opening = spelled(clause).skip_while(|word| BEFORE_A_QUESTION.contains(word));
    clause.asks || opening.next().is_some_and(|word| ASKING.contains(word))
}

fn is_about(clause: &Clause, asks: bool) -> bool {
    let says = |list: &Words| spelled(clause).any(|word| list.contains(word));
    if clause.asks_favour || says(&FAVOUR) || says(&SHOWING) {
        return says(&SHOWING) && says(&POINTING);
    }
    asks && says(&POINTING) && !says(&NOT_SHOWN)
}

/// Whether a number is in it that is not on the card, of so many characters at least.
fn beyond(heard: &Heard, card: &str, least: usize) -> bool {
    let shown = text::words(card, LEXICON.known());
    let is_shown = |number: &Word| shown.iter().any(|word| word.spelled == number.spelled);
    let mut numbers = heard.clauses.iter().flat_map(|c| &c.words).filter(|w| w.number);
    numbers.any(|number| number.spelled.len() >= least && !is_shown(number))
}

/// A no of another language, or one that says which it is not. It opens the message, or there is
/// nothing else in its clause.
fn denies(clause: &Clause, opens: bool) -> bool {
    let mut words = spelled(clause);
    let denying = |word: &str| DENYING.contains(word);
    match (words.next(), words.next()) {
        (Some("nein" | "non" | "nee"), _) if opens => true,
        (Some("para"), None) => true,
        _other => {
            spelled(clause).any(denying)
                && spelled(clause).all(|w| denying(w) || BESIDE.contains(w))
        }
    }
}

/// Words that say that it is not this one, or not at all.
static DENYING: LazyLock<Words> = LazyLock::new(|| words("denying"));
/// Words beside which such a word still stands alone.
static BESIDE: LazyLock<Words> = LazyLock::new(|| words("beside"));
/// Words with which a question begins where no mark tells that it is one.
static ASKING: LazyLock<Words> = LazyLock::new(|| words("asking"));
/// Words before them.
static BEFORE_A_QUESTION: LazyLock<Words> = LazyLock::new(|| words("before_a_question"));
/// Words with which a question points at what is shown.
static POINTING: LazyLock<Words> = LazyLock::new(|| words("pointing"));
/// Words of questions that no card answers: how it is with the house, when and why.
static NOT_SHOWN: LazyLock<Words> = LazyLock::new(|| words("not_shown"));
/// Words with which something is to be done, as a favour.
static FAVOUR: LazyLock<Words> = LazyLock::new(|| words("favour"));
/// Words for showing it once more.
static SHOWING: LazyLock<Words> = LazyLock::new(|| words("showing"));
/// Words of a yes.
static YES: LazyLock<Words> = LazyLock::new(|| words("yes"));
/// Words that change nothing of a yes.
static WITH_A_YES: LazyLock<Words> = LazyLock::new(|| words("with_a_yes"));
/// Words that make it doubtful that it is wanted.
static DOUBT: LazyLock<Words> = LazyLock::new(|| words("doubt"));

type Words = BTreeSet<&'static str>;

/// The words of a section of the file, in every language.
fn words(section: &str) -> Words {
    let of_it = |line: &&str| line.trim_matches(['[', ']']) != section;
    let lines = include_str!("card.txt").lines().skip_while(of_it).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.flat_map(|line| line.split_whitespace().skip(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_cards_only_as_a_whole_and_in_any_case() {
        let card = "Cancel order EU1001 and refund EUR 25.00?";
        let asks = |text| Beside::read(text, card).asks();
        assert!(asks("Is this for order EU1001?") && asks("is this for order eu1001?"));
        for text in ["Is this for order EU100?", "Is this for order EU10011?"] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn every_section_of_the_file_is_used() {
        let lists = [
            &DENYING,
            &BESIDE,
            &ASKING,
            &BEFORE_A_QUESTION,
            &POINTING,
            &NOT_SHOWN,
            &FAVOUR,
            &SHOWING,
            &YES,
            &WITH_A_YES,
            &DOUBT,
        ];
        assert_eq!(include_str!("card.txt").matches("\n[").count(), lists.len());
        for list in lists {
            assert!(!list.is_empty());
        }
    }
}
