//! The backend: a till with one read and two write end points, as fast as it gets.
//! It remembers every effect: a refund is one however often its key lands, a credit is
//! one each time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

/// What every sale was paid with.
pub const PAID: &str = "5.00";

/// Requests and effects of one side.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    pub reads: u64,
    pub writes: u64,
    /// Keys of the effects on each sale.
    pub effects: BTreeMap<u64, Vec<String>>,
}

type Ledgers = Arc<Mutex<BTreeMap<String, Ledger>>>;

/// A running till. Its first path segment says for whom it works.
pub struct Till {
    address: SocketAddr,
    ledgers: Ledgers,
}

#[derive(Deserialize)]
struct Payment {
    amount: String,
    note: String,
}

impl Till {
    pub async fn start() -> Self {
        let ledgers = Ledgers::default();
        let router = Router::new()
            .route("/{side}/sales/{id}", get(sale))
            .route("/{side}/sales/{id}/refunds", post(refund))
            .route("/{side}/sales/{id}/credits", post(credit))
            .with_state(Arc::clone(&ledgers));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, ledgers }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn ledger(&self, side: &str) -> Ledger {
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
    let effects = ledger.effects.get(&id).map(Vec::as_slice).unwrap_or_default();
    let marks: Vec<_> = effects
        .iter()
        .map(|key| json!({ "key": key, "amount": PAID, "currency": "USD" }))
        .collect();
    let sale = json!({
        "id": id.to_string(), "owner": "ann", "open": true, "paid": PAID, "currency": "USD",
        "marks": marks,
    });
    (StatusCode::OK, Json(sale))
}

/// The same request again has no second effect.
async fn refund(
    state: State<Ledgers>,
    path: Path<(String, u64)>,
    headers: HeaderMap,
    Json(payment): Json<Payment>,
) -> (StatusCode, Json<Value>) {
    land(state, path, &headers, payment, |keys, key| {
        if !keys.contains(&key) {
            keys.push(key);
        }
    })
}

/// Each landing is an effect.
async fn credit(
    state: State<Ledgers>,
    path: Path<(String, u64)>,
    headers: HeaderMap,
    Json(payment): Json<Payment>,
) -> (StatusCode, Json<Value>) {
    land(state, path, &headers, payment, Vec::push)
}

fn land(
    State(ledgers): State<Ledgers>,
    Path((side, id)): Path<(String, u64)>,
    headers: &HeaderMap,
    payment: Payment,
    take: impl FnOnce(&mut Vec<String>, String),
) -> (StatusCode, Json<Value>) {
    if !known(headers) || payment.amount != PAID {
        return (StatusCode::BAD_REQUEST, Json(Value::Null));
    }
    let mut ledgers = ledgers.lock();
    let ledger = ledgers.entry(side).or_default();
    ledger.writes += 1;
    take(ledger.effects.entry(id).or_default(), payment.note);
    (StatusCode::CREATED, Json(json!({ "sale": id.to_string() })))
}

fn known(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|v| v.as_bytes() == b"Bearer till-token")
}
