//! What a turn says, kept for whoever asks for it again: the turn runs once, and each
//! reader hears it from the beginning.

use std::sync::Arc;

use countersign_proto::v1::{Card, ConverseResponse, Turn, converse_response::Event};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

/// A turn, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Tape {
    said: Mutex<Said>,
    more: Notify,
}

/// What a turn has said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Said {
    /// What it was last at.
    pub(super) stage: String,
    /// The card that it shows.
    pub(super) card: Option<Card>,
    /// How it ended.
    pub(super) ending: Ending,
}

/// Whether and how a turn ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Ending {
    /// It goes on.
    #[default]
    Open,
    /// With a reply.
    Turn(Box<Turn>),
    /// Without one: the task that ran it is gone.
    Lost,
}

impl Tape {
    /// The tape of a turn that has ended.
    pub(super) fn of(turn: Turn, card: Option<Card>) -> Self {
        let said = Said { stage: String::new(), card, ending: Ending::Turn(Box::new(turn)) };
        Self { said: Mutex::new(said), more: Notify::new() }
    }

    /// The tape of a turn that was begun and never ended.
    pub(super) fn lost() -> Self {
        let said = Said { ending: Ending::Lost, ..Said::default() };
        Self { said: Mutex::new(said), more: Notify::new() }
    }

    /// Whether it still plays, or ended with something decided: then it is not taken again.
    pub(super) fn is_to_be_heard(&self) -> bool {
        match &self.said.lock().ending {
            Ending::Open => true,
            Ending::Turn(turn) => !turn.passing,
            Ending::Lost => false,
        }
    }

    /// Whether it shows the card of this proposal.
    pub(super) fn shows(&self, proposal: &str) -> bool {
        self.said.lock().card.as_ref().is_some_and(|card| card.proposal_id == proposal)
    }

    /// Whether it still plays.
    pub(super) fn is_open(&self) -> bool {
        self.said.lock().ending == Ending::Open
    }

    /// Ends as it did elsewhere.
    pub(super) fn end(&self, turn: Turn, card: Option<Card>) {
        *self.said.lock() =
            Said { stage: String::new(), card, ending: Ending::Turn(Box::new(turn)) };
        self.more.notify_waiters();
    }

    /// Ends without a reply, where there was none.
    pub(super) fn lose(&self) {
        let mut said = self.said.lock();
        if said.ending == Ending::Open {
            said.ending = Ending::Lost;
        }
        drop(said);
        self.more.notify_waiters();
    }

    /// Records until the turn has ended.
    pub(super) async fn record(&self, mut events: UnboundedReceiver<ConverseResponse>) {
        while let Some(event) = events.recv().await {
            let mut said = self.said.lock();
            match event.event {
                Some(Event::Progress(at)) => said.stage = at.stage,
                Some(Event::Card(card)) => said.card = Some(card),
                Some(Event::Turn(turn)) => said.ending = Ending::Turn(Box::new(turn)),
                None => {}
            }
            drop(said);
            self.more.notify_waiters();
        }
        self.lose();
    }

    /// What was said, once it is more than what was heard before.
    pub(super) async fn beyond(self: &Arc<Self>, heard: Option<&Said>) -> Said {
        loop {
            let mut more = std::pin::pin!(self.more.notified());
            // Before looking: what is said between the two is not missed.
            more.as_mut().enable();
            let said = self.said.lock().clone();
            if heard != Some(&said) {
                return said;
            }
            more.await;
        }
    }

    /// How it ended, waiting for that.
    pub(super) async fn ending(self: &Arc<Self>) -> Said {
        let mut said = self.beyond(None).await;
        while said.ending == Ending::Open {
            said = self.beyond(Some(&said)).await;
        }
        said
    }

    /// The reply, where there is one already.
    pub(super) fn reply(&self) -> Option<String> {
        match &self.said.lock().ending {
            Ending::Turn(turn) => Some(turn.reply.clone()),
            Ending::Open | Ending::Lost => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proto::v1::Progress;
    use tokio::sync::mpsc::unbounded_channel;

    fn event(event: Event) -> ConverseResponse {
        ConverseResponse { event: Some(event) }
    }

    #[tokio::test]
    async fn who_comes_late_hears_the_same() {
        let (tape, (send, events)) = (Arc::new(Tape::default()), unbounded_channel());
        let recording = tokio::spawn({
            let tape = Arc::clone(&tape);
            async move { tape.record(events).await }
        });
        let early = tokio::spawn({
            let tape = Arc::clone(&tape);
            async move { tape.ending().await }
        });
        let progress = Progress { stage: "reading".to_owned(), note: String::new() };
        send.send(event(Event::Progress(progress))).ok();
        let turn = Turn { reply: "Done.".to_owned(), ..Turn::default() };
        send.send(event(Event::Turn(turn))).ok();
        drop(send);
        recording.await.ok();
        let (early, late) = (early.await.ok(), tape.ending().await);
        assert_eq!(early.as_ref(), Some(&late));
        assert_eq!((late.stage.as_str(), tape.reply().as_deref()), ("reading", Some("Done.")));
    }

    #[tokio::test]
    async fn a_turn_that_broke_off_is_no_turn_without_end() {
        let (tape, (send, events)) = (Arc::new(Tape::default()), unbounded_channel());
        drop(send);
        tape.record(events).await;
        assert_eq!(tape.ending().await.ending, Ending::Lost);
        assert_eq!(tape.reply(), None);
    }
}
