//! TLS: what fails in the handshake was not sent.

use std::sync::Arc;

use countersign_core::contract::CredentialUse;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::backend::{Backend, Log, Setup, answer, read_request};
use super::{Kept, word};

/// A certificate authority, and a server certificate of it for 127.0.0.1.
pub(super) struct Identity {
    pub(super) ca: String,
    server: TlsAcceptor,
}

pub(super) fn identity(name: &str, protocols: &[&[u8]]) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into()),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    Identity { ca: ca.pem(), server: TlsAcceptor::from(Arc::new(config)) }
}

impl Identity {
    pub(super) async fn serve<F, A>(&self, script: F) -> Backend
    where
        F: Fn(TlsStream<TcpStream>, Arc<Log>) -> A + Clone + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let server = self.server.clone();
        Backend::start(move |stream, log| {
            let (server, script) = (server.clone(), script.clone());
            async move {
                if let Ok(stream) = server.accept(stream).await {
                    script(stream, log).await;
                }
            }
        })
        .await
    }

    pub(super) fn setup(&self, backend: &Backend, ca: Option<&str>) -> Setup {
        self.setup_with(backend, CredentialUse::None, "", ca)
    }

    pub(super) fn setup_with(
        &self,
        backend: &Backend,
        usage: CredentialUse,
        secret: &str,
        ca: Option<&str>,
    ) -> Setup {
        let base = format!("https://127.0.0.1:{}", backend.port());
        let egress = json!({"hosts": ["127.0.0.1"], "plain_http": false});
        Setup::with(&base, egress, usage, secret, ca)
    }
}

async fn served(identity: &Identity) -> Backend {
    identity
        .serve(|mut stream, log| async move {
            read_request(&mut stream, &log).await;
            let _ = stream.write_all(&answer(200, "{}")).await;
            let _ = stream.shutdown().await;
        })
        .await
}

#[tokio::test]
async fn only_a_certificate_of_a_trusted_authority_for_this_host_is_spoken_to() {
    let right = identity("127.0.0.1", &[]);
    let other_name = identity("10.9.9.9", &[]);
    for (server, ca, expected) in [
        (&right, Some(right.ca.as_str()), "200"),
        (&right, None, "not sent"),
        (&right, Some(other_name.ca.as_str()), "not sent"),
        (&other_name, Some(other_name.ca.as_str()), "not sent"),
    ] {
        let backend = served(server).await;
        let sent = server.setup(&backend, ca).send(Kept::Never).await;
        assert_eq!(word(&sent), expected, "{sent:?}");
        assert_eq!(backend.requests().len(), usize::from(expected == "200"), "{sent:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing() {
    let backend = Backend::start(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    })
    .await;
    let sent = identity("127.0.0.1", &[]).setup(&backend, None).send(Kept::Never).await;
    assert_eq!(word(&sent), "not sent", "{sent:?}");
}

#[tokio::test]
async fn a_server_silent_before_the_handshake_got_nothing() {
    let backend = Backend::start(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let sent = identity("127.0.0.1", &[]).setup(&backend, None).send(Kept::Never).await;
    assert_eq!(word(&sent), "not sent", "{sent:?}");
}
