//! The egress guard: what a connection may dial. Five parts: an allow-list of
//! hosts, a check of literal addresses, a resolver that drops barred addresses (so
//! the address checked is the address dialled), no redirects, no proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;
use url::{Host, Url};

use super::config::EgressConfig;
use super::network::{Network, barred};

/// Hosts that may be dialled, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct Hosts(Vec<String>);

/// The guard's refusal. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The host is not on the list.
    #[error("host `{0}` is not in `egress.hosts`: add it there if the executor may speak to it")]
    Host(String),
    /// A barred address.
    #[error("{host} is {address}, {why}")]
    Address {
        /// As asked for.
        host: String,
        /// As found.
        address: IpAddr,
        /// The rule.
        why: &'static str,
    },
}

/// Checks a URL's host against the list, and its address where it is a literal one
/// (for which no resolver would be asked).
///
/// # Errors
/// The host is not listed, or the address is barred.
pub fn check_literal(egress: &EgressConfig, url: &Url) -> Result<(), Denied> {
    let address = match url.host() {
        None => return Err(Denied::Host(String::new())),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
    };
    let host = bare(url.host_str().unwrap_or_default());
    if !egress.hosts.allow(&host) {
        return Err(Denied::Host(host));
    }
    match address.and_then(|a| barred(a, &egress.private_networks).map(|why| (a, why))) {
        Some((address, why)) => Err(Denied::Address { host, address, why }),
        None => Ok(()),
    }
}

impl Hosts {
    /// Whether a host may be dialled.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        let host = bare(host);
        self.0.iter().any(|entry| match entry.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => {
                host.strip_suffix(suffix).is_some_and(|label| !label.is_empty())
            }
            Some(_) | None => *entry == host,
        })
    }

    /// Entries that stand for many hosts.
    pub fn wildcards(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|entry| entry.starts_with("*."))
    }
}

impl From<Vec<String>> for Hosts {
    fn from(entries: Vec<String>) -> Self {
        Self(entries.iter().map(|entry| bare(entry)).collect())
    }
}

/// Lower case, without the brackets of an IPv6 literal and without the root's dot.
fn bare(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    host.to_ascii_lowercase()
}

/// The resolver of one connection's clients.
#[derive(Debug, Clone)]
pub struct GuardedResolver {
    hosts: Arc<Hosts>,
    private: Arc<[Network]>,
}

impl GuardedResolver {
    /// A resolver under these rules.
    #[must_use]
    pub fn new(egress: &EgressConfig) -> Self {
        Self {
            hosts: Arc::new(egress.hosts.clone()),
            private: egress.private_networks.clone().into(),
        }
    }

    /// The addresses of these that may be dialled.
    fn filter(
        &self,
        host: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Denied> {
        let mut allowed = Vec::new();
        let mut denied = None;
        for address in found {
            match barred(address.ip(), &self.private) {
                None => allowed.push(address),
                Some(why) => {
                    denied =
                        Some(Denied::Address { host: host.to_owned(), address: address.ip(), why });
                }
            }
        }
        match denied {
            Some(denied) if allowed.is_empty() => Err(denied),
            Some(_) | None => Ok(allowed),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let host = name.as_str();
            if !guard.hosts.allow(host) {
                return Err(Denied::Host(host.to_owned()).into());
            }
            let found = tokio::net::lookup_host((host, 0)).await?;
            let addresses: Addrs = Box::new(guard.filter(host, found)?.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn hosts(entries: &[&str]) -> Hosts {
        entries.iter().map(|e| (*e).to_owned()).collect::<Vec<_>>().into()
    }

    fn resolver(entries: &[&str], private: &[&str]) -> GuardedResolver {
        GuardedResolver::new(&EgressConfig {
            hosts: hosts(entries),
            private_networks: private.iter().map(|n| n.parse().unwrap()).collect(),
            plain_http: false,
        })
    }

    #[test]
    fn hosts_match_whole_names() {
        let list = hosts(&["Shop.example.com", "*.svc.local", "[::1]"]);
        for (host, allowed) in [
            ("shop.example.com", true),
            ("SHOP.example.com.", true),
            ("evilshop.example.com", false),
            ("shop.example.com.evil.com", false),
            ("a.svc.local", true),
            ("a.b.svc.local", true),
            ("svc.local", false),
            (".svc.local", false),
            ("asvc.local", false),
            ("::1", true),
            ("", false),
        ] {
            assert_eq!(list.allow(host), allowed, "{host}");
        }
        assert_eq!(list.wildcards().collect::<Vec<_>>(), ["*.svc.local"]);
        assert!(!hosts(&["*"]).allow("anything"), "a bare star allows nothing");
    }

    #[test]
    fn barred_addresses_are_dropped_and_public_ones_kept() {
        let guard = resolver(&["h"], &[]);
        let found: Vec<SocketAddr> =
            vec!["127.0.0.1:0".parse().unwrap(), "93.184.216.34:0".parse().unwrap()];
        assert_eq!(
            guard.filter("h", found.into_iter()).unwrap(),
            ["93.184.216.34:0".parse().unwrap()]
        );
        let only_barred = ["10.0.0.1:0".parse().unwrap()];
        assert!(matches!(guard.filter("h", only_barred.into_iter()), Err(Denied::Address { .. })));
    }

    #[tokio::test]
    async fn a_name_that_points_inside_is_refused_unless_named() {
        let denied = resolver(&["localhost"], &[]).resolve("localhost".parse().unwrap()).await;
        assert!(denied.err().unwrap().downcast_ref::<Denied>().is_some());
        let named = resolver(&["localhost"], &["127.0.0.0/8", "::1"]);
        assert!(named.resolve("localhost".parse().unwrap()).await.unwrap().count() > 0);
        let unlisted = resolver(&["other"], &["127.0.0.0/8"]);
        assert!(unlisted.resolve("localhost".parse().unwrap()).await.is_err());
    }
}
