//! One turn, top to bottom: what waits is answered, else the model decides, reads
//! are made, a plan of references is proposed, and the reply is what is known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use countersign_proto::v1::{
    Card, ConverseRequest, ConverseResponse, GetHandoverResponse, Intent, ListToolsResponse,
    Progress, RecordRatingRequest, Turn, converse_response,
};
use countersign_shared::turn::Told;
use futures_util::future::join;
use tokio::sync::mpsc::UnboundedSender;

use super::drop::beside_pending;
use super::ending::{Ending, ask_once_more, awaiting, joined, refused_action};
use super::guest::Known;
use super::held::Held;
use super::{Choosing, Confirming, Conversation, Conversations, Limits, Stage};
use crate::assemble::Task;
use crate::assemble::span::Said;
use crate::budget::{Purse, account};
use crate::context::{Asker, Reads, purse};
use crate::executor::{CallError, Executor};
use crate::guards::Guard;
use crate::knowledge::Knowledge;
use crate::memory::{Memory, NotTaken};
use crate::model::Model;
use crate::notes::{self, Noted, Notes};
use crate::record::Recorder;
use crate::tools::{Toolbox, Toolboxes};
use crate::triage::{Heard, is_no, says_no, triage};
use crate::{reply, subject};

/// Holds conversations and takes their turns.
pub struct Engine {
    pub(super) executor: Arc<dyn Executor>,
    pub(super) model: Arc<dyn Model>,
    pub(super) conversations: Arc<Conversations>,
    memory: Memory,
    pub(super) knowledge: Knowledge,
    toolboxes: Arc<Toolboxes>,
    recorder: Option<Recorder>,
    /// Of the turn that is taken.
    pub(super) notes: Notes,
}

/// What a subject may use, whom the executor has just verified. Made only by
/// [`Engine::verify`].
pub struct Verified {
    toolbox: Arc<Toolbox>,
    /// The key that what is remembered of them lies under.
    kept_under: String,
    stands: Option<Stands>,
}

/// Who had a conversation, and when that was asked.
pub(super) struct Stands {
    pub(super) asked: Instant,
    pub(super) answer: GetHandoverResponse,
}

/// What a frontend keeps of a turn by itself.
#[async_trait]
pub trait Also: Send + Sync {
    /// What memory calls the conversation.
    fn name(&self) -> &str;

    /// Keeps how the turn ended, with those whose it is, as the executor names them.
    async fn keep(&self, turn: &Turn, card: Option<&Card>, owners: &BTreeSet<String>);
}

/// Where a turn's events go. A frontend that left is no reason to stop.
pub type Events = UnboundedSender<ConverseResponse>;

/// What belongs to one turn and does not change in it.
pub(super) struct Scene<'a> {
    pub(super) asker: Asker<'a>,
    pub(super) toolbox: &'a Toolbox,
    pub(super) events: &'a Events,
    /// Whether the customer gets a link instead of a card to confirm.
    pub(super) confirm_by_link: bool,
    /// Whether the message takes the place of an earlier one.
    pub(super) edited: bool,
    reads: Reads,
}

impl<'a> Scene<'a> {
    /// Who reads in this turn, and what was read in it.
    pub(super) const fn reads(&self) -> (Asker<'a>, &Reads) {
        (self.asker, &self.reads)
    }

    pub(super) fn progress(&self, stage: &str, note: &str) {
        let progress = Progress { stage: stage.to_owned(), note: note.to_owned() };
        let event = converse_response::Event::Progress(progress);
        let _ = self.events.send(ConverseResponse { event: Some(event) });
    }
}

impl Engine {
    /// An engine over an executor and a model.
    pub fn new(
        executor: Arc<dyn Executor>,
        model: Arc<dyn Model>,
        limits: Limits,
        (memory, knowledge): (Memory, Knowledge),
    ) -> Self {
        let conversations = Arc::new(Conversations::new(limits));
        let at_hand = Arc::clone(&conversations);
        memory.tell(move |gone| at_hand.forget(gone));
        Self {
            executor,
            model,
            conversations,
            memory,
            knowledge,
            toolboxes: Arc::default(),
            recorder: None,
            notes: Notes::default(),
        }
    }

    /// The same, telling each turn to the executor.
    #[must_use]
    pub fn recording(self, recorder: Recorder) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// The same for one turn, of which notes are taken.
    fn noting(&self) -> Self {
        let notes = Notes::default();
        let executor = Noted::<dyn Executor>::new(Arc::clone(&self.executor), notes.clone());
        let model = Noted::<dyn Model>::new(Arc::clone(&self.model), notes.clone());
        Self {
            executor: Arc::new(executor),
            model: Arc::new(model),
            conversations: Arc::clone(&self.conversations),
            memory: self.memory.clone(),
            knowledge: self.knowledge.clone(),
            toolboxes: Arc::clone(&self.toolboxes),
            recorder: self.recorder.clone(),
            notes,
        }
    }

    /// Asks the executor whether it knows the subject, what they may use and who has the
    /// conversation. Where other planners may be in a turn of it, that is asked once it
    /// is in none of theirs.
    ///
    /// # Errors
    /// What it said, or that it cannot be asked.
    pub async fn verify(&self, token: &str, conversation: &str) -> Result<Verified, CallError> {
        let (asked, conversation) =
            (Instant::now(), if self.memory.is_shared() { "" } else { conversation });
        let ListToolsResponse { tools, kept_under, handover, .. } =
            self.executor.list_tools(token, conversation).await?;
        let stands = handover.map(|answer| Stands { asked, answer });
        Ok(Verified { toolbox: self.toolboxes.of(tools), kept_under, stands })
    }

    /// The executor, for what it is not only asked but told to do: what was queued to be kept
    /// of the turn is kept by then.
    pub(super) async fn acting(&self) -> &dyn Executor {
        self.memory.settled().await;
        self.executor.as_ref()
    }

    /// Tells the executor how a conversation was rated.
    ///
    /// # Errors
    /// What it said, or that it cannot be asked.
    pub async fn rate(&self, rating: RecordRatingRequest) -> Result<(), CallError> {
        self.executor.record_rating(rating).await
    }

    /// Takes one turn of whom the executor was asked about, and sends its events; the last one is
    /// the turn's result. `also` is what a frontend keeps of it by itself.
    pub async fn turn_of(
        &self,
        request: ConverseRequest,
        verified: Result<Verified, CallError>,
        also: Option<&dyn Also>,
        events: &Events,
    ) {
        // In a place of its own: it is large, and would be moved with whatever it runs in.
        Box::pin(self.noting().take(request, verified, also, events)).await;
    }

    async fn take(
        &self,
        request: ConverseRequest,
        verified: Result<Verified, CallError>,
        also: Option<&dyn Also>,
        events: &Events,
    ) {
        let (turn, card) = match verified {
            Ok(verified) => self.entered(&request, verified, also, events).await,
            Err(error) => told(unverified(&error)),
        };
        let recorded = self.recorder.as_ref().map(|recorder| (recorder, self.told(&turn)));
        let send = |event| drop(events.send(ConverseResponse { event: Some(event) }));
        if let Some(card) = card {
            send(converse_response::Event::Card(card));
        }
        send(converse_response::Event::Turn(turn));
        if let Some((recorder, Some(told))) = recorded {
            recorder.record(&request, told);
        }
    }

    /// The executor has verified the token: nothing of a conversation is shown to somebody who
    /// merely claims to be its subject.
    async fn entered(
        &self,
        request: &ConverseRequest,
        Verified { toolbox, kept_under, stands }: Verified,
        also: Option<&dyn Also>,
        events: &Events,
    ) -> (Turn, Option<Card>) {
        let named = subject::named(&request.subject_token);
        let key = [&request.conversation_id, &request.branch, &named.key];
        let key = key.map(String::as_str).join("\n");
        let conversation = self.conversations.enter(&key, Instant::now());
        // A turn that was in it meanwhile may have changed who has it, also where it broke off.
        let (mut conversation, stands) = match Arc::clone(&conversation).try_lock_owned() {
            Ok(free) => (free, stands),
            Err(_in_a_turn) => (conversation.lock_owned().await, None),
        };
        let stands = stands.filter(|_| !conversation.in_turn);
        let held = match conversation.take(&self.memory, &key).await {
            Ok(held) => held,
            Err(NotTaken::Unread) => {
                return told(Ending::passes(Intent::Unspecified, reply::NO_ANSWER));
            }
            Err(NotTaken::Busy) => {
                return told(Ending::passes(Intent::Unspecified, reply::STILL_AT_IT));
            }
        };
        let purse = purse(named, &request.conversation_id);
        let names = [&*key, also.map_or("", Also::name), &*account(&purse)];
        conversation.is_of(&kept_under);
        conversation.in_turn = true;
        self.memory.belongs(&kept_under, &names).await;
        let known = (&*toolbox, &purse, stands);
        let ending = self.answer(request, known, &mut conversation, events).await;
        for kept_under in &conversation.kept_under {
            self.memory.belongs(kept_under, &names).await;
        }
        let (turn, card) = told(ending);
        conversation.ended = Some(Instant::now());
        conversation.in_turn = false;
        let owners = conversation.kept_under.clone();
        let kept_also = async {
            if let Some(also) = also {
                also.keep(&turn, card.as_ref(), &owners).await;
            }
        };
        let kept = conversation.keep(&self.memory, held);
        if self.memory.is_shared() {
            // Whoever hears at another planner how the turn ended finds the conversation there.
            kept.await;
            kept_also.await;
        } else {
            // At the same time and in this order, so that they share a commit.
            join(kept, kept_also).await;
        }
        (turn, card)
    }

    /// What the executor is told of a turn; a token that nobody vouches for has none.
    fn told(&self, turn: &Turn) -> Option<Told> {
        if turn.intent() == Intent::Unspecified {
            return None;
        }
        let intent = turn.intent().as_str_name().trim_start_matches("INTENT_").to_lowercase();
        let actions = turn.actions.iter().map(notes::told).collect();
        Some(Told { intent, reply: turn.reply.clone(), actions, ..self.notes.taken() })
    }

    async fn answer(
        &self,
        request: &ConverseRequest,
        (toolbox, purse, stands): (&Toolbox, &Purse, Option<Stands>),
        conversation: &mut Conversation,
        events: &Events,
    ) -> Ending {
        let wants_more = wants_more(request, conversation, toolbox);
        if let Some(message) = request.message.clone() {
            conversation.hear(message);
        }
        let messages = conversation.messages.clone();
        let asker = Asker {
            token: &request.subject_token,
            conversation_id: &request.conversation_id,
            external_ref: &request.external_ref,
            purse,
            messages: &messages,
        };
        let (confirm_by_link, edited) = (request.confirm_by_link, request.edited);
        let reads = Reads::default();
        let scene = Scene { asker, toolbox, events, confirm_by_link, edited, reads };
        let back = match self.held(&scene, conversation, stands).await {
            Held::Free => None,
            Held::Back(news) => Some(*news),
            Held::Stop(ending) => return *ending,
        };
        if back.is_some() {
            conversation.stage.forget_waiting();
        }
        if !request.confirmation.is_empty() {
            let ending = self.confirmed(&scene, conversation, &request.confirmation).await;
            let ending = self.handed(&scene, conversation, ending).await;
            let mut ending = still_shown(conversation, ending);
            let carried_out = ending.actions.iter().any(|action| !action.action_id.is_empty());
            if wants_more && carried_out {
                ending.reply = format!("{}\n\n{}", ending.reply, reply::ONLY_THE_YES);
            }
            return match back {
                Some(back) => joined(back, ending),
                None => ending,
            };
        }
        let text = request.message.as_ref().map_or("", |m| m.text.as_str());
        let no =
            beside_pending(conversation, text, toolbox).is_some_and(|heard| says_no(&heard, text));
        let (news, link) = self.checked(&scene, conversation, no).await;
        let waits = conversation.behind_a_link().map(|checking| checking.proposal_id.clone());
        let news = match (back, news) {
            (Some(back), Some(news)) => Some(joined(back, news)),
            (back, news) => back.or(news),
        };
        let (text, matched) = match self.known(&scene, conversation).await {
            Known::Go => (text.to_owned(), false),
            Known::Again(wanted) => (wanted, true),
            Known::Stop(ending) => {
                return match news {
                    Some(news) => joined(news, *ending),
                    None => *ending,
                };
            }
        };
        let ending = self.heard(&scene, conversation, &text).await;
        let ending = Self::asked(conversation, matched, ending);
        let ending = self.handed(&scene, conversation, ending).await;
        let behind = conversation.behind_a_link().map(|checking| &checking.proposal_id);
        let still = behind.is_some() && behind == waits.as_ref() && !ending.passing;
        let ending = match link.filter(|_| still) {
            Some(link) => joined(link, ending),
            None => ending,
        };
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
        if matches!(conversation.stage, Stage::Listening)
            && let Some(ending) = self.said_to_pending(scene, conversation, text).await
        {
            return ending;
        }
        let heard = triage(&conversation.stage, text, scene.toolbox);
        self.notes.heard(heard.name());
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
            (Heard::UnsignedYes, waiting @ Stage::Confirming(_)) if !Guard::SignedYes.is_on() => {
                conversation.stage = waiting;
                self.confirmed(scene, conversation, "").await
            }
            (Heard::Asks, Stage::Confirming(waiting)) => {
                shown_again(conversation, waiting, reply::ON_THE_CARD)
            }
            (Heard::UnsignedYes | Heard::Unclear, Stage::Confirming(waiting)) => {
                shown_again(conversation, waiting, reply::CONFIRM_ON_CARD)
            }
            (Heard::Again, Stage::Repeating(waiting)) => {
                self.proposed(scene, conversation, waiting.task, &waiting.receipt_id).await
            }
            (Heard::Drop, Stage::Confirming(waiting)) if Guard::DropsOnNo.is_on() => {
                let taken = self.taken_back(scene, conversation, waiting).await;
                self.after_no(scene, conversation, taken, None).await
            }
            (Heard::Drop, dropped) => {
                if !Guard::DropsOnNo.is_on() {
                    conversation.stage = dropped;
                }
                Ending::says(Intent::Action, reply::DROPPED)
            }
            (Heard::New, Stage::Confirming(waiting)) if is_no(text) => {
                let taken = self.taken_back(scene, conversation, waiting).await;
                self.after_no(scene, conversation, taken, Some(text)).await
            }
            // A question takes nothing back; what takes the card's place does so itself.
            (Heard::New, waiting @ Stage::Confirming(_)) => {
                conversation.stage = waiting;
                let ending = self.decided(scene, conversation, text).await;
                still_shown(conversation, ending)
            }
            (_new, _forgotten) => self.decided(scene, conversation, text).await,
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
}

/// Whether something else is wanted in the words beside a signed yes, which are not followed.
/// Frontends may send the yes with a message that was heard before.
fn wants_more(request: &ConverseRequest, conversation: &Conversation, toolbox: &Toolbox) -> bool {
    let Some(message) = request.message.as_ref().filter(|_| !request.confirmation.is_empty())
    else {
        return false;
    };
    matches!(conversation.stage, Stage::Confirming(_))
        && !conversation.messages.iter().any(|known| known.text == message.text)
        && triage(&conversation.stage, &message.text, toolbox) == Heard::New
}

/// What a frontend hears of how a turn ends.
fn told(ending: Ending) -> (Turn, Option<Card>) {
    #[cfg(feature = "gates-off")]
    let ending = Ending { reply: crate::guards::off::instead_of(ending.reply), ..ending };
    let turn = Turn {
        reply: reply::with_receipts(ending.reply, &ending.receipt_links),
        intent: ending.intent.into(),
        confidence: Some(ending.confidence),
        actions: ending.actions,
        model: Some(ending.usage),
        passing: ending.passing,
    };
    (turn, ending.card)
}

/// The card that waits, with a word before it; it keeps standing.
fn shown_again(
    conversation: &mut Conversation,
    waiting: Box<Confirming>,
    before: &'static str,
) -> Ending {
    let (card, tool) = (waiting.card.clone(), waiting.tool.clone());
    conversation.stage = Stage::Confirming(waiting);
    let reply = format!("{before}\n{}", card.text);
    Ending {
        card: Some(card),
        actions: vec![awaiting(&tool)],
        ..Ending::says(Intent::Action, reply)
    }
}

/// Where the card still waits, it goes with the answer: the newest message is where people, and
/// frontends, look for it.
fn still_shown(conversation: &Conversation, ending: Ending) -> Ending {
    if let Stage::Confirming(waiting) = &conversation.stage
        && ending.card.is_none()
        && ending.hand_over.is_none()
    {
        return Ending { card: Some(waiting.card.clone()), ..ending };
    }
    ending
}

/// A token that the executor does not vouch for.
fn unverified(error: &CallError) -> Ending {
    let refused = error.refusal().map(|refusal| refused_action("", refusal));
    Ending {
        actions: refused.into_iter().collect(),
        ..Ending::passes(Intent::Unspecified, reply::not_answered(error))
    }
}

fn with_newest(mut task: Task, conversation: &Conversation) -> Task {
    if let Some(newest) = conversation.messages.last() {
        task.said
            .insert(0, Said { message_id: newest.message_id.clone(), text: newest.text.clone() });
    }
    task
}
