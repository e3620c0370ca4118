//! Whether effects may happen at all now (ERRORS REFUSE). Looked at again and again, so
//! that nobody finds out halfway through an action; what is under way is finished, and
//! room for its receipts is kept.
//!
//! ```text
//! look: disk, store, log key, clock ──▶ ailment ──▶ claim, what begins and /readyz ask
//!                             clock ──▶ behind what was written ──▶ each resend asks
//! ```
//!
//! Executors that share a store go by its clock: one whose own is off halts itself, and what it
//! wrote halts no other.

mod disk;
mod reserve;

use std::sync::Arc;
use std::time::Duration;

use countersign_core::error::Refused;
use countersign_core::lifecycle::Event;
use countersign_shared::codes::Code;
use jiff::{SignedDuration, Timestamp};
use parking_lot::RwLock;
use tokio::time::{Instant, timeout};

pub use self::disk::{Disk, Folder, Found};
use crate::metrics::Metrics;
use crate::ports::{Clock, Store, StoreError};
use crate::standing::Standing;

/// Between two looks. With `PATIENCE` less than 5 s, unless the disk itself hangs.
const EVERY: Duration = Duration::from_secs(2);
/// Longest wait for the store's write: a disk may hang. As long as that allows, since a disk that
/// others keep busy is slow and takes writes all the same.
const PATIENCE: Duration = Duration::from_millis(2900);
/// Room that the disk must have for effects to begin, in bytes.
const ROOM: u64 = 64 * 1024 * 1024;
/// A clock that is off by less than this is no reason to stop.
const LEEWAY: SignedDuration = SignedDuration::from_secs(2);

/// An answer older than this is none: whoever looks has stopped.
const STALE: Duration = Duration::from_secs(10);

/// What stands in the way of effects, if anything does. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct Vitals(Arc<RwLock<Told>>);

#[derive(Debug, Default)]
struct Told {
    ailment: Option<String>,
    /// Why the store only reads.
    quarantine: Option<String>,
    /// Whether effects may be there whose receipts are not.
    gap: Option<Timestamp>,
    /// The latest time that was ever written.
    written: Option<Timestamp>,
    /// The latest time by the clock of a store that is shared.
    shared: Option<Timestamp>,
    /// When it was looked at; never where nobody watches, as in tests of what comes after.
    at: Option<Instant>,
}

/// What is looked at.
pub struct Watch {
    vitals: Vitals,
    disk: Box<dyn Disk>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// What one look found.
#[derive(Debug)]
struct Seen {
    disk: Found,
    /// How far the clock is ahead of the store's; below zero it is behind.
    store: Result<SignedDuration, String>,
    /// How far the clock lies behind what was written.
    behind: SignedDuration,
}

impl Vitals {
    /// Whether effects may begin.
    ///
    /// # Errors
    /// `EFFECTS_HALTED`, `QUARANTINED`. What stands in the way is for operators: `/readyz`
    /// and the log.
    pub fn check(&self) -> Result<(), Refused> {
        if self.quarantine().is_some() {
            return Err(Refused::new(Code::Quarantined, StoreError::Quarantined.to_string()));
        }
        if self.ailment(Instant::now()).is_none() {
            return Ok(());
        }
        let message = "the executor begins no effects now: its /readyz says why";
        Err(Refused::new(Code::EffectsHalted, message))
    }

    /// What stands in the way, with what to do about it.
    #[must_use]
    pub fn ailment(&self, now: Instant) -> Option<String> {
        let told = self.0.read();
        let age = told.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if age > STALE {
            return Some(format!(
                "nobody has looked at disk, store, key and clock for {} s: look at the disk, \
                 or start again",
                age.as_secs()
            ));
        }
        told.ailment.clone()
    }

    /// Why the store only reads, where it does. Reads go on, so it is no ailment.
    #[must_use]
    pub fn quarantine(&self) -> Option<String> {
        self.0.read().quarantine.clone()
    }

    /// Since when effects may be there whose receipts are not: to be looked for first.
    #[must_use]
    pub fn gap(&self) -> Option<Timestamp> {
        self.0.read().gap
    }

    /// Takes over how the store stands. A quarantine ends with the process at the earliest:
    /// recovery wants it stopped.
    pub fn stand(&self, standing: &Standing) {
        let mut told = self.0.write();
        if told.quarantine.is_none()
            && let Some(quarantine) = &standing.quarantine
        {
            let why = format!("since {}: {}", quarantine.since, quarantine.why);
            tracing::error!(%why, "quarantine: reads only, until `countersign recover`");
            told.quarantine = Some(why);
        }
        if standing.gap.is_some() && told.gap.is_none() {
            tracing::warn!("receipts may be missing: each effect is looked for before it is sent");
        }
        told.gap = standing.gap.as_ref().map(|gap| gap.since);
    }

    /// Hears of a time that was written.
    pub fn wrote(&self, at: Option<Timestamp>) {
        let mut told = self.0.write();
        told.written = told.written.max(at);
    }

    /// Whether the clock lies behind what was written: nothing that it measures holds then.
    #[must_use]
    pub fn is_behind(&self, now: Timestamp) -> bool {
        self.behind(now) > LEEWAY
    }

    /// How far the clock lies behind what was written. Whoever wrote a time that is still to come
    /// by the clock that all share was ahead.
    fn behind(&self, now: Timestamp) -> SignedDuration {
        let told = self.0.read();
        let written = told.written.map(|at| told.shared.map_or(at, |shared| at.min(shared)));
        written.map_or(SignedDuration::ZERO, |at| at.duration_since(now))
    }

    /// Hears the time by the clock that all share.
    fn heard(&self, at: Timestamp) {
        let mut told = self.0.write();
        told.shared = told.shared.max(Some(at));
    }

    fn set(&self, found: Option<String>, now: Instant) {
        let mut told = self.0.write();
        if told.ailment != found {
            match &found {
                Some(why) => tracing::error!(%why, "effects are halted"),
                None => tracing::info!("effects go on"),
            }
        }
        told.ailment = found;
        told.at = Some(now);
    }
}

impl Watch {
    /// Over a store that is open; looks once. What it finds, `vitals` and `metrics` tell.
    ///
    /// # Errors
    /// When the newest receipt cannot be read.
    pub async fn begin(
        vitals: Vitals,
        disk: impl Disk,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        // Before the first look, which a slow disk may cut off: what was put off is not sent again
        // unlooked in a gap.
        vitals.stand(&store.standing().await?);
        vitals.wrote(store.newest().await?);
        vitals.wrote(under_way(&*store).await);
        let mut watch = Self { vitals, disk: Box::new(disk), store, clock, metrics };
        watch.look().await;
        Ok(watch)
    }

    /// Looks until it is dropped.
    pub async fn run(mut self) {
        loop {
            tokio::time::sleep(EVERY).await;
            self.look().await;
        }
    }

    /// Looks once.
    pub async fn look(&mut self) {
        let store = match timeout(PATIENCE, self.written()).await {
            Ok(tried) => tried.map_err(|e| e.to_string()),
            Err(_) => Err("it does not answer a write".to_owned()),
        };
        let disk = self.disk.look().await;
        if let Ok(free) = disk.free {
            self.metrics.disk(free);
        }
        let behind = self.vitals.behind(self.clock.now());
        let seen = Seen { disk, store, behind };
        self.vitals.set(seen.ailment(), Instant::now());
    }

    /// Writes, and reads what was written last. Answers with how far the clock is ahead of the
    /// store's, as far as that is certain however long the answer took.
    async fn written(&mut self) -> Result<SignedDuration, StoreError> {
        let (begun, before) = (Instant::now(), self.clock.now());
        // A look that shows that the store went back says so in its standing.
        let probed = self.store.probe().await;
        let (took, after) = (begun.elapsed(), self.clock.now());
        self.vitals.stand(&self.store.standing().await?);
        let shared = probed?;
        self.metrics.committed(took);
        self.vitals.wrote(self.store.newest().await?);
        let Some(at) = shared else { return Ok(SignedDuration::ZERO) };
        self.vitals.heard(at);
        let (ahead, behind) = (before.duration_since(at), after.duration_since(at));
        Ok(ahead.max(SignedDuration::ZERO) + behind.min(SignedDuration::ZERO))
    }
}

impl Seen {
    fn ailment(&self) -> Option<String> {
        let wanted = if self.disk.reserved { ROOM } else { ROOM + reserve::SIZE };
        let mebi = |bytes: u64| bytes / (1024 * 1024);
        match (&self.disk.free, &self.store, &self.disk.key) {
            (Err(error), _, _) => Some(format!("the state folder cannot be looked at: {error}")),
            (Ok(free), _, _) if *free < wanted => Some(format!(
                "the disk of the state folder has {} MiB left and needs {}: make room on it",
                mebi(*free),
                mebi(wanted)
            )),
            (Ok(_), Err(error), _) => Some(format!(
                "the store takes no writes: {error}: make room on its disk, or let it be written"
            )),
            (Ok(_), Ok(_), Err(error)) => Some(format!("{error}: put the file back")),
            (Ok(_), Ok(ahead), Ok(())) if ahead.abs() > LEEWAY => Some(format!(
                "this node's clock is {} s {} the database's: set right whichever is wrong",
                ahead.abs().as_secs(),
                if ahead.is_positive() { "ahead of" } else { "behind" }
            )),
            (Ok(_), Ok(_), Ok(())) if self.behind > LEEWAY => Some(format!(
                "the clock is {} s behind what was written last: set it right",
                self.behind.as_secs()
            )),
            (Ok(_), Ok(_), Ok(())) => None,
        }
    }
}

/// The newest time in the journals of what has no receipt yet.
async fn under_way(store: &dyn Store) -> Option<Timestamp> {
    match store.unfinished().await {
        Ok(journals) => journals.iter().flatten().filter_map(Event::at).max(),
        Err(error) => {
            tracing::warn!(%error, "the clock is held against receipts only");
            None
        }
    }
}

#[cfg(test)]
mod tests;
