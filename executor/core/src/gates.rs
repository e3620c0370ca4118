//! Every check that alone can stop an action, by name. All of them are always asked.
//! With the feature `gates-off`, which no shipped binary enables, a test leaves one
//! out and shows what gets through without it.

/// A check that alone can stop an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gate {
    /// Tokens, words and answers are signed by those who may.
    Signature,
    /// What is signed is neither too old nor from the future.
    SignedInTime,
    /// A frontend vouches for its own tenant only.
    FrontendTenant,
    /// The subject is surely enough who they are.
    Strength,
    /// The subject was verified recently enough.
    SubjectAge,
    /// A planner acts for its own tenants only.
    PlannerTenant,
    /// Words are those that were said.
    WordsText,
    /// Words are this subject's.
    WordsPerson,
    /// Words are of this conversation.
    WordsConversation,
    /// Words count for minutes.
    WordsFresh,
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
    /// A read yields what is the subject's (SUBJECT OWNS IT).
    ReadOwner,
    /// A write is on what is the subject's (SUBJECT OWNS IT).
    WriteOwner,
    /// The contract's own conditions.
    Require,
    /// The planner is sure enough (CONFIDENCE ONLY RAISES SCRUTINY).
    Confidence,
    /// No operator switched it off.
    Switch,
    /// The policy permits it.
    Policy,
    /// The tool's mode lets it go.
    Mode,
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
    /// Nobody approves their own request.
    OwnRequest,
    /// One person is one vote.
    OneVote,
    /// What was done is not done again (AT MOST ONE EFFECT).
    Occasion,
    /// Nothing else is in doubt on the object.
    Lock,
    /// Amounts and counts stay within the policy's limits.
    Limits,
    /// A large amount needs an approval.
    Thresholds,
}

impl Gate {
    /// Every one, in the order in which an action meets them.
    pub const ALL: [Self; 36] = [
        Self::Signature,
        Self::SignedInTime,
        Self::FrontendTenant,
        Self::Strength,
        Self::SubjectAge,
        Self::PlannerTenant,
        Self::WordsText,
        Self::WordsPerson,
        Self::WordsConversation,
        Self::WordsFresh,
        Self::Source,
        Self::Schema,
        Self::EvidencePerson,
        Self::EvidenceConversation,
        Self::JournalPerson,
        Self::ReadOwner,
        Self::WriteOwner,
        Self::Require,
        Self::Confidence,
        Self::Switch,
        Self::Policy,
        Self::Mode,
        Self::Unchanged,
        Self::Alive,
        Self::YesPerson,
        Self::YesConversation,
        Self::YesCard,
        Self::Needs,
        Self::ApprovalCard,
        Self::ApproverRole,
        Self::OwnRequest,
        Self::OneVote,
        Self::Occasion,
        Self::Lock,
        Self::Limits,
        Self::Thresholds,
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

    /// Leaves this one out from here on, and no other.
    #[cfg(feature = "gates-off")]
    pub fn leave_out(self) {
        OFF.store(self.bit(), std::sync::atomic::Ordering::SeqCst);
    }

    /// Leaves none out.
    #[cfg(feature = "gates-off")]
    pub fn leave_none_out() {
        OFF.store(0, std::sync::atomic::Ordering::SeqCst);
    }

    #[cfg(feature = "gates-off")]
    fn bit(self) -> u64 {
        1 << (self as u64)
    }
}

/// The gates that are left out, a bit each.
#[cfg(feature = "gates-off")]
static OFF: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
