//! The backend: a till with one read and one write end point, as fast as it gets.
//! It remembers every effect.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

/// What every sale was paid with.
pub(super) const PAID: &str = "5.00";
/// The credential that everybody has.
pub(super) const TOKEN: &str = "till-token";

/// Requests and effects of one side.
#[derive(Debug, Default, Clone)]
pub(super) struct Ledger {
    pub(super) reads: u64,
    pub(super) writes: u64,
    /// Keys of the refunds of each sale.
    pub(super) refunds: BTreeMap<u64, Vec<String>>,
}

type Ledgers = Arc<Mutex<BTreeMap<String, Ledger>>>;

/// A running till. Its first path segment says for whom it works.
pub(super) struct Till {
    address: SocketAddr,
    ledgers: Ledgers,
}

#[derive(Deserialize)]
struct Refund {
    amount: String,
    note: String,
}

impl Till {
    /// Serves as long as the runtime lives.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let ledgers = Ledgers::default();
        let router = Router::new()
            .route("/{side}/sales/{id}", get(sale))
            .route("/{side}/sales/{id}/refunds", post(refund))
            .with_state(Arc::clone(&ledgers));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, ledgers })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn ledger(&self, side: &str) -> Ledger {
        self.ledgers.lock().get(side).cloned().unwrap_or_default()
    }
}

async fn sale(
    State(ledgers): State<Ledgers>,
    Path((side, id)): Path<(String, u64)>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    if !known(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(Value::Null));
    }
    let mut ledgers = ledgers.lock();
    let ledger = ledgers.entry(side).or_default();
    ledger.reads += 1;
    let refunds = ledger.refunds.get(&id).map(Vec::as_slice).unwrap_or_default();
    let marks: Vec<_> = refunds
        .iter()
        .map(|key| json!({ "key": key, "amount": PAID, "currency": "USD" }))
        .collect();
    let sale = json!({
        "id": id.to_string(), "owner": "ann", "open": true, "paid": PAID, "currency": "USD",
        "marks": marks,
    });
    (StatusCode::OK, Json(sale))
}

async fn refund(
    State(ledgers): State<Ledgers>,
    Path((side, id)): Path<(String, u64)>,
    headers: HeaderMap,
    Json(refund): Json<Refund>,
) -> (StatusCode, Json<Value>) {
    if !known(&headers) || refund.amount != PAID {
        return (StatusCode::BAD_REQUEST, Json(Value::Null));
    }
    let mut ledgers = ledgers.lock();
    let ledger = ledgers.entry(side).or_default();
    ledger.writes += 1;
    let keys = ledger.refunds.entry(id).or_default();
    // The same request again has no second effect.
    if !keys.contains(&refund.note) {
        keys.push(refund.note);
    }
    (StatusCode::CREATED, Json(json!({ "sale": id.to_string() })))
}

fn known(headers: &HeaderMap) -> bool {
    let wanted = format!("Bearer {TOKEN}");
    headers.get("authorization").is_some_and(|v| v.as_bytes() == wanted.as_bytes())
}
