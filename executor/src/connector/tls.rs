//! TLS to backends and to the database: aws-lc-rs, the system's authorities and the
//! connection's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

/// Authorities trusted beside the system's, in PEM.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ca<'a> {
    /// As the file has them now.
    In(&'a Path),
    /// As that file had them when their digest was activated.
    Read(&'a Path, &'a str),
}

/// Client settings for HTTP.
pub(super) fn config(ca: Option<Ca<'_>>) -> Result<ClientConfig, String> {
    let mut config = client(ca)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Client settings that trust the system's authorities and those in `ca`. Where the
/// system has none and `ca` is absent, every handshake fails.
pub(crate) fn client(ca: Option<Ca<'_>>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(ca) = ca {
        add(&mut roots, ca)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn add(roots: &mut RootCertStore, ca: Ca<'_>) -> Result<(), String> {
    let (Ca::In(path) | Ca::Read(path, _)) = ca;
    let wrong = |error: &dyn std::fmt::Display| {
        format!("`ca` {}: {error}: it must hold certificates in PEM", path.display())
    };
    let pem = match ca {
        Ca::In(path) => &std::fs::read_to_string(path).map_err(|e| wrong(&e))?,
        Ca::Read(_, pem) => pem,
    };
    let mut found = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        found += 1;
    }
    if found == 0 { Err(wrong(&"no certificate in it")) } else { Ok(()) }
}
