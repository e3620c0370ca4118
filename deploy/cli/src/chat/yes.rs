//! Which words are a yes to a card. Only a whole message is one: "yes, but the other order" is not.

const WORDS: &[&str] = &[
    "y",
    "yes",
    "yeah",
    "yep",
    "yup",
    "ok",
    "okay",
    "sure",
    "confirm",
    "confirmed",
    "i confirm",
    "yes please",
    "please do",
    "do it",
    "go ahead", // English
    "ja",
    "ja bitte",
    "jawohl",
    "bestätigt", // German
    "oui",
    "d'accord", // French
    "sí",
    "si",
    "confirmo", // Spanish, Italian, Portuguese
    "sim",
    "va bene",
    "tak",
    "ano",
    "da",
    "да",
    "так",
    "evet",
    "igen",
    "kyllä",
    "jo",
    "nai",
    "ναι",
    "はい",
    "是",
    "好",
    "好的",
    "네",
    "예",
    "हाँ",
    "हां",
    "نعم",
    "כן",
];

/// Whether the message is a yes and nothing else.
pub(crate) fn is_yes(message: &str) -> bool {
    let ends = |c: char| c.is_whitespace() || matches!(c, '.' | '!' | ',' | '。' | '！');
    let said = message.trim_matches(ends).to_lowercase().replace('’', "'");
    WORDS.contains(&said.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_is_known_in_several_languages() {
        for yes in
            ["yes", " Yes! ", "Y", "OK.", "confirm", "Ja", "SÍ", "oui", "да", "はい。", "d’accord"]
        {
            assert!(is_yes(yes), "{yes}");
        }
    }

    #[test]
    fn anything_more_or_else_is_none() {
        for no in [
            "",
            "no",
            "yes, but the other one",
            "yes?",
            "yesterday",
            "not ok",
            "nein",
            "y n",
            "cancel",
        ] {
            assert!(!is_yes(no), "{no}");
        }
    }
}
