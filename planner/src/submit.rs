//! Handing a plan to the executor: the dry run, and carrying it out to a known
//! end. A lost reply is never an outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_proto::v1::{
    Action, Argument, Confidence, ExecuteRequest, GrantKind, ModelUse, Plan, Proposal,
    ProposeRequest, RecommendedAction, Step, execute_request,
};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;

use crate::calibrate::Signs;
use crate::context::Asker;
use crate::executor::{CallError, Executor, is_sealed};

/// Longest wait for an action's receipt within a turn.
const WATCH_PATIENCE: Duration = Duration::from_secs(90);
/// Asking again after a lost reply: the executor answers a repeat with what is
/// known (AT MOST ONE EFFECT), so asking is safe.
const ASK_AGAIN_AFTER: &[Duration] =
    &[Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// One write, ready to be proposed.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Its arguments' sources.
    pub arguments: BTreeMap<String, Argument>,
    /// The plan's score.
    pub confidence: Confidence,
    /// What the model cost.
    pub usage: ModelUse,
    /// The earlier receipt, where the customer wants it done once more.
    pub after_receipt_id: &'a str,
    /// Whether the executor is to send the customer a link.
    pub confirm_by_link: bool,
}

/// Asks for the dry run.
///
/// # Errors
/// What the executor said. Nothing has happened in any case.
pub async fn propose(
    executor: &dyn Executor,
    asker: &Asker<'_>,
    write: Write<'_>,
) -> Result<Proposal, CallError> {
    let step = Step {
        id: "w1".to_owned(),
        tool: write.tool.to_owned(),
        arguments: write.arguments.into_iter().collect(),
    };
    let steps = vec![step];
    let request = ProposeRequest {
        subject_token: asker.token.to_owned(),
        messages: asker.words_behind(&steps),
        plan: Some(Plan {
            conversation_id: asker.conversation_id.to_owned(),
            external_ref: asker.external_ref.to_owned(),
            steps,
            confidence: Some(write.confidence),
            model: Some(write.usage),
            after_receipt_id: write.after_receipt_id.to_owned(),
        }),
        confirm_by_link: write.confirm_by_link,
    };
    executor.propose(request).await
}

/// How carrying out a proposal ended, as far as it is known.
#[derive(Debug)]
pub enum Ended {
    /// The action as last seen; sealed unless the wait ran out.
    Action(Box<Action>),
    /// Refused, with a code.
    Refused(Box<Refusal>),
    /// It provably never reached the executor.
    NotHandedOver,
    /// Handed over, and nothing is known yet.
    InDoubt {
        /// The action, where it was named.
        action_id: Option<String>,
    },
}

/// Carries out a proposal and waits for its receipt, within bounds. `sent`: it was handed over
/// before, and its end is not known.
pub async fn carry_out(
    executor: &dyn Executor,
    token: &str,
    proposal_id: &str,
    confirmation: &str,
    mut sent: bool,
) -> Ended {
    let request = ExecuteRequest {
        subject_token: token.to_owned(),
        target: Some(execute_request::Target::ProposalId(proposal_id.to_owned())),
        messages: Vec::new(),
        confirmation: confirmation.to_owned(),
    };
    for pause in ASK_AGAIN_AFTER.iter().map(Some).chain([None]) {
        match executor.execute(request.clone()).await {
            Ok(answer) => match answer.action {
                Some(action) if is_sealed(&action) || waits(&action) => {
                    return Ended::Action(Box::new(action));
                }
                Some(action) => return to_its_end(executor, token, action).await,
                None => sent = true,
            },
            Err(CallError::Refused(refusal)) => {
                return refused(executor, token, *refusal, sent).await;
            }
            Err(CallError::Unreachable(_)) if !sent => return Ended::NotHandedOver,
            Err(CallError::Unreachable(_) | CallError::Lost(_)) => sent = true,
        }
        if let Some(pause) = pause {
            tokio::time::sleep(*pause).await;
        }
    }
    Ended::InDoubt { action_id: None }
}

/// For members of staff: minutes or days. Nobody waits for that in a chat.
fn waits(action: &Action) -> bool {
    action.needs.contains(&i32::from(GrantKind::Approval))
}

async fn to_its_end(executor: &dyn Executor, token: &str, action: Action) -> Ended {
    match executor.watch(token, &action.action_id, WATCH_PATIENCE).await {
        Ok(seen) => Ended::Action(Box::new(seen)),
        Err(_unknown) => Ended::Action(Box::new(action)),
    }
}

/// A refusal that only says "being done" leads to watching. What proves nothing is no end: whoever
/// asks about the same proposal again hears what became of it (AT MOST ONE EFFECT).
async fn refused(executor: &dyn Executor, token: &str, refusal: Refusal, sent: bool) -> Ended {
    if refusal.code == Code::InFlight.name() {
        let Some(action_id) = refusal.action_id else { return Ended::InDoubt { action_id: None } };
        return match executor.watch(token, &action_id, WATCH_PATIENCE).await {
            Ok(action) => Ended::Action(Box::new(action)),
            Err(_unknown) => Ended::InDoubt { action_id: Some(action_id) },
        };
    }
    if says_nothing(&refusal) || (sent && refusal.code == Code::Overloaded.name()) {
        return Ended::InDoubt { action_id: refusal.action_id };
    }
    Ended::Refused(Box::new(refusal))
}

/// Whether what was asked for may be done all the same: it may have failed after the effect, or
/// before it was seen that it was done (FOUR OUTCOMES).
pub fn says_nothing(refusal: &Refusal) -> bool {
    [Code::StoreUnavailable, Code::Internal, Code::Quarantined]
        .iter()
        .any(|code| code.name() == refusal.code)
}

/// The confidence that travels with a plan.
#[must_use]
pub fn confidence(score: f64, doubt: &str, action: RecommendedAction) -> Confidence {
    Confidence {
        score: score.clamp(0.0, 1.0),
        uncertainty_reason: doubt.to_owned(),
        recommended_action: action.into(),
        ..Confidence::default()
    }
}

/// The same of what was seen of a plan, every sign with it.
#[must_use]
pub fn sure(signs: &Signs, doubt: &str, action: RecommendedAction) -> Confidence {
    Confidence { features: signs.features(), ..confidence(signs.score(), doubt, action) }
}
