//! A house that prints letters: it prints every one that it is asked for, and every second
//! time nobody hears of it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use axum::body::Body;

/// How the house answers a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// With the letter's number.
    Answers,
    /// The connection is cut without a byte.
    Cuts,
    /// The connection is cut in the middle of the answer.
    Breaks,
    /// It stays open, and nothing comes.
    Hangs,
}

impl Manner {
    /// Half of the orders hear nothing that helps.
    pub fn of(order: u64) -> Self {
        match order % 6 {
            0 => Self::Cuts,
            2 => Self::Breaks,
            4 => Self::Hangs,
            _ => Self::Answers,
        }
    }
}

/// A letter that was printed.
#[derive(Clone)]
struct Letter {
    order: u64,
    reference: String,
}

/// The house; what it printed is the oracle.
pub struct Press {
    pub url: String,
    printed: Arc<Mutex<Vec<Letter>>>,
}

impl Press {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let printed = Arc::<Mutex<Vec<Letter>>>::default();
        let letters = Arc::clone(&printed);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, Arc::clone(&letters)));
            }
        });
        Self { url, printed }
    }

    /// How many letters there are, by order.
    pub fn by_order(&self) -> BTreeMap<u64, usize> {
        counted(self.printed.lock().iter().map(|letter| letter.order))
    }

    /// How many letters there are, by the key in them.
    pub fn by_key(&self) -> BTreeMap<String, usize> {
        counted(self.printed.lock().iter().map(|letter| letter.reference.clone()))
    }
}

fn counted<K: Ord>(each: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    each.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

#[derive(Debug, thiserror::Error)]
#[error("the house cuts this connection")]
struct WasCut;

async fn connection(stream: TcpStream, printed: Arc<Mutex<Vec<Letter>>>) {
    let service = service_fn(|request: Request<Incoming>| answer(request, &printed));
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    printed: &Mutex<Vec<Letter>>,
) -> Result<Response<Body>, WasCut> {
    let path = request.uri().path().to_owned();
    let customer = "gid://shopify/Customer/1";
    if request.method() == Method::POST {
        let body = axum::body::to_bytes(Body::new(request.into_body()), 1 << 16).await;
        return print(&body.map_err(|_| WasCut)?, printed).await;
    }
    match path.trim_start_matches('/').split_once('/') {
        Some(("orders", _)) => Ok(said(StatusCode::OK, &json!({ "customer_id": customer }))),
        Some(("letters", id)) => {
            let number = id.strip_prefix("ltr_").and_then(|n| n.parse::<usize>().ok());
            let letter = number.and_then(|n| printed.lock().get(n).cloned());
            let order = letter.map(|letter| letter.order.to_string());
            Ok(said(StatusCode::OK, &json!({ "id": id, "order": order, "customer_id": customer })))
        }
        _ => Ok(said(StatusCode::NOT_FOUND, &json!({}))),
    }
}

async fn print(body: &[u8], printed: &Mutex<Vec<Letter>>) -> Result<Response<Body>, WasCut> {
    let body: Value = serde_json::from_slice(body).map_err(|_| WasCut)?;
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let order = text("order").parse().map_err(|_| WasCut)?;
    let id = {
        let mut printed = printed.lock();
        printed.push(Letter { order, reference: text("reference") });
        format!("ltr_{}", printed.len() - 1)
    };
    match Manner::of(order) {
        Manner::Answers => Ok(said(StatusCode::CREATED, &json!({ "id": id }))),
        Manner::Cuts => Err(WasCut),
        Manner::Breaks => {
            let half = [Ok(Bytes::from("{ \"id\": \"lt")), Err(WasCut)];
            let body = Body::from_stream(futures_util::stream::iter(half));
            let mut response = Response::new(body);
            *response.status_mut() = StatusCode::CREATED;
            Ok(response)
        }
        Manner::Hangs => Ok(std::future::pending::<Result<_, Infallible>>().await.unwrap()),
    }
}

fn said(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
