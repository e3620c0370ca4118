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

/// Those that come after the matter `last` in that order.
pub(super) fn after(stand: Stand, last: &str) -> String {
    match stand {
        Stand::Open | Stand::Any => format!("escalation_id > {last}"),
        Stand::Untaken => format!("escalation_id < {last}"),
        Stand::Ended => format!(
            "(closed_by, escalation_id) <
             (SELECT closed_by, escalation_id FROM escalations WHERE escalation_id = {last})"
        ),
    }
}
