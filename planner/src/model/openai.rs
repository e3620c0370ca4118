//! Any server that speaks OpenAI's Chat Completions. One call, one bounded repair,
//! every answer validated here.

use std::borrow::Cow;
use std::time::Duration;

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_trait::async_trait;
use countersign_proto::v1::ModelUse;
use countersign_shared::span::{Kind, Span};
use countersign_shared::turn::{Exchange, ModelCall};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Decided, Decision, Failure, Model, Objection, Unusable, View};
use crate::config::OpenaiConfig;
use crate::guards::Guard;
use crate::price::Price;
use crate::{genai, parse, prompt};
use dialect::{Dialect, Parameters};
use endpoint::{Endpoint, OneCall};

mod dialect;
mod endpoint;
#[cfg(test)]
mod tests;

pub use endpoint::EndpointError;

/// Longest answer asked for, in tokens.
pub(crate) const MAX_ANSWER_TOKENS: u32 = 1200;

/// A model behind a Chat Completions server.
pub struct Openai {
    client: Client<Endpoint>,
    name: String,
    timeout: Duration,
    price: Option<Price>,
    record_bodies: bool,
    logprobs: bool,
    dialect: Mutex<Dialect>,
}

/// No answer of the server.
struct NoAnswer {
    reason: String,
    failure: Failure,
    /// The server is spoken to differently from now on.
    learnt: bool,
}

/// What a decision took so far.
#[derive(Default)]
struct Taken {
    usage: ModelUse,
    bodies: Vec<Exchange>,
    /// Requests that were refused for a parameter: they cost nothing and mend nothing.
    refused: u32,
}

impl Taken {
    /// Requests beyond the first.
    fn again(&self) -> u32 {
        self.usage.repairs.saturating_add(self.refused)
    }
}

impl NoAnswer {
    fn of(reason: String) -> Self {
        Self { reason, failure: Failure::Unknown, learnt: false }
    }
}

impl Openai {
    /// For a configured server.
    ///
    /// # Errors
    /// When the key's file cannot be read or no TLS client can be made.
    pub fn new(config: &OpenaiConfig) -> Result<Self, EndpointError> {
        let call = OneCall::new(config)?;
        // The service is set last: an http client set after it would bring hidden retries back.
        let client =
            Client::build(call.client().clone(), Endpoint::new(config)?).with_http_service(call);
        Ok(Self {
            client,
            name: config.name.clone(),
            timeout: endpoint::patience(config),
            price: config.price.clone(),
            record_bodies: config.record_bodies,
            logprobs: config.logprobs,
            dialect: Mutex::default(),
        })
    }

    async fn ask(
        &self,
        messages: &[Asked<'_>],
        schema: &RawValue,
        until: Instant,
        usage: &mut ModelUse,
    ) -> Result<(String, Option<f64>), NoAnswer> {
        let dialect = *self.dialect.lock();
        let mut messages = Cow::Borrowed(messages);
        if dialect.shape_in_words()
            && let Some(system) = messages.to_mut().first_mut()
        {
            let shape = format!("{}\n\nJSON Schema of your answer:\n{schema}", system.content);
            system.content = shape.into();
        }
        let request = Request {
            model: &self.name,
            messages: &messages,
            parameters: dialect.parameters(schema, MAX_ANSWER_TOKENS),
            stream: false,
            logprobs: self.logprobs.then_some(true),
        };
        let none = NoAnswer::of;
        let asked = Instant::now();
        let wait = self.timeout.min(until.saturating_duration_since(asked));
        if wait.is_zero() {
            let reason = "not asked: the turn's time is used up".to_owned();
            return Err(NoAnswer { reason, failure: Failure::Request, learnt: false });
        }
        let chat = self.client.chat();
        let answered = tokio::time::timeout(wait, chat.create_byot::<_, Completion>(request)).await;
        let waited = u32::try_from(asked.elapsed().as_millis()).unwrap_or(u32::MAX);
        usage.latency_ms = usage.latency_ms.saturating_add(waited);
        let completion = match answered {
            Ok(Ok(completion)) => completion,
            Ok(Err(error)) => {
                return Err(NoAnswer {
                    reason: endpoint::in_short(&error),
                    failure: endpoint::failure(&error),
                    learnt: self.learns(dialect, &error),
                });
            }
            Err(_elapsed) => return Err(none(format!("no answer within {wait:?}"))),
        };
        usage.input_tokens = usage.input_tokens.saturating_add(completion.usage.prompt_tokens);
        usage.output_tokens =
            usage.output_tokens.saturating_add(completion.usage.completion_tokens);
        let text = completion.text().ok_or_else(|| none("the answer holds no text".to_owned()))?;
        Ok((text, completion.likelihood()))
    }

    /// Whether a refusal of what was asked so says how to ask differently.
    fn learns(&self, asked: Dialect, error: &OpenAIError) -> bool {
        let Some(parameter) = endpoint::refused(error) else { return false };
        tracing::warn!(model = %self.name, ?parameter, "the model server refuses a parameter, and is asked without it from now on");
        let mut dialect = self.dialect.lock();
        *dialect = dialect.without(parameter);
        asked != asked.without(parameter)
    }

    /// The call, and perhaps its repair; the reason where no answer could be used.
    async fn tried(&self, view: &View<'_>, taken: &mut Taken) -> Result<Decision, NoAnswer> {
        let none = NoAnswer::of;
        let answer = view.toolbox.answer().map_err(|reason| none(reason.to_owned()))?;
        let mut messages = vec![
            Asked { role: "system", content: Cow::from(&answer.system) },
            Asked { role: "user", content: prompt::data(view).await.into() },
        ];
        if !view.objections.is_empty() {
            messages.push(Asked::to_mend(view.objections));
        }
        let most = if Guard::OneRepair.is_on() { 1 } else { 4 };
        let ask = async |messages: &[Asked<'_>], usage: &mut ModelUse| {
            self.ask(messages, &answer.schema, view.until, usage).await
        };
        loop {
            let mut answered = ask(&messages, &mut taken.usage).await;
            // It takes the place of the repair: two calls in all, as budgets reserve.
            if taken.again() < most && answered.as_ref().is_err_and(|none| none.learnt) {
                taken.refused += 1;
                answered = ask(&messages, &mut taken.usage).await;
            }
            if answered.is_err() && !Guard::OneCall.is_on() {
                answered = ask(&messages, &mut taken.usage).await;
            }
            if self.record_bodies {
                let text = answered.as_ref().map(|(text, _)| text.clone());
                let answer = text.unwrap_or_default();
                taken.bodies.push(Exchange { request: json!(messages), answer });
            }
            let (text, tokens) = answered?;
            #[cfg(feature = "gates-off")]
            crate::guards::off::overhear(&text);
            match parse::read(&text, answer, view.toolbox) {
                Ok(decision) => return Ok(Decision { tokens, ..decision }),
                // One repair in all: none is left where the objections came from outside.
                Err(objections) if taken.again() < most && view.objections.is_empty() => {
                    taken.usage.repairs += 1;
                    messages.push(Asked { role: "assistant", content: cut(&text).into() });
                    messages.push(Asked::to_mend(&objections));
                }
                Err(objections) => return Err(none(told(&objections))),
            }
        }
    }

    fn call(&self, taken: Taken, decided: String) -> ModelCall {
        let (Taken { usage, bodies, refused }, price) = (taken, self.price.as_ref());
        // What was not told, by a server or by none, is not nothing.
        let price = price.filter(|_| usage.input_tokens > 0 || usage.output_tokens > 0);
        let cost = price.map(|price| price.of(usage.input_tokens, usage.output_tokens));
        ModelCall {
            model: self.name.clone(),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            latency_ms: usage.latency_ms,
            cost: cost.unwrap_or_default(),
            repairs: usage.repairs,
            refused,
            decided,
            bodies,
            ..ModelCall::default()
        }
    }
}

#[async_trait]
impl Model for Openai {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let mut span = Span::begin(Kind::Client, format!("chat {}", self.name));
        let usage = ModelUse { model: self.name.clone(), ..ModelUse::default() };
        let mut taken = Taken { usage, ..Taken::default() };
        let answered = span.run(self.tried(view, &mut taken)).await;
        let decided = match &answered {
            Ok(decision) => decision.want.in_short(),
            Err(none) => format!("unusable: {}", none.reason),
        };
        let usage = taken.usage.clone();
        let call = self.call(taken, decided);
        genai::describe(&mut span, &call, answered.is_ok());
        let calls = vec![call];
        match answered {
            Ok(decision) => Ok(Decided { decision, usage, calls }),
            Err(NoAnswer { reason, failure, .. }) => {
                Err(Unusable { reason, usage: Box::new(usage), calls, failure })
            }
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn cut(text: &str) -> String {
    text.chars().take(4000).collect()
}

fn told(objections: &[Objection]) -> String {
    objections
        .iter()
        .map(|o| format!("{} {}: {}", o.code, o.at, o.problem))
        .collect::<Vec<_>>()
        .join("; ")
}

/// What is asked, as it is sent.
#[derive(Debug, Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: &'a [Asked<'a>],
    #[serde(flatten)]
    parameters: Parameters<'a>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
}

#[derive(Debug, Clone, Serialize)]
struct Asked<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

impl Asked<'static> {
    fn to_mend(objections: &[Objection]) -> Self {
        Self { role: "user", content: prompt::repair(objections).into() }
    }
}

/// The part of an answer that is read, tolerantly: servers differ.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(deserialize_with = "lenient")]
    usage: Usage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    message: Message,
    #[serde(deserialize_with = "lenient")]
    logprobs: Logprobs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Logprobs {
    content: Vec<Token>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Token {
    token: String,
    logprob: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Json,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
}

fn lenient<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::de::DeserializeOwned,
{
    let json = Json::deserialize(from)?;
    Ok(serde_json::from_value(json).unwrap_or_default())
}

impl Completion {
    /// The geometric mean of its words' probabilities, 0 to 1; brackets and commas, which
    /// the shape of the answer gives, are left out. `None` where the server does not tell.
    fn likelihood(&self) -> Option<f64> {
        let tokens = &self.choices.first()?.logprobs.content;
        let word = |token: &&Token| token.token.chars().any(char::is_alphanumeric);
        let words = || tokens.iter().filter(word);
        let count = u32::try_from(words().count()).ok().filter(|count| *count > 0)?;
        let sum: f64 = words().map(|token| token.logprob).sum();
        let mean = (sum / f64::from(count)).exp();
        mean.is_finite().then(|| mean.clamp(0.0, 1.0))
    }

    /// The text, also where it comes in parts.
    fn text(&self) -> Option<String> {
        match &self.choices.first()?.message.content {
            Json::String(text) => Some(text.clone()),
            Json::Array(parts) => {
                Some(parts.iter().filter_map(|p| p.get("text").and_then(Json::as_str)).collect())
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => None,
        }
    }
}
