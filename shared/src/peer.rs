//! Turns a call away before a service hears it. Who may call what is each service's own table.

use std::task::{Context, Poll};

use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::codes::Code;
use crate::mtls::{PeerIdentity, SpiffeId};
use crate::refusal::Refusal;

/// Who may call what: default deny.
pub trait Table: Clone {
    /// What the service learns of a caller, from the request's extensions.
    type Caller: Clone + Send + Sync + 'static;

    /// The caller, where the table lets this identity call this method.
    fn caller(&self, method: &str, id: &SpiffeId) -> Option<Self::Caller>;

    /// Lists of the configuration whose identities may call this method, as they are named there.
    fn whose(&self, method: &str) -> Vec<&'static str>;

    /// A call was turned away with this code: whoever counts refusals is told.
    fn turned_away(&self, code: Code);
}

/// Holds each call against a table.
#[derive(Debug, Clone)]
pub struct Guard<T>(T);

impl<T: Table> Guard<T> {
    /// With a service's table.
    #[must_use]
    pub fn new(table: T) -> Self {
        Self(table)
    }
}

impl<S, T: Table> Layer<S> for Guard<T> {
    type Service = Guarded<S, T>;

    fn layer(&self, inner: S) -> Guarded<S, T> {
        Guarded { inner, table: self.0.clone() }
    }
}

/// A service behind its table.
#[derive(Debug, Clone)]
pub struct Guarded<S, T> {
    inner: S,
    table: T,
}

impl<S, T, B> Service<Request<B>> for Guarded<S, T>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>>,
    T: Table,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let method = request.uri().path();
        let peer = request.extensions().get::<PeerIdentity>();
        if let Some(caller) = peer.and_then(|peer| self.table.caller(method, &peer.id)) {
            request.extensions_mut().insert(caller);
            return Either::Left(self.inner.call(request));
        }
        tracing::warn!(method, "a caller was turned away");
        let code = Code::CallerNotAllowed;
        self.table.turned_away(code);
        let refusal = Refusal::new(code, why(&self.table.whose(method)));
        Either::Right(ready(Ok(refusal.into_status().into_http())))
    }
}

fn why(whose: &[&str]) -> String {
    let no = "this identity may not call this method".to_owned();
    if whose.is_empty() { no } else { format!("{no}: it is for `{}`", whose.join("` or `")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::convert::Infallible;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Waker;

    use super::*;

    const PLANNER: &str = "spiffe://demo/planner";

    /// Lets one planner call one method, and counts whom it turns away.
    #[derive(Clone, Default)]
    struct One(Arc<AtomicU32>);

    impl Table for One {
        type Caller = String;

        fn caller(&self, method: &str, id: &SpiffeId) -> Option<String> {
            (method == "/x/Known" && id.as_str() == PLANNER).then(|| id.as_str().to_owned())
        }

        fn whose(&self, method: &str) -> Vec<&'static str> {
            if method == "/x/Known" { vec!["callers.known", "callers.others"] } else { Vec::new() }
        }

        fn turned_away(&self, code: Code) {
            assert_eq!(code, Code::CallerNotAllowed);
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// What came of a call: the gRPC status, the caller that the service heard, and how many were
    /// turned away.
    fn call(method: &str, peer: Option<&str>) -> (Option<String>, Option<String>, u32) {
        let inner = tower::service_fn(|request: Request<()>| {
            let mut heard = Response::new(tonic::body::Body::empty());
            heard.extensions_mut().insert(request.extensions().get::<String>().cloned());
            ready(Ok::<_, Infallible>(heard))
        });
        let mut request = Request::builder().uri(method).body(()).unwrap();
        if let Some(id) = peer {
            let address = "127.0.0.1:1".parse().unwrap();
            request.extensions_mut().insert(PeerIdentity { id: id.parse().unwrap(), address });
        }
        let table = One::default();
        let answer = pin!(Guard::new(table.clone()).layer(inner).call(request));
        let Poll::Ready(Ok(answer)) = answer.poll(&mut Context::from_waker(Waker::noop())) else {
            unreachable!("nothing here waits")
        };
        let status = answer.headers().get("grpc-status").map(|s| s.to_str().unwrap().to_owned());
        let heard = answer.extensions().get::<Option<String>>().cloned().flatten();
        (status, heard, table.0.load(Ordering::SeqCst))
    }

    #[test]
    fn only_a_row_of_the_table_is_heard_and_the_service_learns_who_calls() {
        assert_eq!(call("/x/Known", Some(PLANNER)), (None, Some(PLANNER.to_owned()), 0));
        let denied = Some((tonic::Code::PermissionDenied as i32).to_string());
        for (method, peer) in [
            ("/x/Known", Some("spiffe://demo/executor")),
            ("/x/Other", Some(PLANNER)),
            ("/x/Known", None),
        ] {
            assert_eq!(call(method, peer), (denied.clone(), None, 1), "{method} {peer:?}");
        }
    }
}
