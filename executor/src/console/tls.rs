//! TLS of the pages, where no ingress speaks it. Browsers are asked for a certificate only
//! where the configuration says whose count, and get in without one: who they are, a
//! passkey or the house's sign-in proves.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use countersign_shared::listen::Certified;
use countersign_shared::mtls::{Shown, optional};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;

use super::config::{Authorities, ConsoleTls, SignInConfig};
use crate::metrics::Metrics;

/// Whose certificates browsers are asked for.
#[derive(Clone)]
pub(crate) struct Clients {
    /// As they were activated, and never read again.
    ca: Authorities,
    crl: Option<PathBuf>,
}

impl Clients {
    /// Where the configuration asks for certificates.
    pub(super) fn of(config: &SignInConfig, ca: Option<Authorities>) -> Option<Self> {
        let crl = config.certificates.as_ref().map(|it| it.crl.clone());
        ca.zip(crl).map(|(ca, crl)| Self { ca, crl })
    }
}

/// Where it is told when a certificate ends, and what it is for.
pub(crate) type Told = (Metrics, &'static str);

/// What browsers are shown: the newest files that could be used.
pub(super) struct Own {
    files: ConsoleTls,
    clients: Option<Clients>,
    told: Told,
    config: Arc<ServerConfig>,
}

impl Own {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Files that cannot be used.
    pub(super) fn read(
        files: ConsoleTls,
        clients: Option<Clients>,
        told: Told,
    ) -> anyhow::Result<Self> {
        let (config, end) = read(&files, clients.as_ref())?;
        told.0.end(told.1, end);
        Ok(Self { files, clients, told, config })
    }
}

impl Certified for Own {
    fn renew(&mut self) {
        match read(&self.files, self.clients.as_ref()) {
            Ok((config, end)) => {
                self.config = config;
                self.told.0.end(self.told.1, end);
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::warn!(why, "the page keeps its old certificate");
            }
        }
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// Whether the files can be used.
///
/// # Errors
/// Files that cannot be.
pub(super) fn check(files: &ConsoleTls, clients: Option<&Clients>) -> anyhow::Result<()> {
    read(files, clients).map(drop)
}

/// What the files hold now, and when the certificate ends.
fn read(files: &ConsoleTls, clients: Option<&Clients>) -> anyhow::Result<(Arc<ServerConfig>, i64)> {
    let Shown { own, end } = Shown::read(&files.cert, &files.key).context("`tls`")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = match clients {
        None => builder.with_safe_default_protocol_versions()?.with_no_client_auth(),
        Some(Clients { ca: Authorities { file, pem }, crl }) => {
            let known = optional(pem.as_bytes(), file, crl.as_deref());
            let known = known.context("`sign_in.certificates`")?;
            builder.with_protocol_versions(&[&TLS13])?.with_client_cert_verifier(known)
        }
    };
    let mut config = builder.with_cert_resolver(own);
    if clients.is_some() {
        // A resumed session would skip the certificate, and with it a revocation.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // In HTTP/1.1 an answer can end its connection: the certificate is proved anew.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    } else {
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok((Arc::new(config), end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::time::Duration;

    use countersign_shared::listen::{Limits, Ports, STANDS};
    use tokio::net::TcpListener;
    use tokio::time::sleep;

    use super::*;

    fn told() -> Told {
        (Metrics::default(), "console")
    }

    #[test]
    fn an_authority_counts_as_it_was_activated_whatever_its_file_says_later() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = ConsoleTls { cert: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
        std::fs::write(&files.cert, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        let ca = Authorities::read(&files.cert).unwrap();
        let clients =
            Clients { ca: Authorities { file: dir.path().join("ca.pem"), ..ca }, crl: None };
        std::fs::write(&clients.ca.file, "another's").unwrap();
        let (config, _) = read(&files, Some(&clients)).unwrap();
        assert_eq!(config.alpn_protocols, [b"http/1.1"], "answers can end connections");
        // What was revoked is read each time.
        let revoked = Clients { crl: Some("/absent/crl".into()), ..clients };
        assert!(format!("{:#}", read(&files, Some(&revoked)).unwrap_err()).contains("/absent/crl"));
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_read_again_each_minute_and_broken_ones_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let files = ConsoleTls { cert: dir.path().join("c.pem"), key: dir.path().join("k.pem") };
        let issue = |year| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, 1, 1);
            std::fs::write(&files.cert, wanted.self_signed(&key).unwrap().pem()).unwrap();
            std::fs::write(&files.key, key.serialize_pem()).unwrap();
        };
        let (metrics, of) = told();
        let ends = |at: i64| {
            let line = format!("countersign_tls_end_timestamp_seconds{{of=\"console\"}} {at}");
            metrics.text().lines().any(|told| told == line)
        };
        issue(2030);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = Own::read(files.clone(), None, (metrics.clone(), of)).unwrap();
        let limits = Limits::of(1);
        Ports::default().serve(listener, Some(Box::new(own)), limits, |_| axum::Router::new());
        assert!(ends(1_893_456_000), "{}", metrics.text());
        issue(2040);
        sleep(STANDS - Duration::from_secs(1)).await;
        assert!(ends(1_893_456_000), "{}", metrics.text());
        sleep(Duration::from_secs(2)).await;
        assert!(ends(2_208_988_800), "{}", metrics.text());
        std::fs::write(&files.cert, "nothing").unwrap();
        sleep(STANDS).await;
        assert!(ends(2_208_988_800), "{}", metrics.text());
    }

    #[test]
    fn files_that_do_not_fit_are_named() {
        let files = ConsoleTls { cert: "/absent/tls.crt".into(), key: "/absent/tls.key".into() };
        let problem = format!("{:#}", read(&files, None).unwrap_err());
        assert!(problem.contains("/absent/tls.crt"), "{problem}");
    }
}
