//! What is compared with: the same gRPC service over the same mutual TLS, and the
//! same backend calls, made without a rule, a journal or a receipt.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_server::{Executor, ExecutorServer};
use countersign_shared::mtls::{ConnectionLimits, HandshakeLimits, bind, server};
use futures_util::stream;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use crate::place::{TOKEN, material};
use crate::process::READY;
use crate::till::PAID;

/// Serves until it is killed.
pub async fn run(dir: &Path) {
    let url = fs::read_to_string(dir.join("till.url")).unwrap();
    let address = "127.0.0.1:0".parse().unwrap();
    let incoming =
        bind(address, material(dir, Role::Executor), HandshakeLimits::default()).await.unwrap();
    let ready = json!({ "grpc": incoming.local_addr().unwrap().to_string() });
    let part = dir.join(READY).with_extension("part");
    fs::write(&part, ready.to_string()).unwrap();
    fs::rename(part, dir.join(READY)).unwrap();
    let service = ExecutorServer::new(Forwarder { url, own: client(0), shared: client(32) });
    server(ConnectionLimits::default())
        .add_service(service)
        .serve_with_incoming(incoming)
        .await
        .unwrap();
}

struct Forwarder {
    url: String,
    /// A connection for each write, as the executor has it.
    own: Client,
    /// Kept connections for reads, as the executor has them.
    shared: Client,
}

impl Forwarder {
    /// Reads for the proposal, reads for the gates, writes, reads back.
    async fn act(&self, sale: &str) -> Result<String, reqwest::Error> {
        let read = || self.shared.get(format!("{}/sales/{sale}", self.url));
        call(read()).await?;
        call(read()).await?;
        let key = format!("fw-{}", uuid::Uuid::now_v7().simple());
        let body = json!({ "amount": PAID, "note": key });
        let write = self.own.post(format!("{}/sales/{sale}/refunds", self.url));
        call(write.header("Idempotency-Key", &key).json(&body)).await?;
        call(read()).await?;
        Ok(key)
    }
}

async fn call(request: RequestBuilder) -> Result<Value, reqwest::Error> {
    let request = request.bearer_auth(TOKEN).timeout(Duration::from_secs(5));
    request.send().await?.error_for_status()?.json().await
}

/// As the executor's connector makes its own; this till has an address, so the
/// guarded resolver would not be asked.
fn client(kept: usize) -> Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Client::builder()
        .user_agent("forwarder")
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_millis(2500))
        .pool_max_idle_per_host(kept)
        .pool_idle_timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

fn not_here() -> Status {
    Status::unimplemented("the forwarder only executes plans")
}

#[tonic::async_trait]
impl Executor for Forwarder {
    async fn execute(
        &self,
        request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<v1::ExecuteResponse>, Status> {
        let Some(Target::Plan(plan)) = request.into_inner().target else { return Err(not_here()) };
        let argument = plan.steps.first().and_then(|s| s.arguments.get("id")?.source.clone());
        let Some(Source::ModelJson(id)) = argument else { return Err(not_here()) };
        let id: String = serde_json::from_str(&id).map_err(|_| not_here())?;
        let key = self.act(&id).await.map_err(|e| Status::unavailable(e.to_string()))?;
        let action = v1::Action {
            receipt_id: key,
            outcome: v1::Outcome::Applied.into(),
            external_ref: plan.external_ref,
            ..v1::Action::default()
        };
        Ok(Response::new(v1::ExecuteResponse { observations: vec![], action: Some(action) }))
    }

    async fn list_tools(
        &self,
        _request: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        Err(not_here())
    }

    async fn propose(
        &self,
        _request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeResponse>, Status> {
        Err(not_here())
    }

    async fn withdraw(
        &self,
        _request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        Err(not_here())
    }

    async fn match_subject(
        &self,
        _request: Request<v1::MatchSubjectRequest>,
    ) -> Result<Response<v1::MatchSubjectResponse>, Status> {
        Err(not_here())
    }

    async fn escalate(
        &self,
        _request: Request<v1::EscalateRequest>,
    ) -> Result<Response<v1::EscalateResponse>, Status> {
        Err(not_here())
    }

    async fn get_action(
        &self,
        _request: Request<v1::GetActionRequest>,
    ) -> Result<Response<v1::GetActionResponse>, Status> {
        Err(not_here())
    }

    type WatchActionStream = stream::Empty<Result<v1::WatchActionResponse, Status>>;

    async fn watch_action(
        &self,
        _request: Request<v1::WatchActionRequest>,
    ) -> Result<Response<Self::WatchActionStream>, Status> {
        Err(not_here())
    }
}
