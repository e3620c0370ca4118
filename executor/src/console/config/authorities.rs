//! Authorities that decide who gets in, as they were when they were activated: what is
//! written into their files later counts from the next start on, by activating it (NO ONE
//! HOLDS THE WHOLE PEN).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::SignInConfig;

/// What a file of authorities held, in PEM.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The file.
    pub(crate) file: PathBuf,
    /// What it held.
    pub(crate) pem: String,
}

/// Those of each way to sign in.
#[derive(Debug, Clone, Default)]
pub struct Trusted {
    /// For asking the house's own sign-in; beside the system's.
    pub(crate) oidc: Option<Authorities>,
    /// For certificates that browsers show.
    pub(crate) certificates: Option<Authorities>,
}

impl Authorities {
    /// As a file has them now.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let pem = fs::read_to_string(file);
        let pem = pem.with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self { file: file.to_owned(), pem })
    }
}

impl Trusted {
    /// As the files have them now.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(config: &SignInConfig) -> anyhow::Result<Self> {
        let oidc = config.oidc.as_ref().and_then(|oidc| oidc.ca.as_deref());
        let certificates = config.certificates.as_ref().map(|certificates| &*certificates.ca);
        Ok(Self {
            oidc: oidc.map(Authorities::read).transpose()?,
            certificates: certificates.map(Authorities::read).transpose()?,
        })
    }

    /// What is digested.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.oidc.iter().chain(&self.certificates).map(|one| one.pem.as_str()).collect()
    }
}
