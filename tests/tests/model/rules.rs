//! Production's own decisions, each asked once for the same journal and the same
//! question: the model has none of its own.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use countersign_core::answer::{self, Sent, Verdict};
use countersign_core::claim::{self, Known, Latest};
use countersign_core::dispatch::{self, Account, AttemptResult, Dispatch};
use countersign_core::effect::{Ask, ask};
use countersign_core::gate::{self, Facts};
use countersign_core::lifecycle::{Event, Outcome, State as Life, next};
use countersign_core::limit::{Budget, Spent};
use countersign_core::seal::{self, Queue};
use countersign_core::value::Value;
use countersign_core::verify::{self, Look, Sight};
use countersign_core::{observe, retry};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::till::{self, Class, Till, Write, at};

/// Waits longer than this are written down first, as the pipeline does.
const WORTH_A_COMMIT: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// A journal: where it leads, and a digest of all its events in the place of them.
pub(crate) struct Journal {
    digest: [u8; 16],
    /// How many events.
    pub(crate) len: u8,
    /// Where they lead.
    pub(crate) life: Life,
}

/// Somebody's journal.
#[derive(Clone)]
pub(crate) struct Told(Arc<Journal>);

/// What the store knows at a claim.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Facing {
    /// The newest write of the intent, which time it was, and how it ended.
    pub(crate) latest: Option<(Write, u8, Option<Outcome>)>,
    /// Who holds the sale.
    pub(crate) lock: Option<Write>,
}

/// A complete answer of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Answer {
    /// Done.
    Yes,
    /// The version is another.
    Stale,
    /// Refused, and nothing happened.
    No,
    /// Not now, and nothing happened.
    Later,
}

/// What happens to an action.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Happens {
    Claimed(Facing),
    Begun { version: u8, open: bool },
    Resent,
    Answered(Answer),
    Lost,
    Held,
    Looked(Option<usize>),
}

/// What an action needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// The gates and the request.
    Gates,
    /// A sending.
    Send,
    /// Another sending.
    Resend(Wait),
    /// A look.
    Look(Wait),
    /// Its receipt.
    Receipt,
}

/// Until when it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// The tick.
    pub(crate) until: u8,
    /// Long enough to be written down first.
    pub(crate) long: bool,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Receipt {
    /// One of four.
    pub(crate) outcome: Outcome,
    /// Which time the intent was carried out.
    pub(crate) occasion: u8,
    /// How often it was sent.
    pub(crate) attempts: u8,
    /// It opens a matter for a person.
    pub(crate) person: bool,
}

type Question = ([u8; 16], u8, Happens);

/// The core, with what it was asked before.
pub(crate) struct Rules {
    till: Till,
    granted: Mutex<HashMap<(Write, u8), Told>>,
    steps: Mutex<HashMap<Question, Result<Told, String>>>,
    needs: Mutex<HashMap<([u8; 16], u8), Needs>>,
    receipts: Mutex<HashMap<([u8; 16], u8), Receipt>>,
}

impl Rules {
    /// `window` is how long the contract believes that the backend keeps a key.
    pub(crate) fn new(class: Class, window: &str) -> Self {
        let till = Till::new(class, window);
        let (granted, steps, needs, receipts) = Default::default();
        Self { till, granted, steps, needs, receipts }
    }

    /// Takes the key and the sale for a write that was proposed on this version of it.
    ///
    /// # Errors
    /// The code of the refusal.
    pub(crate) fn claim(&self, write: Write, version: u8, facing: Facing) -> Result<Told, String> {
        let granted = || Told::of(self.till.granted(write, version));
        let granted = self.granted.lock().entry((write, version)).or_insert_with(granted).clone();
        // When it is claimed is read by limits only, of which there are none.
        self.take(&granted, 0, Happens::Claimed(facing))
    }

    /// The gates on what the backend has now, then the exact request.
    pub(crate) fn begin(&self, told: &Told, now: u8, version: u8, open: bool) -> Told {
        self.surely(told, now, Happens::Begun { version, open })
    }

    pub(crate) fn resend(&self, told: &Told, now: u8) -> Told {
        self.surely(told, now, Happens::Resent)
    }

    pub(crate) fn answered(&self, told: &Told, now: u8, answer: Answer) -> Told {
        self.surely(told, now, Happens::Answered(answer))
    }

    /// No answer came, or the process that waited for it is gone.
    pub(crate) fn lost(&self, told: &Told, now: u8) -> Told {
        self.surely(told, now, Happens::Lost)
    }

    /// It was too late to send it again safely.
    pub(crate) fn held(&self, told: &Told, now: u8) -> Told {
        self.surely(told, now, Happens::Held)
    }

    /// A look that saw so many effects of this action; `None` where it failed.
    pub(crate) fn looked(&self, told: &Told, now: u8, marks: Option<usize>) -> Told {
        self.surely(told, now, Happens::Looked(marks))
    }

    /// Whether a resend is still safe, just before it leaves.
    pub(crate) fn may_send(&self, told: &Told, now: u8) -> bool {
        told.dispatch().is_some_and(|d| retry::may_send(d, self.till.contract(), at(now)))
    }

    /// What an action needs next.
    pub(crate) fn needs(&self, told: &Told, now: u8) -> Needs {
        let question = (told.0.digest, now);
        if let Some(known) = self.needs.lock().get(&question) {
            return *known;
        }
        let wait = |when: Timestamp| Wait {
            until: till::tick(when),
            long: when.duration_since(at(now)) > WORTH_A_COMMIT,
        };
        let needs = match ask(&told.0.life, self.till.contract(), at(now)) {
            Ask::Gate | Ask::Prepare => Needs::Gates,
            Ask::Send => Needs::Send,
            Ask::Resend(when) => Needs::Resend(wait(when)),
            Ask::Look(when) => Needs::Look(wait(when)),
            Ask::Settle(_) | Ask::Seal => Needs::Receipt,
            asked @ (Ask::AwaitGrants | Ask::Claim | Ask::Nothing) => panic!("{asked:?}"),
        };
        self.needs.lock().insert(question, needs);
        needs
    }

    /// The receipt of an action that needs one.
    pub(crate) fn receipt(&self, told: &Told, now: u8) -> Receipt {
        let question = (told.0.digest, now);
        if let Some(known) = self.receipts.lock().get(&question) {
            return *known;
        }
        let contract = self.till.contract();
        let mut life = told.0.life.clone();
        if let Ask::Settle(end) = ask(&life, contract, at(now)) {
            life = next(Some(life), Event::Settled(end)).unwrap();
        }
        let id = format!("rcp_{:026}", 1).parse().unwrap();
        let leaf = seal::seal(&life, Some(contract), &id, at(now)).unwrap();
        let receipt = Receipt {
            outcome: life.outcome().unwrap(),
            occasion: u8::try_from(leaf.receipt.occasion).unwrap(),
            attempts: told.attempts(),
            person: matches!(leaf.queue, Queue::Opens(_)),
        };
        self.receipts.lock().insert(question, receipt);
        receipt
    }

    fn surely(&self, told: &Told, now: u8, what: Happens) -> Told {
        self.take(told, now, what).unwrap()
    }

    fn take(&self, told: &Told, now: u8, what: Happens) -> Result<Told, String> {
        let question = (told.0.digest, now, what);
        if let Some(known) = self.steps.lock().get(&question) {
            return known.clone();
        }
        let taken = self.step(told, now, &question.2);
        self.steps.lock().insert(question, taken.clone());
        taken
    }

    fn step(&self, told: &Told, now: u8, what: &Happens) -> Result<Told, String> {
        match what {
            Happens::Claimed(facing) => self.decide(told, facing, now),
            Happens::Begun { version, open } => Ok(self.gates(told, *version, *open, now)),
            Happens::Resent => Ok(told.and(Event::Resent(at(now)))),
            Happens::Answered(answer) => {
                let (status, body) = match answer {
                    Answer::Yes => (201, "{}"),
                    Answer::Stale => (412, r#"{"error":"another version"}"#),
                    Answer::No => (422, r#"{"error":"closed"}"#),
                    Answer::Later => (429, "{}"),
                };
                let body = body.as_bytes().to_vec();
                let sent = Sent::Answered { status, retry_after: None, replayed: false, body };
                let verdict = answer::judge(self.till.contract(), &sent);
                Ok(told.ended(Some(status), verdict, now))
            }
            Happens::Lost => Ok(told.ended(None, Verdict::Lost { why: "cut".into() }, now)),
            Happens::Held => {
                Ok(told.ended(None, Verdict::NotSent { why: "late".into(), halted: false }, now))
            }
            Happens::Looked(marks) => Ok(told.and(self.look(told, *marks, now))),
        }
    }

    fn decide(&self, told: &Told, facing: &Facing, now: u8) -> Result<Told, String> {
        let Life::Granted(granted) = &told.0.life else { panic!("not granted") };
        let latest = facing.latest.map(|(write, occasion, outcome)| Latest {
            action: till::action(write),
            occasion: u32::from(occasion),
            outcome,
            receipt: outcome.map(|_| format!("rcp_{write:026}").parse().unwrap()),
        });
        let lock_held_by = facing.lock.map(till::action);
        let known = Known { latest, lock_held_by, spent: Spent::default() };
        let (proposal, votes) = (granted.proposal(), granted.votes());
        let (contract, write) = (self.till.contract(), self.till.write());
        let budget = Budget::of(proposal, votes, contract, write, self.till.policy());
        match claim::decide(granted, &known, &budget, at(now)) {
            Ok(taken) => Ok(told.and(Event::Claimed(taken))),
            Err(refused) => Err(refused.code),
        }
    }

    fn gates(&self, told: &Told, version: u8, open: bool, now: u8) -> Told {
        let Life::Claimed(claimed) = &told.0.life else { panic!("not claimed") };
        let (proposal, state) = (claimed.granted().proposal(), till::sale(version, open));
        let facts = Facts {
            contract: self.till.contract(),
            policy: self.till.policy(),
            write: self.till.write(),
            arguments: proposal.arguments(),
            state: &state,
            asked: proposal.asked(),
            now: at(now),
        };
        let cleared = match gate::decide(claimed, &facts) {
            Ok(clearance) => told.and(Event::Cleared(Box::new(clearance))),
            Err(refused) => return told.and(Event::Refused(Box::new(refused))),
        };
        let Life::Cleared(passed) = &cleared.0.life else { panic!("not cleared") };
        let account = Account { account: "a".into(), credential: "c".into() };
        let intent = dispatch::prepare(passed, self.till.contract(), account, at(now));
        cleared.and(Event::Intended(Box::new(intent.unwrap())))
    }

    fn look(&self, told: &Told, marks: Option<usize>, now: u8) -> Event {
        let dispatch = told.dispatch().unwrap();
        let look = match marks {
            None => {
                let sight = Sight::Unreadable { why: "down".into() };
                Look { at: at(now), looked: Value::Null, sight }
            }
            Some(marks) => {
                let (contract, read) = self.till.look();
                let raw = till::answer(told.key().unwrap_or_default(), marks);
                let looked = observe::project(contract, read, &raw).unwrap();
                let scope = dispatch.cleared().scope().with("response", dispatch.response());
                let sight = verify::judge(self.till.write(), scope, &looked);
                Look { at: at(now), sight, looked }
            }
        };
        Event::Looked(Box::new(look))
    }
}

impl Told {
    fn of(events: Vec<Event>) -> Self {
        let mut told: Option<Self> = None;
        for event in events {
            told = Some(Self::follow(told.as_ref(), event));
        }
        told.unwrap()
    }

    fn and(&self, event: Event) -> Self {
        Self::follow(Some(self), event)
    }

    fn follow(before: Option<&Self>, event: Event) -> Self {
        let mut digest = Sha256::new();
        digest.update(before.map_or([0; 16], |b| b.0.digest));
        digest.update(serde_json::to_vec(&event).unwrap());
        let len = before.map_or(0, |b| b.0.len) + 1;
        let life = next(before.map(|b| b.0.life.clone()), event).unwrap();
        let digest = digest.finalize()[..16].try_into().unwrap();
        Self(Arc::new(Journal { digest, len, life }))
    }

    fn ended(&self, status: Option<u16>, verdict: Verdict, now: u8) -> Self {
        let result = AttemptResult { at: at(now), status, verdict, raw: String::new() };
        self.and(Event::Answered(Box::new(result)))
    }

    /// How many events.
    pub(crate) fn len(&self) -> u8 {
        self.0.len
    }

    /// Whether an attempt is under way.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.0.life, Life::Sent(_))
    }

    /// Attempts so far, one that is about to be made included.
    pub(crate) fn attempts(&self) -> u8 {
        self.dispatch().map_or(0, |d| u8::try_from(d.attempts().len()).unwrap())
    }

    /// Which time the intent is carried out.
    pub(crate) fn occasion(&self) -> u8 {
        let occasion = self.dispatch().map_or(0, |d| d.cleared().claimed().occasion());
        u8::try_from(occasion).unwrap()
    }

    /// What is sent: its key, and the version in it.
    pub(crate) fn request(&self) -> Option<(Arc<str>, u8)> {
        let body: Json = serde_json::from_slice(&self.dispatch()?.request().body).ok()?;
        let version = u8::try_from(body["version"].as_u64()?).ok()?;
        Some((body["note"].as_str()?.into(), version))
    }

    /// Its key, which is its marker.
    pub(crate) fn key(&self) -> Option<&str> {
        Some(self.dispatch()?.cleared().claimed().key())
    }

    fn dispatch(&self) -> Option<&Dispatch> {
        match &self.0.life {
            Life::Sent(d) | Life::Answered(d) | Life::Looking(d, _) => Some(d),
            Life::Settled(s) | Life::Sealed(s, _) => Some(&s.dispatch),
            Life::Proposed(_)
            | Life::Granted(_)
            | Life::Claimed(_)
            | Life::Cleared(_)
            | Life::Refused(_)
            | Life::SealedRefusal(..) => None,
        }
    }
}

impl PartialEq for Told {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Told {}

impl Hash for Told {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.digest.hash(hasher);
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.life.name())
    }
}
