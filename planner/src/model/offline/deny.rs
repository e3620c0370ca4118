//! What a clause says is not wanted, or only tells of: "do not cancel", "why was
//! it cancelled", "my daughter wants to cancel".

use super::hear::acts;
use super::lexicon::Notion;
use super::phrase::Hit;
use super::text::Word;

const DENIERS: &[&str] = &[
    "not", "never", "without", "no", "nor", "neither", "nearly", "almost", "refus", "against",
    "avoid",
];
/// Words after which a denial before them no longer reaches.
const BLOCKERS: &[&str] = &["just", "so", "pleas", "then", "becaus", "sinc", "instead", "only"];
/// Verbs whose denial reaches into what is said or thought.
const SAYING: &[&str] = &["say", "think", "ask", "mean", "told", "sure", "believ", "know"];
/// How many words a denial reaches.
const REACH: usize = 6;

/// Whether something before the hit denies it.
pub(super) fn is_denied(words: &[Word], found: &[Hit], hit: &Hit) -> bool {
    let before = words.get(..hit.words.start).unwrap_or_default();
    let stems: Vec<&str> = before.iter().map(|w| w.stem.as_str()).collect();
    let contrasts = |w: &[&str]| matches!(w, ["instead" | "rather", "of" | "than" | "then"]);
    if stems.rchunks(4).next().is_some_and(|near| near.windows(2).any(contrasts)) {
        return true;
    }
    let dropped = |other: &Hit| {
        other.notion == Notion::Retract
            && other.words.end <= hit.words.start
            && hit.words.start <= other.words.end + 3
    };
    if found.iter().any(dropped) || is_qualified(words, hit) {
        return true;
    }
    if asks_politely(&stems) {
        return false;
    }
    for (at, stem) in stems.iter().enumerate().rev().take(REACH) {
        let used = found.iter().any(|other| other != hit && other.words.contains(&at));
        let number_follows = words.get(at + 1).is_some_and(|w| w.number);
        if DENIERS.contains(stem) && !used && !(*stem == "no" && number_follows) {
            return true;
        }
        if BLOCKERS.contains(stem) || begins_anew(&stems, at) {
            return false;
        }
    }
    false
}

/// "Don't ship it with DHL", "I don't want it to be late": how, not whether.
fn is_qualified(words: &[Word], hit: &Hit) -> bool {
    let inside = words.get(hit.words.clone()).unwrap_or_default();
    if hit.notion != Notion::Cancel || !inside.iter().any(|w| w.stem == "not") {
        return false;
    }
    let after: Vec<&str> = words.iter().skip(hit.words.end).map(|w| w.stem.as_str()).collect();
    let how = |s: &&str| {
        matches!(
            *s,
            "on" | "with" | "via" | "befor" | "until" | "without" | "by" | "email" | "e" | "mail"
        )
    };
    let next = words
        .iter()
        .skip(hit.words.end)
        .find(|w| !w.number && !matches!(w.stem.as_str(), "order" | "it"));
    next.is_some_and(|w| w.stem == "to") || after.iter().take(4).any(how)
}

/// "…I want": a wish of its own, unless it is what was not said or thought.
fn begins_anew(stems: &[&str], at: usize) -> bool {
    let subject = stems.get(at).is_some_and(|s| matches!(*s, "i" | "we"));
    let said =
        at.checked_sub(1).and_then(|before| stems.get(before)).is_some_and(|s| SAYING.contains(s));
    subject && !said
}

/// "Can't you…", "why don't you…": a denial in form only.
fn asks_politely(before: &[&str]) -> bool {
    matches!(
        before,
        ["can" | "could" | "would" | "will", "not", "you", ..] | ["why", "do", "not", "you", ..]
    )
}

/// Words that turn a past form into a wish: "I want it refunded".
const WISHING: &[&str] = &[
    "want", "need", "lik", "must", "should", "pleas", "get", "can", "could", "prefer", "expect",
    "demand", "wish",
];

/// Whether a deed is told or asked about rather than asked for.
pub(super) fn is_report(words: &[Word], hit: &Hit) -> bool {
    if !acts(hit.notion) {
        return false;
    }
    let before = words.get(..hit.words.start).unwrap_or_default();
    let stems: Vec<&str> = before.iter().map(|w| w.stem.as_str()).collect();
    let wished = before.iter().any(|w| WISHING.contains(&w.stem.as_str()) && w.spelled != "got");
    let first = words.get(hit.words.start);
    let past = first.is_some_and(|w| {
        w.spelled.len() > 4 && w.spelled.ends_with("ed") && !matches!(w.spelled.as_str(), "need")
    });
    if past && !wished && hit.notion != Notion::Address {
        return true;
    }
    // "It was sent to my old flat" tells where it went, "is my address…" asks about it.
    let address = hit.notion == Notion::Address && !wished;
    let passive = stems.iter().any(|s| matches!(*s, "was" | "were" | "been"));
    let arrived =
        first.is_some_and(|w| matches!(w.spelled.as_str(), "sent" | "delivered" | "shipped"));
    if address && passive && arrived {
        return true;
    }
    let opening =
        stems.iter().find(|s| !matches!(**s, "so" | "and" | "but" | "hi" | "hello" | "hey" | "ok"));
    let asks = opening.is_some_and(|s| match *s {
        "did" | "has" | "have" | "had" | "was" | "were" | "why" => true,
        "is" | "doe" => address,
        _other => false,
    });
    asks && !asks_politely(&stems)
}

#[cfg(test)]
mod tests {
    use super::super::hear::hear;
    use super::super::lexicon::Notion;

    #[test]
    fn what_is_told_is_not_asked_for() {
        let stands = |text: &str| hear(text).clauses.iter().any(|c| c.has(Notion::Cancel));
        for text in [
            "my friend cancelled order 1001",
            "did you cancel 1004?",
            "why was 1001 cancelled",
            "it says order 1001 is cancelled",
        ] {
            assert!(!stands(text), "{text}");
        }
        for text in
            ["I want 1001 cancelled", "please get my order cancelled", "1001 must be cancelled"]
        {
            assert!(stands(text), "{text}");
        }
    }
}
