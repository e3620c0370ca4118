//! How a customer's request stands, in few words. What became of it is said in its
//! receipt's own words (NO CLAIM WITHOUT A RECEIPT).

use countersign_core::error::Refused;
use countersign_core::grant::Parked;
use countersign_core::lifecycle::{Outcome, State};
use countersign_shared::codes::Code;
use jiff::Timestamp;

use crate::confirm::waits_for_customer;
use crate::desk::Desk;
use crate::pipeline::Life;
use crate::service::executor::words;

/// The top of the page.
pub(super) struct Told {
    /// `waits`, `good`, `bad` or `doubt`: its colour.
    pub(super) tone: &'static str,
    pub(super) title: &'static str,
    pub(super) text: String,
    /// Whether it will change by itself in a moment.
    pub(super) busy: bool,
}

impl Told {
    fn new(tone: &'static str, title: &'static str, text: impl Into<String>) -> Self {
        Self { tone, title, text: text.into(), busy: false }
    }

    /// No such link.
    pub(super) fn absent() -> Self {
        Self::new("bad", "This link does not work", "It is not complete, or too old.")
    }

    /// How it ended, in the words of its receipt.
    pub(super) fn ended(outcome: Outcome, said: &str) -> Self {
        match outcome {
            Outcome::Applied => Self::new("good", "Done", said),
            Outcome::NotApplied | Outcome::Refused => Self::new("bad", "Not done", unasked(said)),
            Outcome::Unknown => Self::new("doubt", "Not known yet", unasked(said)),
        }
    }

    /// Why it ended before anything was sent. Not every refusal says that it is not done.
    pub(super) fn refused(code: &str, said: &str) -> Self {
        let is = |known: Code| code == known.name();
        if is(Code::ProposalExpired) {
            late()
        } else if is(Code::ProposalWithdrawn) {
            Self::new("bad", "Taken back", "This was taken back. Nothing was done.")
        } else if is(Code::ProposalSuperseded) {
            let text = "A newer request took the place of this one. Nothing was done here.";
            Self::new("bad", "Asked anew", text)
        } else if is(Code::StateChanged) {
            let text = "What this is about has changed, so a yes does not count any more. \
                        Nothing was done.";
            Self::new("bad", "Changed meanwhile", text)
        } else if is(Code::AlreadyDone) {
            Self::new("doubt", "Done before", unasked(said))
        } else if is(Code::HistoryMissing) {
            Self::ended(Outcome::Unknown, said)
        } else {
            Self::ended(Outcome::Refused, said)
        }
    }

    /// Nobody can say now.
    pub(super) fn not_now() -> Self {
        let text =
            "We cannot look right now. Open the link again in a moment to see how it stands.";
        Self::new("doubt", "Not now", text)
    }

    /// The tap did not count, and the request still waits.
    pub(super) fn not_counted(refused: &Refused) -> Self {
        let why = unasked(&refused.say);
        let text = format!("{why} Open the link again to see how it stands.");
        Self::new("doubt", "Your answer did not count", text)
    }

    /// As it stands.
    ///
    /// # Errors
    /// A receipt that cannot be read.
    pub(super) async fn of(
        desk: &Desk,
        life: &Life,
        now: Timestamp,
    ) -> Result<Self, tonic::Status> {
        let state = life.state();
        Ok(match state {
            // A yes that is being carried out may not be written down yet.
            State::Proposed(_) if desk.running.follow(life.action()).is_some() => under_way(),
            State::Proposed(parked) => waiting(parked, now),
            State::Refused(stopped) | State::SealedRefusal(stopped, _) => {
                Self::refused(&stopped.refused.code, &stopped.refused.say)
            }
            State::Sealed(settled, receipt) => {
                let owner = &state.proposal().asked().subject;
                Self::ended(settled.settlement.outcome, &words(desk, owner, receipt).await?)
            }
            State::Granted(_)
            | State::Claimed(_)
            | State::Cleared(_)
            | State::Sent(_)
            | State::Answered(_)
            | State::Looking(..)
            | State::Settled(_) => under_way(),
        })
    }
}

fn under_way() -> Told {
    let text = "Your yes counts. This page tells you how it ends.";
    Told { busy: true, ..Told::new("waits", "Under way", text) }
}

fn waiting(parked: &Parked, now: Timestamp) -> Told {
    if now > parked.proposal().expires_at() {
        return late();
    }
    if waits_for_customer(parked) {
        let text = "Nothing happens until you say yes here.";
        return Told::new("waits", "Do you want this?", text);
    }
    if parked.waits_for_staff() {
        let text = "Your yes counts. A colleague looks at it now; you need do nothing more.";
        return Told::new("good", "Thank you", text);
    }
    under_way()
}

fn late() -> Told {
    Told::new("bad", "Too late", "No answer came in time. Nothing was done.")
}

/// Words without the question that they end with: a page takes no answer to it.
fn unasked(said: &str) -> &str {
    let Some(asks) = said.strip_suffix('?') else { return said };
    let ends =
        |(at, _): &(usize, &str)| asks.get(at + 1..).is_some_and(|rest| rest.starts_with(' '));
    let end = asks.rmatch_indices(['.', '!', '?']).find(ends);
    end.and_then(|(at, _)| said.get(..=at)).unwrap_or_default()
}
