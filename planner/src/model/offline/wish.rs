//! Whether a deed is really asked for. A message may speak of cancelling in many
//! ways; only an imperative, a wish or a favour asked is a reason to propose it.

use super::hear::{Clause, FILLERS, Heard, THINGS, acts};
use super::lexicon::Notion;
use super::phrase::Hit;
use super::text::Word;

/// Words that make a wish of what follows.
const LEADS: &[&str] = &[
    "want",
    "need",
    "lik",
    "wish",
    "pleas",
    "request",
    "demand",
    "requir",
    "expect",
    "must",
    "could",
    "can",
    "may",
    "help",
    "let",
    "possibl",
    "chanc",
    "appreciat",
    "ask",
    "prefer",
    "kindly",
    "just",
    "should",
    "hereby",
    "get",
    "lov",
    "time",
    "rather",
    "try",
    "due",
    "owe",
    "deserv",
    "insist",
];
/// Words after which a deed is only inquired about.
const INQUIRIES: &[&str] =
    &["confirm", "check", "whether", "know", "tell", "verify", "say", "claim", "wonder"];
/// Others, whose wishes are not the speaker's.
const OTHERS: &[&str] =
    &["he", "she", "they", "websit", "sit", "pag", "bank", "courier", "button", "option"];
/// How many words back a lead is looked for.
const REACH: usize = 7;

/// Whether some deed in the message is asked for; true where none is named.
pub(super) fn is_wished(heard: &Heard) -> bool {
    let deeds = || {
        heard
            .clauses
            .iter()
            .flat_map(|c| c.hits.iter().filter(|h| acts(h.notion)).map(move |h| (c, h)))
    };
    deeds().next().is_none() || deeds().any(|(clause, hit)| is_asked_for(clause, hit))
}

fn is_asked_for(clause: &Clause, hit: &Hit) -> bool {
    let before: Vec<&Word> = clause.words.iter().take(hit.words.start).collect();
    let inside: Vec<&Word> =
        clause.words.iter().skip(hit.words.start).take(hit.words.len()).collect();
    let has = |words: &[&Word], list: &[&str]| {
        words.iter().any(|w| list.contains(&w.stem.as_str()) && w.spelled != "got")
    };
    if hit.notion == Notion::Address || has(&inside, &["not", "no", "want", "need"]) {
        return true;
    }
    if has(&before, INQUIRIES) || has(&before, OTHERS) {
        return false;
    }
    let near: Vec<&Word> = before.iter().rev().take(REACH).copied().collect();
    let obliged =
        before.windows(2).any(|p| matches!(p, [a, b] if a.stem == "hav" && b.stem == "to"));
    let infinitive = clause.asks && before.last().is_some_and(|w| w.stem == "to");
    has(&near, LEADS)
        || obliged
        || infinitive
        || clause.asks_favour
        || commands(clause, hit, &before)
}

/// "Cancel 1001", "order 1001: refund": it opens the clause and nothing is stated of it.
fn commands(clause: &Clause, hit: &Hit, before: &[&Word]) -> bool {
    let opening = |w: &&Word| {
        w.number || FILLERS.contains(&w.stem.as_str()) || THINGS.contains(&w.stem.as_str())
    };
    let opens = before.iter().all(|w| {
        opening(w)
            || matches!(
                w.stem.as_str(),
                "no" | "number" | "my" | "for" | "on" | "a" | "the" | "full"
            )
    });
    let after = || clause.words.iter().skip(hit.words.end);
    let told = |w: &Word| matches!(w.stem.as_str(), "is" | "was" | "were" | "has" | "had" | "went");
    let past = after().next().is_some_and(|w| {
        w.spelled.ends_with("ed")
            && !matches!(w.spelled.as_str(), "requested" | "needed" | "wanted" | "required")
    });
    let gerund = clause.words.get(hit.words.start).is_some_and(|w| w.spelled.ends_with("ing"));
    opens && !past && !gerund && !after().take(6).any(told)
}

/// Whether the deed hangs on something that is not known yet: "if", "unless".
/// "If it has not shipped" hangs on what the executor checks anyway.
pub(super) fn is_conditional(heard: &Heard) -> bool {
    heard.clauses.iter().any(|clause| {
        let stems: Vec<&str> = clause.words.iter().map(|w| w.stem.as_str()).collect();
        let hangs = |w: &&str| matches!(*w, "unless" | "until" | "otherwis" | "probably");
        stems.iter().any(hangs) || opens_condition(&stems)
    })
}

fn opens_condition(stems: &[&str]) -> bool {
    const CHECKED: &[&str] =
        &["ship", "send", "leav", "go", "dispatch", "pack", "process", "left", "out"];
    const POLITE: &[&str] =
        &["possibl", "you", "ok", "okay", "so", "not", "that", "need", "at", "any"];
    let Some(at) = stems.iter().position(|s| *s == "if") else { return false };
    let rest = stems.get(at + 1..).unwrap_or_default();
    let not_yet = rest.iter().take(5).any(|s| matches!(*s, "not" | "still"))
        && rest.iter().any(|s| CHECKED.contains(s));
    let polite = rest.first().is_some_and(|s| POLITE.contains(s))
        && !rest.starts_with(&["you", "can", "not"])
        || rest.starts_with(&["it", "is", "possibl"])
        || rest.starts_with(&["it", "is", "not", "too"]);
    !not_yet && !polite
}

#[cfg(test)]
mod tests {
    use super::super::hear::hear;
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_a_wish() {
        for text in [
            "cancel 1001",
            "order 1004 - cancel, thanks",
            "I'd like to cancel",
            "can you refund it",
            "refund for the mug please",
            "money back!",
        ] {
            assert!(is_wished(&hear(text)), "{text}");
        }
        for text in [
            "my cancellation of 1001 was rejected",
            "the refund for 1003 is too low",
            "I will cancel it one day",
            "she said cancel 1001",
        ] {
            assert!(!is_wished(&hear(text)), "{text}");
        }
    }

    #[test]
    fn a_condition_that_is_checked_anyway_is_none() {
        assert!(!is_conditional(&hear("if it hasn't shipped yet, cancel it")));
        assert!(!is_conditional(&hear("I'd be glad if you could cancel it")));
        assert!(is_conditional(&hear("if it doesn't come by Friday, cancel it")));
        assert!(is_conditional(&hear("cancel it unless it ships today")));
    }
}
