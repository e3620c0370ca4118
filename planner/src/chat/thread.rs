//! What is new in a request. Chat Completions sends the whole conversation each time, and
//! its clients ask again: on a lost reply, to regenerate, after an edit. The user's
//! messages say which turn is meant; a turn that was taken is heard again, never taken
//! again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_proto::v1::{Card, Turn};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::tape::{Ending, Tape};
use crate::memory::{Memory, Row};
use crate::stored;

/// Conversations kept at most; the one idle longest goes first.
const MOST: usize = 20_000;
/// Turns of one conversation kept at most; the oldest go first.
const MOST_TURNS: usize = 400;
/// One that was idle for longer is forgotten.
const IDLE: Duration = Duration::from_secs(24 * 3600);

type Place = [u8; 32];

/// All conversations of all frontends.
#[derive(Default)]
pub(super) struct Threads {
    kept: Mutex<HashMap<String, Thread>>,
    memory: Memory,
}

/// One conversation: a tree, since edits branch off.
struct Thread {
    turns: HashMap<Place, Taken>,
    touched: Instant,
}

/// A turn that was taken.
struct Taken {
    /// What the engine calls the branch that it belongs to.
    branch: String,
    /// Absent for an answer to an interrupt: a message may follow beside it.
    after: Option<Place>,
    tape: Arc<Tape>,
    number: i64,
}

/// What a request asks for.
pub(super) enum Meant {
    /// A turn that was taken, or is being taken.
    Again(Arc<Tape>),
    /// A new one, to be recorded on this tape.
    New(New),
}

/// An answer to an interrupt: it stands beside the messages, not among them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resumed<'a> {
    pub(super) interrupt: &'a str,
    /// Whether it was answered, or dropped.
    pub(super) resolved: bool,
}

/// A turn that nobody has taken.
#[derive(Clone)]
pub(super) struct New {
    pub(super) tape: Arc<Tape>,
    place: Place,
    after: Option<Place>,
    number: i64,
    /// The engine's name of the conversation.
    pub(super) conversation: String,
    /// An id for the message, the same however often it is sent.
    pub(super) message_id: String,
    /// Whether it takes the place of another message.
    pub(super) edited: bool,
}

/// A turn as memory has it.
#[derive(Serialize, Deserialize)]
struct Written {
    branch: String,
    after: Option<Place>,
    #[serde(with = "stored::one")]
    turn: Turn,
    #[serde(with = "stored::many")]
    card: Vec<Card>,
}

impl Threads {
    pub(super) fn new(memory: Memory) -> Self {
        Self { kept: Mutex::default(), memory }
    }

    /// Keeps how a new turn ended, over a restart.
    pub(super) fn keep(&self, key: &str, new: &New, turn: &Turn, card: Option<&Card>) {
        let New { conversation: branch, place, number, after, .. } = new.clone();
        let card = card.cloned().into_iter().collect();
        let written = Written { branch, after, turn: turn.clone(), card };
        match serde_json::to_string(&written) {
            Ok(body) => self.memory.keep_turn(key, &Row { place, number, body }),
            Err(error) => tracing::error!(%error, "a turn was not remembered"),
        }
    }

    /// Finds the turn that the user's messages, oldest first, lead to. `name` is the
    /// frontend's name of the conversation, `key` tells it from all others.
    pub(super) fn meant(
        &self,
        key: &str,
        name: &str,
        said: &[String],
        resumed: Option<Resumed<'_>>,
        now: Instant,
    ) -> Meant {
        let mut threads = self.kept.lock();
        if !threads.contains_key(key) {
            make_room(&mut threads, now);
        }
        let recalled = || Thread { turns: recalled(&self.memory, key), touched: now };
        let thread = threads.entry(key.to_owned()).or_insert_with(recalled);
        thread.touched = now;
        thread.meant(name, said, resumed)
    }

    /// Whether this text quotes a reply that was given in the conversation.
    pub(super) fn quotes_a_reply(&self, key: &str, text: &str) -> bool {
        let threads = self.kept.lock();
        let mut turns = threads.get(key).into_iter().flat_map(|thread| thread.turns.values());
        turns.any(|taken| taken.tape.reply().is_some_and(|reply| text.contains(reply.trim())))
    }
}

impl Thread {
    fn meant(&mut self, name: &str, said: &[String], resumed: Option<Resumed<'_>>) -> Meant {
        let before = said.split_last().map_or(said, |(_, before)| before);
        let (here, after) = match resumed {
            None => (place(said), place(before)),
            Some(resumed) => (resumed.place(said), place(said)),
        };
        if let Some(taken) =
            self.turns.get(&here).filter(|taken| taken.tape.reached() != Ending::Lost)
        {
            return Meant::Again(Arc::clone(&taken.tape));
        }
        let other = |(at, taken): (&Place, &Taken)| taken.after == Some(after) && *at != here;
        let edited = resumed.is_none() && self.turns.iter().any(other);
        let short = hex::encode(here.first_chunk::<4>().copied().unwrap_or_default());
        let branch = match self.turns.get(&after) {
            _ if edited => format!("{name}.{short}"),
            Some(taken) => taken.branch.clone(),
            // The first message, or what came before is forgotten or was cut off.
            None => name.to_owned(),
        };
        let tape = Arc::new(Tape::default());
        let number = self.turns.values().map(|t| t.number).max().map_or(0, |n| n.saturating_add(1));
        let after = resumed.is_none().then_some(after);
        let taken = Taken { branch: branch.clone(), after, tape: Arc::clone(&tape), number };
        self.turns.insert(here, taken);
        self.forget();
        let message_id = format!("m{}-{short}", said.len());
        Meant::New(New {
            tape,
            place: here,
            after,
            number,
            conversation: branch,
            message_id,
            edited,
        })
    }

    fn forget(&mut self) {
        while self.turns.len() > MOST_TURNS {
            let oldest = self.turns.iter().min_by_key(|(_, taken)| taken.number);
            let Some(oldest) = oldest.map(|(at, _)| *at) else { return };
            self.turns.remove(&oldest);
        }
    }
}

impl Resumed<'_> {
    fn place(self, said: &[String]) -> Place {
        let mut hash = Sha256::new_with_prefix("resumed");
        hash.update(place(said));
        hash.update([u8::from(self.resolved)]);
        hash.update(self.interrupt);
        hash.finalize().into()
    }
}

/// What memory has of a thread.
fn recalled(memory: &Memory, key: &str) -> HashMap<Place, Taken> {
    let turns = memory.turns(key).into_iter().filter_map(|row| {
        let written: Written = serde_json::from_str(&row.body).ok()?;
        let Written { branch, after, turn, card } = written;
        let tape = Arc::new(Tape::of(turn, card.into_iter().next()));
        Some((row.place, Taken { branch, after, tape, number: row.number }))
    });
    turns.collect()
}

fn make_room(threads: &mut HashMap<String, Thread>, now: Instant) {
    if threads.len() < MOST {
        return;
    }
    threads.retain(|_, thread| now.duration_since(thread.touched) < IDLE);
    while threads.len() >= MOST {
        let idle = threads.iter().min_by_key(|(_, thread)| thread.touched);
        let Some(oldest) = idle.map(|(key, _)| key.clone()) else { return };
        threads.remove(&oldest);
    }
}

/// Where these messages lead. Each is hashed by itself, so none runs into the next.
fn place(said: &[String]) -> Place {
    said.iter().fold([0; 32], |before, text| {
        let mut hash = Sha256::new();
        hash.update(before);
        hash.update(Sha256::digest(text.trim()));
        hash.finalize().into()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    fn meant(threads: &Threads, said: &[&str]) -> Meant {
        let said: Vec<String> = said.iter().map(|text| (*text).to_owned()).collect();
        threads.meant("web\nann\nc", "c", &said, None, Instant::now())
    }

    fn new(threads: &Threads, said: &[&str]) -> New {
        match meant(threads, said) {
            Meant::New(new) => new,
            Meant::Again(_) => panic!("{said:?} was taken before"),
        }
    }

    #[test]
    fn the_same_messages_are_the_same_turn() {
        let threads = Threads::default();
        let first = new(&threads, &["cancel 1001"]);
        assert!(!first.edited && first.conversation == "c");
        let Meant::Again(tape) = meant(&threads, &["cancel 1001 "]) else { panic!() };
        assert!(Arc::ptr_eq(&tape, &first.tape));
        let second = new(&threads, &["cancel 1001", "yes"]);
        assert!(!second.edited && second.conversation == "c");
        assert_ne!(first.message_id, second.message_id);
        // The same word once more is another message.
        assert!(!new(&threads, &["cancel 1001", "yes", "yes"]).edited);
    }

    #[test]
    fn an_edit_branches_off_and_its_answers_stay_on_the_branch() {
        let threads = Threads::default();
        new(&threads, &["hello"]);
        new(&threads, &["hello", "cancel 1001"]);
        let edit = new(&threads, &["hello", "cancel 1002"]);
        assert!(edit.edited && edit.conversation.starts_with("c."));
        let next = new(&threads, &["hello", "cancel 1002", "yes"]);
        assert!(!next.edited);
        assert_eq!(next.conversation, edit.conversation);
        assert_eq!(new(&threads, &["hello", "cancel 1001", "yes"]).conversation, "c");
        assert!(matches!(meant(&threads, &["hello", "cancel 1002"]), Meant::Again(_)));
    }

    #[test]
    fn a_history_that_was_cut_off_goes_on_where_it_is() {
        let threads = Threads::default();
        new(&threads, &["a", "b"]);
        let cut = new(&threads, &["b", "c"]);
        assert!(!cut.edited && cut.conversation == "c");
        assert!(matches!(meant(&threads, &["b", "c"]), Meant::Again(_)));
    }

    #[test]
    fn an_answer_to_an_interrupt_is_one_turn_and_no_edit() {
        let (threads, said) = (Threads::default(), ["cancel 1001".to_owned()]);
        let now = Instant::now();
        let resume = |resolved| {
            let resumed = Resumed { interrupt: "prp_1", resolved };
            threads.meant("web\nann\nc", "c", &said, Some(resumed), now)
        };
        new(&threads, &["cancel 1001"]);
        let Meant::New(yes) = resume(true) else { panic!() };
        assert!(!yes.edited && yes.conversation == "c");
        assert!(matches!(resume(true), Meant::Again(_)));
        assert!(matches!(resume(false), Meant::New(no) if !no.edited));
        assert!(!new(&threads, &["cancel 1001", "thanks"]).edited);
    }

    #[test]
    fn a_turn_that_was_kept_is_heard_again_by_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Threads::new(Memory::open(folder.path()).unwrap());
        let before = open();
        let first = new(&before, &["hello"]);
        let turn = Turn { reply: "Hello.".to_owned(), ..Turn::default() };
        before.keep("web\nann\nc", &first, &turn, Some(&Card::default()));
        let after = open();
        let Meant::Again(tape) = meant(&after, &["hello"]) else { panic!() };
        assert_eq!(tape.reply().as_deref(), Some("Hello."));
        assert!(new(&after, &["hallo"]).edited, "what was said before is known");
        // One that had not ended is new.
        new(&before, &["hello", "cancel 1001"]);
        assert!(!new(&open(), &["hello", "cancel 1001"]).edited);
    }

    #[test]
    fn nobody_shares_a_thread() {
        let threads = Threads::default();
        let said = ["hi".to_owned()];
        let now = Instant::now();
        threads.meant("web\nann\nc", "c", &said, None, now);
        assert!(matches!(threads.meant("web\nbob\nc", "c", &said, None, now), Meant::New(_)));
    }

    #[test]
    fn a_long_conversation_forgets_its_oldest_turns() {
        let threads = Threads::default();
        let all: Vec<String> = (0..=MOST_TURNS).map(|n| n.to_string()).collect();
        let now = Instant::now();
        for end in 1..=all.len() {
            threads.meant("k", "c", all.get(..end).unwrap(), None, now);
        }
        assert_eq!(threads.kept.lock().get("k").unwrap().turns.len(), MOST_TURNS);
        assert!(matches!(threads.meant("k", "c", &all, None, now), Meant::Again(_)));
    }
}
