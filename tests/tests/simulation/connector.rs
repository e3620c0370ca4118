//! How an executor reaches the shop: one connection for each request, and an honest word
//! on how far it came.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_executor::ports::Backends;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, timeout_at};
use turmoil::net::TcpStream;

use super::shop;
use super::wire;

/// The only way out.
pub struct Connector;

impl Connector {
    async fn exchange(request: &WireRequest, limit: Duration) -> Sent {
        let end = Instant::now() + limit;
        let dialled = timeout_at(end, TcpStream::connect((shop::HOST, shop::PORT))).await;
        let mut stream = match dialled {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return not_sent(error.to_string()),
            Err(_) => return not_sent("no answer to the knock".to_owned()),
        };
        let key =
            request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
        let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
        let frame = json!({ "method": request.method, "path": request.path, "body": body,
                            "key": key.map(|(_, key)| key) });
        let exchange = async {
            wire::put(&mut stream, &frame).await?;
            wire::get(&mut stream).await
        };
        match timeout_at(end, exchange).await {
            Ok(Ok(reply)) => answered(&reply),
            Ok(Err(error)) => Sent::Lost { why: error.kind().to_string() },
            Err(_) => Sent::Lost { why: "no answer in time".to_owned() },
        }
    }
}

fn not_sent(why: String) -> Sent {
    Sent::NotSent { barrier: Barrier::Unreachable, why }
}

fn answered(reply: &Json) -> Sent {
    Sent::Answered {
        status: reply["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(500),
        retry_after: reply["retry_after_ms"].as_u64().map(Duration::from_millis),
        replayed: reply["replayed"] == true,
        body: reply["body"].to_string().into_bytes(),
    }
}

#[async_trait]
impl Backends for Connector {
    fn account(&self, _tenant: &str, _pack: &str) -> Option<Account> {
        Some(Account { account: "shop".to_owned(), credential: "none".to_owned() })
    }

    async fn send(&self, _subject: &Subject, contract: &Contract, request: &WireRequest) -> Sent {
        Self::exchange(request, contract.pack.timeout).await
    }

    async fn read(
        &self,
        _subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        answer::read(contract, &Self::exchange(request, contract.pack.timeout).await)
    }
}

impl Connector {
    pub fn backends() -> Arc<dyn Backends> {
        Arc::new(Self)
    }
}
