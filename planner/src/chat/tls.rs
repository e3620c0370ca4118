//! What chat frontends are shown: the newest certificate that could be used, read again while
//! the process runs.

use std::sync::Arc;

use countersign_shared::listen::Certified;
use countersign_shared::mtls::Shown;
use rustls::ServerConfig;

use crate::config::ServerCertificate;
use crate::metrics::Metrics;

/// A certificate, ready to be shown.
pub(super) struct Tls {
    files: ServerCertificate,
    /// Where it is told when the certificate ends.
    told: Metrics,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Files that cannot be used, by name.
    pub(super) fn open(files: ServerCertificate, told: Metrics) -> anyhow::Result<Self> {
        let (config, end) = read(&files)?;
        told.chat_ends(end);
        Ok(Self { files, told, config })
    }
}

impl Certified for Tls {
    fn renew(&mut self) {
        match read(&self.files) {
            Ok((config, end)) => {
                self.config = config;
                self.told.chat_ends(end);
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::warn!(why, "the chat keeps its old certificate");
            }
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// What the files hold now, and when the certificate ends.
fn read(files: &ServerCertificate) -> anyhow::Result<(Arc<ServerConfig>, i64)> {
    let Shown { own, end } = Shown::read(&files.cert, &files.key)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(own);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((Arc::new(config), end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;
    use std::time::Duration;

    use countersign_shared::listen::{Limits, Ports, STANDS};

    use super::*;

    const IN_2030: i64 = 1_893_456_000;
    const IN_2040: i64 = 2_208_988_800;

    fn files_in(dir: &Path) -> ServerCertificate {
        ServerCertificate { cert: dir.join("c.pem"), key: dir.join("k.pem") }
    }

    /// Writes a certificate that ends when this year begins, and its key; the key again.
    fn issue(files: &ServerCertificate, year: i32) -> String {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        wanted.not_after = rcgen::date_time_ymd(year, 1, 1);
        std::fs::write(&files.cert, wanted.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        key.serialize_pem()
    }

    fn ends(metrics: &Metrics, at: i64) -> bool {
        let line = format!("countersign_tls_end_timestamp_seconds{{of=\"chat\"}} {at}");
        metrics.text().lines().any(|told| told == line)
    }

    #[test]
    fn a_new_certificate_is_shown_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = files_in(dir.path());
        let metrics = Metrics::default();
        let ends = |at| ends(&metrics, at);
        let old_key = issue(&files, 2030);
        let mut tls = Tls::open(files.clone(), metrics.clone()).unwrap();
        assert!(ends(IN_2030), "{}", metrics.text());
        let first = Arc::clone(&tls.config);
        issue(&files, 2040);
        tls.renew();
        assert!(ends(IN_2040) && !Arc::ptr_eq(&first, &tls.config), "{}", metrics.text());
        let second = Arc::clone(&tls.config);
        let stays = |tls: &Tls| ends(IN_2040) && Arc::ptr_eq(&second, &tls.config);
        issue(&files, 2050);
        std::fs::write(&files.key, old_key).unwrap();
        tls.renew();
        assert!(stays(&tls), "no pair: {}", metrics.text());
        std::fs::write(&files.cert, "nothing").unwrap();
        tls.renew();
        assert!(stays(&tls), "{}", metrics.text());
    }

    #[tokio::test(start_paused = true)]
    async fn the_files_are_read_again_each_minute() {
        let dir = tempfile::tempdir().unwrap();
        let files = files_in(dir.path());
        let metrics = Metrics::default();
        issue(&files, 2030);
        let tls = Tls::open(files.clone(), metrics.clone()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tls, limits) = (Box::new(tls), Limits::of(1));
        Ports::default().serve(listener, Some(tls), limits, |_| axum::Router::new());
        issue(&files, 2040);
        tokio::time::sleep(STANDS - Duration::from_secs(1)).await;
        assert!(ends(&metrics, IN_2030), "{}", metrics.text());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(ends(&metrics, IN_2040), "{}", metrics.text());
    }
}
