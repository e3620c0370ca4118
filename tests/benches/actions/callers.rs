//! Callers that ask, wait for the reply, and ask again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_client::ExecutorClient;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::place::Place;
use crate::process::{Process, processor_time};

/// Connections that all callers of a side share, as from so many planners.
const CONNECTIONS: usize = 4;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Executor,
    Forwarder,
}

/// What a round showed.
pub struct Round {
    pub per_second: f64,
    /// Microseconds from call to reply.
    pub latency: Histogram<u64>,
    /// Processor time of the process called, in microseconds for each action.
    pub processor: Option<f64>,
}

/// Everyone who calls one side.
pub struct Crowd {
    side: Side,
    process: u32,
    token: String,
    clients: Vec<ExecutorClient<Channel>>,
    sales: Arc<AtomicU64>,
    replies: Arc<Mutex<BTreeMap<u64, String>>>,
}

impl Crowd {
    pub fn new(side: Side, process: &Process, place: &Place) -> Self {
        let dial = |_| ExecutorClient::new(place.channel(Role::Planner, process.address()));
        Self {
            side,
            process: process.id(),
            token: place.token().to_owned(),
            clients: (0..CONNECTIONS).map(dial).collect(),
            sales: Arc::default(),
            replies: Arc::default(),
        }
    }

    pub fn side(&self) -> Side {
        self.side
    }

    /// So many callers for so long; each finishes what it began.
    pub async fn round(&self, callers: usize, length: Duration) -> Round {
        let (began, before) = (Instant::now(), processor_time(self.process));
        let mut at_work = JoinSet::new();
        for client in self.clients.iter().cycle().take(callers) {
            let caller = Caller {
                client: client.clone(),
                token: self.token.clone(),
                sales: Arc::clone(&self.sales),
                replies: Arc::clone(&self.replies),
            };
            at_work.spawn(caller.work(began + length));
        }
        let mut latency = Histogram::new(3).unwrap();
        while let Some(done) = at_work.join_next().await {
            latency.add(done.unwrap()).unwrap();
        }
        let (took, actions) = (began.elapsed(), latency.len() as f64);
        let used = before.zip(processor_time(self.process)).map(|(from, to)| to - from);
        Round {
            per_second: actions / took.as_secs_f64(),
            processor: used.map(|used| used.as_micros() as f64 / actions),
            latency,
        }
    }

    /// What was answered for each sale: a receipt's id, or the forwarder's key.
    pub fn into_replies(self) -> BTreeMap<u64, String> {
        std::mem::take(&mut *self.replies.lock())
    }
}

struct Caller {
    client: ExecutorClient<Channel>,
    token: String,
    sales: Arc<AtomicU64>,
    replies: Arc<Mutex<BTreeMap<u64, String>>>,
}

impl Caller {
    async fn work(mut self, until: Instant) -> Histogram<u64> {
        let mut latency = Histogram::new(3).unwrap();
        while Instant::now() < until {
            let sale = self.sales.fetch_add(1, Ordering::Relaxed);
            let request = request(&self.token, sale);
            let began = Instant::now();
            let reply = self.client.execute(request).await.unwrap().into_inner();
            latency.record(u64::try_from(began.elapsed().as_micros()).unwrap()).unwrap();
            let action = reply.action.unwrap();
            assert_eq!(action.outcome(), v1::Outcome::Applied, "{action:?}");
            assert_eq!(self.replies.lock().insert(sale, action.receipt_id), None);
        }
        latency
    }
}

/// A plan of one write on a sale that nobody asked about before.
fn request(token: &str, sale: u64) -> v1::ExecuteRequest {
    let id = v1::Argument { source: Some(Source::ModelJson(format!("\"{sale}\""))) };
    let step = v1::Step {
        id: "refund".into(),
        tool: "till.refund".into(),
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
