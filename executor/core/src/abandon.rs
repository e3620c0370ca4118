//! How an action ends whose contract is gone: removed, or in a pack that is not
//! loaded any more. Without it nothing can be asked, sent or looked for.

use countersign_shared::codes::Code;
use jiff::Timestamp;

use crate::answer::Verdict;
use crate::dispatch::AttemptResult;
use crate::error::Refused;
use crate::lifecycle::{Event, Outcome, Settlement, State};

/// The next step towards its honest end; `None` once it has ended, and for a
/// proposal that still waits. What was not sent is refused. What was sent stays
/// `unknown` until a person has looked (FOUR OUTCOMES).
#[must_use]
pub fn abandon(state: &State, now: Timestamp) -> Option<Event> {
    let tool = state.proposal().tool();
    match state {
        State::Granted(_) | State::Claimed(_) => Some(Event::Refused(Box::new(refused(tool)))),
        State::Cleared(cleared) => {
            Some(Event::Refused(Box::new(cleared.passed().refuse(refused(tool)))))
        }
        State::Sent(_) => {
            let why = "the contract was gone while the request was under way".to_owned();
            let result = AttemptResult {
                at: now,
                status: None,
                verdict: Verdict::Lost { why },
                raw: String::new(),
            };
            Some(Event::Answered(Box::new(result)))
        }
        State::Answered(_) | State::Looking(..) => {
            let message = format!(
                "no contract named `{tool}` is active any more, so its effect cannot be looked \
                 for: look at the backend"
            );
            let code = Code::ToolUnknown.name();
            Some(Event::Settled(Settlement::new(Outcome::Unknown, code, &message)))
        }
        State::Proposed(_)
        | State::Settled(_)
        | State::Refused(_)
        | State::Sealed(..)
        | State::SealedRefusal(..) => None,
    }
}

fn refused(tool: &str) -> Refused {
    let message = format!("no contract named `{tool}` is active any more; nothing was sent");
    Refused::new(Code::ToolUnknown, message)
}
