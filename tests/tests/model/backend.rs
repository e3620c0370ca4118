//! The backend, as its effect class promises, and the way there: a request lands in
//! the tick in which it was sent or in the next, once, twice or never.

use std::sync::Arc;

use crate::rules::Answer;
use crate::store::Generation;
use crate::till::{Class, WINDOW, Write};

/// What really happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Effect {
    pub(crate) write: Write,
    key: Arc<str>,
    at: u8,
    /// Its sender was not the action's holder any more.
    pub(crate) late: bool,
}

/// The sale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Backend {
    pub(crate) effects: Vec<Effect>,
    pub(crate) version: u8,
}

/// A request on its way, or its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Flight {
    pub(crate) by: Generation,
    pub(crate) write: Write,
    pub(crate) attempt: u8,
    pub(crate) sent: u8,
    pub(crate) key: Arc<str>,
    pub(crate) version: u8,
    /// It landed before, and lands once more.
    pub(crate) landed: bool,
    pub(crate) answer: Option<Answer>,
}

impl Effect {
    /// When it happened is read by nobody any more.
    pub(crate) fn forget(&mut self) {
        (self.at, self.late) = (0, false);
    }
}

impl Flight {
    /// Whether it may still land.
    pub(crate) fn lands(&self, now: u8) -> bool {
        self.answer.is_none() && now <= self.sent + 1
    }
}

impl Backend {
    /// Carries a request out, as far as the class lets it.
    pub(crate) fn land(&mut self, class: Class, flight: &Flight, now: u8, late: bool) -> Answer {
        let kept = |e: &Effect| e.key == flight.key && now < e.at + WINDOW;
        match class {
            Class::ServerKey if self.effects.iter().any(kept) => return Answer::Yes,
            Class::CompareAndSet if self.version != flight.version => return Answer::Stale,
            Class::ServerKey | Class::CompareAndSet | Class::Marker | Class::Blind => {}
        }
        let (write, key) = (flight.write, Arc::clone(&flight.key));
        self.effects.push(Effect { write, key, at: now, late });
        self.version += 1;
        Answer::Yes
    }

    /// How many effects with this marker a look sees: all, or (`stale`) only those that
    /// had a tick's time to show.
    pub(crate) fn marks(&self, key: &str, now: u8, stale: bool) -> usize {
        let shown = |e: &&Effect| &*e.key == key && (e.at < now || !stale);
        self.effects.iter().filter(shown).count()
    }
}
