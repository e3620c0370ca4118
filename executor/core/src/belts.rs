//! Guards of the executor that are no gates: they hold where a backend misbehaves, or spare
//! people what is nothing to them. With the feature `gates-off`, which no shipped binary
//! enables, a test leaves one out and plays the scenarios that hang on it.

/// A guard beside the gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Belt {
    /// A planner is told of those tools only that its subject may use, as far as that is known
    /// before anything is proposed.
    ListedFor,
    /// Any 5xx is unknown until looked at (FOUR OUTCOMES).
    ServerErrors,
    /// A lost reply is unknown until looked at (FOUR OUTCOMES).
    LostReplies,
    /// What was provably not carried out is sent again.
    SentAgain,
    /// A success counts once the read-back shows the whole effect (FOUR OUTCOMES).
    ReadBack,
    /// A change that no rule and no text looks at is none (FRESH STATE).
    WhatMatters,
}

impl Belt {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::ListedFor,
        Self::ServerErrors,
        Self::LostReplies,
        Self::SentAgain,
        Self::ReadBack,
        Self::WhatMatters,
    ];

    /// Whether it holds: always.
    #[cfg(not(feature = "gates-off"))]
    #[must_use]
    pub const fn is_on(self) -> bool {
        true
    }

    /// Whether it holds: unless a test left it out.
    #[cfg(feature = "gates-off")]
    #[must_use]
    pub fn is_on(self) -> bool {
        OFF.load(std::sync::atomic::Ordering::SeqCst) & self.bit() == 0
    }

    /// Leaves these out from here on, and no other.
    #[cfg(feature = "gates-off")]
    pub fn leave_out(belts: &[Self]) {
        let off = belts.iter().fold(0, |off, belt| off | belt.bit());
        OFF.store(off, std::sync::atomic::Ordering::SeqCst);
    }

    #[cfg(feature = "gates-off")]
    fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// The belts that are left out, a bit each.
#[cfg(feature = "gates-off")]
static OFF: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
