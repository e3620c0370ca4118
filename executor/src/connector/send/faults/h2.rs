//! HTTP/2, frame by frame: only what the server says it did not process is not sent.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::backend::Log;
use super::tls::identity;
use super::{Kept, word};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

fn reset(code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &code.to_be_bytes())
}

/// `:status 200` by its static table index, without a body.
pub(super) fn ok() -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x88])
}

/// Takes the preface and the first request's head, then writes these bytes, ends.
pub(super) async fn script(
    mut stream: TlsStream<TcpStream>,
    log: Arc<Log>,
    bytes: Vec<u8>,
) -> Option<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.ok()?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        if head[3] == HEADERS {
            break;
        }
    }
    log.request("HEADERS".to_owned());
    stream.write_all(&bytes).await.ok()?;
    stream.shutdown().await.ok()
}

#[tokio::test]
async fn what_the_server_did_not_process_was_not_sent() {
    let identity = identity("127.0.0.1", &[b"h2"]);
    let ca = identity.ca.clone();
    for (what, bytes, expected) in [
        ("an answer", ok(), "200"),
        ("refused stream", reset(REFUSED_STREAM), "not sent"),
        ("going away below the stream", goaway(0, 0), "not sent"),
        ("going away below the stream, with an error", goaway(0, INTERNAL_ERROR), "not sent"),
        ("reset", reset(INTERNAL_ERROR), "lost"),
        ("going away at the stream, then the end", goaway(1, 0), "lost"),
        ("going away at the stream with an error, then the end", goaway(1, INTERNAL_ERROR), "lost"),
        ("going away later, then the end", goaway(0x7fff_ffff, 0), "lost"),
        ("going away at the stream, then an answer", [goaway(1, 0), ok()].concat(), "200"),
        (
            "going away at the stream, then a reset",
            [goaway(1, 0), reset(INTERNAL_ERROR)].concat(),
            "lost",
        ),
        ("the end", Vec::new(), "lost"),
        ("garbage", b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "lost"),
        ("a frame out of place", frame(SETTINGS, 0, 1, &[]), "lost"),
    ] {
        for kept in [Kept::Never, Kept::Pooled] {
            let bytes = bytes.clone();
            let backend = identity
                .serve(move |stream, log| {
                    let bytes = bytes.clone();
                    async move {
                        script(stream, log, bytes).await;
                    }
                })
                .await;
            let sent = identity.setup(&backend, Some(&ca)).send(kept).await;
            assert_eq!(word(&sent), expected, "{what}: {sent:?}");
            assert_eq!(backend.requests().len(), 1, "{what}: sent more than once");
        }
    }
}
