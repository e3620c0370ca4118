//! From a prepared write to its end: proposal, card, the signed yes, the receipt.

use countersign_proto::v1::{
    Action, Confidence, EscalationReason, GrantKind, Intent, Proposal, RecommendedAction,
    TurnAction,
};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;
use futures_util::future::join_all;

use super::drop::TakenBack;
use super::ending::{Ending, ask, awaiting, both, refused_action};
use super::turn::{Engine, Scene};
use super::{Checking, Confirming, Conversation, Repeating, Stage, link};
use crate::assemble::{Assembled, Prepared, Stop, Task, assemble};
use crate::calibrate::Signs;
use crate::context::Reader;
use crate::executor::{CallError, is_sealed};
use crate::guards::Guard;
use crate::model::Objection;
use crate::submit::{self, Ended, Write, carry_out};
use crate::tools::ToolSpec;
use crate::{reply, subject};

impl Engine {
    /// Proposes; what needs no grant is carried out at once. Objections to the
    /// plan's form come back, for a repair. What is sure enough, and the executor would carry out,
    /// takes the place of a card that waits; `left` is what is to be told of that.
    pub(super) async fn propose(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
        ready: Prepared,
        after_receipt_id: &str,
        left: &mut Option<Ending>,
    ) -> Result<Ending, Vec<Objection>> {
        let signs = ready.signs(&task);
        let tool = scene.toolbox.get(&task.call.tool);
        if let Some(ending) = tool.and_then(|tool| not_sure_enough(tool, &task, &signs)) {
            return Ok(ending);
        }
        // Without a card of its own it may go on at the executor once it is proposed: it is not
        // even that by an edited message, nor beside a card that stays. What is done once more
        // always has one.
        let own_card = !after_receipt_id.is_empty() || tool.is_some_and(|t| t.needs_confirmation);
        if !own_card {
            if scene.edited {
                return Ok(Ending::says(Intent::Clarify, reply::SAY_IT_ANEW));
            }
            if let Some(stays) = self.make_way(scene, conversation, left).await {
                return Ok(stays);
            }
        }
        scene.progress("proposing", "checking whether this can be done");
        let sure = submit::sure(&signs, &task.doubt, RecommendedAction::Proceed);
        let write = Write {
            tool: &task.call.tool,
            arguments: ready.arguments,
            confidence: sure.clone(),
            usage: task.usage.clone(),
            after_receipt_id,
            confirm_by_link: scene.confirm_by_link,
        };
        conversation.focus = ready.focus;
        let mut proposed = submit::propose(self.acting().await, &scene.asker, write.clone()).await;
        // The card whose place it would take is among those that wait for an answer.
        if proposed.as_ref().err().is_some_and(is_too_many_open) && conversation.waits_for_a_yes() {
            if let Some(stays) = self.make_way(scene, conversation, left).await {
                return Ok(stays);
            }
            proposed = submit::propose(self.acting().await, &scene.asker, write).await;
        }
        let ending = match proposed {
            Ok(proposal) => {
                conversation.kept_under.extend(kept_under(&proposal));
                if let Some(stays) = self.make_way(scene, conversation, left).await {
                    let faster = self.let_go(scene, conversation, &proposal).await;
                    return Ok(match faster {
                        Some(told) => both(told, stays),
                        None => stays,
                    });
                }
                let after = (after_receipt_id, sure.clone());
                self.granted_or_shown(scene, conversation, task, proposal, after).await
            }
            Err(CallError::Refused(refusal)) => {
                // Whether it is wanted once more is asked then, and that takes a card's place.
                if reply::is_earlier(&refusal.code)
                    && let Some(stays) = self.make_way(scene, conversation, left).await
                {
                    return Ok(stays);
                }
                not_proposed(conversation, task, &refusal)?
            }
            Err(CallError::Lost(_)) if !own_card => {
                Ending::passes(Intent::Action, reply::PERHAPS_PASSED_ON)
            }
            Err(error) => Ending::passes(Intent::Action, reply::not_answered(&error)),
        };
        Ok(Ending { confidence: sure, ..ending })
    }

    async fn granted_or_shown(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
        proposal: Proposal,
        (after_receipt_id, confidence): (&str, Confidence),
    ) -> Ending {
        let tool = task.call.tool.clone();
        let customer = i32::from(GrantKind::Customer);
        // Staff that has to say yes is asked by the executor.
        if !proposal.needs.contains(&customer) || !Guard::CardFirst.is_on() {
            if scene.edited {
                // Its contract was changed since the tools were listed. They would see it from now
                // on, and their yes would carry it out.
                let faster = self.let_go(scene, conversation, &proposal).await;
                conversation.stage = Stage::Listening;
                let anew = || Ending::says(Intent::Clarify, reply::SAY_IT_ANEW);
                return faster.unwrap_or_else(anew);
            }
            return self.carried(scene, conversation, &proposal.proposal_id, "", Some(task)).await;
        }
        let Some(card) = proposal.card.clone() else {
            return Ending::hands_over(
                EscalationReason::Other,
                reply::escalate(scene.toolbox.get(&tool), "there is no card to confirm"),
            );
        };
        if scene.confirm_by_link {
            return link::sent(conversation, &proposal, &card, scene.toolbox.get(&tool));
        }
        let text = card.text.clone();
        let waiting = Confirming {
            tool: tool.clone(),
            card: card.clone(),
            task,
            after_receipt_id: after_receipt_id.to_owned(),
            confidence,
        };
        conversation.stage = Stage::Confirming(Box::new(waiting));
        Ending {
            card: Some(card),
            actions: vec![awaiting(&tool)],
            ..Ending::says(Intent::Action, text)
        }
    }

    /// A signed yes arrived. It names its proposal, so it counts also where this
    /// planner has forgotten the conversation; the executor judges it.
    pub(super) async fn confirmed(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        confirmation: &str,
    ) -> Ending {
        let waiting = match std::mem::take(&mut conversation.stage) {
            Stage::Confirming(waiting) => Some(*waiting),
            Stage::Listening | Stage::Choosing(_) | Stage::Repeating(_) | Stage::Checking(_) => {
                None
            }
        };
        let shown = waiting.as_ref().map(|w| w.card.proposal_id.clone());
        let Some(proposal_id) = subject::confirmed_proposal(confirmation).or_else(|| shown.clone())
        else {
            return Ending::says(
                Intent::Clarify,
                reply::refused(&Refusal::new(Code::ConfirmationInvalid, "")),
            );
        };
        let same = shown.as_deref() == Some(proposal_id.as_str());
        let (task, card, after, sure) = match waiting {
            Some(w) if same => (Some(w.task), Some(w.card), w.after_receipt_id, w.confidence),
            // A yes to another card is none to this one, nor a no.
            other => {
                if let Some(other) = other {
                    conversation.stage = Stage::Confirming(Box::new(other));
                }
                (None, None, String::new(), Confidence::default())
            }
        };
        let mut ending =
            self.carried(scene, conversation, &proposal_id, confirmation, task.clone()).await;
        // What the plan was shown with; no model was asked in this turn.
        ending.confidence = sure.clone();
        let code = ending.actions.first().map(|a| a.code.clone()).unwrap_or_default();
        let outrun =
            [(Code::StateChanged, reply::CHANGED), (Code::ProposalExpired, reply::TOO_LATE)];
        let outrun = outrun.into_iter().find(|(by, _)| code == by.name());
        match (task, outrun) {
            (Some(task), Some((_, why))) => {
                let again = self.proposed(scene, conversation, task, &after).await;
                // Also where a person takes over: what became of the yes is told before.
                let first = format!("{why}\n\n");
                let now = if again.card.is_some() {
                    format!(" {}\n", reply::LOOK_AGAIN)
                } else {
                    "\n\n".to_owned()
                };
                let reply = format!("{why}{now}{}", again.reply);
                let links = ending.receipt_links.into_iter().chain(again.receipt_links);
                Ending { reply, first, receipt_links: links.collect(), ..again }
            }
            // Nothing was handed over: the card stays answerable.
            (Some(task), None) if ending.actions.is_empty() => {
                if let Some(card) = card {
                    let waiting = Confirming {
                        tool: task.call.tool.clone(),
                        card,
                        task,
                        after_receipt_id: after,
                        confidence: sure,
                    };
                    conversation.stage = Stage::Confirming(Box::new(waiting));
                }
                ending
            }
            (Some(_) | None, _) => ending,
        }
    }

    /// Assembles on fresh reads and proposes.
    pub(super) async fn proposed(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        task: Task,
        after_receipt_id: &str,
    ) -> Ending {
        let Some(tool) = scene.toolbox.get(&task.call.tool) else {
            return Ending::says(
                Intent::Action,
                reply::refused(&Refusal::new(Code::ToolUnknown, "")),
            );
        };
        let mut observations = std::mem::take(&mut conversation.observations);
        let mut reader = Reader::new(
            self.executor.as_ref(),
            scene.reads(),
            &mut observations,
            task.usage.clone(),
        );
        let assembled = assemble(&task, tool, scene.toolbox, &mut reader).await;
        drop(reader);
        conversation.observations = observations;
        let tool = tool.name.clone();
        let done = match assembled {
            Ok(Assembled::Ready(ready)) => {
                // The card that it was shown on is taken already.
                let left = &mut None;
                self.propose(scene, conversation, task, ready, after_receipt_id, left).await
            }
            Ok(Assembled::Ask(question)) => return ask(conversation, task, question),
            Err(Stop::Objections(objections)) => Err(objections),
            Err(Stop::Read(stop)) => {
                tracing::info!(%tool, %stop, "cannot propose anew");
                return Ending::passes(Intent::Action, reply::NO_ANSWER);
            }
        };
        done.unwrap_or_else(|objections| {
            let refusal = objections
                .first()
                .and_then(|o| Code::by_name(&o.code))
                .unwrap_or(Code::PlanInvalid);
            Ending::says(Intent::Action, reply::refused(&Refusal::new(refusal, "")))
        })
    }

    async fn carried(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        proposal_id: &str,
        confirmation: &str,
        task: Option<Task>,
    ) -> Ending {
        scene.progress("executing", "doing it and checking the result");
        let (executor, token) = (self.acting().await, scene.asker.token);
        let ended = carry_out(executor, token, proposal_id, confirmation, false).await;
        let tool = task.as_ref().map(|t| t.call.tool.clone()).unwrap_or_default();
        let doubt = |action_id: Option<String>| Checking {
            tool: tool.clone(),
            proposal_id: proposal_id.to_owned(),
            action_id,
            confirmation: confirmation.to_owned(),
            ..Checking::default()
        };
        match ended {
            Ended::Action(action) => {
                if is_sealed(&action) {
                    conversation.no_longer_wait_for(proposal_id);
                } else {
                    conversation.wait_for(doubt(Some(action.action_id.clone())));
                }
                conversation.checkpoint.learn_of(&action);
                about(&action)
            }
            Ended::Refused(refusal) => {
                conversation.no_longer_wait_for(proposal_id);
                after_refusal(conversation, task, &tool, &refusal)
            }
            Ended::NotHandedOver => Ending::passes(Intent::Action, reply::UNREACHABLE),
            Ended::InDoubt { action_id } => {
                let action = TurnAction {
                    tool: tool.clone(),
                    action_id: action_id.clone().unwrap_or_default(),
                    code: Code::InFlight.name().to_owned(),
                    ..TurnAction::default()
                };
                conversation.wait_for(doubt(action_id));
                Ending {
                    actions: vec![action],
                    ..Ending::says(Intent::Action, reply::STILL_CHECKED)
                }
            }
        }
    }

    /// Looks whether actions that were in doubt have ended meanwhile: at all of them together, and
    /// tells of them in their order. Those that go on are told of where nothing else waits for the
    /// customer's word, each word once; what waits behind a link comes apart, since what is said
    /// now may take it back. Beside a `no` nothing is carried out: where it answers what else
    /// waits, that the rest goes on is told.
    pub(super) async fn checked(
        &self,
        scene: &Scene<'_>,
        conversation: &mut Conversation,
        no: bool,
    ) -> (Option<Ending>, Option<Ending>) {
        let pending = conversation.pending.clone();
        let looks = join_all(pending.iter().map(|checking| self.look(scene, checking))).await;
        let listening = matches!(conversation.stage, Stage::Listening);
        let waits = !listening && !no;
        let (mut news, mut link): (Option<Ending>, Option<Ending>) = (None, None);
        for (checking, seen) in pending.iter().zip(looks) {
            let (ended, told) = match seen {
                Some(found) => learnt(conversation, checking, &found),
                // It is taken back in what the message is answered with.
                None if no && listening => continue,
                None if no => (false, Ending::says(Intent::Action, reply::STILL_CHECKED)),
                None if checking.to_withdraw => {
                    match self.pending_taken_back(scene, conversation, checking).await {
                        TakenBack::Dropped => (true, Ending::says(Intent::Action, reply::DROPPED)),
                        TakenBack::Ended(told) => (true, told),
                        TakenBack::Stays(told) => (false, told),
                    }
                }
                // In turn: two may be about one object, and the later one would be refused.
                None => {
                    let (proposal_id, yes) = (&checking.proposal_id, &checking.confirmation);
                    let executor = self.acting().await;
                    let found =
                        carry_out(executor, scene.asker.token, proposal_id, yes, true).await;
                    learnt(conversation, checking, &found)
                }
            };
            if ended {
                conversation.no_longer_wait_for(&checking.proposal_id);
            }
            let mut linked = conversation.pending.iter().filter(|one| one.behind_a_link.is_some());
            // Of several, the newest.
            if linked.any(|one| one.proposal_id == checking.proposal_id) {
                link = Some(told).filter(|_| !waits);
                continue;
            }
            let known = news.as_ref().is_some_and(|news| news.reply.contains(&told.reply));
            news = match news {
                news if !ended && (waits || known) => news,
                Some(news) => Some(both(news, told)),
                None => Some(told),
            };
        }
        (news, link)
    }

    /// How one of them stands, where it has a name to look for.
    async fn look(&self, scene: &Scene<'_>, checking: &Checking) -> Option<Ended> {
        let id = checking.action_id.as_ref()?;
        Some(match self.executor.action(scene.asker.token, id).await {
            Ok(action) => Ended::Action(Box::new(action)),
            // There is nothing to look for any more, or never was for this person.
            Err(CallError::Refused(no)) if no.code == Code::NotFound.name() => Ended::Refused(no),
            Err(_unknown) => Ended::InDoubt { action_id: None },
        })
    }
}

/// Below the floor of its contract a person decides.
pub(super) fn not_sure_enough(tool: &ToolSpec, task: &Task, signs: &Signs) -> Option<Ending> {
    if signs.score() >= tool.floor || !Guard::Floor.is_on() {
        return None;
    }
    let action = TurnAction {
        tool: tool.name.clone(),
        code: Code::ConfidenceTooLow.name().to_owned(),
        ..TurnAction::default()
    };
    let told = reply::escalate(Some(tool), reply::NOT_SURE_ENOUGH);
    Some(Ending {
        confidence: submit::sure(signs, &task.doubt, RecommendedAction::Escalate),
        actions: vec![action],
        ..Ending::hands_over(EscalationReason::Ambiguity, told)
    })
}

/// What was found of one of them: whether it has ended, and what is to be told.
fn learnt(conversation: &mut Conversation, checking: &Checking, found: &Ended) -> (bool, Ending) {
    match found {
        Ended::Action(action) => {
            conversation.checkpoint.learn_of(action);
            conversation.found_at(&checking.proposal_id, &action.action_id);
            if !action.needs.contains(&GrantKind::Customer.into()) {
                conversation.yes_was_given(&checking.proposal_id);
            }
            (is_sealed(action), about(action))
        }
        Ended::Refused(refusal) => (true, ended(&checking.tool, refusal)),
        Ended::NotHandedOver | Ended::InDoubt { .. } => {
            if let Ended::InDoubt { action_id: Some(id) } = found {
                conversation.found_at(&checking.proposal_id, id);
            }
            (false, Ending::says(Intent::Action, reply::STILL_CHECKED))
        }
    }
}

/// What an action shows of itself.
pub(super) fn about(action: &Action) -> Ending {
    let shown = TurnAction {
        tool: action.tool.clone(),
        outcome: action.outcome,
        receipt_id: action.receipt_id.clone(),
        code: action.code.clone(),
        action_id: action.action_id.clone(),
    };
    let intent = if action.escalated { Intent::Escalate } else { Intent::Action };
    let link = Some(action.receipt_link.clone()).filter(|link| !link.is_empty());
    Ending {
        actions: vec![shown],
        receipt_links: link.into_iter().collect(),
        ..Ending::says(intent, reply::acted(action))
    }
}

fn ended(tool: &str, refusal: &Refusal) -> Ending {
    Ending {
        actions: vec![refused_action(tool, refusal)],
        receipt_links: refusal.receipt_link.clone().into_iter().collect(),
        ..Ending::says(Intent::Action, reply::refused(refusal))
    }
}

fn is_too_many_open(error: &CallError) -> bool {
    error.refusal().is_some_and(|refusal| refusal.code == Code::TooManyOpen.name())
}

/// A refused dry run: an objection to its form, or an answer for the customer.
fn not_proposed(
    conversation: &mut Conversation,
    task: Task,
    refusal: &Refusal,
) -> Result<Ending, Vec<Objection>> {
    let mendable =
        ["ARGUMENT_", "REFERENCE_", "SPAN_", "PLAN_"].iter().any(|p| refusal.code.starts_with(p));
    if mendable && task.usage.model != crate::model::offline::NAME && task.usage.repairs == 0 {
        let objection = |at: &str, problem: &str| Objection {
            code: refusal.code.clone(),
            at: at.to_owned(),
            problem: problem.to_owned(),
        };
        let mut found: Vec<Objection> =
            refusal.violations.iter().map(|(field, text)| objection(field, text)).collect();
        if found.is_empty() {
            found.push(objection("plan", &refusal.message));
        }
        return Err(found);
    }
    let tool = task.call.tool.clone();
    Ok(after_refusal(conversation, Some(task), &tool, refusal))
}

pub(super) fn after_refusal(
    conversation: &mut Conversation,
    task: Option<Task>,
    tool: &str,
    refusal: &Refusal,
) -> Ending {
    let intent = if refusal.code == Code::ConfidenceTooLow.name() {
        Intent::Escalate
    } else {
        Intent::Action
    };
    if let (true, Some(task), Some(receipt_id)) =
        (reply::is_earlier(&refusal.code), task, refusal.receipt_id.clone())
    {
        conversation.stage = Stage::Repeating(Box::new(Repeating { task, receipt_id }));
    }
    conversation.checkpoint.learn_refused(tool, refusal);
    Ending { intent, ..ended(tool, refusal) }
}

/// The key of whom it is about; none where the executor names none.
fn kept_under(proposal: &Proposal) -> Option<String> {
    Some(proposal.kept_under.clone()).filter(|key| !key.is_empty())
}
