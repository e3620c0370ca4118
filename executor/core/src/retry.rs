//! What follows an attempt: reading back, sending the same bytes again, or giving
//! up. A resend happens only where the effect class proves it safe.

use std::time::Duration;

use countersign_shared::codes::Code;
use jiff::{SignedDuration, Timestamp};

use crate::answer::Verdict;
use crate::belts::Belt;
use crate::contract::{Contract, EffectClass};
use crate::dispatch::Dispatch;
use crate::lifecycle::{Outcome, Settlement};
use crate::planted::Bug;

/// Most attempts of one action that may reach the backend.
pub const MAX_ATTEMPTS: usize = 5;
/// Longest wait between two attempts; a backend that asks for more is not obeyed.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// How long a backend that cannot be reached is tried.
pub const MAX_OUTAGE: Duration = Duration::from_secs(600);

/// How long, where an earlier attempt is in doubt: reads may get through, and tell.
const LOOK_AFTER: Duration = Duration::from_secs(60);
/// Longest pause after an attempt that may have reached the backend.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long the gates' answers hold for a write that certainly had no effect yet, or that made
/// an object with our id: one that was removed since is not made anew.
const GATES_HOLD: Duration = Duration::from_secs(600);

/// What to do after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Read back.
    Look,
    /// Send the same bytes again, not before this time.
    Resend(Timestamp),
    /// It is over.
    Settle(Settlement),
}

/// Decides from the last attempt's verdict and the effect class.
#[must_use]
pub fn after(dispatch: &Dispatch, contract: &Contract, now: Timestamp) -> Next {
    let Some(attempt) = dispatch.last() else { return Next::Resend(now) };
    let verdict = attempt.result.as_ref().map(|r| &r.verdict);
    match verdict {
        Some(Verdict::Accepted { .. } | Verdict::Guard { .. }) => Next::Look,
        Some(Verdict::Rejected { code, message }) => refused(dispatch, code, message),
        Some(Verdict::CredentialRejected) => {
            refused(dispatch, Code::CredentialRejected.name(), "the backend refused the credential")
        }
        Some(Verdict::Throttled { after }) => {
            let again = put_off(dispatch, *after, now);
            later(dispatch, contract, again, Code::BackendThrottled, "the backend is throttling")
        }
        Some(Verdict::NotSent { why, halted }) => {
            let code = if *halted { Code::EffectsHalted } else { Code::BackendUnreachable };
            later(dispatch, contract, unreached(dispatch, now), code, why)
        }
        Some(Verdict::SwitchedOff { why }) => refused(dispatch, Code::SwitchedOff.name(), why),
        Some(Verdict::Lost { why }) if !Belt::LostReplies.is_on() => {
            Next::Settle(Settlement::new(Outcome::NotApplied, Code::ReplyLost.name(), why))
        }
        Some(Verdict::Lost { .. }) | None => lost(dispatch, contract, now),
    }
}

/// A complete refusal proves that nothing happened, unless an earlier attempt's
/// fate is open: then that one may be what the backend refuses to repeat.
fn refused(dispatch: &Dispatch, code: &str, message: &str) -> Next {
    if dispatch.in_doubt() {
        return Next::Look;
    }
    Next::Settle(Settlement::new(Outcome::NotApplied, code, message))
}

/// The backend took the request and put it off: again after a while, so many times.
fn put_off(dispatch: &Dispatch, asked: Option<Duration>, now: Timestamp) -> Option<Timestamp> {
    let bounded = dispatch.sent() < MAX_ATTEMPTS && asked.is_none_or(|a| a <= MAX_WAIT);
    let wait = asked.unwrap_or_else(|| pause(dispatch));
    bounded.then(|| at(now, wait))
}

/// It never left, so it used up no attempt: again after ever longer pauses, for so long.
/// A clock that was set back by as much measures nothing.
fn unreached(dispatch: &Dispatch, now: Timestamp) -> Option<Timestamp> {
    let tries = dispatch.unsent();
    let since = tries.first()?.at;
    let again = at(now, backoff(dispatch, tries.len(), MAX_WAIT));
    let longest = if dispatch.in_doubt() { LOOK_AFTER } else { MAX_OUTAGE };
    (again.duration_since(since).unsigned_abs() < longest).then_some(again)
}

/// Provably not executed: again then, if that is safe.
fn later(
    dispatch: &Dispatch,
    contract: &Contract,
    again: Option<Timestamp>,
    code: Code,
    why: &str,
) -> Next {
    let safe = |again: &Timestamp| may_send(dispatch, contract, *again) && Belt::SentAgain.is_on();
    if let Some(again) = again.filter(safe) {
        return Next::Resend(again);
    }
    if dispatch.in_doubt() {
        return Next::Look;
    }
    Next::Settle(Settlement::new(Outcome::NotApplied, code.name(), why))
}

/// FOUR OUTCOMES: a lost reply is unknown until resolved, by class.
fn lost(dispatch: &Dispatch, contract: &Contract, now: Timestamp) -> Next {
    let again = dispatch.sent() < MAX_ATTEMPTS && dispatch.same_contract(contract);
    match contract.effect.class {
        EffectClass::ServerKey if again && in_window(dispatch, contract, now) => {
            Next::Resend(at(now, pause(dispatch)))
        }
        EffectClass::ClientId if again && fresh(dispatch, at(now, pause(dispatch))) => {
            Next::Resend(at(now, pause(dispatch)))
        }
        EffectClass::ServerKey
        | EffectClass::ClientId
        | EffectClass::CompareAndSet
        | EffectClass::Marker => Next::Look,
        EffectClass::Blind | EffectClass::None => Next::Settle(Settlement::new(
            Outcome::Unknown,
            Code::ReplyLost.name(),
            "the reply was lost and this backend offers no way to look",
        )),
    }
}

/// Whether the same bytes may be sent at this time: the gates' answers are fresh,
/// and where an earlier attempt may have had its effect, the effect class proves a
/// repeat safe. Asked when a resend is planned and again just before it.
#[must_use]
pub fn may_send(dispatch: &Dispatch, contract: &Contract, now: Timestamp) -> bool {
    let fresh = fresh(dispatch, now);
    let safe = match contract.effect.class {
        EffectClass::ServerKey => in_window(dispatch, contract, now),
        EffectClass::ClientId => fresh,
        EffectClass::CompareAndSet
        | EffectClass::Marker
        | EffectClass::Blind
        | EffectClass::None => false,
    };
    dispatch.same_contract(contract) && if dispatch.open_before_last() { safe } else { fresh }
}

/// Whether the gates' answers still hold.
fn fresh(dispatch: &Dispatch, now: Timestamp) -> bool {
    let hold = SignedDuration::try_from(GATES_HOLD).unwrap_or(SignedDuration::ZERO);
    now.duration_since(dispatch.cleared().passed().at) <= hold
}

/// Whether the backend still keeps our key: counted from the first send, with a
/// margin of 5 %, at least 5 minutes. A clock behind what the journal knows was set
/// back and measures nothing.
fn in_window(dispatch: &Dispatch, contract: &Contract, now: Timestamp) -> bool {
    let (Some(first), Some(window)) = (dispatch.first_sent(), contract.effect.window) else {
        return false;
    };
    if Bug::ResendsLate.is_planted() {
        return true;
    }
    if dispatch.newest().is_some_and(|newest| now < newest) {
        return false;
    }
    let margin = (window / 20).max(Duration::from_secs(300));
    let safe = window.saturating_sub(margin);
    now.duration_since(first) < SignedDuration::try_from(safe).unwrap_or(SignedDuration::ZERO)
}

/// The pause after an attempt that may have reached the backend.
fn pause(dispatch: &Dispatch) -> Duration {
    backoff(dispatch, dispatch.sent(), LONGEST_PAUSE)
}

/// 200 ms, doubling with each try; half of it jitter that the key decides, so that a
/// replay waits just as long.
fn backoff(dispatch: &Dispatch, tries: usize, longest: Duration) -> Duration {
    let whole = Duration::from_millis(200).saturating_mul(1 << tries.min(9)).min(longest);
    let attempts = dispatch.attempts().len();
    let seed =
        crate::digest::of("countersign jitter v1", &(dispatch.cleared().claimed().key(), attempts));
    let part = seed.get(..2).and_then(|h| u32::from_str_radix(h, 16).ok()).unwrap_or(128);
    whole / 2 + whole.mul_f64(f64::from(part) / 512.0)
}

fn at(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
