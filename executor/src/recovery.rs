//! What an earlier process left. There is no second way to carry an action on:
//! a journal that ends in the middle of an attempt gets that attempt's honest end,
//! and the pipeline takes it from there.

use countersign_core::answer::Verdict;
use countersign_core::dispatch::AttemptResult;
use countersign_core::lifecycle::{Event, State};
use jiff::Timestamp;

use crate::pipeline::Life;

/// FOUR OUTCOMES: an attempt that was under way when the process stopped may or
/// may not have reached the backend.
pub fn mend(life: &mut Life, now: Timestamp) {
    if matches!(life.state(), State::Sent(_)) {
        let why = "the executor stopped while the request was under way".to_owned();
        let result = AttemptResult {
            at: now,
            status: None,
            verdict: Verdict::Lost { why },
            raw: String::new(),
        };
        life.take(Event::Answered(Box::new(result)));
    }
}
