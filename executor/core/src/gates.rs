//! Every check that alone can stop an action, by name. All of them are always asked.
//! With the feature `gates-off`, which no shipped binary enables, a test leaves one
//! out and shows what gets through without it.
//!
//! What is not named here cannot alone stop anything that a planner does:
//!
//! * what only doubles one of these: a plan's shape, which arguments are declared and
//!   required, the age of a yes, the issuer and the kind of a signed statement, the id of
//!   a message, the state read when an approver answers, the limits when a card is made;
//! * what has nothing to go on with: a value that is not there, a rule that fails (ERRORS
//!   REFUSE), a tenant without a connection;
//! * what has no step in the lifecycle: carrying out what was carried out, refused or
//!   taken back, or what another call carries out just now;
//! * what a backend, an operator or a browser does: resends, read-backs, another account,
//!   egress, activation at start, passkeys. Of these, [`crate::belts`] names what a
//!   scenario hangs on.

/// A check that alone can stop an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// A caller calls only what the table of callers lets it.
    Caller,
    /// Tokens, words and answers are signed by those who may.
    Signature,
    /// What is signed is meant for this executor.
    ForThisExecutor,
    /// What is signed is neither too old nor from the future.
    SignedInTime,
    /// A frontend vouches for its own tenant only.
    FrontendTenant,
    /// A token says who is there, and is no other statement of its issuer.
    TokenKind,
    /// A token ends.
    TokenEnds,
    /// A planner acts for its own tenants only.
    PlannerTenant,
    /// The subject is surely enough who they are.
    Strength,
    /// A tool is for those whom its contract names, and for staff with its scope only.
    Audience,
    /// The subject was verified recently enough.
    SubjectAge,
    /// A guest is matched by words that somebody attested.
    MatchWords,
    /// A guest is matched where the e-mail is the order's.
    MatchEmail,
    /// A guest has a few tries a day.
    MatchTries,
    /// A match is of this subject.
    MatchPerson,
    /// A match counts in its conversation.
    MatchConversation,
    /// A match counts for an hour.
    MatchLives,
    /// Words are those that were said.
    WordsText,
    /// Words are this subject's.
    WordsPerson,
    /// Words are of this conversation.
    WordsConversation,
    /// Words count for minutes.
    WordsFresh,
    /// Words are seen as they are: nothing in them is hidden.
    PlainWords,
    /// A plan names no tool that is for the executor itself.
    Listed,
    /// An argument comes from where its contract says (REFERENCES, NOT VALUES).
    Source,
    /// Arguments fit their schema.
    Schema,
    /// References point into what this subject saw.
    EvidencePerson,
    /// References point into what was seen in this conversation.
    EvidenceConversation,
    /// An action is shown to its subject only.
    JournalPerson,
    /// A receipt is shown to its subject only.
    ReceiptPerson,
    /// A read yields what is the subject's (SUBJECT OWNS IT).
    ReadOwner,
    /// A write is on what is the subject's (SUBJECT OWNS IT).
    WriteOwner,
    /// An amount is zero or more.
    Amount,
    /// The contract's own conditions.
    Require,
    /// The planner is sure enough (CONFIDENCE ONLY RAISES SCRUTINY).
    Confidence,
    /// Only so many cards wait for an answer at once.
    Open,
    /// Only activated packs run (NO ONE HOLDS THE WHOLE PEN).
    Activated,
    /// No operator switched it off.
    Switch,
    /// The policy permits the read.
    PolicyRead,
    /// The policy permits to ask for it.
    PolicyPropose,
    /// The policy permits the subject's yes.
    PolicyConfirm,
    /// The policy permits this person's yes.
    PolicyApprove,
    /// The policy permits that it is carried out.
    PolicyExecute,
    /// A tool that only rehearses sends nothing.
    Shadow,
    /// A mode that became stricter since the card was shown counts.
    Mode,
    /// The contract is the one whose card was shown.
    Contract,
    /// The state is what was shown (FRESH STATE).
    Unchanged,
    /// A card waits for so long and no longer.
    Alive,
    /// The yes is the subject's (A YES IS SHOWN AND SIGNED).
    YesPerson,
    /// The yes was given in this conversation.
    YesConversation,
    /// The yes was given to this card.
    YesCard,
    /// Nothing that is needed is missing.
    Needs,
    /// The approval was given to this card.
    ApprovalCard,
    /// The approver holds the role, and it is waited for.
    ApproverRole,
    /// The approver is bound to the request's tenant.
    ApproverTenant,
    /// Nobody approves their own request.
    OwnRequest,
    /// One person is one vote.
    OneVote,
    /// An earlier yes counts with the keys and roles of now.
    StillCounts,
    /// What was done is not done again (AT MOST ONE EFFECT).
    Occasion,
    /// Nothing else is in doubt on the object.
    Lock,
    /// Amounts and counts stay within the policy's limits.
    Limits,
    /// A large amount needs an approval.
    Thresholds,
    /// What was done since the card was shown counts towards an approval.
    Recount,
}

impl Gate {
    /// Every one, in the order in which an action meets them.
    pub const ALL: [Self; 62] = [
        Self::Caller,
        Self::Signature,
        Self::ForThisExecutor,
        Self::SignedInTime,
        Self::FrontendTenant,
        Self::TokenKind,
        Self::TokenEnds,
        Self::PlannerTenant,
        Self::Strength,
        Self::Audience,
        Self::SubjectAge,
        Self::MatchWords,
        Self::MatchEmail,
        Self::MatchTries,
        Self::MatchPerson,
        Self::MatchConversation,
        Self::MatchLives,
        Self::WordsText,
        Self::WordsPerson,
        Self::WordsConversation,
        Self::WordsFresh,
        Self::PlainWords,
        Self::Listed,
        Self::Source,
        Self::Schema,
        Self::EvidencePerson,
        Self::EvidenceConversation,
        Self::JournalPerson,
        Self::ReceiptPerson,
        Self::ReadOwner,
        Self::WriteOwner,
        Self::Amount,
        Self::Require,
        Self::Confidence,
        Self::Open,
        Self::Activated,
        Self::Switch,
        Self::PolicyRead,
        Self::PolicyPropose,
        Self::PolicyConfirm,
        Self::PolicyApprove,
        Self::PolicyExecute,
        Self::Shadow,
        Self::Mode,
        Self::Contract,
        Self::Unchanged,
        Self::Alive,
        Self::YesPerson,
        Self::YesConversation,
        Self::YesCard,
        Self::Needs,
        Self::ApprovalCard,
        Self::ApproverRole,
        Self::ApproverTenant,
        Self::OwnRequest,
        Self::OneVote,
        Self::StillCounts,
        Self::Occasion,
        Self::Lock,
        Self::Limits,
        Self::Thresholds,
        Self::Recount,
    ];

    /// Whether it is asked: always.
    #[cfg(not(feature = "gates-off"))]
    #[must_use]
    pub const fn is_on(self) -> bool {
        true
    }

    /// Whether it is asked: unless a test left it out.
    #[cfg(feature = "gates-off")]
    #[must_use]
    pub fn is_on(self) -> bool {
        OFF.load(std::sync::atomic::Ordering::SeqCst) & self.bit() == 0
    }

    /// Leaves these out from here on, and no other.
    #[cfg(feature = "gates-off")]
    pub fn leave_out(gates: &[Self]) {
        let off = gates.iter().fold(0, |off, gate| off | gate.bit());
        OFF.store(off, std::sync::atomic::Ordering::SeqCst);
    }

    #[cfg(feature = "gates-off")]
    fn bit(self) -> u64 {
        1 << (self as u64)
    }
}

/// The gates that are left out, a bit each.
#[cfg(feature = "gates-off")]
static OFF: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
