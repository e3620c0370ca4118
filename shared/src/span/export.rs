//! Ended spans on their way to a collector. Nobody waits for it: what finds no place in
//! the queue, or no collector, is counted and gone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::uri::PathAndQuery;
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::{Begun, otlp};

/// Spans that wait at most.
const QUEUE: usize = 4096;
/// Spans of one request.
const BATCH: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_millis(500);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

static QUEUED: OnceLock<mpsc::Sender<Item>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

enum Item {
    Span(Box<Begun>, SystemTime),
    Flush(oneshot::Sender<()>),
}

/// Where spans go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// OTLP over gRPC, such as `http://127.0.0.1:4317`: a collector beside this process.
    pub otlp: String,
}

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No address.
    #[error("telemetry.otlp: `{0}` is not an address such as http://127.0.0.1:4317")]
    Address(String),
    /// Started before.
    #[error("telemetry is already started: start it once")]
    Twice,
}

/// Sends what ends from here on, as this service. Call it within a runtime.
///
/// # Errors
/// An address that is none.
pub fn start(telemetry: &Telemetry, service: &'static str) -> Result<(), ExportError> {
    let wrong = || ExportError::Address(telemetry.otlp.clone());
    let plain = telemetry.otlp.starts_with("http://");
    let endpoint = Endpoint::from_shared(telemetry.otlp.clone()).ok().filter(|_| plain);
    let endpoint = endpoint.ok_or_else(wrong)?.connect_timeout(PATIENCE).timeout(PATIENCE);
    let (queue, items) = mpsc::channel(QUEUE);
    QUEUED.set(queue).map_err(|_| ExportError::Twice)?;
    tokio::spawn(send(items, endpoint.connect_lazy(), service));
    Ok(())
}

/// Waits until what has ended is sent, but not for long.
pub async fn flush() {
    let Some(queue) = QUEUED.get() else { return };
    let (done, heard) = oneshot::channel();
    let flushed = async {
        if queue.send(Item::Flush(done)).await.is_ok() {
            let _ended = heard.await;
        }
    };
    let _late = tokio::time::timeout(PATIENCE, flushed).await;
}

/// How many spans were lost.
#[must_use]
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Takes a span that has ended.
pub(super) fn ended(begun: Begun) {
    let Some(queue) = QUEUED.get() else { return };
    let item = Item::Span(Box::new(begun), SystemTime::now());
    if queue.try_send(item).is_err() {
        lose(1);
    }
}

fn lose(count: usize) {
    LOST.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

async fn send(mut items: mpsc::Receiver<Item>, channel: Channel, service: &'static str) {
    let mut told = 0;
    let mut gathered = Vec::new();
    while items.recv_many(&mut gathered, BATCH).await > 0 {
        let mut waiting = Vec::new();
        let mut spans = Vec::new();
        if !gathered.iter().any(|item| matches!(item, Item::Flush(_))) {
            tokio::time::sleep(GATHER).await;
        }
        for item in gathered.drain(..) {
            match item {
                Item::Span(begun, at) => spans.push(otlp::span(*begun, at)),
                Item::Flush(done) => waiting.push(done),
            }
        }
        let count = spans.len();
        if count > 0 && export(&channel, otlp::request(service, spans)).await.is_err() {
            lose(count);
        }
        if lost() > told {
            told = lost();
            tracing::warn!(lost = told, "spans were lost: the collector does not take them");
        }
        for done in waiting {
            let _left = done.send(());
        }
    }
}

async fn export(channel: &Channel, request: otlp::Request) -> Result<(), tonic::Status> {
    let mut client = Grpc::new(channel.clone());
    let unavailable = |e: tonic::transport::Error| tonic::Status::unavailable(e.to_string());
    client.ready().await.map_err(unavailable)?;
    let codec = ProstCodec::<otlp::Request, otlp::Response>::default();
    let path = PathAndQuery::from_static(otlp::EXPORT);
    client.unary(tonic::Request::new(request), path, codec).await.map(drop)
}
