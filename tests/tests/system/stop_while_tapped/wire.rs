//! A request over HTTP/1.1 and TLS that is written by hand, piece by piece.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub struct Wire(TlsStream<TcpStream>);

impl Wire {
    /// To a page at this address, which shows this certificate.
    pub async fn open(address: &str, pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        Self(TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap())
    }

    pub async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Reads up to the end of this, which is what has to come.
    pub async fn hears(&mut self, wanted: &str) {
        let mut found = vec![0; wanted.len()];
        self.0.read_exact(&mut found).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&found), wanted);
    }

    /// All that still comes until the connection ends, which is said.
    pub async fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).await.unwrap();
        rest
    }
}
