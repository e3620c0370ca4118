//! A card that the customer says no to: the executor is told, so that no yes to it counts any
//! more, signed here or anywhere else.

use countersign_proto::v1::Intent;
use countersign_shared::codes::Code;

use super::carry::about;
use super::ending::Ending;
use super::turn::{Engine, Scene};
use super::{Checking, Confirming, Conversation, Stage};
use crate::executor::{CallError, is_sealed};
use crate::reply;

impl Engine {
    /// Takes the proposal back; where it could not, what is to be told instead.
    pub(super) async fn taken_back(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        waiting: Box<Confirming>,
    ) -> Option<Ending> {
        let proposal_id = &waiting.card.proposal_id;
        match self.executor.withdraw(scene.asker.token, proposal_id).await {
            // A yes was faster.
            Ok(action) if action.code != Code::ProposalWithdrawn.name() => {
                if !is_sealed(&action) {
                    conversation.stage = Stage::Checking(Box::new(Checking {
                        tool: action.tool.clone(),
                        proposal_id: proposal_id.clone(),
                        action_id: Some(action.action_id.clone()),
                        confirmation: String::new(),
                    }));
                }
                conversation.checkpoint.learn_of(&action);
                Some(about(&action))
            }
            // There is nothing any more to say yes to.
            Ok(_) | Err(CallError::Refused(_)) => None,
            // ERRORS REFUSE: a yes may still count, so nobody is told that it is left.
            Err(error) => {
                conversation.stage = Stage::Confirming(waiting);
                Some(Ending::passes(Intent::Action, reply::not_answered(&error)))
            }
        }
    }
}
