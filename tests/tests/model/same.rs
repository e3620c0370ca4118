//! One state for all that cannot be told apart by anything that may follow: this is
//! what keeps a complete walk short.

use crate::store::{Action, Generation};
use crate::till::Write;
use crate::world::World;

/// The clock stands here while no action has a time of its own. Two ticks before it are
/// as long ago as anything.
pub(crate) const BEGIN: u8 = 2;

impl World {
    /// Brings the world into the form that stands for all of its like.
    pub(crate) fn settle(&mut self) {
        self.land_or_go();
        self.rest();
        self.begin_again();
        self.forget_leases();
        self.rename();
    }

    /// Requests that cannot land any more and answers that nobody awaits are gone.
    fn land_or_go(&mut self) {
        let (now, processes) = (self.now, &self.processes);
        self.flights.retain(|flight| {
            let awaited = processes.iter().flatten().any(|p| p.awaits(flight));
            flight.lands(now) || (flight.answer.is_some() && awaited)
        });
    }

    /// An executor with nothing to do is up and has its lease: if it were down, late or
    /// dead, nobody would see a difference until it is asked.
    fn rest(&mut self) {
        for name in [0, 1] {
            let at = usize::from(name);
            let own = |world: &Self| -> Vec<Generation> {
                let rows = world.store.executors().iter().filter(|row| row.name == name);
                rows.map(|row| row.generation).collect()
            };
            let busy = match &self.processes[at] {
                Some(process) => !process.idle(),
                None => own(self).iter().any(|generation| self.store.owes(*generation)),
            };
            if busy {
                continue;
            }
            let until = self.now + 1;
            let living = own(self).pop();
            let generation = living.unwrap_or_else(|| self.store.start(name, until));
            self.store.extend(generation, until);
            self.processes[at] = Some(crate::executor::Process::new(generation, until));
        }
    }

    /// While no action was sent and has yet to end, no time lies behind that counts.
    fn begin_again(&mut self) {
        let begun = |write: Write| matches!(self.store.action(write), Action::Begun { .. });
        let under_way = (0..3).any(begun) || self.processes.iter().flatten().any(|p| p.has_sent());
        if under_way || !self.flights.is_empty() {
            return;
        }
        let back = |time: u8, now: u8| (time + BEGIN).saturating_sub(now);
        let now = self.now;
        self.store.leases(|until| back(until, now));
        self.processes.iter_mut().flatten().for_each(|p| p.begin_again(BEGIN, back(p.until, now)));
        self.backend.effects.iter_mut().for_each(crate::backend::Effect::forget);
        self.now = BEGIN;
    }

    /// A lease that ended long ago has ended.
    fn forget_leases(&mut self) {
        let now = self.now;
        self.store.leases(|until| until.max(now.saturating_sub(1)));
        self.processes.iter_mut().flatten().for_each(|p| p.until = p.until.max(now));
    }

    /// Generations are told apart, and nothing else is read from them.
    fn rename(&mut self) {
        let mut names: Vec<Generation> = Vec::new();
        let mut name = |generation: &mut Generation| {
            let known = names.iter().position(|n| n == generation);
            let at = known.unwrap_or_else(|| {
                names.push(*generation);
                names.len() - 1
            });
            *generation = at as Generation + 1;
        };
        self.store.generations(&mut name);
        self.processes.iter_mut().flatten().for_each(|p| name(&mut p.generation));
        self.flights.iter_mut().for_each(|f| name(&mut f.by));
        self.store.count(names.len() as Generation + 1);
        self.flights.sort();
        self.compare();
    }

    /// Of who sealed a receipt, nothing is read but whether the planner heard of the same.
    fn compare(&mut self) {
        for (write, heard) in self.heard.iter_mut().enumerate() {
            let Some(by) = self.store.receipt(write as Write) else { continue };
            if let Some(heard) = heard {
                heard.by = Generation::from(heard.by != *by);
            }
            *by = 0;
        }
    }
}
