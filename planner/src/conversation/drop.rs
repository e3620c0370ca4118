//! A card, a link, or a yes that nobody knows to have counted, that the customer says no to; or a
//! card or a link that something else takes the place of: the executor is told, so that no yes to
//! it counts any more, signed here or anywhere else.

use countersign_proto::v1::{Action, GrantKind, Intent, Proposal};
use countersign_shared::codes::Code;

use super::carry::{about, after_refusal};
use super::ending::{Ending, both};
use super::turn::{Engine, Scene};
use super::{Checking, Confirming, Conversation, Stage, link};
use crate::assemble::Task;
use crate::executor::{CallError, is_sealed};
use crate::reply;
use crate::tools::Toolbox;
use crate::triage::{Heard, beside_a_card, says_no};

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
    /// Something takes the place of the card, or of the link, where one waits: its proposal is
    /// taken back first, and `left` is what is to be told of that. Comes back with why nothing
    /// else may be begun.
    pub(super) async fn make_way(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        left: &mut Option<Ending>,
    ) -> Option<Ending> {
        let taken = match std::mem::take(&mut conversation.stage) {
            Stage::Confirming(waiting) => self.taken_back(scene, conversation, waiting).await,
            other @ (Stage::Listening
            | Stage::Choosing(_)
            | Stage::Repeating(_)
            | Stage::Checking(_)) => {
                conversation.stage = other;
                conversation.behind_a_link()?;
                let linked = |checking: &Checking| checking.behind_a_link.is_some();
                self.all_taken_back(scene, conversation, linked).await
            }
        };
        match taken {
            TakenBack::Dropped => *left = Some(Ending::says(Intent::Action, reply::DROPPED)),
            TakenBack::Ended(told) => *left = Some(told),
            TakenBack::Stays(told) => return Some(rest_left(told)),
        }
        None
    }

    /// Takes back a proposal that the customer was not shown; where a yes of somebody else was
    /// faster, this is to be told of it. Where it cannot be taken back, a card is void in time;
    /// what was sent to others, or by a link, may go on, and is waited for.
    pub(super) async fn let_go(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        proposal: &Proposal,
    ) -> Option<Ending> {
        let proposal_id = &proposal.proposal_id;
        match self.acting().await.withdraw(scene.asker.token, proposal_id).await {
            Ok(action) => faster(conversation, proposal_id, &action),
            Err(error) if is_not_there(&error) => None,
            Err(error) => {
                tracing::warn!(%error, "a proposal that nobody was shown was not taken back");
                let theirs = proposal.needs.contains(&GrantKind::Customer.into());
                let linked = proposal.card.as_ref().filter(|_| !proposal.link_sent_to.is_empty());
                if theirs && linked.is_none() {
                    return None;
                }
                conversation.wait_for(Checking {
                    tool: proposal.tool.clone(),
                    proposal_id: proposal_id.clone(),
                    action_id: Some(proposal.action_id.clone()),
                    confirmation: String::new(),
                    behind_a_link: linked.map(|card| card.text.clone()),
                    to_withdraw: false,
                });
                (!theirs).then(|| Ending::says(Intent::Action, reply::STILL_CHECKED))
            }
        }
    }

    /// Takes the proposal of a card back.
    pub(super) async fn taken_back(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        waiting: Box<Confirming>,
    ) -> TakenBack {
        let Confirming { card, tool, task, .. } = &*waiting;
        let of = (card.proposal_id.as_str(), tool.as_str(), Some(task));
        let taken = self.withdrawn(scene, conversation, of).await;
        taken.unwrap_or_else(|told| {
            conversation.stage = Stage::Confirming(waiting);
            TakenBack::Stays(told)
        })
    }

    /// Takes back what waits beside the stage: behind a link, or for what came of a yes.
    pub(super) async fn pending_taken_back(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        waiting: &Checking,
    ) -> TakenBack {
        let of = (waiting.proposal_id.as_str(), waiting.tool.as_str(), None);
        let taken = self.withdrawn(scene, conversation, of).await;
        if matches!(taken, Ok(TakenBack::Dropped | TakenBack::Ended(_))) {
            conversation.no_longer_wait_for(&waiting.proposal_id);
        }
        taken.unwrap_or_else(|told| {
            TakenBack::Stays(if waiting.behind_a_link.is_some() {
                told
            } else {
                // The yes was given, and is not carried to the executor once more.
                conversation.withdraw_later(&waiting.proposal_id);
                Ending::passes(Intent::Action, reply::NO_NOT_PASSED_ON)
            })
        })
    }

    /// What a message does to what waits beside the stage, where it does anything.
    pub(super) async fn said_to_pending(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        text: &str,
    ) -> Option<Ending> {
        let heard = beside_pending(conversation, text, scene.toolbox)?;
        if !says_no(&heard, text) {
            let ending = link::waits(conversation.behind_a_link()?, &heard)?;
            self.notes.heard(heard.name());
            return Some(ending);
        }
        self.notes.heard(heard.name());
        let wish = Some(text).filter(|_| heard == Heard::New);
        let taken = self.all_taken_back(scene, conversation, Checking::takes_a_no).await;
        Some(self.after_no(scene, conversation, taken, wish).await)
    }

    /// Takes back all of these that wait beside the stage, the newest first. They are dropped only
    /// where none is left.
    async fn all_taken_back(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        these: impl Fn(&Checking) -> bool,
    ) -> TakenBack {
        let pending = conversation.pending.iter().rev();
        let waiting: Vec<Checking> = pending.filter(|one| these(one)).cloned().collect();
        let (mut told, mut stays): (Option<Ending>, bool) = (None, false);
        for checking in &waiting {
            let news = match self.pending_taken_back(scene, conversation, checking).await {
                TakenBack::Dropped => continue,
                TakenBack::Ended(news) => news,
                TakenBack::Stays(news) => {
                    stays = true;
                    news
                }
            };
            told = Some(match told {
                Some(told) if told.reply.contains(&news.reply) => told,
                Some(told) => both(told, news),
                None => news,
            });
        }
        match told {
            None => TakenBack::Dropped,
            Some(told) if stays => TakenBack::Stays(told),
            Some(told) => TakenBack::Ended(told),
        }
    }

    /// Takes a proposal back, of this tool and, where it is known, for this task. Where it may
    /// still take a yes, the error is what is to be told of that.
    async fn withdrawn(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        (proposal_id, tool, task): (&str, &str, Option<&Task>),
    ) -> Result<TakenBack, Ending> {
        Ok(match self.acting().await.withdraw(scene.asker.token, proposal_id).await {
            Ok(action) => match faster(conversation, proposal_id, &action) {
                None => TakenBack::Dropped,
                Some(told) if is_sealed(&action) => TakenBack::Ended(told),
                Some(told) => TakenBack::Stays(told),
            },
            Err(error) if is_not_there(&error) => TakenBack::Dropped,
            // Only what was refused for good has a receipt here: a yes was given, and the answer to
            // it was lost. That it came to nothing goes without saying, but for these.
            Err(CallError::Refused(refusal)) if refusal.receipt_id.is_some() => {
                let told = after_refusal(conversation, task.cloned(), tool, &refusal);
                if MAY_BE_DONE.iter().any(|code| code.name() == refusal.code) {
                    TakenBack::Ended(told)
                } else {
                    TakenBack::Dropped
                }
            }
            // ERRORS REFUSE: a yes may still count, so nobody is told that it is left.
            Err(error) => return Err(Ending::passes(Intent::Action, reply::not_answered(&error))),
        })
    }

    /// What comes of a no, and of what else is wanted beside it.
    pub(super) async fn after_no(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        taken: TakenBack,
        wish: Option<&str>,
    ) -> Ending {
        let told = match (taken, wish) {
            (TakenBack::Dropped, _) => Ending::says(Intent::Action, reply::DROPPED),
            (TakenBack::Stays(told), Some(_)) => return rest_left(told),
            (TakenBack::Ended(told) | TakenBack::Stays(told), _) => told,
        };
        match wish {
            Some(text) => both(told, self.decided(scene, conversation, text).await),
            None => told,
        }
    }
}

/// What a message is to what waits beside the stage, where that takes a no: to the newest link
/// first, of which it is known what the card says.
pub(super) fn beside_pending(
    conversation: &Conversation,
    text: &str,
    toolbox: &Toolbox,
) -> Option<Heard> {
    let open = || conversation.pending.iter().rev().find(|checking| checking.takes_a_no());
    let waiting = conversation.behind_a_link().or_else(open)?;
    let card = waiting.behind_a_link.as_deref().unwrap_or_default();
    Some(beside_a_card(text, (&waiting.tool, card), toolbox))
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
            ..Checking::default()
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
