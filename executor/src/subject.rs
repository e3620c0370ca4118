//! Verifies the subject's token and derives the tenant from it, never from the
//! caller.

mod checked;
mod issuer;
pub(crate) mod jwks;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use countersign_core::error::Refused;
use countersign_core::resolve::Message;
use countersign_core::signed::{Key, Keyring, Keys, Voice, named};
use countersign_core::subject::Subject;
use countersign_shared::attest::AUDIENCE;
use countersign_shared::mtls::SpiffeId;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::config::{Config, PublicKey};
use crate::confirm::{KID, PAGE};
use crate::ports::Clock;
use issuer::{Issuer, unverified};
pub use words::Said;

/// Everyone who may vouch for a subject or for words.
pub struct Subjects {
    issuers: Vec<Issuer>,
    frontends: Keyring,
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
    /// Settings of an issuer that cannot be.
    #[error("issuer {issuer}: {problem}")]
    Issuer {
        /// Whose.
        issuer: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Two entries of which only one could ever count.
    #[error("{0} is there twice: keep one")]
    Twice(String),
}

impl Subjects {
    /// Reads every public key that the configuration names. Dials nothing.
    ///
    /// # Errors
    /// The first file that is no Ed25519 public key, settings that cannot be, or an
    /// entry that is there twice.
    pub fn load(config: &Config) -> Result<Self, SubjectsError> {
        let mut all = Self { issuers: Vec::new(), frontends: Keyring::default() };
        let mut known = BTreeSet::new();
        for rule in &config.issuers {
            let name = format!("issuer `{}` with audience `{}`", rule.issuer, rule.audience);
            once(&mut known, &name)?;
            all.issuers.push(Issuer::new(rule, &name)?);
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
        all.page(config, &mut known)?;
        Ok(all)
    }

    /// The executor's own page speaks for the subjects of every tenant, as a frontend
    /// of each.
    fn page(&mut self, config: &Config, known: &mut BTreeSet<String>) -> Result<(), SubjectsError> {
        let Some(confirm) = &config.confirm else { return Ok(()) };
        let failed =
            |message: String| SubjectsError::KeyFile { path: confirm.key.clone(), message };
        let pem = confirm.public_pem().map_err(|e| failed(e.to_string()))?;
        let tenants: BTreeSet<_> = config.issuers.iter().map(|issuer| &issuer.tenant).collect();
        for tenant in tenants {
            once(known, &format!("frontend `{PAGE}` of tenant `{tenant}`"))?;
            let key = Key::ed25519_pem(pem.as_bytes()).map_err(failed)?;
            self.frontends.add(Voice {
                issuer: PAGE.to_owned(),
                audience: AUDIENCE.to_owned(),
                tenant: tenant.clone(),
                keys: Keys::from([(KID.to_owned(), key)]),
            });
        }
        Ok(())
    }

    /// Nobody: for tests of what comes after.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { issuers: Vec::new(), frontends: Keyring::default() }
    }

    /// Every tenant for whose subjects somebody vouches.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(Issuer::tenant)
    }

    /// Fetches published keys again and again, in the background.
    pub fn keep_fresh(&self, clock: &Arc<dyn Clock>) {
        for jwks in self.issuers.iter().filter_map(Issuer::published) {
            let (jwks, clock) = (Arc::clone(jwks), Arc::clone(clock));
            tokio::spawn(async move { jwks.keep_fresh(&*clock).await });
        }
    }

    /// Who signs confirmations.
    #[must_use]
    pub fn frontends(&self) -> &Keyring {
        &self.frontends
    }

    /// Verifies a subject's token for a calling planner.
    ///
    /// # Errors
    /// `SUBJECT_UNVERIFIED`, `TENANT_NOT_ALLOWED`, `ISSUER_UNREACHABLE`.
    pub async fn verify(
        &self,
        token: &str,
        caller: &SpiffeId,
        now: Timestamp,
    ) -> Result<Subject, Refused> {
        let named = named(token).map_err(|error| unverified(&error.to_string()))?;
        let mut last = unverified("signed by nobody who is known here");
        // One issuer may stand for several tenants, by audience.
        for issuer in self.issuers.iter().filter(|issuer| issuer.name() == named.issuer) {
            match issuer.claims(token, &named.kid, now).await {
                Ok(claims) => return issuer.subject(&claims, caller, now),
                Err(refused) => last = refused,
            }
        }
        Err(last)
    }

    /// Verifies that a frontend of the subject's tenant heard these words from the
    /// subject, in this conversation. What nobody signed counts as asserted.
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
        words::words(&self.frontends, said, subject, conversation, now)
    }
}

fn text(claims: &Json, name: &str) -> Option<String> {
    claims.get(name).and_then(Json::as_str).filter(|s| !s.is_empty()).map(str::to_owned)
}

/// Whose name is known already could be taken for the other.
fn once(known: &mut BTreeSet<String>, name: &str) -> Result<(), SubjectsError> {
    if known.insert(name.to_owned()) { Ok(()) } else { Err(SubjectsError::Twice(name.to_owned())) }
}

fn keys(files: &[PublicKey], of: &str) -> Result<Keys, SubjectsError> {
    let mut known = BTreeSet::new();
    let mut read = |key: &PublicKey| {
        once(&mut known, &format!("kid `{}` of {of}", key.kid))?;
        let failed = |message: String| SubjectsError::KeyFile { path: key.file.clone(), message };
        let pem = std::fs::read(&key.file).map_err(|e| failed(e.to_string()))?;
        Ok((key.kid.clone(), Key::ed25519_pem(&pem).map_err(failed)?))
    };
    files.iter().map(&mut read).collect()
}

#[cfg(test)]
mod tests;
