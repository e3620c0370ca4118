//! What a frontend asks for itself: a title, tags, follow-up questions, search queries.
//! It looks like a message of the user and is none, so no engine hears it. Answers are made
//! of the user's own words, or empty.

use serde_json::json;

/// How such requests begin, in Open WebUI's and LibreChat's own templates.
const BEGINNINGS: &[&str] = &[
    "### Task:\nGenerate ",
    "### Task:\nSuggest ",
    "### Task:\nAnalyze the chat history",
    "### Task:\nYou are an autocompletion system",
    "### Task:\nYour task is to reflect",
    "Provide a concise, 5-word-or-less title for the conversation",
    "Please generate a concise, 5-word-or-less title for the conversation",
    "Analyze this conversation and provide:",
];
/// How Open WebUI asks which of its tools to call; nothing in answer is none.
const TOOLS: &str = "Query: History:\n";
/// Longest title, in words.
const TITLE_WORDS: usize = 6;
const TITLE: &str = "Support";

/// Whether the newest message is the frontend's own; `quotes` says whether a reply of ours
/// stands in a text, which in a lone message nobody else has put there.
pub(super) fn is_aside(said: &[String], quotes: impl FnOnce(&str) -> bool) -> bool {
    let Some(text) = said.last().map(|text| text.trim_start()) else { return false };
    let begins = BEGINNINGS.iter().chain([&TOOLS]).any(|begin| text.starts_with(begin));
    begins || (said.len() == 1 && quotes(text))
}

/// The answer in the form that the request names.
pub(super) fn answer(text: &str) -> String {
    let asks = |member: &str| text.contains(&format!("\"{member}\""));
    if text.trim_start().starts_with(TOOLS) {
        String::new()
    } else if asks("title") {
        json!({ "title": title(text) }).to_string()
    } else if asks("follow_ups") {
        json!({ "follow_ups": [] }).to_string()
    } else if asks("tags") {
        json!({ "tags": [] }).to_string()
    } else if asks("queries") {
        json!({ "queries": [] }).to_string()
    } else if asks("text") {
        json!({ "text": "" }).to_string()
    } else {
        title(text)
    }
}

/// The first words of the user's first message that the text quotes.
fn title(text: &str) -> String {
    let quoted = ["USER:", "User:", "Human:", "user:"].iter().find_map(|who| text.split_once(who));
    let line = quoted.map_or("", |(_, rest)| rest.trim_start().lines().next().unwrap_or_default());
    let words: Vec<&str> = line.split_whitespace().take(TITLE_WORDS).collect();
    if words.is_empty() { TITLE.to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(text: &str) -> bool {
        is_aside(&[text.to_owned()], |text| text.contains("Order #1001 was cancelled."))
    }

    #[test]
    fn a_frontends_own_requests_are_known_by_how_they_begin_or_what_they_quote() {
        assert!(is("### Task:\nGenerate a concise title."));
        assert!(is("  ### Task:\nSuggest 3-5 relevant follow-up questions"));
        assert!(is("Query: History:\nUSER: \"\"\"cancel it\"\"\"\nQuery: cancel it"));
        assert!(is("Summarise: USER: cancel it ASSISTANT: Order #1001 was cancelled."));
        for words in ["cancel order #1001", "Task: cancel order #1001", "was it cancelled?"] {
            assert!(!is(words), "{words}");
        }
        // Further on, a customer may quote what they like.
        let second = ["hi".to_owned(), "You said: Order #1001 was cancelled.".to_owned()];
        assert!(!is_aside(&second, |_| true));
    }

    #[test]
    fn the_answer_has_the_form_that_was_asked_for() {
        let asked = |form: &str| {
            answer(&format!(
                "### Task:\nJSON: {form}\nUSER: cancel my order #1001 please, and more\nASSISTANT: Which?"
            ))
        };
        assert_eq!(
            asked(r#"{ "title": "t" }"#),
            r#"{"title":"cancel my order #1001 please, and"}"#
        );
        assert_eq!(asked(r#"{ "tags": ["t"] }"#), r#"{"tags":[]}"#);
        assert_eq!(asked(r#"{ "follow_ups": [] }"#), r#"{"follow_ups":[]}"#);
        assert_eq!(asked(r#"{ "queries": [] }"#), r#"{"queries":[]}"#);
        assert_eq!(asked("none"), "cancel my order #1001 please, and");
        assert_eq!(answer("### Task:\nA title"), "Support");
        assert_eq!(answer("Query: History:\nUSER: a \"title\"\nQuery: a \"title\""), "");
    }
}
