//! Feeds the security team's own systems: each receipt of the log becomes one event that
//! carries its place in the log, so that a lost, changed or doubled event is found.
//!
//! ```text
//! leaf + checkpoint ──clear──▶ what is not personal ──ocsf──▶ event ─▶ sink: file, HEC, OTLP
//! store.feed(upto, attempt) ─▶ send ─▶ acknowledged ─▶ store.feed(next)      at least once
//! ```
//!
//! What is about to be sent is durable before it is sent, and the place moves only after
//! an acknowledgement. So after any crash the same events are sent again, and say so.
//! A receiver that refuses or hangs holds up its own sink and nothing else: the place
//! stands still, nothing is dropped, and one batch is all that is in memory.

mod clear;
pub mod config;
pub mod event;
pub mod ocsf;

mod deliver;
mod pause;
mod sink;

pub use config::{SinkConfig, check};
pub(crate) use sink::Token;

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::ports::{Clock, Store};
use crate::vault::Vault;
use deliver::Feed;
use sink::Sink;

/// Begins to feed every sink of the configuration. No action ever waits for one.
///
/// # Errors
/// A sink that cannot be used, with what to do about it.
pub fn start(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    if config.siem.is_empty() {
        return Ok(Vec::new());
    }
    let vault = Vault::open(&config.credentials)?;
    let sinks = sinks(&config.siem, &vault, &**clock)?;
    let fed = config.siem.iter().zip(sinks).map(|(settings, sink)| {
        let feed = Feed::new(settings, sink, Arc::clone(store), Arc::clone(clock));
        tokio::spawn(feed.telling(metrics).run())
    });
    Ok(fed.collect())
}

/// Whether every sink of the configuration can be fed.
///
/// # Errors
/// A sink that cannot, as [`start`] says it.
pub fn usable(config: &[SinkConfig], vault: &Vault, clock: &dyn Clock) -> anyhow::Result<()> {
    sinks(config, vault, clock).map(drop)
}

fn sinks(config: &[SinkConfig], vault: &Vault, clock: &dyn Clock) -> anyhow::Result<Vec<Sink>> {
    check(config, vault).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let sink = |settings: &SinkConfig| {
        Sink::new(settings, vault, clock)
            .map_err(|why| anyhow::anyhow!("`siem` {}: {why}", settings.name))
    };
    config.iter().map(sink).collect()
}
