//! Who may call what: one table, default deny. A method that is not in it can be
//! called by nobody.

use std::sync::Arc;
use std::task::{Context, Poll};

use countersign_shared::codes::Code;
use countersign_shared::mtls::{PeerIdentity, SpiffeId, SpiffePattern};
use countersign_shared::refusal::Refusal;
use futures_util::future::{Either, Ready, ready};
use http::{Request, Response};
use tower::{Layer, Service};

use crate::config::Callers;

/// What an identity may be allowed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Proposes and executes for subjects whose tokens it presents.
    Planner,
    /// Reads receipts of every tenant.
    Auditor,
}

/// Method to roles. A test holds it against the protocol's descriptors.
pub const TABLE: &[(&str, &[Role])] = &[
    ("/countersign.v1.Executor/ListTools", &[Role::Planner]),
    ("/countersign.v1.Executor/Propose", &[Role::Planner]),
    ("/countersign.v1.Executor/Execute", &[Role::Planner]),
    ("/countersign.v1.Executor/GetAction", &[Role::Planner]),
    ("/countersign.v1.Executor/WatchAction", &[Role::Planner]),
    ("/countersign.v1.Audit/GetReceipt", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/ListReceipts", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/GetCheckpoint", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/GetInclusionProof", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/GetConsistencyProof", &[Role::Planner, Role::Auditor]),
    ("/grpc.health.v1.Health/Check", &[Role::Planner, Role::Auditor]),
    ("/grpc.health.v1.Health/Watch", &[Role::Planner, Role::Auditor]),
    ("/grpc.health.v1.Health/List", &[Role::Planner, Role::Auditor]),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &[Role::Planner, Role::Auditor]),
];

/// A caller that the table let through.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub id: SpiffeId,
    /// As what.
    pub role: Role,
}

/// Checks each call against the table.
#[derive(Clone)]
pub struct Authorize {
    callers: Arc<Callers>,
}

impl Authorize {
    /// With the configured identities.
    #[must_use]
    pub fn new(callers: Callers) -> Self {
        Self { callers: Arc::new(callers) }
    }

    /// The role in which an identity may call a method.
    #[must_use]
    pub fn role(&self, method: &str, id: &SpiffeId) -> Option<Role> {
        let (_, roles) = TABLE.iter().find(|(name, _)| *name == method)?;
        roles.iter().copied().find(|role| self.patterns(*role).iter().any(|p| p.matches(id)))
    }

    fn patterns(&self, role: Role) -> &[SpiffePattern] {
        match role {
            Role::Planner => &self.callers.planners,
            Role::Auditor => &self.callers.auditors,
        }
    }
}

impl<S> Layer<S> for Authorize {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, authorize: self.clone() }
    }
}

/// A service behind the table.
#[derive(Clone)]
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let peer = request.extensions().get::<PeerIdentity>().map(|peer| peer.id.clone());
        let method = request.uri().path();
        let role = peer.as_ref().and_then(|id| self.authorize.role(method, id));
        if let (Some(id), Some(role)) = (peer, role) {
            request.extensions_mut().insert(Caller { id, role });
            return Either::Left(self.inner.call(request));
        }
        tracing::warn!(method, "a caller was turned away");
        let refusal =
            Refusal::new(Code::CallerNotAllowed, "this identity may not call this method");
        Either::Right(ready(Ok(refusal.into_status().into_http())))
    }
}
