//! Those who sign: the subject's issuer, the chat frontend and people of the house.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_proto::v1;
use countersign_shared::attest::{
    AUDIENCE, ApprovalClaims, ApprovalType, ConfirmationClaims, ConfirmationType, Decision,
    FinishClaims, FinishType, MessageClaims, MessageType, card_digest, text_digest,
};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The directory that names the people of the house.
pub const DIRECTORY: &str = "https://directory.test.invalid";

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

/// The seed of this private key: easy to know again, hard to meet by chance.
pub fn seed(number: u8) -> [u8; 32] {
    Sha256::digest([b"a canary's seed ", &[number][..]].concat()).into()
}

impl Signer {
    pub fn new(seed: u8) -> Self {
        Self { secret: SigningKey::from_bytes(&self::seed(seed)) }
    }

    pub fn public_pem(&self) -> String {
        self.secret.verifying_key().to_public_key_pem(LineEnding::LF).unwrap()
    }

    pub fn secret_pem(&self) -> String {
        self.secret.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    /// As OpenSSL reads it: without the public half.
    pub fn openssl_pem(&self) -> String {
        let der = [
            &hex::decode("302e020100300506032b657004220420").unwrap(),
            &self.secret.to_bytes()[..],
        ];
        let body = STANDARD.encode(der.concat());
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    pub fn sign(&self, claims: &impl Serialize) -> String {
        self.sign_as("dev", claims)
    }

    fn sign_as(&self, kid: &str, claims: &impl Serialize) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
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

    /// A colleague as the shop's directory knows them, with scopes.
    pub fn colleague(&self, issuer: &str, name: &str, scope: &str) -> Customer {
        let now = Timestamp::now().as_second();
        let token = self.sign(&json!({
            "iss": issuer, "aud": "countersign", "sub": name, "iat": now, "exp": now + 3600,
            "scope": scope,
        }));
        Customer { email: name.to_owned(), token }
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

    /// What a member of staff answers to a card.
    pub fn answer(&self, who: &str, role: &str, card: &v1::Card, decision: Decision) -> String {
        let now = Timestamp::now().as_second();
        self.sign_as(
            who,
            &ApprovalClaims {
                typ: ApprovalType::Approval,
                iss: DIRECTORY.to_owned(),
                aud: AUDIENCE.to_owned(),
                sub: who.to_owned(),
                proposal: card.proposal_id.clone(),
                card: card_digest(&card.proposal_id, &card.commitment, &card.text),
                decision,
                role: role.to_owned(),
                reason: "looked at it".to_owned(),
                iat: now,
                exp: now + 600,
            },
        )
    }

    /// What a member of staff says of how a matter ended.
    pub fn finish(&self, who: &str, about: &str, done: bool) -> String {
        let now = Timestamp::now().as_second();
        self.sign_as(
            who,
            &FinishClaims {
                typ: FinishType::Finish,
                iss: DIRECTORY.to_owned(),
                aud: AUDIENCE.to_owned(),
                sub: who.to_owned(),
                action: about.to_owned(),
                done,
                note: "done in the admin".to_owned(),
                iat: now,
                exp: now + 600,
            },
        )
    }
}

/// `people.yaml` with these people and their roles, each with the key `keys/ID.pem` by the
/// name of ID.
pub fn people(all: &[(&str, &str)]) -> String {
    let person = |(id, roles): &(&str, &str)| {
        format!(
            "  - {{ id: {id}, issuer: \"{DIRECTORY}\", name: {id}, roles: [{roles}], tenants: [demo-shop], \
             keys: [{{ kid: {id}, file: keys/{id}.pem }}] }}\n"
        )
    };
    format!("people:\n{}", all.iter().map(person).collect::<String>())
}
