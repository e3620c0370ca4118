//! Raises an asserted subject to a matched one: order number and e-mail, both said
//! in attested words, belong together at the backend.
//!
//! ```text
//! words ──▶ count the try ──▶ read ──▶ compare ──▶ remember, for an hour
//!               └── whatever is missing or wrong: the same MATCH_FAILED ──┘
//! ```
//!
//! Nobody learns from an answer whether an order exists: the try is counted before
//! the read, the read is made also when tries are used up, and every way of failing
//! answers alike.

use std::collections::BTreeMap;

use countersign_core::contract::{From, Matching};
use countersign_core::error::Refused;
use countersign_core::gates::Gate;
use countersign_core::person::Person;
use countersign_core::plan::Plan;
use countersign_core::resolve::words;
use countersign_core::subject::{MATCH_LIVES, Matched, Strength, Subject};
use countersign_shared::codes::Code;
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::desk::{Desk, Request};
use crate::turned::{Turned, unavailable};

/// A span of one of the request's messages.
#[derive(Debug, Clone)]
pub struct Span {
    /// The message's id.
    pub message: String,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Desk {
    /// Matches a subject of a conversation; answers with until when it counts, and who it is.
    ///
    /// # Errors
    /// `MATCH_FAILED`; for words that are none, what is wrong with them.
    pub async fn match_subject(
        &self,
        request: &Request,
        conversation: &str,
        order: &Span,
        email: &Span,
    ) -> Result<(Timestamp, Person), Turned> {
        let now = self.pipeline.clock.now();
        let order = heard(request, order, "order", now)?;
        let email = heard(request, email, "email", now)?;
        let subject = &request.subject;
        let counted = self.pipeline.store.count_try(tries(subject, &order), now).await;
        let allowed = counted.map_err(|error| unavailable(&error))? || !Gate::MatchTries.is_on();
        let claims = self.find(subject, &order, &email).await;
        let Some(claims) = claims.filter(|_| allowed && !conversation.is_empty()) else {
            let message = "order number and e-mail do not match, or were tried too often";
            let refused = Refused::new(Code::MatchFailed, message);
            // Every way of failing is receipted alike, under no tool's name.
            let plan = Plan { conversation: conversation.to_owned(), ..Plan::default() };
            return Err(self.turn_away(request, &plan, refused).await);
        };
        let matched = Matched { claims, at: now };
        // Whoever was matched before may be somebody else now.
        let strength = match subject.strength {
            Strength::Matched => Strength::Asserted,
            strength @ (Strength::Asserted | Strength::SignedIn | Strength::Strong) => strength,
        };
        let before = Subject { strength, ..subject.clone() };
        let who = Person::of(&before.raised(Some(matched.clone()), now));
        let within = within(&request.caller, conversation);
        let kept = self.pipeline.store.remember_match(subject, &within, matched).await;
        kept.map_err(|error| unavailable(&error))?;
        Ok((now.checked_add(MATCH_LIVES).unwrap_or(now), who))
    }

    /// The subject as the executor knows it in this conversation: an asserted one
    /// may have been matched.
    ///
    /// # Errors
    /// `STORE_UNAVAILABLE`.
    pub async fn known_as(
        &self,
        subject: Subject,
        caller: &str,
        conversation: &str,
    ) -> Result<Subject, Refused> {
        if subject.strength != Strength::Asserted || conversation.is_empty() {
            return Ok(subject);
        }
        let matched = self.pipeline.store.matched(&subject, &within(caller, conversation)).await;
        let matched = matched.map_err(|error| unavailable(&error))?;
        Ok(subject.raised(matched, self.pipeline.clock.now()))
    }

    /// The claims of whoever order and e-mail belong to.
    async fn find(
        &self,
        subject: &Subject,
        order: &str,
        email: &str,
    ) -> Option<BTreeMap<String, String>> {
        let pipeline = &self.pipeline;
        // The tenant's first pack that can match; each shop has one.
        let matching = pipeline.catalog.matching.values().find(|matching| {
            let tool = pipeline.catalog.tools.get(&matching.tool);
            tool.is_some_and(|tool| pipeline.driver.account(&subject.tenant, tool).is_ok())
        })?;
        match pipeline.driver.identify(subject, matching, order, email).await {
            Ok(seen) => belongs(matching, &seen.to_json(), email),
            Err(refused) => {
                tracing::info!(code = %refused.code, "a match found nothing");
                None
            }
        }
    }
}

/// Where a match counts: one planner's conversation, and no other planner's of that name.
fn within(caller: &str, conversation: &str) -> String {
    format!("{caller} {conversation}")
}

/// Words that a frontend attested; nobody is matched by what nobody signed.
fn heard(request: &Request, span: &Span, at: &str, now: Timestamp) -> Result<String, Refused> {
    let said = request.messages.iter().find(|m| m.id == span.message).ok_or_else(|| {
        Refused::new(Code::ReferenceUnknown, format!("`{at}` refers to no message of the request"))
    })?;
    if said.kind() != From::Utterance && Gate::MatchWords.is_on() {
        let message = format!("`{at}`: these words have no attestation");
        return Err(Refused::new(Code::MessageUnattested, message));
    }
    words(said, span.start, span.end, now, at)
}

/// The claims, where every one is there and the e-mail is the one that was said.
fn belongs(matching: &Matching, seen: &Json, email: &str) -> Option<BTreeMap<String, String>> {
    let claim = |(name, pointer): (&String, &String)| {
        let value = seen.pointer(pointer)?.as_str().filter(|value| !value.trim().is_empty())?;
        Some((name.clone(), value.to_owned()))
    };
    let claims: BTreeMap<_, _> = matching.claims.iter().map(claim).collect::<Option<_>>()?;
    let folded = |text: &str| text.trim().to_lowercase();
    let same = claims.get("email").is_some_and(|theirs| folded(theirs) == folded(email));
    (same || !Gate::MatchEmail.is_on()).then_some(claims)
}

/// What a try counts against: the subject, and the order however it is spelled.
fn tries(subject: &Subject, order: &str) -> [String; 2] {
    let order: String =
        order.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let order = order.trim_start_matches('0');
    [
        digest(&["subject", &subject.tenant, &subject.issuer, &subject.signs_as]),
        digest(&["order", &subject.tenant, order]),
    ]
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests;
