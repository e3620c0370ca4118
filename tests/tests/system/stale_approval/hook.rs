//! A receiver of notices that fails at first.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

pub const SECRET: &str = "a-secret-of-the-hook";

/// What arrived: its signature and its text.
type Arrived = Arc<Mutex<Vec<(String, String)>>>;

pub struct Hook {
    pub url: String,
    arrived: Arrived,
}

impl Hook {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let arrived = Arrived::default();
        let router = Router::new().route("/hook", post(take)).with_state(Arc::clone(&arrived));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, arrived }
    }

    /// The notices, once there are as many.
    pub async fn notices(&self, count: usize) -> Vec<Value> {
        while self.arrived.lock().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let arrived = self.arrived.lock();
        arrived.iter().map(|(signature, body)| checked(signature, body)).collect()
    }
}

async fn take(State(arrived): State<Arrived>, headers: HeaderMap, body: String) -> StatusCode {
    let signature = headers["Countersign-Signature"].to_str().unwrap().to_owned();
    let mut arrived = arrived.lock();
    arrived.push((signature, body));
    if arrived.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

fn checked(signature: &str, body: &str) -> Value {
    use aws_lc_rs::hmac;
    let (time, mark) = signature.split_once(',').unwrap();
    let signed = format!("{}.{body}", time.strip_prefix("t=").unwrap());
    let mark = hex::decode(mark.strip_prefix("v1=").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &mark).unwrap();
    serde_json::from_str(body).unwrap()
}
