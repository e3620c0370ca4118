//! A message as words with places: lower-case, contractions opened, endings cut,
//! quoted mail blanked. Places are byte ranges of the message as written.

use std::collections::BTreeSet;
use std::ops::Range;

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Lower-case stem, or the digits of a number.
    pub stem: String,
    /// Where it stands in the message.
    pub range: Range<usize>,
    /// Made of digits, or containing one.
    pub number: bool,
    /// The word in lower case, endings and all: tense and number matter at times.
    pub spelled: String,
}

/// Contractions and chat spellings, opened.
const OPENED: &[(&str, &str)] = &[
    ("dont", "do not"),
    ("doesnt", "does not"),
    ("didnt", "did not"),
    ("isnt", "is not"),
    ("arent", "are not"),
    ("wasnt", "was not"),
    ("werent", "were not"),
    ("cant", "can not"),
    ("cannot", "can not"),
    ("couldnt", "could not"),
    ("wont", "will not"),
    ("wouldnt", "would not"),
    ("shouldnt", "should not"),
    ("hasnt", "has not"),
    ("havent", "have not"),
    ("hadnt", "had not"),
    ("aint", "is not"),
    ("neednt", "need not"),
    ("im", "i am"),
    ("ive", "i have"),
    ("id", "i would"),
    ("ill", "i will"),
    ("youve", "you have"),
    ("youre", "you are"),
    ("its", "it is"),
    ("thats", "that is"),
    ("whats", "what is"),
    ("wheres", "where is"),
    ("whens", "when is"),
    ("hows", "how is"),
    ("theres", "there is"),
    ("lets", "let us"),
    ("wanna", "want to"),
    ("gonna", "going to"),
    ("gotta", "have to"),
    ("u", "you"),
    ("ur", "your"),
    ("r", "are"),
    ("pls", "please"),
    ("plz", "please"),
    ("plse", "please"),
    ("thx", "thanks"),
    ("ty", "thanks"),
    ("nvm", "never mind"),
    ("nevermind", "never mind"),
    ("ordr", "order"),
    ("wen", "when"),
    ("wher", "where"),
    ("whr", "where"),
    ("anymore", "any more"),
    ("cos", "because"),
    ("cuz", "because"),
    ("nope", "no"),
    ("wat", "what"),
    ("wats", "what is"),
    ("abt", "about"),
    ("ya", "you"),
    ("yr", "your"),
    ("ppl", "people"),
    ("canx", "cancel"),
    ("addy", "address"),
    ("b4", "before"),
    ("yep", "yes"),
    ("yeah", "yes"),
    ("yup", "yes"),
    ("neither", "not either"),
];

/// The words of a message. Words of `known` mend spelling within one letter.
#[must_use]
pub fn words(text: &str, known: &BTreeSet<String>) -> Vec<Word> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = letter.is_alphanumeric() || (start.is_some() && matches!(letter, '\'' | '’'));
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                push(text, from..at, known, &mut found);
                start = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    found
}

fn push(text: &str, range: Range<usize>, known: &BTreeSet<String>, found: &mut Vec<Word>) {
    let Some(raw) = text.get(range.clone()) else { return };
    let possessive = raw.to_lowercase().replace('’', "'");
    let bare = possessive.strip_suffix("'s").filter(|w| !CLITIC.contains(w)).unwrap_or(&possessive);
    let plain: String = bare.chars().filter(|c| *c != '\'').collect();
    if plain.is_empty() {
        return;
    }
    // "ill" and "id" without an apostrophe are words of their own.
    let spoken = !matches!(plain.as_str(), "ill" | "id") || raw.contains(['\'', '’']);
    let opened = OPENED.iter().find(|(short, _)| *short == plain && spoken).map(|(_, long)| *long);
    for part in opened.unwrap_or(&plain).split(' ') {
        let number = part.chars().any(|c| c.is_ascii_digit());
        let stem = match number {
            true => part.to_owned(),
            false if part.len() < 5 => stem(part),
            false if COMMON.contains(&part) => stem(part),
            false => mended(stem(part), known),
        };
        found.push(Word { stem, range: range.clone(), number, spelled: part.to_owned() });
    }
}

/// Words whose `'s` means `is`.
const CLITIC: &[&str] = &["it", "that", "what", "where", "when", "how", "there", "let", "here"];

/// Cuts common English endings; the same cut is made on both sides of a comparison.
#[must_use]
pub fn stem(word: &str) -> String {
    let regular = IRREGULAR.iter().find(|(form, _)| *form == word).map_or(word, |(_, verb)| verb);
    let mut stem = regular.to_owned();
    let cut = |stem: &mut String, ending: &str, least: usize| {
        let fits = stem.len() >= least + ending.len() && stem.ends_with(ending);
        if fits {
            stem.truncate(stem.len() - ending.len());
        }
        fits
    };
    if cut(&mut stem, "ies", 2) {
        stem.push('y');
    } else if !["ss", "us", "is"].iter().any(|e| stem.ends_with(e)) {
        let _ = cut(&mut stem, "s", 3);
    }
    let _ = cut(&mut stem, "ation", 4)
        || cut(&mut stem, "ment", 4)
        || cut(&mut stem, "ing", 3)
        || cut(&mut stem, "ed", 3);
    undouble(&mut stem);
    let _ = cut(&mut stem, "e", 3);
    stem
}

/// Forms that no ending explains.
const IRREGULAR: &[(&str, &str)] = &[
    ("sent", "send"),
    ("bought", "buy"),
    ("paid", "pay"),
    ("got", "get"),
    ("gotten", "get"),
    ("came", "come"),
    ("went", "go"),
    ("gone", "go"),
    ("gave", "give"),
    ("given", "give"),
    ("took", "take"),
    ("taken", "take"),
    ("kept", "keep"),
    ("left", "leave"),
    ("broke", "break"),
    ("broken", "break"),
    ("tore", "torn"),
    ("said", "say"),
    ("thought", "think"),
    ("made", "make"),
    ("lost", "lose"),
    ("found", "find"),
    ("brought", "bring"),
];

fn undouble(stem: &mut String) {
    let mut back = stem.chars().rev();
    if let (Some(last), Some(before)) = (back.next(), back.next())
        && last == before
        && !"aeious".contains(last)
        && stem.len() > 3
    {
        stem.pop();
    }
}

/// The one known word within one letter of a misspelt one, or the word itself.
fn mended(stem: String, known: &BTreeSet<String>) -> String {
    if known.contains(&stem) {
        return stem;
    }
    let close =
        |w: &&String| w.len() >= 5 && w.chars().next() == stem.chars().next() && near(w, &stem);
    let mut candidates = known.iter().filter(close);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => only.clone(),
        (_, _) => stem,
    }
}

/// Real words one letter away from words of support, left as they are.
const COMMON: &[&str] = &[
    "there", "these", "those", "their", "other", "house", "think", "thing", "great", "price",
    "place", "black", "white", "brown", "green", "quick", "sweater", "light", "right", "night",
    "might", "could", "would", "should", "about", "after", "again", "since", "still", "while",
    "which", "mine", "side", "coat", "count", "card", "care", "truck", "trick", "strange", "stick",
    "stock", "chance", "charge", "older", "border", "clan", "sand", "hope", "line", "love", "move",
    "store", "story", "plate", "place", "date", "wordt",
];

/// Whether two words are one insertion, deletion, substitution or swap apart.
#[must_use]
pub fn near(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    let after = |w: &[char], n: usize| w.get(n..).unwrap_or_default().to_vec();
    if let ([a0, a1, ..], [b0, b1, ..]) = (rest_a, rest_b)
        && a0 == b1
        && a1 == b0
        && after(rest_a, 2) == after(rest_b, 2)
    {
        return true;
    }
    after(rest_a, 1) == after(rest_b, 1) || after(rest_a, 1) == rest_b || rest_a == after(rest_b, 1)
}

/// The message with quoted mail replaced by blanks of the same length, so that
/// ranges stay true: somebody else's words are not the customer's wish.
#[must_use]
pub fn without_quotes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest_is_quoted = false;
    for line in text.split_inclusive('\n') {
        let bare = line.trim();
        let lower = bare.to_lowercase();
        rest_is_quoted |= lower.starts_with("-----original")
            || lower.starts_with("---------- forwarded")
            || (lower.starts_with("from:") && !kept.trim().is_empty());
        let introduces = lower.ends_with("wrote:") || lower.ends_with("said:");
        if rest_is_quoted || introduces || bare.starts_with('>') || bare.starts_with('|') {
            kept.extend(line.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
        } else {
            kept.push_str(line);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn stems(text: &str) -> Vec<String> {
        let known = ["cancel", "address", "refund"].map(str::to_owned).into();
        words(text, &known).into_iter().map(|w| w.stem).collect()
    }

    #[test]
    fn contractions_open_and_endings_fall() {
        assert_eq!(stems("Don't cancelling"), ["do", "not", "cancel"]);
        assert_eq!(stems("where's refunds"), ["wher", "is", "refund"]);
        assert_eq!(stem("shipped"), stem("shipping"));
        assert_eq!(stem("cancellation"), "cancel");
        assert_eq!(stem("changed"), stem("change"));
    }

    #[test]
    fn one_wrong_letter_is_mended() {
        assert_eq!(stems("cancle adress refnud"), ["cancel", "address", "refund"]);
        assert_eq!(stems("canoe"), ["cano"]);
    }

    #[test]
    fn ranges_point_into_the_message_as_written() {
        let text = "Ändere “#1004”, don’t!";
        for word in words(text, &BTreeSet::new()) {
            assert!(text.get(word.range.clone()).is_some());
        }
        assert!(words(text, &BTreeSet::new()).iter().any(|w| w.number && w.stem == "1004"));
    }

    #[test]
    fn quoted_mail_is_blanked_in_place() {
        let text = "Thanks\n> please cancel 1001\nWhere is 1002?";
        let kept = without_quotes(text);
        assert_eq!(kept.len(), text.len());
        assert!(!kept.contains("cancel") && kept.contains("Where is 1002?"));
    }
}
