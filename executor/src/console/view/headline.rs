//! How a request stands, in one line and one sentence.

use countersign_core::error::Refused;
use countersign_core::grant::Parked;
use countersign_core::lifecycle::{Outcome, Settlement, State};
use countersign_core::policy::{People, Person};
use countersign_shared::codes::Code;
use jiff::Timestamp;

use super::{clock, who_may};

/// The top of the page.
pub(crate) struct Headline {
    /// `waits`, `good`, `bad` or `doubt`: its colour.
    pub(crate) tone: &'static str,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) receipt: String,
    /// Whether it will change by itself in a moment.
    pub(crate) busy: bool,
}

impl Headline {
    fn new(tone: &'static str, title: &str, text: impl Into<String>) -> Self {
        let (title, text) = (title.to_owned(), text.into());
        Self { tone, title, text, receipt: String::new(), busy: false }
    }

    /// No such request.
    pub(crate) fn absent() -> Self {
        Self::new("bad", "No such request", "The link is not complete, or too old.")
    }

    /// No such action.
    pub(crate) fn no_action() -> Self {
        let text = "No receipt of your tenants has this id. It may be mistyped.";
        Self::new("bad", "No such action", text)
    }

    /// No such matter.
    pub(crate) fn no_matter() -> Self {
        let text = "No matter of your tenants has this id. It may be mistyped.";
        Self::new("bad", "No such matter", text)
    }

    /// No such page.
    pub(crate) fn no_page() -> Self {
        Self::new("bad", "No such page", "The address is not one of these pages’.")
    }

    /// A page of another role.
    pub(crate) fn not_yours() -> Self {
        let text =
            "Your roles do not open this page. Who may is written in the policy's people.yaml.";
        Self::new("doubt", "Not for your role", text)
    }

    /// What somebody wanted cannot be done now.
    pub(crate) fn refused(why: &str) -> Self {
        Self::new("bad", "Not done", why)
    }

    /// Nobody can say now.
    pub(crate) fn unreadable(why: &str) -> Self {
        let text = format!("The state cannot be read now: {why}. Open the page again in a moment.");
        Self::new("doubt", "Not readable now", text)
    }

    /// As a person sees it; where their role is asked and they may not answer, with why.
    pub(crate) fn of(
        state: &State,
        person: &Person,
        barred: Option<&str>,
        people: &People,
        now: Timestamp,
    ) -> Self {
        match state {
            State::Proposed(parked) => waiting(parked, person, barred, people, now),
            State::Refused(stopped) => refused(&stopped.refused),
            State::SealedRefusal(stopped, receipt) => {
                Self { receipt: receipt.to_string(), ..refused(&stopped.refused) }
            }
            State::Sealed(settled, receipt) => {
                Self { receipt: receipt.to_string(), ..ended(&settled.settlement) }
            }
            State::Granted(_)
            | State::Claimed(_)
            | State::Cleared(_)
            | State::Sent(_)
            | State::Answered(_)
            | State::Looking(..)
            | State::Settled(_) => {
                let text = "Every yes is there. This page says how it ends.";
                Self { busy: true, ..Self::new("waits", "Being carried out", text) }
            }
        }
    }
}

fn waiting(
    parked: &Parked,
    person: &Person,
    barred: Option<&str>,
    people: &People,
    now: Timestamp,
) -> Headline {
    let proposal = parked.proposal();
    if now > proposal.expires_at() {
        return Headline::new("bad", "Too late", "Nobody answered in time. Nothing was done.");
    }
    let others = who_may(parked, people, now);
    if !parked.waits_for_staff() {
        let text = format!("Still asked: {others}.");
        return Headline::new("waits", "Waits for the customer", text);
    }
    let answered = parked.votes().iter().any(|vote| vote.is_of(&person.id));
    if answered {
        let text = format!("Your yes is counted. Still asked: {others}.");
        return Headline::new("waits", "Waits for others", text);
    }
    let roles = people.roles_for(person, &proposal.asked().subject.tenant, now);
    if parked.missing().any(|need| need.role().is_some_and(|role| roles.contains(role))) {
        if let Some(why) = barred {
            return Headline::new("waits", "You cannot answer this", format!("{why}."));
        }
        let text = format!("Until {}.", clock(proposal.expires_at()));
        return Headline::new("waits", "Waits for a yes or no", text);
    }
    let text = format!("You hold none of the roles that are asked. Who may answer: {others}.");
    Headline::new("waits", "Not yours to answer", text)
}

fn refused(refused: &Refused) -> Headline {
    let is = |code| refused.is(code);
    let (title, text) = if is(Code::ProposalExpired) {
        ("Too late", "Nobody answered in time. Nothing was done.".to_owned())
    } else if is(Code::ApprovalRejected) {
        ("Rejected", format!("{}. Nothing was done.", refused.message))
    } else if is(Code::ProposalWithdrawn) {
        ("Taken back", "The one who asked for it took it back. Nothing was done.".to_owned())
    } else if is(Code::ProposalSuperseded) {
        ("Asked anew", "A newer request took the place of this one.".to_owned())
    } else if is(Code::StateChanged) {
        let text =
            "What it is about was changed meanwhile, so no yes to it counts. Nothing was done.";
        ("Changed meanwhile", text.to_owned())
    } else if is(Code::AlreadyDone) {
        let text = format!("{}. By this request nothing was done.", refused.message);
        return Headline::new("doubt", "Done before", text);
    } else if is(Code::HistoryMissing) {
        let Refused { code, message, .. } = refused;
        let text = format!(
            "Nothing was sent now. Nobody can tell yet whether it was done before: a person has \
             to look. {code}: {message}."
        );
        return Headline::new("doubt", "Not known", text);
    } else {
        let text = format!("{}: {}. Nothing was done.", refused.code, refused.message);
        ("Refused", text)
    };
    Headline::new("bad", title, text)
}

fn ended(settlement: &Settlement) -> Headline {
    let Settlement { outcome, code, message } = settlement;
    let because = if code.is_empty() { String::new() } else { format!(" {code}: {message}") };
    match outcome {
        Outcome::Applied => Headline::new("good", "Done", "It was carried out, and looked at."),
        Outcome::NotApplied => Headline::new(
            "bad",
            "Not done",
            format!("It is proved that nothing was done.{because}"),
        ),
        Outcome::Refused => Headline::new("bad", "Refused", format!("Nothing was done.{because}")),
        Outcome::Unknown => {
            let text =
                format!("Nobody can tell yet whether it was done: a person has to look.{because}");
            Headline::new("doubt", "Not known", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_done_is_said_only_where_it_is_known() {
        for code in Code::ALL {
            let shown = refused(&Refused::new(*code, "why"));
            let open = matches!(code, Code::AlreadyDone | Code::HistoryMissing);
            assert_eq!(shown.tone == "doubt", open, "{code:?}: {}", shown.text);
            assert!(!(open && shown.text.contains("Nothing was done")), "{code:?}: {}", shown.text);
        }
    }
}
