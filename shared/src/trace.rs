//! W3C trace context: one id from the chat turn to the backend. It decides nothing, so it
//! travels beside the calls and is an argument of none.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request};
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};

use crate::span::{Kind, Span};

/// The header and the gRPC metadata that carry it.
pub const HEADER: &str = "traceparent";

tokio::task_local! {
    static CURRENT: Traceparent;
}

/// Which trace, and which span of it is the parent of what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Traceparent {
    /// As a header says it; `None` where it does not say it as the standard asks.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (version, trace, span, flags) =
            (byte(parts.next()?)?, parts.next()?, parts.next()?, byte(parts.next()?)?);
        let more = parts.next().is_some();
        // A later version may say more behind these four; this one may not.
        if version == 0xff || (version == 0 && more) {
            return None;
        }
        let (trace, span) = (id::<16>(trace)?, id::<8>(span)?);
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// A new trace.
    #[must_use]
    pub fn begin() -> Self {
        Self { trace: random(), span: random(), sampled: true }
    }

    /// The same trace with a span of its own.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span: random(), ..*self }
    }

    /// The trace's id, 32 hex digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        hex::encode(self.trace)
    }

    /// The trace's id.
    #[must_use]
    pub const fn trace(&self) -> &[u8; 16] {
        &self.trace
    }

    /// The span's id.
    #[must_use]
    pub const fn span(&self) -> &[u8; 8] {
        &self.span
    }

    /// Runs a future within it.
    pub fn scope<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    /// As a header.
    ///
    /// # Errors
    /// Never: hex digits and dashes.
    pub fn header(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        HeaderValue::from_str(&self.to_string())
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{}-{}-{flags:02x}", hex::encode(self.trace), hex::encode(self.span))
    }
}

/// The trace that this task is in; none where nobody began one.
#[must_use]
pub fn current() -> Option<Traceparent> {
    CURRENT.try_with(|current| *current).ok()
}

/// Its id, 32 hex digits; empty where there is none.
#[must_use]
pub fn current_id() -> String {
    current().map(|current| current.trace_id()).unwrap_or_default()
}

/// The trace of this id, of which only the id was kept: as this task is in it, or with a
/// span that nobody else knows.
#[must_use]
pub fn rejoined(trace_id: &str) -> Option<Traceparent> {
    let anew = |trace| Traceparent { trace, span: random(), sampled: true };
    let here = current().filter(|current| current.trace_id() == trace_id);
    here.or_else(|| id(trace_id).map(anew))
}

/// Runs a future within a trace, where there is one.
pub async fn inside<F: Future>(trace: Option<Traceparent>, future: F) -> F::Output {
    match trace {
        Some(trace) => trace.scope(future).await,
        None => future.await,
    }
}

/// A call's metadata with the trace that it belongs to.
pub fn carry<T>(request: &mut tonic::Request<T>) {
    let value = current().and_then(|current| current.to_string().parse().ok());
    if let Some(value) = value {
        request.metadata_mut().insert(HEADER, value);
    }
}

fn byte(text: &str) -> Option<u8> {
    let plain = text.len() == 2 && text.bytes().all(is_digit);
    u8::from_str_radix(text, 16).ok().filter(|_| plain)
}

/// Lower case, as long as it has to be, and not all zero.
fn id<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let plain = text.bytes().all(is_digit);
    hex::decode_to_slice(text, &mut bytes).ok().filter(|()| plain && bytes != [0; N])?;
    Some(bytes)
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Ids that collide confuse a trace and nothing else, so a machine without randomness
/// goes on without telling them apart.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [1; N];
    let _unlikely = getrandom::fill(&mut bytes);
    bytes
}

/// Puts each call into the trace that its caller names, or into a new one, with a span of
/// its own there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traced;

/// A service within traces.
#[derive(Debug, Clone)]
pub struct InTrace<S>(S);

impl<S> Layer<S> for Traced {
    type Service = InTrace<S>;

    fn layer(&self, inner: S) -> InTrace<S> {
        InTrace(inner)
    }
}

impl<S, B> Service<Request<B>> for InTrace<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Response: Send,
    S::Error: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let named = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        // Several of them say nothing.
        let one = request.headers().get_all(HEADER).iter().count() == 1;
        let named = named.filter(|_| one).and_then(Traceparent::parse);
        let path = request.uri().path().to_owned();
        let called = self.0.call(request);
        Box::pin(named.unwrap_or_else(Traceparent::begin).scope(async move {
            match arrived(&path) {
                Some(span) => span.run(called).await,
                None => called.await,
            }
        }))
    }
}

/// A span for a call to this path. Health and reflection are nobody's turn.
fn arrived(path: &str) -> Option<Span> {
    let method = path.trim_start_matches('/');
    if method.starts_with("grpc.") {
        return None;
    }
    if !method.starts_with("countersign.") {
        return Some(Span::begin(Kind::Server, format!("POST {path}")));
    }
    let mut span = Span::begin(Kind::Server, method);
    span.set("rpc.system", "grpc");
    span.set("rpc.method", method);
    Some(span)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::convert::Infallible;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_the_standard_allows_is_read_and_written_alike() {
        let read = Traceparent::parse(GOOD).unwrap();
        assert_eq!(read.to_string(), GOOD);
        assert_eq!(read.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = GOOD.replacen("00-", "cc-", 1) + "-what-ever";
        assert_eq!(Traceparent::parse(&later), Some(read));
        let child = read.child();
        assert!(child.trace() == read.trace() && child.span() != read.span());
    }

    #[test]
    fn what_is_malformed_is_not_read() {
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &format!("{GOOD}-more"),
            &GOOD.replacen("00-", "ff-", 1),
            &GOOD.replace("4bf9", "4bf"),
            &GOOD.replace("4bf9", "4bg9"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &GOOD.replace("-01", "-1"),
            &format!(" {GOOD}"),
        ] {
            assert_eq!(Traceparent::parse(bad), None, "{bad}");
        }
        assert_eq!(rejoined("; drop"), None);
    }

    #[tokio::test]
    async fn a_call_is_in_its_callers_trace_or_in_a_new_one() {
        let inner = tower::service_fn(|_: Request<()>| async { Ok::<_, Infallible>(current()) });
        let mut service = Traced.layer(inner);
        let mut call = async |headers: &[&str]| {
            let mut request = Request::new(());
            // Nobody's turn: a span of its own would stand in between.
            *request.uri_mut() = "/grpc.health.v1.Health/Check".parse().unwrap();
            for header in headers {
                request.headers_mut().append(HEADER, header.parse().unwrap());
            }
            service.call(request).await.unwrap().unwrap()
        };
        let named = Traceparent::parse(GOOD).unwrap();
        assert_eq!(call(&[GOOD]).await, named);
        let (none, bad, two) = (call(&[]).await, call(&["x"]).await, call(&[GOOD, GOOD]).await);
        assert!([none, bad, two].iter().all(|new| new.trace() != named.trace()));
        assert!(none.trace() != bad.trace());
        assert_eq!(current(), None, "and nowhere else");
        let back = named.scope(async { rejoined(&named.trace_id()) }).await;
        assert_eq!(back, Some(named));
        let later = rejoined(&named.trace_id()).unwrap();
        assert!(later.trace() == named.trace() && later.span() != named.span());
    }
}
