//! Several executors on one PostgreSQL, while executors are stopped and killed and the server ends
//! connections: every wish is carried out once, and there is one log. How many wishes there are at
//! least is `COUNTERSIGN_REPLICAS_ACTIONS`, 200 where it is not set.

mod harm;
mod place;
mod proof;
mod replica;
mod till;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_shared::mtls::Channel;
use countersign_shared::refusal::Refusal;
use tokio::task::JoinSet;

use super::support::cluster::Cluster;
use place::Place;
use replica::Replica;
use till::Till;

/// Executors.
const EXECUTORS: usize = 4;
/// Callers at once.
const CALLERS: usize = 8;
/// As long as a call may take, before its caller asks another executor.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything that runs.
pub struct House {
    pub place: Place,
    pub cluster: Cluster,
    pub till: Till,
    pub replicas: Vec<Replica>,
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_carry_each_wish_out_once_whatever_stops() {
    let mut house = House::open().await;
    let least = std::env::var("COUNTERSIGN_REPLICAS_ACTIONS");
    let least = least.map_or(200, |number| number.parse().unwrap());
    let load = Load::start(&house, least);
    let mut rounds = 0;
    while rounds == 0 || load.begun() < least {
        harm::stopped_for_long(&mut house).await;
        harm::connections_ended(&house).await;
        harm::stopped_in_the_seat(&mut house).await;
        harm::killed_in_the_seat(&mut house).await;
        harm::killed_at_each_step(&mut house).await;
        rounds += 1;
        println!("{} of at least {least} wishes, harmed {rounds} times", load.begun());
    }
    let replies = load.finish().await;
    house.settled().await;
    proof::check(&house, &replies).await;
}

impl House {
    async fn open() -> Self {
        let (cluster, till) = (Cluster::start(&[]), Till::start().await);
        let place = Place::lay_out(till.address());
        replica::shorten_requests(&place);
        let replicas = (0..EXECUTORS).map(|n| Replica::start(&place, &cluster, n)).collect();
        Self { place, cluster, till, replicas }
    }

    /// Waits until nothing is under way.
    async fn settled(&self) {
        let under_way = "SELECT count(*) FROM actions WHERE state <> 'sealed'";
        for _ in 0..600 {
            if self.cluster.sql(under_way) == "0" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!(
            "still under way: {}",
            self.cluster.sql("SELECT action_id, state FROM actions WHERE state <> 'sealed'")
        );
    }
}

/// Callers that ask until they hear how it ended.
struct Load {
    at_work: JoinSet<BTreeMap<u64, String>>,
    sales: Arc<AtomicU64>,
    enough: Arc<AtomicBool>,
}

impl Load {
    fn start(house: &House, least: u64) -> Self {
        let (sales, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut at_work = JoinSet::new();
        for _ in 0..CALLERS {
            let caller = Caller {
                clients: house.replicas.iter().map(|one| one.client(&house.place)).collect(),
                token: house.place.token().to_owned(),
            };
            let (sales, enough) = (Arc::clone(&sales), Arc::clone(&enough));
            at_work.spawn(async move {
                let mut replies = BTreeMap::new();
                loop {
                    let sale = sales.fetch_add(1, Ordering::SeqCst);
                    if sale >= least && enough.load(Ordering::SeqCst) {
                        return replies;
                    }
                    replies.insert(sale, caller.carry_out(sale).await);
                }
            });
        }
        Self { at_work, sales, enough }
    }

    /// How many wishes were begun.
    fn begun(&self) -> u64 {
        self.sales.load(Ordering::SeqCst)
    }

    /// What each sale's caller heard in the end: the receipt of what was applied.
    async fn finish(mut self) -> BTreeMap<u64, String> {
        self.enough.store(true, Ordering::SeqCst);
        let mut replies = BTreeMap::new();
        while let Some(some) = self.at_work.join_next().await {
            replies.extend(some.unwrap());
        }
        replies
    }
}

struct Caller {
    clients: Vec<ExecutorClient<Channel>>,
    token: String,
}

impl Caller {
    /// Asks one executor after the other until one knows that it is applied.
    async fn carry_out(&self, sale: u64) -> String {
        let mut heard = String::new();
        for client in self.clients.iter().cycle().skip(sale as usize % EXECUTORS).take(600) {
            let call = client.clone().execute(request(&self.token, sale)).await_for(PATIENCE).await;
            match call {
                Some(Ok(done)) => {
                    let action = done.into_inner().action.unwrap();
                    assert_ne!(action.outcome(), v1::Outcome::Unknown, "sale {sale}: {action:?}");
                    if action.outcome() == v1::Outcome::Applied {
                        return action.receipt_id;
                    }
                    heard = format!("{action:?}");
                }
                Some(Err(status)) => {
                    let refusal = Refusal::from_status(&status);
                    heard = format!("{status:?}");
                    if let Some(done) = refusal.filter(|no| no.code == "ALREADY_DONE") {
                        return done.receipt_id.unwrap();
                    }
                }
                None => heard = "nothing".to_owned(),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("sale {sale}: {heard}");
    }
}

trait Patient: Future + Sized {
    async fn await_for(self, patience: Duration) -> Option<Self::Output> {
        tokio::time::timeout(patience, self).await.ok()
    }
}

impl<F: Future> Patient for F {}

/// A plan of one write on a sale: every third a credit, which must not be sent again
/// without a look.
fn request(token: &str, sale: u64) -> v1::ExecuteRequest {
    let id = v1::Argument { source: Some(Source::ModelJson(format!("\"{sale}\""))) };
    let tool = if sale % 3 == 2 { "till.credit" } else { "till.refund" };
    let step = v1::Step {
        id: "pay".into(),
        tool: tool.into(),
        arguments: [("id".to_owned(), id)].into_iter().collect(),
    };
    let plan = v1::Plan {
        conversation_id: "c".into(),
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
