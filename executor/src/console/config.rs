//! `console` in `executor.yaml`.

mod authorities;
mod check;
mod sign_in;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::site::Site;
pub use authorities::{Authorities, Trusted};
pub(crate) use check::check;
pub use sign_in::{CertificatesConfig, Endpoints, OidcConfig, SignInConfig};

/// Where a page listens, and as what people know it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// What a browser's address line shows: `https://approve.shop.example`. Passkeys
    /// are bound to its host, so a change of it makes all of them void.
    pub public_url: String,
    /// Own certificate. Without it the page is plain HTTP: for loopback, or behind an
    /// ingress that speaks TLS.
    #[serde(default)]
    pub tls: Option<ConsoleTls>,
    /// That plain HTTP on an address other than loopback is reached only through an
    /// ingress that speaks TLS.
    #[serde(default)]
    pub behind_ingress: bool,
}

/// PEM files of the page's certificate. Read again when they change.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleTls {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// Why a page cannot be served as configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConsoleProblem {
    /// Not an address.
    #[error("`listen`: `{0}` is not host:port")]
    Listen(String),
    /// Not an address for browsers.
    #[error("`public_url`: `{0}` {1}")]
    Url(String, &'static str),
    /// Plain HTTP for everybody.
    #[error(
        "`listen` {0} is plain HTTP and not loopback: add `tls`, or set \
         `behind_ingress: true` where an ingress in front of it speaks TLS"
    )]
    Plain(SocketAddr),
}

impl ConsoleConfig {
    /// Its files, for anchoring.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.tls.iter_mut().flat_map(|tls| [&mut tls.cert, &mut tls.key])
    }

    /// Where to listen.
    ///
    /// # Errors
    /// Not an address, or one where plain HTTP would be open to a network.
    pub fn address(&self) -> Result<SocketAddr, ConsoleProblem> {
        address(&self.listen, self.tls.as_ref(), self.behind_ingress)
    }

    /// As what browsers know it.
    ///
    /// # Errors
    /// Where no browser would offer a passkey.
    pub fn site(&self) -> Result<Site, ConsoleProblem> {
        Site::new(&self.public_url)
            .map_err(|problem| ConsoleProblem::Url(self.public_url.clone(), problem))
    }
}

/// Where a page listens, if what it shows is nobody else's to read there.
///
/// # Errors
/// Not an address, or one where plain HTTP would be open to a network.
pub fn address(
    listen: &str,
    tls: Option<&ConsoleTls>,
    behind_ingress: bool,
) -> Result<SocketAddr, ConsoleProblem> {
    let address: SocketAddr =
        listen.parse().map_err(|_| ConsoleProblem::Listen(listen.to_owned()))?;
    if tls.is_none() && !behind_ingress && !address.ip().is_loopback() {
        return Err(ConsoleProblem::Plain(address));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn config(listen: &str, behind_ingress: bool) -> ConsoleConfig {
        ConsoleConfig {
            listen: listen.to_owned(),
            public_url: "https://approve.shop.example".to_owned(),
            tls: None,
            behind_ingress,
        }
    }

    #[test]
    fn plain_http_is_for_loopback_or_behind_an_ingress() {
        assert!(config("127.0.0.1:0", false).address().is_ok());
        assert!(config("[::1]:0", false).address().is_ok());
        assert!(config("0.0.0.0:8445", true).address().is_ok());
        let refused = config("0.0.0.0:8445", false).address().unwrap_err().to_string();
        assert!(refused.contains("behind_ingress"), "{refused}");
        assert!(config("8445", false).address().is_err());
    }

    #[test]
    fn with_a_certificate_any_address_will_do() {
        let tls = Some(ConsoleTls { cert: "a".into(), key: "b".into() });
        assert!(ConsoleConfig { tls, ..config("0.0.0.0:8445", false) }.address().is_ok());
    }
}
