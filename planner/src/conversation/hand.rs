//! Handing over to a person: what the planner knows of it goes to the executor, which
//! keeps it for them. It can only escalate; nothing becomes possible by it.

use countersign_proto::v1::{EscalateRequest, TurnAction};
use countersign_shared::codes::Code;

use super::Conversation;
use super::ending::Ending;
use super::turn::{Engine, Scene};

impl Engine {
    /// Hands over what this turn leaves to a person. What the customer is told then is
    /// the executor's; where that could not be reached, nobody is said to know of it.
    pub(super) async fn handed(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        mut ending: Ending,
    ) -> Ending {
        let Some(reason) = ending.hand_over else { return ending };
        let asker = &scene.asker;
        let ids = conversation.observations.iter().rev().map(|o| o.observation_id.clone());
        let newest = conversation.messages.last();
        let request = EscalateRequest {
            subject_token: asker.token.to_owned(),
            conversation_id: asker.conversation_id.to_owned(),
            external_ref: asker.external_ref.to_owned(),
            messages: asker.words_behind(&[]),
            reason: reason.into(),
            request: newest.map(|m| m.text.clone()).unwrap_or_default(),
            interpretation: ending.reply.clone(),
            reasoning_summary: ending.confidence.uncertainty_reason.clone(),
            tried: conversation.checkpoint.lines(),
            recommended_action: String::new(),
            observation_ids: ids.collect(),
            receipt_ids: ending
                .actions
                .iter()
                .map(|a| a.receipt_id.clone())
                .filter(|id| !id.is_empty())
                .collect(),
            action_ids: ending
                .actions
                .iter()
                .map(|a| a.action_id.clone())
                .filter(|id| !id.is_empty())
                .collect(),
        };
        match self.acting().await.escalate(request).await {
            Ok(answer) => {
                ending.reply = format!("{}{}", ending.first, answer.said);
                // A conversation is handed over once, and its first receipt names the matter.
                conversation.handed.get_or_insert_with(|| answer.receipt_id.clone());
                ending.actions.push(TurnAction {
                    code: Code::Escalated.name().to_owned(),
                    receipt_id: answer.receipt_id,
                    ..TurnAction::default()
                });
            }
            Err(error) => tracing::error!(%error, "a matter for a person was not handed over"),
        }
        ending
    }
}
