//! From PEM files to TLS configurations, all of one moment.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use webpki::{CertRevocationList, OwnedCertRevocationList};

use super::ends::{self, Ends};
use super::material::{MaterialError, MaterialFiles};
use super::verify::{AnyWorkload, OnlyWorkload, Trust};
use crate::spiffe::{IdentityError, SpiffeId};

const ALPN_HTTP2: &[u8] = b"h2";

/// What the files held at one moment.
pub(super) struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    ca: Vec<u8>,
    crl: Option<Vec<u8>>,
}

impl Contents {
    pub(super) fn read(files: &MaterialFiles) -> Result<Self, MaterialError> {
        Ok(Self {
            cert: read(&files.cert)?,
            key: read(&files.key)?,
            ca: read(&files.ca)?,
            crl: files.crl.as_deref().map(read).transpose()?,
        })
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        let mut all = Sha256::new();
        for part in [&self.cert, &self.key, &self.ca, self.crl.as_ref().unwrap_or(&Vec::new())] {
            all.update(Sha256::digest(part));
        }
        all.finalize().into()
    }

    pub(super) fn load(self, files: &MaterialFiles) -> Result<Loaded, MaterialError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(&self.cert, &files.cert)?;
        let id = chain
            .first()
            .ok_or(IdentityError::Certificate)
            .and_then(SpiffeId::from_certificate)
            .map_err(|error| MaterialError::Identity { path: files.cert.clone(), error })?;
        let ends = self.ends(&chain, files)?;
        let key = Arc::new(pair(chain, &self.key, (&files.cert, &files.key), &provider)?);
        let trust = Arc::new(Trust::new(
            authorities(&self.ca, &files.ca)?,
            revocation_lists(self.crl.as_deref(), files.crl.as_deref())?,
            &provider,
        ));
        let server = Arc::new(server_config(&provider, &trust, &key)?);
        Ok(Loaded { digest: self.digest(), id, ends, provider, trust, key, server })
    }

    fn ends(
        &self,
        chain: &[CertificateDer<'_>],
        files: &MaterialFiles,
    ) -> Result<Ends, MaterialError> {
        let unusable = |path: &Path| MaterialError::Certificate(path.to_owned());
        let authorities = certificates(&self.ca, &files.ca)?;
        let lists = self.crl.as_deref().zip(files.crl.as_deref());
        let revocations = lists.map(|(pem, path)| {
            let end = ends::lists_end(&revocation_ders(pem, path)?);
            end.ok_or_else(|| MaterialError::Revocation(path.to_owned()))
        });
        Ok(Ends {
            certificate: ends::certificates_end(chain).ok_or_else(|| unusable(&files.cert))?,
            authorities: ends::certificates_end(&authorities).ok_or_else(|| unusable(&files.ca))?,
            revocations: revocations.transpose()?,
        })
    }
}

/// One coherent set: own key, whom we believe, and the server side built from both.
pub(super) struct Loaded {
    digest: [u8; 32],
    id: SpiffeId,
    ends: Ends,
    provider: Arc<CryptoProvider>,
    trust: Arc<Trust>,
    key: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
}

impl Loaded {
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    pub(super) fn id(&self) -> &SpiffeId {
        &self.id
    }

    pub(super) fn ends(&self) -> Ends {
        self.ends
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    pub(super) fn client_config(&self, expected: &SpiffeId) -> Result<ClientConfig, rustls::Error> {
        let verifier = OnlyWorkload { trust: Arc::clone(&self.trust), expected: expected.clone() };
        let own = SingleCertAndKey::from(Arc::clone(&self.key));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(own));
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        // A resumed session would skip the certificates, and with them a revocation.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    trust: &Arc<Trust>,
    key: &Arc<CertifiedKey>,
) -> Result<ServerConfig, rustls::Error> {
    let own = SingleCertAndKey::from(Arc::clone(key));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyWorkload {
            trust: Arc::clone(trust),
            required: true,
        }))
        .with_cert_resolver(Arc::new(own));
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What the authorities revoked; nothing where no list is named.
fn revocation_lists(
    pem: Option<&[u8]>,
    path: Option<&Path>,
) -> Result<Vec<CertRevocationList<'static>>, MaterialError> {
    let (Some(pem), Some(path)) = (pem, path) else {
        return Ok(Vec::new());
    };
    let owned = |der: &CertificateRevocationListDer<'_>| {
        let list = OwnedCertRevocationList::from_der(der);
        list.map(CertRevocationList::from).map_err(|_| MaterialError::Revocation(path.to_owned()))
    };
    revocation_ders(pem, path)?.iter().map(owned).collect()
}

fn revocation_ders(
    pem: &[u8],
    path: &Path,
) -> Result<Vec<CertificateRevocationListDer<'static>>, MaterialError> {
    match CertificateRevocationListDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        Ok(_) | Err(_) => Err(MaterialError::Revocation(path.to_owned())),
    }
}

/// Whom a page believes that serves people without a certificate as well: what the
/// handshake asks for and does not insist on. Its server has to be TLS 1.3 and resume
/// nothing, or a revocation would be skipped. `ca` is what the file `named` held; the list
/// of what was revoked is read now.
///
/// # Errors
/// When a file cannot be read or says nothing usable.
pub fn optional(
    ca: &[u8],
    named: &Path,
    crl: Option<&Path>,
) -> Result<Arc<dyn ClientCertVerifier>, MaterialError> {
    let provider = aws_lc_rs::default_provider();
    let lists = crl.map(read).transpose()?;
    let lists = revocation_lists(lists.as_deref(), crl)?;
    let trust = Trust::new(authorities(ca, named)?, lists, &provider);
    Ok(Arc::new(AnyWorkload { trust: Arc::new(trust), required: false }))
}

pub(super) fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, MaterialError> {
    let path = path.as_ref();
    std::fs::read(path).map_err(|error| MaterialError::Read { path: path.to_owned(), error })
}

/// PEM errors can quote a line of the file, which may be a misplaced key: they are dropped here
/// (NO SECRET LEAVES).
pub(super) fn certificates(
    pem: &[u8],
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) | Err(_) => Err(MaterialError::Certificate(path.to_owned())),
    }
}

fn authorities(pem: &[u8], path: &Path) -> Result<RootCertStore, MaterialError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem, path)? {
        roots.add(authority).map_err(|_| MaterialError::Certificate(path.to_owned()))?;
    }
    Ok(roots)
}

pub(super) fn pair(
    chain: Vec<CertificateDer<'static>>,
    key_pem: &[u8],
    (cert_file, key_file): (&Path, &Path),
    provider: &CryptoProvider,
) -> Result<CertifiedKey, MaterialError> {
    let unusable = || MaterialError::Key(key_file.to_owned());
    let der = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| unusable())?;
    let key = provider.key_provider.load_private_key(der).map_err(|_| unusable())?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().map_err(|_| MaterialError::Mismatch {
        cert: cert_file.to_owned(),
        key: key_file.to_owned(),
    })?;
    Ok(pair)
}
