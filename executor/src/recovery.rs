//! What an earlier process left. There is no second way to carry an action on:
//! a journal that ends in the middle of an attempt gets that attempt's honest end,
//! and the pipeline takes it from there.

use countersign_core::answer::Verdict;
use countersign_core::dispatch::AttemptResult;
use countersign_core::lifecycle::{Event, State};
use jiff::Timestamp;

use crate::desk::Desk;
use crate::kill;
use crate::pipeline::Life;
use crate::ports::{Named, StoreError};

impl Desk {
    /// Carries on by itself what is begun and nobody is at: what an earlier process or
    /// another executor left, or a commit whose answer was lost. Answers with how many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recover(&self) -> Result<usize, StoreError> {
        let mut begun = self.pipeline.store.adopt().await?;
        begun.retain(|action| self.running.follow(action).is_none());
        let (mut count, mut unreadable) = (0, false);
        for action in begun {
            let found = self.pipeline.store.parked(Named::Action(action.clone())).await;
            if matches!(found, Err(StoreError::KeyLost)) {
                unreadable = true;
                continue;
            }
            count += 1;
            kill::Step::Recover.before();
            tracing::info!(%action, "carrying on");
            let desk = self.clone();
            tokio::spawn(async move {
                let life = desk.parked(Named::Action(action.clone()));
                if let Err(turned) = async { desk.known(life.await?).await }.await {
                    let code = turned.refused.code;
                    tracing::error!(%action, code, "an action in doubt is taken up again later");
                }
            });
        }
        if unreadable {
            self.hand_over().await;
        }
        Ok(count)
    }

    /// Asks people of what nobody here can carry on any more, nor read in their queue, because a
    /// key of a person is lost.
    pub async fn hand_over(&self) {
        match self.pipeline.store.end_unreadable(self.pipeline.clock.now()).await {
            // In quarantine the recovery does it.
            Ok(0) | Err(StoreError::Quarantined) => {}
            Ok(ended) => {
                tracing::error!(ended, "keys of persons are lost: their actions are people's now");
                self.pipeline.sealed.notify_one();
                self.pipeline.raised.notify_one();
            }
            Err(error) => tracing::warn!(%error, "what a lost key opens is looked after later"),
        }
    }
}

/// FOUR OUTCOMES: an attempt that was under way when the process stopped may or
/// may not have reached the backend.
pub fn mend(life: &mut Life, now: Timestamp) {
    if matches!(life.state(), State::Sent(_)) {
        let why = "the executor stopped while the request was under way".to_owned();
        let result = AttemptResult {
            at: now,
            status: None,
            verdict: Verdict::Lost { why },
            raw: String::new(),
        };
        life.take(Event::Answered(Box::new(result)));
    }
}
