//! What a server of pages shows whoever connects: its certificate and key, read together.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::sign::SingleCertAndKey;

use super::contents::{certificates, pair, read};
use super::ends::certificates_end;
use super::material::MaterialError;

/// A server's own certificate. Workloads prove themselves with [`super::Material`] instead.
pub struct Shown {
    /// The certificate, its chain after it, and its key.
    pub own: Arc<SingleCertAndKey>,
    /// When the certificate itself runs out, in seconds since 1970: of the others in the chain,
    /// browsers find one that lasts.
    pub end: i64,
}

impl Shown {
    /// Reads both PEM files.
    ///
    /// # Errors
    /// A file that cannot be read or says nothing usable, and two that are no pair, by name.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, MaterialError> {
        let chain = certificates(&read(cert)?, cert)?;
        let own = chain.get(..1).unwrap_or_default();
        let end =
            certificates_end(own).ok_or_else(|| MaterialError::Certificate(cert.to_owned()))?;
        let pair = pair(chain, &read(key)?, (cert, key), &aws_lc_rs::default_provider())?;
        Ok(Self { own: Arc::new(SingleCertAndKey::from(pair)), end })
    }
}
