//! TLS towards servers that are no peer of ours: public certificate authorities, as the
//! system knows them.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// For a client without a certificate of its own.
pub(crate) fn client() -> Result<ClientConfig, rustls::Error> {
    trusting(system())
}

/// The same, with the authorities in this PEM file beside the system's.
pub(crate) fn client_trusting(ca: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let mut roots = system();
    if let Some(file) = ca {
        let shown = file.display();
        let before = roots.len();
        let pem = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.map(|der| roots.add(der));
            added.with_context(|| format!("{shown} holds no certificates in PEM"))??;
        }
        if roots.len() == before {
            bail!("{shown} holds no certificate: it must hold authorities in PEM");
        }
    }
    Ok(trusting(roots)?)
}

fn system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
