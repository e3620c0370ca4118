//! Verifies the subject's token and derives the tenant from it, never from the
//! caller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use countersign_core::error::Refused;
use countersign_core::resolve::Message;
use countersign_core::signed::{Keyring, Voice};
use countersign_core::subject::Subject;
use countersign_shared::attest::{AUDIENCE, MessageClaims, text_digest};
use countersign_shared::codes::Code;
use countersign_shared::mtls::{SpiffeId, SpiffePattern};
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde_json::Value as Json;

use crate::config::{Config, PublicKey};

/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 16 * 1024;
/// Longest id of a message, in bytes: receipts name it.
const LONGEST_ID: usize = 128;
/// Most messages of one request.
const MOST_MESSAGES: usize = 50;

/// Everyone who may vouch for a subject or for words.
#[derive(Debug)]
pub struct Subjects {
    issuers: Keyring,
    frontends: Keyring,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    issuer: String,
    audience: String,
    claims: Vec<String>,
    planners: Vec<SpiffePattern>,
}

/// Why those who may vouch cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SubjectsError {
    /// A key file that cannot be used.
    #[error("{path}: {message}: put an Ed25519 public key there, PEM")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        message: String,
    },
    /// Two entries of which only one could ever count.
    #[error("{0} is there twice: keep one")]
    Twice(String),
}

/// A message as it came in.
#[derive(Debug, Clone)]
pub struct Said {
    /// The frontend's id for it.
    pub id: String,
    /// What the user wrote.
    pub text: String,
    /// The frontend's signature over it.
    pub attestation: String,
}

impl Subjects {
    /// Reads every public key that the configuration names.
    ///
    /// # Errors
    /// The first file that is no Ed25519 public key, or the first entry that is
    /// there twice.
    pub fn load(config: &Config) -> Result<Self, SubjectsError> {
        let mut all =
            Self { issuers: Keyring::default(), frontends: Keyring::default(), rules: Vec::new() };
        let mut known = BTreeSet::new();
        for issuer in &config.issuers {
            let name = format!("issuer `{}` with audience `{}`", issuer.issuer, issuer.audience);
            once(&mut known, &name)?;
            all.issuers.add(Voice {
                issuer: issuer.issuer.clone(),
                audience: issuer.audience.clone(),
                tenant: issuer.tenant.clone(),
                keys: keys(&issuer.keys, &name)?,
            });
            all.rules.push(Rule {
                issuer: issuer.issuer.clone(),
                audience: issuer.audience.clone(),
                claims: issuer.claims.clone(),
                planners: issuer.planners.clone(),
            });
        }
        for frontend in &config.frontends {
            let name = format!("frontend `{}` of tenant `{}`", frontend.id, frontend.tenant);
            once(&mut known, &name)?;
            all.frontends.add(Voice {
                issuer: frontend.id.clone(),
                audience: AUDIENCE.to_owned(),
                tenant: frontend.tenant.clone(),
                keys: keys(&frontend.keys, &name)?,
            });
        }
        Ok(all)
    }

    /// Who signs confirmations.
    #[must_use]
    pub fn frontends(&self) -> &Keyring {
        &self.frontends
    }

    /// Verifies a subject's token for a calling planner.
    ///
    /// # Errors
    /// `SUBJECT_UNVERIFIED`, `TENANT_NOT_ALLOWED`.
    pub fn verify(
        &self,
        token: &str,
        caller: &SpiffeId,
        now: Timestamp,
    ) -> Result<Subject, Refused> {
        let unverified = |why: &str| Refused::new(Code::SubjectUnverified, why);
        let (voice, claims) =
            self.issuers.statement(token, now).map_err(|e| unverified(&e.to_string()))?;
        // A message or a yes is no token, whoever signed it.
        if claims.get("typ").is_some() {
            return Err(unverified("a statement of another kind"));
        }
        // A token that never ends is no proof of who is there now.
        if claims.get("exp").is_none() {
            return Err(unverified("the token has no exp"));
        }
        let id = text(&claims, "sub").ok_or_else(|| unverified("the token has no sub"))?;
        let rule = self
            .rules
            .iter()
            .find(|r| r.issuer == voice.issuer && r.audience == voice.audience)
            .ok_or_else(|| unverified("no rule for this issuer"))?;
        if !rule.planners.iter().any(|p| p.matches(caller)) {
            let message = format!("{caller} may not act for tenant {}", voice.tenant);
            return Err(Refused::new(Code::TenantNotAllowed, message));
        }
        let taken = |name: &String| text(&claims, name).map(|value| (name.clone(), value));
        Ok(Subject {
            tenant: voice.tenant.clone(),
            issuer: voice.issuer.clone(),
            id,
            claims: rule.claims.iter().filter_map(taken).collect(),
            kind: countersign_core::subject::Kind::Customer,
            scopes: BTreeSet::new(),
            segment: String::new(),
            strength: countersign_core::subject::Strength::SignedIn,
            verified_at: now,
        })
    }

    /// Verifies that a frontend of the subject's tenant heard these words from the
    /// subject, in this conversation.
    ///
    /// # Errors
    /// `MESSAGE_UNATTESTED`, `PLAN_TOO_LARGE`.
    pub fn words(
        &self,
        said: &[Said],
        subject: &Subject,
        conversation: &str,
        now: Timestamp,
    ) -> Result<Vec<Message>, Refused> {
        if said.len() > MOST_MESSAGES {
            return Err(Refused::new(
                Code::PlanTooLarge,
                format!("at most {MOST_MESSAGES} messages"),
            ));
        }
        said.iter().map(|one| self.word(one, subject, conversation, now)).collect()
    }

    fn word(
        &self,
        said: &Said,
        subject: &Subject,
        conversation: &str,
        now: Timestamp,
    ) -> Result<Message, Refused> {
        let unattested = |why: &str| {
            Refused::new(Code::MessageUnattested, format!("message {}: {why}", said.id))
        };
        if said.id.len() > LONGEST_ID || said.text.len() > LONGEST_MESSAGE {
            let message = "a message, or its id, is too long";
            return Err(Refused::new(Code::PlanTooLarge, message));
        }
        let claims: MessageClaims = self
            .frontends
            .verify(&subject.tenant, &said.attestation, now)
            .map_err(|e| unattested(&e.to_string()))?;
        let same = claims.sub == subject.id
            && claims.conv == conversation
            && claims.mid == said.id
            && claims.sha256 == text_digest(&said.text);
        if !same {
            return Err(unattested("signed for other words, another subject or conversation"));
        }
        let signed_at =
            Timestamp::from_second(claims.iat).map_err(|_| unattested("iat is no time"))?;
        Ok(Message {
            id: said.id.clone(),
            text: said.text.clone(),
            frontend: claims.iss,
            signed_at,
        })
    }
}

fn text(claims: &Json, name: &str) -> Option<String> {
    claims.get(name).and_then(Json::as_str).filter(|s| !s.is_empty()).map(str::to_owned)
}

/// Whose name is known already could be taken for the other.
fn once(known: &mut BTreeSet<String>, name: &str) -> Result<(), SubjectsError> {
    if known.insert(name.to_owned()) { Ok(()) } else { Err(SubjectsError::Twice(name.to_owned())) }
}

fn keys(files: &[PublicKey], of: &str) -> Result<BTreeMap<String, DecodingKey>, SubjectsError> {
    let mut known = BTreeSet::new();
    let mut read = |key: &PublicKey| {
        once(&mut known, &format!("kid `{}` of {of}", key.kid))?;
        let failed = |message: String| SubjectsError::KeyFile { path: key.file.clone(), message };
        let pem = std::fs::read(&key.file).map_err(|e| failed(e.to_string()))?;
        let decoded = DecodingKey::from_ed_pem(&pem).map_err(|e| failed(e.to_string()))?;
        Ok((key.kid.clone(), decoded))
    };
    files.iter().map(&mut read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;

    use super::*;

    /// Issuers as `issuer/audience`, frontends as `id/tenant`; each with these kids.
    fn load(
        issuers: &[&str],
        frontends: &[&str],
        kids: &[&str],
    ) -> Result<Subjects, SubjectsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let public = SigningKey::from_bytes(&[1; 32]).verifying_key();
        std::fs::write(&file, public.to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
        let file = file.display();
        let keys: Vec<_> = kids.iter().map(|k| format!("{{ kid: {k}, file: {file} }}")).collect();
        let keys = keys.join(", ");
        let entry = |text: &str, names: [&str; 2], more: &str| {
            let (first, second) = text.split_once('/').unwrap();
            let [a, b] = names;
            format!("  - {{ {a}: {first}, {b}: {second}, keys: [{keys}]{more} }}\n")
        };
        let more = ", tenant: t, planners: []";
        let issuers = issuers.iter().map(|i| entry(i, ["issuer", "audience"], more));
        let frontends = frontends.iter().map(|f| entry(f, ["id", "tenant"], ""));
        let (issuers, frontends) = (issuers.collect::<String>(), frontends.collect::<String>());
        let config = folder.path().join("executor.yaml");
        let text = format!(
            "listen: a\nadmin: a\ntls: {{ cert: a, key: a, ca: a }}\nstate: a\npacks: []\n\
             credentials: a\nlog: {{ origin: a, key: a }}\ncallers: {{ planners: [] }}\n\
             connections: []\nissuers:\n{issuers}frontends:\n{frontends}"
        );
        std::fs::write(&config, text).unwrap();
        Subjects::load(&Config::load(&config).unwrap())
    }

    #[test]
    fn what_is_there_twice_is_named() {
        let said = |loaded: Result<Subjects, SubjectsError>| loaded.unwrap_err().to_string();
        assert_eq!(
            said(load(&["i/a", "i/b", "i/a"], &["f/t"], &["k"])),
            "issuer `i` with audience `a` is there twice: keep one"
        );
        assert_eq!(
            said(load(&["i/a"], &["f/t", "f/u", "f/t"], &["k"])),
            "frontend `f` of tenant `t` is there twice: keep one"
        );
        assert_eq!(
            said(load(&["i/a"], &["f/t"], &["k", "l", "k"])),
            "kid `k` of issuer `i` with audience `a` is there twice: keep one"
        );
        // The same name elsewhere is another's.
        load(&["i/a", "i/b", "j/a"], &["f/t", "f/u", "i/t"], &["k", "l"]).unwrap();
    }
}
