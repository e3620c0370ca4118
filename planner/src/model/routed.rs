//! Several models, the cheapest that will do first: the built-in reader, then a cheap one, a
//! strong one only where it is called for.
//!
//! | asked | where |
//! |---|---|
//! | built in | always: it costs nothing |
//! | cheap | the built-in reader is not sure; a plan has to be repaired, and the strong one is not there or gave no usable answer |
//! | strong | the cheap one is not sure, or is less than sure of something that the customer would have to confirm, or gave no usable answer; first, where a plan has to be repaired |
//!
//! A model that fails is left alone for a while, and the next one is asked; a budget that is
//! used up ends asking. What is left then is what the built-in reader understood, if it
//! understood anything.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use countersign_proto::v1::ModelUse;
use countersign_shared::span::{Kind, Span};
use countersign_shared::turn::ModelCall;
use jiff::Timestamp;

use super::offline::{self, Offline};
use super::openai::{EndpointError, MAX_ANSWER_TOKENS, Openai};
use super::{Decided, Decision, Failure, Model, Unusable, View, Want};
use crate::budget::{Amount, Budgets};
use crate::config::OpenaiConfig;
use crate::metrics::{Asked, Metrics};
use crate::price::Price;
use crate::prompt;

mod breaker;
#[cfg(test)]
mod tests;

use breaker::Breaker;

/// The built-in reader is this sure of what is plain.
const PLAIN: f64 = 0.9;
/// Below this, a model is not sure.
const SURE: f64 = 0.7;
/// What is confirmed by the customer wants this much.
const WEIGHTY: f64 = 0.85;
/// What was understood without any model is used from here on, where no model answers.
const BETTER_THAN_NOTHING: f64 = 0.6;
/// What the objections of a repair, and the answer that it repeats, take at most, in bytes.
const REPAIR: u64 = 16 * 1024;

/// A model with its price.
pub struct Tier {
    /// The model.
    pub model: Arc<dyn Model>,
    /// What it costs.
    pub price: Option<Price>,
    /// Longest answer, in tokens.
    pub longest: u64,
}

/// Models in order, and what they may cost.
pub struct Routed {
    cheap: (Tier, Breaker),
    strong: Option<(Tier, Breaker)>,
    budgets: Budgets,
    metrics: Metrics,
}

/// Why a model is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Unsure,
    Repair,
    Ambiguity,
    Consequence,
    Failure,
}

impl Why {
    /// As metrics name it.
    const fn label(self) -> &'static str {
        match self {
            Self::Unsure => "unsure",
            Self::Repair => "repair",
            Self::Ambiguity => "ambiguity",
            Self::Consequence => "consequence",
            Self::Failure => "failure",
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Unsure => "the built-in reader was not sure",
            Self::Repair => "a plan had to be repaired",
            Self::Ambiguity => "the cheap model was not sure",
            Self::Consequence => "the cheap model was not sure enough of something weighty",
            Self::Failure => "the cheap model gave no usable answer",
        }
    }
}

impl Routed {
    /// Over a cheap model and perhaps a strong one.
    #[must_use]
    pub fn new(cheap: Tier, strong: Option<Tier>, budgets: Budgets) -> Self {
        let tier = |tier| (tier, Breaker::default());
        Self { cheap: tier(cheap), strong: strong.map(tier), budgets, metrics: Metrics::default() }
    }

    /// Counts what is asked and what it costs.
    #[must_use]
    pub fn telling(self, metrics: Metrics) -> Self {
        metrics.of_budgets(&self.budgets);
        Self { metrics, ..self }
    }

    /// Asks one of them, and says in its calls and its span why.
    async fn ask(
        &self,
        (name, why): (&'static str, Why),
        tier: &(Tier, Breaker),
        view: &View<'_>,
    ) -> Result<Decided, Unusable> {
        let mut span = Span::begin(Kind::Internal, "route");
        span.set("countersign.model.tier", name);
        span.set("countersign.model.why", why.told());
        let mut answered = span.run(self.within_budget(name, tier, view)).await;
        let calls = match &mut answered {
            Ok(decided) => &mut decided.calls,
            Err(unusable) => &mut unusable.calls,
        };
        for call in calls {
            name.clone_into(&mut call.tier);
            why.told().clone_into(&mut call.why);
        }
        answered
    }

    /// Asks the strong one; what it used says why.
    async fn ask_strong(
        &self,
        strong: &(Tier, Breaker),
        why: Why,
        view: &View<'_>,
    ) -> Result<Decided, Unusable> {
        self.metrics.strong(why.label());
        let mut answered = self.ask(("strong", why), strong, view).await;
        if let Ok(decided) = &mut answered {
            why.told().clone_into(&mut decided.usage.fallback);
        }
        answered
    }

    async fn within_budget(
        &self,
        name: &'static str,
        (tier, breaker): &(Tier, Breaker),
        view: &View<'_>,
    ) -> Result<Decided, Unusable> {
        let unasked = |reason: String| {
            let model = tier.model.name().to_owned();
            let usage = ModelUse { model: model.clone(), ..ModelUse::default() };
            let decided = format!("not asked: {reason}");
            let call = ModelCall { model, decided, ..ModelCall::default() };
            Unusable {
                reason,
                usage: Box::new(usage),
                calls: vec![call],
                failure: Failure::Unknown,
            }
        };
        if view.until <= tokio::time::Instant::now() {
            return Err(unasked("the turn's time is used up".to_owned()));
        }
        if !breaker.lets_through() {
            return Err(unasked(format!("{} failed and is left alone", tier.model.name())));
        }
        let reserved = self.budgets.reserve(&view.purse, tier.most(view), Timestamp::now()).await;
        let reserved = reserved.map_err(|error| unasked(error.to_string()))?;
        // Pages may lie behind a search that costs as well: only for a model that will be asked.
        view.passages.found().await;
        let begun = Instant::now();
        let answered = tier.model.decide(view).await;
        let (model, took) = (tier.model.name(), begun.elapsed());
        let cost = tier.cost(&answered);
        let micros = cost.micros;
        self.metrics.asked(&Asked { tier: name, model, answered: &answered, took, micros });
        match &answered {
            Ok(decided) => {
                breaker.worked();
                // Some servers do not tell what it cost: then all of it stays spent.
                if decided.usage.output_tokens > 0 {
                    reserved.settle(cost).await;
                }
            }
            Err(unusable) => {
                let used = &unusable.usage;
                if used.output_tokens > 0 {
                    breaker.worked();
                // What our own deadline cut off says nothing of the server.
                } else if unusable.failure != Failure::Request
                    && tokio::time::Instant::now() < view.until
                {
                    breaker.failed();
                }
                // An answer before it may have cost what nobody was told: then, and where it is
                // unknown what became of the request, all of it stays spent.
                if unusable.failure != Failure::Unknown
                    && (used.repairs == 0 || used.output_tokens > 0)
                {
                    reserved.settle(cost).await;
                }
            }
        }
        self.metrics.left_alone(name, model, breaker.is_open());
        answered
    }

    /// Whether and why the strong model should look at it as well.
    fn wants_more(view: &View<'_>, answered: &Result<Decided, Unusable>) -> Option<Why> {
        let decision = match answered {
            Err(_unusable) => return Some(Why::Failure),
            Ok(decided) => &decided.decision,
        };
        if decision.score < SURE {
            return Some(Why::Ambiguity);
        }
        let weighty = match &decision.want {
            Want::Tool(call) => {
                view.toolbox.get(&call.tool).is_some_and(|tool| tool.needs_confirmation)
            }
            Want::Reads(_) | Want::Question | Want::Clarify | Want::Escalate => false,
        };
        (weighty && decision.score < WEIGHTY).then_some(Why::Consequence)
    }
}

#[async_trait]
impl Model for Routed {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let mut plain = Offline.decide(view).await?;
        let repairs = !view.objections.is_empty();
        if !repairs && is_plain(&plain.decision) {
            return Ok(plain);
        }
        // What did not hold is not first shown to the weaker one.
        if repairs && let Some(strong) = &self.strong {
            match self.ask_strong(strong, Why::Repair, view).await {
                Ok(decided) => return settled(Ok(decided), plain, Vec::new()),
                Err(unusable) => plain.calls.extend(unusable.calls),
            }
            let cheap = self.ask(("cheap", Why::Repair), &self.cheap, view).await;
            return settled(cheap, plain, Vec::new());
        }
        let first = if repairs { Why::Repair } else { Why::Unsure };
        let cheap = self.ask(("cheap", first), &self.cheap, view).await;
        let why = Self::wants_more(view, &cheap);
        let (Some(strong), Some(why)) = (&self.strong, why) else {
            return settled(cheap, plain, Vec::new());
        };
        match self.ask_strong(strong, why, view).await {
            Ok(mut decided) => {
                add(&mut decided.usage, usage(&cheap));
                decided.calls = [plain.calls, calls(&cheap).to_vec(), decided.calls].concat();
                Ok(decided)
            }
            Err(unusable) => {
                tracing::warn!(reason = %unusable.reason, "the strong model did not help");
                settled(cheap, plain, unusable.calls)
            }
        }
    }

    fn name(&self) -> &str {
        self.cheap.0.model.name()
    }
}

fn add(usage: &mut ModelUse, spent: &ModelUse) {
    usage.input_tokens = usage.input_tokens.saturating_add(spent.input_tokens);
    usage.output_tokens = usage.output_tokens.saturating_add(spent.output_tokens);
    usage.latency_ms = usage.latency_ms.saturating_add(spent.latency_ms);
}

/// The answer of the model, or, where there is none, what was understood without one.
fn settled(
    answered: Result<Decided, Unusable>,
    plain: Decided,
    more: Vec<ModelCall>,
) -> Result<Decided, Unusable> {
    let all = [plain.calls, calls(&answered).to_vec(), more].concat();
    let unusable = match answered {
        Ok(decided) => return Ok(Decided { calls: all, ..decided }),
        Err(unusable) => unusable,
    };
    if plain.decision.score < BETTER_THAN_NOTHING {
        return Err(Unusable { calls: all, ..unusable });
    }
    let usage =
        ModelUse { model: offline::NAME.to_owned(), fallback: unusable.reason, ..*unusable.usage };
    Ok(Decided { decision: plain.decision, usage, calls: all })
}

fn usage(answered: &Result<Decided, Unusable>) -> &ModelUse {
    match answered {
        Ok(decided) => &decided.usage,
        Err(unusable) => &unusable.usage,
    }
}

fn calls(answered: &Result<Decided, Unusable>) -> &[ModelCall] {
    match answered {
        Ok(decided) => &decided.calls,
        Err(unusable) => &unusable.calls,
    }
}

fn is_plain(decision: &Decision) -> bool {
    let understood = match decision.want {
        Want::Tool(_) | Want::Escalate => true,
        Want::Reads(_) | Want::Question | Want::Clarify => false,
    };
    understood && decision.score >= PLAIN
}

impl Tier {
    /// Over a configured server.
    ///
    /// # Errors
    /// When its key's file cannot be read or no TLS client can be made.
    pub fn new(config: &OpenaiConfig) -> Result<Self, EndpointError> {
        Ok(Self {
            model: Arc::new(Openai::new(config)?),
            price: config.price.clone(),
            longest: MAX_ANSWER_TOKENS.into(),
        })
    }

    /// The most that one decision can cost: two calls, since one repair may follow, which
    /// repeats the first answer. A token is at least a byte.
    fn most(&self, view: &View<'_>) -> Amount {
        let asked = view.toolbox.answer();
        let asked = asked.map_or(0, |answer| answer.system.len() + answer.schema.get().len());
        let turn = prompt::longest_data(view).saturating_add(prompt::repair(view.objections).len());
        let bytes = turn.saturating_add(asked);
        let prompt = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(REPAIR);
        let (input, output) = (prompt.saturating_mul(2), self.longest.saturating_mul(2));
        Amount { calls: 2, tokens: input.saturating_add(output), micros: self.price(input, output) }
    }

    /// What it did cost; a request that was refused for a parameter is a call as well.
    fn cost(&self, answered: &Result<Decided, Unusable>) -> Amount {
        let used = usage(answered);
        let (input, output) = (u64::from(used.input_tokens), u64::from(used.output_tokens));
        let requests = |call: &ModelCall| 1 + u64::from(call.repairs) + u64::from(call.refused);
        Amount {
            calls: calls(answered).iter().map(requests).sum(),
            tokens: input.saturating_add(output),
            micros: self.price(input, output),
        }
    }

    fn price(&self, input: u64, output: u64) -> u64 {
        self.price.as_ref().map_or(0, |price| price.micros(input, output))
    }
}
