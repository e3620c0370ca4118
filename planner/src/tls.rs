//! TLS towards servers that are no peer of ours: public certificate authorities, as the
//! system knows them.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// For a client without a certificate of its own.
pub(crate) fn client() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
