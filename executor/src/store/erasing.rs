//! Why an erasure has to wait, in the same words in every store.

use countersign_core::error::Refused;
use countersign_shared::codes::Code;

pub(super) fn held() -> Refused {
    let message = "a legal hold stands on this person's data: release it first";
    Refused::new(Code::ErasureWaits, message)
}

pub(super) fn in_flight(count: i64) -> Refused {
    let message = format!(
        "{count} actions of this person wait, are under way or are in doubt: let them end, or \
         settle them, and try again"
    );
    Refused::new(Code::ErasureWaits, message)
}
