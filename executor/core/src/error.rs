//! The one way a rule says no. Transport-free: the service maps it to gRPC once.

use std::time::Duration;

use countersign_shared::codes::Code;
use serde::{Deserialize, Serialize};

use crate::gate::Finding;
use crate::premise::Premise;
use crate::state::Projection;

/// A refusal before anything was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refused {
    /// Stable code, built in or of the contract's pack.
    pub code: String,
    /// For engineers: no secret, no other subject's data.
    pub message: String,
    /// What a customer may be told.
    pub say: String,
    /// Field path and what is wrong with it.
    pub violations: Vec<(String, String)>,
    /// The gates asked until then, the refusing one last.
    pub findings: Vec<Finding>,
    /// The state that those gates saw, where the object is the subject's.
    #[serde(default)]
    pub state: Option<Projection>,
    /// The earlier receipt, for `ALREADY_DONE`.
    pub earlier_receipt: Option<String>,
    /// The action under way, for `IN_FLIGHT` and `OBJECT_IN_DOUBT`.
    pub other_action: Option<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// What it was decided from; `None` where it was told from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Box<Premise>>,
}

impl Refused {
    /// With a built-in code.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::coded(code.name(), message, code.page().say)
    }

    /// With a pack's code and what it tells a customer.
    #[must_use]
    pub fn coded(code: &str, message: impl Into<String>, say: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            say: say.to_owned(),
            violations: Vec::new(),
            findings: Vec::new(),
            state: None,
            earlier_receipt: None,
            other_action: None,
            retry_after: None,
            on: None,
        }
    }

    /// A person has to approve by now what was shown without that. It ends here: nobody is asked
    /// until it is asked for again.
    #[must_use]
    pub(crate) fn approval_by_now(message: &str) -> Self {
        let say = "By now a colleague has to approve this, so nothing was done. Ask for it again, and \
                   I'll ask them.";
        Self { say: say.to_owned(), ..Self::new(Code::ApprovalRequired, message) }
    }

    /// With what is wrong with one field.
    #[must_use]
    pub fn field(mut self, path: impl Into<String>, problem: impl Into<String>) -> Self {
        self.violations.push((path.into(), problem.into()));
        self
    }

    /// With the gates asked until then.
    #[must_use]
    pub fn after(mut self, findings: Vec<Finding>) -> Self {
        self.findings = findings;
        self
    }

    /// Whether it may be gone at the next try: a fault on the way, or something else
    /// under way.
    #[must_use]
    pub fn passes(&self) -> bool {
        const PASSING: [Code; 11] = [
            Code::EffectsHalted,
            Code::Quarantined,
            Code::InFlight,
            Code::ObjectInDoubt,
            Code::StateUnreadable,
            Code::StoreUnavailable,
            Code::BackendUnreachable,
            Code::BackendThrottled,
            Code::CredentialRejected,
            Code::EgressDenied,
            Code::Overloaded,
        ];
        PASSING.iter().any(|code| self.is(*code))
    }

    /// With gates that were asked before those it names.
    #[must_use]
    pub fn behind(mut self, earlier: &[Finding]) -> Self {
        self.findings.splice(0..0, earlier.iter().cloned());
        self
    }

    /// With what it was decided from.
    #[must_use]
    pub fn on(mut self, premise: Premise) -> Self {
        self.on = Some(Box::new(premise));
        self
    }

    /// With the state that the gates saw.
    #[must_use]
    pub fn seeing(mut self, state: Projection) -> Self {
        self.state = Some(state);
        self
    }

    /// Whether it is this built-in code.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.code == code.name()
    }
}
