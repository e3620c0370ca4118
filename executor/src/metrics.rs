//! Numbers for operators, at `/metrics` of the status pages; deploy/docs/METRICS.md lists them.
//!
//! ```text
//! receipt, refusal, call, commit ──count──▶ Metrics ──text──▶ /metrics
//! store, log, switches ──Survey, every 10 s──▶ ┘
//! ```
//!
//! Labels come from closed sets: tools and codes of the active packs, outcomes, connections and
//! sinks of the configuration. Whatever else arrives is `other`, so nobody outside can make
//! series, and no value of a person is ever a label.

mod closed;
mod counted;
mod families;
mod survey;

use std::sync::Arc;
use std::time::Duration;

use countersign_core::contract::{Catalog, Contract};
use countersign_shared::mtls::Ends;
use countersign_shared::receipt::Receipt;

use crate::siem::SinkConfig;
use closed::{Closed, class};
pub use counted::Counted;
use families::{Families, gauge};
pub use survey::Survey;
pub(crate) use survey::age;

/// Every number of this process. Clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    closed: Closed,
    families: Families,
}

/// What a receipt counts as, once it is durable.
#[must_use]
pub struct Tally {
    metrics: Metrics,
    tool: String,
    outcome: &'static str,
    code: Option<String>,
}

impl Default for Metrics {
    /// Knows no tool: for those that nobody watches.
    fn default() -> Self {
        Self::new(&Catalog::default(), &[])
    }
}

impl Metrics {
    /// Over the tools that exist and the sinks that are fed.
    #[must_use]
    pub fn new(catalog: &Catalog, sinks: &[SinkConfig]) -> Self {
        let closed = Closed::of(catalog, sinks);
        let families = Families::new(&closed);
        Self(Arc::new(Inner { closed, families }))
    }

    /// In the text format of OpenMetrics.
    #[must_use]
    pub fn text(&self) -> String {
        self.families().text()
    }

    /// Reads off a receipt what it counts as.
    pub fn tally(&self, receipt: &Receipt) -> Tally {
        let closed = &self.0.closed;
        let outcome = closed.outcome(&receipt.outcome);
        // Each of those that were counted was one when it was turned away.
        let alone = outcome == "refused" && receipt.counted.is_none();
        let code = alone.then(|| closed.code(&receipt.code));
        Tally { metrics: self.clone(), tool: closed.tool(&receipt.tool), outcome, code }
    }

    /// A refusal that has no receipt of its own.
    pub fn refused(&self, code: &str) {
        self.families().refusals.get_or_create(&[("code", self.0.closed.code(code))]).inc();
    }

    /// The store made something durable.
    pub fn committed(&self, took: Duration) {
        self.families().commit_seconds.observe(took.as_secs_f64());
    }

    /// Bytes free on the disk of the state folder.
    pub fn disk(&self, free: u64) {
        self.families().disk_free.set(gauge(free));
    }

    /// A sink has not acknowledged so many leaves, the oldest sealed so many seconds ago.
    pub fn fed(&self, sink: &str, behind: u64, seconds: i64) {
        let (sink, told) = ([("sink", self.0.closed.sink(sink))], self.families());
        told.siem_behind.get_or_create(&sink).set(gauge(behind));
        told.siem_behind_seconds.get_or_create(&sink).set(seconds);
    }

    /// When certificate, authorities and revocation lists in use run out.
    pub fn ends(&self, ends: Ends) {
        self.end("certificate", ends.certificate);
        self.end("authorities", ends.authorities);
        if let Some(end) = ends.revocations {
            self.end("revocations", end);
        }
    }

    /// When the certificate that browsers are shown runs out, by what it is for.
    pub(crate) fn end(&self, of: &'static str, end: i64) {
        self.families().tls_ends.get_or_create(&[("of", of.to_owned())]).set(end);
    }

    fn called(&self, contract: &Contract, result: &'static str, took: Duration) {
        let pack = ("pack", self.0.closed.pack(&contract.pack.name));
        let class = ("class", class(contract).to_owned());
        let families = self.families();
        let seconds = families.call_seconds.get_or_create(&[pack.clone(), class.clone()]);
        seconds.observe(took.as_secs_f64());
        let result = ("result", result.to_owned());
        families.calls.get_or_create(&[pack, class, result]).inc();
    }

    fn families(&self) -> &Families {
        &self.0.families
    }
}

impl Tally {
    /// It is durable.
    pub fn count(self) {
        let families = self.metrics.families();
        let outcome = ("outcome", self.outcome.to_owned());
        families.actions.get_or_create(&[("tool", self.tool), outcome]).inc();
        if let Some(code) = self.code {
            families.refusals.get_or_create(&[("code", code)]).inc();
        }
    }
}

#[cfg(test)]
mod tests;
