//! A conversation that a person has: nothing is started in it until they hand it back. They
//! work in their helpdesk; what is said here is that they have it, and what they wrote when
//! they ended it becomes part of what is known.

use countersign_proto::v1::{Intent, TurnAction};
use countersign_shared::codes::Code;

use super::Conversation;
use super::ending::Ending;
use super::turn::{Engine, Scene};
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
    /// Looks who has the conversation, where it was handed over.
    pub(super) async fn held(&self, scene: &Scene<'_>, conversation: &mut Conversation) -> Held {
        let Some(receipt_id) = conversation.handed.clone() else { return Held::Free };
        let asker = &scene.asker;
        let asked = self.executor.handover(asker.token, asker.conversation_id, &receipt_id).await;
        let stands = match asked {
            Ok(stands) => stands,
            // It is not there any more, or is another's: there is nothing to wait for.
            Err(CallError::Refused(refusal)) => {
                tracing::info!(code = %refusal.code, "what was handed over is not known");
                conversation.handed = None;
                return Held::Free;
            }
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
        if !stands.taken {
            return Held::Free;
        }
        let ending =
            Ending { actions: vec![escalated(&receipt_id)], ..says(reply::WITH_A_COLLEAGUE) };
        Held::Stop(Box::new(ending))
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
