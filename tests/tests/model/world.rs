//! What there is besides the core: two executors on one store, two planners, a backend,
//! a clock, and whatever goes wrong between them.

use std::fmt;

use stateright::{Model, Property};

use crate::backend::{Backend, Flight};
use crate::bounds::{Bounds, Without};
use crate::executor::Process;
use crate::promises;
use crate::rules::{Needs, Rules};
use crate::same::BEGIN;
use crate::store::{Action, Generation, Store};
use crate::till::{Class, WRITES, Write};

/// One of the two executors.
pub(crate) type Name = u8;

/// The model: the core, and how far the world goes.
pub(crate) struct Countersign {
    pub(crate) rules: Rules,
    pub(crate) class: Class,
    pub(crate) bounds: Bounds,
    pub(crate) without: Without,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) now: u8,
    pub(crate) store: Store,
    pub(crate) processes: [Option<Process>; 2],
    pub(crate) backend: Backend,
    pub(crate) flights: Vec<Flight>,
    pub(crate) heard: [Option<Heard>; WRITES],
    pub(crate) left: Left,
}

/// A receipt that a planner heard: who sealed it, and whether it was a repeat that was
/// answered. What a refused repeat hears is in no state, since nobody acts on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Heard {
    pub(crate) by: Generation,
    pub(crate) again: bool,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) asks: [u8; WRITES],
    pub(crate) mishaps: u8,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A planner's request arrives; the action is claimed, or the answer is what is known.
    Ask(Name, Write),
    /// Gates, request, intent durable; `false` where staff has closed the sale.
    Begin(Name, Write, bool),
    /// The request leaves.
    Send(Name, Write),
    /// A resend is durable.
    Resend(Name, Write),
    /// A request lands.
    Land(usize, Landing),
    /// The executor hears the answer.
    Hear(Name, Write),
    /// It waits no longer.
    GiveUp(Name, Write),
    /// It reads back.
    Look(Name, Write, Sees),
    /// The receipt, then the reply. A planner asks again whether it heard it or not.
    Seal(Name, Write),
    /// The lease is renewed, or the process learns that it was declared dead and stops.
    Renew(Name),
    /// One executor takes over from a dead generation.
    Adopt(Name, Generation),
    /// A process stands still from now on, and does not know it.
    Stop(Name),
    /// It goes on.
    Wake(Name),
    /// A process is killed.
    Crash(Name),
    /// A process starts and takes over from its own earlier ones.
    Start(Name),
    /// Time passes: nobody who is awake has anything to do.
    Tick,
}

/// How a request lands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    /// As it should.
    Well,
    /// And once more later.
    Twice,
    /// Refused.
    Refused,
    /// Not now.
    Throttled,
}

/// What a look sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    /// All there is.
    All,
    /// Not what came just now.
    Stale,
    /// Nothing: the read fails.
    Failed,
}

impl Model for Countersign {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let mut store = Store::new(self.without != Without::Fence);
        let until = BEGIN + 1;
        let processes = [0, 1].map(|name| Some(Process::new(store.start(name, until), until)));
        let Bounds { asks, mishaps, .. } = self.bounds;
        vec![World {
            now: BEGIN,
            store,
            processes,
            backend: Backend::default(),
            flights: vec![],
            heard: [None, None, None],
            left: Left { asks, mishaps },
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let mut due = false;
        for name in [0, 1] {
            let Some(process) = &world.processes[usize::from(name)] else {
                steps.push(Step::Start(name));
                continue;
            };
            let from = steps.len();
            self.of_process(world, name, process, steps);
            due |= steps[from..].iter().any(|step| world.is_due(step));
            self.of_chance(world, name, process, steps);
        }
        for (at, flight) in world.flights.iter().enumerate() {
            self.of_flight(world, at, flight, steps);
        }
        if world.now < BEGIN + self.bounds.ticks && !due {
            steps.push(Step::Tick);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        self.take(&mut next, step);
        next.settle();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        promises::all()
    }
}

impl Countersign {
    fn of_process(&self, world: &World, name: Name, process: &Process, steps: &mut Vec<Step>) {
        if process.asleep {
            return;
        }
        if process.until <= world.now {
            steps.push(Step::Renew(name));
        }
        // A lease and the quiet of half a lease.
        let dead = world.store.executors().iter().filter(|row| world.now > row.until);
        let others = dead.filter(|row| row.generation != process.generation);
        steps.extend(others.map(|row| Step::Adopt(name, row.generation)));
        for write in 0..WRITES as Write {
            self.of_action(world, name, process, write, steps);
        }
    }

    /// What others do to an executor.
    fn of_chance(&self, world: &World, name: Name, process: &Process, steps: &mut Vec<Step>) {
        if process.asleep {
            steps.push(Step::Wake(name));
        } else if world.left.mishaps > 0 && !process.idle() {
            steps.push(Step::Stop(name));
        }
        if world.left.mishaps > 0 && !process.idle() {
            steps.push(Step::Crash(name));
        }
        let able = !process.asleep && world.first(name);
        // Two writes of one intent are alike until one is asked: the first is 0.
        let second = |write: Write| write == 1 && world.left.asks[0] == self.bounds.asks[0];
        let left = |write: &Write| world.left.asks[usize::from(*write)] > 0;
        let asked = |write: &Write| able && left(write) && !second(*write);
        steps.extend((0..WRITES as Write).filter(asked).map(|write| Step::Ask(name, write)));
    }

    fn of_action(
        &self,
        world: &World,
        name: Name,
        process: &Process,
        write: Write,
        steps: &mut Vec<Step>,
    ) {
        let Some(life) = process.life(write) else { return };
        // What it learns once it was declared dead stays in its memory.
        let learns = world.store.lives(process.generation) || self.without == Without::Fence;
        if life.waits && learns {
            let answered = |f: &Flight| process.awaits(f) && f.write == write && f.answer.is_some();
            if world.flights.iter().any(answered) {
                steps.push(Step::Hear(name, write));
            }
            steps.push(Step::GiveUp(name, write));
        }
        if life.waits {
            return;
        }
        let fault = world.left.mishaps > 0;
        match self.rules.needs(&life.journal, life.since) {
            Needs::Gates => {
                steps.push(Step::Begin(name, write, true));
                if fault {
                    steps.push(Step::Begin(name, write, false));
                }
            }
            // Before a byte leaves, the lease must last longer than the request.
            Needs::Send if world.now < process.until || self.without == Without::Fence => {
                steps.push(Step::Send(name, write));
            }
            Needs::Resend(wait) if wait.until <= world.now => steps.push(Step::Resend(name, write)),
            Needs::Look(wait) if wait.until <= world.now && learns => {
                steps.push(Step::Look(name, write, Sees::All));
                let seen = |stale| world.marks(&life.journal, stale);
                if seen(true) != seen(false) {
                    steps.push(Step::Look(name, write, Sees::Stale));
                }
                if fault {
                    steps.push(Step::Look(name, write, Sees::Failed));
                }
            }
            Needs::Receipt => steps.push(Step::Seal(name, write)),
            Needs::Send | Needs::Resend(_) | Needs::Look(_) => {}
        }
    }

    fn of_flight(&self, world: &World, at: usize, flight: &Flight, steps: &mut Vec<Step>) {
        if !flight.lands(world.now) {
            return;
        }
        steps.push(Step::Land(at, Landing::Well));
        // What landed once is answered by what the class promises, and not by chance.
        if world.left.mishaps == 0 || flight.landed {
            return;
        }
        steps.extend([Landing::Refused, Landing::Throttled].map(|how| Step::Land(at, how)));
        // Where a second landing is a second effect by nature, nothing above the
        // transport makes one: a connection of its own, written once.
        if matches!(self.class, Class::ServerKey | Class::CompareAndSet) {
            steps.push(Step::Land(at, Landing::Twice));
        }
    }
}

impl World {
    /// Both executors are alike until one is asked: the first to be asked is A.
    fn first(&self, name: Name) -> bool {
        let asked = |write: usize| *self.store.action(write as Write) != Action::Fresh;
        name == 0 || self.store.lock().is_some() || (0..WRITES).any(asked)
    }

    /// Whether an executor that is awake takes this step before time passes. For an answer
    /// it waits until the next tick.
    fn is_due(&self, step: &Step) -> bool {
        let (Step::Hear(_, write) | Step::GiveUp(_, write)) = step else { return true };
        !self.flights.iter().any(|f| f.write == *write && f.sent == self.now)
    }

    /// How many effects of an action a look would see.
    pub(crate) fn marks(&self, journal: &crate::rules::Told, stale: bool) -> usize {
        self.backend.marks(journal.key().unwrap_or_default(), self.now, stale)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |name: &Name| ["A", "B"][usize::from(*name)];
        match self {
            Self::Ask(n, w) => write!(f, "{} is asked for write {w}", who(n)),
            Self::Begin(n, w, true) => write!(f, "{} begins {w}", who(n)),
            Self::Begin(n, w, false) => write!(f, "{}'s gates refuse {w}", who(n)),
            Self::Send(n, w) => write!(f, "{} sends {w}", who(n)),
            Self::Resend(n, w) => write!(f, "{} will send {w} again", who(n)),
            Self::Land(_, how) => write!(f, "a request lands ({how:?})"),
            Self::Hear(n, w) => write!(f, "{} hears the answer to {w}", who(n)),
            Self::GiveUp(n, w) => write!(f, "{} hears nothing of {w}", who(n)),
            Self::Look(n, w, sees) => write!(f, "{} looks for {w} ({sees:?})", who(n)),
            Self::Seal(n, w) => write!(f, "{} seals {w}", who(n)),
            Self::Renew(n) => write!(f, "{} renews its lease", who(n)),
            Self::Adopt(n, _) => write!(f, "{} takes over from a dead one", who(n)),
            Self::Stop(n) => write!(f, "{} stands still", who(n)),
            Self::Wake(n) => write!(f, "{} wakes up", who(n)),
            Self::Crash(n) => write!(f, "{} is killed", who(n)),
            Self::Start(n) => write!(f, "{} starts", who(n)),
            Self::Tick => write!(f, "a tick"),
        }
    }
}
