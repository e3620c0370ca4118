//! A person worked in the backend's own pages and says how it ended. The executor
//! looks; only where the read agrees does the word count.
//!
//! ```text
//! Sealed(unknown) ──say──▶ Statement ──look──▶ decide ──▶ Finish ──▶ Settled ──seal──▶ Sealed
//!                                               └─ disagrees ──▶ refused, nothing changes
//! ```

use countersign_shared::attest::{FinishClaims, finish_challenge};
use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::contract::{Body, Contract, WriteBody};
use crate::dispatch::Dispatch;
use crate::error::Refused;
use crate::escalation::Case;
use crate::grant::Signers;
use crate::grant::signature::{Signature, stated};
use crate::lifecycle::{Outcome, Settled, Settlement};
use crate::policy::{Approval, Person, decides};
use crate::premise::{Books, Premise};
use crate::proposal::Proposal;
use crate::verify::{self, Look, Sight};

/// A person's signed word. Made only by [`say`], or read back from the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// By which books it counted; none where an earlier executor counted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    books: Option<(Timestamp, Books)>,
    id: String,
    issuer: String,
    role: String,
    done: bool,
    note: String,
    at: Timestamp,
    /// By client key or passkey.
    #[serde(flatten)]
    signature: Signature,
    /// Where a passkey signed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    origin: String,
}

/// A person's word that the read agrees with. Made only by [`decide`], or read back
/// from the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    statement: Statement,
    /// What it was decided from; none where an earlier executor did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on: Option<Word>,
    look: Look,
    facts: Json,
    output: Map<String, Json>,
}

/// A person's word, and what was read to check it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The signed statement.
    #[serde(flatten)]
    pub signature: Signature,
    /// Where a passkey signed it: the executor's own pages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// When it was heard.
    pub at: Timestamp,
    /// By which policy and pack.
    pub books: Books,
    /// What was read then; `None` where the word itself did not count.
    pub seen: Option<Seen>,
}

/// What was read to check a person's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The effect, as it was looked for.
    pub look: Look,
    /// Whether every field that the rules saw is as it was before the effect.
    pub untouched: bool,
}

/// What a statement is about.
#[derive(Debug, Clone, Copy)]
pub struct Matter<'a> {
    /// The action's id, or the escalation's where there is no action.
    pub id: &'a str,
    /// The tenant that it belongs to.
    pub tenant: &'a str,
    /// The action that was asked for, with its contract.
    pub asked: Option<(&'a Proposal, &'a Contract)>,
}

/// What a word on a matter names: the action, or the matter itself where there is none.
#[must_use]
pub fn about(case: &Case) -> &str {
    if case.action.is_empty() { case.id.as_str() } else { &case.action }
}

/// Verifies a person's word: their own signature, a role of now, permitted by the
/// policy of now, and not on what they asked for themselves.
///
/// # Errors
/// `APPROVAL_INVALID`, `APPROVER_NOT_ALLOWED`, `POLICY_FORBIDS`, `RULE_ERROR`.
pub fn say(
    matter: Matter<'_>,
    signature: &Signature,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Statement, Refused> {
    let books = matter.asked.map(|(_, contract)| (now, Books::of(signers.policy, contract)));
    match heard(matter, signature, signers, now) {
        Ok(statement) => Ok(Statement { books, ..statement }),
        Err(refused) => Err(match books {
            None => refused,
            Some((at, books)) => {
                let (signature, origin) = (signature.clone(), origin(signature, signers));
                let word = Word { signature, origin, at, books, seen: None };
                refused.on(Premise::Finish(Box::new(word)))
            }
        }),
    }
}

fn heard(
    matter: Matter<'_>,
    signature: &Signature,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<Statement, Refused> {
    let invalid = |why: &str| Refused::new(Code::ApprovalInvalid, why);
    let (claims, person) = stated::<FinishClaims>(signature, finish_challenge, signers, now)
        .map_err(|why| invalid(&why))?;
    if claims.action != matter.id {
        return Err(invalid("the statement is about something else"));
    }
    let role = entitled(matter, person, signers, now)?;
    Ok(Statement {
        books: None,
        id: claims.sub,
        issuer: claims.iss,
        role,
        done: claims.done,
        note: claims.note.chars().filter(|c| !c.is_control()).take(500).collect(),
        at: Timestamp::from_second(claims.iat).map_err(|_| invalid("iat is no time"))?,
        signature: signature.clone(),
        origin: origin(signature, signers),
    })
}

/// The page on which a passkey signed; of a client key there is none.
fn origin(signature: &Signature, signers: &Signers<'_>) -> String {
    match signature {
        Signature::Jws(_) => String::new(),
        Signature::Passkey(_) => signers.origin.to_owned(),
    }
}

/// The role in which a person may speak: whoever may approve the tool may finish it.
fn entitled(
    matter: Matter<'_>,
    person: &Person,
    signers: &Signers<'_>,
    now: Timestamp,
) -> Result<String, Refused> {
    let roles = signers.policy.people().roles_for(person, matter.tenant, now);
    let Some(role) = voice(roles) else {
        let tenant = matter.tenant;
        let message = format!("this person has no role that answers for tenant `{tenant}` now");
        return Err(Refused::new(Code::ApproverNotAllowed, message));
    };
    if let Some((proposal, contract)) = matter.asked {
        let asked = proposal.asked();
        let question = Approval {
            person,
            role: &role,
            requester: &asked.subject,
            channel: &asked.channel,
            workload: &asked.caller,
            conversation: &asked.conversation,
            contract,
            money: proposal.money(),
            confidence: asked.confidence.score,
            now,
        };
        signers.policy.ask_approver(&question)?;
    }
    Ok(role)
}

/// In which of their roles somebody speaks.
fn voice<'a>(roles: impl IntoIterator<Item = &'a str>) -> Option<String> {
    roles.into_iter().find(|role| decides(role)).map(str::to_owned)
}

/// Holds a statement against what the executor just read. `untouched`: every field of
/// the state that the rules saw is as it was before the effect.
///
/// # Errors
/// `HUMAN_DISAGREES`, `STATE_UNREADABLE`, `RULE_ERROR`, and `IN_FLIGHT` where it is too early
/// to say "not done"; the action stays as it is.
pub fn decide(
    settled: &Settled,
    statement: Statement,
    look: Look,
    untouched: bool,
    contract: &Contract,
) -> Result<Finish, Refused> {
    let on = statement.books.clone().map(|(at, books)| {
        let seen = Some(Seen { look: look.clone(), untouched });
        let (signature, origin) = (statement.signature.clone(), statement.origin.clone());
        Word { signature, origin, at, books, seen }
    });
    match agreed(settled, statement, look, untouched, contract) {
        Ok(finish) => Ok(Finish { on, ..finish }),
        Err(refused) => Err(match on {
            None => refused,
            Some(word) => refused.on(Premise::Finish(Box::new(word))),
        }),
    }
}

fn agreed(
    settled: &Settled,
    statement: Statement,
    look: Look,
    untouched: bool,
    contract: &Contract,
) -> Result<Finish, Refused> {
    let Body::Write(write) = &contract.body else {
        return Err(Refused::new(Code::RuleError, "not a write"));
    };
    if let Sight::Unreadable { why } = &look.sight {
        return Err(Refused::new(Code::StateUnreadable, why.clone()));
    }
    let dispatch = &settled.dispatch;
    let scope = dispatch.cleared().scope();
    let (stands, facts) = verify::stands(write, scope, &look.looked)
        .map_err(|why| Refused::new(Code::RuleError, why))?;
    let nothing = untouched || matches!(look.sight, Sight::Absent { .. } | Sight::Failed { .. });
    agrees(statement.done, stands, nothing, &facts)?;
    if !statement.done {
        over(dispatch, &look, contract)?;
    }
    let output = if stands { output(write, settled, &look) } else { Map::new() };
    Ok(Finish { statement, on: None, look, facts, output })
}

/// AT MOST ONE EFFECT: "not done" frees the object and its next occasion, so it counts only
/// once what was sent can have no effect any more that this look did not see.
fn over(dispatch: &Dispatch, look: &Look, contract: &Contract) -> Result<(), Refused> {
    let Some(until) = verify::answered(dispatch).map(|at| verify::quiet(at, contract)) else {
        return Ok(());
    };
    if look.at >= until {
        return Ok(());
    }
    let message = format!(
        "what was sent may still take effect until {until}: look again after that, and say then \
         how it ended"
    );
    let retry_after = Some(until.duration_since(look.at).unsigned_abs());
    Err(Refused { retry_after, ..Refused::new(Code::InFlight, message) })
}

/// Half an effect is neither done nor not done.
fn agrees(done: bool, stands: bool, nothing: bool, facts: &Json) -> Result<(), Refused> {
    let message = match (done, stands, nothing) {
        (true, true, _) | (false, false, true) => return Ok(()),
        (true, false, _) => "it is said to be done, and the read does not show it",
        (false, true, _) => "it is said not to be done, and the read shows it",
        (false, false, false) => "it is said not to be done, and something of it is there",
    };
    Err(Refused::new(Code::HumanDisagrees, format!("{message}: {facts}")))
}

fn output(write: &WriteBody, settled: &Settled, look: &Look) -> Map<String, Json> {
    let dispatch = &settled.dispatch;
    let scope = dispatch.cleared().scope().with("response", dispatch.response());
    verify::output(write, &verify::with_found(write, scope, &look.looked))
}

impl Statement {
    /// The person, as the policy's people name them.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory that knows them.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// In which role they spoke.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Whether they say that it is done.
    #[must_use]
    pub fn done(&self) -> bool {
        self.done
    }

    /// What they wrote; may be empty.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// When it was signed.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The signed statement itself, so that anyone can check it again.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl Finish {
    /// What the person said.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// What it was decided from.
    pub(crate) fn on(&self) -> Option<&Word> {
        self.on.as_ref()
    }

    /// What the executor read.
    #[must_use]
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// `verify.human` and what it saw.
    #[must_use]
    pub fn facts(&self) -> &Json {
        &self.facts
    }

    /// The contract's `output`, as far as it can be read off a person's work.
    #[must_use]
    pub fn output(&self) -> &Map<String, Json> {
        &self.output
    }

    /// How the action ended; the code is empty, as nothing is open any more.
    #[must_use]
    pub fn settlement(&self, earlier: &ReceiptId) -> Settlement {
        let Statement { id, role, note, done, .. } = &self.statement;
        let (outcome, word) =
            if *done { (Outcome::Applied, "done") } else { (Outcome::NotApplied, "not done") };
        let message =
            format!("{id} ({role}) says {word}, and the read agrees; until then {earlier}");
        let message = if note.is_empty() { message } else { format!("{message}: {note}") };
        Settlement::new(outcome, "", &message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_only_where_the_read_agrees() {
        let counts = |done, stands, nothing| agrees(done, stands, nothing, &Json::Null).is_ok();
        assert!(counts(true, true, false) && counts(false, false, true));
        assert!(!counts(true, false, true) && !counts(true, false, false));
        assert!(!counts(false, true, false) && !counts(false, true, true));
        assert!(!counts(false, false, false), "half an effect is neither");
    }

    #[test]
    fn neither_operators_nor_auditors_say_how_a_matter_ended() {
        assert_eq!(voice(["auditor"]), None);
        assert_eq!(voice(["operator"]), None);
        assert_eq!(voice(["operator", "support_lead"]).as_deref(), Some("support_lead"));
    }
}
