//! Who speaks, and what is signed for them: the subject's token, each message, and a yes to a card
//! that was shown (A YES IS SHOWN AND SIGNED).

use std::collections::BTreeMap;

use anyhow::Context;
use countersign_proto::v1::AttestedMessage;
use countersign_shared::attest::{
    AUDIENCE, ConfirmationClaims, ConfirmationType, MessageClaims, MessageType, card_digest,
    text_digest,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};

use super::frontend::Shown;
use super::jws::Signer;

/// Life of a subject's token.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// A subject, the issuer that vouches for them, and the frontend that they sit at.
pub(crate) struct Voice {
    /// `sub` of everything that is signed.
    pub(crate) subject: String,
    /// Further claims of their token.
    pub(crate) claims: BTreeMap<String, String>,
    pub(crate) issuer: Issuer,
    /// `iss` of messages and confirmations.
    pub(crate) frontend: String,
    pub(crate) signer: Signer,
}

/// Who vouches for the subject.
pub(crate) struct Issuer {
    /// `iss` of the token.
    pub(crate) name: String,
    /// `aud` of the token.
    pub(crate) audience: String,
    pub(crate) signer: Signer,
}

impl Voice {
    pub(crate) fn token(&self, now: Timestamp) -> anyhow::Result<String> {
        let expires = now.checked_add(TOKEN_LIFE).context("the clock is out of range")?;
        let mut claims: Map<String, Json> =
            self.claims.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        // Last, so that no further claim stands in their place.
        claims.extend([
            ("iss".to_owned(), self.issuer.name.as_str().into()),
            ("aud".to_owned(), self.issuer.audience.as_str().into()),
            ("sub".to_owned(), self.subject.as_str().into()),
            ("iat".to_owned(), now.as_second().into()),
            ("exp".to_owned(), expires.as_second().into()),
        ]);
        self.issuer.signer.sign(&claims)
    }

    pub(crate) fn attest(
        &self,
        conversation: &str,
        message_id: String,
        text: &str,
        now: Timestamp,
    ) -> anyhow::Result<AttestedMessage> {
        let attestation = self.signer.sign(&MessageClaims {
            typ: MessageType::Message,
            iss: self.frontend.clone(),
            aud: AUDIENCE.to_owned(),
            sub: self.subject.clone(),
            conv: conversation.to_owned(),
            mid: message_id.clone(),
            sha256: text_digest(text),
            iat: now.as_second(),
        })?;
        Ok(AttestedMessage { message_id, text: text.to_owned(), attestation })
    }

    pub(crate) fn confirm(
        &self,
        conversation: &str,
        card: &Shown,
        now: Timestamp,
    ) -> anyhow::Result<String> {
        self.signer.sign(&ConfirmationClaims {
            typ: ConfirmationType::Confirmation,
            iss: self.frontend.clone(),
            aud: AUDIENCE.to_owned(),
            sub: self.subject.clone(),
            conv: conversation.to_owned(),
            proposal: card.proposal_id.clone(),
            card: card_digest(&card.proposal_id, &card.commitment, &card.text),
            iat: now.as_second(),
            exp: card.expires_at.as_second(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_further_claim_stands_in_for_nothing_that_is_signed() {
        let signer = || Signer::new(crate::ed25519::generate().unwrap(), "k");
        let claims = [("customer_id", "c1"), ("sub", "somebody else")];
        let claims = claims.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let voice = Voice {
            subject: "ada".into(),
            claims: claims.into(),
            issuer: Issuer { name: "i".into(), audience: "a".into(), signer: signer() },
            frontend: "f".into(),
            signer: signer(),
        };
        let token = voice.token(Timestamp::UNIX_EPOCH).unwrap();
        let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let body: Json = serde_json::from_slice(&body).unwrap();
        let wanted = json!({ "iss": "i", "aud": "a", "sub": "ada", "iat": 0, "exp": 3600, "customer_id": "c1" });
        assert_eq!(body, wanted);
    }
}
