//! Sends no write to a backend whose writes fail again and again: whoever asks then hears
//! at once that nothing was sent. Reads go on and do not count: a look at what a lost reply
//! did must not be held back, and a backend may answer reads while its writes time out.
//!
//! ```text
//! closed ──5 failures in a row──▶ open, 5 s ──▶ one write tries ──good──▶ closed
//!                                   ▲   twice as long, at most 60 s └──bad──┘
//! ```

use std::time::Duration;

use countersign_core::answer::{Barrier, Sent};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures in a row after which it is left alone.
const FAILURES: u32 = 5;
/// How long at first.
const REST: Duration = Duration::from_secs(5);
/// How long at most.
const LONGEST: Duration = Duration::from_secs(60);

/// One connection's breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Left alone until then; how long that was.
    open: Option<(Instant, Duration)>,
    /// One write is out to try.
    trying: bool,
}

/// A write's way through; its outcome counts, and none where it was given up.
#[derive(Debug)]
pub(super) struct Pass<'b> {
    breaker: &'b Breaker,
    trying: bool,
}

impl Breaker {
    /// Whether the backend is left alone: writes are held back.
    pub(super) fn is_open(&self) -> bool {
        self.0.lock().open.is_some()
    }

    /// Lets a write through, or says that it was not sent.
    pub(super) fn pass(&self, now: Instant) -> Result<Pass<'_>, Sent> {
        let mut state = self.0.lock();
        let Some((until, _)) = state.open else { return Ok(Pass { breaker: self, trying: false }) };
        if now < until || state.trying {
            let why = format!(
                "the last {} writes failed; it is asked again in {} s",
                state.failures,
                until.saturating_duration_since(now).as_secs() + 1
            );
            return Err(Sent::NotSent { barrier: Barrier::Unreachable, why });
        }
        state.trying = true;
        Ok(Pass { breaker: self, trying: true })
    }
}

impl Pass<'_> {
    /// Counts how it went.
    pub(super) fn ended(self, sent: &Sent, now: Instant) {
        let Some(failed) = failed(sent) else { return };
        let mut state = self.breaker.0.lock();
        if !failed {
            *state = State { trying: state.trying, ..State::default() };
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if self.trying || (state.open.is_none() && state.failures >= FAILURES) {
            let rest = state.open.map_or(REST, |(_, rest)| (rest * 2).min(LONGEST));
            state.open = Some((now + rest, rest));
            tracing::warn!(
                failures = state.failures,
                rest_s = rest.as_secs(),
                "a backend is left alone"
            );
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trying {
            self.breaker.0.lock().trying = false;
        }
    }
}

/// No way there, no complete answer, or a gateway's word that there was none. A 500 may be
/// one customer's order; what our own side refused says nothing about the backend.
fn failed(sent: &Sent) -> Option<bool> {
    match sent {
        Sent::NotSent { barrier, .. } => match barrier {
            Barrier::Unreachable => Some(true),
            Barrier::Egress | Barrier::Credential | Barrier::Busy => None,
        },
        Sent::Lost { .. } => Some(true),
        Sent::Answered { status, .. } => Some((502..=504).contains(status)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn answered(status: u16) -> Sent {
        Sent::Answered { status, retry_after: None, replayed: false, body: Vec::new() }
    }

    fn lost() -> Sent {
        Sent::Lost { why: String::new() }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_success_closes_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        for sent in [lost(), answered(502), lost(), lost(), answered(500), lost(), answered(503)] {
            breaker.pass(at(0)).unwrap().ended(&sent, at(0));
        }
        for _ in 0..3 {
            breaker.pass(at(0)).unwrap().ended(&lost(), at(0));
        }
        let refused = breaker.pass(at(4)).unwrap_err();
        assert!(
            matches!(&refused, Sent::NotSent { barrier: Barrier::Unreachable, why }
            if why.contains("the last 5 writes failed")),
            "{refused:?}"
        );
        // One write tries; whoever comes meanwhile does not.
        let trying = breaker.pass(at(5)).unwrap();
        assert!(breaker.pass(at(5)).is_err());
        trying.ended(&lost(), at(6));
        assert!(breaker.pass(at(15)).is_err(), "twice as long");
        breaker.pass(at(16)).unwrap().ended(&answered(404), at(16));
        let all = (0..4).map(|_| breaker.pass(at(16)));
        assert!(all.into_iter().all(|pass| pass.is_ok()));
    }

    #[test]
    fn what_says_nothing_about_the_backend_changes_nothing() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let busy = || Sent::NotSent { barrier: Barrier::Busy, why: String::new() };
        for sent in [lost(), busy(), lost(), lost(), busy(), lost()] {
            breaker.pass(now).unwrap().ended(&sent, now);
        }
        breaker.pass(now).unwrap().ended(&lost(), now);
        assert!(breaker.pass(now).is_err(), "five failures, whatever was between them");
        // One that tries and finds no place, or is given up, leaves the turn to the next.
        let later = now + REST;
        breaker.pass(later).unwrap().ended(&busy(), later);
        drop(breaker.pass(later).unwrap());
        let trying = breaker.pass(later).unwrap();
        assert!(breaker.pass(later).is_err(), "still open");
        trying.ended(&answered(200), later);
        assert!(breaker.pass(later).is_ok());
    }
}
