//! Who may call what: frontends, every method of the table; anybody else, and any
//! other method, nothing.

use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_shared::codes::Code;
use countersign_shared::mtls::{PeerIdentity, SpiffeId, SpiffePattern};
use countersign_shared::refusal::Refusal;
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tower::{Layer, Service};

/// Methods that frontends may call. A method that is not in it can be called by nobody.
pub const TABLE: &[&str] = &[
    "/countersign.v1.Planner/Converse",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// Checks each call against the table.
#[derive(Debug, Clone)]
pub struct Authorize {
    callers: Arc<Vec<SpiffePattern>>,
}

impl Authorize {
    /// With the configured identities.
    #[must_use]
    pub fn new(callers: Vec<SpiffePattern>) -> Self {
        Self { callers: Arc::new(callers) }
    }

    /// Whether this identity may call this method.
    #[must_use]
    pub fn allows(&self, method: &str, id: &SpiffeId) -> bool {
        TABLE.contains(&method) && self.callers.iter().any(|pattern| pattern.matches(id))
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, authorize: self.clone() }
    }
}

/// A service behind the table.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    authorize: Authorize,
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let method = request.uri().path();
        let peer = request.extensions().get::<PeerIdentity>();
        if peer.is_some_and(|peer| self.authorize.allows(method, &peer.id)) {
            return Either::Left(self.inner.call(request));
        }
        tracing::warn!(method, "a caller was turned away");
        let refusal =
            Refusal::new(Code::CallerNotAllowed, "this identity may not call this method");
        Either::Right(ready(Ok(refusal.into_status().into_http())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_configured_frontends_and_known_methods() {
        let authorize = Authorize::new(vec!["spiffe://demo/frontend".parse().unwrap()]);
        let frontend = "spiffe://demo/frontend".parse().unwrap();
        let other = "spiffe://demo/executor".parse().unwrap();
        for method in TABLE {
            assert!(authorize.allows(method, &frontend));
            assert!(!authorize.allows(method, &other));
        }
        assert!(!authorize.allows("/countersign.v1.Planner/Other", &frontend));
    }
}
