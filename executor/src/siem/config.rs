//! Where events go: the `siem` section of `executor.yaml`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use crate::connector::config::EgressConfig;
use crate::connector::egress::{Hosts, check_literal};
use crate::connector::network::Network;
use crate::vault::Vault;

/// One sink of events.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkConfig {
    /// Its name: how far it is fed is kept under it.
    pub name: String,
    /// Where to.
    pub to: To,
    /// Longest silence: then an event tells the newest checkpoint.
    #[serde(default = "minute")]
    pub heartbeat: SignedDuration,
}

/// A kind of sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// A file of JSON lines.
    File(FileConfig),
    /// Splunk's HTTP event collector.
    SplunkHec(HttpConfig),
    /// A collector of OpenTelemetry logs, over HTTP with protobuf.
    Otlp(HttpConfig),
}

/// A file that grows. Whoever owns it may rename it away at any time: it is opened anew
/// for each batch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
}

/// A receiver over HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Scheme, host and port; for OTLP the whole URL, such as `https://host:4318/v1/logs`.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// File name in the credentials folder: the collector's token.
    #[serde(default)]
    pub credential: Option<String>,
    /// PEM file of certificate authorities trusted beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Networks that are not public and may be dialled all the same.
    #[serde(default)]
    pub private_networks: Vec<Network>,
    /// Whether the URL may be plain `http`.
    #[serde(default)]
    pub plain_http: bool,
}

fn minute() -> SignedDuration {
    SignedDuration::from_secs(60)
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    Url::parse(&text).map_err(|error| D::Error::custom(format!("`url` is no URL: {error}")))
}

impl SinkConfig {
    /// Its files, for anchoring.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        match &mut self.to {
            To::File(file) => Some(&mut file.path),
            To::SplunkHec(http) | To::Otlp(http) => http.ca.as_mut(),
        }
        .into_iter()
    }

    /// The receiver, where it is one over HTTP.
    #[must_use]
    pub fn http(&self) -> Option<&HttpConfig> {
        match &self.to {
            To::File(_) => None,
            To::SplunkHec(http) | To::Otlp(http) => Some(http),
        }
    }
}

impl HttpConfig {
    /// What may be dialled: the host of the URL and nothing else.
    pub(crate) fn egress(&self) -> EgressConfig {
        EgressConfig {
            hosts: Hosts::from(vec![self.url.host_str().unwrap_or_default().to_owned()]),
            private_networks: self.private_networks.clone(),
            plain_http: self.plain_http,
        }
    }

    fn problems(&self, vault: &Vault) -> Vec<String> {
        let mut problems = Vec::new();
        match self.url.scheme() {
            "https" => {}
            "http" if self.plain_http => {}
            _ => {
                problems.push("`url` is not https: use https, or set `plain_http: true`".to_owned())
            }
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            problems.push(
                "`url` holds a user or password: put a token into the credentials folder and name \
                 its file in `credential`"
                    .to_owned(),
            );
        }
        problems.extend(check_literal(&self.egress(), &self.url).err().map(|e| e.to_string()));
        let credential = self.credential.as_deref().map(|id| vault.check(id));
        problems.extend(credential.and_then(Result::err).map(|error| error.to_string()));
        problems
    }
}

/// Looks at every sink's settings. Dials nothing.
///
/// # Errors
/// Everything wrong with any of them.
pub fn check(sinks: &[SinkConfig], vault: &Vault) -> Result<(), Vec<String>> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for sink in sinks {
        let name = &sink.name;
        if name.is_empty() || !names.insert(name) {
            problems.push(format!("`siem` {name:?}: give each sink a name of its own"));
        }
        if !sink.heartbeat.is_positive() {
            problems.push(format!("`siem` {name}: `heartbeat` is no time: write it like 60s"));
        }
        if matches!(&sink.to, To::SplunkHec(http) if http.credential.is_none()) {
            problems.push(format!("`siem` {name}: name the collector's token in `credential`"));
        }
        if let To::File(file) = &sink.to
            && let Some(folder) = file.path.parent()
            && !folder.is_dir()
        {
            let folder = folder.display();
            problems.push(format!("`siem` {name}: {folder} is no folder: make it"));
        }
        let wrong = sink.http().map(|http| http.problems(vault)).unwrap_or_default();
        problems.extend(wrong.into_iter().map(|why| format!("`siem` {name}: {why}")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn problems(yaml: &str) -> String {
        let sinks: Vec<SinkConfig> = serde_saphyr::from_str(yaml).unwrap();
        let folder = tempfile::tempdir().unwrap();
        check(&sinks, &Vault::open(folder.path()).unwrap()).err().unwrap_or_default().join("\n")
    }

    #[test]
    fn a_file_and_a_collector_are_two_sinks() {
        let good = "
- { name: file, to: { file: { path: /tmp/events.jsonl } } }
- { name: otel, to: { otlp: { url: 'https://otel.example.com:4318/v1/logs' } }, heartbeat: 5s }";
        assert_eq!(problems(good), "");
    }

    #[test]
    fn each_mistake_is_named() {
        let hec = |more: &str| {
            problems(&format!("[{{ name: soc, to: {{ splunk_hec: {{ {more} }} }} }}]"))
        };
        for (more, part) in [
            ("url: 'http://s.example.com', credential: t", "not https"),
            ("url: 'https://u:p@s.example.com', credential: t", "user or password"),
            ("url: 'https://10.0.0.5', credential: t", "private_networks"),
            ("url: 'https://s.example.com', credential: t", "credential `t`: no such file"),
            ("url: 'https://s.example.com'", "the collector's token"),
        ] {
            let found = hec(more);
            assert!(found.contains(part), "{more}: {found}");
        }
        let twice = "
- { name: a, to: { file: { path: /tmp/x } } }
- { name: a, to: { file: { path: /tmp/y } }, heartbeat: 0s }";
        assert!(problems(twice).contains("a name of its own"));
        assert!(problems(twice).contains("is no time"));
        let nowhere = "[{ name: a, to: { file: { path: /nowhere/x } } }]";
        assert!(problems(nowhere).contains("/nowhere is no folder"));
    }
}
