//! Credentials arrive at the backend and nowhere else (NO SECRET LEAVES).

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::answer::{Barrier, Sent};
use countersign_core::contract::CredentialUse;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tracing_subscriber::filter::LevelFilter;

use super::backend::{Backend, Setup, answer, read_request};
use super::h2::{ok, script};
use super::tls::identity;
use super::{Kept, word};
use crate::connector::tests::customer;

const SECRET: &str = "user-7f3a:pass-9c1e5b20";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Answers with the whole request it got, or puts it where an answer should be.
async fn echo(as_garbage: bool) -> Backend {
    Backend::start(move |mut stream, log| async move {
        let number = read_request(&mut stream, &log).await.unwrap_or(1);
        let request = log.nth(number);
        let bytes = if as_garbage { request.into_bytes() } else { answer(400, &request) };
        let _ = stream.write_all(&bytes).await;
    })
    .await
}

#[tokio::test]
async fn no_error_answer_or_log_line_shows_a_credential() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let hmac = CredentialUse::Hmac { header: "x-signature".to_owned() };
    for usage in [
        CredentialUse::Header("x-token".to_owned()),
        CredentialUse::Bearer,
        CredentialUse::Basic,
        hmac.clone(),
    ] {
        for as_garbage in [false, true] {
            let backend = echo(as_garbage).await;
            let egress = json!({"hosts": ["127.0.0.1"]});
            let setup = Setup::with(&backend.url(), egress, usage.clone(), SECRET, None);
            let sent = setup.send(Kept::Never).await;
            let arrived = backend.requests().remove(0);
            let basic = "dXNlci03ZjNhOnBhc3MtOWMxZTViMjA=";
            assert_eq!(
                arrived.contains(SECRET) || arrived.contains(basic),
                usage != hmac,
                "{usage:?}"
            );
            let shown = match &sent {
                Sent::Answered { body, .. } => String::from_utf8(body.clone()).unwrap(),
                Sent::NotSent { why, .. } | Sent::Lost { why } => why.clone(),
            };
            assert_clean(&format!("{shown} {sent:?}"));
        }
    }
    assert_clean(&format!("{:?}", over_http2().await));
    let port = closed_port().await;
    let egress = json!({"hosts": ["127.0.0.1"]});
    let setup = Setup::with(
        &format!("http://127.0.0.1:{port}"),
        egress,
        CredentialUse::Bearer,
        SECRET,
        None,
    );
    assert_clean(&format!("{:?}", setup.send(Kept::Never).await));
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for library in ["hyper", "h2"] {
        assert!(
            log.contains(library),
            "nothing of {library} captured: what follows proves nothing"
        );
    }
    assert_clean(&log);
}

async fn over_http2() -> Sent {
    let identity = identity("127.0.0.1", &[b"h2"]);
    let backend = identity
        .serve(|stream, log| async move {
            script(stream, log, ok()).await;
        })
        .await;
    let setup = identity.setup_with(&backend, CredentialUse::Bearer, SECRET, Some(&identity.ca));
    let sent = setup.send(Kept::Never).await;
    assert_eq!(word(&sent), "200");
    sent
}

async fn closed_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn assert_clean(text: &str) {
    for part in [SECRET, "pass-9c1e5b20", "dXNlci03ZjNhOnBhc3MtOWMxZTViMjA="] {
        let near = text
            .split_once(part)
            .map(|(before, _)| before.chars().rev().take(200).collect::<String>());
        assert!(near.is_none(), "shows a credential after (backwards): {near:?}");
    }
}

/// A token end point, and an API that accepts only these of its tokens.
async fn oauth_backend(accept: &'static [&'static str]) -> Backend {
    Backend::start(move |mut stream, log| async move {
        while let Some(number) = read_request(&mut stream, &log).await {
            let request = log.nth(number);
            let bytes = if request.starts_with("POST /oauth/token ") {
                let nth = log.count("POST /oauth/token ");
                answer(
                    200,
                    &format!(r#"{{"access_token":"token-number-{nth}","expires_in":3600}}"#),
                )
            } else if accept.iter().any(|token| request.contains(token)) {
                answer(200, "{}")
            } else {
                answer(401, "{}")
            };
            let _ = stream.write_all(&bytes).await;
        }
    })
    .await
}

fn oauth(backend: &Backend) -> Setup {
    let usage = CredentialUse::OauthClientCredentials {
        token_path: "/oauth/token".to_owned(),
        scope: String::new(),
    };
    Setup::with(&backend.url(), json!({"hosts": ["127.0.0.1"]}), usage, SECRET, None)
}

#[tokio::test]
async fn a_token_is_shared_and_a_refused_one_replaced_once() {
    let backend = oauth_backend(&["token-number-1"]).await;
    let setup = oauth(&backend);
    let (first, second) = tokio::join!(setup.send(Kept::Never), setup.send(Kept::Pooled));
    assert_eq!((word(&first).as_str(), word(&second).as_str()), ("200", "200"));
    assert_eq!(backend.requests().len(), 3, "one token for both");

    let backend = oauth_backend(&["token-number-2"]).await;
    let setup = oauth(&backend);
    assert_eq!(word(&setup.send(Kept::Never).await), "200");
    assert_eq!(backend.requests().len(), 4, "two tokens, two tries");

    let backend = oauth_backend(&[]).await;
    assert_eq!(word(&oauth(&backend).send(Kept::Never).await), "401");
    assert_eq!(backend.requests().len(), 4, "no third try");
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    for (status, expected) in [(401, "not sent: Credential"), (503, "not sent")] {
        let backend = Backend::start(move |mut stream, log| async move {
            read_request(&mut stream, &log).await;
            let _ = stream.write_all(&answer(status, SECRET)).await;
        })
        .await;
        let sent = oauth(&backend).send(Kept::Never).await;
        assert_eq!(word(&sent), expected, "{sent:?}");
        assert_clean(&format!("{sent:?}"));
        assert_eq!(backend.requests().len(), 1);
    }
}

#[tokio::test]
async fn each_customer_has_a_credential_of_their_own_and_nobody_anothers() {
    let backend = echo(false).await;
    let setup = Setup::per_customer(&backend, &[("c1", "first-secret"), ("c2", "second-secret")]);
    let seen = || backend.requests().pop().unwrap();
    let send = async |who| setup.send_for(&who, Kept::Never, Duration::from_secs(10)).await;
    let mut who = customer("demo");
    for (claim, secret) in [("c1", "first-secret"), ("c2", "second-secret")] {
        who.claims.insert("customer_id".to_owned(), claim.to_owned());
        let sent = send(who.clone()).await;
        assert!(seen().contains(&format!("Bearer {secret}")), "{claim}");
        assert!(!format!("{sent:?}").contains(secret), "{sent:?}");
    }
    let asked = backend.requests().len();
    for claim in ["c3", "", "../shared", "../token/c1", ".."] {
        who.claims.insert("customer_id".to_owned(), claim.to_owned());
        let sent = send(who.clone()).await;
        assert!(
            matches!(sent, Sent::NotSent { barrier: Barrier::Egress, .. }),
            "{claim}: {sent:?}"
        );
    }
    who.claims.clear();
    let sent = send(who).await;
    assert!(matches!(sent, Sent::NotSent { barrier: Barrier::Egress, .. }), "{sent:?}");
    assert_eq!(backend.requests().len(), asked, "nothing left, and nobody's shared credential");
}
