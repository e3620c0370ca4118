//! What a backend's answer means: one of a closed list of verdicts for a write,
//! the raw answer or a failure for a read. Only a complete refusal is a refusal;
//! whatever leaves room for an effect is `Lost` (FOUR OUTCOMES).

mod graphql;
mod read;
mod reading;
mod rules;

use std::fmt;
use std::time::Duration;

use countersign_shared::codes::Code;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::contract::{Call, Contract, ErrorClass, Pack};
use crate::value::Value;

pub use read::{ReadFailure, read};
use reading::{No, reading};

/// What the driver reports of one request.
#[derive(Clone, PartialEq, Eq)]
pub enum Sent {
    /// Provably no byte of the request was processed by the backend.
    NotSent {
        /// What stood in the way.
        barrier: Barrier,
        /// For engineers; no secret.
        why: String,
    },
    /// Something may have been sent, and no complete answer came.
    Lost {
        /// For engineers; no secret.
        why: String,
    },
    /// A complete answer.
    Answered {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, as a time from now.
        retry_after: Option<Duration>,
        /// The backend says that it answers what it answered before.
        replayed: bool,
        /// The body.
        body: Vec<u8>,
    },
}

/// What stood between us and a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// The way there: name, network, TLS, or a server that took no request.
    Unreachable,
    /// Our own egress guard, or a connection that is not set up.
    Egress,
    /// The credential: missing, unreadable, or refused by the token end point.
    Credential,
    /// Our own limits on how fast the backend may be called.
    Busy,
}

impl Barrier {
    /// Its code.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Unreachable => Code::BackendUnreachable,
            Self::Egress => Code::EgressDenied,
            Self::Credential => Code::CredentialRejected,
            Self::Busy => Code::Overloaded,
        }
    }
}

/// What an answer to a write means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// The backend says yes. Not yet `applied`: verification looks.
    Accepted {
        /// The contract's projection of the answer, scope `response`.
        response: Value,
    },
    /// The backend, or our own egress guard, said no, and nothing happened.
    Rejected {
        /// Built in or of the pack.
        code: String,
        /// The backend's words, cleaned and cut.
        message: String,
    },
    /// "Already so": our own earlier effect, or somebody else's. Look.
    Guard {
        /// Built in or of the pack.
        code: String,
        /// The backend's words, cleaned and cut.
        message: String,
    },
    /// Not carried out; may be sent again.
    Throttled {
        /// What the backend asked to wait.
        after: Option<Duration>,
    },
    /// Provably not sent; may be sent again.
    NotSent {
        /// As reported.
        why: String,
        /// Whether the executor held it back because it began no effects.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        halted: bool,
    },
    /// Cannot be told from the answer.
    Lost {
        /// For engineers; no secret.
        why: String,
    },
    /// The credential is unusable or was not accepted; nothing happened.
    CredentialRejected,
    /// Not sent: an operator switched it off.
    SwitchedOff {
        /// Which switch.
        why: String,
    },
}

impl Verdict {
    /// As receipts show it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Accepted { response } => json!({ "accepted": response.to_json() }),
            Self::Rejected { code, message } => json!({ "rejected": code, "message": message }),
            Self::Guard { code, message } => json!({ "already_so": code, "message": message }),
            Self::Throttled { after } => {
                json!({ "throttled": true, "retry_after_s": after.map(|a| a.as_secs()) })
            }
            Self::NotSent { why, .. } => json!({ "not_sent": why }),
            Self::Lost { why } => json!({ "lost": why }),
            Self::CredentialRejected => json!({ "credential_rejected": true }),
            Self::SwitchedOff { why } => json!({ "switched_off": why }),
        }
    }
}

/// Judges the answer to a write.
#[must_use]
pub fn judge(contract: &Contract, sent: &Sent) -> Verdict {
    judge_call(&contract.pack, &contract.call, sent)
}

fn judge_call(pack: &Pack, call: &Call, sent: &Sent) -> Verdict {
    match sent {
        Sent::NotSent { barrier, why } => not_sent(*barrier, why),
        Sent::Lost { why } => Verdict::Lost { why: why.clone() },
        // A replayed answer is judged like a first one: a replayed 5xx resolves nothing.
        Sent::Answered { status, retry_after, replayed: _, body } => {
            reading(pack, call, *status, body)
                .and_then(|answer| accepted(call, &answer))
                .unwrap_or_else(|no| no.into_verdict(*retry_after))
        }
    }
}

fn not_sent(barrier: Barrier, why: &str) -> Verdict {
    match barrier {
        Barrier::Unreachable | Barrier::Busy => {
            Verdict::NotSent { why: why.to_owned(), halted: false }
        }
        Barrier::Credential => Verdict::CredentialRejected,
        Barrier::Egress => {
            Verdict::Rejected { code: barrier.code().name().to_owned(), message: why.to_owned() }
        }
    }
}

fn accepted(call: &Call, answer: &Json) -> Result<Verdict, No> {
    if graphql::is_hollow(call, answer) {
        return Err(No::Unclear("the answer holds neither a result nor an error".to_owned()));
    }
    let response = match &call.response {
        None => Value::Null,
        Some(shape) => shape.project(answer).map_err(|error| {
            No::Unclear(format!("the answer does not fit the contract: {error}"))
        })?,
    };
    Ok(Verdict::Accepted { response })
}

impl No {
    fn into_verdict(self, after: Option<Duration>) -> Verdict {
        match self {
            Self::Refused { class: ErrorClass::Terminal, code, message } => {
                Verdict::Rejected { code, message }
            }
            Self::Refused { class: ErrorClass::Guard, code, message } => {
                Verdict::Guard { code, message }
            }
            Self::Refused { class: ErrorClass::Unclear, code, message } => {
                Verdict::Lost { why: format!("{code}: {message}") }
            }
            Self::Refused { class: ErrorClass::Transient, .. } | Self::Throttled => {
                Verdict::Throttled { after }
            }
            Self::Credential => Verdict::CredentialRejected,
            Self::Unclear(why) => Verdict::Lost { why },
        }
    }
}

/// Without the body, which may hold anything.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent { barrier, why } => write!(f, "NotSent({barrier:?}: {why})"),
            Self::Lost { why } => write!(f, "Lost({why})"),
            Self::Answered { status, retry_after, replayed, body } => f
                .debug_struct("Answered")
                .field("status", status)
                .field("retry_after", retry_after)
                .field("replayed", replayed)
                .field("bytes", &body.len())
                .finish(),
        }
    }
}

#[cfg(test)]
mod tests;
