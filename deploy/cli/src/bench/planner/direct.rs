//! The model and the read of a turn, asked without a planner.

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_proto::v1;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_shared::mtls::{Channel, channel};
use reqwest::Client;
use serde_json::json;

use super::DOMAIN;
use super::stub::{READ, Stub};
use crate::bench::forwarder::client;
use crate::bench::place::material;
use crate::pki::Role;

/// A program that asks both itself and does nothing else, over the same kinds of connection.
pub(super) struct Direct {
    http: Client,
    model: String,
    executor: ExecutorClient<Channel>,
    token: String,
}

impl Direct {
    pub(super) fn new(dir: &Path, stub: &Stub, token: &str) -> anyhow::Result<Self> {
        let expected = format!("spiffe://{DOMAIN}/executor").parse()?;
        let own = material(dir, Role::Planner)?;
        let channel = channel(&stub.executor.to_string(), own, expected)?;
        Ok(Self {
            http: client(1)?,
            model: format!("http://{}/v1/chat/completions", stub.model),
            executor: ExecutorClient::new(channel),
            token: token.to_owned(),
        })
    }

    /// One after the other, as the read follows from the decision.
    pub(super) async fn turn(&mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let body =
            json!({ "model": "stub", "messages": [{ "role": "user", "content": "my sales" }] });
        let request = self.http.post(&self.model).header("Content-Type", "application/json");
        let answer = request.body(body.to_string()).send().await?.error_for_status()?;
        answer.bytes().await?;
        let step = v1::Step { id: "r1".to_owned(), tool: READ.to_owned(), ..v1::Step::default() };
        let plan = v1::Plan { steps: vec![step], ..v1::Plan::default() };
        let request = v1::ExecuteRequest {
            subject_token: self.token.clone(),
            target: Some(Target::Plan(plan)),
            ..v1::ExecuteRequest::default()
        };
        self.executor.execute(request).await?;
        Ok(began.elapsed())
    }
}
