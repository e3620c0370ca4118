//! An event collector with indexer acknowledgement, as troublesome as a test wants it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

/// What it does with a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// Takes it, and indexes it when it is asked whether it has.
    Good,
    /// Says no.
    Refuses,
    /// Takes it in, and never answers.
    Hangs,
    /// Indexes half of it, and says no.
    Half,
    /// Indexes all of it, and says no.
    Lies,
    /// Takes it, and never says that it is indexed.
    Forgets,
}

#[derive(Default)]
struct Kept {
    mood: Option<Mood>,
    /// Batches with events of the log, while in this mood.
    hits: usize,
    indexed: Vec<Value>,
    pending: BTreeMap<u64, Vec<Value>>,
    acks: u64,
    wrong: Vec<String>,
}

type Shared = Arc<Mutex<Kept>>;

pub struct Collector {
    kept: Shared,
    address: SocketAddr,
    runtime: Option<Runtime>,
    token: String,
}

impl Collector {
    pub fn start(token: &str) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let kept = Shared::default();
        let mut collector = Self { kept, address, runtime: None, token: token.to_owned() };
        collector.restart();
        collector
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it without a word, with all that it had only taken, and starts it again.
    pub fn restart(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.kept.lock().pending.clear();
        let runtime = Runtime::new().unwrap();
        let state = (Arc::clone(&self.kept), format!("Splunk {}", self.token));
        let address = self.address;
        runtime.spawn(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            // The last one may still hold the address.
            while socket.bind(address).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let router = Router::new()
                .route("/services/collector/event", post(take))
                .route("/services/collector/ack", post(acknowledge))
                .with_state(state);
            axum::serve(socket.listen(64).unwrap(), router).await.unwrap();
        });
        self.runtime = Some(runtime);
    }

    pub fn turns(&self, mood: Mood) {
        let mut kept = self.kept.lock();
        (kept.mood, kept.hits) = (Some(mood), 0);
    }

    /// Waits until it had so many batches with events of the log, in its mood of now.
    pub async fn is_hit(&self, times: usize) {
        while self.kept.lock().hits < times {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What a search would find.
    pub fn indexed(&self) -> Vec<Value> {
        let kept = self.kept.lock();
        assert!(kept.wrong.is_empty(), "{:?}", kept.wrong);
        kept.indexed.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn take(
    State((kept, token)): State<(Shared, String)>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let events = serde_json::Deserializer::from_str(&body).into_iter::<Value>();
    let events: Vec<_> = events.map(|event| event.unwrap()).collect();
    let mood = {
        let mut kept = kept.lock();
        if headers["authorization"].as_bytes() != token.as_bytes()
            || !headers.contains_key("x-splunk-request-channel")
        {
            kept.wrong.push(format!("{headers:?}"));
        }
        kept.hits += usize::from(events.iter().any(|event| index(event).is_some()));
        kept.mood.unwrap_or(Mood::Good)
    };
    let half = events.len() / 2;
    match mood {
        Mood::Good | Mood::Forgets => {
            let mut kept = kept.lock();
            kept.acks += 1;
            let ack = kept.acks;
            kept.pending.insert(ack, events);
            return Ok(Json(json!({ "text": "Success", "code": 0, "ackId": ack })));
        }
        Mood::Refuses => {}
        Mood::Hangs => std::future::pending().await,
        Mood::Half => kept.lock().indexed.extend(events.into_iter().take(half)),
        Mood::Lies => kept.lock().indexed.extend(events),
    }
    Err(StatusCode::SERVICE_UNAVAILABLE)
}

async fn acknowledge(
    State((kept, _)): State<(Shared, String)>,
    Json(asked): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let mut kept = kept.lock();
    let ack = asked["acks"][0].as_u64().unwrap();
    let indexed = kept.mood != Some(Mood::Forgets);
    if indexed {
        // Since its restart it knows nothing of the channel.
        let events = kept.pending.remove(&ack).ok_or(StatusCode::BAD_REQUEST)?;
        kept.indexed.extend(events);
    }
    Ok(Json(json!({ "acks": { ack.to_string(): indexed } })))
}

/// The place in the log of a wrapped event; none for a heartbeat.
pub fn index(event: &Value) -> Option<u64> {
    event.pointer("/event/unmapped/countersign/log/index").and_then(Value::as_u64)
}
