//! A request in words, for a person who did not see the conversation.

mod headline;

use countersign_core::grant::{Need, Parked, Vote};
use countersign_core::lifecycle::State;
use countersign_core::policy::{People, Person};
use countersign_core::proposal::Proposal;
use jiff::Timestamp;
use serde_json::Value as Json;

pub(super) use headline::Headline;

/// A request as its journal has it, whatever became of it.
pub(super) struct Seen<'a> {
    pub(super) proposal: &'a Proposal,
    votes: &'a [Vote],
    missing: Vec<&'a Need>,
}

/// What the page shows of it.
pub(super) struct View {
    pub(super) card: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) reasons: Vec<String>,
    pub(super) answers: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) sure: String,
    pub(super) unsure: String,
    pub(super) state: Vec<(String, String)>,
    pub(super) arguments: Vec<Argument>,
}

/// One argument, and where its value came from (REFERENCES, NOT VALUES).
pub(super) struct Argument {
    pub(super) path: String,
    pub(super) value: String,
    pub(super) source: String,
}

impl<'a> Seen<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let (votes, missing): (&[Vote], Vec<&Need>) = match state {
            State::Proposed(parked) => (parked.votes(), parked.missing().collect()),
            State::Refused(stopped) | State::SealedRefusal(stopped, _) => (&stopped.votes, vec![]),
            State::Granted(granted) => (granted.votes(), vec![]),
            State::Claimed(claimed) => (claimed.granted().votes(), vec![]),
            State::Cleared(cleared) => (cleared.claimed().granted().votes(), vec![]),
            State::Sent(dispatch) | State::Answered(dispatch) | State::Looking(dispatch, _) => {
                (dispatch.cleared().claimed().granted().votes(), vec![])
            }
            State::Settled(settled) | State::Sealed(settled, _) => {
                (settled.dispatch.cleared().claimed().granted().votes(), vec![])
            }
        };
        Self { proposal: state.proposal(), votes, missing }
    }

    /// Whether a person has to do with it: by a role that it asks for, or by an answer.
    pub(super) fn concerns(&self, person: &Person, people: &People, now: Timestamp) -> bool {
        let tenant = &self.proposal.asked().subject.tenant;
        let roles = people.roles_for(person, tenant, now);
        let asked = |need: &Need| need.role().is_some_and(|role| roles.contains(role));
        let answered = |vote: &Vote| vote.is_of(&person.id);
        self.proposal.needs().iter().any(asked) || self.votes.iter().any(answered)
    }
}

impl View {
    pub(super) fn of(seen: &Seen<'_>, people: &People, now: Timestamp) -> Self {
        let (proposal, asked) = (seen.proposal, seen.proposal.asked());
        let mut facts = Vec::new();
        facts.extend(proposal.money().map(|money| ("Amount", money.to_string())));
        facts.push(("For", asked.subject.id.clone()));
        facts.push(("Asked", clock(proposal.at())));
        if !seen.missing.is_empty() {
            facts.push(("Time left", left(proposal.expires_at(), now)));
        }
        facts.push(("Action", proposal.tool().to_owned()));
        facts.push(("Tenant", asked.subject.tenant.clone()));
        if !asked.external_ref.is_empty() {
            facts.push(("Ticket", asked.external_ref.clone()));
        }
        let state = proposal.state().to_json();
        let state = state.as_object().into_iter().flatten();
        Self {
            card: proposal.card().lines().map(str::to_owned).collect(),
            facts,
            reasons: reasons(proposal),
            answers: seen.votes.iter().map(|vote| answered(vote, people)).collect(),
            missing: seen
                .missing
                .iter()
                .map(|need| missing(need, &asked.subject.tenant, people, now))
                .collect(),
            sure: format!("{:.0} %", asked.confidence.score * 100.0),
            unsure: asked.confidence.uncertainty_reason.clone(),
            state: state.map(|(path, value)| (path.replace('_', " "), words(value))).collect(),
            arguments: proposal.arguments().sources().iter().map(argument).collect(),
        }
    }
}

fn argument(sourced: &countersign_core::resolve::Sourced) -> Argument {
    let from = match sourced.from.as_str() {
        "claim" => "the customer's sign-in",
        "observation" => "a field that the executor read",
        "text" => "a text that the executor read",
        "receipt" => "an earlier receipt",
        "utterance" => "the customer's own words",
        "constant" => "the contract",
        "model" => "the model",
        other => other,
    };
    Argument {
        path: sourced.path.replace('_', " "),
        value: words(&sourced.value),
        source: format!("{from} ({})", sourced.at),
    }
}

/// Why a person is asked, each reason once.
fn reasons(proposal: &Proposal) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for need in proposal.needs() {
        match need {
            Need::Approval { why, .. } if !reasons.contains(why) => reasons.push(why.clone()),
            Need::Approval { .. } | Need::Customer => {}
        }
    }
    reasons
}

fn answered(vote: &Vote, people: &People) -> String {
    let name = |id: &str| people.get(id).map_or(id, |p| p.name.as_str()).to_owned();
    match vote {
        Vote::Confirmed(yes) => format!("The customer said yes, {}", clock(yes.at)),
        Vote::Approved(yes) => {
            format!(
                "{} said yes as {}, {}{}",
                name(&yes.id),
                yes.role,
                clock(yes.at),
                because(&yes.reason)
            )
        }
        Vote::Rejected(no) => {
            format!(
                "{} said no as {}, {}{}",
                name(&no.id),
                no.role,
                clock(no.at),
                because(&no.reason)
            )
        }
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": “{reason}”") }
}

fn missing(need: &Need, tenant: &str, people: &People, now: Timestamp) -> String {
    match need {
        Need::Customer => "The customer".to_owned(),
        Need::Approval { role, .. } => format!("{role}: {}", who(role, tenant, people, now)),
    }
}

/// Those who hold a role for a tenant, by name.
fn who(role: &str, tenant: &str, people: &People, now: Timestamp) -> String {
    let names: Vec<_> = people.in_role(role, tenant, now).map(|p| p.name.as_str()).collect();
    if names.is_empty() { "nobody holds this role now".to_owned() } else { names.join(", ") }
}

/// Who may still answer, by name.
pub(super) fn who_may(parked: &Parked, people: &People, now: Timestamp) -> String {
    let tenant = &parked.proposal().asked().subject.tenant;
    let each: Vec<_> = parked.missing().map(|need| missing(need, tenant, people, now)).collect();
    each.join("; ")
}

/// A value without JSON's marks.
pub(super) fn words(value: &Json) -> String {
    match value {
        Json::Null => "none".to_owned(),
        Json::Bool(true) => "yes".to_owned(),
        Json::Bool(false) => "no".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) if text.is_empty() => "empty".to_owned(),
        Json::String(text) => text.clone(),
        Json::Array(items) if items.is_empty() => "none".to_owned(),
        Json::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Json::Object(members) => {
            if let Some(money) = money(members) {
                return money;
            }
            let each = members.iter().map(|(name, value)| format!("{name} {}", words(value)));
            each.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Money as cards write it.
fn money(members: &serde_json::Map<String, Json>) -> Option<String> {
    let part = |name: &str| members.get(name).and_then(Json::as_str);
    let (amount, currency) = part("amount").zip(part("currency")).filter(|_| members.len() == 2)?;
    Some(format!("{currency} {amount}"))
}

/// The time left until then.
pub(super) fn left(until: Timestamp, now: Timestamp) -> String {
    let minutes = until.duration_since(now).as_secs().max(0) / 60;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// How long ago that was.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    left(now, then)
}

/// A point in time as people read it.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_without_marks() {
        assert_eq!(words(&json!(["PAID", 2, null, true])), "PAID, 2, none, yes");
        assert_eq!(words(&json!({ "city": "Bern", "zip": "" })), "city Bern zip empty");
        assert_eq!(words(&json!({ "amount": "130.00", "currency": "USD" })), "USD 130.00");
    }

    #[test]
    fn time_left_is_in_the_two_largest_parts() {
        let now = Timestamp::UNIX_EPOCH;
        for (seconds, text) in [
            (59, "0 min"),
            (3599, "59 min"),
            (7260, "2 h 1 min"),
            (90_000, "1 d 1 h"),
            (-5, "0 min"),
        ] {
            assert_eq!(left(now + SignedDuration::from_secs(seconds), now), text);
        }
    }
}
