//! Messages as they came in, and whether a frontend heard them from the subject.

use countersign_core::error::Refused;
use countersign_core::gates::Gate;
use countersign_core::resolve::Message;
use countersign_core::signed::Keyring;
use countersign_core::subject::Subject;
use countersign_shared::attest::{MessageClaims, text_digest};
use countersign_shared::codes::Code;
use jiff::Timestamp;

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// Longest id of a message, in bytes: receipts name it.
const LONGEST_ID: usize = 128;
/// Most messages of one request.
const MOST_MESSAGES: usize = 50;

/// A message as it came in.
#[derive(Debug, Clone)]
pub struct Said {
    /// The frontend's id for it.
    pub id: String,
    /// What the user wrote.
    pub text: String,
    /// The frontend's signature over it; empty where nobody signed.
    pub attestation: String,
}

/// Verifies that a frontend of the subject's tenant heard these words from the
/// subject, in this conversation. What nobody signed counts as asserted.
pub(super) fn words(
    frontends: &Keyring,
    said: &[Said],
    subject: &Subject,
    conversation: &str,
    now: Timestamp,
) -> Result<Vec<Message>, Refused> {
    if said.len() > MOST_MESSAGES {
        return Err(Refused::new(Code::PlanTooLarge, format!("at most {MOST_MESSAGES} messages")));
    }
    said.iter().map(|one| word(frontends, one, subject, conversation, now)).collect()
}

fn word(
    frontends: &Keyring,
    said: &Said,
    subject: &Subject,
    conversation: &str,
    now: Timestamp,
) -> Result<Message, Refused> {
    let unattested =
        |why: &str| Refused::new(Code::MessageUnattested, format!("message {}: {why}", said.id));
    if said.id.len() > LONGEST_ID || said.text.len() > LONGEST_MESSAGE {
        return Err(Refused::new(Code::PlanTooLarge, "a message, or its id, is too long"));
    }
    let message = |frontend: String, signed_at: Timestamp| Message {
        id: said.id.clone(),
        text: said.text.clone(),
        frontend,
        signed_at,
    };
    if said.attestation.is_empty() {
        return Ok(message(String::new(), now));
    }
    let claims: MessageClaims = frontends
        .verify(&subject.tenant, &said.attestation, now)
        .map_err(|e| unattested(&e.to_string()))?;
    let same = (claims.sub == subject.signs_as || !Gate::WordsPerson.is_on())
        && (claims.conv == conversation || !Gate::WordsConversation.is_on())
        && claims.mid == said.id
        && (claims.sha256 == text_digest(&said.text) || !Gate::WordsText.is_on());
    if !same || claims.iss.is_empty() {
        return Err(unattested("signed for other words, another subject or conversation"));
    }
    let signed_at = Timestamp::from_second(claims.iat).map_err(|_| unattested("iat is no time"))?;
    Ok(message(claims.iss, signed_at))
}
