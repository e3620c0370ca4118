//! Puts the planner together and serves until told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use countersign_proto::v1::planner_server::PlannerServer;
use countersign_shared::drain::Drain;
use countersign_shared::listen::Ports;
use countersign_shared::mtls::{
    AcceptLimits, ConnectionLimits, Material, bind, channel, serve_until, server,
};
use countersign_shared::peer::Guard;
use countersign_shared::ready::Ready;
use countersign_shared::span;
use countersign_shared::trace::Traced;
use tokio_util::task::TaskTracker;

use crate::budget::Budgets;
use crate::chat;
use crate::config::{Config, ModelConfig};
use crate::conversation::Limits;
use crate::conversation::turn::Engine;
use crate::executor::{Executor, GrpcExecutor};
use crate::forget;
use crate::keep::Keep;
use crate::knowledge::Knowledge;
use crate::memory::Memory;
use crate::metrics::{Counted, Metrics};
use crate::model::Model;
use crate::model::offline::Offline;
use crate::model::openai::Openai;
use crate::model::routed::{Routed, Tier};
use crate::peer::Authorize;
use crate::record::Recorder;
use crate::service::PlannerService;
use crate::status::{self, Seen};

/// How long turns under way may take to end after the signal to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Largest request, in bytes.
const LARGEST_REQUEST: usize = 256 * 1024;

/// The configured model, with its API key.
fn model(config: &Config, memory: &Memory, metrics: &Metrics) -> anyhow::Result<Arc<dyn Model>> {
    let counted = |model: Arc<dyn Model>| {
        Ok(Arc::new(Counted::over(model, metrics.clone())) as Arc<dyn Model>)
    };
    match &config.model {
        ModelConfig::Offline => counted(Arc::new(Offline)),
        ModelConfig::Openai(openai) => Ok(Arc::new(Counted::over_server(
            Arc::new(Openai::new(openai)?),
            openai.price.clone(),
            metrics.clone(),
        ))),
        ModelConfig::Routed(routed) => {
            let budgets = Budgets::new(routed.budgets, memory.clone());
            let strong = routed.strong.as_ref().map(Tier::new).transpose()?;
            let routed = Routed::new(Tier::new(&routed.cheap)?, strong, budgets);
            counted(Arc::new(routed.telling(metrics.clone())))
        }
    }
}

/// The folder of what is kept.
fn keep(config: &Config) -> anyhow::Result<Keep> {
    let Some((folder, log)) = config.state.as_ref().zip(config.log.as_ref()) else {
        tracing::warn!("`state` names no folder: the executor's history is not checked or kept");
        return Ok(Keep::default());
    };
    let keep = Keep::open(folder, log.keys()?, log.cosigner()?);
    keep.with_context(|| format!("cannot use {}", folder.display()))
}

/// What is read and opened before the process is confined.
pub struct Opened {
    /// What reads messages.
    pub model: Arc<dyn Model>,
    /// What is kept.
    pub keep: Keep,
    /// What is remembered of conversations.
    pub memory: Memory,
    /// Pages that answer questions.
    pub knowledge: Knowledge,
    /// Keys and certificates of the HTTP faces.
    pub chat: Option<chat::Opened>,
    /// Counts for operators.
    pub metrics: Metrics,
}

impl Opened {
    /// Reads and opens all that the configuration names.
    ///
    /// # Errors
    /// What cannot be used, with what to do about it.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let metrics = Metrics::default();
        let chat = config.chat.clone();
        let chat = chat.map(|chat| chat::Opened::of(chat, &metrics)).transpose()?;
        let keep = keep(config)?;
        let memory = memory(config)?;
        let knowledge = config.knowledge.as_ref().map(Knowledge::open).transpose()?;
        let knowledge = knowledge.unwrap_or_default();
        let model = model(config, &memory, &metrics)?;
        Ok(Self { model, keep, memory, knowledge, chat, metrics })
    }
}

/// Conversations lie where planners share them, or beside what is kept.
fn memory(config: &Config) -> anyhow::Result<Memory> {
    if let Some(store) = &config.store {
        return Memory::on(&store.postgres).context("store.postgres");
    }
    let Some(folder) = &config.state else { return Ok(Memory::default()) };
    Memory::open(folder).with_context(|| format!("cannot use {}", folder.display()))
}

/// Runs the planner until `stop` resolves.
///
/// # Errors
/// Whatever keeps it from starting, with what to do about it.
pub async fn run(
    config: Config,
    Opened { model, keep, memory, knowledge, chat, metrics }: Opened,
    ready_file: Option<&Path>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    if let Some(telemetry) = &config.telemetry {
        span::start(telemetry, "countersign-planner")?;
    }
    let material = Material::open(config.tls.clone())?;
    let executor =
        channel(&config.executor.address, Arc::clone(&material), config.executor.id.clone())?;
    let drain = Drain::default();
    let seen = Seen {
        executor: executor.clone(),
        keep: keep.clone(),
        memory: memory.clone(),
        material: Arc::clone(&material),
        drain: drain.clone(),
    };
    // Before what may take long: whoever probes must not take this planner for dead meanwhile.
    let admin = status::serve(address(&config.admin)?, seen, metrics.clone())
        .await
        .with_context(|| format!("cannot listen on {}", config.admin))?;
    let mut stop = pin!(stop);
    tokio::select! {
        joined = memory.join() => joined?,
        () = &mut stop => {
            tracing::info!("planner stopped before its database was open");
            return Ok(());
        }
    }
    let incoming = bind(address(&config.listen)?, material, AcceptLimits::default())
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let grpc = incoming.local_addr()?;
    let turns = TaskTracker::new();
    let executor: Arc<dyn Executor> = Arc::new(GrpcExecutor::new(executor, keep, memory.clone()));
    let recorder = Recorder::new(Arc::clone(&executor), turns.clone());
    let others = (memory.clone(), knowledge);
    let asked = Arc::clone(&executor);
    let engine =
        Engine::new(executor, Arc::clone(&model), Limits::default(), others).recording(recorder);
    let engine = Arc::new(engine);
    let ports = Ports::default();
    let chat = match chat {
        Some(chat) => Some(
            chat::serve(chat, Arc::clone(&engine), turns.clone(), memory.clone(), &ports).await?,
        ),
        None => None,
    };
    tokio::spawn(memory.clone().sweep(config.kept_idle()));
    tokio::spawn(forget::follow(asked, memory.clone()));
    let paces = (config.per_minute, config.per_minute_each);
    let planner = PlannerServer::new(PlannerService::new(engine, paces, turns.clone()));
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<PlannerServer<PlannerService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(countersign_proto::DESCRIPTORS)
        .build_v1()?;
    if let Some(file) = ready_file {
        Ready { grpc, admin, console: None, chat, log: None }.announce(file)?;
    }
    let http = chat.map(|address| address.to_string()).unwrap_or_default();
    tracing::info!(%grpc, %admin, chat = http, model = model.name(), "planner ready");
    let router = server(ConnectionLimits::default())
        .layer(Guard::new(Authorize::new(config.callers).telling(metrics)))
        .layer(Traced)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(planner.max_decoding_message_size(LARGEST_REQUEST));
    let stop = async {
        drain.after(stop, config.drain).await;
        ports.stop();
    };
    serve_until(stop, GRACE, |stop| router.serve_with_incoming_shutdown(incoming, stop)).await?;
    ports.ended().await;
    turns.close();
    if tokio::time::timeout(GRACE, turns.wait()).await.is_err() {
        tracing::warn!("stopped with turns under way: their actions go on in the executor");
    }
    memory.leave().await;
    span::flush().await;
    tracing::info!("planner stopped");
    Ok(())
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| format!("`{text}` is not an address such as 127.0.0.1:7444"))
}
