//! After a recovery, effects may be there whose receipts are not. Keys are deterministic,
//! so each can be found: before a first sending the pipeline looks for the effect of its
//! key (AT MOST ONE EFFECT).
//!
//! ```text
//! intent ──look──▶ nothing of ours ──▶ sent
//!             ├──▶ ours ──▶ not sent: verified like an effect of our own
//!             ├──▶ nothing, and too early to say so ──▶ not begun
//!             └──▶ cannot tell ──▶ refused, a person looks
//! ```
//!
//! What was refused here used its key up, and may have been sent under it by what is
//! forgotten. So the keys of earlier refusals of the same intent are looked for as well,
//! also of those from before the recovery: a copy that nothing marked may have refused
//! before anybody noticed, and the recovery ends as refused what the copy had claimed. A wish
//! that was refused too often for that goes to a person, and nothing is sent: the looks lie
//! between the gates' answers and the sending that rests on them (FRESH STATE).
//!
//! What the restored journal knows as put off or never sent may have been sent since: it
//! is looked for as well, and neither sent again nor told as not applied.

use countersign_core::answer::Verdict;
use countersign_core::contract::{Contract, EffectClass};
use countersign_core::dispatch::{AttemptResult, Dispatch, Intent};
use countersign_core::effect::Ask;
use countersign_core::error::Refused;
use countersign_core::gate::Cleared;
use countersign_core::lifecycle::{self, Event, State};
use countersign_core::verify::{self, Sight};
use countersign_shared::codes::Code;
use jiff::Timestamp;

use crate::pipeline::{Pipeline, Stop};
use crate::ports::StoreError;

/// Most earlier refusals of a wish whose keys are looked for. With its own key that is five
/// looks; each may last as long as a pack's longest time-out, two minutes: together the ten
/// minutes for which the gates' answers hold.
const MOST_REFUSALS: usize = 4;

/// What a look before the first sending found.
enum Found {
    /// Nothing of ours.
    Nothing,
    /// An effect with our key.
    Ours,
    /// Nothing yet: what was under way before the recovery may show until then.
    Early(Timestamp),
    /// It cannot be told.
    Unclear(String),
}

impl Pipeline {
    /// The events with which a sending begins; in a gap, or without one, ends.
    ///
    /// # Errors
    /// When it is too early to tell: nothing is begun then, and no key is used up.
    pub(crate) async fn begin_sending(
        &self,
        cleared: &Cleared,
        intent: Intent,
        contract: &Contract,
    ) -> Result<Vec<Event>, Stop> {
        let found = match self.vitals.gap() {
            Some(since) => self.look_first(cleared, &intent, contract, since).await?,
            None => Found::Nothing,
        };
        let intended = Event::Intended(Box::new(intent));
        Ok(match found {
            Found::Nothing => vec![intended],
            Found::Ours => {
                let (code, now) = (Code::AlreadyDone.name().to_owned(), self.clock.now());
                let message =
                    "not sent: an effect with this key is there, and its receipt is missing"
                        .to_owned();
                let verdict = Verdict::Guard { code, message };
                let result = AttemptResult { at: now, status: None, verdict, raw: String::new() };
                vec![intended, Event::Answered(Box::new(result))]
            }
            Found::Early(until) => {
                let message = format!(
                    "what was under way before the recovery may still show: ask again after {until}"
                );
                return Err(Stop::Known(Box::new(Refused::new(Code::EffectsHalted, message))));
            }
            Found::Unclear(why) => {
                let message = format!(
                    "receipts are missing since a recovery, and whether this was done cannot \
                     be seen: {why}"
                );
                let refused = Refused::new(Code::HistoryMissing, message);
                vec![Event::Refused(Box::new(cleared.passed().refuse(refused)))]
            }
        })
    }

    /// What an action needs next, unless what followed its last answer may be forgotten:
    /// then a look.
    pub(crate) fn unless_forgotten(&self, asked: Ask, state: &State, contract: &Contract) -> Ask {
        match (self.vitals.gap(), state) {
            (Some(since), State::Answered(dispatch)) if may_have_gone_on(dispatch, since) => {
                Ask::Look(shows(contract, since))
            }
            (_, _) => asked,
        }
    }

    async fn look_first(
        &self,
        cleared: &Cleared,
        intent: &Intent,
        contract: &Contract,
        since: Timestamp,
    ) -> Result<Found, StoreError> {
        let unclear = |why: &str| Ok(Found::Unclear(why.to_owned()));
        if contract.effect.class == EffectClass::Blind {
            return unclear("this backend offers no way to look");
        }
        // What would be sent, to look for it; it is neither journaled nor sent here.
        let state = State::Cleared(Box::new(cleared.clone()));
        let intended = Event::Intended(Box::new(intent.clone()));
        let Ok(State::Sent(dispatch)) = lifecycle::next(Some(state), intended) else {
            return unclear("it cannot be sent");
        };
        let own = self.found(self.driver.look(&dispatch, contract).await.sight, contract, since);
        if !matches!(own, Found::Nothing) {
            return Ok(own);
        }
        let wish = cleared.claimed().granted().proposal().intent();
        let refused = self.store.refused(wish).await?;
        if refused.len() > MOST_REFUSALS {
            return unclear("it was refused too often before to look for each key of it");
        }
        for occasion in refused {
            let look = self.driver.look_by(cleared.scope_at(occasion), &dispatch, contract).await;
            match self.found(look.sight, contract, since) {
                Found::Nothing => {}
                Found::Ours => return unclear("it is there with the key of an earlier refusal"),
                told @ (Found::Early(_) | Found::Unclear(_)) => return Ok(told),
            }
        }
        Ok(Found::Nothing)
    }

    fn found(&self, sight: Sight, contract: &Contract, since: Timestamp) -> Found {
        match sight {
            Sight::Absent { .. } => absent(contract, since, self.clock.now()),
            Sight::Right { .. }
            | Sight::Wrong { .. }
            | Sight::Pending { .. }
            | Sight::Failed { .. }
            | Sight::Many { .. } => Found::Ours,
            Sight::Unreadable { why } => Found::Unclear(why),
        }
    }
}

/// Whether another sending may have followed before the recovery, of which nothing is known.
fn may_have_gone_on(dispatch: &Dispatch, since: Timestamp) -> bool {
    let answer = dispatch.last().and_then(|attempt| attempt.result.as_ref());
    let put_off = answer.is_some_and(|answer| {
        matches!(answer.verdict, Verdict::NotSent { .. } | Verdict::Throttled { .. })
    });
    put_off && dispatch.newest().is_some_and(|newest| newest < since)
}

/// When what was under way before the recovery has had its time to show.
fn shows(contract: &Contract, since: Timestamp) -> Timestamp {
    let rest = contract.pack.quiet_period.saturating_add(verify::visible(contract));
    since.saturating_add(rest).unwrap_or(Timestamp::MAX)
}

/// Absence proves nothing before that.
fn absent(contract: &Contract, since: Timestamp, now: Timestamp) -> Found {
    match shows(contract, since) {
        until if now < until => Found::Early(until),
        _ => Found::Nothing,
    }
}

#[cfg(test)]
pub(crate) mod tests;
