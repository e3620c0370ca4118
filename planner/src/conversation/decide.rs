//! The model's part of a turn: it decides, asks for reads and decides again, within
//! bounds, and mends a plan once.

use countersign_proto::v1::{EscalationReason, Intent, ModelUse, RecommendedAction};
use countersign_shared::codes::Code;
use tokio::time::Instant;

use super::Conversation;
use super::ending::{Ending, both, objected, unusable};
use super::turn::{Engine, Scene};
use crate::assemble::span::Said;
use crate::assemble::{Assembled, Stop, Task, assemble};
use crate::context::{ReadStop, Reader};
use crate::executor::CallError;
use crate::guards::Guard;
use crate::knowledge::Passages;
use crate::model::{Call, Decision, Failure, Objection, PATIENCE, Unusable, View, Want};
use crate::reply;
use crate::submit::confidence;

/// Rounds of reads that a model may ask for before it decides.
const MAX_READ_ROUNDS: usize = 4;

/// What the model is asked in every round of a turn.
struct Matter<'a> {
    text: &'a str,
    passages: Passages,
    /// One deadline for all: a turn of many calls is no longer than one of few.
    until: Instant,
}

impl Engine {
    /// The model's part. What became of a card that had to make way is told first.
    pub(super) async fn decided(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        text: &str,
    ) -> Ending {
        let mut left = None;
        let ending = self.decided_beside(scene, conversation, text, &mut left).await;
        match left {
            Some(told) => both(told, ending),
            None => ending,
        }
    }

    /// Decide, read, decide again; one repair.
    async fn decided_beside(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        text: &str,
        left: &mut Option<Ending>,
    ) -> Ending {
        let mut usage = ModelUse { model: self.model.name().to_owned(), ..ModelUse::default() };
        let mut objections: Vec<Objection> = Vec::new();
        let passages = Passages::near(&self.knowledge, text);
        let matter = Matter { text, passages, until: Instant::now() + PATIENCE };
        let mut rounds =
            if Guard::ReadRounds.is_on() { MAX_READ_ROUNDS } else { 4 * MAX_READ_ROUNDS };
        loop {
            scene.progress("planning", "working out what is wanted");
            let decision =
                match self.ask_model(scene, conversation, &matter, &objections, &mut usage).await {
                    Ok(decision) => decision,
                    Err(error) => return unusable(&error, usage),
                };
            if let Want::Reads(calls) = &decision.want {
                let Some(left) = rounds.checked_sub(1) else {
                    return unusable(&spent_on("it kept asking for reads"), usage);
                };
                rounds = left;
                objections = self.read_for_model(scene, conversation, calls, &usage).await;
                continue;
            }
            let followed = self.follow(scene, conversation, decision, &usage, left).await;
            let mut ending = match followed {
                Ok(ending) => ending,
                Err(found)
                    if usage.repairs == 0 && self.model.name() != crate::model::offline::NAME =>
                {
                    usage.repairs += 1;
                    objections = found;
                    continue;
                }
                Err(found) => return objected(&found, usage),
            };
            ending.usage = usage;
            return ending;
        }
    }

    async fn ask_model(
        &self,
        scene: &Scene<'_>,
        conversation: &Conversation,
        matter: &Matter<'_>,
        objections: &[Objection],
        usage: &mut ModelUse,
    ) -> Result<Decision, Unusable> {
        let before = conversation.messages.len().saturating_sub(1);
        let earlier: Vec<String> =
            conversation.messages.iter().take(before).map(|m| m.text.clone()).collect();
        let standing = conversation.checkpoint.shown(
            &conversation.stage,
            &conversation.pending,
            &conversation.focus,
        );
        let view = View {
            text: matter.text,
            earlier: &earlier,
            standing: &standing,
            toolbox: scene.toolbox,
            observations: &conversation.observations,
            objections,
            passages: &matter.passages,
            purse: scene.asker.purse.clone(),
            until: matter.until,
        };
        let answered = self.model.decide(&view).await;
        let spent = match &answered {
            Ok(decided) => &decided.usage,
            Err(unusable) => &unusable.usage,
        };
        usage.model.clone_from(&spent.model);
        usage.fallback.clone_from(&spent.fallback);
        usage.input_tokens += spent.input_tokens;
        usage.output_tokens += spent.output_tokens;
        usage.latency_ms += spent.latency_ms;
        usage.repairs = (usage.repairs + spent.repairs).min(1);
        answered.map(|decided| decided.decision)
    }

    async fn read_for_model(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        calls: &[Call],
        usage: &ModelUse,
    ) -> Vec<Objection> {
        scene.progress("reading", "looking things up");
        let mut objections = Vec::new();
        for (at, call) in calls.iter().enumerate().take(crate::context::MAX_READS) {
            let Some(tool) = scene.toolbox.get(&call.tool) else { continue };
            let task = new_task(call.clone(), &plain_decision(), usage, conversation);
            let mut observations = std::mem::take(&mut conversation.observations);
            let mut reader = Reader::new(
                self.executor.as_ref(),
                scene.reads(),
                &mut observations,
                usage.clone(),
            );
            let problem = match assemble(&task, tool, scene.toolbox, &mut reader).await {
                Ok(Assembled::Ready(ready)) => {
                    reader.read(&tool.name, ready.arguments).await.err().map(Stop::Read)
                }
                Ok(Assembled::Ask(question)) => {
                    objections.push(Objection {
                        code: Code::ArgumentMissing.name().to_owned(),
                        at: format!("calls/{at}/{}", question.name),
                        problem: question.about,
                    });
                    None
                }
                Err(stop) => Some(stop),
            };
            conversation.observations = observations;
            match problem {
                Some(Stop::Objections(found)) => objections.extend(found),
                Some(Stop::Read(stop)) => objections.push(Objection {
                    code: code_of(&stop),
                    at: format!("calls/{at}"),
                    problem: stop.to_string(),
                }),
                None => {}
            }
        }
        objections
    }

    /// Turns a decision into an ending; objections to it come back for a repair.
    async fn follow(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        decision: Decision,
        usage: &ModelUse,
        left: &mut Option<Ending>,
    ) -> Result<Ending, Vec<Objection>> {
        let plain = |intent, recommended, text: String| Ending {
            confidence: confidence(decision.score, &decision.doubt, recommended),
            ..Ending::says(intent, text)
        };
        let open = std::mem::take(&mut conversation.open_messages);
        match &decision.want {
            Want::Tool(call) => {
                let mut task = new_task(call.clone(), &decision, usage, conversation);
                let unread = conversation.messages.iter().rev().skip(1).take(open);
                task.said.extend(
                    unread.map(|m| Said { message_id: m.message_id.clone(), text: m.text.clone() }),
                );
                self.pursue_or_object(scene, conversation, task, left).await
            }
            Want::Question => {
                let found = self.knowledge.answer(newest(conversation)).await;
                if let Some(page) = found.as_ref().filter(|_| !Guard::PagesDecideNothing.is_on()) {
                    return Err(vec![commanded(&page.text)]);
                }
                let told =
                    found.as_ref().map_or_else(|| reply::question(scene.toolbox), reply::page);
                Ok(plain(Intent::Question, RecommendedAction::Proceed, told))
            }
            Want::Clarify | Want::Reads(_) => {
                // What reads like no wish may still be a question about the house.
                if let Some(found) = self.knowledge.answer(newest(conversation)).await {
                    let told = reply::page(&found);
                    return Ok(plain(Intent::Question, RecommendedAction::Proceed, told));
                }
                conversation.open_messages = (open + 1).min(3);
                let told = reply::clarify(scene.toolbox);
                Ok(Ending {
                    nothing_understood: true,
                    ..plain(Intent::Clarify, RecommendedAction::Clarify, told)
                })
            }
            Want::Escalate => Ok(Ending {
                hand_over: Some(EscalationReason::Other),
                ..plain(Intent::Escalate, RecommendedAction::Escalate, reply::escalate(None, ""))
            }),
        }
    }
}

pub(super) fn newest(conversation: &Conversation) -> &str {
    conversation.messages.last().map_or("", |message| message.text.as_str())
}

fn new_task(
    call: Call,
    decision: &Decision,
    usage: &ModelUse,
    conversation: &Conversation,
) -> Task {
    let newest = conversation.messages.last();
    Task {
        call,
        score: decision.score,
        tokens: decision.tokens,
        doubt: decision.doubt.clone(),
        usage: usage.clone(),
        said: newest
            .map(|m| Said { message_id: m.message_id.clone(), text: m.text.clone() })
            .into_iter()
            .collect(),
        heard_in: newest.map(|m| m.message_id.clone()).unwrap_or_default(),
        picks: Default::default(),
        focus: conversation.focus.clone(),
    }
}

fn spent_on(reason: &str) -> Unusable {
    Unusable {
        reason: reason.to_owned(),
        usage: Box::default(),
        calls: Vec::new(),
        failure: Failure::Unknown,
    }
}

/// What a page says, as if it were ours to the model.
fn commanded(page: &str) -> Objection {
    Objection { code: String::new(), at: String::new(), problem: page.to_owned() }
}

fn plain_decision() -> Decision {
    Decision { want: Want::Clarify, score: 1.0, doubt: String::new(), tokens: None }
}

fn code_of(stop: &ReadStop) -> String {
    match stop {
        ReadStop::Call(CallError::Refused(refusal)) => refusal.code.clone(),
        ReadStop::Call(CallError::Unreachable(_) | CallError::Lost(_)) => {
            Code::StateUnreadable.name().to_owned()
        }
        ReadStop::TooMany => Code::PlanTooLarge.name().to_owned(),
    }
}
