//! The registry of stable codes: append-only. Packs add their own beside it.
//!
//! To add one: its page `shared/codes/NAME.md`, its name at the end of `shared/codes/REGISTRY`
//! and of the list below.

mod page;

pub use page::{Page, Status, Who};

/// Codes in the order of the registry, each documented by its own page.
macro_rules! registry {
    ($($code:ident = $name:literal,)+) => {
        /// A built-in refusal or error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = include_str!(concat!("../codes/", $name, ".md"))] $code,)+
        }

        impl Code {
            /// All of them, in the order of the registry.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)+
                }
            }

            /// Cause, remedy and words. Read at compile time, so it costs nothing here.
            #[must_use]
            pub const fn page(self) -> Page {
                match self {
                    $(Self::$code => const {
                        Page::read($name, include_str!(concat!("../codes/", $name, ".md")))
                    },)+
                }
            }
        }
    };
}

registry! {
    ToolUnknown = "TOOL_UNKNOWN",
    ArgumentInvalid = "ARGUMENT_INVALID",
    ArgumentUnexpected = "ARGUMENT_UNEXPECTED",
    ArgumentMissing = "ARGUMENT_MISSING",
    ReferenceRequired = "REFERENCE_REQUIRED",
    ReferenceUnknown = "REFERENCE_UNKNOWN",
    SpanInvalid = "SPAN_INVALID",
    PlanInvalid = "PLAN_INVALID",
    PlanTooManyWrites = "PLAN_TOO_MANY_WRITES",
    PlanTooLarge = "PLAN_TOO_LARGE",
    SubjectUnverified = "SUBJECT_UNVERIFIED",
    MessageUnattested = "MESSAGE_UNATTESTED",
    TenantNotAllowed = "TENANT_NOT_ALLOWED",
    CallerNotAllowed = "CALLER_NOT_ALLOWED",
    NotTheSubjects = "NOT_THE_SUBJECTS",
    OwnerUnknown = "OWNER_UNKNOWN",
    NotFound = "NOT_FOUND",
    StateUnreadable = "STATE_UNREADABLE",
    RuleError = "RULE_ERROR",
    ConfidenceTooLow = "CONFIDENCE_TOO_LOW",
    ConfirmationRequired = "CONFIRMATION_REQUIRED",
    ConfirmationInvalid = "CONFIRMATION_INVALID",
    ProposalExpired = "PROPOSAL_EXPIRED",
    StateChanged = "STATE_CHANGED",
    AlreadyDone = "ALREADY_DONE",
    InFlight = "IN_FLIGHT",
    ObjectInDoubt = "OBJECT_IN_DOUBT",
    BackendRefused = "BACKEND_REFUSED",
    BackendUnreachable = "BACKEND_UNREACHABLE",
    BackendThrottled = "BACKEND_THROTTLED",
    CredentialRejected = "CREDENTIAL_REJECTED",
    EgressDenied = "EGRESS_DENIED",
    VerifyMismatch = "VERIFY_MISMATCH",
    VerifyTimeout = "VERIFY_TIMEOUT",
    ReplyLost = "REPLY_LOST",
    DuplicateEffect = "DUPLICATE_EFFECT",
    StoreUnavailable = "STORE_UNAVAILABLE",
    Overloaded = "OVERLOADED",
    Internal = "INTERNAL",
    ModelUnusable = "MODEL_UNUSABLE",
    AwaitingConfirmation = "AWAITING_CONFIRMATION",
    PolicyForbids = "POLICY_FORBIDS",
    ShadowMode = "SHADOW_MODE",
    ApprovalRequired = "APPROVAL_REQUIRED",
    ApprovalRejected = "APPROVAL_REJECTED",
    ApprovalInvalid = "APPROVAL_INVALID",
    ApproverNotAllowed = "APPROVER_NOT_ALLOWED",
    ProposalWithdrawn = "PROPOSAL_WITHDRAWN",
    ProposalSuperseded = "PROPOSAL_SUPERSEDED",
    LimitExceeded = "LIMIT_EXCEEDED",
    VelocityExceeded = "VELOCITY_EXCEEDED",
    TooManyOpen = "TOO_MANY_OPEN",
    SwitchedOff = "SWITCHED_OFF",
    StrengthRequired = "STRENGTH_REQUIRED",
    SubjectStale = "SUBJECT_STALE",
    MatchFailed = "MATCH_FAILED",
    IssuerUnreachable = "ISSUER_UNREACHABLE",
    FraudFlagged = "FRAUD_FLAGGED",
    Escalated = "ESCALATED",
    NotActivated = "NOT_ACTIVATED",
    HumanDisagrees = "HUMAN_DISAGREES",
    EffectsHalted = "EFFECTS_HALTED",
    Quarantined = "QUARANTINED",
    HistoryMissing = "HISTORY_MISSING",
    HistoryDistrusted = "HISTORY_DISTRUSTED",
    Erased = "ERASED",
    ErasureWaits = "ERASURE_WAITS",
}

impl Code {
    /// The code of a stable name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }
}

/// The command that prints the page of a code, a pack's as well: what a refusal links to.
#[must_use]
pub fn explain(code: &str) -> String {
    format!("countersign explain {code}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found_again() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(Code::by_name(code.name()), Some(*code));
        }
    }
}
