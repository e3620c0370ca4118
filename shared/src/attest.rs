//! What a chat frontend signs and the executor verifies: the claims of the
//! subject's token, of an attested message and of a confirmation. All three are
//! compact JWS with `alg` EdDSA and a `kid`; signing and verifying live with
//! whoever holds the keys.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Audience of messages and confirmations.
pub const AUDIENCE: &str = "countersign";

/// Claims of an attested message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageClaims {
    /// Always `message`, so that no other token passes for one.
    pub typ: MessageType,
    /// The frontend's id.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The subject who wrote it.
    pub sub: String,
    /// The conversation.
    pub conv: String,
    /// The message's id.
    pub mid: String,
    /// Hex SHA-256 of the text's UTF-8 bytes.
    pub sha256: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
}

/// Claims of a customer's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmationClaims {
    /// Always `confirmation`.
    pub typ: ConfirmationType,
    /// The frontend's id.
    pub iss: String,
    /// [`AUDIENCE`].
    pub aud: String,
    /// The subject who saw the card.
    pub sub: String,
    /// The conversation.
    pub conv: String,
    /// The proposal.
    pub proposal: String,
    /// [`card_digest`] of what was shown.
    pub card: String,
    /// When it was signed, seconds since 1970.
    pub iat: i64,
    /// Until when it counts, seconds since 1970.
    pub exp: i64,
}

/// The type of an attested message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageType {
    /// The only one.
    #[serde(rename = "message")]
    Message,
}

/// The type of a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfirmationType {
    /// The only one.
    #[serde(rename = "confirmation")]
    Confirmation,
}

/// Hex SHA-256 of a message's text.
#[must_use]
pub fn text_digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Hex digest that a yes is signed over: what was shown, and what it stands for.
/// A frontend computes it over the text it showed, so that a card altered on the
/// way earns a yes to nothing (A YES IS SHOWN AND SIGNED).
#[must_use]
pub fn card_digest(proposal_id: &str, commitment: &str, text: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["countersign card v1", proposal_id, commitment] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    hash.update(text.as_bytes());
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_altered_on_the_way_has_another_digest() {
        let shown = card_digest("prp_1", "ab", "Refund USD 5.00?");
        assert_ne!(shown, card_digest("prp_1", "ab", "Refund USD 50.0?"));
        assert_ne!(shown, card_digest("prp_1", "ac", "Refund USD 5.00?"));
        assert_ne!(shown, card_digest("prp_2", "ab", "Refund USD 5.00?"));
    }
}
