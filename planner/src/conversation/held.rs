//! A conversation that a person has: nothing is started in it until they hand it back. They
//! work in their helpdesk; what is said here is that they have it, and what they wrote when
//! they ended it becomes part of what is known.

use countersign_proto::v1::{GetHandoverResponse, Intent, TurnAction};
use countersign_shared::codes::Code;

use super::Conversation;
use super::ending::Ending;
use super::turn::{Engine, Scene, Stands};
use crate::executor::CallError;
use crate::reply;

/// Whether anything may be started.
pub(super) enum Held {
    /// Nobody has it.
    Free,
    /// It has just come back.
    Back(Box<Ending>),
    /// A person has it, or that cannot be told now.
    Stop(Box<Ending>),
}

impl Engine {
    /// Looks who has the conversation. The executor is asked at each turn: another branch of
    /// it may have been handed over, or one that this planner remembers nothing of.
    pub(super) async fn held(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        known: Option<Stands>,
    ) -> Held {
        let stands = match self.stands(scene, conversation, known).await {
            Ok(stands) => stands,
            // ERRORS REFUSE: who has it cannot be told now.
            Err(error) => {
                let ending = Ending::passes(Intent::Escalate, reply::not_answered(&error));
                return Held::Stop(Box::new(ending));
            }
        };
        let ended = stands.closed_by_receipt_id;
        if !ended.is_empty() {
            conversation.handed = None;
            conversation.checkpoint.learn_from_colleague(&ended, &stands.note);
            let back = Ending { actions: vec![escalated(&ended)], ..says(reply::BACK_AGAIN) };
            return Held::Back(Box::new(back));
        }
        conversation.handed = Some(stands.receipt_id.clone()).filter(|id| !id.is_empty());
        if !stands.taken {
            return Held::Free;
        }
        let ending = Ending {
            actions: vec![escalated(&stands.receipt_id)],
            ..says(reply::WITH_A_COLLEAGUE)
        };
        Held::Stop(Box::new(ending))
    }

    async fn stands(
        &self,
        scene: &Scene<'_>,
        conversation: &Conversation,
        known: Option<Stands>,
    ) -> Result<GetHandoverResponse, CallError> {
        let (token, name) = (scene.asker.token, scene.asker.conversation_id);
        if let Some(receipt_id) = &conversation.handed {
            match self.executor.handover(token, name, receipt_id).await {
                // It is not there any more, or was added to what was open before it.
                Err(CallError::Refused(no)) if no.code == Code::NotFound.name() => {
                    tracing::info!(code = %no.code, "what was handed over is not known");
                }
                answer => return answer,
            }
        }
        match known.filter(|known| conversation.is_as_it_was(known.asked)) {
            Some(known) => Ok(known.answer),
            None => self.executor.handover(token, name, "").await,
        }
    }
}

fn says(reply: &str) -> Ending {
    Ending::says(Intent::Escalate, reply)
}

fn escalated(receipt_id: &str) -> TurnAction {
    TurnAction {
        code: Code::Escalated.name().to_owned(),
        receipt_id: receipt_id.to_owned(),
        ..TurnAction::default()
    }
}
