//! How an approver signs an answer, and the check of it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_shared::attest::{
    AUDIENCE, ApprovalClaims, answer_digest, answers_challenge, approval_challenge,
    sign_in_challenge,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Signers;
use crate::policy::{Passkey, People, Person};
use crate::signed::{Keyring, Voice};

/// What comes before the key itself in SubjectPublicKeyInfo: P-256, Ed25519.
const P256: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
const EDWARDS: &str = "302a300506032b6570032100";
/// Most answers that are signed at once: every one of them keeps the list.
pub const MOST_AT_ONCE: usize = 50;
/// User present and user verified, in `authenticatorData`.
const PRESENT_AND_VERIFIED: u8 = 0b101;

/// How an answer was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// A compact JWS over [`ApprovalClaims`] by a client key.
    Jws(String),
    /// A passkey's assertion whose challenge is the digest of [`ApprovalClaims`].
    Passkey(Box<Assertion>),
}

/// A passkey's assertion, as a browser gives it; bytes are base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    /// Exact JSON of the claims whose digest was the challenge, or is one of `among`.
    pub claims: String,
    /// Where several answers were signed at once: the digest of each, in their order.
    /// Each answer is checked by itself, whatever became of the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub among: Vec<String>,
    /// The credential's id.
    pub credential: String,
    /// `authenticatorData`.
    pub authenticator_data: String,
    /// `clientDataJSON`.
    pub client_data: String,
    /// The signature over both.
    pub signature: String,
}

impl Signature {
    /// The claims, once they are proved to be the person's own.
    ///
    /// # Errors
    /// Why they do not count.
    pub(super) fn verify(
        &self,
        signers: &Signers<'_>,
        now: Timestamp,
    ) -> Result<ApprovalClaims, String> {
        let (claims, person) = match self {
            Self::Jws(jws) => jws_claims(jws, signers, now)?,
            Self::Passkey(assertion) => assertion.claims(signers)?,
        };
        let own = claims.sub == person.id && claims.iss == person.issuer;
        if !own || claims.aud != AUDIENCE {
            return Err("the answer names another person or audience".to_owned());
        }
        let late = claims.exp <= now.as_second() || claims.iat > now.as_second() + 60;
        if late { Err("expired, or from the future".to_owned()) } else { Ok(claims) }
    }
}

/// What a person of the house stated: signed with a client key, or by a passkey over the
/// challenge of this kind of statement. And whose it is.
///
/// # Errors
/// Why it does not count.
pub(crate) fn stated<'a, C: DeserializeOwned>(
    signature: &Signature,
    challenge: fn(&str) -> [u8; 32],
    signers: &Signers<'a>,
    now: Timestamp,
) -> Result<(C, &'a Person), String> {
    match signature {
        Signature::Jws(jws) => jws_claims(jws, signers, now),
        Signature::Passkey(assertion) => assertion.states(challenge, signers, now),
    }
}

/// Whose it is and for how long it counts, in every statement.
#[derive(Deserialize)]
struct Common {
    iss: String,
    aud: String,
    sub: String,
    iat: i64,
    exp: i64,
}

/// What a person of the house signed with a client key, and whose it is.
///
/// # Errors
/// Why it does not count.
pub(crate) fn jws_claims<'a, C: DeserializeOwned>(
    jws: &str,
    signers: &Signers<'a>,
    now: Timestamp,
) -> Result<(C, &'a Person), String> {
    let body = jws.split('.').nth(1).ok_or("not a compact JWS")?;
    let named: Json = json(body)?;
    let id = named.get("sub").and_then(Json::as_str).unwrap_or_default();
    let person = signers.policy.people().get(id).ok_or("signed by nobody who is known here")?;
    let mut ring = Keyring::default();
    ring.add(Voice {
        issuer: person.issuer.clone(),
        audience: AUDIENCE.to_owned(),
        tenant: String::new(),
        keys: person.keys.clone(),
    });
    let claims = ring.verify("", jws, now).map_err(|e| e.to_string())?;
    Ok((claims, person))
}

impl Assertion {
    /// Who signs in by it and by which passkey, where `claims` is the executor's own question.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn signs_in<'a>(
        &self,
        people: &'a People,
        origin: &str,
    ) -> Result<(&'a Person, &'a Passkey), String> {
        let found = people.of_passkey(&bytes(&self.credential)?);
        let (person, passkey) = found.ok_or("this passkey is nobody's who is known here")?;
        self.signed(passkey, &sign_in_challenge(&self.claims), origin)?;
        Ok((person, passkey))
    }

    fn states<'a, C: DeserializeOwned>(
        &self,
        challenge: fn(&str) -> [u8; 32],
        signers: &Signers<'a>,
        now: Timestamp,
    ) -> Result<(C, &'a Person), String> {
        let common: Common = serde_json::from_str(&self.claims).map_err(|e| e.to_string())?;
        let person = self.signer(&common.sub, &challenge(&self.claims), signers)?;
        if common.iss != person.issuer || common.aud != AUDIENCE {
            return Err("the statement names another person or audience".to_owned());
        }
        if common.exp <= now.as_second() || common.iat > now.as_second() + 60 {
            return Err("expired, or from the future".to_owned());
        }
        let claims = serde_json::from_str(&self.claims).map_err(|e| e.to_string())?;
        Ok((claims, person))
    }

    fn claims<'a>(&self, signers: &Signers<'a>) -> Result<(ApprovalClaims, &'a Person), String> {
        let claims: ApprovalClaims =
            serde_json::from_str(&self.claims).map_err(|e| e.to_string())?;
        let person = self.signer(&claims.sub, &self.challenge()?, signers)?;
        Ok((claims, person))
    }

    /// The person of this id, where it is their passkey that signed this challenge.
    fn signer<'a>(
        &self,
        id: &str,
        challenge: &[u8],
        signers: &Signers<'a>,
    ) -> Result<&'a Person, String> {
        let person = signers.policy.people().get(id).ok_or("nobody who is known here")?;
        let credential = bytes(&self.credential)?;
        let passkey = person.passkeys.iter().find(|key| key.id == credential);
        let passkey = passkey.ok_or("this passkey is not the person's")?;
        self.signed(passkey, challenge, signers.origin)?;
        Ok(person)
    }

    /// What the passkey was asked for: this answer, or a list that it is in.
    fn challenge(&self) -> Result<[u8; 32], String> {
        if self.among.is_empty() {
            return Ok(approval_challenge(&self.claims));
        }
        if self.among.len() > MOST_AT_ONCE || !self.among.contains(&answer_digest(&self.claims)) {
            return Err("the answer is none of those that were signed at once".to_owned());
        }
        Ok(answers_challenge(&self.among))
    }

    /// By this passkey, over this challenge, on our own page.
    fn signed(&self, passkey: &Passkey, challenge: &[u8], origin: &str) -> Result<(), String> {
        let client = bytes(&self.client_data)?;
        asked(&client, challenge, origin)?;
        let authenticator = bytes(&self.authenticator_data)?;
        authentic(&authenticator, origin)?;
        let mut signed = authenticator;
        signed.extend_from_slice(digest(&SHA256, &client).as_ref());
        check(passkey, &signed, &bytes(&self.signature)?)
    }
}

/// The browser was asked for exactly this, on our own page.
fn asked(client: &[u8], challenge: &[u8], origin: &str) -> Result<(), String> {
    let client: Json = serde_json::from_slice(client).map_err(|e| e.to_string())?;
    let is = |name: &str, value: &str| client.get(name).and_then(Json::as_str) == Some(value);
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    if is("type", "webauthn.get") && is("challenge", &challenge) && is("origin", origin) {
        return Ok(());
    }
    Err("the passkey was asked for something else, or on another page".to_owned())
}

/// The authenticator saw our page and a verified user.
fn authentic(data: &[u8], origin: &str) -> Result<(), String> {
    let host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let page = data.get(..32) == Some(digest(&SHA256, host.as_bytes()).as_ref());
    let flags = data.get(32).copied().unwrap_or_default();
    let verified = flags & PRESENT_AND_VERIFIED == PRESENT_AND_VERIFIED;
    if page && verified { Ok(()) } else { Err("another page, or no verified user".to_owned()) }
}

/// Whether a passkey with this public key can be checked.
#[must_use]
pub fn known(public_key: &[u8]) -> bool {
    let spki = hex::encode(public_key);
    spki.starts_with(P256) || spki.starts_with(EDWARDS)
}

fn check(passkey: &Passkey, signed: &[u8], signature: &[u8]) -> Result<(), String> {
    let spki = hex::encode(&passkey.public_key);
    let key = |prefix: &str| spki.strip_prefix(prefix).and_then(|key| hex::decode(key).ok());
    let verified = if let Some(point) = key(P256) {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature)
    } else if let Some(key) = key(EDWARDS) {
        UnparsedPublicKey::new(&ED25519, key).verify(signed, signature)
    } else {
        return Err("the passkey's public key is neither P-256 nor Ed25519".to_owned());
    };
    verified.map_err(|_| "the passkey's signature does not verify".to_owned())
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| "not base64url".to_owned())
}

fn json<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_slice(&bytes(body)?).map_err(|_| "not a signed statement".to_owned())
}
