//! `sign_in` in `executor.yaml`: how people of the house sign in to the console, beside
//! the passkeys of `people.yaml`.

use std::path::PathBuf;

use countersign_core::signed::Algorithm;
use serde::Deserialize;

use super::authorities::Authorities;
use crate::connector::network::Network;
use crate::connector::reach::Reach;
use crate::connector::tls::Ca;

/// Other ways in than a passkey. What a session may do is the same for all of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInConfig {
    /// By the house's own sign-in (OpenID Connect).
    #[serde(default)]
    pub oidc: Option<OidcConfig>,
    /// By a certificate that the browser shows.
    #[serde(default)]
    pub certificates: Option<CertificatesConfig>,
}

/// The house's own sign-in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// `iss` of its ID tokens; its discovery document lies below it.
    pub issuer: String,
    /// As what the console is known there: `aud` of its ID tokens.
    pub client_id: String,
    /// File with the client's secret; absent for a public client.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Its end points, where it publishes no discovery document.
    #[serde(default)]
    pub endpoints: Option<Endpoints>,
    /// What it may sign with; RS256, ES256 and EdDSA unless said.
    #[serde(default)]
    pub algorithms: Option<Vec<Algorithm>>,
    /// PEM file of certificate authorities trusted beside the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Networks that are not public and that its end points may be in all the same.
    #[serde(default)]
    pub private_networks: Vec<Network>,
    /// Whether its end points may be plain `http`.
    #[serde(default)]
    pub plain_http: bool,
}

/// Where a sign-in is asked, and by whom its answers are signed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Where browsers are sent.
    pub authorization: String,
    /// Where a code becomes an ID token.
    pub token: String,
    /// Its JSON Web Key Set.
    pub jwks: String,
}

/// Whose certificates count.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificatesConfig {
    /// PEM file of the authorities that issue them.
    pub ca: PathBuf,
    /// PEM file of what they revoked. With it, every authority needs a list in date.
    #[serde(default)]
    pub crl: Option<PathBuf>,
}

impl SignInConfig {
    /// Its files, for anchoring.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let oidc = self.oidc.iter_mut().flat_map(|oidc| [&mut oidc.secret_file, &mut oidc.ca]);
        let certificates = self.certificates.iter_mut();
        let certificates =
            certificates.flat_map(|one| Some(&mut one.ca).into_iter().chain(&mut one.crl));
        oidc.flatten().chain(certificates)
    }
}

impl OidcConfig {
    /// How its end points may be reached, by the authorities that were activated.
    pub(crate) fn reach<'a>(&'a self, ca: Option<&'a Authorities>) -> Reach<'a> {
        Reach {
            ca: ca.map(|ca| Ca::Read(&ca.file, &ca.pem)),
            private_networks: &self.private_networks,
            plain_http: self.plain_http,
        }
    }
}
