//! Reads levels from store, log and switches now and again, so that being asked for them costs
//! nothing, however often.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::lifecycle::Event;
use countersign_shared::tlog::checkpoint::Checkpoint;
use countersign_shared::tlog::note::Note;
use jiff::Timestamp;
use serde::Deserialize;

use super::Metrics;
use super::families::{Level, gauge};
use crate::connector::Connections;
use crate::log::Countersigned;
use crate::ports::{Clock, EscalationQuery, Store, StoreError};
use crate::vitals::Vitals;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);
/// Most matters that are counted; a house with more has lost count anyway.
const MOST: u32 = 1000;

/// What is looked at.
pub struct Survey {
    /// Folder of the published log, and what planners countersigned.
    pub log: (PathBuf, Countersigned),
    /// Whether effects may begin.
    pub vitals: Vitals,
    /// Remembers.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where it is told.
    pub metrics: Metrics,
    /// Where requests go.
    pub connections: Connections,
}

/// Of a receipt, only when.
#[derive(Deserialize)]
struct Sealed {
    sealed_at: Timestamp,
}

impl Survey {
    /// Looks until it is dropped.
    pub async fn run(self) {
        loop {
            self.standing();
            match self.look().await {
                Ok(()) => {
                    let now = self.clock.now().as_second();
                    self.metrics.families().surveyed.set(now);
                }
                Err(error) => tracing::warn!(%error, "levels are read later"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// What this process knows by itself.
    fn standing(&self) {
        let told = self.metrics.families();
        told.halted.set(self.vitals.ailment(tokio::time::Instant::now()).is_some().into());
        told.quarantined.set(self.vitals.quarantine().is_some().into());
        for (tenant, pack, left_alone) in self.connections.left_alone() {
            let labels = [("tenant", tenant.to_owned()), ("pack", pack.to_owned())];
            told.left_alone.get_or_create(&labels).set(left_alone.into());
        }
    }

    async fn look(&self) -> Result<(), StoreError> {
        let told = self.metrics.families();
        let under_way = self.store.unfinished().await?;
        let under_way = under_way.iter().filter_map(|journal| claimed(journal)).collect();
        self.count(under_way, &told.under_way, &told.under_way_oldest);
        let waiting = self.store.waiting().await?;
        let waiting = waiting.iter().filter_map(|journal| proposed(journal)).collect();
        self.count(waiting, &told.waiting, &told.waiting_oldest);
        let query = EscalationQuery { limit: MOST, ..EscalationQuery::default() };
        let open = self.store.escalations(query).await?;
        let in_doubt = open.iter().filter(|matter| matter.case.outcome == "unknown");
        let in_doubt = in_doubt.map(|matter| matter.case.at).collect();
        self.count(in_doubt, &told.in_doubt, &told.in_doubt_oldest);
        let open = open.iter().map(|matter| matter.case.at).collect();
        self.count(open, &told.escalations, &told.escalations_oldest);
        told.switches_off.set(gauge(self.store.switches().await?.iter().count() as u64));
        self.log().await
    }

    fn count(&self, since: Vec<Timestamp>, number: &Level, oldest: &Level) {
        number.set(gauge(since.len() as u64));
        oldest.set(since.iter().min().map_or(0, |at| self.age(*at)));
    }

    fn age(&self, at: Timestamp) -> i64 {
        self.clock.now().duration_since(at).as_secs().max(0)
    }

    async fn log(&self) -> Result<(), StoreError> {
        let note = self.store.checkpoint().await?;
        let size = size_of(note.as_bytes()).unwrap_or(0);
        self.metrics.families().log_size.set(gauge(size));
        let (folder, countersigned) = &self.log;
        let published = tokio::fs::read(folder.join("checkpoint")).await.ok();
        let published = published.and_then(|note| size_of(&note)).unwrap_or(0);
        self.behind("folder", size, published).await?;
        self.behind("planner", size, countersigned.size()).await
    }

    /// How much of the log somebody has not seen, and since when that is in the log.
    async fn behind(&self, who: &'static str, size: u64, seen: u64) -> Result<(), StoreError> {
        let told = self.metrics.families();
        let who = [("who", who.to_owned())];
        told.log_behind.get_or_create(&who).set(gauge(size.saturating_sub(seen)));
        let age = age(&*self.store, seen..size, self.clock.now()).await?;
        told.log_behind_seconds.get_or_create(&who).set(age);
        Ok(())
    }
}

/// Seconds since the first of these leaves was sealed; 0 where there is none.
pub(crate) async fn age(
    store: &dyn Store,
    leaves: Range<u64>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    if leaves.is_empty() {
        return Ok(0);
    }
    let first = leaves.start..leaves.start.saturating_add(1);
    let leaf = store.leaves(first).await?.pop();
    let sealed = leaf.and_then(|leaf| serde_json::from_slice::<Sealed>(&leaf).ok());
    Ok(sealed.map_or(0, |sealed| now.duration_since(sealed.sealed_at).as_secs().max(0)))
}

fn proposed(journal: &[Event]) -> Option<Timestamp> {
    if let Event::Proposed(proposal) = journal.first()? { Some(proposal.at()) } else { None }
}

fn claimed(journal: &[Event]) -> Option<Timestamp> {
    journal.iter().find_map(
        |event| {
            if let Event::Claimed(taken) = event { Some(taken.at()) } else { None }
        },
    )
}

fn size_of(note: &[u8]) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    Some(Checkpoint::parse(note.text()).ok()?.size())
}
