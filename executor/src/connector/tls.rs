//! TLS to backends and to the database: aws-lc-rs, the system's authorities and the
//! connection's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Client settings for HTTP.
pub(super) fn config(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut config = client(ca)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Client settings that trust the system's authorities and those in `ca`. Where the
/// system has none and `ca` is absent, every handshake fails.
pub(crate) fn client(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("`ca` {}: {error}: it must hold certificates in PEM", path.display())
    };
    let mut found = 0;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))? {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        found += 1;
    }
    if found == 0 { Err(wrong(&"no certificate in it")) } else { Ok(()) }
}
