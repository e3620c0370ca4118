//! Numbers for operators, at `/metrics` of the status pages; deploy/docs/METRICS.md lists them.
//! Labels are what the configuration names and what this code can say, never what a customer or
//! a model wrote.

mod families;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use countersign_proto::v1::ModelUse;
use countersign_shared::codes::Code;
use countersign_shared::mtls::Ends;
use jiff::Timestamp;

use crate::budget::{Budgets, Left};
use crate::model::{Decided, Model, Unusable, View, Want};
use crate::price::Price;
use families::{Families, Labels};

/// Longest wait for what was spent.
const PATIENCE: Duration = Duration::from_secs(3);

/// Every number of this process. Clones are the same.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Families>, Arc<OnceLock<Budgets>>);

/// What one decision of a model's server came to.
pub(crate) struct Asked<'a> {
    /// Which of the configured models: `only`, `cheap` or `strong`.
    pub(crate) tier: &'static str,
    /// Its name in the configuration.
    pub(crate) model: &'a str,
    /// What it answered.
    pub(crate) answered: &'a Result<Decided, Unusable>,
    /// How long that took.
    pub(crate) took: Duration,
    /// What it cost, in millionths of the prices' currency.
    pub(crate) micros: u64,
}

impl Metrics {
    /// In the text format of OpenMetrics, with what is left of today's budget at this time: a new
    /// day begins also where nobody writes.
    pub async fn text_at(&self, now: Timestamp) -> String {
        if let Some(budgets) = self.1.get() {
            let left = tokio::time::timeout(PATIENCE, budgets.left(now)).await;
            // What cannot be told now is not told as it was.
            self.0.budget_left.clear();
            self.left(left.ok().flatten().unwrap_or_default());
        }
        self.text()
    }

    /// In the text format of OpenMetrics.
    pub(crate) fn text(&self) -> String {
        self.0.text()
    }

    /// Whether the executor's history is believed.
    pub fn distrusted(&self, distrusted: bool) {
        self.0.distrusted.set(distrusted.into());
    }

    /// Whether the executor answers.
    pub fn reached(&self, reached: bool) {
        self.0.reached.set(reached.into());
    }

    /// Whether what is remembered can be asked for.
    pub fn remembers(&self, remembers: bool) {
        self.0.remembers.set(remembers.into());
    }

    /// When certificate, authorities and revocation lists in use run out.
    pub fn ends(&self, ends: Ends) {
        self.end("certificate", ends.certificate);
        self.end("authorities", ends.authorities);
        if let Some(end) = ends.revocations {
            self.end("revocations", end);
        }
    }

    /// When the certificate that chat frontends are shown runs out.
    pub(crate) fn chat_ends(&self, end: i64) {
        self.end("chat", end);
    }

    fn end(&self, of: &'static str, end: i64) {
        self.0.tls_ends.get_or_create(&[("of", of.to_owned())]).set(end);
    }

    /// The planner itself refused a call.
    pub(crate) fn refused(&self, code: Code) {
        self.0.refusals.get_or_create(&[("code", code.name().to_owned())]).inc();
    }

    pub(crate) fn asked(&self, asked: &Asked<'_>) {
        let told = &self.0;
        let labels = model(asked.tier, asked.model);
        let [tier, name] = labels.clone();
        let usage = usage(asked.answered);
        let result = if asked.answered.is_ok() { "answered" } else { "unusable" };
        let called = [tier.clone(), name.clone(), ("result", result.to_owned())];
        told.calls.get_or_create(&called).inc();
        told.seconds.get_or_create(&labels).observe(asked.took.as_secs_f64());
        let read = [tier.clone(), name.clone(), ("direction", "read".to_owned())];
        told.tokens.get_or_create(&read).inc_by(usage.input_tokens.into());
        let written = [tier, name, ("direction", "written".to_owned())];
        told.tokens.get_or_create(&written).inc_by(usage.output_tokens.into());
        told.micros.get_or_create(&labels).inc_by(asked.micros);
    }

    pub(crate) fn left_alone(&self, tier: &'static str, name: &str, left_alone: bool) {
        self.0.left_alone.get_or_create(&model(tier, name)).set(left_alone.into());
    }

    pub(crate) fn strong(&self, reason: &'static str) {
        self.0.strong.get_or_create(&[("reason", reason.to_owned())]).inc();
    }

    /// Whose rest is told.
    pub(crate) fn of_budgets(&self, budgets: &Budgets) {
        // The first are those of the process.
        self.1.get_or_init(|| budgets.clone());
    }

    fn left(&self, left: Left) {
        let of = [("calls", left.calls), ("tokens", left.tokens), ("money", left.money)];
        for (of, left) in of {
            if let Some(left) = left {
                self.0.budget_left.get_or_create(&[("of", of.to_owned())]).set(left);
            }
        }
    }

    fn decided(&self, answered: &Result<Decided, Unusable>) {
        let want = match answered {
            Ok(decided) => match &decided.decision.want {
                Want::Tool(_) => "tool",
                Want::Reads(_) => "reads",
                Want::Question => "question",
                Want::Clarify => "clarify",
                Want::Escalate => "escalate",
            },
            Err(_unusable) => "unusable",
        };
        self.0.decisions.get_or_create(&[("want", want.to_owned())]).inc();
    }
}

fn usage(answered: &Result<Decided, Unusable>) -> &ModelUse {
    match answered {
        Ok(decided) => &decided.usage,
        Err(unusable) => &unusable.usage,
    }
}

fn model(tier: &'static str, name: &str) -> Labels<2> {
    [("tier", tier.to_owned()), ("model", name.to_owned())]
}

/// A model whose decisions are counted. It changes none of them.
pub struct Counted {
    inner: Arc<dyn Model>,
    metrics: Metrics,
    server: Option<Server>,
}

/// One server that is asked about each message.
struct Server {
    price: Option<Price>,
}

impl Counted {
    /// In front of all that reads messages.
    #[must_use]
    pub fn over(inner: Arc<dyn Model>, metrics: Metrics) -> Self {
        Self { inner, metrics, server: None }
    }

    /// The same, of one server that is asked about each message.
    #[must_use]
    pub fn over_server(inner: Arc<dyn Model>, price: Option<Price>, metrics: Metrics) -> Self {
        Self { inner, metrics, server: Some(Server { price }) }
    }
}

#[async_trait]
impl Model for Counted {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let begun = Instant::now();
        let answered = self.inner.decide(view).await;
        if let Some(Server { price }) = &self.server {
            let usage = usage(&answered);
            let (read, written) = (usage.input_tokens.into(), usage.output_tokens.into());
            let micros = price.as_ref().map_or(0, |price| price.micros(read, written));
            self.metrics.asked(&Asked {
                tier: "only",
                model: self.inner.name(),
                answered: &answered,
                took: begun.elapsed(),
                micros,
            });
        }
        self.metrics.decided(&answered);
        answered
    }

    fn name(&self) -> &str {
        self.inner.name()
    }
}

#[cfg(test)]
mod tests;
