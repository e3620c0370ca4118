//! What is noted of a turn while it is taken: each call of the model and of the executor,
//! as it passes by. Neither side knows that it is listened to.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::{
    Action, Argument, EscalateRequest, EscalateResponse, ExecuteRequest, ExecuteResponse,
    GetHandoverResponse, ListToolsResponse, MatchSubjectRequest, Outcome, Plan, Proposal,
    ProposeRequest, RecordRatingRequest, RecordTurnRequest, TurnAction, execute_request::Target,
};
use countersign_shared::turn::{Acted, Call, Told};
use parking_lot::Mutex;
use serde_json::{Map, Value as Json, json};

use crate::executor::{CallError, Executor};
use crate::model::{Decided, Model, Unusable, View};

/// The notes of one turn. Clones write into the same.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Told>>);

impl Notes {
    /// How the message was heard.
    pub fn heard(&self, as_what: &str) {
        as_what.clone_into(&mut self.0.lock().heard);
    }

    /// All of them.
    #[must_use]
    pub fn taken(&self) -> Told {
        std::mem::take(&mut *self.0.lock())
    }

    fn call(&self, call: Call) {
        self.0.lock().calls.push(call);
    }
}

/// A model that is listened to.
pub struct Noted<T: ?Sized> {
    inner: Arc<T>,
    notes: Notes,
}

impl<T: ?Sized> Noted<T> {
    /// Passes everything on, and notes it.
    pub fn new(inner: Arc<T>, notes: Notes) -> Self {
        Self { inner, notes }
    }
}

#[async_trait]
impl Model for Noted<dyn Model> {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let answered = self.inner.decide(view).await;
        let calls = match &answered {
            Ok(decided) => &decided.calls,
            Err(unusable) => &unusable.calls,
        };
        self.notes.0.lock().models.extend_from_slice(calls);
        answered
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

#[async_trait]
impl Executor for Noted<dyn Executor> {
    async fn list_tools(
        &self,
        token: &str,
        conversation_id: &str,
    ) -> Result<ListToolsResponse, CallError> {
        self.inner.list_tools(token, conversation_id).await
    }

    async fn erased(&self, kept_under: Vec<String>) -> Result<Vec<String>, CallError> {
        self.inner.erased(kept_under).await
    }

    async fn propose(&self, request: ProposeRequest) -> Result<Proposal, CallError> {
        let call = planned("propose", request.plan.as_ref());
        let answer = self.inner.propose(request).await;
        self.notes.call(match &answer {
            Ok(made) => {
                Call { proposal: made.proposal_id.clone(), action: made.action_id.clone(), ..call }
            }
            Err(error) => refused(call, error),
        });
        answer
    }

    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, CallError> {
        let call = match &request.target {
            Some(Target::Plan(plan)) => planned("read", Some(plan)),
            Some(Target::ProposalId(id)) => Call { proposal: id.clone(), ..named("execute") },
            None => named("execute"),
        };
        if !request.confirmation.is_empty() {
            call.proposal.clone_into(&mut self.notes.0.lock().confirmed);
        }
        let answer = self.inner.execute(request).await;
        self.notes.call(match &answer {
            Ok(done) => {
                let seen = done.observations.first().map(|o| o.observation_id.clone());
                let call = Call { observation: seen.unwrap_or_default(), ..call };
                done.action.as_ref().map_or(call.clone(), |action| acted(call, action))
            }
            Err(error) => refused(call, error),
        });
        answer
    }

    async fn withdraw(&self, token: &str, proposal_id: &str) -> Result<Action, CallError> {
        let call = Call { proposal: proposal_id.to_owned(), ..named("withdraw") };
        let answer = self.inner.withdraw(token, proposal_id).await;
        self.notes.call(match &answer {
            Ok(action) => acted(call, action),
            Err(error) => refused(call, error),
        });
        answer
    }

    async fn match_subject(&self, request: MatchSubjectRequest) -> Result<String, CallError> {
        let answer = self.inner.match_subject(request).await;
        self.notes.call(match &answer {
            Ok(_) => named("match"),
            Err(error) => refused(named("match"), error),
        });
        answer
    }

    async fn escalate(&self, request: EscalateRequest) -> Result<EscalateResponse, CallError> {
        let answer = self.inner.escalate(request).await;
        self.notes.call(match &answer {
            Ok(done) => Call { receipt: done.receipt_id.clone(), ..named("escalate") },
            Err(error) => refused(named("escalate"), error),
        });
        answer
    }

    async fn handover(
        &self,
        token: &str,
        conversation_id: &str,
        receipt_id: &str,
    ) -> Result<GetHandoverResponse, CallError> {
        self.inner.handover(token, conversation_id, receipt_id).await
    }

    async fn action(&self, token: &str, action_id: &str) -> Result<Action, CallError> {
        let answer = self.inner.action(token, action_id).await;
        self.looked(action_id, &answer);
        answer
    }

    async fn watch(
        &self,
        token: &str,
        action_id: &str,
        patience: Duration,
    ) -> Result<Action, CallError> {
        let answer = self.inner.watch(token, action_id, patience).await;
        self.looked(action_id, &answer);
        answer
    }

    async fn record_turn(&self, request: RecordTurnRequest) -> Result<(), CallError> {
        self.inner.record_turn(request).await
    }

    async fn record_rating(&self, request: RecordRatingRequest) -> Result<(), CallError> {
        self.inner.record_rating(request).await
    }
}

impl Noted<dyn Executor> {
    fn looked(&self, action_id: &str, answer: &Result<Action, CallError>) {
        let call = Call { action: action_id.to_owned(), ..named("look") };
        self.notes.call(match answer {
            Ok(action) => acted(call, action),
            Err(error) => refused(call, error),
        });
    }
}

fn named(what: &str) -> Call {
    Call { what: what.to_owned(), ..Call::default() }
}

/// A plan's last step, as it was asked.
fn planned(what: &str, plan: Option<&Plan>) -> Call {
    let Some(step) = plan.and_then(|plan| plan.steps.last()) else { return named(what) };
    let sources: Map<String, Json> =
        step.arguments.iter().map(|(name, argument)| (name.clone(), source(argument))).collect();
    Call { tool: step.tool.clone(), arguments: sources.into(), ..named(what) }
}

/// A reference in words.
fn source(argument: &Argument) -> Json {
    match &argument.source {
        Some(Source::Claim(name)) => json!(format!("claim {name}")),
        Some(Source::Observation(at)) => {
            json!(format!("observation {} {}", at.observation_id, at.pointer))
        }
        Some(Source::Receipt(at)) => json!(format!("receipt {} {}", at.receipt_id, at.pointer)),
        Some(Source::Utterance(span)) => {
            json!(format!("utterance {}[{}..{}]", span.message_id, span.start, span.end))
        }
        Some(Source::ModelJson(value)) => json!(format!("model {value}")),
        Some(Source::List(list)) => list.items.iter().map(source).collect(),
        Some(Source::Fields(fields)) => {
            let fields = fields.fields.iter().map(|(name, a)| (name.clone(), source(a)));
            Json::Object(fields.collect())
        }
        None => Json::Null,
    }
}

fn refused(call: Call, error: &CallError) -> Call {
    match error {
        CallError::Refused(refusal) => Call {
            code: refusal.code.clone(),
            receipt: refusal.receipt_id.clone().unwrap_or_default(),
            action: refusal.action_id.clone().unwrap_or(call.action),
            ..call
        },
        CallError::Unreachable(_) => Call { code: "(not reached)".to_owned(), ..call },
        CallError::Lost(_) => Call { code: "(answer lost)".to_owned(), ..call },
    }
}

/// What the frontend is told of an action.
pub(crate) fn told(action: &TurnAction) -> Acted {
    Acted {
        tool: action.tool.clone(),
        outcome: named_outcome(action.outcome()),
        code: action.code.clone(),
        receipt: action.receipt_id.clone(),
    }
}

/// Empty where there is none.
fn named_outcome(outcome: Outcome) -> String {
    let name = outcome.as_str_name().trim_start_matches("OUTCOME_").to_lowercase();
    if name == "unspecified" { String::new() } else { name }
}

fn acted(call: Call, action: &Action) -> Call {
    Call {
        tool: action.tool.clone(),
        proposal: action.proposal_id.clone(),
        action: action.action_id.clone(),
        receipt: action.receipt_id.clone(),
        outcome: named_outcome(action.outcome()),
        code: action.code.clone(),
        ..call
    }
}
