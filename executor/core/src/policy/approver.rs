//! Who may say yes for the house: in a role that is still wanted, not for their own
//! request, once per person, and permitted to by policy.

use countersign_shared::codes::Code;
use countersign_shared::money::Money;
use jiff::Timestamp;
use serde_json::json;

use super::people::{People, Person};
use super::rules::{Ask, Principal};
use super::{Policy, Verb, Verdict};
use crate::contract::Contract;
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::subject::{Strength, Subject};

/// A yes that somebody wants to give.
#[derive(Debug, Clone)]
pub struct Approval<'a> {
    /// Who gives it.
    pub person: &'a Person,
    /// Roles that must say yes, one named twice for two persons.
    pub needed: &'a [String],
    /// Ids of those who said yes before.
    pub already: &'a [String],
    /// For whom the action is.
    pub requester: &'a Subject,
    /// Where it was asked for.
    pub channel: &'a str,
    /// The workload that asked.
    pub workload: &'a str,
    /// The conversation; empty where there is none.
    pub conversation: &'a str,
    /// The tool.
    pub contract: &'a Contract,
    /// Money that moves.
    pub money: Option<Money>,
    /// The planner's score, from 0 to 1.
    pub confidence: f64,
    /// Time of the decision.
    pub now: Timestamp,
}

impl Policy {
    /// Whether this person's yes counts.
    ///
    /// # Errors
    /// `APPROVER_NOT_ALLOWED`, `POLICY_FORBIDS`, `RULE_ERROR`.
    pub fn ask_approver(&self, approval: &Approval<'_>) -> Result<Verdict, Refused> {
        if let Err(why) = self.fit(approval) {
            let finding = Finding {
                gate: "approver".into(),
                passed: false,
                facts: json!({ "person": approval.person.id, "needed": approval.needed,
                               "already": approval.already, "why": why }),
            };
            return Err(Refused::new(Code::ApproverNotAllowed, why).after(vec![finding]));
        }
        let roles = self.people.roles(approval.person, approval.now);
        let principal = Principal {
            staff: true,
            id: approval.person.id.clone(),
            segment: "",
            strength: Strength::Strong as i64,
            scopes: &std::collections::BTreeSet::new(),
            roles,
        };
        let mode = self.mode(approval.contract, approval.requester, approval.channel);
        let ask = Ask {
            verb: Verb::Approve,
            contract: approval.contract,
            tenant: &approval.requester.tenant,
            workload: approval.workload,
            channel: approval.channel,
            conversation: approval.conversation,
            money: approval.money,
            mode: mode.name(),
            confidence: approval.confidence,
        };
        self.judge(&principal, &ask, mode)
    }

    fn fit(&self, approval: &Approval<'_>) -> Result<(), String> {
        let Approval { person, needed, already, requester, now, .. } = approval;
        if person.is(requester) && Gate::OwnRequest.is_on() {
            return Err(format!("`{}` cannot approve their own request", person.id));
        }
        if already.contains(&person.id) {
            return Err(format!("`{}` said yes already; another person has to", person.id));
        }
        let open = self.people.open_roles(needed, already, *now);
        let with: Vec<_> = already.iter().chain([&person.id]).cloned().collect();
        if self.people.open_roles(needed, &with, *now).len() < open.len()
            || !Gate::ApproverRole.is_on()
        {
            return Ok(());
        }
        let (id, open) = (&person.id, open.join(", "));
        Err(format!("`{id}` holds none of the roles that are still wanted: {open}"))
    }
}

impl People {
    /// The roles that nobody has filled yet, when each of `persons` fills at most one
    /// and as many as possible are filled.
    #[must_use]
    pub fn open_roles(&self, needed: &[String], persons: &[String], at: Timestamp) -> Vec<String> {
        let holds: Vec<_> = persons
            .iter()
            .map(|id| self.get(id).map(|p| self.roles(p, at)).unwrap_or_default())
            .collect();
        let fits = |seat: usize, person: usize| {
            let role = needed.get(seat).map(String::as_str);
            holds.get(person).is_some_and(|roles| role.is_some_and(|role| roles.contains(role)))
        };
        let mut seats: Vec<Option<usize>> = vec![None; needed.len()];
        for person in 0..persons.len() {
            seat(person, &mut seats, &mut vec![false; needed.len()], &fits);
        }
        let open = needed.iter().zip(&seats).filter(|(_, seat)| seat.is_none());
        open.map(|(role, _)| role.clone()).collect()
    }
}

/// Finds a seat for a person, moving others where that makes room (Kuhn's matching).
fn seat(
    person: usize,
    seats: &mut [Option<usize>],
    tried: &mut [bool],
    fits: &impl Fn(usize, usize) -> bool,
) -> bool {
    for at in 0..seats.len() {
        let fresh = tried.get(at).is_some_and(|tried| !tried);
        if !fresh || !fits(at, person) {
            continue;
        }
        if let Some(tried) = tried.get_mut(at) {
            *tried = true;
        }
        let sitting = seats.get(at).copied().flatten();
        if sitting.is_none_or(|other| seat(other, seats, tried, fits)) {
            if let Some(place) = seats.get_mut(at) {
                *place = Some(person);
            }
            return true;
        }
    }
    false
}
