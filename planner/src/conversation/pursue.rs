//! From a task to what can be done with it: an answer read out, a proposal, or a
//! question back.

use countersign_proto::v1::{EscalationReason, Intent, ModelUse, RecommendedAction};
use countersign_shared::codes::Code;

use super::carry::not_sure_enough;
use super::decide::newest;
use super::ending::{Ending, ask, objected, refused_action};
use super::turn::{Engine, Scene};
use super::{Conversation, Stage};
use crate::assemble::{Assembled, Prepared, Stop, Task, assemble};
use crate::context::{ReadStop, Reader};
use crate::model::Objection;
use crate::reply;
use crate::submit::{confidence, sure};
use crate::tools::ToolSpec;
use crate::triage;

impl Engine {
    /// Goes on with a task; objections end it, since no model is asked here, which also means
    /// that nothing was used: the turn that asked one has told it.
    pub(super) async fn pursue(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
    ) -> Ending {
        // No card stands while a question is answered.
        let pursued = self.pursue_or_object(scene, conversation, task, &mut None).await;
        pursued.unwrap_or_else(|objections| objected(&objections, ModelUse::default()))
    }

    /// What asks back or proposes takes the place of a card, or a link, that waits; `left` is what
    /// is to be told of that.
    pub(super) async fn pursue_or_object(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
        left: &mut Option<Ending>,
    ) -> Result<Ending, Vec<Objection>> {
        let Some(tool) = scene.toolbox.get(&task.call.tool) else {
            return Err(vec![Objection {
                code: Code::ToolUnknown.name().to_owned(),
                at: "tool".to_owned(),
                problem: format!("there is no tool {}", task.call.tool),
            }]);
        };
        scene.progress("reading", "looking things up");
        let mut observations = std::mem::take(&mut conversation.observations);
        let mut reader = Reader::new(
            self.executor.as_ref(),
            scene.reads(),
            &mut observations,
            task.usage.clone(),
        );
        let assembled = assemble(&task, tool, scene.toolbox, &mut reader).await;
        let ending = match assembled {
            Ok(Assembled::Ready(ready)) if tool.read => {
                read_out(&task, tool, ready, &mut reader, conversation).await
            }
            // A look-up, and what only sounds like a wish, take no card's place with a question
            // back, nor a link's.
            Ok(Assembled::Ask(_))
                if conversation.waits_for_a_yes()
                    && (tool.read || triage::only_asks(newest(conversation))) =>
            {
                let told =
                    if tool.read { reply::WITH_ITS_NUMBER } else { reply::NO_ANSWER_TO_THAT };
                // That a link waits is told beside this.
                let card = matches!(conversation.stage, Stage::Confirming(_));
                let rest = if card { reply::THE_CARD_WAITS } else { "" };
                Ending::says(Intent::Question, format!("{told}{rest}"))
            }
            other => {
                drop(reader);
                conversation.observations = observations;
                return match other {
                    Ok(Assembled::Ready(ready)) => {
                        self.propose(scene, conversation, task, ready, "", left).await
                    }
                    Ok(Assembled::Ask(question)) => {
                        // No answer makes it surer than it is.
                        let waits = conversation.waits_for_a_yes();
                        let unsure = || not_sure_enough(tool, &task, &task.signs());
                        if let Some(ending) = waits.then(unsure).flatten() {
                            return Ok(ending);
                        }
                        let stays = self.make_way(scene, conversation, left).await;
                        Ok(stays.unwrap_or_else(|| ask(conversation, task, question)))
                    }
                    Err(Stop::Read(stop)) => Ok(read_failed(&task, tool, &stop)),
                    Err(Stop::Objections(objections)) => Err(objections),
                };
            }
        };
        drop(reader);
        conversation.observations = observations;
        Ok(ending)
    }
}

async fn read_out(
    task: &Task,
    tool: &ToolSpec,
    ready: Prepared,
    reader: &mut Reader<'_>,
    conversation: &mut Conversation,
) -> Ending {
    let confidence = sure(&ready.signs(task), &task.doubt, RecommendedAction::Proceed);
    reader.plans(confidence.clone());
    match reader.read(&tool.name, ready.arguments).await {
        Ok(observation) => {
            conversation.focus = ready.focus;
            Ending { confidence, ..Ending::says(Intent::Question, reply::read(tool, &observation)) }
        }
        Err(stop) => read_failed(task, tool, &stop),
    }
}

fn read_failed(task: &Task, tool: &ToolSpec, stop: &ReadStop) -> Ending {
    let intent = if tool.read { Intent::Question } else { Intent::Action };
    let (text, refusal) = match stop {
        ReadStop::Call(error) => (reply::not_answered(error), error.refusal()),
        ReadStop::TooMany => (reply::escalate(Some(tool), "it needs too many look-ups"), None),
    };
    let actions = refusal.filter(|_| !tool.read).map(|r| refused_action(&tool.name, r));
    let strength = Code::StrengthRequired.name();
    Ending {
        confidence: confidence(task.score, &task.doubt, RecommendedAction::Clarify),
        asks_who: refusal.is_some_and(|refusal| refusal.code == strength),
        actions: actions.into_iter().collect(),
        hand_over: matches!(stop, ReadStop::TooMany).then_some(EscalationReason::Other),
        ..Ending::says(intent, text)
    }
}
