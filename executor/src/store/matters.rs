//! How matters of the queue stand, as SQL of both stores.

use crate::ports::Stand;

/// Which of them, and their order: ids are in the order of time.
pub(super) fn stands(stand: Stand) -> &'static str {
    match stand {
        Stand::Open => "closed_by IS NULL ORDER BY escalation_id",
        Stand::Untaken => "closed_by IS NULL AND taken_by IS NULL ORDER BY escalation_id DESC",
        Stand::Ended => "closed_by IS NOT NULL ORDER BY closed_by DESC, escalation_id DESC",
        Stand::Any => "TRUE ORDER BY escalation_id",
    }
}
