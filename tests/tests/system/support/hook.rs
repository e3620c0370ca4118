//! A receiver of notices that fails at first.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::canary;

/// What arrived: its signature and its text.
type Arrived = Arc<Mutex<Vec<(String, String)>>>;

pub struct Hook {
    pub url: String,
    arrived: Arrived,
}

impl Hook {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{}", listener.local_addr().unwrap(), Self::place());
        let arrived = Arrived::default();
        let router = Router::new().route("/{place}", post(take)).with_state(Arc::clone(&arrived));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, arrived }
    }

    /// What signs its notices.
    pub fn secret() -> String {
        canary::secret("hook")
    }

    /// The path of its URL: who knows it can write there.
    pub fn place() -> String {
        canary::secret("place").replace(|c: char| !(c.is_ascii_alphanumeric() || c == '.'), "")
    }

    /// What arrived: bodies only, since a signature is made to be shown.
    pub fn bodies(&self) -> String {
        self.arrived.lock().iter().map(|(_, body)| body.as_str()).collect()
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
    let key = hmac::Key::new(hmac::HMAC_SHA256, Hook::secret().as_bytes());
    hmac::verify(&key, signed.as_bytes(), &mark).unwrap();
    serde_json::from_str(body).unwrap()
}
