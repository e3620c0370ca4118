//! Where answers come from: the live service, or a recording.

use std::collections::BTreeMap;

use async_trait::async_trait;
use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::contract::{Contract, Request};
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_executor::connector::Connections;
use countersign_executor::ports::Backends;
use parking_lot::Mutex;
use serde_json::Value as Json;

/// One read that was made.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) tool: String,
    pub(super) request: WireRequest,
    /// Status and size, or why there was no answer.
    pub(super) answer: String,
}

/// The live service. It sends no write.
pub(super) struct Live {
    connections: Connections,
    exchanges: Mutex<Vec<Exchange>>,
}

impl Live {
    pub(super) fn new(connections: Connections) -> Self {
        Self { connections, exchanges: Mutex::default() }
    }

    /// The reads made since the last call.
    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.exchanges.lock())
    }
}

#[async_trait]
impl Backends for Live {
    fn account(&self, tenant: &str, pack: &str) -> Option<Account> {
        Backends::account(&self.connections, tenant, pack)
    }

    async fn send(&self, _: &Subject, _: &Contract, _: &WireRequest) -> Sent {
        Sent::NotSent { barrier: Barrier::Egress, why: "a try sends no write".to_owned() }
    }

    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        let (pack, timeout) = (&contract.pack, contract.pack.timeout);
        let (told, result) = if is_paged(contract) {
            let result = self.connections.read(subject, contract, request, timeout).await;
            let told =
                result.as_ref().map_or_else(ToString::to_string, |_| "200, every page".to_owned());
            (told, result)
        } else {
            let sent = self.connections.send(subject, pack, request, timeout).await;
            (told(&sent), answer::read(contract, &sent))
        };
        let (tool, request) = (contract.tool.clone(), request.clone());
        self.exchanges.lock().push(Exchange { tool, request, answer: told });
        result
    }
}

fn is_paged(contract: &Contract) -> bool {
    match &contract.call.request {
        Request::Http(http) => http.pages.is_some(),
        Request::GraphQl { .. } => false,
    }
}

fn told(sent: &Sent) -> String {
    match sent {
        Sent::NotSent { why, .. } => format!("not sent: {why}"),
        Sent::Lost { why } => format!("no answer: {why}"),
        Sent::Answered { status, body, .. } => format!("{status}, {} bytes", body.len()),
    }
}

/// Recorded answers by tool; the last one of a list repeats.
#[derive(Debug)]
pub(super) struct Recording {
    answers: BTreeMap<String, Vec<Answer>>,
    asked: Mutex<Asked>,
}

/// What was asked of a recording.
#[derive(Debug, Default)]
struct Asked {
    /// Answers given, by tool.
    given: BTreeMap<String, usize>,
    /// Tools without an answer.
    missing: Vec<String>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Json,
}

impl Recording {
    /// From `{TOOL: answer or [answer, …]}`. An object with exactly `status` and
    /// `body` is an answer with another status than 200.
    pub(super) fn new(answers: &BTreeMap<String, Json>) -> Self {
        let each = answers.iter().map(|(tool, json)| {
            let list = json.as_array().map_or_else(
                || vec![Answer::from(json)],
                |all| all.iter().map(Answer::from).collect(),
            );
            (tool.clone(), list)
        });
        Self { answers: each.collect(), asked: Mutex::default() }
    }

    /// Tools that were asked and have no answer.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = self.asked.lock().missing.clone();
        missing.dedup();
        missing
    }

    /// The next answer of a tool, as if its request had been sent.
    fn next(&self, tool: &str) -> Sent {
        let mut asked = self.asked.lock();
        let given = asked.given.entry(tool.to_owned()).or_default();
        let list = self.answers.get(tool);
        let Some(answer) = list.and_then(|list| list.get(*given).or(list.last())) else {
            asked.missing.push(tool.to_owned());
            let why = format!("the case has no answer of {tool}");
            return Sent::NotSent { barrier: Barrier::Egress, why };
        };
        *given += 1;
        Sent::Answered {
            status: answer.status,
            retry_after: None,
            replayed: false,
            body: answer.body.to_string().into_bytes(),
        }
    }
}

#[async_trait]
impl Backends for Recording {
    fn account(&self, _: &str, _: &str) -> Option<Account> {
        Some(Account { account: "recorded".to_owned(), credential: String::new() })
    }

    async fn send(&self, _: &Subject, contract: &Contract, _: &WireRequest) -> Sent {
        self.next(&contract.tool)
    }

    async fn read(
        &self,
        _: &Subject,
        contract: &Contract,
        _: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        answer::read(contract, &self.next(&contract.tool))
    }
}

impl From<&Json> for Answer {
    fn from(json: &Json) -> Self {
        let status = json.get("status").and_then(Json::as_u64).and_then(|s| u16::try_from(s).ok());
        let two = json.as_object().is_some_and(|fields| fields.len() == 2);
        match (status, json.get("body")) {
            (Some(status), Some(body)) if two => Self { status, body: body.clone() },
            _ => Self { status: 200, body: json.clone() },
        }
    }
}
