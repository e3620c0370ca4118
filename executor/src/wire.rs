//! Between the protocol's messages and the core's types. Shapes only: whether a
//! plan may be is decided in the core.

use std::collections::BTreeMap;

use countersign_core::error::Refused;
use countersign_core::escalation::Handover;
use countersign_core::grant::{Need, Parked};
use countersign_core::lifecycle::{Outcome, State};
use countersign_core::plan::{Confidence, MAX_FEATURES, ModelUse, Plan, Source, Step as PlanStep};
use countersign_core::proposal::{Asked, Proposal};
use countersign_proto::v1;
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;
use countersign_shared::trace;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::desk::{Observed, Request};
use crate::matching::Span;
use crate::subject::Said;
use crate::turned::Turned;

/// Most violations that one refusal names.
const MOST_VIOLATIONS: usize = 10;
/// Deepest nesting of an argument.
const DEEPEST: usize = 8;

/// A plan as it was sent.
///
/// # Errors
/// `PLAN_INVALID`, `ARGUMENT_INVALID`, `REFERENCE_UNKNOWN` for what cannot even be
/// read.
pub fn plan(wire: v1::Plan) -> Result<Plan, Refused> {
    let confidence = wire.confidence.unwrap_or_default();
    // What is no number could not be written into a receipt.
    let numbers = confidence.features.values().chain([&confidence.score]);
    if !numbers.copied().all(f64::is_finite) {
        return Err(Refused::new(Code::PlanInvalid, "confidence.score is not between 0 and 1"));
    }
    if confidence.features.len() > MAX_FEATURES {
        return Err(Refused::new(Code::PlanInvalid, "confidence.features are too many"));
    }
    let model = wire.model.unwrap_or_default();
    let after = Some(wire.after_receipt_id).filter(|id| !id.is_empty());
    Ok(Plan {
        conversation: wire.conversation_id,
        external_ref: wire.external_ref,
        steps: wire.steps.into_iter().map(step).collect::<Result<_, _>>()?,
        confidence: Confidence {
            recommended_action: recommended(confidence.recommended_action()).to_owned(),
            score: confidence.score,
            uncertainty_reason: cut(confidence.uncertainty_reason),
            features: confidence.features.into_iter().map(|(name, n)| (cut(name), n)).collect(),
        },
        model: ModelUse {
            model: cut(model.model),
            input_tokens: model.input_tokens,
            output_tokens: model.output_tokens,
            latency_ms: model.latency_ms,
            repairs: model.repairs,
            fallback: cut(model.fallback),
        },
        after_receipt: after
            .map(|id| id.parse().map_err(|_| unknown("after_receipt_id")))
            .transpose()?,
    })
}

fn step(wire: v1::Step) -> Result<PlanStep, Refused> {
    let each = wire.arguments.into_iter();
    let arguments: Result<BTreeMap<_, _>, _> =
        each.map(|(name, argument)| Ok((name.clone(), source(argument, &name, 0)?))).collect();
    Ok(PlanStep { id: wire.id, tool: wire.tool, arguments: arguments? })
}

fn source(wire: v1::Argument, at: &str, depth: usize) -> Result<Source, Refused> {
    use v1::argument::Source as Wire;
    if depth > DEEPEST {
        return Err(Refused::new(Code::PlanTooLarge, format!("`{at}` is nested too deeply")));
    }
    let missing = || {
        Refused::new(Code::ArgumentInvalid, format!("`{at}` has no source"))
            .field(at, "set a source")
    };
    Ok(match wire.source.ok_or_else(missing)? {
        Wire::Claim(name) => Source::Claim(name),
        Wire::Observation(o) => Source::Observation {
            id: o.observation_id.parse().map_err(|_| unknown(at))?,
            pointer: o.pointer,
        },
        Wire::Receipt(r) => Source::Receipt {
            id: r.receipt_id.parse().map_err(|_| unknown(at))?,
            pointer: r.pointer,
        },
        Wire::Utterance(u) => Source::Utterance {
            message: u.message_id,
            start: u.start as usize,
            end: u.end as usize,
        },
        Wire::ModelJson(text) => Source::Model(json(&text, at)?),
        Wire::List(list) => {
            let each = list.items.into_iter();
            Source::List(each.map(|item| source(item, at, depth + 1)).collect::<Result<_, _>>()?)
        }
        Wire::Fields(fields) => {
            let each = fields.fields.into_iter();
            let fields: Result<BTreeMap<_, _>, _> = each
                .map(|(name, inner)| {
                    let path = format!("{at}.{name}");
                    source(inner, &path, depth + 1).map(|s| (name, s))
                })
                .collect();
            Source::Fields(fields?)
        }
    })
}

fn json(text: &str, at: &str) -> Result<Json, Refused> {
    serde_json::from_str(text).map_err(|_| {
        Refused::new(Code::ArgumentInvalid, format!("`{at}` is not JSON")).field(at, "not JSON")
    })
}

fn unknown(at: &str) -> Refused {
    Refused::new(Code::ReferenceUnknown, format!("`{at}` is not an id")).field(at, "not an id")
}

/// Words of others are kept for people; not at any length.
fn cut(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

fn brief(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn recommended(action: v1::RecommendedAction) -> &'static str {
    match action {
        v1::RecommendedAction::Unspecified => "",
        v1::RecommendedAction::Proceed => "proceed",
        v1::RecommendedAction::Clarify => "clarify",
        v1::RecommendedAction::Escalate => "escalate",
    }
}

/// Who hands a matter over, in which conversation.
#[must_use]
pub fn handing_over(request: &Request, wire: &v1::EscalateRequest) -> Asked {
    Asked {
        channel: String::new(),
        caller: request.caller.clone(),
        subject: request.subject.clone(),
        conversation: wire.conversation_id.chars().take(128).collect(),
        external_ref: wire.external_ref.chars().take(128).collect(),
        messages: request.messages.clone(),
        confidence: Confidence::default(),
        model: ModelUse::default(),
        after_receipt: None,
        trace: trace::current_id(),
    }
}

/// What a planner hands over.
#[must_use]
pub fn handover(wire: v1::EscalateRequest) -> Handover {
    let why = wire.reason().as_str_name().trim_start_matches("ESCALATION_REASON_").to_lowercase();
    let observations = wire.observation_ids.iter().filter_map(|id| id.parse().ok());
    Handover {
        why,
        observations: observations.collect(),
        request: wire.request,
        interpretation: wire.interpretation,
        reasoning: wire.reasoning_summary,
        tried: wire.tried,
        recommended: wire.recommended_action,
        related: wire.receipt_ids.into_iter().chain(wire.action_ids).collect(),
    }
}

/// Messages as they were sent.
#[must_use]
pub fn said(wire: Vec<v1::AttestedMessage>) -> Vec<Said> {
    let one = |m: v1::AttestedMessage| Said {
        id: m.message_id,
        text: m.text,
        attestation: m.attestation,
    };
    wire.into_iter().map(one).collect()
}

/// A span as it was sent; one that is missing refers to no message.
#[must_use]
pub fn span(wire: Option<v1::UtteranceSpan>) -> Span {
    let wire = wire.unwrap_or_default();
    Span { message: wire.message_id, start: wire.start as usize, end: wire.end as usize }
}

/// A parked proposal.
#[must_use]
pub fn proposal(made: &Proposal) -> v1::Proposal {
    let money = made.money();
    let needs = made.needs().iter().map(|need| grant_kind(need).into()).collect();
    v1::Proposal {
        proposal_id: made.id().to_string(),
        tool: made.tool().to_owned(),
        card: Some(card(made)),
        needs,
        arguments_json: serde_json::to_string(made.arguments().sources()).unwrap_or_default(),
        amount: money.map(|m| m.amount().to_string()).unwrap_or_default(),
        currency: money.map(|m| m.currency().to_string()).unwrap_or_default(),
        expires_at: Some(time(made.expires_at())),
        action_id: made.action().to_string(),
        link_sent_to: String::new(),
        kept_under: String::new(),
    }
}

/// What a person is shown before a yes.
#[must_use]
pub fn card(made: &Proposal) -> v1::Card {
    v1::Card {
        proposal_id: made.id().to_string(),
        text: made.card().to_owned(),
        commitment: made.commitment().to_owned(),
        expires_at: Some(time(made.expires_at())),
    }
}

fn grant_kind(need: &Need) -> v1::GrantKind {
    match need {
        Need::Customer => v1::GrantKind::Customer,
        Need::Approval { .. } => v1::GrantKind::Approval,
    }
}

/// A finished read.
#[must_use]
pub fn observation(observed: &Observed) -> v1::Observation {
    v1::Observation {
        observation_id: observed.seen.id.to_string(),
        step_id: observed.step.clone(),
        tool: observed.seen.tool.clone(),
        value_json: observed.seen.value.to_string(),
        labels_json: observed.seen.labels.to_string(),
        observed_at: Some(time(observed.seen.at)),
        said: observed.said.clone(),
    }
}

/// An action as it stands; `said` and `leaf_index` come from its receipt.
#[must_use]
pub fn action(state: &State, said: String, leaf_index: u64) -> v1::Action {
    let proposal = state.proposal();
    // RECEIPT BEFORE REPLY: nobody hears an outcome whose receipt is not durable.
    let told = state.outcome().filter(|_| state.receipt().is_some());
    let (code, attempts) = match state {
        State::Sealed(s, _) => (s.settlement.code.clone(), s.dispatch.attempts().len()),
        State::Settled(s) => (String::new(), s.dispatch.attempts().len()),
        State::Sent(d) | State::Answered(d) | State::Looking(d, _) => {
            (String::new(), d.attempts().len())
        }
        State::SealedRefusal(s, _) => (s.refused.code.clone(), 0),
        State::Refused(_) => (String::new(), 0),
        State::Proposed(p) if p.waits_for_staff() => (Code::ApprovalRequired.name().to_owned(), 0),
        State::Proposed(_) | State::Granted(_) | State::Claimed(_) | State::Cleared(_) => {
            (String::new(), 0)
        }
    };
    v1::Action {
        action_id: proposal.action().to_string(),
        proposal_id: proposal.id().to_string(),
        tool: proposal.tool().to_owned(),
        state: stage(state).into(),
        outcome: told.map_or(v1::Outcome::Unspecified, outcome).into(),
        code,
        said,
        receipt_id: state.receipt().map(ToString::to_string).unwrap_or_default(),
        leaf_index,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        escalated: told == Some(Outcome::Unknown),
        external_ref: proposal.asked().external_ref.clone(),
        needs: missing(state),
        receipt: Vec::new(),
        said_opening: Vec::new(),
        tlog_proof: String::new(),
        receipt_link: String::new(),
    }
}

fn missing(state: &State) -> Vec<i32> {
    let missing = state.parked().into_iter().flat_map(Parked::missing);
    missing.map(|need| grant_kind(need).into()).collect()
}

fn stage(state: &State) -> v1::ActionState {
    match state {
        State::Proposed(_) | State::Granted(_) => v1::ActionState::Proposed,
        State::Claimed(_) | State::Cleared(_) => v1::ActionState::Claimed,
        State::Sent(_) => v1::ActionState::Sent,
        State::Answered(_) | State::Looking(..) | State::Settled(_) | State::Refused(_) => {
            v1::ActionState::Verifying
        }
        State::Sealed(..) | State::SealedRefusal(..) => v1::ActionState::Sealed,
    }
}

fn outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Applied => v1::Outcome::Applied,
        Outcome::NotApplied => v1::Outcome::NotApplied,
        Outcome::Unknown => v1::Outcome::Unknown,
        Outcome::Refused => v1::Outcome::Refused,
    }
}

/// A time on the wire.
#[must_use]
pub fn time(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// The one mapping from a refusal to the wire. It travels in trailers, which peers take
/// only so long, and names what the caller sent: so all of it is cut. Links to receipts
/// are for whoever asked, which is not known here.
impl From<Turned> for Refusal {
    fn from(turned: Turned) -> Self {
        let refused = turned.refused;
        let receipt = turned.receipt.map(|id| id.to_string());
        let violations = refused.violations.into_iter().take(MOST_VIOLATIONS);
        Self {
            code: refused.code,
            message: cut(refused.message),
            say: refused.say,
            receipt_id: receipt.or(refused.earlier_receipt),
            receipt_link: None,
            action_id: refused.other_action.or(turned.action.map(|id| id.to_string())),
            violations: violations.map(|(field, why)| (brief(field), brief(why))).collect(),
            retry_after: refused.retry_after,
        }
    }
}

impl From<Turned> for tonic::Status {
    fn from(turned: Turned) -> Self {
        Refusal::from(turned).into_status()
    }
}

impl From<Refused> for Turned {
    fn from(refused: Refused) -> Self {
        Self { refused, receipt: None, action: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_core::lifecycle::{Event, fold};

    use super::*;
    use crate::testing::{applied, event, granted, proposed, refused, sealed};

    fn shown(events: &[Event]) -> v1::Action {
        action(&fold(events.to_vec()).unwrap(), String::new(), 0)
    }

    #[test]
    fn receipt_before_reply() {
        let begun = vec![proposed(1, "i", "o"), granted()];
        let unknown = serde_json::json!({ "settled":
            { "outcome": "unknown", "code": "REPLY_LOST", "message": "" } });
        let mut in_doubt = applied();
        *in_doubt.last_mut().unwrap() = event(unknown);
        let ends = [
            (applied(), v1::Outcome::Applied, ""),
            (in_doubt, v1::Outcome::Unknown, "REPLY_LOST"),
            (vec![refused("no")], v1::Outcome::Refused, "RULE_ERROR"),
        ];
        for (end, outcome, code) in ends {
            let mut events = [begun.clone(), end].concat();
            let early = shown(&events);
            assert_eq!(early.outcome(), v1::Outcome::Unspecified, "{early:?}");
            assert_eq!(early.state(), v1::ActionState::Verifying, "{early:?}");
            assert_eq!((early.code.as_str(), early.escalated), ("", false), "{early:?}");
            assert_eq!(early.receipt_id, "");
            events.push(sealed(1));
            let told = shown(&events);
            assert_eq!((told.outcome(), told.code.as_str()), (outcome, code), "{told:?}");
            assert_eq!(told.state(), v1::ActionState::Sealed);
            assert_eq!(told.escalated, outcome == v1::Outcome::Unknown);
            assert!(!told.receipt_id.is_empty());
        }
    }
}
