//! A passkey, written out: what a phone's authenticator and its browser do together.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// User present and user verified.
const PRESENT_AND_VERIFIED: u8 = 0b101;

pub struct Passkey {
    pub person: &'static str,
    id: [u8; 16],
    key: EcdsaKeyPair,
    used: AtomicU32,
}

impl Passkey {
    pub fn of(person: &'static str, id: u8) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { person, id: [id; 16], key, used: AtomicU32::new(1) }
    }

    pub fn id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.id)
    }

    /// As `people.yaml` has it.
    pub fn yaml(&self) -> String {
        let spki = self.key.public_key().as_der().unwrap();
        let key = URL_SAFE_NO_PAD.encode(spki.as_ref());
        format!("{{ id: {}, public_key: {key} }}", self.id())
    }

    /// As a browser's virtual authenticator takes it.
    pub fn for_browser(&self) -> Value {
        let private = self.key.to_pkcs8v1().unwrap();
        json!({
            "credentialId": STANDARD.encode(self.id), "isResidentCredential": true,
            "rpId": "localhost", "privateKey": STANDARD.encode(private.as_ref()),
            "userHandle": STANDARD.encode(self.person), "signCount": 1,
        })
    }

    /// What a browser at `origin` hands over for a question of the server.
    pub fn answer(&self, question: &Value, origin: &str) -> Value {
        self.answer_with(question, origin, PRESENT_AND_VERIFIED)
    }

    /// The same by somebody whom the authenticator did not verify.
    pub fn answer_unverified(&self, question: &Value, origin: &str) -> Value {
        self.answer_with(question, origin, 0b001)
    }

    fn answer_with(&self, question: &Value, origin: &str, flags: u8) -> Value {
        let client = json!({
            "type": "webauthn.get", "challenge": question["challenge"], "origin": origin,
            "crossOrigin": false,
        });
        let client = client.to_string();
        let mut data = digest(&SHA256, b"localhost").as_ref().to_vec();
        data.push(flags);
        data.extend(self.used.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut signed = data.clone();
        signed.extend(digest(&SHA256, client.as_bytes()).as_ref());
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "claims": question["claims"], "credential": self.id(),
            "authenticator_data": URL_SAFE_NO_PAD.encode(data),
            "client_data": URL_SAFE_NO_PAD.encode(client),
            "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
        })
    }
}
