//! What each step does: the pipeline's order of things, journal first.

use crate::backend::Flight;
use crate::bounds::Without;
use crate::rules::{Answer, Needs, Told};
use crate::store::{Action, Conflict, Generation};
use crate::till::{WRITES, Write};
use crate::world::{Countersign, Heard, Landing, Name, Sees, Step, World};

/// A running executor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) generation: Generation,
    /// Its own idea of its lease.
    pub(crate) until: u8,
    /// It stands still.
    pub(crate) asleep: bool,
    lives: [Option<Life>; WRITES],
}

/// An action in an executor's memory.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Life {
    pub(crate) journal: Told,
    /// When its last event was, and the core was asked what it needs.
    pub(crate) since: u8,
    /// How many of its events are durable.
    stored: u8,
    /// Its request is on the way.
    pub(crate) waits: bool,
}

impl Process {
    pub(crate) fn new(generation: Generation, until: u8) -> Self {
        Self { generation, until, asleep: false, lives: [None, None, None] }
    }

    pub(crate) fn life(&self, write: Write) -> Option<&Life> {
        self.lives[usize::from(write)].as_ref()
    }

    /// Whether it carries nothing.
    pub(crate) fn idle(&self) -> bool {
        self.lives.iter().all(Option::is_none)
    }

    /// Its times are forgotten.
    pub(crate) fn begin_again(&mut self, now: u8, until: u8) {
        self.until = until;
        self.lives.iter_mut().flatten().for_each(|life| life.since = now);
    }

    /// Whether it carries something that was sent, or is about to be.
    pub(crate) fn has_sent(&self) -> bool {
        self.lives.iter().flatten().any(|life| life.journal.attempts() > 0)
    }

    /// Whether it still waits for this answer.
    pub(crate) fn awaits(&self, flight: &Flight) -> bool {
        let waits = |l: &Life| l.waits && l.journal.attempts() == flight.attempt;
        flight.by == self.generation && self.life(flight.write).is_some_and(waits)
    }
}

impl Countersign {
    pub(crate) fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Ask(name, write) => self.ask(world, name, write),
            Step::Begin(name, write, open) => self.begin(world, name, write, open),
            Step::Send(name, write) => self.send(world, name, write),
            Step::Resend(name, write) => {
                let now = world.now;
                self.go(world, name, write, |life| self.rules.resend(&life.journal, now));
                world.flush(name, write);
            }
            Step::Land(at, how) => self.land(world, at, how),
            Step::Hear(name, write) => self.hear(world, name, write),
            Step::GiveUp(name, write) => {
                let now = world.now;
                self.go(world, name, write, |life| self.rules.lost(&life.journal, now));
            }
            Step::Look(name, write, sees) => self.look(world, name, write, sees),
            Step::Seal(name, write) => self.seal(world, name, write),
            Step::Renew(name) => world.renew(name),
            Step::Adopt(name, dead) => self.adopt(world, name, dead),
            Step::Stop(name) => {
                world.left.mishaps -= 1;
                world.process(name).into_iter().for_each(|p| p.asleep = true);
            }
            Step::Wake(name) => world.process(name).into_iter().for_each(|p| p.asleep = false),
            Step::Crash(name) => {
                world.left.mishaps -= 1;
                world.processes[usize::from(name)] = None;
            }
            Step::Start(name) => self.start(world, name),
            Step::Tick => world.now += 1,
        }
    }

    /// A repeat is answered here, from the store; else the action is claimed.
    fn ask(&self, world: &mut World, name: Name, write: Write) {
        let at = usize::from(write);
        world.left.asks[at] -= 1;
        match world.store.action(write) {
            Action::Sealed { by, .. } => {
                world.heard[at] = Some(Heard { by: *by, again: true });
                return;
            }
            Action::Begun { .. } => return,
            Action::Fresh => {}
        }
        let Ok(journal) = self.claim(world, write) else { return };
        let Some(me) = world.process(name).map(|process| process.generation) else { return };
        if world.store.reserve(me, write).is_ok() {
            let life = Life { journal, since: world.now, stored: 0, waits: false };
            world.keep(name, write, life);
        }
    }

    /// What a claim would be answered.
    pub(crate) fn claim(&self, world: &World, write: Write) -> Result<Told, String> {
        let mut facing = world.store.facing(write);
        if self.without == Without::Lock {
            facing.lock = None;
        }
        self.rules.claim(write, world.backend.version, facing)
    }

    /// INTENT FIRST: gates, request and intent are durable before anything is sent.
    fn begin(&self, world: &mut World, name: Name, write: Write, open: bool) {
        let (now, version) = (world.now, world.backend.version);
        world.left.mishaps -= u8::from(!open);
        self.go(world, name, write, |life| self.rules.begin(&life.journal, now, version, open));
        // A refusal needs no commit before its receipt.
        if open && self.without != Without::Intent {
            world.flush(name, write);
        }
    }

    fn send(&self, world: &mut World, name: Name, write: Write) {
        let now = world.now;
        let Some((by, life)) = world.life(name, write) else { return };
        let attempt = life.journal.attempts();
        if attempt > 1 && !self.rules.may_send(&life.journal, now) {
            self.go(world, name, write, |life| self.rules.held(&life.journal, now));
            return;
        }
        let Some((key, version)) = life.journal.request() else { return };
        life.waits = true;
        let (landed, answer) = (false, None);
        world.flights.push(Flight { by, write, attempt, sent: now, key, version, landed, answer });
    }

    fn land(&self, world: &mut World, at: usize, how: Landing) {
        let flight = world.flights[at].clone();
        let late = !matches!(world.store.action(flight.write),
                             Action::Begun { holder, .. } if *holder == flight.by);
        let answer = match how {
            Landing::Well | Landing::Twice => {
                world.backend.land(self.class, &flight, world.now, late)
            }
            Landing::Refused => Answer::No,
            Landing::Throttled => Answer::Later,
        };
        match how {
            Landing::Well => {}
            Landing::Twice => {
                world.left.mishaps -= 1;
                world.flights[at].landed = true;
                return;
            }
            Landing::Refused | Landing::Throttled => world.left.mishaps -= 1,
        }
        world.flights[at].answer = Some(answer);
    }

    fn hear(&self, world: &mut World, name: Name, write: Write) {
        let Some(process) = &world.processes[usize::from(name)] else { return };
        let own = |f: &&Flight| f.write == write && process.awaits(f);
        let Some(answer) = world.flights.iter().filter(own).find_map(|f| f.answer) else { return };
        let now = world.now;
        self.go(world, name, write, |life| self.rules.answered(&life.journal, now, answer));
    }

    fn look(&self, world: &mut World, name: Name, write: Write, sees: Sees) {
        let now = world.now;
        let Some((_, life)) = world.life(name, write) else { return };
        let journal = life.journal.clone();
        let marks = match sees {
            Sees::All => Some(world.marks(&journal, false)),
            Sees::Stale => Some(world.marks(&journal, true)),
            Sees::Failed => {
                world.left.mishaps -= 1;
                None
            }
        };
        self.go(world, name, write, |life| self.rules.looked(&life.journal, now, marks));
    }

    /// RECEIPT BEFORE REPLY.
    fn seal(&self, world: &mut World, name: Name, write: Write) {
        let Some((me, life)) = world.life(name, write) else { return };
        let (seq, said) = (life.stored, self.rules.receipt(&life.journal, life.since));
        let sealed = world.store.seal(me, write, seq, (said.outcome, said.occasion));
        world.drop_life(name, write);
        if sealed.is_ok() {
            world.heard[usize::from(write)] = Some(Heard { by: me, again: false });
        }
    }

    fn adopt(&self, world: &mut World, name: Name, dead: Generation) {
        let Some(process) = world.process(name) else { return };
        let me = process.generation;
        let Ok(adopted) = world.store.adopt(me, dead) else {
            // It is dead itself.
            world.processes[usize::from(name)] = None;
            return;
        };
        for (write, journal) in adopted {
            let life = Life { stored: journal.len(), journal, since: world.now, waits: false };
            world.keep(name, write, life);
            self.mend(world, name, write);
        }
    }

    /// What an earlier process left under way has no known end.
    fn mend(&self, world: &mut World, name: Name, write: Write) {
        let now = world.now;
        let Some((_, life)) = world.life(name, write) else { return };
        if life.journal.is_sent() {
            self.go(world, name, write, |life| self.rules.lost(&life.journal, now));
        }
    }

    fn start(&self, world: &mut World, name: Name) {
        let until = world.now + 1;
        let earlier = world.store.executors().iter().filter(|row| row.name == name);
        let earlier: Vec<_> = earlier.map(|row| row.generation).collect();
        let generation = world.store.start(name, until);
        world.processes[usize::from(name)] = Some(Process::new(generation, until));
        for dead in earlier {
            self.adopt(world, name, dead);
        }
    }

    /// One event. A wait that is worth a commit gets one.
    fn go(&self, world: &mut World, name: Name, write: Write, event: impl Fn(&Life) -> Told) {
        let now = world.now;
        let Some((_, life)) = world.life(name, write) else { return };
        life.journal = event(life);
        (life.since, life.waits) = (now, false);
        let durable = life.stored > 0;
        let long = match self.rules.needs(&life.journal, now) {
            Needs::Resend(wait) | Needs::Look(wait) => wait.long,
            Needs::Gates | Needs::Send | Needs::Receipt => false,
        };
        if long && (durable || self.without != Without::Intent) {
            world.flush(name, write);
        }
    }
}

impl World {
    fn process(&mut self, name: Name) -> Option<&mut Process> {
        self.processes[usize::from(name)].as_mut()
    }

    fn life(&mut self, name: Name, write: Write) -> Option<(Generation, &mut Life)> {
        let process = self.process(name)?;
        Some((process.generation, process.lives[usize::from(write)].as_mut()?))
    }

    fn keep(&mut self, name: Name, write: Write, life: Life) {
        if let Some(process) = self.process(name) {
            process.lives[usize::from(write)] = Some(life);
        }
    }

    fn drop_life(&mut self, name: Name, write: Write) {
        if let Some(process) = self.process(name) {
            process.lives[usize::from(write)] = None;
        }
    }

    /// Makes an action's journal durable, or lets go of what is somebody else's.
    fn flush(&mut self, name: Name, write: Write) {
        let Some((me, life)) = self.life(name, write) else { return };
        let (seq, journal) = (life.stored, life.journal.clone());
        life.stored = journal.len();
        if let Err(Conflict) = self.store.append(me, write, seq, &journal) {
            self.drop_life(name, write);
        }
    }

    fn renew(&mut self, name: Name) {
        let until = self.now + 1;
        let Some(me) = self.process(name).map(|process| process.generation) else { return };
        match self.store.renew(me, until) {
            Ok(()) => self.process(name).into_iter().for_each(|p| p.until = until),
            Err(Conflict) => self.processes[usize::from(name)] = None,
        }
    }
}
