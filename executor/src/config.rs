//! `executor.yaml`: everything a deployment decides. Unknown keys are refused;
//! relative paths count from the file's folder.

mod issuer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use countersign_shared::mtls::SpiffePattern;
use countersign_shared::span::Telemetry;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::confirm::ConfirmConfig;
use crate::connector::config::ConnectionConfig;
use crate::console::{ConsoleConfig, ConsoleTls, SignInConfig};
use crate::notify::NotifyConfig;
use crate::siem::SinkConfig;
use crate::store::StoreConfig;
pub use issuer::{Frontend, Issuer, PublicKey, Strengths};

/// The executor's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// gRPC address, `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Address of the plain HTTP status pages (`/healthz`, `/readyz`).
    pub admin: String,
    /// How long calls are still taken after the signal to stop, with `/readyz` red: longer than
    /// whoever balances needs to send them elsewhere.
    #[serde(default)]
    pub drain: SignedDuration,
    /// Own certificate and whom to trust.
    pub tls: Tls,
    /// Folder of the store and of the published log.
    pub state: PathBuf,
    /// Where the executor remembers; absent for a file in the state folder.
    #[serde(default)]
    pub store: Option<StoreConfig>,
    /// Pack folders.
    pub packs: Vec<PathBuf>,
    /// Folder of the policy.
    pub policy: PathBuf,
    /// Folder of credential files.
    pub credentials: PathBuf,
    /// The log's name and key.
    pub log: Log,
    /// Who may call what.
    pub callers: Callers,
    /// Who vouches for subjects.
    pub issuers: Vec<Issuer>,
    /// Who attests messages and confirmations.
    pub frontends: Vec<Frontend>,
    /// Backends.
    pub connections: Vec<ConnectionConfig>,
    /// The approval page; absent where members of staff answer by other means.
    #[serde(default)]
    pub console: Option<ConsoleConfig>,
    /// How people sign in to the console beside passkeys.
    #[serde(default)]
    pub sign_in: SignInConfig,
    /// The pages for customers. Without them every frontend signs confirmations, and no reply
    /// has a link to its receipt.
    #[serde(default)]
    pub confirm: Option<ConfirmConfig>,
    /// Who is told when an action waits for members of staff.
    #[serde(default)]
    pub notify: Vec<NotifyConfig>,
    /// Where every receipt goes as an event, for the security team's own systems.
    #[serde(default)]
    pub siem: Vec<SinkConfig>,
    /// File of the key that wraps the keys of persons; absent for one in the state folder,
    /// made at the first start.
    #[serde(default)]
    pub keys: Option<PathBuf>,
    /// How many months what is personal of a finished action is kept. The log stays.
    #[serde(default = "a_year_and_a_month")]
    pub keep_personal_months: u32,
    /// Where spans go; absent for nowhere.
    #[serde(default)]
    pub telemetry: Option<Telemetry>,
    /// The file as it is written: what is activated is a digest over sections of it.
    #[serde(skip)]
    pub written: Json,
}

/// PEM files of the executor's identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, one SPIFFE URI in the leaf.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Certificate authorities of peers.
    pub ca: PathBuf,
    /// Revoked certificates. Optional.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

/// The log's identity.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Origin line of every checkpoint: `shop.example/countersign`.
    pub origin: String,
    /// File with the Ed25519 key, PKCS#8 PEM.
    pub key: PathBuf,
    /// Files with the public keys of those whose countersignatures are kept and published: the
    /// planners' (TWO KEEP THE HISTORY).
    #[serde(default)]
    pub cosigners: Vec<PathBuf>,
    /// Where the log's tiles are served for reading, `host:port`. Absent: nowhere.
    #[serde(default)]
    pub listen: Option<String>,
    /// Own certificate there. Without it the tiles are plain HTTP: for loopback, or behind an
    /// ingress that speaks TLS.
    #[serde(default)]
    pub tls: Option<ConsoleTls>,
    /// That plain HTTP on an address other than loopback is reached only through an ingress
    /// that speaks TLS.
    #[serde(default)]
    pub behind_ingress: bool,
}

impl Log {
    fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tls = self.tls.iter_mut().flat_map(|tls| [&mut tls.cert, &mut tls.key]);
        [&mut self.key].into_iter().chain(&mut self.cosigners).chain(tls)
    }
}

/// Identities that may call, by what they may call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callers {
    /// May propose and execute.
    pub planners: Vec<SpiffePattern>,
    /// May read every tenant's receipts.
    #[serde(default)]
    pub auditors: Vec<SpiffePattern>,
    /// May list waiting requests of their tenants and hand over signed answers.
    #[serde(default)]
    pub approvers: Vec<Approvers>,
    /// May turn the switches.
    #[serde(default)]
    pub operators: Vec<SpiffePattern>,
}

/// Tools of members of staff.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvers {
    /// Their identity.
    pub id: SpiffePattern,
    /// Tenants whose requests and escalations they see.
    pub tenants: BTreeSet<String>,
}

/// Why a configuration does not load.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
}

fn a_year_and_a_month() -> u32 {
    13
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read or has an unknown or missing key.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        let wrong = |error: serde_saphyr::Error| ConfigError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        };
        let mut config: Self = serde_saphyr::from_str(&text).map_err(wrong)?;
        config.written = serde_saphyr::from_str(&text).map_err(wrong)?;
        config.anchor(path.parent().unwrap_or_else(|| Path::new(".")));
        Ok(config)
    }

    fn anchor(&mut self, base: &Path) {
        let tls = &mut self.tls;
        let mut paths = vec![&mut tls.cert, &mut tls.key, &mut tls.ca];
        paths.extend(tls.crl.as_mut());
        paths.extend([&mut self.state, &mut self.policy, &mut self.credentials]);
        paths.extend(self.store.iter_mut().flat_map(StoreConfig::files));
        paths.extend(self.log.files());
        paths.extend(self.keys.as_mut());
        paths.extend(self.packs.iter_mut());
        for issuer in &mut self.issuers {
            paths.extend(issuer.keys.iter_mut().map(|k| &mut k.file));
            paths.extend(issuer.ca.as_mut());
        }
        paths.extend(self.frontends.iter_mut().flat_map(|f| &mut f.keys).map(|k| &mut k.file));
        paths.extend(self.connections.iter_mut().filter_map(|c| c.ca.as_mut()));
        paths.extend(self.console.iter_mut().flat_map(ConsoleConfig::files));
        paths.extend(self.sign_in.files());
        paths.extend(self.confirm.iter_mut().flat_map(ConfirmConfig::files));
        paths.extend(self.notify.iter_mut().flat_map(NotifyConfig::files));
        paths.extend(self.siem.iter_mut().flat_map(SinkConfig::files));
        for path in paths {
            *path = base.join(&*path);
        }
    }
}
