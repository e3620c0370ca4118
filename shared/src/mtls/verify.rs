//! Whether a peer's certificate is good: chain, time, purpose, revocation, identity.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptions,
    RevocationOptionsBuilder,
};

use crate::spiffe::{IdentityError, SpiffeId};

/// The authorities we believe and what they revoked.
#[derive(Debug)]
pub(super) struct Trust {
    roots: RootCertStore,
    revoked: Vec<CertRevocationList<'static>>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trust {
    pub(super) fn new(
        roots: RootCertStore,
        revoked: Vec<CertRevocationList<'static>>,
        provider: &CryptoProvider,
    ) -> Self {
        Self {
            hints: roots.subjects(),
            roots,
            revoked,
            algorithms: provider.signature_verification_algorithms,
        }
    }

    /// Proves a chain to one of our authorities and returns the leaf's only identity. Host names
    /// play no part: the identity is what callers compare.
    fn identify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
    ) -> Result<SpiffeId, Error> {
        let lists: Vec<&CertRevocationList<'_>> = self.revoked.iter().collect();
        EndEntityCert::try_from(leaf)
            .and_then(|cert| {
                cert.verify_for_usage(
                    self.algorithms.all,
                    &self.roots.roots,
                    intermediates,
                    now,
                    usage,
                    revocation(&lists),
                    None,
                )
                .map(|_path| ())
            })
            .map_err(chain_error)?;
        SpiffeId::from_certificate(leaf).map_err(refuse)
    }

    fn signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }
}

/// With a list present, a certificate it says nothing about and a list past its date both refuse
/// (ERRORS REFUSE); without one, only expiry ends a certificate.
fn revocation<'a>(lists: &'a [&'a CertRevocationList<'a>]) -> Option<RevocationOptions<'a>> {
    let options = RevocationOptionsBuilder::new(lists).ok()?;
    Some(options.with_expiration_policy(ExpirationPolicy::Enforce).build())
}

/// Server side: any workload of our authorities may finish the handshake; what it may call is
/// decided per method from its identity.
#[derive(Debug)]
pub(super) struct AnyWorkload {
    pub(super) trust: Arc<Trust>,
    /// Whether nobody gets in without a certificate.
    pub(super) required: bool,
}

impl ClientCertVerifier for AnyWorkload {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.trust.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.identify(leaf, intermediates, now, KeyUsage::client_auth())?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// Client side: only the one workload that was dialled.
#[derive(Debug)]
pub(super) struct OnlyWorkload {
    pub(super) trust: Arc<Trust>,
    pub(super) expected: SpiffeId,
}

impl ServerCertVerifier for OnlyWorkload {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = self.trust.identify(leaf, intermediates, now, KeyUsage::server_auth())?;
        if found == self.expected {
            return Ok(ServerCertVerified::assertion());
        }
        Err(refuse(IdentityError::Unexpected { expected: self.expected.clone(), found }))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(only_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

fn only_tls13() -> Error {
    Error::General("only TLS 1.3 is spoken here".to_owned())
}

/// The common causes get their own TLS alert, so that the peer's log names them too.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "webpki's causes grow with its versions; the rest share one alert"
)]
fn chain_error(error: webpki::Error) -> Error {
    use webpki::Error as E;
    match error {
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::CertRevoked => CertificateError::Revoked,
        E::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        other => CertificateError::Other(OtherError(Arc::new(other))),
    }
    .into()
}

fn refuse(error: IdentityError) -> Error {
    CertificateError::Other(OtherError(Arc::new(Refusal(error)))).into()
}

/// rustls prints the debug form of a refusal, in logs that people read: let it be the sentence.
#[derive(thiserror::Error)]
#[error(transparent)]
struct Refusal(IdentityError);

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
