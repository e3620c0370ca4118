//! From a request to its turn: found where it was taken, begun where it is new.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use axum::response::{IntoResponse as _, Response};
use countersign_proto::v1::{AttestedMessage, Card, ConverseRequest, Turn};
use countersign_shared::span::within;
use countersign_shared::trace::{self, Traceparent};
use parking_lot::Mutex;
use serde::{Deserialize, Deserializer};
use tokio::sync::mpsc;

use super::Chat;
use super::aside;
use super::fault::Fault;
use super::frontend::{Caller, Frontend};
use super::tape::Tape;
use super::thread::{Begun, Meant, New, Thread, Way};
use crate::conversation::turn::Also;
use crate::memory::{Held, NotTaken, Unread};
use crate::reply;

const LONGEST: usize = 16 * 1024;
const LONGEST_ID: usize = 128;

/// What a frontend that signs adds to a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Signed {
    /// The newest message's id.
    #[serde(deserialize_with = "text")]
    pub(super) message_id: String,
    /// Its attestation: compact JWS.
    #[serde(deserialize_with = "text")]
    pub(super) attestation: String,
    /// The user's yes to the card shown last: compact JWS.
    #[serde(deserialize_with = "text")]
    pub(super) confirmation: String,
}

/// Nothing is empty.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

impl Signed {
    pub(super) fn fits(&self) -> bool {
        self.message_id.len() <= LONGEST_ID
            && self.attestation.len() <= LONGEST
            && self.confirmation.len() <= LONGEST
    }
}

/// What is asked for.
pub(super) struct Wish<'a> {
    /// The user's messages, oldest first.
    pub(super) said: &'a [String],
    /// The interrupt that is answered instead of a message.
    pub(super) resumes: Option<Resumed<'a>>,
    pub(super) signed: &'a Signed,
}

/// An answer to an interrupt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resumed<'a> {
    pub(super) interrupt: &'a str,
    /// Whether it was answered, or dropped.
    pub(super) resolved: bool,
}

impl Wish<'_> {
    fn way(&self) -> Way<'_> {
        let confirmation = self.signed.confirmation.as_str();
        match self.resumes {
            None => Way::Message { confirmation },
            Some(Resumed { interrupt, resolved }) => {
                Way::Resume { interrupt, confirmation, resolved }
            }
        }
    }
}

/// What comes of it.
pub(super) enum Taken {
    /// A turn: what it says is on this tape.
    Tape(Arc<Tape>),
    /// The frontend asks for itself.
    Aside,
}

/// Answers a request in a task of its own: a frontend that hangs up stops no turn, also while the
/// executor is asked who it is.
pub(super) async fn answered(
    chat: &Chat,
    answer: impl Future<Output = Result<Response, Fault>> + Send + 'static,
) -> Response {
    let task = chat.turns.spawn(trace::inside(trace::current(), answer));
    match task.await {
        Ok(answer) => answer.into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer broke off");
            Fault::lost().into_response()
        }
    }
}

/// Finds or begins the turn. Nothing of a conversation is told before the executor has
/// verified the token: until then a subject is only a claim (SUBJECT OWNS IT).
pub(super) async fn taken(
    chat: &Arc<Chat>,
    frontend: &Frontend,
    caller: &Caller,
    wish: &Wish<'_>,
) -> Result<Taken, Fault> {
    let now = Instant::now();
    frontend.look_at(caller, now)?;
    let verified = chat.engine.verify(&caller.token, &caller.conversation).await?;
    frontend.pace_of(caller, now)?;
    let name = [frontend.name(), &caller.subject, &caller.conversation].join("\n");
    let asked = |thread: &mut Thread| {
        let quotes = |text: &str| thread.quotes_a_reply(text);
        if wish.resumes.is_none() && aside::is_aside(wish.said, quotes) {
            return Ok(None);
        }
        let place = Arc::clone(&chat.room).try_acquire_owned().map_err(|_| Fault::overloaded())?;
        Ok(Some((place, thread.meant(wish.said, wish.way()))))
    };
    let found: Result<_, Fault> =
        chat.threads.with(&name, now, asked).await.map_err(|Unread| Fault::overloaded())?;
    let Some((place, meant)) = found? else { return Ok(Taken::Aside) };
    let mut new = match meant {
        Meant::Again(tape) => return Ok(Taken::Tape(tape)),
        Meant::NotOpen => return Err(Fault::wrong("resume", "this interrupt is not open here")),
        Meant::New(new) => new,
    };
    let tape = Arc::clone(&new.tape);
    let request = request(frontend, caller, wish, &new);
    let own = Arc::clone(chat);
    let trace = trace::current().unwrap_or_else(Traceparent::begin);
    // In tasks of their own: a frontend that hangs up stops no turn midway.
    chat.turns.spawn(async move {
        match own.threads.begin(&name, &mut new).await {
            Ok(Begun::Here(held)) => {
                let (edited, branch) = (new.edited(), new.branch().to_owned());
                let request = ConverseRequest { edited, branch, ..request };
                let (events, said) = mpsc::unbounded_channel();
                let (engine, tape) = (Arc::clone(&own.engine), Arc::clone(&new.tape));
                let held = Mutex::new(Some(held));
                let kept = Kept { chat: Arc::clone(&own), name: name.clone(), new, held };
                let taken = async move {
                    let turn = engine.turn_of(request, Ok(verified), Some(&kept), &events);
                    within("turn", turn).await;
                };
                let turn = tokio::spawn(trace.scope(taken));
                tape.record(said).await;
                if let Err(error) = turn.await {
                    tracing::error!(%error, "a turn broke off");
                }
            }
            Ok(Begun::Ended(turn, card)) => new.tape.end(*turn, card),
            Err(NotTaken::Unread) => new.tape.lose(),
            Err(NotTaken::Busy) => new.tape.end(still_at_it(), None),
        }
        own.threads.put_away(&name);
        drop(place);
    });
    Ok(Taken::Tape(tape))
}

/// A turn that is held until it is kept how it ended.
struct Kept {
    chat: Arc<Chat>,
    name: String,
    new: New,
    held: Mutex<Option<Held>>,
}

#[async_trait]
impl Also for Kept {
    fn name(&self) -> &str {
        &self.name
    }

    async fn keep(&self, turn: &Turn, card: Option<&Card>, owners: &BTreeSet<String>) {
        let held = self.held.lock().take();
        if let Some(held) = held {
            self.chat.threads.keep(held, &self.new, (turn, card), owners).await;
        }
    }
}

/// It may be asked again.
fn still_at_it() -> Turn {
    Turn { reply: reply::STILL_AT_IT.to_owned(), passing: true, ..Turn::default() }
}

fn request(frontend: &Frontend, caller: &Caller, wish: &Wish<'_>, new: &New) -> ConverseRequest {
    let Signed { message_id, attestation, confirmation } = wish.signed.clone();
    let (text, message_id) = match wish.resumes {
        Some(resumed) if resumed.resolved => (None, message_id),
        Some(_dropped) => (Some("no".to_owned()), new.message_id.clone()),
        None if message_id.is_empty() => (wish.said.last().cloned(), new.message_id.clone()),
        None => (wish.said.last().cloned(), message_id),
    };
    ConverseRequest {
        subject_token: caller.token.clone(),
        conversation_id: caller.conversation.clone(),
        message: text.map(|text| AttestedMessage { message_id, text, attestation }),
        confirmation,
        external_ref: caller.ticket.clone(),
        confirm_by_link: !frontend.signs,
        // Where it stands is known once it is begun.
        edited: false,
        branch: String::new(),
    }
}
