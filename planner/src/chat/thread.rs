//! What is new in a request. Chat Completions sends the whole conversation each time, and
//! its clients ask again: on a lost reply, to regenerate, after an edit. The user's
//! messages say which turn is meant; a turn that was taken is heard again, never taken
//! again (AT MOST ONE EFFECT holds below all this, at the executor).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_proto::v1::{Card, Turn};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::tape::Tape;
use crate::memory::{Held, Memory, NotTaken, Row, Started, Unread};
use crate::stored;

/// Conversations kept at most; the one idle longest goes first.
const MOST: usize = 20_000;
/// Turns of one conversation kept at most; the oldest go first.
pub(crate) const MOST_TURNS: usize = 400;
/// One that was idle for longer goes where room is needed.
const IDLE: Duration = Duration::from_secs(24 * 3600);

type Place = [u8; 32];
/// Before the first message.
const ROOT: Place = [0; 32];

/// All conversations of all frontends.
#[derive(Default)]
pub(super) struct Threads {
    kept: Arc<Mutex<HashMap<String, Thread>>>,
    memory: Memory,
}

/// One conversation: a tree, since edits branch off.
pub(super) struct Thread {
    turns: HashMap<Place, Taken>,
    touched: Instant,
    /// Whether memory was read for it.
    recalled: bool,
    /// Above the number of every turn that memory has, also of one that this version cannot read.
    next: i64,
}

/// A turn that was taken.
struct Taken {
    mark: Mark,
    tape: Arc<Tape>,
}

/// Where a turn stands among the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mark {
    /// Where the messages up to its own lead; absent for an answer to an interrupt, beside
    /// which a message may follow.
    at: Option<Place>,
    /// Where the messages before it lead.
    after: Place,
    /// The digest of its own message.
    text: Place,
    /// Tells its branch from others, in the planner's memory only. Empty for the trunk.
    branch: String,
    /// Whether it takes the place of another message.
    edited: bool,
    number: i64,
}

/// What a request asks for.
pub(super) enum Meant {
    /// A turn that was taken, or is being taken.
    Again(Arc<Tape>),
    /// A new one, to be recorded on this tape.
    New(New),
    /// It answers an interrupt that is not open there.
    NotOpen,
}

/// What became of a new turn before it was taken.
pub(super) enum Begun {
    /// It is to be taken here.
    Here(Held),
    /// Another planner has taken it, and this is how it ended.
    Ended(Box<Turn>, Option<Card>),
}

/// How the newest turn is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    /// By the newest message, perhaps with a signed yes.
    Message { confirmation: &'a str },
    /// By an answer to an interrupt: it stands beside the messages, not among them.
    Resume { interrupt: &'a str, confirmation: &'a str, resolved: bool },
}

/// A turn that nobody has taken.
#[derive(Clone)]
pub(super) struct New {
    pub(super) tape: Arc<Tape>,
    key: Place,
    mark: Mark,
    /// An id for the message, the same however often it is sent.
    pub(super) message_id: String,
}

impl New {
    /// Tells its branch from others, in the planner's memory.
    pub(super) fn branch(&self) -> &str {
        &self.mark.branch
    }

    /// Whether it takes the place of another message.
    pub(super) fn edited(&self) -> bool {
        self.mark.edited
    }

    /// What memory has of it.
    fn body(&self, turn: Vec<Turn>, card: Vec<Card>) -> Option<String> {
        let body = serde_json::to_string(&Written { mark: self.mark.clone(), turn, card });
        body.inspect_err(|error| tracing::error!(%error, "a turn was not remembered")).ok()
    }
}

/// A turn as memory has it; without an end, it was begun.
#[derive(Serialize, Deserialize)]
struct Written {
    mark: Mark,
    #[serde(with = "stored::many")]
    turn: Vec<Turn>,
    #[serde(with = "stored::many")]
    card: Vec<Card>,
}

impl Threads {
    pub(super) fn new(memory: Memory) -> Self {
        let kept: Arc<Mutex<HashMap<String, Thread>>> = Arc::default();
        let at_hand = Arc::clone(&kept);
        memory.tell(move |gone| at_hand.lock().retain(|name, _| !gone.has(name)));
        Self { kept, memory }
    }

    /// Keeps that a new turn is begun, before it is taken: an edit of it is known for one after a
    /// restart, too. Where another planner is at it, waits for how it ends there. Where another
    /// message of the thread was begun there meanwhile, this one comes after it. One patience is
    /// for all of it.
    ///
    /// # Errors
    /// When that cannot be told, or does not end.
    pub(super) async fn begin(&self, thread: &str, new: &mut New) -> Result<Begun, NotTaken> {
        let began = tokio::time::Instant::now();
        loop {
            let body = new.body(vec![], vec![]).ok_or(Unread)?;
            let row = Row { place: new.key, number: new.mark.number, body };
            match self.memory.begin_turn(thread, &row, began).await? {
                Started::Here(held) => return Ok(Begun::Here(held)),
                Started::Ended(body) => {
                    let written: Option<Written> = serde_json::from_str(&body).ok();
                    let Written { turn, card, .. } = written.ok_or(Unread)?;
                    let turn = turn.into_iter().next().ok_or(Unread)?;
                    return Ok(Begun::Ended(Box::new(turn), card.into_iter().next()));
                }
                Started::Overtaken => {
                    self.memory.again(began).await?;
                    let again = |known: &mut Thread| new.mark = known.overtaken(new);
                    self.with(thread, Instant::now(), again).await?;
                }
            }
        }
    }

    /// Keeps how a turn ended, over a restart, with those whose it is. Where nothing was decided,
    /// the same may be asked again.
    pub(super) async fn keep(
        &self,
        held: Held,
        new: &New,
        (turn, card): (&Turn, Option<&Card>),
        owners: &BTreeSet<String>,
    ) {
        if !turn.passing
            && let Some(body) = new.body(vec![turn.clone()], card.cloned().into_iter().collect())
        {
            held.keep(owners, body).await;
        }
    }

    /// What others may change is not at hand between two turns.
    pub(super) fn put_away(&self, name: &str) {
        if self.memory.is_shared() {
            let mut threads = self.kept.lock();
            if threads.get(name).is_some_and(|thread| !thread.is_under_way()) {
                threads.remove(name);
            }
        }
    }

    /// Acts on a thread as it stands. `name` tells the conversation from all others.
    ///
    /// # Errors
    /// When other planners may know more of it, and that cannot be read.
    pub(super) async fn with<T>(
        &self,
        name: &str,
        now: Instant,
        act: impl FnOnce(&mut Thread) -> T,
    ) -> Result<T, Unread> {
        let shared = self.memory.is_shared();
        let at_hand = !shared && self.kept.lock().get(name).is_some_and(|thread| thread.recalled);
        let recalled = if at_hand {
            None
        } else {
            match self.memory.turns(name, MOST_TURNS).await {
                Ok(rows) => Some(rows),
                Err(Unread) if shared => return Err(Unread),
                // What cannot be read now is asked for again at the next request.
                Err(Unread) => None,
            }
        };
        let mut threads = self.kept.lock();
        make_room(&mut threads, now);
        let thread = threads.entry(name.to_owned()).or_insert_with(|| Thread::new(now));
        thread.touched = now;
        if let Some(rows) = recalled {
            thread.add(rows);
        }
        let done = act(thread);
        if shared {
            thread.turns.retain(|_, taken| taken.tape.is_open());
            if thread.turns.is_empty() {
                threads.remove(name);
            }
        }
        Ok(done)
    }
}

impl Taken {
    /// As memory has it, if this version can read it.
    fn recalled(row: &Row) -> Option<Self> {
        let Written { mark, turn, card } = serde_json::from_str(&row.body).ok()?;
        let mark = Mark { number: row.number, ..mark };
        let tape = match turn.into_iter().next() {
            Some(turn) => Tape::of(turn, card.into_iter().next()),
            None => Tape::lost(),
        };
        Some(Self { mark, tape: Arc::new(tape) })
    }
}

impl Thread {
    fn new(now: Instant) -> Self {
        Self { turns: HashMap::new(), touched: now, recalled: false, next: 0 }
    }

    /// With what memory has, where it is not known better.
    fn add(&mut self, rows: Vec<Row>) {
        for row in rows {
            self.next = self.next.max(row.number.saturating_add(1));
            if let Some(taken) = Taken::recalled(&row) {
                self.turns.entry(row.place).or_insert(taken);
            }
        }
        self.recalled = true;
    }

    fn is_under_way(&self) -> bool {
        self.turns.values().any(|taken| taken.tape.is_open())
    }

    /// Whether this text quotes a reply that was given in the conversation.
    pub(super) fn quotes_a_reply(&self, text: &str) -> bool {
        let mut replies = self.turns.values().filter_map(|taken| taken.tape.reply());
        replies.any(|reply| text.contains(reply.trim()))
    }

    /// Finds the turn that the user's messages, oldest first, lead to.
    pub(super) fn meant(&mut self, said: &[String], way: Way<'_>) -> Meant {
        let texts: Vec<Place> = said.iter().map(|text| digest(text)).collect();
        let (text, before) = texts.split_last().map_or((ROOT, &[][..]), |(t, before)| (*t, before));
        let (after, known) = self.place_after(before);
        let at = step(after, text);
        if !self.is_open(at, way) {
            return Meant::NotOpen;
        }
        let key = way.key(at);
        if let Some(tape) = self.heard(key, at, way) {
            return Meant::Again(tape);
        }
        let mark = self.mark((after, known), at, text, way);
        let short = hex::encode(key.first_chunk::<4>().copied().unwrap_or_default());
        let message_id = format!("m{}-{short}", said.len());
        let tape = Arc::new(Tape::default());
        self.turns.insert(key, Taken { mark: mark.clone(), tape: Arc::clone(&tape) });
        self.forget();
        Meant::New(New { tape, key, mark, message_id })
    }

    /// The turn that was taken. Without a yes, whichever stands there: a frontend may repeat
    /// the messages alone.
    fn heard(&self, key: Place, at: Place, way: Way<'_>) -> Option<Arc<Tape>> {
        let there = |taken: &&Taken| match way {
            Way::Message { confirmation: "" } => taken.mark.at == Some(at),
            Way::Message { .. } | Way::Resume { .. } => false,
        };
        let taken = self.turns.get(&key).into_iter();
        let taken = taken.chain(self.turns.values().filter(there));
        let heard = taken.filter(|taken| taken.tape.is_to_be_heard());
        heard.max_by_key(|taken| taken.mark.number).map(|taken| Arc::clone(&taken.tape))
    }

    fn mark(&self, (after, known): (Place, bool), at: Place, text: Place, way: Way<'_>) -> Mark {
        let marks = || self.turns.values().map(|taken| &taken.mark);
        let here = marks().find(|mark| mark.at == Some(at));
        let number = self.next_number();
        let beside = || marks().any(|mark| mark.after == after && mark.at.is_some_and(|a| a != at));
        let (branch, edited) = match (way, here) {
            (Way::Resume { .. }, here) => {
                (here.map(|mark| mark.branch.clone()).unwrap_or_default(), false)
            }
            (Way::Message { .. }, Some(here)) => (here.branch.clone(), here.edited),
            // What came before is not known: it may be an edit, and is treated as one.
            (Way::Message { .. }, None) if !known || beside() => (hex::encode(at), true),
            (Way::Message { .. }, None) => {
                let parent = marks().find(|mark| mark.at == Some(after));
                (parent.map(|mark| mark.branch.clone()).unwrap_or_default(), false)
            }
        };
        let at = match way {
            Way::Message { .. } => Some(at),
            Way::Resume { .. } => None,
        };
        Mark { at, after, text, branch, edited, number }
    }

    /// Where a turn stands beside what was begun since it was found to be new.
    fn overtaken(&mut self, new: &New) -> Mark {
        let own = &new.mark;
        // It is not beside itself.
        drop(self.turns.remove(&new.key));
        let plain = Way::Message { confirmation: "" };
        let mut mark = own.clone();
        match own.at {
            Some(at) if !own.edited => mark = self.mark((own.after, true), at, own.text, plain),
            Some(_) | None => mark.number = self.next_number(),
        }
        let taken = Taken { mark: mark.clone(), tape: Arc::clone(&new.tape) };
        self.turns.insert(new.key, taken);
        mark
    }

    fn next_number(&self) -> i64 {
        let numbers = self.turns.values().map(|taken| taken.mark.number);
        numbers.max().map_or(0, |number| number.saturating_add(1)).max(self.next)
    }

    /// Where the messages before lead, and whether that is known. A frontend may have cut
    /// the oldest off: then the newest turn that they lead up to counts.
    fn place_after(&self, before: &[Place]) -> (Place, bool) {
        let whole = before.iter().fold(ROOT, |place, text| step(place, *text));
        let marks = || self.turns.values().map(|taken| &taken.mark);
        if before.is_empty() || marks().any(|mark| mark.at == Some(whole)) {
            return (whole, true);
        }
        let by_place: HashMap<Place, &Mark> =
            marks().filter_map(|mark| Some((mark.at?, mark))).collect();
        let leads_up = |from: &&Mark| {
            let mut here = Some(*from);
            before.iter().rev().all(|text| {
                let fits = here.is_some_and(|mark| mark.text == *text);
                here = here.and_then(|mark| by_place.get(&mark.after).copied());
                fits
            })
        };
        let found = by_place.values().copied().filter(leads_up).max_by_key(|mark| mark.number);
        found.and_then(|mark| mark.at).map_or((whole, false), |place| (place, true))
    }

    /// Whether an interrupt that is dropped is one that the messages led to, or an answer to an
    /// interrupt beside them.
    fn is_open(&self, at: Place, way: Way<'_>) -> bool {
        let Way::Resume { interrupt, resolved: false, .. } = way else { return true };
        let is_here = |mark: &Mark| step(mark.after, mark.text) == at;
        let mut here = self.turns.values().filter(|taken| is_here(&taken.mark));
        here.any(|taken| taken.tape.shows(interrupt))
    }

    fn forget(&mut self) {
        while self.turns.len() > MOST_TURNS {
            let oldest = self.turns.iter().min_by_key(|(_, taken)| taken.mark.number);
            let Some(oldest) = oldest.map(|(at, _)| *at) else { return };
            self.turns.remove(&oldest);
        }
    }
}

impl Way<'_> {
    /// The turn's own key: the same messages with another signed yes are another turn.
    fn key(self, at: Place) -> Place {
        let mut hash = Sha256::new();
        match self {
            Self::Message { confirmation: "" } => return at,
            Self::Message { confirmation } => {
                hash.update("confirmed");
                hash.update(at);
                hash.update(confirmation);
            }
            Self::Resume { interrupt, confirmation, resolved } => {
                hash.update("resumed");
                hash.update(at);
                hash.update([u8::from(resolved)]);
                hash.update(Sha256::digest(interrupt));
                hash.update(confirmation);
            }
        }
        hash.finalize().into()
    }
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

fn digest(text: &str) -> Place {
    Sha256::digest(text.trim()).into()
}

/// Each message is hashed by itself, so none runs into the next.
fn step(after: Place, text: Place) -> Place {
    let mut hash = Sha256::new();
    hash.update(after);
    hash.update(text);
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
