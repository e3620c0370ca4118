//! What happens to the hosts and the network between them: decided by chance before it
//! happens, and over when the weather clears.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_core::lifecycle::Event;
use turmoil::Sim;

use super::dice::Dice;
use super::executor::{EXECUTORS, Switches};
use super::people;
use super::planner;
use super::shop;
use super::world::World;

/// When the weather clears, in milliseconds.
pub const CLEARS: u64 = 25_000;

/// Whatever was sent shows by then, in milliseconds. Across a restart an executor has only
/// the wall clock to wait by: so long before a crash and after it nobody sets that forward.
const SHOWN: u64 = 8000;
/// Furthest that a wall clock is set, in milliseconds.
const FURTHEST: i64 = 600_000;
/// Where nothing was written for so long, in milliseconds, everybody waits.
const IDLE: u64 = 10_000;

/// One disturbance that goes on for a while.
enum Going {
    Crashed(&'static str),
    /// It was started again a short while ago.
    Started(&'static str),
    Apart(&'static str, &'static str),
    Held(&'static str, &'static str),
    Cut(usize),
    /// Its disk is nearly full.
    Full(usize),
    /// Somebody set its wall clock.
    Set(usize),
    /// Its wall clock was put right a short while ago.
    PutRight(usize),
}

/// Everything that is wrong just now.
pub struct Weather {
    world: Arc<World>,
    dice: Dice,
    switches: [Switches; 2],
    going: Vec<(u64, Going)>,
    /// How likely something begins within a second, in thousandths.
    rate: usize,
    /// Events that were seen to be written.
    seen: usize,
    /// Until when nothing may leap: something is still on its way.
    still: u64,
    /// Effects that were late in the shop so far.
    late: u64,
    /// Whether wall clocks are set here. Nothing leaps then, or a key's window could be over
    /// while the wall clock says that it is not.
    sets: bool,
    /// When something was written last.
    busy: u64,
}

/// What decides, how often something goes wrong, and whether wall clocks are set.
fn climate(world: &World) -> (Dice, usize, bool) {
    let mut dice = world.dice("weather");
    let rate = *dice.pick(&[0, 100, 300, 600]);
    let sets = dice.once_in(3) && rate > 0;
    (dice, rate, sets)
}

/// Whether wall clocks are set by minutes in this seed.
pub fn sets_clocks(world: &World) -> bool {
    climate(world).2
}

impl Weather {
    pub fn new(world: &Arc<World>, switches: [Switches; 2]) -> Self {
        let (dice, rate, sets) = climate(world);
        let world = Arc::clone(world);
        let going = Vec::new();
        Self { world, dice, switches, going, rate, seen: 0, still: 0, late: 0, sets, busy: 0 }
    }

    /// One more step of so many milliseconds, at this time.
    pub fn pass(&mut self, sim: &mut Sim<'_>, now: u64, step: u64) {
        let over: Vec<_> = self.going.extract_if(.., |(until, _)| *until <= now).collect();
        over.into_iter().for_each(|(_, going)| self.end(sim, now, going));
        let news = self.world.database.written(self.seen);
        self.seen += news.len();
        if now < CLEARS || !news.is_empty() || !self.going.is_empty() {
            self.busy = now;
        }
        if self.sets && now - self.busy >= IDLE {
            self.let_it_come(now);
        }
        if now >= CLEARS || self.rate == 0 {
            return;
        }
        // A request that the shop is at is on its way still: it takes less than this.
        let late = self.world.faults().get("effect late").copied().unwrap_or(0);
        if late > self.late {
            self.late = late;
            self.still = self.still.max(now + 2000);
        }
        let sent = news.iter().filter(|w| w.event.starts_with("{\"intended\"")).count();
        let chance = |rate: usize, dice: &mut Dice| dice.below(1000) < rate;
        let by_itself = self.dice.below(1_000_000) < self.rate * usize::try_from(step).unwrap();
        // Most is to be learnt where a request is just on its way.
        let on_its_way = sent > 0 && chance(self.rate / 3, &mut self.dice);
        if by_itself || on_its_way {
            self.begin(sim, now);
        }
        if self.dice.below(1_000_000) < 200 * usize::try_from(step).unwrap() {
            self.staff();
        }
    }

    fn begin(&mut self, sim: &mut Sim<'_>, now: u64) {
        let lasts = 200 + self.dice.next() % 4000;
        let host = *self.dice.pick(&EXECUTORS);
        let other = *self.dice.pick(&[shop::HOST, planner::HOST]);
        match self.dice.below(13) {
            0..=2 => self.crash(sim, now, host, lasts),
            3 => self.crash(sim, now, planner::HOST, lasts),
            4 | 5 => {
                sim.partition(host, other);
                self.start("partition", now + lasts, Going::Apart(host, other));
            }
            6 => {
                sim.hold(host, other);
                let lasts = 200 + self.dice.next() % 1300;
                self.still = now + lasts + 2500;
                self.start("held back", now + lasts, Going::Held(host, other));
            }
            7 | 8 => {
                let at = self.dice.below(2);
                self.switches[at].cut.store(true, Ordering::SeqCst);
                self.start("database out of reach", now + 2 * lasts, Going::Cut(at));
            }
            9 => {
                let skew = i64::try_from(self.dice.next() % 2000).unwrap() - 1000;
                let at = self.dice.below(2);
                self.switches[at].skew.store(skew, Ordering::SeqCst);
                self.world.fault("clock off", self.under_way());
            }
            10 => {
                let at = self.dice.below(2);
                self.switches[at].full.store(true, Ordering::SeqCst);
                // Somebody looks every two seconds.
                self.start("disk nearly full", now + 2000 + lasts, Going::Full(at));
            }
            _ if self.sets => self.set(now),
            _ if now > self.still => {
                let seconds = *self.dice.pick(&[3, 9, 30, 400, 700]);
                self.world.leap(seconds);
                self.world.fault("leap", self.under_way());
            }
            _ => {}
        }
    }

    /// Sets the wall clock of an executor that lives; it is put right after a while.
    fn set(&mut self, now: u64) {
        let (at, forward) = (self.dice.below(2), self.dice.once_in(2));
        let most = u64::try_from(*self.dice.pick(&[5000, 60_000, FURTHEST])).unwrap();
        let by = i64::try_from(1 + self.dice.next() % most).unwrap();
        let lasts = 2000 + self.dice.next() % 8000;
        let host = EXECUTORS[at];
        let started = |going: &Going| matches!(going, Going::Started(h) if *h == host);
        if self.is_down(host) || self.is_set(host) || self.goes_on(started) {
            return;
        }
        let (kind, by) = if forward { ("clock forward", by) } else { ("clock back", -by) };
        self.start(kind, now + lasts, Going::Set(at));
        self.switches[at].set.store(by, Ordering::SeqCst);
        self.world.tell(format!("the clock of {host} is set by {by} ms"));
    }

    /// Whoever waits for a time that a clock showed while it was ahead waits for minutes, and so
    /// does whatever would begin: they pass at once.
    fn let_it_come(&mut self, now: u64) {
        self.world.tell("everybody waits, and time passes");
        self.world.leap(FURTHEST / 1000 + 60);
        self.busy = now;
    }

    fn crash(&mut self, sim: &mut Sim<'_>, now: u64, host: &'static str, lasts: u64) {
        if !self.is_down(host) && !self.is_set(host) {
            // Tasks are dropped in an order that is not the seed's: what they say goodbye
            // with leaves all at once.
            let others = [shop::HOST, planner::HOST, people::HOST, EXECUTORS[0], EXECUTORS[1]];
            let open = |other: &&'static str| *other != host && !self.is_apart(host, other);
            let others: Vec<_> = others.into_iter().filter(|other| open(other)).collect();
            others.iter().for_each(|other| sim.hold(host, *other));
            sim.crash(host);
            others.iter().for_each(|other| sim.release(host, *other));
            self.start("crash", now + lasts, Going::Crashed(host));
        }
    }

    fn is_apart(&self, one: &str, other: &str) -> bool {
        self.goes_on(|going| match going {
            Going::Apart(a, b) | Going::Held(a, b) => {
                (*a, *b) == (one, other) || (*b, *a) == (one, other)
            }
            _ => false,
        })
    }

    fn is_down(&self, host: &str) -> bool {
        self.goes_on(|going| matches!(going, Going::Crashed(h) if *h == host))
    }

    /// Whether its clock is off by minutes, or was a short while ago.
    fn is_set(&self, host: &str) -> bool {
        self.goes_on(|going| match going {
            Going::Set(at) | Going::PutRight(at) => EXECUTORS[*at] == host,
            _ => false,
        })
    }

    fn goes_on(&self, is: impl Fn(&Going) -> bool) -> bool {
        self.going.iter().any(|(_, going)| is(going))
    }

    fn start(&mut self, kind: &'static str, until: u64, going: Going) {
        self.world.fault(kind, self.under_way());
        self.going.push((until, going));
    }

    fn end(&mut self, sim: &mut Sim<'_>, now: u64, going: Going) {
        match going {
            Going::Crashed(host) => {
                sim.bounce(host);
                self.going.push((now + SHOWN, Going::Started(host)));
            }
            Going::Set(at) => {
                self.switches[at].set.store(0, Ordering::SeqCst);
                self.world.tell(format!("the clock of {} is put right", EXECUTORS[at]));
                self.going.push((now + SHOWN, Going::PutRight(at)));
            }
            Going::Started(_) | Going::PutRight(_) => {}
            Going::Apart(a, b) => sim.repair(a, b),
            Going::Held(a, b) => sim.release(a, b),
            Going::Cut(at) => self.switches[at].cut.store(false, Ordering::SeqCst),
            Going::Full(at) => self.switches[at].full.store(false, Ordering::SeqCst),
        }
    }

    /// Keys of actions that were sent and have no receipt.
    fn under_way(&self) -> Vec<String> {
        let mut keys = std::collections::BTreeMap::new();
        for written in self.world.database.written(0) {
            match serde_json::from_str(&written.event).unwrap() {
                Event::Claimed(taken) => {
                    keys.insert(written.action, taken.key().to_owned());
                }
                Event::Sealed(_) => {
                    keys.remove(&written.action);
                }
                _ => {}
            }
        }
        keys.into_values().collect()
    }

    /// A colleague works beside us.
    fn staff(&mut self) {
        let mut books = self.world.books.lock();
        let orders: Vec<_> = books.orders.keys().cloned().collect();
        let order = self.dice.pick(&orders).clone();
        let did = books.staff(&order, &mut self.dice);
        drop(books);
        self.world.tell(format!("staff: {did}"));
    }
}
