//! Accepting connections, with TLS where a certificate is configured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::ServerCertificate;

/// A handshake that takes longer is dropped.
const PATIENCE: Duration = Duration::from_secs(5);
/// Handshakes under way at once; further connections wait in the system's queue.
const HANDSHAKES: usize = 256;
/// After a failed accept (out of file handles, say) the next one waits this long.
const PAUSE: Duration = Duration::from_millis(100);

/// A certificate, ready to be shown.
pub(super) struct Tls(TlsAcceptor);

impl Tls {
    pub(super) fn open(files: &ServerCertificate) -> anyhow::Result<Self> {
        let chain = CertificateDer::pem_file_iter(&files.cert)
            .and_then(Iterator::collect)
            .with_context(|| format!("{} is no PEM certificate", files.cert.display()))?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .with_context(|| format!("{} is no PEM key", files.key.display()))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Serves the router until the process ends.
pub(super) async fn run(listener: TcpListener, tls: Option<Tls>, router: Router) {
    let ended = match tls {
        None => axum::serve(listener, router).await,
        Some(Tls(acceptor)) => {
            let incoming = Incoming { listener, acceptor, handshakes: JoinSet::new() };
            axum::serve(incoming, router).await
        }
    };
    if let Err(error) = ended {
        tracing::error!(%error, "chat is not served any more");
    }
}

struct Incoming {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Listener for Incoming {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.listener.accept(), if self.handshakes.len() < HANDSHAKES => {
                    self.greet(accepted).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Incoming {
    /// Begins a handshake beside the others: a slow one keeps nobody waiting.
    async fn greet(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, from)) => {
                let acceptor = self.acceptor.clone();
                self.handshakes.spawn(async move {
                    let shaken = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await;
                    Some((shaken.ok()?.ok()?, from))
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
