//! Backends that misbehave: what each way of failing proves, and that nothing is
//! ever written twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod backend;
mod h2;
mod secrets;
mod tls;

use countersign_core::answer::{Barrier, Sent};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::*;
use backend::{Backend, Setup, answer, read_request};

/// A report in a word, so that tables stay readable.
fn word(sent: &Sent) -> String {
    match sent {
        Sent::NotSent { barrier: Barrier::Unreachable, .. } => "not sent".to_owned(),
        Sent::NotSent { barrier, .. } => format!("not sent: {barrier:?}"),
        Sent::Lost { .. } => "lost".to_owned(),
        Sent::Answered { status, .. } => status.to_string(),
    }
}

/// A backend that reads one request and then writes these bytes and closes.
async fn answering(bytes: &'static [u8]) -> Backend {
    Backend::start(move |mut stream, log| async move {
        if read_request(&mut stream, &log).await.is_some() {
            let _ = stream.write_all(bytes).await;
        }
    })
    .await
}

#[tokio::test]
async fn answers_complete_and_cut() {
    let large =
        format!("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{}", "x".repeat(5000)).leak();
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n{}\r\n0\r\n\r\n",
        "x".repeat(5000)
    )
    .leak();
    let table: &[(&'static [u8], &str)] = &[
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "200"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (b"HTTP/1.1 200 OK\r\n\r\n{}", "200"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", "500"),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", "302"),
        (b"", "lost"),
        (b"HTTP/1.1 20", "lost"),
        (b"HTTP/1.1 200 OK\r\ncontent-", "lost"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "lost"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"half\":", "lost"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"half\":\r\n", "lost"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "lost"),
        (b"\x15\x03\x01 what is this\r\n\r\n", "lost"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "lost"),
        (large.as_bytes(), "lost"),
        (chunked.as_bytes(), "lost"),
    ];
    for (bytes, expected) in table {
        let shown = String::from_utf8_lossy(bytes);
        for kept in [Kept::Never, Kept::Pooled] {
            let backend = answering(bytes).await;
            let sent = Setup::plain(&backend).send(kept).await;
            assert_eq!(&word(&sent), expected, "{shown:.80}: {sent:?}");
            assert_eq!(backend.requests().len(), 1, "{shown:.80}: sent more than once");
        }
    }
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_not_sent() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for host in ["127.0.0.1", "no-such-name.invalid"] {
        let setup = Setup::at(&format!("http://{host}:{port}"), json!({"hosts": [host]}));
        let sent = setup.send(Kept::Never).await;
        assert_eq!(word(&sent), "not sent", "{host}: {sent:?}");
    }
}

#[tokio::test]
async fn a_connection_closed_before_reading_is_never_an_answer_and_never_repeated() {
    for kept in [Kept::Never, Kept::Pooled] {
        let backend = Backend::start(|stream, _| async move { drop(stream) }).await;
        let sent = Setup::plain(&backend).send(kept).await;
        // Whether the client noticed before its first byte is a matter of timing.
        assert!(["lost", "not sent"].contains(&word(&sent).as_str()), "{sent:?}");
        assert_eq!(backend.connections(), 1, "{sent:?}");
    }
}

#[tokio::test]
async fn a_silent_backend_is_lost_at_the_deadline() {
    for head in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"] {
        let backend = Backend::start(move |mut stream, log| async move {
            read_request(&mut stream, &log).await;
            let _ = stream.write_all(head).await;
            std::future::pending::<()>().await;
        })
        .await;
        let setup = Setup::plain(&backend);
        let sent = setup.send_within(Kept::Never, Duration::from_millis(300)).await;
        assert!(matches!(&sent, Sent::Lost { why } if why.contains("time-out")), "{sent:?}");
        assert_eq!(backend.requests().len(), 1);
    }
}

/// Answers the first request of each connection and closes at the second.
async fn once_per_connection() -> Backend {
    Backend::start(|mut stream, log| async move {
        read_request(&mut stream, &log).await;
        let _ = stream.write_all(&answer(200, "{}")).await;
        read_request(&mut stream, &log).await;
    })
    .await
}

#[tokio::test]
async fn each_write_has_its_own_connection() {
    let backend = once_per_connection().await;
    let setup = Setup::plain(&backend);
    for _ in 0..3 {
        assert_eq!(word(&setup.send(Kept::Never).await), "200");
    }
    assert_eq!((backend.connections(), backend.requests().len()), (3, 3));
}

/// The trap: a kept connection that dies under a request, which a client library
/// may take for stale and quietly try again.
#[tokio::test]
async fn a_kept_connection_that_dies_under_a_request_repeats_nothing() {
    let backend = once_per_connection().await;
    let setup = Setup::plain(&backend);
    assert_eq!(word(&setup.send(Kept::Pooled).await), "200");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = setup.send(Kept::Pooled).await;
    assert_eq!(backend.requests().len(), 2, "{second:?}");
    // Lost where the kept connection was used again, as it should be.
    assert_eq!((word(&second).as_str(), backend.connections()), ("lost", 1));
}

#[tokio::test]
async fn reads_that_succeed_open_no_way_to_writes_that_fail() {
    // Every second request is a read here: it is answered, a write is not.
    let backend = Backend::start(|mut stream, log| async move {
        while read_request(&mut stream, &log).await.is_some_and(|number| number % 2 == 0) {
            let _ = stream.write_all(&answer(200, "{}")).await;
        }
    })
    .await;
    let setup = Setup::plain(&backend);
    for _ in 0..5 {
        assert_eq!(word(&setup.send(Kept::Never).await), "lost");
        assert_eq!(word(&setup.send(Kept::Pooled).await), "200");
    }
    assert_eq!(word(&setup.send(Kept::Never).await), "not sent");
    assert_eq!(backend.requests().len(), 10, "the sixth write was held back");
    assert!(setup.is_left_alone());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let location = target.url();
    let backend = Backend::start(move |mut stream, log| {
        let location = location.clone();
        async move {
            read_request(&mut stream, &log).await;
            let head =
                format!("HTTP/1.1 307 T\r\nlocation: {location}/x\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
        }
    })
    .await;
    assert_eq!(word(&Setup::plain(&backend).send(Kept::Never).await), "307");
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn the_guard_stands_at_the_last_hop() {
    let backend = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let local = format!("http://localhost:{}", backend.port());
    for (base, egress) in [
        // A name that points inside.
        (local.clone(), json!({"hosts": ["localhost"], "private_networks": []})),
        // A literal address, for which no resolver is asked.
        (backend.url(), json!({"hosts": ["127.0.0.1"], "private_networks": []})),
        // A host off the list.
        (local.clone(), json!({"hosts": ["other"]})),
        // Plain http that nobody allowed.
        (local, json!({"hosts": ["localhost"], "plain_http": false})),
    ] {
        let sent = Setup::at(&base, egress.clone()).send(Kept::Never).await;
        assert_eq!(word(&sent), "not sent: Egress", "{base} {egress}: {sent:?}");
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn the_answers_headers_are_reported() {
    let backend = answering(
        b"HTTP/1.1 429 Slow\r\nretry-after: 3\r\nidempotent-replayed: true\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    let sent = Setup::plain(&backend).send(Kept::Never).await;
    let retry_after = Some(Duration::from_secs(3));
    assert_eq!(sent, Sent::Answered { status: 429, retry_after, replayed: true, body: Vec::new() });
}

#[tokio::test]
async fn exactly_the_intents_bytes_arrive() {
    let backend = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    Setup::plain(&backend).send(Kept::Never).await;
    let request = backend.requests().remove(0);
    assert!(request.starts_with("POST /v1/orders/a%2Fb?q=%C3%A4&l[0]=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"a\": 1}"), "{request}");
    assert!(request.contains("\r\nidempotency-key: key-1\r\n"), "{request}");
}
