//! A card that the customer says no to, or that something else takes the place of: the executor
//! is told, so that no yes to it counts any more, signed here or anywhere else.

use countersign_proto::v1::{Action, Intent};
use countersign_shared::codes::Code;

use super::carry::{about, after_refusal};
use super::ending::Ending;
use super::turn::{Engine, Scene};
use super::{Checking, Confirming, Conversation, Stage};
use crate::executor::{CallError, is_sealed};
use crate::reply;

/// What came of taking a proposal back.
pub(super) enum TakenBack {
    /// There is nothing any more to say yes to.
    Dropped,
    /// A yes was faster, and it has ended: this is to be told of it.
    Ended(Ending),
    /// It still waits, or its end is not known: this is to be told, and nothing else begun.
    Stays(Ending),
}

/// Refusals that say so: there is nothing to take back.
const NOTHING_THERE: [Code; 4] =
    [Code::NotFound, Code::ProposalExpired, Code::ProposalWithdrawn, Code::ProposalSuperseded];
/// Refusals after which it may be done all the same: by an earlier action.
const MAY_BE_DONE: [Code; 2] = [Code::AlreadyDone, Code::HistoryMissing];

impl Engine {
    /// Something takes the card's place, where one waits: its proposal is taken back first, and
    /// `left` is what is to be told of that. Comes back with why nothing else may be begun.
    pub(super) async fn make_way(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        left: &mut Option<Ending>,
    ) -> Option<Ending> {
        let waiting = match std::mem::take(&mut conversation.stage) {
            Stage::Confirming(waiting) => waiting,
            other @ (Stage::Listening
            | Stage::Choosing(_)
            | Stage::Repeating(_)
            | Stage::Checking(_)) => {
                conversation.stage = other;
                return None;
            }
        };
        match self.taken_back(scene, conversation, waiting).await {
            TakenBack::Dropped => *left = Some(Ending::says(Intent::Action, reply::DROPPED)),
            TakenBack::Ended(told) => *left = Some(told),
            TakenBack::Stays(told) => return Some(rest_left(told)),
        }
        None
    }

    /// Takes back a proposal that the customer was not shown; where a yes of somebody else was
    /// faster, this is to be told of it. Where it cannot be taken back it is void in time.
    pub(super) async fn let_go(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        proposal_id: &str,
    ) -> Option<Ending> {
        match self.acting().await.withdraw(scene.asker.token, proposal_id).await {
            Ok(action) => faster(conversation, proposal_id, &action),
            Err(error) => {
                tracing::warn!(%error, "a proposal that nobody was shown was not taken back");
                None
            }
        }
    }

    /// Takes the proposal back.
    pub(super) async fn taken_back(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        waiting: Box<Confirming>,
    ) -> TakenBack {
        let proposal_id = &waiting.card.proposal_id;
        match self.acting().await.withdraw(scene.asker.token, proposal_id).await {
            Ok(action) => match faster(conversation, proposal_id, &action) {
                None => TakenBack::Dropped,
                Some(told) if is_sealed(&action) => TakenBack::Ended(told),
                Some(told) => TakenBack::Stays(told),
            },
            Err(error) if is_not_there(&error) => TakenBack::Dropped,
            // Only what was refused for good has a receipt here: a yes was given, and the answer to
            // it was lost. That it came to nothing goes without saying, but for these.
            Err(CallError::Refused(refusal)) if refusal.receipt_id.is_some() => {
                let Confirming { tool, task, .. } = *waiting;
                let told = after_refusal(conversation, Some(task), &tool, &refusal);
                if MAY_BE_DONE.iter().any(|code| code.name() == refusal.code) {
                    return TakenBack::Ended(told);
                }
                TakenBack::Dropped
            }
            // ERRORS REFUSE: a yes may still count, so nobody is told that it is left.
            Err(error) => {
                conversation.stage = Stage::Confirming(waiting);
                TakenBack::Stays(Ending::passes(Intent::Action, reply::not_answered(&error)))
            }
        }
    }
}

/// What is to be told of an action that was to be taken back, where a yes was faster.
fn faster(conversation: &mut Conversation, proposal_id: &str, action: &Action) -> Option<Ending> {
    if action.code == Code::ProposalWithdrawn.name() {
        return None;
    }
    conversation.checkpoint.learn_of(action);
    if !is_sealed(action) {
        conversation.wait_for(Checking {
            tool: action.tool.clone(),
            proposal_id: proposal_id.to_owned(),
            action_id: Some(action.action_id.clone()),
            confirmation: String::new(),
        });
    }
    Some(about(action))
}

/// Nothing else is begun beside a card that stays: what else was said is not lost in silence.
pub(super) fn rest_left(told: Ending) -> Ending {
    Ending { reply: format!("{}\n\n{}", told.reply, reply::NOT_TAKEN_UP), ..told }
}

fn is_not_there(error: &CallError) -> bool {
    let refusal = error.refusal();
    refusal.is_some_and(|refusal| NOTHING_THERE.iter().any(|code| code.name() == refusal.code))
}
