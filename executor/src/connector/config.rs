//! How a deployment reaches its backends: the `connections` of `executor.yaml`.

use std::path::PathBuf;

use countersign_core::contract::Limits;
use serde::{Deserialize, Deserializer, de::Error as _};
use url::Url;

use super::egress::Hosts;
use super::network::Network;

/// One tenant's account at one pack's backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionConfig {
    /// The tenant that it serves.
    pub tenant: String,
    /// The pack that it speaks for.
    pub pack: String,
    /// The backend's account, as receipts name it.
    pub account: String,
    /// Scheme, host, port and path prefix. No user, query or fragment.
    #[serde(deserialize_with = "url")]
    pub base_url: Url,
    /// File name in the credentials folder; absent where the pack needs none.
    #[serde(default)]
    pub credential: Option<String>,
    /// Where each subject has a credential of their own: `credential` is then a
    /// folder in the credentials folder, with a file per value of this claim.
    #[serde(default)]
    pub credential_per: Option<CredentialPer>,
    /// PEM file of certificate authorities trusted beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// What may be dialled.
    pub egress: EgressConfig,
    /// How fast it may be called; what is not said here is the pack's.
    #[serde(default)]
    pub limits: Limits,
}

/// What tells subjects' credentials apart.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialPer {
    /// The claim of the subject; `id` is their id.
    pub claim: String,
}

/// What a connection may dial. Everything else is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressConfig {
    /// Host names and addresses; `*.example.com` stands for every name below it.
    pub hosts: Hosts,
    /// Networks that are not public and may be dialled all the same.
    #[serde(default)]
    pub private_networks: Vec<Network>,
    /// Whether the base URL may be plain `http`.
    #[serde(default)]
    pub plain_http: bool,
}

/// Something wrong with a connection's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("connection {tenant}/{pack}: {problem}")]
pub struct ConnectionProblem {
    /// Its tenant.
    pub tenant: String,
    /// Its pack.
    pub pack: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl ConnectionConfig {
    /// Everything wrong with these settings by themselves.
    #[must_use]
    pub fn problems(&self) -> Vec<ConnectionProblem> {
        let url = &self.base_url;
        let mut problems = Vec::new();
        match url.scheme() {
            "https" => {}
            "http" if self.egress.plain_http => {}
            "http" => problems.push(
                "`base_url` is plain http: use https, or set `egress.plain_http: true` where the \
                 way to the backend never leaves machines that you trust"
                    .to_owned(),
            ),
            other => problems.push(format!("`base_url` has scheme `{other}`: use https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            problems.push(
                "`base_url` holds a user or password: put it into a file of the credentials \
                 folder and name that file in `credential`"
                    .to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            problems.push("`base_url` has a query or fragment: leave it out".to_owned());
        }
        if self.credential_per.is_some() && self.credential.is_none() {
            problems.push("`credential_per` needs `credential`: the folder's name".to_owned());
        }
        if let Err(denied) = super::egress::check_literal(&self.egress, url) {
            problems.push(denied.to_string());
        }
        problems.into_iter().map(|problem| self.problem(problem)).collect()
    }

    /// What a person should know before trusting this connection; printed by
    /// `contracts check` and `doctor`.
    #[must_use]
    pub fn risks(&self) -> Vec<String> {
        let egress = &self.egress;
        let mut risks = Vec::new();
        if self.base_url.scheme() == "http" {
            risks.push(format!(
                "{} is spoken to in plain http: whoever is on the way reads the credential and \
                 can change requests",
                self.base_url.host().map_or_else(String::new, |h| h.to_string()),
            ));
        }
        for network in &egress.private_networks {
            let wide =
                if network.bits() < 8 { ", which is nearly every address there is" } else { "" };
            risks.push(format!(
                "addresses in {network} may be dialled{wide}: a changed name record could point \
                 the credential at any service there",
            ));
        }
        for wildcard in egress.hosts.wildcards() {
            risks.push(format!(
                "every host below {wildcard} is allowed: whoever can create a name there can \
                 receive the credential if the base URL is changed to it",
            ));
        }
        if self.ca.is_some() {
            risks.push("certificates of an authority of your own are trusted".to_owned());
        }
        risks.into_iter().map(|risk| format!("{}/{}: {risk}", self.tenant, self.pack)).collect()
    }

    pub(super) fn problem(&self, problem: String) -> ConnectionProblem {
        ConnectionProblem { tenant: self.tenant.clone(), pack: self.pack.clone(), problem }
    }
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    Url::parse(&text).map_err(|error| D::Error::custom(format!("`base_url` is no URL: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use serde_json::json;

    fn connection(base_url: &str, egress: serde_json::Value) -> ConnectionConfig {
        serde_json::from_value(json!({
            "tenant": "demo", "pack": "shop", "account": "a", "base_url": base_url, "egress": egress,
        }))
        .unwrap()
    }

    #[test]
    fn an_ordinary_connection_has_no_problem_and_no_risk() {
        let config = connection("https://a.example.com/api", json!({"hosts": ["A.example.com"]}));
        assert_eq!(config.problems(), []);
        assert!(config.risks().is_empty());
    }

    #[test]
    fn each_mistake_is_named() {
        let hosts = json!({"hosts": ["a.example.com"]});
        for (url, part) in [
            ("http://a.example.com", "plain http"),
            ("ftp://a.example.com", "scheme `ftp`"),
            ("https://u:p@a.example.com", "user or password"),
            ("https://a.example.com/?q=1", "query"),
            ("https://b.example.com", "not in `egress.hosts`"),
        ] {
            let problems = connection(url, hosts.clone()).problems();
            assert_eq!(problems.len(), 1, "{url}: {problems:?}");
            assert!(problems[0].problem.contains(part), "{url}: {problems:?}");
            assert!(!problems[0].to_string().contains("u:p"), "{problems:?}");
        }
    }

    #[test]
    fn an_address_needs_its_network_named() {
        let bare = connection("https://10.0.0.5", json!({"hosts": ["10.0.0.5"]}));
        assert!(bare.problems()[0].problem.contains("private_networks"));
        let named = json!({"hosts": ["10.0.0.5"], "private_networks": ["10.0.0.0/8"]});
        assert_eq!(connection("https://10.0.0.5", named).problems(), []);
    }

    #[test]
    fn risks_are_told() {
        let config = connection(
            "http://x.svc.local:8080",
            json!({"hosts": ["*.svc.local"], "private_networks": ["0.0.0.0/0"], "plain_http": true}),
        );
        let risks = config.risks().join("\n");
        assert_eq!(config.problems(), []);
        for part in ["plain http", "0.0.0.0/0", "nearly every", "*.svc.local"] {
            assert!(risks.contains(part), "{part}: {risks}");
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        let text = json!({"hosts": ["a"], "allow_all": true});
        assert!(serde_json::from_value::<EgressConfig>(text).is_err());
    }
}
