//! What a store remembers of itself: whether it went back in time, whether receipts may
//! be missing, which epoch of the log it writes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a store stands towards its own history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Why it reads only; absent while it may act.
    pub quarantine: Option<Quarantine>,
    /// Since when effects may be there whose receipts are not.
    pub gap: Option<Gap>,
    /// The log's epoch, from 1.
    pub epoch: u32,
}

/// A store that went back in time (TWO KEEP THE HISTORY).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// What showed it.
    pub why: String,
    /// When it was noticed.
    pub since: Timestamp,
    /// Size of the log at the checkpoint that showed it; 0 where none did.
    pub seen: u64,
}

/// Effects of which no receipt may be left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When the store was recovered.
    pub since: Timestamp,
    /// Receipts that are known to be missing. What was under way has none either way.
    pub missing: u64,
}

impl Default for Standing {
    fn default() -> Self {
        Self { quarantine: None, gap: None, epoch: 1 }
    }
}
