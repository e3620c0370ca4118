//! The registry of stable codes: append-only. Packs add their own beside it.

/// A built-in refusal or error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// No activated contract has this name.
    ToolUnknown,
    /// An argument's value does not fit the contract's schema.
    ArgumentInvalid,
    /// The contract has no such argument.
    ArgumentUnexpected,
    /// A required argument is not there.
    ArgumentMissing,
    /// The argument must be a reference of a kind that the contract accepts, not this one.
    ReferenceRequired,
    /// The reference points to nothing that this subject has in this conversation.
    ReferenceUnknown,
    /// The span is outside the message or cuts a character.
    SpanInvalid,
    /// The plan is malformed.
    PlanInvalid,
    /// The plan holds more than one write.
    PlanTooManyWrites,
    /// The plan is larger than the limits.
    PlanTooLarge,
    /// The subject's token is missing, expired or not signed by a known issuer.
    SubjectUnverified,
    /// A message is not signed by a known frontend for this subject and conversation.
    MessageUnattested,
    /// The calling planner may not act for this tenant.
    TenantNotAllowed,
    /// This identity may not call this method.
    CallerNotAllowed,
    /// The object belongs to somebody else.
    NotTheSubjects,
    /// The object has no owner on record, or the subject lacks the claim to compare.
    OwnerUnknown,
    /// There is no such thing for this subject.
    NotFound,
    /// A fresh read failed, or the backend's answer does not fit the contract.
    StateUnreadable,
    /// A rule could not be evaluated, and errors refuse.
    RuleError,
    /// The plan's confidence is below the contract's floor.
    ConfidenceTooLow,
    /// The customer has not confirmed the card.
    ConfirmationRequired,
    /// The confirmation is not a valid signed yes to this card by this subject.
    ConfirmationInvalid,
    /// The proposal is older than it may be.
    ProposalExpired,
    /// The object changed between the card and the action.
    StateChanged,
    /// The same action was applied before.
    AlreadyDone,
    /// The same action is being carried out now.
    InFlight,
    /// Another write on this object is under way or in doubt.
    ObjectInDoubt,
    /// The backend refused the request.
    BackendRefused,
    /// The request provably never reached the backend.
    BackendUnreachable,
    /// The backend asked to slow down for longer than the retries last.
    BackendThrottled,
    /// The backend did not accept the credential.
    CredentialRejected,
    /// The connection's egress rules forbid this address.
    EgressDenied,
    /// The backend said yes, and reading back disagrees.
    VerifyMismatch,
    /// The effect was accepted and not finished within the contract's time.
    VerifyTimeout,
    /// The backend's answer was lost and looking cannot tell.
    ReplyLost,
    /// More than one effect bears this action's marker.
    DuplicateEffect,
    /// The executor's store cannot be written.
    StoreUnavailable,
    /// Too much is queued.
    Overloaded,
    /// A fault of the executor.
    Internal,
    /// The model's answer could not be used, also after one repair.
    ModelUnusable,
    /// A card is shown and not answered.
    AwaitingConfirmation,
    /// The active policy does not let this person, workload or channel do this.
    PolicyForbids,
    /// The tool runs in shadow mode: every rule was asked, and nothing is sent.
    ShadowMode,
    /// A member of staff has to approve this and has not yet.
    ApprovalRequired,
    /// A member of staff said no.
    ApprovalRejected,
    /// The approval is not a valid signature by a current approver over exactly this card.
    ApprovalInvalid,
    /// This person may not approve this: not in a needed role, the requester themself, or counted already.
    ApproverNotAllowed,
    /// The request was taken back before it was carried out.
    ProposalWithdrawn,
    /// A newer proposal of the same wish took this one's place.
    ProposalSuperseded,
    /// More money would move within the window than a limit allows; what is under way counts.
    LimitExceeded,
    /// More actions were asked for within the window than a limit allows.
    VelocityExceeded,
    /// Too many proposals of this subject or planner wait for an answer.
    TooManyOpen,
    /// An operator switched this tool, its pack, the tenant or everything off.
    SwitchedOff,
    /// The contract demands a stronger sign-in than this subject has.
    StrengthRequired,
    /// The subject was verified too long ago for this to be carried out.
    SubjectStale,
    /// Order number and e-mail do not match, or were tried too often. Which of them is not told.
    MatchFailed,
    /// The keys of the subject's issuer cannot be fetched now.
    IssuerUnreachable,
    /// The backend marks this object as risky.
    FraudFlagged,
    /// The planner handed this to a person and said why.
    Escalated,
    /// A contract, pack, policy or list differs from the digest that was activated.
    NotActivated,
    /// A person says that the step is finished, and the read says otherwise.
    HumanDisagrees,
}

/// What is known of a code.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The stable name, as sent in `ErrorInfo.reason`.
    pub name: &'static str,
    /// The gRPC status it travels with.
    pub status: Status,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What a customer may be told.
    pub say: &'static str,
}

/// The gRPC status codes that ours map to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// No such thing.
    NotFound,
    /// Never right as it stands.
    InvalidArgument,
    /// Not proved who.
    Unauthenticated,
    /// Proved who, and not allowed.
    PermissionDenied,
    /// May work later as it stands.
    Unavailable,
    /// Not until something else changes.
    FailedPrecondition,
    /// Lost to something concurrent; start again from reading.
    Aborted,
    /// Done before.
    AlreadyExists,
    /// What happened is not known.
    DataLoss,
    /// Not finished in time.
    DeadlineExceeded,
    /// Too much at once.
    ResourceExhausted,
    /// Our own fault.
    Internal,
}

impl Code {
    /// All of them, in the order of the registry.
    pub const ALL: &[Self] = &[
        Self::ToolUnknown,
        Self::ArgumentInvalid,
        Self::ArgumentUnexpected,
        Self::ArgumentMissing,
        Self::ReferenceRequired,
        Self::ReferenceUnknown,
        Self::SpanInvalid,
        Self::PlanInvalid,
        Self::PlanTooManyWrites,
        Self::PlanTooLarge,
        Self::SubjectUnverified,
        Self::MessageUnattested,
        Self::TenantNotAllowed,
        Self::CallerNotAllowed,
        Self::NotTheSubjects,
        Self::OwnerUnknown,
        Self::NotFound,
        Self::StateUnreadable,
        Self::RuleError,
        Self::ConfidenceTooLow,
        Self::ConfirmationRequired,
        Self::ConfirmationInvalid,
        Self::ProposalExpired,
        Self::StateChanged,
        Self::AlreadyDone,
        Self::InFlight,
        Self::ObjectInDoubt,
        Self::BackendRefused,
        Self::BackendUnreachable,
        Self::BackendThrottled,
        Self::CredentialRejected,
        Self::EgressDenied,
        Self::VerifyMismatch,
        Self::VerifyTimeout,
        Self::ReplyLost,
        Self::DuplicateEffect,
        Self::StoreUnavailable,
        Self::Overloaded,
        Self::Internal,
        Self::ModelUnusable,
        Self::AwaitingConfirmation,
        Self::PolicyForbids,
        Self::ShadowMode,
        Self::ApprovalRequired,
        Self::ApprovalRejected,
        Self::ApprovalInvalid,
        Self::ApproverNotAllowed,
        Self::ProposalWithdrawn,
        Self::ProposalSuperseded,
        Self::LimitExceeded,
        Self::VelocityExceeded,
        Self::TooManyOpen,
        Self::SwitchedOff,
        Self::StrengthRequired,
        Self::SubjectStale,
        Self::MatchFailed,
        Self::IssuerUnreachable,
        Self::FraudFlagged,
        Self::Escalated,
        Self::NotActivated,
        Self::HumanDisagrees,
    ];

    /// The stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.page().name
    }

    /// The code of a stable name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|c| c.name() == name)
    }

    /// Cause, remedy and words.
    #[must_use]
    pub fn page(self) -> Page {
        let (name, status, cause, remedy, say) = match self {
            Self::ToolUnknown => (
                "TOOL_UNKNOWN",
                Status::NotFound,
                "No activated contract has this name.",
                "List the tools and use one of them.",
                "I can't do that here.",
            ),
            Self::ArgumentInvalid => (
                "ARGUMENT_INVALID",
                Status::InvalidArgument,
                "An argument's value does not fit the contract's schema.",
                "Read the field violations and mend the named argument.",
                "I couldn't make sense of one of the details. Could you check it?",
            ),
            Self::ArgumentUnexpected => (
                "ARGUMENT_UNEXPECTED",
                Status::InvalidArgument,
                "The contract has no such argument.",
                "Remove the argument.",
                "I couldn't prepare that safely, so I did nothing.",
            ),
            Self::ArgumentMissing => (
                "ARGUMENT_MISSING",
                Status::InvalidArgument,
                "A required argument is not there.",
                "Ask for it, or read it, then plan again.",
                "I need one more detail for that.",
            ),
            Self::ReferenceRequired => (
                "REFERENCE_REQUIRED",
                Status::InvalidArgument,
                "The argument must be a reference of a kind that the contract accepts, not this one.",
                "Point to an observation, a claim or the user's words.",
                "I couldn't prepare that safely, so I did nothing.",
            ),
            Self::ReferenceUnknown => (
                "REFERENCE_UNKNOWN",
                Status::InvalidArgument,
                "The reference points to nothing that this subject has in this conversation.",
                "Read first, then refer to what was read.",
                "I couldn't find what that refers to.",
            ),
            Self::SpanInvalid => (
                "SPAN_INVALID",
                Status::InvalidArgument,
                "The span is outside the message or cuts a character.",
                "Give byte offsets inside one attested message.",
                "I couldn't make sense of one of the details. Could you check it?",
            ),
            Self::PlanInvalid => (
                "PLAN_INVALID",
                Status::InvalidArgument,
                "The plan is malformed.",
                "Read the field violations and plan again.",
                "I couldn't prepare that safely, so I did nothing.",
            ),
            Self::PlanTooManyWrites => (
                "PLAN_TOO_MANY_WRITES",
                Status::InvalidArgument,
                "The plan holds more than one write.",
                "Plan one write at a time.",
                "I can only do one thing at a time. Which one first?",
            ),
            Self::PlanTooLarge => (
                "PLAN_TOO_LARGE",
                Status::InvalidArgument,
                "The plan is larger than the limits.",
                "Split it.",
                "That is too much at once.",
            ),
            Self::SubjectUnverified => (
                "SUBJECT_UNVERIFIED",
                Status::Unauthenticated,
                "The subject's token is missing, expired or not signed by a known issuer.",
                "Sign the subject in again.",
                "Please sign in again.",
            ),
            Self::MessageUnattested => (
                "MESSAGE_UNATTESTED",
                Status::Unauthenticated,
                "A message is not signed by a known frontend for this subject and conversation.",
                "Have the frontend sign each message.",
                "I couldn't verify that message, so I did nothing.",
            ),
            Self::TenantNotAllowed => (
                "TENANT_NOT_ALLOWED",
                Status::PermissionDenied,
                "The calling planner may not act for this tenant.",
                "Add the planner to the issuer's `planners`.",
                "I can't do that here.",
            ),
            Self::CallerNotAllowed => (
                "CALLER_NOT_ALLOWED",
                Status::PermissionDenied,
                "This identity may not call this method.",
                "Use a certificate with the right role.",
                "I can't do that here.",
            ),
            Self::NotTheSubjects => (
                "NOT_THE_SUBJECTS",
                Status::PermissionDenied,
                "The object belongs to somebody else.",
                "Nothing: this is a refusal to keep.",
                "I can't find that in your account.",
            ),
            Self::OwnerUnknown => (
                "OWNER_UNKNOWN",
                Status::PermissionDenied,
                "The object has no owner on record, or the subject lacks the claim to compare.",
                "A person checks who owns it.",
                "That isn't linked to your account, so a colleague has to help with it.",
            ),
            Self::NotFound => (
                "NOT_FOUND",
                Status::NotFound,
                "There is no such thing for this subject.",
                "Check the id.",
                "I can't find that in your account.",
            ),
            Self::StateUnreadable => (
                "STATE_UNREADABLE",
                Status::Unavailable,
                "A fresh read failed, or the backend's answer does not fit the contract.",
                "Look at the backend; retry later.",
                "I can't reach the shop's system right now, so I did nothing.",
            ),
            Self::RuleError => (
                "RULE_ERROR",
                Status::FailedPrecondition,
                "A rule could not be evaluated, and errors refuse.",
                "Mend the contract or the data it reads.",
                "I couldn't check that safely, so I did nothing.",
            ),
            Self::ConfidenceTooLow => (
                "CONFIDENCE_TOO_LOW",
                Status::FailedPrecondition,
                "The plan's confidence is below the contract's floor.",
                "Ask the customer, or hand over to a person.",
                "I'm not sure enough about that, so a colleague will look at it.",
            ),
            Self::ConfirmationRequired => (
                "CONFIRMATION_REQUIRED",
                Status::FailedPrecondition,
                "The customer has not confirmed the card.",
                "Show the card and pass on the signed yes.",
                "I need your confirmation first.",
            ),
            Self::ConfirmationInvalid => (
                "CONFIRMATION_INVALID",
                Status::PermissionDenied,
                "The confirmation is not a valid signed yes to this card by this subject.",
                "Show the card again and sign what was shown.",
                "That confirmation didn't match, so I did nothing.",
            ),
            Self::ProposalExpired => (
                "PROPOSAL_EXPIRED",
                Status::FailedPrecondition,
                "The proposal is older than it may be.",
                "Propose again.",
                "That took too long, so I have to check again. Shall I?",
            ),
            Self::StateChanged => (
                "STATE_CHANGED",
                Status::Aborted,
                "The object changed between the card and the action.",
                "Propose again on the new state.",
                "Something about it changed in the meantime, so I did nothing. Shall I check again?",
            ),
            Self::AlreadyDone => (
                "ALREADY_DONE",
                Status::AlreadyExists,
                "The same action was applied before.",
                "Show the earlier receipt; doing it again needs a yes that shows it.",
                "That has already been done.",
            ),
            Self::InFlight => (
                "IN_FLIGHT",
                Status::Aborted,
                "The same action is being carried out now.",
                "Watch the action.",
                "I'm already working on that.",
            ),
            Self::ObjectInDoubt => (
                "OBJECT_IN_DOUBT",
                Status::Aborted,
                "Another write on this object is under way or in doubt.",
                "Wait until it is settled.",
                "Something else is still being done on that. Please try again in a moment.",
            ),
            Self::BackendRefused => (
                "BACKEND_REFUSED",
                Status::FailedPrecondition,
                "The backend refused the request.",
                "Read its message in the receipt.",
                "The shop's system refused that. Nothing was changed.",
            ),
            Self::BackendUnreachable => (
                "BACKEND_UNREACHABLE",
                Status::Unavailable,
                "The request provably never reached the backend.",
                "Retry later.",
                "I can't reach the shop's system right now. Nothing was changed.",
            ),
            Self::BackendThrottled => (
                "BACKEND_THROTTLED",
                Status::Unavailable,
                "The backend asked to slow down for longer than the retries last.",
                "Retry later.",
                "The shop's system is very busy right now. Nothing was changed.",
            ),
            Self::CredentialRejected => (
                "CREDENTIAL_REJECTED",
                Status::FailedPrecondition,
                "The backend did not accept the credential.",
                "Renew the credential file; an operator must look.",
                "I can't do that right now. A colleague has been told.",
            ),
            Self::EgressDenied => (
                "EGRESS_DENIED",
                Status::FailedPrecondition,
                "The connection's egress rules forbid this address.",
                "Check the connection's `egress`.",
                "I can't do that right now. A colleague has been told.",
            ),
            Self::VerifyMismatch => (
                "VERIFY_MISMATCH",
                Status::DataLoss,
                "The backend said yes, and reading back disagrees.",
                "A person compares expected and found in the receipt.",
                "I can't confirm that this worked. A colleague will check and get back to you.",
            ),
            Self::VerifyTimeout => (
                "VERIFY_TIMEOUT",
                Status::DeadlineExceeded,
                "The effect was accepted and not finished within the contract's time.",
                "A person looks at the backend.",
                "That is taking longer than it should. A colleague will check and get back to you.",
            ),
            Self::ReplyLost => (
                "REPLY_LOST",
                Status::DataLoss,
                "The backend's answer was lost and looking cannot tell.",
                "A person looks at the backend and decides.",
                "I can't tell whether this went through. A colleague will check and get back to you.",
            ),
            Self::DuplicateEffect => (
                "DUPLICATE_EFFECT",
                Status::DataLoss,
                "More than one effect bears this action's marker.",
                "A person reverses the extra one.",
                "I can't confirm that this worked as it should. A colleague will check and get back to you.",
            ),
            Self::StoreUnavailable => (
                "STORE_UNAVAILABLE",
                Status::Unavailable,
                "The executor's store cannot be written.",
                "Look at disk and permissions; effects stop until it works.",
                "I can't do that right now. Nothing was changed.",
            ),
            Self::Overloaded => (
                "OVERLOADED",
                Status::ResourceExhausted,
                "Too much is queued.",
                "Retry after the time given.",
                "I'm very busy right now. Please try again in a moment.",
            ),
            Self::Internal => (
                "INTERNAL",
                Status::Internal,
                "A fault of the executor.",
                "Look at its log with the time of the call.",
                "Something went wrong on our side. Nothing was claimed or repeated.",
            ),
            Self::ModelUnusable => (
                "MODEL_UNUSABLE",
                Status::Unavailable,
                "The model's answer could not be used, also after one repair.",
                "Look at the model server; try another model.",
                "I couldn't work that out safely, so I did nothing. Could you say it another way?",
            ),
            Self::AwaitingConfirmation => (
                "AWAITING_CONFIRMATION",
                Status::FailedPrecondition,
                "A card is shown and not answered.",
                "Answer the card.",
                "Please confirm first.",
            ),
            Self::PolicyForbids => (
                "POLICY_FORBIDS",
                Status::PermissionDenied,
                "The active policy does not let this person, workload or channel do this.",
                "Ask who answers for the policy, or hand the request to a person.",
                "I'm not allowed to do that from here. Nothing was changed.",
            ),
            Self::ShadowMode => (
                "SHADOW_MODE",
                Status::FailedPrecondition,
                "The tool runs in shadow mode: every rule was asked, and nothing is sent.",
                "Widen the mode in the policy once the shadow receipts look right.",
                "I can't do that by myself yet. A colleague can. Nothing was changed.",
            ),
            Self::ApprovalRequired => (
                "APPROVAL_REQUIRED",
                Status::FailedPrecondition,
                "A member of staff has to approve this and has not yet.",
                "Wait: the last approval sets it going by itself. Whoever may approve has been told.",
                "A colleague has to approve this first. I'll carry it out as soon as they do.",
            ),
            Self::ApprovalRejected => (
                "APPROVAL_REJECTED",
                Status::FailedPrecondition,
                "A member of staff said no.",
                "Read the reason in the receipt; ask again only if something changed.",
                "A colleague looked at this and decided against it. Nothing was changed.",
            ),
            Self::ApprovalInvalid => (
                "APPROVAL_INVALID",
                Status::PermissionDenied,
                "The approval is not a valid signature by a current approver over exactly this card.",
                "Open the request afresh and sign what it shows.",
                "That approval could not be accepted. Nothing was changed.",
            ),
            Self::ApproverNotAllowed => (
                "APPROVER_NOT_ALLOWED",
                Status::PermissionDenied,
                "This person may not approve this: not in a needed role, the requester themself, or counted already.",
                "Let another person in one of the named roles decide.",
                "That approval could not be accepted. Nothing was changed.",
            ),
            Self::ProposalWithdrawn => (
                "PROPOSAL_WITHDRAWN",
                Status::FailedPrecondition,
                "The request was taken back before it was carried out.",
                "Propose again if it is wanted after all.",
                "You took that request back, so I did nothing.",
            ),
            Self::ProposalSuperseded => (
                "PROPOSAL_SUPERSEDED",
                Status::FailedPrecondition,
                "A newer proposal of the same wish took this one's place.",
                "Answer the newest card.",
                "That was replaced by a newer request. Please answer the newest one.",
            ),
            Self::LimitExceeded => (
                "LIMIT_EXCEEDED",
                Status::ResourceExhausted,
                "More money would move within the window than a limit allows; what is under way counts.",
                "Wait until the window has moved on, or let a person do it.",
                "That goes beyond what I may do in this period. A colleague can help. Nothing was changed.",
            ),
            Self::VelocityExceeded => (
                "VELOCITY_EXCEEDED",
                Status::ResourceExhausted,
                "More actions were asked for within the window than a limit allows.",
                "Wait until the window has moved on, or let a person do it.",
                "That was asked too often in a short time. Please try later or ask a colleague.",
            ),
            Self::TooManyOpen => (
                "TOO_MANY_OPEN",
                Status::ResourceExhausted,
                "Too many proposals of this subject or planner wait for an answer.",
                "Answer or withdraw some of them first.",
                "There are too many open requests. Please answer those first.",
            ),
            Self::SwitchedOff => (
                "SWITCHED_OFF",
                Status::Unavailable,
                "An operator switched this tool, its pack, the tenant or everything off.",
                "Ask the operators; `countersign switch list` says who and why.",
                "That is switched off at the moment. Nothing was changed.",
            ),
            Self::StrengthRequired => (
                "STRENGTH_REQUIRED",
                Status::Unauthenticated,
                "The contract demands a stronger sign-in than this subject has.",
                "Sign in more strongly, or let the executor match order number and e-mail.",
                "Please sign in first, or tell me your order number and the e-mail address of the order.",
            ),
            Self::SubjectStale => (
                "SUBJECT_STALE",
                Status::Unauthenticated,
                "The subject was verified too long ago for this to be carried out.",
                "Sign in again, then confirm again.",
                "It has been a while. Please sign in again, then I can carry on.",
            ),
            Self::MatchFailed => (
                "MATCH_FAILED",
                Status::Unauthenticated,
                "Order number and e-mail do not match, or were tried too often. Which of them is not told.",
                "Check both; after five tries only a sign-in helps.",
                "I couldn't match these details. Please check them, or sign in.",
            ),
            Self::IssuerUnreachable => (
                "ISSUER_UNREACHABLE",
                Status::Unavailable,
                "The keys of the subject's issuer cannot be fetched now.",
                "Look at the issuer's JWKS address from the executor's host; retry.",
                "I can't check your sign-in right now. Please try again in a moment.",
            ),
            Self::FraudFlagged => (
                "FRAUD_FLAGGED",
                Status::FailedPrecondition,
                "The backend marks this object as risky.",
                "A person looks at it and decides.",
                "A colleague has to look at this order first. Nothing was changed.",
            ),
            Self::Escalated => (
                "ESCALATED",
                Status::FailedPrecondition,
                "The planner handed this to a person and said why.",
                "A person takes it from the queue.",
                "I've passed this on to a colleague, with everything you told me.",
            ),
            Self::NotActivated => (
                "NOT_ACTIVATED",
                Status::FailedPrecondition,
                "A contract, pack, policy or list differs from the digest that was activated.",
                "Review the change, then `countersign activate` signs it.",
                "That is being changed right now. Nothing was done.",
            ),
            Self::HumanDisagrees => (
                "HUMAN_DISAGREES",
                Status::FailedPrecondition,
                "A person says that the step is finished, and the read says otherwise.",
                "Finish it in the backend's own pages, or say that it was not done.",
                "A colleague is still working on this.",
            ),
        };
        Page { name, status, cause, remedy, say }
    }
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
