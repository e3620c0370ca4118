//! What counts as an acknowledgement over HTTP.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse as _;
use jiff::Timestamp;
use parking_lot::Mutex;
use prost::Message as _;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::ports::SystemClock;
use crate::siem::sink::proto::{Answer, Export, Partial, of};

type Heard = Arc<Mutex<Vec<(String, String, Vec<u8>)>>>;

/// A receiver that gives these answers, one after the other: status and body.
struct Receiver {
    answers: Mutex<Vec<(u16, Vec<u8>)>>,
    heard: Heard,
}

async fn answer(
    State(receiver): State<Arc<Receiver>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let token = headers.get("authorization").map_or("", |token| token.to_str().unwrap());
    receiver.heard.lock().push((uri.path().to_owned(), token.to_owned(), body.to_vec()));
    let (status, body) = receiver.answers.lock().remove(0);
    (axum::http::StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// A sink of this kind that hears these answers.
async fn sink(kind: &str, path: &str, answers: Vec<(u16, Vec<u8>)>) -> (Sink, Heard, TempDir) {
    let heard = Heard::default();
    let receiver = Receiver { answers: Mutex::new(answers), heard: Arc::clone(&heard) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::new(receiver));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = json!({ "name": "soc", "to": { kind: {
        "url": url, "credential": "token", "private_networks": ["127.0.0.0/8"], "plain_http": true,
    } } });
    let settings: SinkConfig = serde_json::from_value(settings).unwrap();
    let vault = Vault::open(folder.path()).unwrap();
    (Sink::new(&settings, &vault, &SystemClock).unwrap(), heard, folder)
}

fn events() -> Vec<Event> {
    let event = |n: i64| Event {
        at: Timestamp::from_millisecond(1_700_000_000_000 + n).unwrap(),
        severity: 3,
        body: json!({ "n": n }),
    };
    vec![event(1), event(2)]
}

fn text(text: &str) -> (u16, Vec<u8>) {
    (200, text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_collector_without_acknowledgements_counts_once_it_took_the_batch() {
    let (sink, heard, _folder) = sink("splunk_hec", "", vec![text(r#"{"code":0}"#)]).await;
    sink.send(events()).await.unwrap();
    let heard = heard.lock();
    let (path, token, body) = heard.first().unwrap();
    assert_eq!((path.as_str(), token.as_str()), ("/services/collector/event", "Splunk s3cret"));
    let first = body.split(|byte| *byte == b'\n').next().unwrap();
    let first: serde_json::Value = serde_json::from_slice(first).unwrap();
    assert_eq!(first.get("time").unwrap(), "1700000000.001");
    assert_eq!(first.get("event").unwrap(), &json!({ "n": 1 }));
}

#[tokio::test]
async fn a_collector_with_acknowledgements_counts_once_it_has_indexed_the_batch() {
    let answers = vec![
        text(r#"{"code":0,"ackId":7}"#),
        text(r#"{"acks":{"7":false}}"#),
        text(r#"{"acks":{"7":true}}"#),
    ];
    let (sink, heard, _folder) = sink("splunk_hec", "", answers).await;
    sink.send(events()).await.unwrap();
    let heard = heard.lock();
    assert_eq!(heard.len(), 3);
    assert_eq!(heard.last().unwrap().0, "/services/collector/ack");
}

#[tokio::test]
async fn everything_else_is_no_acknowledgement_and_shows_no_token() {
    for answer in [(503, vec![]), (401, vec![]), (302, vec![]), text("ok"), text(r#"{"code":9}"#)] {
        let (sink, _, _folder) = sink("splunk_hec", "", vec![answer.clone()]).await;
        let why = sink.send(events()).await.unwrap_err();
        assert!(!why.contains("s3cret"), "{why}");
    }
    let rejects = Answer { partial_success: Some(Partial { rejected: 1 }) };
    for answer in [(429, vec![]), (200, rejects.encode_to_vec()), text("<html>")] {
        let (sink, _, _folder) = sink("otlp", "/v1/logs", vec![answer]).await;
        sink.send(events()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_collector_of_logs_hears_protobuf() {
    let (sink, heard, _folder) = sink("otlp", "/v1/logs", vec![(200, vec![])]).await;
    sink.send(events()).await.unwrap();
    let heard = heard.lock();
    let (path, token, body) = heard.first().unwrap();
    assert_eq!((path.as_str(), token.as_str()), ("/v1/logs", "Bearer s3cret"));
    assert_eq!(Export::decode(body.as_slice()).unwrap(), of(&events()));
}

/// Read once by the published messages of OpenTelemetry (opentelemetry-proto 1.45.2).
#[test]
fn the_bytes_are_those_of_the_published_messages() {
    let bytes = hex::encode(of(&events()).encode_to_vec());
    let published = "\
    0a8c010a280a260a0c736572766963652e6e616d6512160a14636f756e7465727369676e2d657865637574\
    6f721260122e0940423936fe9c9717100d1a045741524e2a090a077b226e223a317d6210636f756e746572\
    7369676e2e6f637366122e0980844836fe9c9717100d1a045741524e2a090a077b226e223a327d6210636f\
    756e7465727369676e2e6f637366\
    ";
    assert_eq!(bytes, published);
}
