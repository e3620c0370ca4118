//! One receiver of the house: behind the egress guard, signed, tried a few times.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use crate::connector::config::EgressConfig;
use crate::connector::egress::{Hosts, check_literal};
use crate::connector::network::Network;
use crate::connector::tls::Ca;
use crate::connector::{Kept, client};

/// Header of the signature: `t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`.
const SIGNATURE: &str = "Countersign-Signature";
/// Longest wait for one try.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Before the second and each later try.
const AGAIN: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];
/// Messages on their way to one receiver at once.
const AT_ONCE: usize = 4;
/// Messages that wait for their turn or their next try.
const QUEUE: usize = 1000;

/// Where messages go, as the configuration has it.
pub(crate) struct Receiver<'a> {
    pub(crate) url: &'a SecretString,
    /// File with the secret of the signature; without it, nothing is signed.
    pub(crate) secret: Option<&'a Path>,
    /// Certificate authorities trusted beside the system's.
    pub(crate) ca: Option<&'a Path>,
    pub(crate) private_networks: &'a [Network],
    pub(crate) plain_http: bool,
}

/// A receiver.
pub(crate) struct Webhook {
    url: Url,
    secret: Option<SecretString>,
    client: Client,
    room: Semaphore,
    queue: Semaphore,
}

impl Webhook {
    /// Ready to send. Dials nothing.
    pub(crate) fn new(to: &Receiver<'_>) -> Result<Self, String> {
        let url = Url::parse(to.url.expose_secret()).map_err(|e| format!("`url`: {e}"))?;
        match url.scheme() {
            "https" => {}
            "http" if to.plain_http => {}
            _ => return Err("`url` is not https: use https, or set `plain_http: true`".to_owned()),
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let egress = EgressConfig {
            hosts: Hosts::from(vec![host]),
            private_networks: to.private_networks.to_vec(),
            plain_http: to.plain_http,
        };
        check_literal(&egress, &url).map_err(|denied| denied.to_string())?;
        Ok(Self {
            client: client(&egress, to.ca.map(Ca::In), CONNECT, Kept::Never)?,
            secret: to.secret.map(secret).transpose()?,
            room: Semaphore::new(AT_ONCE),
            queue: Semaphore::new(QUEUE),
            url,
        })
    }

    /// Whether one more message may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.available_permits() > 0
    }

    /// Tells, trying again where that may help. Logs name `about` and never the body.
    pub(crate) async fn tell(&self, about: &str, body: &str) {
        let host = self.url.host_str().unwrap_or_default();
        let Ok(_waiting) = self.queue.try_acquire() else {
            tracing::error!(%host, %about, "{QUEUE} messages wait already: this one is given up");
            return;
        };
        let mut pauses = AGAIN.iter();
        loop {
            // Who waits for the next try holds up nobody else.
            let Ok(place) = self.room.acquire().await else { return };
            let tried = self.once(body).await;
            drop(place);
            let why = match tried {
                Ok(status) if status.is_success() => return,
                Ok(status) => format!("HTTP {status}"),
                Err(error) => error.without_url().to_string(),
            };
            let Some(pause) = pauses.next() else {
                tracing::error!(%host, %about, %why, "a message was not taken, and is given up");
                return;
            };
            tracing::warn!(%host, %why, "a message is sent again");
            tokio::time::sleep(*pause).await;
        }
    }

    async fn once(&self, body: &str) -> reqwest::Result<StatusCode> {
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(PATIENCE)
            .header("Content-Type", "application/json");
        if let Some(secret) = &self.secret {
            let now = Timestamp::now().as_second();
            request = request.header(SIGNATURE, signature(secret, now, body));
        }
        Ok(request.body(body.to_owned()).send().await?.status())
    }
}

fn signature(secret: &SecretString, at: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let mark = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(mark.as_ref()))
}

/// The secret that a file holds.
///
/// # Errors
/// A file that cannot be read, or is empty.
pub(crate) fn secret(file: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("`secret_file` {}: {error}", file.display()))?;
    match text.trim() {
        "" => Err(format!("`secret_file` {} is empty: write a secret into it", file.display())),
        text => Ok(SecretString::from(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn beyond_its_queue_a_message_is_given_up_at_once() {
        let url = SecretString::from("https://example.com/hook".to_owned());
        let to = Receiver {
            url: &url,
            secret: None,
            ca: None,
            private_networks: &[],
            plain_http: false,
        };
        let hook = Webhook::new(&to).unwrap();
        assert!(hook.has_room());
        let waiting = hook.queue.acquire_many(u32::try_from(QUEUE).unwrap()).await.unwrap();
        assert!(!hook.has_room());
        // Nothing is dialled: it would wait for its tries otherwise.
        hook.tell("prp_1", "{}").await;
        drop(waiting);
        assert!(hook.has_room());
    }

    #[test]
    fn a_signature_covers_time_and_body() {
        let secret = SecretString::from("key".to_owned());
        let made = signature(&secret, 7, "{}");
        // printf '7.{}' | openssl dgst -sha256 -hmac key
        let expected = "77bc83bd1f40422311e47918b203449aecf84b02c1568bb1b570ac2a474cc2d8";
        assert_eq!(made, format!("t=7,v1={expected}"));
        assert_ne!(made, signature(&secret, 8, "{}"));
        assert_ne!(made, signature(&secret, 7, "{ }"));
    }

    #[test]
    fn only_https_and_only_public_hosts_by_default() {
        let to = |url: &str, plain_http, networks: &[Network]| {
            let url = SecretString::from(url.to_owned());
            let to = Receiver {
                url: &url,
                secret: None,
                ca: None,
                private_networks: networks,
                plain_http,
            };
            Webhook::new(&to).err().unwrap_or_default()
        };
        assert!(to("http://hooks.example/x", false, &[]).contains("plain_http"));
        assert!(!to("https://127.0.0.1/x", false, &[]).is_empty());
        assert_eq!(to("https://hooks.example/x", false, &[]), "");
        let local = [serde_saphyr::from_str("127.0.0.0/8").unwrap()];
        assert_eq!(to("http://127.0.0.1/x", true, &local), "");
    }
}
