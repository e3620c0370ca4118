//! Those who sign: issuers, frontends, approvers, and one whom nobody knows.

use countersign_shared::attest::{
    AUDIENCE, ApprovalClaims, ApprovalType, ConfirmationClaims, ConfirmationType, Decision,
    MessageClaims, MessageType, card_digest, text_digest,
};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use countersign_proto::v1;

/// An approver who is bound to the south only.
pub const ABROAD: &str = "abroad";
/// A tenant: who vouches for its people and their words.
pub const TENANTS: [&str; 3] = ["north", "south", "west"];

/// A key pair that signs compact JWS.
#[derive(Clone)]
pub struct Signer {
    kid: String,
    key: EncodingKey,
    pub public_pem: String,
}

impl Signer {
    /// The same name always has the same key.
    pub fn new(kid: &str, seed: u8) -> Self {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        let pem = secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        Self {
            kid: kid.to_owned(),
            key: EncodingKey::from_ed_pem(pem.as_bytes()).unwrap(),
            public_pem: secret.verifying_key().to_public_key_pem(LineEnding::LF).unwrap(),
        }
    }

    fn sign(&self, claims: &impl Serialize) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// Every key of the world.
#[derive(Clone)]
pub struct Keys {
    pub issuers: Vec<Signer>,
    pub frontends: Vec<Signer>,
    pub approvers: Vec<(&'static str, &'static [&'static str], Signer)>,
    /// Known to nobody: what a planner could make itself, under any name.
    pub rogue: u8,
}

impl Keys {
    pub fn new() -> Self {
        let each = |what: &str, seed: u8| {
            let named = TENANTS.iter().zip(seed..);
            named.map(|(t, seed)| Signer::new(&format!("{what}-{t}"), seed)).collect()
        };
        let person = |id: &'static str, roles: &'static [&'static str], seed| {
            (id, roles, Signer::new(id, seed))
        };
        Self {
            issuers: each("issuer", 10),
            frontends: each("frontend", 20),
            approvers: vec![
                person("lead", &["support_lead"], 31),
                person("boss", &["support_lead"], 32),
                person("fin1", &["finance"], 33),
                person("fin2", &["finance"], 34),
                person("clerk", &["clerk"], 35),
                person("trainee", &["support_lead"], 36),
                person(ABROAD, &["support_lead"], 37),
            ],
            rogue: 99,
        }
    }

    pub fn token(&self, tenant: usize, sub: &str, customer: &str, from: i64, to: i64) -> String {
        self.issuers[tenant].sign(&token(tenant, sub, customer, from, to))
    }

    /// Of somebody whom the issuer did not see sign in.
    pub fn weak_token(&self, tenant: usize, sub: &str, customer: &str, from: i64) -> String {
        self.changed_token(tenant, sub, customer, from, |claims| claims["acr"] = json!("weak"))
    }

    /// Signed by the issuer, but not as a token for the executor.
    pub fn changed_token(
        &self,
        tenant: usize,
        sub: &str,
        customer: &str,
        from: i64,
        change: impl FnOnce(&mut serde_json::Value),
    ) -> String {
        let mut claims = token(tenant, sub, customer, from, from + 3600);
        change(&mut claims);
        self.issuers[tenant].sign(&claims)
    }

    /// Signed by nobody who is known, under the right name.
    pub fn forged_token(&self, tenant: usize, sub: &str, customer: &str, now: i64) -> String {
        let rogue = Signer::new(&self.issuers[tenant].kid, self.rogue);
        rogue.sign(&token(tenant, sub, customer, now, now + 3600))
    }

    pub fn words(
        &self,
        tenant: usize,
        sub: &str,
        said: (&str, &str, &str),
        at: i64,
    ) -> v1::AttestedMessage {
        let (conv, id, text) = said;
        let attestation = self.frontends[tenant].sign(&MessageClaims {
            typ: MessageType::Message,
            iss: format!("frontend-{}", TENANTS[tenant]),
            aud: AUDIENCE.to_owned(),
            sub: sub.to_owned(),
            conv: conv.to_owned(),
            mid: id.to_owned(),
            sha256: text_digest(text),
            iat: at,
        });
        v1::AttestedMessage { message_id: id.to_owned(), text: text.to_owned(), attestation }
    }

    /// A yes to what was shown, good for `lives` seconds.
    pub fn yes(
        &self,
        tenant: usize,
        sub: &str,
        conv: &str,
        card: &v1::Card,
        at: i64,
        lives: i64,
    ) -> String {
        self.frontends[tenant].sign(&confirmation(tenant, sub, conv, card, at, lives))
    }

    pub fn forged_yes(
        &self,
        tenant: usize,
        sub: &str,
        conv: &str,
        card: &v1::Card,
        at: i64,
    ) -> String {
        let rogue = Signer::new(&self.frontends[tenant].kid, self.rogue);
        rogue.sign(&confirmation(tenant, sub, conv, card, at, 600))
    }

    pub fn approval(&self, who: &str, role: &str, card: &v1::Card, at: i64) -> String {
        let (id, _, signer) = self.approvers.iter().find(|(id, ..)| *id == who).unwrap();
        signer.sign(&ApprovalClaims {
            typ: ApprovalType::Approval,
            iss: "https://house.example".to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: (*id).to_owned(),
            proposal: card.proposal_id.clone(),
            card: card_digest(&card.proposal_id, &card.commitment, &card.text),
            decision: Decision::Approve,
            role: role.to_owned(),
            reason: String::new(),
            iat: at,
            exp: at + 3600,
        })
    }
}

fn token(tenant: usize, sub: &str, customer: &str, from: i64, to: i64) -> serde_json::Value {
    json!({ "iss": format!("https://{}.example", TENANTS[tenant]), "aud": "countersign",
            "sub": sub, "iat": from, "exp": to, "customer_id": customer })
}

fn confirmation(
    tenant: usize,
    sub: &str,
    conv: &str,
    card: &v1::Card,
    at: i64,
    lives: i64,
) -> ConfirmationClaims {
    ConfirmationClaims {
        typ: ConfirmationType::Confirmation,
        iss: format!("frontend-{}", TENANTS[tenant]),
        aud: AUDIENCE.to_owned(),
        sub: sub.to_owned(),
        conv: conv.to_owned(),
        proposal: card.proposal_id.clone(),
        card: card_digest(&card.proposal_id, &card.commitment, &card.text),
        iat: at,
        exp: at + lives,
    }
}
