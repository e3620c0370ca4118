//! What came of a demo: the shop's own ledger, and the log that must agree with its checkpoint.

use std::time::{Duration, Instant};

use countersign_shared::tlog::failure::Failure;
use countersign_shared::tlog::verify::Verified;

use super::place::Place;
use super::shop::Effect;
use super::start::Running;
use crate::audit;
use crate::receipts::Filter;
use crate::receipts::source::Source;

/// For the log folder to catch up with the newest receipt.
const PUBLISHED: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a demo ended.
pub(super) struct Summary {
    effects: Vec<Effect>,
    log: Log,
}

/// How the log stands.
pub(super) enum Log {
    /// No receipt was sealed.
    Empty,
    /// Checked; each entry is a receipt.
    Good(Box<Verified>),
    /// Not what it should be.
    Bad(Failure),
}

/// Reads the ledger, stops everything, and checks the log at rest.
pub(super) async fn collect(place: &Place, running: &mut Running) -> anyhow::Result<Summary> {
    let effects = place.shop().ledger().await?;
    let live = check(place).await?;
    running.stop().await;
    let log = match live {
        Log::Empty => Log::Empty,
        Log::Good(_) | Log::Bad(_) => verify(place, false)?,
    };
    Ok(Summary { effects, log })
}

/// Checks the log of a running demo, once its newest receipt is published.
pub(super) async fn check(place: &Place) -> anyhow::Result<Log> {
    let newest = Source::of_demo(place).await?.list(&Filter::default(), 1).await?;
    let Some(newest) = newest.first() else {
        return Ok(Log::Empty);
    };
    let until = Instant::now() + PUBLISHED;
    loop {
        let log = verify(place, true)?;
        let reached = matches!(&log, Log::Good(good) if good.leaves > newest.index);
        if reached || Instant::now() > until {
            return Ok(log);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn verify(place: &Place, live: bool) -> anyhow::Result<Log> {
    let key = audit::read_key(&place.log_key)?;
    Ok(match audit::check(&place.log, &key, audit::Also { live, ..audit::Also::default() }) {
        Ok(good) => Log::Good(Box::new(good.log)),
        Err(bad) => Log::Bad(bad),
    })
}

/// The log's standing, for a person.
pub(super) fn verdict(log: &Log) -> String {
    match log {
        Log::Empty => "Log: empty, nothing was sealed.".to_owned(),
        Log::Good(good) if good.leaves == 1 => "Log: verifies; it holds 1 receipt.".to_owned(),
        Log::Good(good) => format!("Log: verifies; it holds {} receipts.", good.leaves),
        Log::Bad(bad) => format!("Log: does NOT verify: {bad}"),
    }
}

/// The shop's ledger, for a person.
pub(super) fn ledger(effects: &[Effect]) -> String {
    let lines = effects.iter().map(|effect| format!("\n  {}", effect.told()));
    let lines: String = lines.collect();
    match effects.len() {
        0 => "Sandbox ledger: nothing happened in the shop.".to_owned(),
        1 => format!("Sandbox ledger: 1 effect.{lines}"),
        n => format!("Sandbox ledger: {n} effects.{lines}"),
    }
}

impl Summary {
    /// Whether the log is what it should be.
    pub(super) fn verifies(&self) -> bool {
        matches!(self.log, Log::Empty | Log::Good(_))
    }

    /// For a person.
    pub(super) fn text(&self, place: &Place, kept: bool) -> String {
        let state = place.state.display();
        let (log, ledger) = (verdict(&self.log), ledger(&self.effects));
        let state = match kept {
            true => format!(
                "State: kept in {state}\n  countersign receipts list --state {state}\n  countersign audit verify {} --key {state}/log.pub",
                place.log.display(),
            ),
            false => "State: removed. Keep it with --keep or --state DIR.".to_owned(),
        };
        format!("\n{ledger}\n{log}\n{state}")
    }
}
