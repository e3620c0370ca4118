//! One turn, top to bottom: what waits is answered, else the model decides, reads
//! are made, a plan of references is proposed, and the reply is what is known.

use std::sync::Arc;
use std::time::Instant;

use countersign_proto::v1::{
    Card, Confidence, ConverseRequest, ConverseResponse, Intent, ModelUse, Progress,
    RecommendedAction, Turn, TurnAction, converse_response,
};
use countersign_shared::codes::Code;
use tokio::sync::mpsc::UnboundedSender;

use super::{Choosing, Conversation, Conversations, Limits, Stage};
use crate::assemble::span::Said;
use crate::assemble::{Assembled, Prepared, Question, Stop, Task, assemble};
use crate::context::{Asker, ReadStop, Reader};
use crate::executor::{CallError, Executor};
use crate::model::{Call, Decision, Model, Objection, Unusable, View, Want};
use crate::submit::confidence;
use crate::tools::{ToolSpec, Toolbox, Toolboxes};
use crate::triage::{Heard, triage};
use crate::{reply, subject};

/// Rounds of reads that a model may ask for before it decides.
const MAX_READ_ROUNDS: usize = 4;
/// Unhelpful answers to one question before a person takes over.
const MAX_MISSES: u32 = 2;

/// Holds conversations and takes their turns.
pub struct Engine {
    pub(super) executor: Arc<dyn Executor>,
    model: Arc<dyn Model>,
    conversations: Conversations,
    toolboxes: Toolboxes,
}

/// Where a turn's events go. A frontend that left is no reason to stop.
pub type Events = UnboundedSender<ConverseResponse>;

/// How a turn ends, before it becomes a message.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) reply: String,
    pub(super) intent: Intent,
    pub(super) confidence: Confidence,
    pub(super) actions: Vec<TurnAction>,
    pub(super) usage: ModelUse,
    pub(super) card: Option<Card>,
}

impl Ending {
    pub(super) fn says(intent: Intent, reply: impl Into<String>) -> Self {
        Self { reply: reply.into(), intent, ..Self::default() }
    }
}

/// What belongs to one turn and does not change in it.
pub(super) struct Scene<'a> {
    pub(super) asker: Asker<'a>,
    pub(super) toolbox: &'a Toolbox,
    pub(super) events: &'a Events,
}

impl Scene<'_> {
    pub(super) fn progress(&self, stage: &str, note: &str) {
        let progress = Progress { stage: stage.to_owned(), note: note.to_owned() };
        let event = converse_response::Event::Progress(progress);
        let _ = self.events.send(ConverseResponse { event: Some(event) });
    }
}

impl Engine {
    /// An engine over an executor and a model.
    pub fn new(executor: Arc<dyn Executor>, model: Arc<dyn Model>, limits: Limits) -> Self {
        Self {
            executor,
            model,
            conversations: Conversations::new(limits),
            toolboxes: Toolboxes::default(),
        }
    }

    /// Takes one turn and sends its events; the last one is the turn's result.
    pub async fn turn(&self, request: ConverseRequest, events: &Events) {
        let key = format!("{}\n{}", request.conversation_id, subject::key(&request.subject_token));
        let conversation = self.conversations.enter(&key, Instant::now());
        let mut conversation = conversation.lock().await;
        let ending = self.answer(&request, &mut conversation, events).await;
        if let Some(card) = ending.card {
            let _ =
                events.send(ConverseResponse { event: Some(converse_response::Event::Card(card)) });
        }
        let turn = Turn {
            reply: ending.reply,
            intent: ending.intent.into(),
            confidence: Some(ending.confidence),
            actions: ending.actions,
            model: Some(ending.usage),
        };
        let _ = events.send(ConverseResponse { event: Some(converse_response::Event::Turn(turn)) });
    }

    /// The executor verifies the token first: nothing of a conversation is shown
    /// to somebody who merely claims to be its subject.
    async fn answer(
        &self,
        request: &ConverseRequest,
        conversation: &mut Conversation,
        events: &Events,
    ) -> Ending {
        let toolbox = match self.executor.list_tools(&request.subject_token).await {
            Ok(listed) => self.toolboxes.of(listed),
            Err(error) => return Ending::says(Intent::Unspecified, reply::not_answered(&error)),
        };
        if let Some(message) = request.message.clone() {
            conversation.hear(message);
        }
        let messages = conversation.messages.clone();
        let asker = Asker {
            token: &request.subject_token,
            conversation_id: &request.conversation_id,
            external_ref: &request.external_ref,
            messages: &messages,
        };
        let scene = Scene { asker, toolbox: &toolbox, events };
        if !request.confirmation.is_empty() {
            return self.confirmed(&scene, conversation, &request.confirmation).await;
        }
        let news = self.checked(&scene, conversation).await;
        let text = request.message.as_ref().map_or("", |m| m.text.as_str());
        let ending = self.heard(&scene, conversation, text).await;
        match news {
            Some(news) => joined(news, ending),
            None => ending,
        }
    }

    async fn heard(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        text: &str,
    ) -> Ending {
        let heard = triage(&conversation.stage, text, scene.toolbox);
        let stage = std::mem::take(&mut conversation.stage);
        match (heard, stage) {
            (Heard::Picked(indexes), Stage::Choosing(waiting)) => {
                self.picked(scene, conversation, *waiting, &indexes).await
            }
            (Heard::Detail, Stage::Choosing(waiting)) => {
                let task = with_newest(waiting.task, conversation);
                self.pursue(scene, conversation, task).await
            }
            (Heard::Unclear, Stage::Choosing(waiting)) => ask_once_more(conversation, *waiting),
            (Heard::UnsignedYes | Heard::Unclear, Stage::Confirming(waiting)) => {
                let card = waiting.card.clone();
                let tool = waiting.tool.clone();
                conversation.stage = Stage::Confirming(waiting);
                let reply = format!("{}\n{}", reply::CONFIRM_ON_CARD, card.text);
                Ending {
                    card: Some(card),
                    actions: vec![awaiting(&tool)],
                    ..Ending::says(Intent::Action, reply)
                }
            }
            (Heard::Again, Stage::Repeating(waiting)) => {
                self.proposed(scene, conversation, waiting.task, &waiting.receipt_id).await
            }
            (Heard::Drop, _dropped) => Ending::says(Intent::Action, reply::DROPPED),
            (_new, stage) => {
                if let Stage::Checking(checking) = stage {
                    conversation.stage = Stage::Checking(checking);
                }
                self.decided(scene, conversation, text).await
            }
        }
    }

    async fn picked(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        waiting: Choosing,
        indexes: &[usize],
    ) -> Ending {
        let chosen =
            indexes.iter().filter_map(|at| waiting.question.candidates.get(*at).cloned()).collect();
        let mut task = with_newest(waiting.task, conversation);
        task.picks.insert(waiting.question.name, chosen);
        self.pursue(scene, conversation, task).await
    }

    /// The model's part: decide, read, decide again; one repair.
    async fn decided(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        text: &str,
    ) -> Ending {
        let mut usage = ModelUse { model: self.model.name().to_owned(), ..ModelUse::default() };
        let mut objections: Vec<Objection> = Vec::new();
        for _round in 0..=MAX_READ_ROUNDS + 1 {
            scene.progress("planning", "working out what is wanted");
            let decision =
                match self.ask_model(scene, conversation, text, &objections, &mut usage).await {
                    Ok(decision) => decision,
                    Err(error) => return unusable(&error, usage),
                };
            if let Want::Reads(calls) = &decision.want {
                objections = self.read_for_model(scene, conversation, calls, &usage).await;
                continue;
            }
            let mut ending = match self.follow(scene, conversation, decision, &usage).await {
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
        unusable(
            &Unusable { reason: "it kept asking for reads".to_owned(), usage: Box::default() },
            usage,
        )
    }

    async fn ask_model(
        &self,
        scene: &Scene<'_>,
        conversation: &Conversation,
        text: &str,
        objections: &[Objection],
        usage: &mut ModelUse,
    ) -> Result<Decision, Unusable> {
        let before = conversation.messages.len().saturating_sub(1);
        let earlier: Vec<String> =
            conversation.messages.iter().take(before).map(|m| m.text.clone()).collect();
        let view = View {
            text,
            earlier: &earlier,
            so_far: &conversation.so_far,
            toolbox: scene.toolbox,
            observations: &conversation.observations,
            objections,
        };
        let answered = self.model.decide(&view).await;
        let spent = match &answered {
            Ok(decided) => &decided.usage,
            Err(unusable) => &unusable.usage,
        };
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
            let mut reader =
                Reader::new(self.executor.as_ref(), scene.asker, &mut observations, usage.clone());
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
                // Older words come last, but the ranges of the call are of the newest message.
                let older: Vec<Said> = unread
                    .map(|m| Said { message_id: m.message_id.clone(), text: m.text.clone() })
                    .collect();
                if call.heard.is_empty() && call.shunned.is_empty()
                    || !older.is_empty() && call.shunned.is_empty()
                {
                    task.said.extend(older);
                }
                self.pursue_or_object(scene, conversation, task).await
            }
            Want::Question => Ok(plain(
                Intent::Question,
                RecommendedAction::Proceed,
                reply::question(scene.toolbox),
            )),
            Want::Clarify | Want::Reads(_) => {
                conversation.open_messages = (open + 1).min(3);
                Ok(plain(
                    Intent::Clarify,
                    RecommendedAction::Clarify,
                    reply::clarify(scene.toolbox),
                ))
            }
            Want::Escalate => {
                Ok(plain(Intent::Escalate, RecommendedAction::Escalate, reply::escalate(None, "")))
            }
        }
    }

    /// Goes on with a task; objections end it, since no model is asked here.
    pub(super) async fn pursue(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
    ) -> Ending {
        let usage = task.usage.clone();
        match self.pursue_or_object(scene, conversation, task).await {
            Ok(ending) => Ending { usage, ..ending },
            Err(objections) => objected(&objections, usage),
        }
    }

    async fn pursue_or_object(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
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
        let mut reader =
            Reader::new(self.executor.as_ref(), scene.asker, &mut observations, task.usage.clone());
        let assembled = assemble(&task, tool, scene.toolbox, &mut reader).await;
        let ending = match assembled {
            Ok(Assembled::Ready(ready)) if tool.read => {
                read_out(&task, tool, ready, &mut reader, conversation).await
            }
            other => {
                drop(reader);
                conversation.observations = observations;
                return match other {
                    Ok(Assembled::Ready(ready)) => {
                        self.propose(scene, conversation, task, ready, "").await
                    }
                    Ok(Assembled::Ask(question)) => Ok(ask(conversation, task, question)),
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
    match reader.read(&tool.name, ready.arguments).await {
        Ok(observation) => {
            conversation.focus = ready.focus;
            Ending {
                confidence: confidence(
                    task.score * ready.sureness,
                    &task.doubt,
                    RecommendedAction::Proceed,
                ),
                ..Ending::says(Intent::Question, reply::read(tool, &observation))
            }
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
    Ending {
        confidence: confidence(task.score, &task.doubt, RecommendedAction::Clarify),
        actions: actions.into_iter().collect(),
        ..Ending::says(intent, text)
    }
}

pub(super) fn ask(conversation: &mut Conversation, task: Task, question: Question) -> Ending {
    let text = reply::ask(&question);
    let why = format!("open: {}", question.name);
    let score = task.score * 0.5;
    conversation.stage = Stage::Choosing(Box::new(Choosing { task, question, misses: 0 }));
    Ending {
        confidence: confidence(score, &why, RecommendedAction::Clarify),
        ..Ending::says(Intent::Clarify, text)
    }
}

fn ask_once_more(conversation: &mut Conversation, mut waiting: Choosing) -> Ending {
    waiting.misses += 1;
    if waiting.misses >= MAX_MISSES {
        let why = format!("open: {}", waiting.question.name);
        let ending = Ending::says(Intent::Escalate, reply::escalate(None, &why));
        return Ending { confidence: confidence(0.0, &why, RecommendedAction::Escalate), ..ending };
    }
    let text = reply::ask(&waiting.question);
    conversation.stage = Stage::Choosing(Box::new(waiting));
    Ending {
        confidence: confidence(0.3, "the answer fits none", RecommendedAction::Clarify),
        ..Ending::says(Intent::Clarify, text)
    }
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
        doubt: decision.doubt.clone(),
        usage: usage.clone(),
        said: newest
            .map(|m| Said { message_id: m.message_id.clone(), text: m.text.clone() })
            .into_iter()
            .collect(),
        picks: Default::default(),
        focus: conversation.focus.clone(),
    }
}

fn plain_decision() -> Decision {
    Decision { want: Want::Clarify, score: 1.0, doubt: String::new() }
}

fn with_newest(mut task: Task, conversation: &Conversation) -> Task {
    if let Some(newest) = conversation.messages.last() {
        task.said
            .insert(0, Said { message_id: newest.message_id.clone(), text: newest.text.clone() });
    }
    task
}

/// News of an earlier action come first; a reply that only asks back adds nothing.
fn joined(news: Ending, ending: Ending) -> Ending {
    if ending.intent == Intent::Clarify && ending.actions.is_empty() {
        return Ending { usage: ending.usage, ..news };
    }
    let reply = format!("{}\n\n{}", news.reply, ending.reply);
    let actions = news.actions.into_iter().chain(ending.actions).collect();
    Ending { reply, actions, ..ending }
}

fn unusable(error: &Unusable, usage: ModelUse) -> Ending {
    tracing::warn!(reason = %error.reason, "the model gave no usable answer");
    let action =
        TurnAction { code: Code::ModelUnusable.name().to_owned(), ..TurnAction::default() };
    Ending {
        confidence: confidence(0.0, "no usable answer of the model", RecommendedAction::Clarify),
        actions: vec![action],
        usage,
        ..Ending::says(Intent::Clarify, Code::ModelUnusable.page().say)
    }
}

/// Objections that no repair mended.
fn objected(objections: &[Objection], usage: ModelUse) -> Ending {
    let reason = objections
        .iter()
        .map(|o| format!("{} at {}: {}", o.code, o.at, o.problem))
        .collect::<Vec<_>>()
        .join("; ");
    tracing::warn!(%reason, "the plan does not hold");
    unusable(&Unusable { reason, usage: Box::default() }, usage)
}

pub(super) fn refused_action(
    tool: &str,
    refusal: &countersign_shared::refusal::Refusal,
) -> TurnAction {
    TurnAction {
        tool: tool.to_owned(),
        code: refusal.code.clone(),
        receipt_id: refusal.receipt_id.clone().unwrap_or_default(),
        action_id: refusal.action_id.clone().unwrap_or_default(),
        ..TurnAction::default()
    }
}

pub(super) fn awaiting(tool: &str) -> TurnAction {
    TurnAction {
        tool: tool.to_owned(),
        code: Code::AwaitingConfirmation.name().to_owned(),
        ..TurnAction::default()
    }
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
