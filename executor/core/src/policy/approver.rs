//! Who may say yes for the house: in a role that they hold for the tenant, not for
//! their own request, and permitted to by policy. Whether that role is still waited
//! for, `grant` says.

use countersign_shared::codes::Code;
use countersign_shared::money::Money;
use jiff::Timestamp;

use super::people::{Person, decides};
use super::rules::{Ask, Principal};
use super::{Policy, Verb, Verdict};
use crate::contract::Contract;
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::grounds::Grounds;
use crate::subject::{Strength, Subject};

/// A yes that somebody wants to give.
#[derive(Debug, Clone)]
pub struct Approval<'a> {
    /// Who gives it.
    pub person: &'a Person,
    /// In which role.
    pub role: &'a str,
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
                facts: Grounds::Approver {
                    person: approval.person.id.clone(),
                    role: approval.role.to_owned(),
                    why: why.to_owned(),
                },
            };
            return Err(Refused::new(Code::ApproverNotAllowed, why).after(vec![finding]));
        }
        let tenant = &approval.requester.tenant;
        let roles = self.people.roles_for(approval.person, tenant, approval.now);
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
            tenant,
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
        let Approval { person, role, requester, now, .. } = approval;
        if person.is(requester) && Gate::OwnRequest.is_on() {
            return Err(format!("`{}` cannot approve their own request", person.id));
        }
        if !decides(role) {
            return Err(format!("`{role}` is no role that answers requests, of `{}`", person.id));
        }
        let (id, tenant) = (&person.id, &requester.tenant);
        let roles = self.people.roles_for(person, tenant, *now);
        if roles.contains(role) || !Gate::ApproverRole.is_on() {
            return Ok(());
        }
        Err(format!("`{id}` does not hold the role `{role}` for tenant `{tenant}` now"))
    }
}
