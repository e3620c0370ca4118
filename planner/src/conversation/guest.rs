//! A guest who is asked who they are: order number and e-mail in their own words go to
//! the executor, which alone decides; then what they wanted is taken up again.

use std::sync::LazyLock;

use countersign_proto::v1::{AttestedMessage, Intent, MatchSubjectRequest, UtteranceSpan};
use countersign_shared::codes::Code;
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Conversation;
use super::ending::{Ending, refused_action};
use super::turn::{Engine, Scene};
use crate::reply;

/// What a guest wanted when they were asked who they are.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wanted {
    text: String,
    /// The message that said it.
    message_id: String,
}

/// Whether this turn is for the words it came with, or for earlier ones.
pub(super) enum Known {
    /// Nobody was asked, or nothing in the words answers it.
    Go,
    /// The executor knows the guest now: take this up again.
    Again(String),
    /// The words answered it, and the executor does not know them.
    Stop(Box<Ending>),
}

impl Engine {
    /// Matches a guest who was asked for order number and e-mail, where the newest
    /// message holds an e-mail address.
    pub(super) async fn known(&self, scene: &Scene<'_>, conversation: &mut Conversation) -> Known {
        let Some(wanted) = conversation.unmatched.take() else { return Known::Go };
        let Some((order, email)) = spans(&conversation.messages) else {
            conversation.unmatched = Some(wanted);
            return Known::Go;
        };
        scene.progress("matching", "looking for your order");
        let request = MatchSubjectRequest {
            subject_token: scene.asker.token.to_owned(),
            messages: conversation.messages.clone(),
            conversation_id: scene.asker.conversation_id.to_owned(),
            order: Some(order),
            email: Some(email),
        };
        let error = match self.acting().await.match_subject(request).await {
            Ok(kept_under) => {
                conversation.kept_under.extend(Some(kept_under).filter(|key| !key.is_empty()));
                let ids = conversation.messages.iter().rev().skip(1);
                let back = ids.take_while(|m| m.message_id != wanted.message_id).count();
                conversation.open_messages = back + 1;
                return Known::Again(wanted.text);
            }
            Err(error) => error,
        };
        conversation.unmatched = Some(wanted);
        let refused = error.refusal().map(|refusal| refused_action("", refusal));
        let ending = Ending::says(Intent::Clarify, reply::not_answered(&error));
        Known::Stop(Box::new(Ending { actions: refused.into_iter().collect(), ..ending }))
    }

    /// Remembers what a guest wanted who is asked who they are. One who was matched just
    /// now and may not do it all the same has to sign in.
    pub(super) fn asked(conversation: &mut Conversation, matched: bool, ending: Ending) -> Ending {
        let strength = Code::StrengthRequired.name();
        if !ending.asks_who && !ending.actions.iter().any(|action| action.code == strength) {
            return ending;
        }
        if matched {
            return Ending { reply: reply::SIGN_IN.to_owned(), ..ending };
        }
        let newest = conversation.messages.last();
        // A bare number answers what was asked; it is no new wish.
        let number = newest.is_some_and(|m| !m.text.chars().any(|c| c.is_alphabetic()));
        if number && conversation.unmatched.is_some() {
            return ending;
        }
        let wanted =
            newest.map(|m| Wanted { text: m.text.clone(), message_id: m.message_id.clone() });
        conversation.unmatched = wanted;
        ending
    }
}

/// An e-mail address in the newest message, and an order number in it or before it.
fn spans(messages: &[AttestedMessage]) -> Option<(UtteranceSpan, UtteranceSpan)> {
    static EMAIL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"[^\s<>,;:()]+@[^\s<>,;:()]+\.[A-Za-z]{2,}").ok());
    static ORDER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"#?(?:[A-Za-z]{1,5}-)?[0-9]{3,12}\b").ok());
    let newest = messages.last()?;
    let email = EMAIL.as_ref()?.find(&newest.text)?.range();
    let outside =
        |found: &std::ops::Range<usize>| found.end <= email.start || found.start >= email.end;
    let order = messages.iter().rev().find_map(|message| {
        let mut found = ORDER.as_ref()?.find_iter(&message.text).map(|found| found.range());
        let here = message.message_id == newest.message_id;
        found.find(|found| !here || outside(found)).and_then(|found| span(message, &found))
    })?;
    Some((order, span(newest, &email)?))
}

fn span(message: &AttestedMessage, at: &std::ops::Range<usize>) -> Option<UtteranceSpan> {
    Some(UtteranceSpan {
        message_id: message.message_id.clone(),
        start: u32::try_from(at.start).ok()?,
        end: u32::try_from(at.end).ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::string_slice, clippy::panic, reason = "tests")]

    use super::*;

    fn message(id: &str, text: &str) -> AttestedMessage {
        AttestedMessage { message_id: id.into(), text: text.into(), attestation: String::new() }
    }

    #[test]
    fn order_and_e_mail_are_found_where_they_were_said() {
        let cases = [
            (&["it is #1001, anna@example.com"][..], Some(("#1001", "anna@example.com"))),
            (
                &["where is order 1001", "anna1999@example.com"],
                Some(("1001", "anna1999@example.com")),
            ),
            (
                &["my mail: <anna@example.com>. Order SO-20041!"],
                Some(("SO-20041", "anna@example.com")),
            ),
            (&["anna@example.com", "order 1001"], None),
            (&["anna1999@example.com"], None),
        ];
        for (texts, wanted) in cases {
            let each = texts.iter().enumerate();
            let messages: Vec<_> = each.map(|(at, text)| message(&at.to_string(), text)).collect();
            let found = spans(&messages);
            let cut = |span: &UtteranceSpan| {
                let text = &messages.iter().find(|m| m.message_id == span.message_id).unwrap().text;
                text[span.start as usize..span.end as usize].to_owned()
            };
            let found = found.map(|(order, email)| (cut(&order), cut(&email)));
            let wanted = wanted.map(|(order, email)| (order.to_owned(), email.to_owned()));
            assert_eq!(found, wanted, "{texts:?}");
        }
    }
}
