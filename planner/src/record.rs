//! Tells the executor what happened in each turn, once it is over. No customer waits for
//! it; what cannot be told is counted, and said in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_proto::v1::{ConverseRequest, RecordTurnRequest};
use countersign_shared::span::{Kind, Span};
use countersign_shared::turn::{LARGEST, Told};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use crate::executor::{CallError, Executor};

/// Turns that are being told at once; further ones are lost.
const MOST: usize = 256;
/// Pauses before a turn that could not be told is told again.
const AGAIN: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8)];

/// Tells turns to the executor. Clones share its room.
#[derive(Clone)]
pub struct Recorder {
    executor: Arc<dyn Executor>,
    room: Arc<Semaphore>,
    /// Whom the next turn waits for: turns begin to be told in the order in which they ended.
    last: Arc<Mutex<Option<oneshot::Receiver<()>>>>,
    lost: Arc<AtomicU64>,
    tasks: TaskTracker,
}

impl Recorder {
    /// To this executor. `tasks` tells when the last turn was told.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>, tasks: TaskTracker) -> Self {
        let room = Arc::new(Semaphore::new(MOST));
        Self { executor, room, last: Arc::default(), lost: Arc::default(), tasks }
    }

    /// Tells a turn, without waiting for it.
    pub fn record(&self, turn: &ConverseRequest, told: Told) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return self.lose("too many turns wait to be told");
        };
        let mut request = RecordTurnRequest {
            subject_token: turn.subject_token.clone(),
            conversation_id: turn.conversation_id.clone(),
            external_ref: turn.external_ref.clone(),
            message: turn.message.clone(),
            told_json: String::new(),
        };
        let (recorder, span) = (self.clone(), Span::begin(Kind::Internal, "record_turn"));
        let (begun, next) = oneshot::channel::<()>();
        let before = self.last.lock().replace(next);
        self.tasks.spawn(async move {
            // It has begun, or its task is gone.
            if let Some(before) = before {
                let _begun = before.await;
            }
            // The customer's answer may go out first.
            tokio::task::yield_now().await;
            drop(begun);
            request.told_json = fitted(told);
            span.run(recorder.tell(request)).await;
            drop(place);
        });
    }

    /// How many turns were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    async fn tell(&self, request: RecordTurnRequest) {
        for pause in AGAIN.iter().map(Some).chain([None]) {
            let error = match self.executor.record_turn(request.clone()).await {
                Ok(()) => return,
                Err(error) => error,
            };
            match (pause, &error) {
                (Some(pause), CallError::Unreachable(_) | CallError::Lost(_)) => {
                    tokio::time::sleep(*pause).await;
                }
                (Some(_), CallError::Refused(_)) | (None, _) => {
                    return self.lose(&error.to_string());
                }
            }
        }
    }

    fn lose(&self, why: &str) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(why, lost, "a turn was not recorded");
    }
}

/// As JSON, within what the executor takes: bodies go first, then the oldest calls.
fn fitted(mut told: Told) -> String {
    let text = |told: &Told| serde_json::to_string(told).unwrap_or_default();
    let mut json = text(&told);
    while json.len() > LARGEST {
        told.cut = true;
        if told.models.iter().any(|call| !call.bodies.is_empty()) {
            told.models.iter_mut().for_each(|call| call.bodies.clear());
        } else if told.calls.is_empty() {
            told.reply = told.reply.chars().take(LARGEST / 8).collect();
            told.models.clear();
        } else {
            told.calls.remove(0);
        }
        json = text(&told);
    }
    json
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::turn::{Call, Exchange, ModelCall};

    use super::*;

    #[test]
    fn what_is_too_much_is_cut_and_says_so() {
        let long = "x".repeat(LARGEST);
        let bodies = vec![Exchange { answer: long.clone(), ..Exchange::default() }];
        let models = vec![ModelCall { bodies, ..ModelCall::default() }];
        let calls = vec![Call { what: "read".into(), ..Call::default() }];
        let small = Told { calls, ..Told::default() };
        let read = |json: String| serde_json::from_str::<Told>(&json).unwrap();
        assert_eq!(read(fitted(small.clone())), small);
        let with_bodies = read(fitted(Told { models, ..small.clone() }));
        assert!(with_bodies.cut && with_bodies.calls == small.calls);
        let endless = read(fitted(Told { reply: long, ..small }));
        assert!(endless.cut && !endless.reply.is_empty());
    }
}
