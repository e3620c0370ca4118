//! What a planner keeps of the executor's history, and what a recovery reads again: one
//! JSON object a line, one file a day, and the newest checkpoint.

use serde::{Deserialize, Serialize};

/// gRPC metadata in which the newest checkpoint goes back with each call.
pub const HEADER: &str = "countersign-checkpoint-bin";
/// The newest signed checkpoint that was seen.
pub const CHECKPOINT: &str = "newest.checkpoint";
/// What showed that the executor tells another history. While it is there, nothing is asked of it.
pub const EVIDENCE: &str = "evidence.json";
/// Files of receipts begin with this and end with [`ENDING`].
pub const RECEIPTS: &str = "receipts-";
/// See [`RECEIPTS`].
pub const ENDING: &str = ".jsonl";

/// A receipt, with what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The leaf's exact bytes: JSON text.
    pub receipt: String,
    /// The text of a `.tlog-proof` file.
    pub proof: String,
}

/// Whether a file of this name holds receipts.
#[must_use]
pub fn holds_receipts(name: &str) -> bool {
    name.starts_with(RECEIPTS) && name.ends_with(ENDING)
}
