//! What a server of pages shows whoever connects: its certificate and key, read together.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::contents::{certificates, read};
use super::ends::certificates_end;
use super::material::MaterialError;

/// A server's own certificate. Workloads prove themselves with [`super::Material`] instead.
pub struct Shown {
    /// The certificate, its chain after it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When the certificate itself runs out, in seconds since 1970: of the others in the chain,
    /// browsers find one that lasts.
    pub end: i64,
}

impl Shown {
    /// Reads both PEM files.
    ///
    /// # Errors
    /// A file that cannot be read or says nothing usable, by name.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, MaterialError> {
        let chain = certificates(&read(cert)?, cert)?;
        let own = chain.get(..1).unwrap_or_default();
        let end =
            certificates_end(own).ok_or_else(|| MaterialError::Certificate(cert.to_owned()))?;
        let unusable = |_| MaterialError::Key(key.to_owned());
        let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(unusable)?;
        Ok(Self { chain, key, end })
    }
}
