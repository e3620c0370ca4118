//! Where the answers to reads come from: the live service, or a recording.

use std::collections::BTreeMap;

use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::contract::{Contract, Request};
use countersign_core::request::WireRequest;
use countersign_executor::connector::Connections;
use serde_json::Value as Json;

/// Answers reads.
pub(super) trait Source {
    /// The raw answer to one read.
    async fn read(
        &mut self,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure>;
}

/// One read that was made.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) tool: String,
    pub(super) request: WireRequest,
    /// Status and size, or why there was no answer.
    pub(super) answer: String,
}

/// The live service. It has no way to send a write.
pub(super) struct Live<'a> {
    pub(super) connections: &'a Connections,
    pub(super) tenant: &'a str,
    pub(super) exchanges: Vec<Exchange>,
}

impl Source for Live<'_> {
    async fn read(
        &mut self,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        let (pack, timeout) = (&contract.pack, contract.pack.timeout);
        let (told, result) = if is_paged(contract) {
            let result = self.connections.read(self.tenant, contract, request, timeout).await;
            let told =
                result.as_ref().map_or_else(ToString::to_string, |_| "200, every page".to_owned());
            (told, result)
        } else {
            let sent = self.connections.send(self.tenant, pack, request, timeout).await;
            (told(&sent), answer::read(contract, &sent))
        };
        let (tool, request) = (contract.tool.clone(), request.clone());
        self.exchanges.push(Exchange { tool, request, answer: told });
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
#[derive(Debug, Default)]
pub(super) struct Recording {
    answers: BTreeMap<String, Vec<Answer>>,
    given: BTreeMap<String, usize>,
    /// Tools that were asked and have no answer.
    pub(super) missing: Vec<String>,
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
        Self { answers: each.collect(), ..Self::default() }
    }

    /// The next answer of a tool, as if its request had been sent.
    pub(super) fn send(&mut self, contract: &Contract) -> Sent {
        let given = self.given.entry(contract.tool.clone()).or_default();
        let list = self.answers.get(&contract.tool);
        let Some(answer) = list.and_then(|list| list.get(*given).or(list.last())) else {
            self.missing.push(contract.tool.clone());
            let why = format!("the case has no answer of {}", contract.tool);
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

impl Source for Recording {
    async fn read(&mut self, contract: &Contract, _: &WireRequest) -> Result<Json, ReadFailure> {
        answer::read(contract, &self.send(contract))
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
