//! A backend on a loopback socket that does what a test tells it, and counts.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::answer::Sent;
use countersign_core::contract::{CredentialUse, Pack, PackKind};
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::{Connection, Kept};
use crate::vault::Vault;

/// What a backend saw.
#[derive(Default)]
pub(super) struct Log {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Log {
    pub(super) fn request(&self, text: String) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(text);
        requests.len()
    }

    /// The request of this number, from 1.
    pub(super) fn nth(&self, number: usize) -> String {
        self.requests.lock().unwrap()[number - 1].clone()
    }

    /// How many requests began so.
    pub(super) fn count(&self, start: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|r| r.starts_with(start)).count()
    }
}

/// A running backend; ends with its value.
pub(super) struct Backend {
    port: u16,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

impl Backend {
    pub(super) async fn start<F, A>(script: F) -> Self
    where
        F: Fn(TcpStream, Arc<Log>) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Log::default());
        let seen = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(script(stream, Arc::clone(&seen)));
            }
        });
        Self { port, log, task }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn connections(&self) -> usize {
        self.log.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.log.requests.lock().unwrap().clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads one HTTP/1 request whole; its number from 1, or `None` at the end.
pub(super) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    log: &Log,
) -> Option<usize> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()
                })
                .unwrap_or(0);
            if body.len() >= length {
                return Some(log.request(text));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A complete JSON answer.
pub(super) fn answer(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A connection to such a backend, with a vault of its own.
pub(super) struct Setup {
    connection: Connection,
    pack: Pack,
    _folder: tempfile::TempDir,
}

impl Setup {
    /// Plain http to a backend, without a credential.
    pub(super) fn plain(backend: &Backend) -> Self {
        Self::at(&backend.url(), json!({"hosts": ["127.0.0.1"]}))
    }

    /// A base URL; loopback and plain http are allowed unless `egress` says otherwise.
    pub(super) fn at(base: &str, egress: Json) -> Self {
        Self::with(base, egress, CredentialUse::None, "", None)
    }

    /// A bearer per customer, in the folder `token`, besides everybody's `shared`.
    pub(super) fn per_customer(backend: &Backend, secrets: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("token");
        std::fs::create_dir(&own).unwrap();
        let shared = ("../shared", "shared-secret");
        for (name, secret) in secrets.iter().chain([&shared]) {
            let path = own.join(name);
            std::fs::write(&path, secret).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let config = serde_json::from_value(json!({
            "tenant": "demo", "pack": "shop", "account": "a", "base_url": backend.url(),
            "credential": "token", "credential_per": { "claim": "customer_id" },
            "egress": { "hosts": ["127.0.0.1"], "private_networks": ["127.0.0.0/8"], "plain_http": true },
        }))
        .unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let pack = pack(CredentialUse::Bearer);
        let connection = Connection::new(&config, &pack, &vault).unwrap();
        Self { connection, pack, _folder: folder }
    }

    pub(super) fn with(
        base: &str,
        egress: Json,
        credential: CredentialUse,
        secret: &str,
        ca: Option<&str>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let private = |path: &std::path::Path, text: &str| {
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        private(&folder.path().join("token"), secret);
        let mut whole = json!({"private_networks": ["127.0.0.0/8", "::1"], "plain_http": true});
        whole.as_object_mut().unwrap().extend(egress.as_object().unwrap().clone());
        let mut config = json!({
            "tenant": "demo", "pack": "shop", "account": "a", "base_url": base, "egress": whole,
        });
        if credential != CredentialUse::None {
            config["credential"] = json!("token");
        }
        if let Some(pem) = ca {
            let path = folder.path().join("ca.pem");
            private(&path, pem);
            config["ca"] = json!(path);
        }
        let config = serde_json::from_value(config).unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        let pack = pack(credential);
        let connection = Connection::new(&config, &pack, &vault).unwrap();
        Self { connection, pack, _folder: folder }
    }

    pub(super) async fn send(&self, kept: Kept) -> Sent {
        self.send_within(kept, Duration::from_secs(10)).await
    }

    pub(super) fn is_left_alone(&self) -> bool {
        self.connection.is_left_alone()
    }

    pub(super) async fn send_within(&self, kept: Kept, timeout: Duration) -> Sent {
        self.send_for(&crate::connector::tests::customer("t"), kept, timeout).await
    }

    pub(super) async fn send_for(&self, who: &Subject, kept: Kept, timeout: Duration) -> Sent {
        self.connection.send(who, &self.pack, &request(), kept, Instant::now() + timeout).await
    }
}

fn pack(credential: CredentialUse) -> Pack {
    Pack {
        name: "shop".to_owned(),
        summary: String::new(),
        kind: PackKind::Http,
        credential,
        subject_claims: Default::default(),
        // Half of it is the longest wait for a connection.
        timeout: Duration::from_secs(1),
        response_limit: 4096,
        quiet_period: Duration::ZERO,
        limits: Default::default(),
        throttled_codes: Default::default(),
        codes: Default::default(),
        digest: String::new(),
    }
}

fn request() -> WireRequest {
    let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    WireRequest {
        method: "POST".to_owned(),
        path: "/v1/orders/a%2Fb".to_owned(),
        query: "q=%C3%A4&l[0]=1".to_owned(),
        headers: vec![line("content-type", "application/json"), line("idempotency-key", "key-1")],
        body: b"{\"a\": 1}".to_vec(),
    }
}
