//! A model and an executor that answer at once, and say how long they took.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::State;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json as Body, Router};
use countersign_proto::v1;
use countersign_proto::v1::executor_server::{Executor, ExecutorServer};
use countersign_shared::mtls::{AcceptLimits, ConnectionLimits, bind, server};
use futures_util::stream;
use serde_json::{Value as Json, json};
use tonic::{Request, Response, Status};

use crate::bench::place::material;
use crate::pki::Role;

/// The read that every turn makes.
pub(super) const READ: &str = "till.my_sales";

/// Where they listen.
pub(super) struct Stub {
    pub(super) executor: SocketAddr,
    pub(super) model: SocketAddr,
}

/// What both did.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Nanoseconds inside of them.
    inside: AtomicU64,
    /// Milliseconds for which the model keeps everybody waiting.
    hold: AtomicU64,
    waiting: AtomicU64,
    most_waiting: AtomicU64,
}

impl Times {
    /// The time inside since this was asked last.
    pub(super) fn taken(&self) -> Duration {
        Duration::from_nanos(self.inside.swap(0, Ordering::Relaxed))
    }

    /// From now on the model keeps everybody waiting for so long.
    pub(super) fn hold(&self, how_long: Duration) {
        let millis = u64::try_from(how_long.as_millis()).unwrap_or(u64::MAX);
        self.hold.store(millis, Ordering::Relaxed);
    }

    /// The most that waited for the model at once.
    pub(super) fn most_waiting(&self) -> u64 {
        self.most_waiting.load(Ordering::Relaxed)
    }

    async fn timed<T>(&self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.inside.fetch_add(took, Ordering::Relaxed);
        done
    }
}

impl Stub {
    /// Serves both as long as the runtime lives.
    pub(super) async fn start(dir: &Path, log: String, times: Arc<Times>) -> anyhow::Result<Self> {
        let router = Router::new()
            .route("/v1/chat/completions", post(decide))
            .with_state(Arc::clone(&times));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot listen on 127.0.0.1")?;
        let model = listener.local_addr()?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let own = material(dir, Role::Executor)?;
        let incoming = bind("127.0.0.1:0".parse()?, own, AcceptLimits::default()).await?;
        let executor = incoming.local_addr()?;
        let router = server(ConnectionLimits::default())
            .add_service(ExecutorServer::new(Desk { times, log }));
        tokio::spawn(async move { router.serve_with_incoming(incoming).await });
        Ok(Self { executor, model })
    }
}

/// Wants the one read, whatever it is asked.
async fn decide(State(times): State<Arc<Times>>, Body(_asked): Body<Json>) -> Body<Json> {
    let waiting = times.waiting.fetch_add(1, Ordering::Relaxed) + 1;
    times.most_waiting.fetch_max(waiting, Ordering::Relaxed);
    let hold = Duration::from_millis(times.hold.load(Ordering::Relaxed));
    let held = async {
        if !hold.is_zero() {
            tokio::time::sleep(hold).await;
        }
        let decision = json!({
            "intent": "question", "confidence": 0.97, "uncertainty_reason": "",
            "recommended_action": "proceed", "calls": [{ "tool": READ, "arguments": {} }],
        });
        let message = json!({ "role": "assistant", "content": decision.to_string() });
        let usage = json!({ "prompt_tokens": 500, "completion_tokens": 60 });
        Body(json!({ "choices": [{ "message": message }], "usage": usage }))
    };
    let answer = times.timed(held).await;
    times.waiting.fetch_sub(1, Ordering::Relaxed);
    answer
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("the stub only lists and reads"))
}

struct Desk {
    times: Arc<Times>,
    /// The log's newest checkpoint.
    log: String,
}

#[tonic::async_trait]
impl Executor for Desk {
    async fn list_tools(
        &self,
        _request: Request<v1::ListToolsRequest>,
    ) -> Result<Response<v1::ListToolsResponse>, Status> {
        let tool = async {
            v1::Tool {
                name: READ.to_owned(),
                summary: "The customer's sales.".to_owned(),
                read: true,
                arguments_json: "{}".to_owned(),
                output_json: r#"{"sales":[{"id":"fact","total":"fact"}]}"#.to_owned(),
                examples: vec!["show me my sales".to_owned()],
                label: "{id}, {total}".to_owned(),
                ..v1::Tool::default()
            }
        };
        let tools = vec![self.times.timed(tool).await];
        Ok(Response::new(v1::ListToolsResponse {
            tools,
            handover: Some(v1::GetHandoverResponse::default()),
            checkpoint: self.log.clone(),
            ..v1::ListToolsResponse::default()
        }))
    }

    async fn execute(
        &self,
        _request: Request<v1::ExecuteRequest>,
    ) -> Result<Response<v1::ExecuteResponse>, Status> {
        let sale = |n: u32| json!({ "id": n.to_string(), "total": "5.00 USD" });
        let read = async {
            v1::Observation {
                observation_id: format!("obs_{}", uuid::Uuid::now_v7().simple()),
                step_id: "r1".to_owned(),
                tool: READ.to_owned(),
                value_json: json!({ "sales": [sale(1), sale(2), sale(3)] }).to_string(),
                labels_json: r#"{"sales":[{"id":"fact","total":"fact"}]}"#.to_owned(),
                ..v1::Observation::default()
            }
        };
        let observations = vec![self.times.timed(read).await];
        Ok(Response::new(v1::ExecuteResponse { observations, action: None }))
    }

    async fn propose(
        &self,
        _request: Request<v1::ProposeRequest>,
    ) -> Result<Response<v1::ProposeResponse>, Status> {
        not_here()
    }

    async fn list_erased(
        &self,
        _request: Request<v1::ListErasedRequest>,
    ) -> Result<Response<v1::ListErasedResponse>, Status> {
        Ok(Response::new(v1::ListErasedResponse::default()))
    }

    async fn withdraw(
        &self,
        _request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        not_here()
    }

    async fn match_subject(
        &self,
        _request: Request<v1::MatchSubjectRequest>,
    ) -> Result<Response<v1::MatchSubjectResponse>, Status> {
        not_here()
    }

    async fn escalate(
        &self,
        _request: Request<v1::EscalateRequest>,
    ) -> Result<Response<v1::EscalateResponse>, Status> {
        not_here()
    }

    async fn record_turn(
        &self,
        _request: Request<v1::RecordTurnRequest>,
    ) -> Result<Response<v1::RecordTurnResponse>, Status> {
        Ok(Response::new(v1::RecordTurnResponse {}))
    }

    async fn record_rating(
        &self,
        _request: Request<v1::RecordRatingRequest>,
    ) -> Result<Response<v1::RecordRatingResponse>, Status> {
        not_here()
    }

    async fn get_handover(
        &self,
        _request: Request<v1::GetHandoverRequest>,
    ) -> Result<Response<v1::GetHandoverResponse>, Status> {
        Ok(Response::new(v1::GetHandoverResponse::default()))
    }

    async fn get_action(
        &self,
        _request: Request<v1::GetActionRequest>,
    ) -> Result<Response<v1::GetActionResponse>, Status> {
        not_here()
    }

    type WatchActionStream = stream::Empty<Result<v1::WatchActionResponse, Status>>;

    async fn watch_action(
        &self,
        _request: Request<v1::WatchActionRequest>,
    ) -> Result<Response<Self::WatchActionStream>, Status> {
        not_here()
    }
}
