//! A write taken through the core's own steps by hand: the real gates, the real
//! request, the real judgement. Grants and claim are written into the rehearsal's
//! own journal; nothing here can send.

use std::sync::Arc;

use countersign_core::claim::{self, Known};
use countersign_core::contract::{Body, Contract, Nested, WriteBody};
use countersign_core::dispatch::{self, Account, Dispatch};
use countersign_core::error::Refused;
use countersign_core::gate::{self, Facts};
use countersign_core::lifecycle::{self, Event, State};
use countersign_core::limit::{Budget, Spent};
use countersign_core::plan::{Confidence, ModelUse};
use countersign_core::policy::Policy;
use countersign_core::proposal::{self, Asked, Fresh, Proposal};
use countersign_core::resolve::{Arguments, computed};
use countersign_core::subject::Subject;
use countersign_executor::driver::{self, Driver};
use countersign_executor::ports::Clock;
use countersign_shared::codes::Code;
use countersign_shared::ids::{ActionId, ProposalId};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use uuid::Uuid;

/// What a rehearsal is done with: the executor's own driver, and for whom.
pub(super) struct Stage {
    pub(super) driver: Driver,
    pub(super) policy: Policy,
    pub(super) subject: Subject,
    pub(super) clock: Arc<dyn Clock>,
}

/// A write under rehearsal.
pub(super) struct Rehearsal<'a> {
    contract: &'a Contract,
    write: &'a WriteBody,
    pub(super) state: State,
}

/// The write part of a contract.
pub(super) fn write(contract: &Contract) -> Option<&WriteBody> {
    match &contract.body {
        Body::Write(write) => Some(write),
        Body::Read(_) => None,
    }
}

/// Given values as resolved arguments, the contract's defaults filled in.
///
/// # Errors
/// Every value that does not fit.
pub(super) fn arguments(contract: &Contract, given: &Json) -> Result<Arguments, Refused> {
    let values = with_defaults(&contract.arguments, given);
    let wrong: Vec<_> = contract
        .schema
        .iter_errors(&values)
        .map(|e| (e.instance_path().to_string(), e.to_string()))
        .collect();
    if !wrong.is_empty() {
        let list: Vec<_> = wrong.iter().map(|(at, why)| format!("{at}: {why}")).collect();
        let message = format!("the arguments do not fit: {}", list.join("; "));
        let mut refused = Refused::new(Code::ArgumentInvalid, message);
        refused.violations = wrong;
        return Err(refused);
    }
    let values = values.as_object().cloned().unwrap_or_default();
    computed(values, contract)
}

fn with_defaults(
    specs: &std::collections::BTreeMap<String, countersign_core::contract::ArgumentSpec>,
    given: &Json,
) -> Json {
    let Some(given) = given.as_object() else { return given.clone() };
    let mut values = given.clone();
    for (name, spec) in specs {
        match (values.get_mut(name), &spec.default, &spec.nested) {
            (None, Some(default), _) => {
                values.insert(name.clone(), default.clone());
            }
            (Some(value), _, Nested::Fields(fields)) => *value = with_defaults(fields, value),
            (Some(Json::Array(items)), _, Nested::Items(item)) => {
                if let Nested::Fields(fields) = &item.nested {
                    items.iter_mut().for_each(|item| *item = with_defaults(fields, item));
                }
            }
            (None, None, _) | (Some(_), _, Nested::Leaf | Nested::Items(_)) => {}
        }
    }
    Json::Object(values)
}

impl<'a> Rehearsal<'a> {
    /// The dry run: fresh state, every gate, the card.
    pub(super) async fn propose(
        stage: &Stage,
        contract: &'a Contract,
        arguments: &Arguments,
    ) -> Result<Self, Refused> {
        let write = write(contract).ok_or_else(|| Refused::new(Code::Internal, "not a write"))?;
        let subject = &stage.subject;
        let seen = stage.driver.state(subject, contract, &write.reads, arguments).await?;
        let asked = asked(subject);
        let facts = Facts {
            contract,
            policy: &stage.policy,
            write,
            arguments,
            state: &seen,
            asked: &asked,
            now: stage.clock.now(),
        };
        let ids = Fresh {
            proposal: ProposalId::from_uuid(Uuid::now_v7()),
            action: ActionId::from_uuid(Uuid::now_v7()),
        };
        let proposal = proposal::draft(&facts, ids)?.finish(&Spent::default())?;
        let state = lifecycle::next(None, Event::Proposed(Box::new(proposal))).map_err(illegal)?;
        Ok(Self { contract, write, state })
    }

    /// As if granted and claimed; `key` in the place of the real one, where given.
    pub(super) fn claim(self, stage: &Stage, key: Option<&str>) -> Result<Self, Refused> {
        let now = stage.clock.now();
        let granted = self.step(Event::Granted(rehearsed(json!({ "at": now }))?))?;
        let State::Granted(grant) = &granted.state else { return Err(internal("not granted")) };
        let taken = match key {
            None => {
                let (proposal, none) = (grant.proposal(), Known::default());
                let budget =
                    Budget::of(proposal, &[], granted.contract, granted.write, &stage.policy);
                claim::decide(grant, &none, &budget, now)?
            }
            Some(key) => rehearsed(
                json!({ "key": key, "occasion": 0, "at": now, "booked": [], "findings": [] }),
            )?,
        };
        granted.step(Event::Claimed(taken))
    }

    /// Every gate again, on state read again.
    pub(super) async fn gate(self, stage: &Stage) -> Result<Self, Refused> {
        let State::Claimed(claimed) = &self.state else { return Err(internal("not claimed")) };
        let (contract, write) = (self.contract, self.write);
        let proposal = claimed.granted().proposal();
        let seen = stage
            .driver
            .state(&stage.subject, contract, &write.reads, proposal.arguments())
            .await?;
        let facts =
            driver::facts(contract, &stage.policy, write, proposal, &seen, stage.clock.now());
        let clearance = gate::decide(claimed, &facts)?;
        self.step(Event::Cleared(Box::new(clearance)))
    }

    /// The exact request, written down.
    pub(super) fn intend(self, account: Account, now: Timestamp) -> Result<Self, Refused> {
        let State::Cleared(cleared) = &self.state else { return Err(internal("not cleared")) };
        let intent = dispatch::prepare(cleared, self.contract, account, now)?;
        self.step(Event::Intended(Box::new(intent)))
    }

    /// One step of the life.
    pub(super) fn step(self, event: Event) -> Result<Self, Refused> {
        let state = lifecycle::next(Some(self.state), event).map_err(illegal)?;
        Ok(Self { state, ..self })
    }

    pub(super) fn proposal(&self) -> &Proposal {
        self.state.proposal()
    }

    /// The request with its attempts, once it was written down.
    pub(super) fn dispatch(&self) -> Result<&Dispatch, Refused> {
        match &self.state {
            State::Sent(d) | State::Answered(d) | State::Looking(d, _) => Ok(d),
            State::Settled(s) | State::Sealed(s, _) => Ok(&s.dispatch),
            State::Proposed(_)
            | State::Granted(_)
            | State::Claimed(_)
            | State::Cleared(_)
            | State::Refused(_)
            | State::SealedRefusal(..) => Err(internal("nothing was sent")),
        }
    }
}

fn asked(subject: &Subject) -> Asked {
    Asked {
        channel: String::new(),
        caller: "contracts".to_owned(),
        subject: subject.clone(),
        conversation: "rehearsal".to_owned(),
        external_ref: String::new(),
        messages: Vec::new(),
        confidence: Confidence { score: 1.0, ..Confidence::default() },
        model: ModelUse::default(),
        after_receipt: None,
        trace: String::new(),
    }
}

/// An entry of the rehearsal's journal.
fn rehearsed<T: DeserializeOwned>(entry: Json) -> Result<T, Refused> {
    serde_json::from_value(entry).map_err(|error| internal(&error.to_string()))
}

fn illegal(error: lifecycle::Illegal) -> Refused {
    internal(&error.to_string())
}

fn internal(message: &str) -> Refused {
    Refused::new(Code::Internal, message)
}
