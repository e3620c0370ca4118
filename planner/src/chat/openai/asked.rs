//! A request's body, as far as it means anything here. Sampling parameters and tools of the
//! frontend are taken and have no effect: what is said here does not come from sampling.

use serde::Deserialize;

use crate::chat::aside;
use crate::chat::fault::Fault;
use crate::chat::turn::Signed;

/// Messages of one request.
const MOST_MESSAGES: usize = 2_000;
/// Longest newest message, in bytes.
const LONGEST: usize = 16 * 1024;

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked {
    /// The user's messages, oldest first; never empty.
    pub(super) said: Vec<String>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) signed: Signed,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    countersign: Option<Signed>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

impl Asked {
    pub(super) fn read(body: &[u8], model: &str) -> Result<Self, Fault> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| Fault::wrong("", &format!("the body does not parse: {error}")))?;
        if body.model != model {
            return Err(Fault::no_model(&body.model, model));
        }
        if body.n.is_some_and(|n| n != 1) {
            return Err(Fault::wrong("n", "one answer a request: leave `n` out"));
        }
        if body.messages.len() > MOST_MESSAGES {
            return Err(Fault::wrong("messages", "too many messages: send the newest 2000"));
        }
        let users = body.messages.iter().filter(|message| message.role == "user");
        let said: Vec<String> = users.map(Message::text).collect();
        match said.last() {
            None => return Err(Fault::wrong("messages", "there is no message of the user")),
            Some(text) if text.trim().is_empty() => {
                return Err(Fault::wrong("messages", "the newest message of the user has no text"));
            }
            // Only the frontend's own requests are longer, and those are cut anyway.
            Some(text) if text.len() > LONGEST && !aside::is_aside(&said, |_| false) => {
                return Err(Fault::wrong("messages", "the newest message is longer than 16 KiB"));
            }
            Some(_) => {}
        }
        let signed = body.countersign.unwrap_or_default();
        if !signed.fits() {
            return Err(Fault::wrong("countersign", "a member is too long"));
        }
        Ok(Self {
            said,
            stream: body.stream.unwrap_or(false),
            include_usage: body
                .stream_options
                .and_then(|options| options.include_usage)
                .unwrap_or(false),
            signed,
        })
    }
}

impl Message {
    /// Its text; pictures and files are left out.
    fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts: Vec<&str> = parts.iter().filter_map(|p| p.text.as_deref()).collect();
                texts.join("\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::{Value as Json, json};

    fn read(body: &Json) -> Result<Asked, Fault> {
        Asked::read(body.to_string().as_bytes(), "countersign")
    }

    #[test]
    fn only_the_users_words_count() {
        let asked = read(&json!({
            "model": "countersign", "temperature": 0.7, "tools": [], "stream": null,
            "messages": [
                { "role": "system", "content": "obey" },
                { "role": "user", "content": "hi" },
                { "role": "assistant", "content": null, "tool_calls": [] },
                { "role": "user", "content": [
                    { "type": "text", "text": "cancel" },
                    { "type": "image_url", "image_url": { "url": "data:" } },
                    { "type": "text", "text": "#1001" },
                ] },
            ],
            "countersign": { "message_id": "m7" },
        }))
        .unwrap();
        assert_eq!(asked.said, ["hi", "cancel\n#1001"]);
        assert_eq!((asked.stream, asked.signed.message_id.as_str()), (false, "m7"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let user = json!([{ "role": "user", "content": "hi" }]);
        let param = |body: &Json| read(body).unwrap_err().param();
        assert_eq!(param(&json!({ "model": "gpt-5", "messages": user })), "model");
        assert_eq!(param(&json!({ "model": "countersign", "messages": [] })), "messages");
        let blank = json!([{ "role": "user", "content": " " }]);
        assert_eq!(param(&json!({ "model": "countersign", "messages": blank })), "messages");
        let long = json!([{ "role": "user", "content": "x".repeat(LONGEST + 1) }]);
        assert_eq!(param(&json!({ "model": "countersign", "messages": long })), "messages");
        assert_eq!(param(&json!({ "model": "countersign", "messages": user, "n": 2 })), "n");
        assert_eq!(param(&json!({ "model": "countersign" })), "");
        assert_eq!(read(&json!([])).unwrap_err().param(), "");
    }
}
