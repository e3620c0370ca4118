//! The store of several executors: who lives, who reserved what, who carries what on.
//! Each function is one transaction.

use countersign_core::lifecycle::Outcome;

use crate::rules::{Facing, Told};
use crate::till::{INTENT, WRITES, Write};

/// One running process of an executor: its fencing token.
pub(crate) type Generation = u8;

/// All that is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    executors: Vec<Row>,
    next: Generation,
    claims: [Option<Generation>; WRITES],
    lock: Option<Write>,
    actions: [Action; WRITES],
    /// Whether it writes for the living only.
    fenced: bool,
}

/// An executor's lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) generation: Generation,
    /// Whose state folder it runs on.
    pub(crate) name: u8,
    /// It ends with the beginning of this tick.
    pub(crate) until: u8,
}

/// An action, as far as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// At most reserved.
    Fresh,
    /// Begun, and carried by one generation.
    Begun { holder: Generation, journal: Told },
    /// In the log. `by` names the receipt.
    Sealed { by: Generation, outcome: Outcome, occasion: u8 },
}

/// A transaction that was rolled back: somebody else's, or not of the living.
#[derive(Debug)]
pub(crate) struct Conflict;

impl Store {
    pub(crate) fn new(fenced: bool) -> Self {
        let actions = [Action::Fresh, Action::Fresh, Action::Fresh];
        Self { executors: vec![], next: 1, claims: [None; WRITES], lock: None, actions, fenced }
    }

    pub(crate) fn action(&self, write: Write) -> &Action {
        &self.actions[usize::from(write)]
    }

    /// Who holds the sale.
    pub(crate) fn lock(&self) -> Option<Write> {
        self.lock
    }

    pub(crate) fn executors(&self) -> &[Row] {
        &self.executors
    }

    /// Whether its row is there.
    pub(crate) fn lives(&self, me: Generation) -> bool {
        self.executors.iter().any(|row| row.generation == me)
    }

    fn stands(&self, me: Generation) -> Result<(), Conflict> {
        if self.lives(me) || !self.fenced { Ok(()) } else { Err(Conflict) }
    }

    /// A process starts under a name, with a generation that nobody had.
    pub(crate) fn start(&mut self, name: u8, until: u8) -> Generation {
        let generation = self.next;
        self.next += 1;
        self.executors.push(Row { generation, name, until });
        generation
    }

    pub(crate) fn renew(&mut self, me: Generation, until: u8) -> Result<(), Conflict> {
        self.stands(me)?;
        self.extend(me, until);
        Ok(())
    }

    /// The lease's row, where it is there.
    pub(crate) fn extend(&mut self, me: Generation, until: u8) {
        self.executors.iter_mut().filter(|r| r.generation == me).for_each(|r| r.until = until);
    }

    /// Whether a generation carries or reserved anything.
    pub(crate) fn owes(&self, me: Generation) -> bool {
        let holds = |a: &Action| matches!(a, Action::Begun { holder, .. } if *holder == me);
        self.claims.contains(&Some(me)) || self.actions.iter().any(holds)
    }

    /// Changes the end of every lease.
    pub(crate) fn leases(&mut self, change: impl Fn(u8) -> u8) {
        self.executors.iter_mut().for_each(|row| row.until = change(row.until));
    }

    /// Shows every generation that it knows, in a fixed order.
    pub(crate) fn generations(&mut self, see: &mut impl FnMut(&mut Generation)) {
        self.executors.sort_by_key(|row| (row.name, row.generation));
        self.executors.iter_mut().for_each(|row| see(&mut row.generation));
        self.claims.iter_mut().flatten().for_each(&mut *see);
        for action in &mut self.actions {
            match action {
                Action::Fresh => {}
                Action::Begun { holder, .. } => see(holder),
                Action::Sealed { .. } => {}
            }
        }
    }

    /// The receipt's name, where there is one.
    pub(crate) fn receipt(&mut self, write: Write) -> Option<&mut Generation> {
        match &mut self.actions[usize::from(write)] {
            Action::Fresh | Action::Begun { .. } => None,
            Action::Sealed { by, .. } => Some(by),
        }
    }

    /// The next process gets this generation.
    pub(crate) fn count(&mut self, next: Generation) {
        self.next = next;
    }

    /// Takes over what a dead generation carried; what it only reserved was never sent
    /// (INTENT FIRST) and is free again.
    pub(crate) fn adopt(
        &mut self,
        me: Generation,
        dead: Generation,
    ) -> Result<Vec<(Write, Told)>, Conflict> {
        self.stands(me)?;
        let mut adopted = Vec::new();
        for write in 0..WRITES {
            if self.claims[write] == Some(dead) {
                self.claims[write] = None;
                self.unlock(write as Write);
            }
            if let Action::Begun { holder, journal } = &mut self.actions[write]
                && *holder == dead
            {
                *holder = me;
                adopted.push((write as Write, journal.clone()));
            }
        }
        self.executors.retain(|row| row.generation != dead);
        Ok(adopted)
    }

    /// What a claim of this write faces.
    pub(crate) fn facing(&self, write: Write) -> Facing {
        let intent = |other: usize| INTENT[other] == INTENT[usize::from(write)];
        let reserved = (0..WRITES).find(|o| intent(*o) && self.claims[*o].is_some());
        let begun = (0..WRITES).filter(|o| intent(*o)).filter_map(|other| {
            let (occasion, outcome) = match &self.actions[other] {
                Action::Fresh => return None,
                Action::Begun { journal, .. } => (journal.occasion(), None),
                Action::Sealed { outcome, occasion, .. } => (*occasion, Some(*outcome)),
            };
            Some((other as Write, occasion, outcome))
        });
        let latest = match reserved {
            Some(other) => Some((other as Write, 0, None)),
            None => begun.max_by_key(|(_, occasion, _)| *occasion),
        };
        Facing { latest, lock: self.lock }
    }

    /// Makes a claim's reservation. A unique key means that one intent has one holder;
    /// another's lock is overlooked only where the claim was told of none.
    pub(crate) fn reserve(&mut self, me: Generation, write: Write) -> Result<(), Conflict> {
        self.stands(me)?;
        self.claims[usize::from(write)] = Some(me);
        self.lock = self.lock.or(Some(write));
        Ok(())
    }

    /// Writes a journal that had `seq` events before.
    pub(crate) fn append(
        &mut self,
        me: Generation,
        write: Write,
        seq: u8,
        journal: &Told,
    ) -> Result<(), Conflict> {
        self.take(me, write, seq)?;
        let holder = me;
        self.actions[usize::from(write)] = Action::Begun { holder, journal: journal.clone() };
        Ok(())
    }

    /// Puts the receipt into the log; what is in doubt keeps its lock.
    pub(crate) fn seal(
        &mut self,
        me: Generation,
        write: Write,
        seq: u8,
        (outcome, occasion): (Outcome, u8),
    ) -> Result<(), Conflict> {
        self.take(me, write, seq)?;
        self.actions[usize::from(write)] = Action::Sealed { by: me, outcome, occasion };
        if outcome != Outcome::Unknown {
            self.unlock(write);
        }
        Ok(())
    }

    /// The fences of a write: the generation lives, the reservation or the action is its
    /// own, and nobody else wrote the same place of the journal.
    fn take(&mut self, me: Generation, write: Write, seq: u8) -> Result<(), Conflict> {
        self.stands(me)?;
        let claim = &mut self.claims[usize::from(write)];
        match &self.actions[usize::from(write)] {
            Action::Fresh if *claim == Some(me) || !self.fenced => {
                *claim = claim.filter(|holder| *holder != me);
                Ok(())
            }
            Action::Begun { holder, journal }
                if journal.len() == seq && (*holder == me || !self.fenced) =>
            {
                Ok(())
            }
            Action::Fresh | Action::Begun { .. } | Action::Sealed { .. } => Err(Conflict),
        }
    }

    fn unlock(&mut self, write: Write) {
        self.lock = self.lock.filter(|holder| *holder != write);
    }
}
