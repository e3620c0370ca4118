//! The request log: everything that reached an API of the sandbox, and how it was answered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a request asks for, as far as logging and faults need to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Called {
    /// The operation's own name, if it has one.
    pub(crate) operation: Option<String>,
    pub(crate) mutation: bool,
    /// The fields (or endpoints) it calls.
    pub(crate) fields: Vec<String>,
    /// It starts an asynchronous job.
    pub(crate) starts_job: bool,
    /// It may move money back.
    pub(crate) refunds: bool,
}

/// One request that reached an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Position in the log, from 1.
    pub seq: u64,
    /// The `X-Request-Id` of the answer.
    pub request_id: String,
    /// When it arrived, on the sandbox's clock.
    pub at: Timestamp,
    /// `query`, `mutation`, or `invalid` when the document could not be read.
    pub kind: String,
    /// The operation's own name.
    pub operation: Option<String>,
    /// Top-level fields it called, or the endpoint, such as `refunds.create`.
    pub fields: Vec<String>,
    /// Name of the credential; none when it was not known.
    pub credential: Option<String>,
    /// Status sent; 0 when the connection was cut instead.
    pub status: u16,
    /// `ok`, `user_errors`, `errors`, `denied`, `cut`, `replayed`, or a code such as
    /// `IDEMPOTENCY_KEY_PARAMETER_MISMATCH`.
    pub answered: String,
    /// Faults that applied to it.
    pub faults: Vec<String>,
}

/// Requests in the order they arrived.
#[derive(Debug, Default)]
pub struct RequestLog {
    received: Vec<Received>,
}

impl RequestLog {
    /// Everything received so far.
    #[must_use]
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// Numbers and keeps `entry`.
    pub(crate) fn record(&mut self, mut entry: Received) {
        entry.seq = self.received.len() as u64 + 1;
        self.received.push(entry);
    }
}
