//! Three executors on one database and two planners on another, each kind behind a balancer.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::pki::Role;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::planner_client::PlannerClient;
use countersign_shared::mtls::Channel;

use super::balancer::{Balancer, Takes};
use crate::support::change;
use crate::support::cluster::{Cluster, USER};
use crate::support::pair::{Pair, planner_config};
use crate::support::service::{Launch, Service};
use crate::support::wishes::shop;

const EXECUTORS: usize = 3;
const PLANNERS: usize = 2;
/// After one was replaced.
const PAUSE: Duration = Duration::from_millis(500);
/// Longer than calls, turns and a lag of the published log may take together.
const LONGEST_END: Duration = Duration::from_secs(45);

/// What callers know of it.
pub struct House {
    pub pair: Pair,
    executors_at: SocketAddr,
    planners_at: SocketAddr,
    // Stops after those who use it.
    cluster: Cluster,
    conversations: Cluster,
}

/// Several of a service.
pub struct Fleet {
    pub program: &'static str,
    all: Vec<(String, Arc<Service>)>,
    named: usize,
    pub before: Balancer,
}

impl House {
    /// With so many orders in the shop; with its executors and its planners, of these builds.
    pub async fn open(stock: u64, [executor, planner]: &[Launch; 2]) -> (Self, Fleet, Fleet) {
        let pair = shop(stock).await;
        let (cluster, conversations) = (Cluster::start(&[]), Cluster::start(&[]));
        change::on_postgres(pair.dir.path(), &cluster);
        // Longer than a balancer that looks five times a second needs to see it.
        pair.add_config("drain: 1s\n");
        let mut executors = Fleet::new("executor", Balancer::start(Takes::Alive).await);
        let mut planners = Fleet::new("planner", Balancer::start(Takes::Ready).await);
        let (executors_at, planners_at) = (executors.before.address, planners.before.address);
        let config = planner_config(&executors_at.to_string(), "{ kind: offline }");
        let more = format!(
            "drain: 1s\nstore: {{ postgres: {{ host: {}, database: postgres, user: {USER}, tls: off, lease: 6s }} }}\n",
            conversations.host().display()
        );
        fs::write(pair.path("planner.yaml"), config + &more).unwrap();
        executors.begin(&pair, EXECUTORS, executor);
        planners.begin(&pair, PLANNERS, planner);
        planners.before.opens(PLANNERS).await;
        let house = Self { pair, executors_at, planners_at, cluster, conversations };
        (house, executors, planners)
    }

    /// The number of the newest migration of this service's database.
    pub fn layout(&self, program: &str) -> String {
        let cluster = if program == "planner" { &self.conversations } else { &self.cluster };
        cluster.sql("SELECT max(number) FROM migrations")
    }

    /// The executors as a planner sees them.
    pub fn executor(&self) -> ExecutorClient<Channel> {
        let address = self.executors_at.to_string();
        ExecutorClient::new(self.pair.channel_to("executor", &address, Role::Planner))
    }

    /// The planners as a frontend sees them.
    pub fn planner(&self) -> PlannerClient<Channel> {
        let address = self.planners_at.to_string();
        PlannerClient::new(self.pair.channel_to("planner", &address, Role::Frontend))
    }
}

impl Fleet {
    fn new(program: &'static str, before: Balancer) -> Self {
        Self { program, all: vec![], named: 0, before }
    }

    /// The first so many, of a build.
    fn begin(&mut self, pair: &Pair, many: usize, launch: &Launch) {
        for number in 0..many {
            let name = format!("{}-{number}", self.program);
            self.joins_as(pair, &name, launch).unwrap_or_else(|said| panic!("{name}:\n{said}"));
        }
    }

    /// One more of this name, which serves when this returns. What it remembers lies in a folder
    /// of that name.
    pub fn join(&mut self, pair: &Pair, name: &str) {
        let launch = Launch::shipped(self.program);
        self.joins_as(pair, name, &launch).unwrap_or_else(|said| panic!("{name}:\n{said}"));
    }

    /// The same of another build, or what it said where it ended instead.
    pub fn joins_as(&mut self, pair: &Pair, name: &str, launch: &Launch) -> Result<(), String> {
        let template = pair.path(&format!("{}.yaml", self.program));
        let config = fs::read_to_string(template).unwrap();
        let config = config.replace("\nstate: ", &format!("\nstate: {name}-"));
        fs::write(pair.path(&format!("{name}.yaml")), config).unwrap();
        let started = launch.start(name, pair.dir.path(), "info");
        let said = || fs::read_to_string(pair.path(&format!("{name}.log"))).unwrap();
        let service = Arc::new(started.map_err(|gone| format!("{gone}\n{}", said()))?);
        self.before.add(&service);
        self.all.push((name.to_owned(), service));
        Ok(())
    }

    pub fn services(&self) -> Vec<Arc<Service>> {
        self.all.iter().map(|(_, service)| Arc::clone(service)).collect()
    }

    /// One more, of a name that nobody had.
    pub fn newest_joins(&mut self, pair: &Pair) {
        self.named += 1;
        let name = format!("{}-new-{}", self.program, self.named);
        self.join(pair, &name);
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Waits until each gets connections, and a little while for some of them to come.
    pub async fn settles(&self) {
        self.before.opens(self.all.len()).await;
        tokio::time::sleep(PAUSE).await;
    }

    /// Tells the oldest to stop and waits until it has ended; answers with its name.
    pub async fn oldest_leaves(&mut self) -> String {
        let (name, service) = self.all.remove(0);
        service.terminate();
        let began = Instant::now();
        let well = loop {
            if let Some(well) = service.ended_well() {
                break well;
            }
            assert!(began.elapsed() < LONGEST_END, "{name} does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(well, "{name} ended as if something had happened");
        self.before.remove(&service);
        name
    }
}
