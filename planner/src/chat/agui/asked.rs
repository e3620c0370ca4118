//! A run's input, as far as it means anything here.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::chat::fault::Fault;
use crate::chat::turn::{Resumed, Signed};

const MOST_MESSAGES: usize = 2_000;
const LONGEST: usize = 16 * 1024;
const LONGEST_ID: usize = 128;

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) thread: String,
    pub(super) run: String,
    /// The user's messages, oldest first.
    pub(super) said: Vec<String>,
    resume: Option<Resume>,
    pub(super) signed: Signed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    thread_id: String,
    run_id: String,
    #[serde(default)]
    messages: Vec<Message>,
    /// Anything; only an object with our member means something.
    #[serde(default)]
    forwarded_props: Json,
    #[serde(default)]
    resume: Option<Vec<Resume>>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    id: String,
    role: String,
    #[serde(default)]
    content: Json,
}

/// An answer to an interrupt. Its payload is `{ "confirmation": compact JWS }`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resume {
    interrupt_id: String,
    status: Status,
    #[serde(default)]
    payload: Option<Payload>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Resolved,
    Cancelled,
}

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(default)]
    confirmation: String,
}

impl Asked {
    pub(super) fn read(body: &[u8]) -> Result<Self, Fault> {
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| Fault::wrong("", &format!("the body is no run input: {error}")))?;
        if body.messages.len() > MOST_MESSAGES {
            return Err(Fault::wrong("messages", "too many messages: send the newest 2000"));
        }
        let own = body.forwarded_props.get("countersign").filter(|own| !own.is_null());
        let signed = own.map_or_else(|| Ok(Signed::default()), Signed::deserialize);
        let mut signed: Signed = signed
            .map_err(|error| Fault::wrong("forwardedProps.countersign", &error.to_string()))?;
        let users: Vec<&Message> = body.messages.iter().filter(|m| m.role == "user").collect();
        if signed.message_id.is_empty() {
            signed.message_id = users.last().map(|message| message.id.clone()).unwrap_or_default();
        }
        let said: Vec<String> = users.into_iter().map(Message::text).collect();
        let mut resumed = body.resume.unwrap_or_default().into_iter();
        let resume = resumed.next();
        if resumed.next().is_some() {
            return Err(Fault::wrong("resume", "one interrupt is open at most: answer that one"));
        }
        match (&resume, said.last()) {
            (None, None) => {
                return Err(Fault::wrong("messages", "there is no message of the user"));
            }
            (None, Some(text)) if text.trim().is_empty() || text.len() > LONGEST => {
                return Err(Fault::wrong("messages", "a message has 1 byte to 16 KiB of text"));
            }
            (None | Some(_), _) => {}
        }
        if let Some(resume) = &resume {
            let payload = resume.payload.as_ref();
            signed.attestation = String::new();
            signed.confirmation = payload.map(|p| p.confirmation.clone()).unwrap_or_default();
            if resume.status == Status::Resolved && signed.confirmation.is_empty() {
                let problem = "a yes is signed: payload { confirmation: compact JWS }";
                return Err(Fault::wrong("resume", problem));
            }
        }
        let long = body.run_id.len() > LONGEST_ID
            || resume.as_ref().is_some_and(|resume| resume.interrupt_id.len() > LONGEST_ID);
        if long || !signed.fits() {
            return Err(Fault::wrong("", "an id or a signature is too long"));
        }
        Ok(Self { thread: body.thread_id, run: body.run_id, said, resume, signed })
    }

    /// The interrupt that is answered.
    pub(super) fn resumes(&self) -> Option<Resumed<'_>> {
        self.resume.as_ref().map(|resume| Resumed {
            interrupt: &resume.interrupt_id,
            resolved: resume.status == Status::Resolved,
        })
    }
}

impl Message {
    /// Its text; pictures and files are left out.
    fn text(&self) -> String {
        match &self.content {
            Json::String(text) => text.clone(),
            Json::Array(parts) => {
                let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    fn read(resume: &Json, messages: &Json) -> Result<Asked, Fault> {
        let body = json!({ "threadId": "t", "runId": "r", "messages": messages, "resume": resume,
            "state": {}, "tools": [], "context": [], "forwardedProps": {} });
        Asked::read(body.to_string().as_bytes())
    }

    #[test]
    fn messages_and_answers_are_told_apart() {
        let user =
            json!([{ "id": "m1", "role": "user", "content": [{ "type": "text", "text": "hi" }] }]);
        let asked = read(&json!([]), &user).unwrap();
        assert_eq!((asked.said.concat(), asked.signed.message_id.as_str()), ("hi".into(), "m1"));
        assert!(asked.resumes().is_none());
        let yes = json!([{ "interruptId": "prp_1", "status": "resolved", "payload": { "confirmation": "y" } }]);
        let asked = read(&yes, &user).unwrap();
        assert!(asked.resumes().unwrap().resolved);
        assert_eq!(asked.signed.confirmation, "y");
        let no = json!([{ "interruptId": "prp_1", "status": "cancelled" }]);
        assert!(!read(&no, &user).unwrap().resumes().unwrap().resolved);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let none = json!([]);
        assert_eq!(read(&none, &none).unwrap_err().param(), "messages");
        let bare = json!([{ "interruptId": "prp_1", "status": "resolved" }]);
        assert_eq!(read(&bare, &none).unwrap_err().param(), "resume");
        let two = json!([{ "interruptId": "a", "status": "cancelled" }, { "interruptId": "b", "status": "cancelled" }]);
        assert_eq!(read(&two, &none).unwrap_err().param(), "resume");
    }
}
