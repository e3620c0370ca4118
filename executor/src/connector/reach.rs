//! What an issuer publishes and answers, fetched under the egress guard: https to the one
//! host of the address, unless the configuration says otherwise.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use super::config::EgressConfig;
use super::network::Network;
use super::tls::Ca;
use super::{Kept, client, egress};

/// What the configuration allows beside the public internet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// Certificate authorities trusted beside the system's.
    pub(crate) ca: Option<Ca<'a>>,
    /// Networks that are not public and may be dialled all the same.
    pub(crate) private_networks: &'a [Network],
    /// Whether an address may be plain `http`.
    pub(crate) plain_http: bool,
}

impl Reach<'_> {
    /// The address that a setting names, and a client for its host alone. Dials nothing.
    ///
    /// # Errors
    /// An address that may not be dialled, with what to do; a file that cannot be used.
    pub(crate) fn to(
        &self,
        setting: &str,
        address: &str,
        timeout: Duration,
    ) -> Result<(Url, Client), String> {
        let url = Url::parse(address).map_err(|error| format!("`{setting}` is no URL: {error}"))?;
        if url.scheme() != "https" && !(self.plain_http && url.scheme() == "http") {
            return Err(format!(
                "`{setting}` is not https: use https, or set `plain_http: true` where the way to \
                 the issuer never leaves machines that you trust"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("`{setting}` holds a user or password: leave them out"));
        }
        let guard = EgressConfig {
            hosts: vec![url.host_str().unwrap_or_default().to_owned()].into(),
            private_networks: self.private_networks.to_vec(),
            plain_http: self.plain_http,
        };
        egress::check_literal(&guard, &url).map_err(|denied| format!("`{setting}`: {denied}"))?;
        Ok((url, client(&guard, self.ca, timeout, Kept::Never)?))
    }
}
