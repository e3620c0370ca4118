//! What is compared with: the same gRPC service over the same mutual TLS, and the same backend
//! calls with the same HTTP client settings, made without a rule, a journal or a receipt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_server::{Executor, ExecutorServer};
use countersign_shared::mtls::{AcceptLimits, ConnectionLimits, bind, server};
use futures_util::stream;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use super::callers::WRITE_ONLY;
use super::place::{TILL, material};
use super::process::ready_file;
use super::till::{PAID, TOKEN};
use crate::command::OK;
use crate::pki::Role;

/// Its name among the processes.
pub(super) const NAME: &str = "forwarder";

/// What the forwarder takes.
#[derive(Debug, clap::Args)]
pub struct ForwarderArgs {
    /// The benchmark's folder.
    folder: PathBuf,
}

/// Serves until it is ended.
///
/// # Errors
/// When it cannot start.
pub fn forward(args: &ForwarderArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&args.folder))?;
    Ok(ExitCode::from(OK))
}

async fn serve(dir: &Path) -> anyhow::Result<()> {
    let url = fs::read_to_string(dir.join(TILL)).context("no benchmark's folder")?;
    let address = "127.0.0.1:0".parse()?;
    let incoming = bind(address, material(dir, Role::Executor)?, AcceptLimits::default());
    let incoming = incoming.await?;
    let ready = json!({ "grpc": incoming.local_addr()?.to_string() });
    let (file, part) = (ready_file(dir, NAME), dir.join("forwarder.part"));
    fs::write(&part, ready.to_string()).and_then(|()| fs::rename(&part, file))?;
    let service = ExecutorServer::new(Forwarder { url, own: client(0)?, shared: client(32)? });
    let router = server(ConnectionLimits::default()).add_service(service);
    Ok(router.serve_with_incoming(incoming).await?)
}

struct Forwarder {
    url: String,
    /// A connection for each write, as the executor has it.
    own: Client,
    /// Kept connections for reads, as the executor has them.
    shared: Client,
}

impl Forwarder {
    /// Reads for the proposal, reads for the gates, writes, reads back; or only writes.
    async fn act(&self, sale: &str, write_only: bool) -> Result<String, reqwest::Error> {
        let read = || self.shared.get(format!("{}/sales/{sale}", self.url));
        if !write_only {
            call(read()).await?;
            call(read()).await?;
        }
        let key = format!("fw-{}", uuid::Uuid::now_v7().simple());
        let body = json!({ "amount": PAID, "note": key });
        let write = self.own.post(format!("{}/sales/{sale}/refunds", self.url));
        call(write.header("Idempotency-Key", &key).json(&body)).await?;
        if !write_only {
            call(read()).await?;
        }
        Ok(key)
    }
}

async fn call(request: RequestBuilder) -> Result<Value, reqwest::Error> {
    let request = request.bearer_auth(TOKEN).timeout(Duration::from_secs(5));
    request.send().await?.error_for_status()?.json().await
}

/// As the executor's connector makes its own; this till has an address, so the guarded resolver
/// would not be asked.
pub(super) fn client(kept: usize) -> anyhow::Result<Client> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder()
        .user_agent("forwarder")
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(Duration::from_millis(2500))
        .pool_max_idle_per_host(kept)
        .pool_idle_timeout(Duration::from_secs(20));
    Ok(client.build()?)
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
        let Some(step) = plan.steps.first() else { return Err(not_here()) };
        let argument = step.arguments.get("id").and_then(|argument| argument.source.clone());
        let Some(Source::ModelJson(id)) = argument else { return Err(not_here()) };
        let id: String = serde_json::from_str(&id).map_err(|_| not_here())?;
        let key = self.act(&id, step.tool == WRITE_ONLY).await;
        let action = v1::Action {
            receipt_id: key.map_err(|e| Status::unavailable(e.to_string()))?,
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

    async fn list_erased(
        &self,
        _request: Request<v1::ListErasedRequest>,
    ) -> Result<Response<v1::ListErasedResponse>, Status> {
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

    async fn record_turn(
        &self,
        _request: Request<v1::RecordTurnRequest>,
    ) -> Result<Response<v1::RecordTurnResponse>, Status> {
        Err(not_here())
    }

    async fn record_rating(
        &self,
        _request: Request<v1::RecordRatingRequest>,
    ) -> Result<Response<v1::RecordRatingResponse>, Status> {
        Err(not_here())
    }

    async fn get_handover(
        &self,
        _request: Request<v1::GetHandoverRequest>,
    ) -> Result<Response<v1::GetHandoverResponse>, Status> {
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
