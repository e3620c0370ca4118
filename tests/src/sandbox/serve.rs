//! The door: plain HTTP/1.1, the API's endpoint, and connections that can be cut without a word.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::routing::{any, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::shopify::PATH;
use super::stripe::Asked;
use super::world::{Answer, Held, World};
use super::{control, page};

/// The world behind its lock; never held across a wait.
pub(super) type Shared = Arc<Mutex<World>>;

/// Serves until dropped or aborted; connections end with it.
pub(super) async fn serve(listener: TcpListener, world: Shared) {
    let router = router(world);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(stream, router.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

fn router(world: Shared) -> Router {
    Router::new()
        .route(PATH, post(graphql))
        .route("/v1/{*path}", any(stripe))
        .merge(control::routes())
        .merge(page::routes())
        .layer(middleware::from_fn(label))
        .with_state(world)
}

/// Everything that leaves says that it is a sandbox.
async fn label(request: Request<Body>, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-sandbox", HeaderValue::from_static("countersign"));
    response
}

/// Longest body of a form, in bytes.
const LARGEST: usize = 1 << 20;

/// Marks a response that must not be sent.
#[derive(Clone)]
struct Cut;

#[derive(Debug, thiserror::Error)]
#[error("the sandbox cuts this connection")]
struct WasCut;

async fn connection(stream: TcpStream, router: Router) {
    // Without it small answers wait for the other side's delayed acknowledgement.
    let _best_effort = stream.set_nodelay(true);
    let service = service_fn(|request: Request<Incoming>| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request.map(Body::new)).await;
            if response.extensions().get::<Cut>().is_some() { Err(WasCut) } else { Ok(response) }
        }
    });
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn graphql(State(world): State<Shared>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let token = headers.get("x-shopify-access-token").and_then(|value| value.to_str().ok());
    let answer = world.lock().shopify_request(token, &body);
    wait(&world, answer).await
}

async fn stripe(State(world): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        token: header("authorization").and_then(|v| v.strip_prefix("Bearer ").map(str::to_owned)),
        key: header("idempotency-key"),
        version: header("stripe-version"),
        body: axum::body::to_bytes(body, LARGEST).await.unwrap_or_default().into(),
    };
    let answer = world.lock().stripe_request(&asked);
    wait(&world, answer).await
}

async fn wait(world: &Shared, answer: Answer) -> Response<Body> {
    // A caller that hangs up while it waits drops this future: the keys go free either way.
    let _holding = Holding { world, held: &answer.held };
    if !answer.after.is_zero() {
        tokio::time::sleep(answer.after).await;
    }
    respond(&answer)
}

fn respond(answer: &Answer) -> Response<Body> {
    let body = answer.instead.clone().unwrap_or_else(|| answer.body.to_string());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Ok(id) = HeaderValue::from_str(&answer.request_id) {
        headers.insert("x-request-id", id);
    }
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if answer.cut {
        response.extensions_mut().insert(Cut);
    }
    response
}

struct Holding<'h> {
    world: &'h Shared,
    held: &'h Held,
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.world.lock().release(self.held);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::sandbox::{Config, Fault, FaultSpec, Sandbox};

    const UPDATE: &str = "mutation { orderUpdate(input: {id: \"gid://shopify/Order/1001\", note: \"n\"}) { userErrors { message } } }";

    /// Everything the other side sends until it closes.
    async fn exchange(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\ncontent-type: application/json\r\n\
             x-shopify-access-token: sandbox-token\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _cut_is_fine = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn update(sandbox: &Sandbox) -> String {
        exchange(sandbox, "POST", PATH, &json!({ "query": UPDATE }).to_string()).await
    }

    #[tokio::test]
    async fn a_lost_reply_sends_not_one_byte_though_the_effect_happened() {
        let sandbox = Sandbox::start(Config::default()).await.unwrap();
        sandbox.fault(Fault::LostReply);
        assert_eq!(update(&sandbox).await, "");
        assert_eq!(sandbox.ledger().len(), 1);
        assert!(update(&sandbox).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn faults_are_ordered_over_http_and_everything_is_labelled() {
        let sandbox = Sandbox::start(Config::default()).await.unwrap();
        let order = json!({ "fault": "rate_limited" }).to_string();
        assert!(
            exchange(&sandbox, "POST", "/sandbox/faults", &order).await.starts_with("HTTP/1.1 201")
        );
        let answer = update(&sandbox).await;
        assert!(
            answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 1"),
            "{answer}"
        );
        let staff = json!({ "order": "#1001", "act": "note", "note": "called them" }).to_string();
        assert!(
            exchange(&sandbox, "POST", "/sandbox/staff", &staff).await.starts_with("HTTP/1.1 200")
        );
        for path in [
            "/",
            "/sandbox/ledger",
            "/sandbox/requests",
            "/sandbox/faults",
            "/sandbox/state/orders/1001",
            "/nowhere",
        ] {
            let answer = exchange(&sandbox, "GET", path, "").await;
            assert!(answer.contains("x-sandbox: countersign"), "{path}: {answer}");
        }
        assert!(exchange(&sandbox, "GET", "/", "").await.contains("SANDBOX"));
        assert!(exchange(&sandbox, "GET", "/sandbox/ledger", "").await.contains("note_changed"));
    }

    #[tokio::test]
    async fn a_slow_answer_comes_after_the_effect() {
        let sandbox = Sandbox::start(Config::default()).await.unwrap();
        sandbox.fault(FaultSpec { after_ms: 50, ..Fault::Slow.into() });
        assert!(update(&sandbox).await.starts_with("HTTP/1.1 200"));
        assert_eq!(sandbox.ledger().len(), 1);
    }

    #[tokio::test]
    async fn only_loopback_is_served() {
        let listen = SocketAddr::from(([0, 0, 0, 0], 0));
        assert!(Sandbox::start(Config { listen, ..Config::default() }).await.is_err());
    }

    use std::net::SocketAddr;

    #[tokio::test]
    async fn a_said_answer_goes_out_as_it_is_and_nothing_happens() {
        let sandbox = Sandbox::start(Config::default()).await.unwrap();
        let order = json!({ "fault": "says", "says": { "status": 502, "body": "<b>no</b>" } });
        let armed = exchange(&sandbox, "POST", "/sandbox/faults", &order.to_string()).await;
        assert!(armed.starts_with("HTTP/1.1 201"), "{armed}");
        let answer = update(&sandbox).await;
        assert!(
            answer.starts_with("HTTP/1.1 502") && answer.ends_with("\r\n<b>no</b>"),
            "{answer}"
        );
        assert!(sandbox.ledger().is_empty());
    }
}
