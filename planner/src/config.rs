//! `planner.yaml`: everything a deployment decides. Unknown keys are refused;
//! relative paths count from the file's folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use countersign_shared::mtls::{MaterialFiles, SpiffeId, SpiffePattern};
use countersign_shared::postgres::{PostgresConfig, Tls};
use countersign_shared::span::Telemetry;
use countersign_shared::tlog::key::{VerifierKey, WitnessKey};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use http::HeaderName;
use jiff::SignedDuration;
use serde::Deserialize;

use url::Url;

use crate::budget::Caps;
use crate::price::Price;

/// The planner's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// gRPC address, `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Address of the plain HTTP status pages (`/healthz`, `/readyz`).
    pub admin: String,
    /// How long calls are still taken after the signal to stop, with `/readyz` red: longer than
    /// whoever balances needs to send them elsewhere.
    #[serde(default, deserialize_with = "duration")]
    pub drain: Duration,
    /// Own certificate and whom to trust.
    pub tls: MaterialFiles,
    /// Frontends that may call.
    pub callers: Vec<SpiffePattern>,
    /// Turns and ratings a minute of one of them, by the identity in its certificate: all its
    /// customers together.
    #[serde(default = "frontend_pace")]
    pub per_minute: u32,
    /// The same of one customer.
    #[serde(default = "subject_pace")]
    pub per_minute_each: u32,
    /// The executor.
    pub executor: ExecutorConfig,
    /// Folder for receipts and the newest checkpoint. Absent: none is kept, and this
    /// planner shows no executor that it went back in time.
    #[serde(default)]
    pub state: Option<PathBuf>,
    /// Where conversations and budgets are kept that several planners share. Absent: in `state`,
    /// by one planner.
    #[serde(default)]
    pub store: Option<StoreConfig>,
    /// Days after which a conversation that nobody went on with is forgotten, 1 to 3650. An
    /// approval may take days.
    #[serde(default = "thirty_days")]
    pub keep_idle_days: u16,
    /// The executor's log, and who we are in front of it. Needed where `state` is.
    #[serde(default)]
    pub log: Option<LogConfig>,
    /// What reads messages.
    #[serde(default)]
    pub model: ModelConfig,
    /// Pages that answer questions which no tool does; model servers are shown passages of them
    /// that are near a message. Absent: those questions are not answered.
    #[serde(default)]
    pub knowledge: Option<KnowledgeConfig>,
    /// HTTP for chat frontends that speak OpenAI's Chat Completions. Absent: gRPC only.
    #[serde(default)]
    pub chat: Option<ChatConfig>,
    /// Where spans go; absent for nowhere.
    #[serde(default)]
    pub telemetry: Option<Telemetry>,
}

/// Where planners remember together.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// A PostgreSQL.
    pub postgres: PostgresConfig,
}

impl StoreConfig {
    fn resolve(&mut self, folder: &Path) {
        for file in self.postgres.files() {
            *file = folder.join(&file);
        }
        if let Some(password) = &mut self.postgres.password {
            *password = folder.join(&password).to_string_lossy().into_owned();
        }
    }

    /// Files that are read while the process runs, or when it starts.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let ca = match &self.postgres.tls {
            Tls::On(verified) => verified.ca.as_deref(),
            Tls::Off => None,
        };
        ca.into_iter().chain(self.postgres.password.as_deref().map(Path::new))
    }
}

/// Whose history is kept, and with which key it is countersigned.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// File with the log's public key; got from whoever runs the executor, not from the
    /// executor itself. During a change of the key it may hold several, one a line.
    pub keys: PathBuf,
    /// Our own key.
    pub cosign: CosignConfig,
}

/// The key that countersigns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CosignConfig {
    /// Its name in signatures, such as `shop.example/planner`.
    pub name: String,
    /// File with the Ed25519 key, PKCS#8 PEM. It signs for nobody else.
    pub key: PathBuf,
}

impl LogConfig {
    /// The log's public keys. Those of algorithms to come are skipped.
    ///
    /// # Errors
    /// When the file cannot be read or holds none.
    pub fn keys(&self) -> anyhow::Result<Vec<VerifierKey>> {
        let shown = self.keys.display();
        let text = std::fs::read_to_string(&self.keys)
            .with_context(|| format!("log.keys: cannot read {shown}"))?;
        VerifierKey::parse_all(&text).with_context(|| format!("log.keys: {shown}"))
    }

    /// Our own key.
    ///
    /// # Errors
    /// When the file is none, or the name cannot be a key's.
    pub fn cosigner(&self) -> anyhow::Result<WitnessKey> {
        let (name, file) = (&self.cosign.name, &self.cosign.key);
        let pem = std::fs::read_to_string(file)
            .with_context(|| format!("log.cosign.key: cannot read {}", file.display()))?;
        let secret = SigningKey::from_pkcs8_pem(&pem).ok();
        let secret = secret.with_context(|| {
            format!("log.cosign.key: {} is no Ed25519 key in PKCS#8 PEM", file.display())
        })?;
        WitnessKey::new(name, secret).context("log.cosign.name")
    }
}

/// Where the executor is and who it must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorConfig {
    /// `host:port`.
    pub address: String,
    /// Its SPIFFE id; any other workload there is refused.
    pub id: SpiffeId,
}

/// What reads messages.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ModelConfig {
    /// The built-in reader: no network.
    #[default]
    Offline,
    /// A server that speaks OpenAI's Chat Completions.
    Openai(Box<OpenaiConfig>),
    /// The built-in reader, then a cheap model, and a strong one where it is called for.
    Routed(Box<RoutedConfig>),
}

/// Models in order, and what they may cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutedConfig {
    /// Asked where the built-in reader is not sure.
    pub cheap: OpenaiConfig,
    /// Asked where the cheap one is not sure, fails, or a plan has to be repaired.
    #[serde(default)]
    pub strong: Option<OpenaiConfig>,
    /// What they may cost. Absent: unbounded.
    #[serde(default)]
    pub budgets: Caps,
}

impl ModelConfig {
    /// Every server of it.
    #[must_use]
    pub fn servers(&self) -> Vec<&OpenaiConfig> {
        match self {
            Self::Offline => vec![],
            Self::Openai(server) => vec![server],
            Self::Routed(routed) => std::iter::once(&routed.cheap).chain(&routed.strong).collect(),
        }
    }

    fn has_one_currency(&self) -> bool {
        let servers = self.servers();
        let mut used = servers.iter().filter_map(|server| server.price.as_ref());
        let first = used.next().map(Price::currency);
        used.all(|price| Some(price.currency()) == first)
    }

    /// Whether money is counted of every server, where it is budgeted.
    fn money_is_counted(&self) -> bool {
        match self {
            Self::Offline | Self::Openai(_) => true,
            Self::Routed(routed) => {
                let priced = self.servers().iter().all(|server| server.price.is_some());
                priced || !routed.budgets.count_money()
            }
        }
    }

    fn servers_mut(&mut self) -> Vec<&mut OpenaiConfig> {
        match self {
            Self::Offline => vec![],
            Self::Openai(server) => vec![server],
            Self::Routed(routed) => {
                std::iter::once(&mut routed.cheap).chain(&mut routed.strong).collect()
            }
        }
    }
}

/// An OpenAI-compatible server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenaiConfig {
    /// Base URL, such as `https://api.openai.com/v1`. A query stays behind the path.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// The model's name.
    pub name: String,
    /// File with the API key. Absent: none is sent.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// The header with the key, such as `api-key`. Absent: `Authorization: Bearer`.
    #[serde(default, deserialize_with = "header")]
    pub key_header: Option<HeaderName>,
    /// Longest wait for one answer, such as `30s`. All answers of a turn together have 90 s.
    #[serde(default = "thirty_seconds", deserialize_with = "duration")]
    pub timeout: Duration,
    /// What it costs: budgets count it, and each turn's record says it. Absent: nothing.
    #[serde(default)]
    pub price: Option<Price>,
    /// Whether requests and answers, customers' words included, are part of each turn's
    /// record at the executor.
    #[serde(default)]
    pub record_bodies: bool,
    /// Whether to ask for the probabilities of its words, which lower the confidence where
    /// they are low. Some servers refuse a request that asks.
    #[serde(default)]
    pub logprobs: bool,
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

fn url<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

fn header<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<HeaderName>, D::Error> {
    String::deserialize(from)?.parse().map(Some).map_err(serde::de::Error::custom)
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let span: SignedDuration = text.parse().map_err(serde::de::Error::custom)?;
    Duration::try_from(span).map_err(serde::de::Error::custom)
}

/// Where pages of the house are.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum KnowledgeConfig {
    /// Markdown files in a folder and below, read at start.
    Folder(PathBuf),
    /// The house's own search.
    Search(SearchConfig),
}

/// A search over HTTP: `POST { "query" }`, and back `{ "results": [{ "title", "text", "source" }] }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchConfig {
    /// Its address.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// Longest wait, such as `3s`.
    #[serde(default = "three_seconds", deserialize_with = "duration")]
    pub timeout: Duration,
}

fn three_seconds() -> Duration {
    Duration::from_secs(3)
}

/// HTTP for chat frontends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Certificate and key. Absent: plain HTTP, on loopback or behind a proxy that ends TLS.
    #[serde(default)]
    pub tls: Option<ServerCertificate>,
    /// The name under which the planner is listed among models.
    #[serde(default = "countersign")]
    pub model: String,
    /// Who may call, each with keys of its own.
    pub frontends: Vec<FrontendConfig>,
}

/// PEM files of an HTTPS server, read again every minute.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerCertificate {
    /// The certificate, its chain after it.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A chat frontend of one tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontendConfig {
    /// For logs.
    pub name: String,
    /// File with its API keys, one a line.
    pub keys: PathBuf,
    /// How it says for whom it asks.
    pub subject: SubjectConfig,
    /// The header with the conversation's id.
    #[serde(default = "conversation_header")]
    pub conversation: String,
    /// The header with the ticket's number. Absent: none is read.
    #[serde(default)]
    pub ticket: Option<String>,
    /// Whether it signs messages and confirmations itself. Where not, customers confirm by
    /// a link to the executor's own page.
    #[serde(default)]
    pub signs: bool,
    /// Web origins whose pages may call with a key of this frontend.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Requests a minute, all its customers together.
    #[serde(default = "frontend_pace")]
    pub per_minute: u32,
    /// Requests a minute of one customer.
    #[serde(default = "subject_pace")]
    pub per_minute_each: u32,
}

/// How a frontend says for whom it asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SubjectConfig {
    /// A header carries the subject's own token, which the executor verifies.
    Token(String),
    /// A header names somebody. The planner signs that the frontend says so; the executor's
    /// issuer for it should have `strength: { default: asserted }`.
    Asserted(AssertedConfig),
}

/// What the planner signs for a subject that only a header names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssertedConfig {
    /// The header: `X-OpenWebUI-User-Email`.
    pub header: String,
    /// `iss` of the token, known to the executor.
    pub issuer: String,
    /// `aud` of the token.
    #[serde(default = "countersign")]
    pub audience: String,
    /// `kid` of the key.
    pub kid: String,
    /// PEM file of the Ed25519 key.
    pub key: PathBuf,
}

fn countersign() -> String {
    "countersign".to_owned()
}

fn thirty_days() -> u16 {
    30
}

fn conversation_header() -> String {
    "X-Countersign-Conversation".to_owned()
}

fn frontend_pace() -> u32 {
    600
}

fn subject_pace() -> u32 {
    30
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or says something that is not understood.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        let parsed = serde_saphyr::from_str::<Self>(&text);
        let mut config = parsed.map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            error: error.to_string(),
        })?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        config.resolve(&folder);
        if !config.model.has_one_currency() {
            let error = "`model`: prices are in two currencies, and budgets are in one: write \
                         both prices in that one";
            return Err(ConfigError::Parse { path: path.to_owned(), error: error.to_owned() });
        }
        if !config.model.money_is_counted() {
            let error = "`model.budgets`: `money` is counted by prices, and a server has none: \
                         write `price: { input: \"0.15\", output: \"0.60\", currency: USD }` at \
                         each, for a million tokens, or `calls` or `tokens` instead of `money`";
            return Err(ConfigError::Parse { path: path.to_owned(), error: error.to_owned() });
        }
        if !(1..=3650).contains(&config.keep_idle_days) {
            let error = "`keep_idle_days` is between 1 and 3650";
            return Err(ConfigError::Parse { path: path.to_owned(), error: error.to_owned() });
        }
        if config.state.is_some() != config.log.is_some() {
            let error = "`state` and `log` go together: what is kept is checked with the log's \
                         key, see `countersign init`";
            return Err(ConfigError::Parse { path: path.to_owned(), error: error.to_owned() });
        }
        Ok(config)
    }

    /// How long what nobody goes on with is remembered.
    #[must_use]
    pub fn kept_idle(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.keep_idle_days))
    }

    fn resolve(&mut self, folder: &Path) {
        let tls = &mut self.tls;
        let keys = self.model.servers_mut().into_iter().map(|server| server.api_key_file.as_mut());
        let paths = [Some(&mut tls.cert), Some(&mut tls.key), Some(&mut tls.ca), tls.crl.as_mut()];
        let paths = paths.into_iter().chain(keys).chain([self.state.as_mut()]);
        let paths = paths.chain(self.chat.iter_mut().flat_map(ChatConfig::files).map(Some));
        let pages = match &mut self.knowledge {
            Some(KnowledgeConfig::Folder(folder)) => Some(folder),
            Some(KnowledgeConfig::Search(_)) | None => None,
        };
        let log = self.log.iter_mut().flat_map(|log| [&mut log.keys, &mut log.cosign.key]);
        let paths = paths.chain([pages]).chain(log.map(Some));
        for path in paths.flatten() {
            *path = folder.join(&path);
        }
        if let Some(store) = &mut self.store {
            store.resolve(folder);
        }
    }
}

impl ChatConfig {
    /// Every file that it names.
    fn files(&mut self) -> Vec<&mut PathBuf> {
        let tls = self.tls.as_mut().map(|tls| [&mut tls.cert, &mut tls.key]);
        let mut files: Vec<_> = tls.into_iter().flatten().collect();
        for frontend in &mut self.frontends {
            files.push(&mut frontend.keys);
            if let SubjectConfig::Asserted(asserted) = &mut frontend.subject {
                files.push(&mut asserted.key);
            }
        }
        files
    }
}

/// Why a configuration does not load.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read {path}: {error}. Name the file with --config, or write one with `countersign init`"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file does not say what a planner needs.
    #[error("{path} is not a planner's configuration: {error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    const BASE: &str = "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\ntls: { cert: tls.crt, key: /k/tls.key, ca: ca.crt }\n\
        callers: [ 'spiffe://demo/frontend' ]\nexecutor: { address: '127.0.0.1:7443', id: 'spiffe://demo/executor' }\n";

    fn load(more: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("planner.yaml");
        std::fs::write(&path, format!("{BASE}{more}")).unwrap();
        Config::load(&path)
    }

    #[test]
    fn the_offline_model_is_the_default_and_paths_are_resolved() {
        let config = load("").unwrap();
        assert!(matches!(config.model, ModelConfig::Offline));
        assert!(config.tls.cert.is_absolute() && config.tls.cert.ends_with("tls.crt"));
        assert_eq!(config.tls.key, Path::new("/k/tls.key"));
        assert_eq!(config.kept_idle(), SignedDuration::from_hours(720));
        assert!(load("keep_idle_days: 0\n").is_err());
    }

    #[test]
    fn what_is_kept_needs_the_key_that_checks_it() {
        let log = "log: { keys: log.pub, cosign: { name: p, key: cosign.key } }\n";
        let config = load(&format!("state: s\n{log}")).unwrap();
        assert!(config.log.unwrap().keys.is_absolute());
        for half in ["state: s\n", log] {
            let error = load(half).unwrap_err().to_string();
            assert!(error.contains("go together"), "{error}");
        }
    }

    #[test]
    fn files_of_the_store_lie_beside_the_configuration() {
        let line = "store: { postgres: { host: db.example, database: d, user: u, \
                    password: pw, tls: { ca: /ca.pem } } }\n";
        let config = load(line).unwrap();
        let store = config.store.unwrap();
        let files: Vec<_> = store.files().collect();
        assert_eq!(files.first(), Some(&Path::new("/ca.pem")));
        assert!(files.get(1).is_some_and(|file| file.is_absolute() && file.ends_with("pw")));
        assert!(load("store: { sqlite: here }\n").is_err());
    }

    #[test]
    fn a_budget_of_money_needs_the_price_of_every_server() {
        let routed = |price: &str, budget: &str| {
            load(&format!(
                "model: {{ kind: routed, cheap: {{ url: 'http://x/', name: c, price: {{ input: '1', \
                 output: '2', currency: USD }} }}, strong: {{ url: 'http://x/', name: s{price} }}, \
                 budgets: {{ day: {{ {budget} }} }} }}\n"
            ))
        };
        let priced = ", price: { input: '1', output: '2', currency: USD }";
        assert!(routed(priced, "money: 5").is_ok());
        assert!(routed("", "calls: 5").is_ok());
        let error = routed("", "money: 5").unwrap_err().to_string();
        assert!(error.contains("write `price: {"), "{error}");
    }

    #[test]
    fn a_model_server_is_read_and_unknown_keys_are_refused() {
        let config = load("model: { kind: openai, url: 'http://127.0.0.1:1/v1', name: m, api_key_file: key, key_header: api-key, timeout: 5s }\n").unwrap();
        let ModelConfig::Openai(openai) = config.model else { panic!("not openai") };
        assert_eq!(openai.timeout, Duration::from_secs(5));
        assert!(openai.api_key_file.unwrap().is_absolute());
        assert_eq!(openai.key_header.unwrap(), "api-key");
        assert!(load("model: { kind: offline }\n").is_ok());
        assert!(
            load("model: { kind: openai, url: 'http://x/', name: m, key_header: 'a b' }\n")
                .is_err()
        );
        assert!(load("extra: 1\n").is_err());
        assert!(load("model: { kind: openai, url: 'http://x/', name: m, colour: red }\n").is_err());
    }
}
