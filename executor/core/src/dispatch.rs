//! The exact request of a cleared action, and each attempt to send it. The intent
//! is durable before the first byte leaves (INTENT FIRST).

use std::sync::Arc;

use countersign_shared::codes::Code;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answer::Verdict;
use crate::contract::Contract;
use crate::error::Refused;
use crate::gate::Cleared;
use crate::gates::Gate;
use crate::premise::Premise;
use crate::proposal::Proposal;
use crate::request::{self, WireRequest};
use crate::value::Value;

/// A cleared action with its request. Takes nothing but a [`Cleared`].
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    cleared: Cleared,
    intent: Intent,
    attempts: Vec<Attempt>,
}

/// What is about to be sent, where, and since when. Made only by [`prepare`], or
/// read back from the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Intent(Arc<Prepared>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Prepared {
    request: WireRequest,
    account: Account,
    at: Timestamp,
}

/// Where it is sent and with which credential, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The backend account.
    pub account: String,
    /// The credential's id, never its value.
    pub credential: String,
}

/// One sending of the request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When the intent to send was made.
    pub at: Timestamp,
    /// What came of it; `None` until known.
    pub result: Option<AttemptResult>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptResult {
    /// When it was known.
    pub at: Timestamp,
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// How it was judged.
    pub verdict: Verdict,
    /// The answer as it came, cut, without credentials: for people; no rule sees it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub raw: String,
}

impl Attempt {
    /// Whether it surely never left.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        self.result.as_ref().is_some_and(|r| matches!(r.verdict, Verdict::NotSent { .. }))
    }
}

/// Where a request went, and what came back: facts, beside the request that follows
/// from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sending {
    /// Backend account and credential id.
    pub account: Account,
    /// When the intent was made.
    pub at: Timestamp,
    /// Each attempt, judged.
    pub attempts: Vec<Attempt>,
}

/// Renders the request of a cleared action.
///
/// # Errors
/// `RULE_ERROR` where a template fails: nothing is sent.
pub fn prepare(
    cleared: &Cleared,
    contract: &Contract,
    account: Account,
    at: Timestamp,
) -> Result<Intent, Refused> {
    let key = cleared.claimed().key();
    let request = request::render(contract, &cleared.scope(), Some(key)).map_err(|e| {
        let sending = Sending { account: account.clone(), at, attempts: Vec::new() };
        let refused = Refused::new(Code::RuleError, format!("request: {e}"));
        refused.on(Premise::Send(sending))
    })?;
    Ok(Intent(Prepared { request, account, at }.into()))
}

impl Intent {
    /// When it was made.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.0.at
    }
}

impl Dispatch {
    /// The first attempt is part of the intent.
    pub(crate) fn new(cleared: Cleared, intent: Intent) -> Self {
        let at = intent.0.at;
        Self { cleared, intent, attempts: Vec::new() }.begin(at)
    }

    /// The cleared action.
    #[must_use]
    pub fn cleared(&self) -> &Cleared {
        &self.cleared
    }

    /// The proposal that it all began with.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        self.cleared.claimed().granted().proposal()
    }

    /// The exact request, the same for every attempt.
    #[must_use]
    pub fn request(&self) -> &WireRequest {
        &self.intent.0.request
    }

    /// Backend account and credential id.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.intent.0.account
    }

    /// Where it went, and what came back.
    pub(crate) fn sending(&self) -> Sending {
        let (account, at) = (self.account().clone(), self.intent.0.at);
        Sending { account, at, attempts: self.attempts.clone() }
    }

    /// Attempts so far.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// The last attempt.
    #[must_use]
    pub fn last(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// How many attempts may have reached the backend.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.attempts.iter().filter(|a| !a.is_unsent()).count()
    }

    /// The attempts since then, none of which ever left.
    #[must_use]
    pub fn unsent(&self) -> &[Attempt] {
        let from = self.attempts.iter().rposition(|a| !a.is_unsent()).map_or(0, |at| at + 1);
        self.attempts.get(from..).unwrap_or_default()
    }

    /// When the backend may first have seen the key: retention counts from here.
    #[must_use]
    pub fn first_sent(&self) -> Option<Timestamp> {
        self.attempts.first().map(|a| a.at)
    }

    /// The newest time that is known of an attempt or an answer.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        let times = |a: &Attempt| a.result.as_ref().map_or(a.at, |r| a.at.max(r.at));
        self.attempts.iter().map(times).max()
    }

    /// Whether some attempt's fate is not known.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        let lost = |a: &Attempt| {
            a.result.as_ref().is_none_or(|r| matches!(r.verdict, Verdict::Lost { .. }))
        };
        self.attempts.iter().any(lost)
    }

    /// Whether an attempt that ended may have had its effect.
    #[must_use]
    pub fn open_before_last(&self) -> bool {
        let ended = |a: &&Attempt| a.result.is_some();
        let lost = |a: &Attempt| {
            a.result.as_ref().is_some_and(|r| matches!(r.verdict, Verdict::Lost { .. }))
        };
        self.attempts.iter().filter(ended).any(lost)
    }

    /// The backend's kept response fields, once it accepted.
    #[must_use]
    pub fn response(&self) -> Value {
        let accepted = self.attempts.iter().rev().find_map(|a| match &a.result.as_ref()?.verdict {
            Verdict::Accepted { response } => Some(response.clone()),
            Verdict::Rejected { .. }
            | Verdict::Guard { .. }
            | Verdict::Throttled { .. }
            | Verdict::NotSent { .. }
            | Verdict::Lost { .. }
            | Verdict::CredentialRejected
            | Verdict::SwitchedOff { .. } => None,
        });
        accepted.unwrap_or(Value::Null)
    }

    /// With one more attempt begun.
    pub(crate) fn begin(mut self, at: Timestamp) -> Self {
        let number = u32::try_from(self.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.attempts.push(Attempt { number, at, result: None });
        self
    }

    /// With the last attempt's result.
    pub(crate) fn end(mut self, result: AttemptResult) -> Self {
        if let Some(last) = self.attempts.last_mut() {
            last.result = Some(result);
        }
        self
    }

    /// The contract's idea of a retry, refused where the contract is another now.
    #[must_use]
    pub fn same_contract(&self, contract: &Contract) -> bool {
        self.proposal().contract_digest() == contract.digest || !Gate::Contract.is_on()
    }
}
