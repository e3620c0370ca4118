//! Bugs that a test plants, one at a time, to see that it would find them. Without the
//! feature `planted`, which no shipped binary enables, there is none.

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A request leaves before its intent is durable.
    SendsBeforeIntent,
    /// Whoever was taken over goes on writing the journal.
    WritesAfterTakeover,
    /// A request is sent again although the backend may have forgotten its key.
    ResendsLate,
}

impl Bug {
    /// Every one.
    pub const ALL: [Self; 3] =
        [Self::SendsBeforeIntent, Self::WritesAfterTakeover, Self::ResendsLate];

    /// Whether it is there: never.
    #[cfg(not(feature = "planted"))]
    #[must_use]
    pub const fn is_planted(self) -> bool {
        false
    }

    /// Whether it is there: if a test planted it.
    #[cfg(feature = "planted")]
    #[must_use]
    pub fn is_planted(self) -> bool {
        PLANTED.load(std::sync::atomic::Ordering::SeqCst) == self.number()
    }

    /// Plants this one, and no other.
    #[cfg(feature = "planted")]
    pub fn plant(self) {
        PLANTED.store(self.number(), std::sync::atomic::Ordering::SeqCst);
    }

    #[cfg(feature = "planted")]
    fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// The bug that is there; 0 for none.
#[cfg(feature = "planted")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);
