//! What an answer to a read means.

use std::time::Duration;

use countersign_shared::codes::Code;
use serde_json::Value as Json;

use super::reading::{No, reading};
use super::{Barrier, Sent};
use crate::contract::{Call, Contract, ErrorClass, Pack};

/// A read that yielded nothing to project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ReadFailure {
    /// Built in or of the pack.
    pub code: String,
    /// For engineers; no secret.
    pub message: String,
    /// Whether the same read may do better.
    pub retryable: bool,
    /// What the backend asked to wait.
    pub after: Option<Duration>,
}

/// The raw JSON of a read's answer.
///
/// # Errors
/// The read was not sent, lost, refused or cannot be understood.
pub fn read(contract: &Contract, sent: &Sent) -> Result<Json, ReadFailure> {
    read_call(&contract.pack, &contract.call, sent)
}

pub(super) fn read_call(pack: &Pack, call: &Call, sent: &Sent) -> Result<Json, ReadFailure> {
    match sent {
        Sent::NotSent { barrier, why } => {
            Err(ReadFailure::new(barrier.code(), why, *barrier == Barrier::Unreachable))
        }
        Sent::Lost { why } => Err(ReadFailure::new(Code::StateUnreadable, why, true)),
        Sent::Answered { status, retry_after, replayed: _, body } => {
            reading(pack, call, *status, body).map_err(|no| no.into_failure(*retry_after))
        }
    }
}

impl ReadFailure {
    /// With a built-in code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>, retryable: bool) -> Self {
        Self { code: code.name().to_owned(), message: message.into(), retryable, after: None }
    }
}

impl No {
    fn into_failure(self, after: Option<Duration>) -> ReadFailure {
        match self {
            Self::Refused { class, code, message } => {
                let retryable = class == ErrorClass::Transient;
                ReadFailure { code, message, retryable, after: after.filter(|_| retryable) }
            }
            Self::Throttled => ReadFailure {
                after,
                ..ReadFailure::new(Code::BackendThrottled, "the backend asks to slow down", true)
            },
            Self::Credential => ReadFailure::new(
                Code::CredentialRejected,
                "the backend did not accept the credential or its rights",
                false,
            ),
            Self::Unclear(why) => ReadFailure::new(Code::StateUnreadable, why, true),
        }
    }
}
