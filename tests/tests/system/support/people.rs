//! Those who sign: the subject's issuer and the chat frontend.

use countersign_proto::v1;
use countersign_shared::attest::{
    AUDIENCE, ConfirmationClaims, ConfirmationType, MessageClaims, MessageType, card_digest,
    text_digest,
};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

/// A key pair that signs compact JWS.
pub struct Signer {
    secret: SigningKey,
}

/// A customer as the shop's sign-in knows them.
#[derive(Clone)]
pub struct Customer {
    pub email: String,
    pub token: String,
}

impl Signer {
    pub fn new(seed: u8) -> Self {
        Self { secret: SigningKey::from_bytes(&[seed; 32]) }
    }

    pub fn public_pem(&self) -> String {
        self.secret.verifying_key().to_public_key_pem(LineEnding::LF).unwrap()
    }

    pub fn secret_pem(&self) -> String {
        self.secret.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    pub fn sign(&self, claims: &impl Serialize) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("dev".to_owned());
        let key = EncodingKey::from_ed_pem(self.secret_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }

    pub fn customer(&self, issuer: &str, email: &str, customer_id: &str) -> Customer {
        let now = Timestamp::now().as_second();
        let token = self.sign(&json!({
            "iss": issuer, "aud": "countersign", "sub": email, "iat": now, "exp": now + 3600,
            "email": email, "customer_id": customer_id,
        }));
        Customer { email: email.to_owned(), token }
    }

    pub fn message(
        &self,
        who: &Customer,
        conversation: &str,
        id: &str,
        text: &str,
    ) -> v1::AttestedMessage {
        let attestation = self.sign(&MessageClaims {
            typ: MessageType::Message,
            iss: "demo-frontend".to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: who.email.clone(),
            conv: conversation.to_owned(),
            mid: id.to_owned(),
            sha256: text_digest(text),
            iat: Timestamp::now().as_second(),
        });
        v1::AttestedMessage { message_id: id.to_owned(), text: text.to_owned(), attestation }
    }

    pub fn yes(&self, who: &Customer, conversation: &str, card: &v1::Card) -> String {
        let now = Timestamp::now().as_second();
        self.sign(&ConfirmationClaims {
            typ: ConfirmationType::Confirmation,
            iss: "demo-frontend".to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: who.email.clone(),
            conv: conversation.to_owned(),
            proposal: card.proposal_id.clone(),
            card: card_digest(&card.proposal_id, &card.commitment, &card.text),
            iat: now,
            exp: now + 600,
        })
    }
}
