//! Counts calls of backends on their way through.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use countersign_core::answer::{ReadFailure, Sent};
use countersign_core::contract::Contract;
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use serde_json::Value as Json;

use super::Metrics;
use crate::ports::Backends;

/// Backends whose calls are counted. It changes none of them.
pub struct Counted {
    inner: Arc<dyn Backends>,
    metrics: Metrics,
}

impl Counted {
    /// In front of these.
    #[must_use]
    pub fn over(inner: impl Into<Arc<dyn Backends>>, metrics: Metrics) -> Arc<dyn Backends> {
        Arc::new(Self { inner: inner.into(), metrics })
    }
}

#[async_trait]
impl Backends for Counted {
    fn account(&self, tenant: &str, pack: &str) -> Option<Account> {
        self.inner.account(tenant, pack)
    }

    async fn send(&self, subject: &Subject, contract: &Contract, request: &WireRequest) -> Sent {
        let begun = Instant::now();
        let sent = self.inner.send(subject, contract, request).await;
        self.metrics.called(contract, result(&sent), begun.elapsed());
        sent
    }

    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        let begun = Instant::now();
        let read = self.inner.read(subject, contract, request).await;
        let result = if read.is_ok() { "answered" } else { "failed" };
        self.metrics.called(contract, result, begun.elapsed());
        read
    }
}

pub(super) fn result(sent: &Sent) -> &'static str {
    match sent {
        Sent::NotSent { .. } => "not_sent",
        Sent::Lost { .. } => "lost",
        Sent::Answered { status: 0..=399, .. } => "answered",
        Sent::Answered { status: 400..=499, .. } => "refused",
        Sent::Answered { status: 500.., .. } => "failed",
    }
}
