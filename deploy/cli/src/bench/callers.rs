//! Callers that ask, wait for the reply, and ask again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_shared::codes::Code;
use countersign_shared::mtls::Channel;
use countersign_shared::refusal::Refusal;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tonic::Status;

use super::disk::Disk;
use super::place::Place;
use super::process::{Process, processor_time};
use crate::pki::Role;
use crate::remote;

/// Connections that all callers of a process share, as from so many planners.
const CONNECTIONS: usize = 4;
/// Callers and length of what comes before the first round.
const WARM_UP: (usize, Duration) = (16, Duration::from_millis(300));
/// A refund, with every call to the backend that it takes.
const REFUND: &str = "till.refund";
/// What the forwarder takes for a refund without reads.
pub(super) const WRITE_ONLY: &str = "till.write_only";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A refund that nobody asked for before.
    Action,
    /// The same, of the forwarder, without any read.
    WriteOnly,
    /// A refund that was made already.
    Repeat,
}

/// What a round showed.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) per_second: f64,
    /// Microseconds from call to reply.
    pub(super) latency: Histogram<u64>,
    /// Processor time of the process called, in microseconds for each reply.
    pub(super) processor: Option<f64>,
    /// Flushes of the disk meanwhile, whoever asked for them, for each reply.
    pub(super) flushes: Option<f64>,
}

/// Everyone who calls one process.
pub(super) struct Crowd {
    process: u32,
    desk: Desk,
    clients: Vec<ExecutorClient<Channel>>,
}

/// What all callers of a process share.
#[derive(Clone)]
struct Desk {
    token: Arc<str>,
    address: Arc<str>,
    sales: Arc<AtomicU64>,
    repeats: Arc<AtomicU64>,
    replies: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Crowd {
    pub(super) fn new(process: &Process, place: &Place) -> anyhow::Result<Self> {
        let dial = |_| Ok(ExecutorClient::new(place.channel(Role::Planner, &process.address)?));
        let desk = Desk {
            token: place.token().into(),
            address: process.address.as_str().into(),
            sales: Arc::default(),
            repeats: Arc::default(),
            replies: Arc::default(),
        };
        let clients = (0..CONNECTIONS).map(dial).collect::<anyhow::Result<_>>()?;
        Ok(Self { process: process.id, desk, clients })
    }

    /// Connects, and fills whatever fills at first.
    pub(super) async fn warm_up(&self, disk: &Disk) -> anyhow::Result<()> {
        self.round(Work::Action, WARM_UP.0, WARM_UP.1, disk).await.map(drop)
    }

    /// So many callers for so long; each finishes what it began.
    pub(super) async fn round(
        &self,
        work: Work,
        callers: usize,
        length: Duration,
        disk: &Disk,
    ) -> anyhow::Result<Round> {
        let (began, before) = (Instant::now(), (processor_time(self.process), disk.flushes()));
        let mut at_work = JoinSet::new();
        for client in self.clients.iter().cycle().take(callers) {
            let caller = Caller { client: client.clone(), desk: self.desk.clone() };
            at_work.spawn(caller.work(work, began + length));
        }
        let mut latency = Histogram::new(3)?;
        while let Some(done) = at_work.join_next().await {
            latency.add(done??)?;
        }
        let (took, replies) = (began.elapsed(), latency.len() as f64);
        anyhow::ensure!(replies > 0.0, "nothing was answered in time: give a longer --round-ms");
        let used = before.0.zip(processor_time(self.process)).map(|(from, to)| to - from);
        let flushed = before.1.zip(disk.flushes()).map(|(from, to)| to.saturating_sub(from));
        Ok(Round {
            per_second: replies / took.as_secs_f64(),
            processor: used.map(|used| used.as_micros() as f64 / replies),
            flushes: flushed.map(|flushes| flushes as f64 / replies),
            latency,
        })
    }

    /// What was answered for each sale: a receipt's id, or the forwarder's key.
    pub(super) fn replies(&self) -> Vec<(u64, String)> {
        self.desk.replies.lock().clone()
    }

    /// How many repeats were answered, each with the receipt of the first time.
    pub(super) fn repeats(&self) -> u64 {
        self.desk.repeats.load(Ordering::Relaxed)
    }
}

struct Caller {
    client: ExecutorClient<Channel>,
    desk: Desk,
}

impl Caller {
    async fn work(mut self, work: Work, until: Instant) -> anyhow::Result<Histogram<u64>> {
        let mut latency = Histogram::new(3)?;
        while Instant::now() < until {
            let took = match work {
                Work::Action => self.act(REFUND).await?,
                Work::WriteOnly => self.act(WRITE_ONLY).await?,
                Work::Repeat => self.repeat().await?,
            };
            latency.record(u64::try_from(took.as_micros())?)?;
        }
        Ok(latency)
    }

    async fn act(&mut self, tool: &str) -> anyhow::Result<Duration> {
        let sale = self.desk.sales.fetch_add(1, Ordering::Relaxed);
        let (reply, took) = self.ask(tool, sale).await;
        let reply = reply.map_err(|status| remote::refused(&self.desk.address, &status))?;
        let action = reply.action.context("a reply without its action")?;
        anyhow::ensure!(action.outcome() == v1::Outcome::Applied, "not applied: {action:?}");
        self.desk.replies.lock().push((sale, action.receipt_id));
        Ok(took)
    }

    /// AT MOST ONE EFFECT: a repeat is answered with the receipt of the first time.
    async fn repeat(&mut self) -> anyhow::Result<Duration> {
        let turn = self.desk.repeats.fetch_add(1, Ordering::Relaxed);
        let earlier = {
            let replies = self.desk.replies.lock();
            let at = turn.checked_rem(u64::try_from(replies.len())?).unwrap_or_default();
            replies.get(usize::try_from(at)?).cloned()
        };
        let (sale, receipt) = earlier.context("nothing was done yet that could be repeated")?;
        let (reply, took) = self.ask(REFUND, sale).await;
        let refusal = reply.err().and_then(|status| Refusal::from_status(&status));
        let refusal = refusal.with_context(|| format!("sale {sale} was refunded twice"))?;
        anyhow::ensure!(
            refusal.code == Code::AlreadyDone.name() && refusal.receipt_id == Some(receipt),
            "a repeat of sale {sale} was answered with {refusal:?}"
        );
        Ok(took)
    }

    async fn ask(
        &mut self,
        tool: &str,
        sale: u64,
    ) -> (Result<v1::ExecuteResponse, Status>, Duration) {
        let request = request(&self.desk.token, tool, sale);
        let began = Instant::now();
        let reply = self.client.execute(request).await;
        (reply.map(tonic::Response::into_inner), began.elapsed())
    }
}

/// A plan of one write.
fn request(token: &str, tool: &str, sale: u64) -> v1::ExecuteRequest {
    let id = v1::Argument { source: Some(Source::ModelJson(format!("\"{sale}\""))) };
    let step = v1::Step {
        id: "refund".into(),
        tool: tool.into(),
        arguments: HashMap::from([("id".to_owned(), id)]).into_iter().collect(),
    };
    let plan = v1::Plan {
        conversation_id: "bench".into(),
        external_ref: "T-1".into(),
        steps: vec![step],
        confidence: Some(v1::Confidence {
            score: 0.99,
            uncertainty_reason: String::new(),
            recommended_action: v1::RecommendedAction::Proceed.into(),
            ..Default::default()
        }),
        model: Some(v1::ModelUse { model: "none".into(), ..v1::ModelUse::default() }),
        after_receipt_id: String::new(),
    };
    v1::ExecuteRequest {
        subject_token: token.to_owned(),
        target: Some(Target::Plan(plan)),
        messages: vec![],
        confirmation: String::new(),
    }
}
