//! One simulation from its seed, and many of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use countersign_executor::store::memory::Written;
use parking_lot::Mutex;

use super::dice::Dice;
use super::executor::{self, EXECUTORS, Switches};
use super::faults::Weather;
use super::oracle;
use super::people::{self, All, WISHES, Wish, customer};
use super::planner;
use super::shop::{self, Order};
use super::world::{Rates, World};

/// Milliseconds of one step.
const STEP: u64 = 10;
const LEASE: Duration = Duration::from_secs(6);
/// After this everything has to be at its end, in milliseconds.
const LATEST: u64 = 240_000;
/// Nothing under way for so long is the end, in milliseconds.
const QUIET: u64 = 500;

/// What came of one seed.
#[derive(Default)]
pub struct Outcome {
    /// Every event that was written, in order.
    pub events: Vec<String>,
    pub violations: Vec<String>,
    pub story: Vec<String>,
    pub figures: Figures,
}

/// Counts, added up over seeds.
#[derive(Default)]
pub struct Figures {
    pub begun: u64,
    pub hit: u64,
    pub seconds: f64,
    pub faults: BTreeMap<&'static str, u64>,
    pub outcomes: BTreeMap<String, u64>,
    pub codes: BTreeMap<String, u64>,
}

/// Runs one seed to its end.
pub fn one(seed: u64) -> Outcome {
    let mut dice = Dice::new(seed);
    let rates =
        Rates { backend: *dice.pick(&[0, 150, 300, 500]), database: *dice.pick(&[0, 0, 10, 30]) };
    let world = World::new(seed, LEASE, rates);
    let wishes = wishes(&world, &mut dice);
    let heard = All::default();
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH)
        .tick_duration(Duration::from_millis(STEP))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(30))
        .simulation_duration(Duration::from_millis(2 * LATEST))
        .enable_random_order()
        .build();
    let switches = [Switches::default(), Switches::default()];
    build(&mut sim, &world, &switches, wishes, &heard);
    let elapsed = steps(&mut sim, &world, Weather::new(&world, switches));
    drop(sim);
    let verdict = oracle::judge(&world, &heard.lock());
    let mut codes = BTreeMap::new();
    for said in heard.lock().iter() {
        *codes.entry(format!("{}{}", said.outcome, said.code)).or_default() += 1;
    }
    let hit = verdict.begun.intersection(&world.hit()).count();
    Outcome {
        events: events(&world),
        violations: world.violations(),
        story: world.story(),
        figures: Figures {
            begun: verdict.begun.len().try_into().unwrap(),
            hit: hit.try_into().unwrap(),
            seconds: elapsed as f64 / 1000.0,
            faults: world.faults(),
            outcomes: verdict.outcomes,
            codes,
        },
    }
}

/// Three customers with two orders each, and what they want, some of it more than once.
fn wishes(world: &World, dice: &mut Dice) -> Vec<Wish> {
    let mut books = world.books.lock();
    for order in 0..6 {
        let owner = customer(order / 2);
        books.orders.insert(format!("ord_{order}"), Order { owner, open: true, version: 1 });
    }
    let many = 5 + dice.below(6);
    let wish = |_| {
        let order = dice.below(6);
        let (tool, words) = *dice.pick(&WISHES);
        let (at, twice) = (200 + dice.next() % 6000, dice.once_in(8));
        Wish { who: order / 2, order: format!("ord_{order}"), tool, words, at, twice }
    };
    (0..many).map(wish).collect()
}

fn build(
    sim: &mut turmoil::Sim<'_>,
    world: &Arc<World>,
    switches: &[Switches; 2],
    wishes: Vec<Wish>,
    heard: &All,
) {
    let shared = Arc::clone(world);
    sim.host(shop::HOST, move || shop::serve(Arc::clone(&shared)));
    for (host, switches) in EXECUTORS.into_iter().zip(switches.clone()) {
        let shared = Arc::clone(world);
        sim.host(host, move || executor::run(Arc::clone(&shared), host, switches.clone()));
    }
    let shared = Arc::clone(world);
    sim.host(planner::HOST, move || planner::run(Arc::clone(&shared)));
    sim.client(people::HOST, people::run(Arc::clone(world), wishes, Arc::clone(heard)));
}

/// Until nothing is under way any more. What nobody carries on although everybody is well
/// gets one more chance: every executor starts again.
fn steps(sim: &mut turmoil::Sim<'_>, world: &Arc<World>, mut weather: Weather) -> u64 {
    let (mut now, mut quiet_since, mut restarted) = (0, None, false);
    while now < LATEST {
        let done = match sim.step() {
            Ok(done) => done,
            Err(error) => {
                world.wrong(format!("a host failed: {error}"));
                return now;
            }
        };
        now += STEP;
        world.pass(now);
        weather.pass(sim, now, STEP);
        let quiet = done && world.database.unfinished() == 0;
        quiet_since = if quiet { quiet_since.or(Some(now)) } else { None };
        if quiet_since.is_some_and(|since| now - since >= QUIET) {
            return now;
        }
        if done && !restarted && now > LATEST - 60_000 {
            restarted = true;
            world.tell("every executor starts again");
            EXECUTORS.into_iter().for_each(|host| sim.bounce(host));
        }
    }
    world.wrong(format!("{} actions have come to no end", world.database.unfinished()));
    now
}

/// Every event as a line.
fn events(world: &World) -> Vec<String> {
    let line = |w: Written| format!("{} {} {}", w.action, w.seq, w.event);
    world.database.written(0).into_iter().map(line).collect()
}

/// Runs seeds from `first` on; stops after the first one that goes wrong.
pub fn many(first: u64, count: u64) -> (Figures, Option<(u64, Outcome)>) {
    let (next, began) = (AtomicU64::new(first), Instant::now());
    let total = Mutex::new(Figures::default());
    let wrong: Mutex<Option<(u64, Outcome)>> = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while wrong.lock().is_none() {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= first + count {
                        return;
                    }
                    let outcome = one(seed);
                    total.lock().add(&outcome.figures);
                    if !outcome.violations.is_empty() {
                        let mut wrong = wrong.lock();
                        // The smallest, whichever thread was faster.
                        if wrong.as_ref().is_none_or(|(other, _)| seed < *other) {
                            *wrong = Some((seed, outcome));
                        }
                    }
                    let done = seed - first + 1;
                    if done.is_multiple_of(500) {
                        eprintln!(
                            "{done} of {count} seeds, {:.0} s",
                            began.elapsed().as_secs_f64()
                        );
                    }
                }
            });
        }
    });
    (total.into_inner(), wrong.into_inner())
}

impl Figures {
    fn add(&mut self, more: &Self) {
        self.begun += more.begun;
        self.hit += more.hit;
        self.seconds += more.seconds;
        let sum = |into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>| {
            from.iter().for_each(|(name, n)| *into.entry(name.clone()).or_default() += n);
        };
        more.faults.iter().for_each(|(kind, n)| *self.faults.entry(*kind).or_default() += n);
        sum(&mut self.outcomes, &more.outcomes);
        sum(&mut self.codes, &more.codes);
    }
}
