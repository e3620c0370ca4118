//! The same over real mutual TLS, with the table of callers in front.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign::pki::{Role, init_ca, issue};
use countersign_executor::peer::Authorize;
use countersign_executor::service::approvals::ApprovalsService;
use countersign_executor::service::audit::AuditService;
use countersign_executor::service::executor::ExecutorService;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::approvals_server::ApprovalsServer;
use countersign_proto::v1::audit_server::AuditServer;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::executor_server::ExecutorServer;
use countersign_shared::mtls::Channel;
use countersign_shared::mtls::{
    AcceptLimits, ConnectionLimits, Material, MaterialFiles, bind, channel, serve_until, server,
};
use countersign_shared::peer::Guard;
use tempfile::TempDir;

use super::door::{Door, callers};
use super::planner::scene;
use super::run::{Progress, number};
use super::scene::Tally;
use super::world::{Ground, World};

/// The services of a world on a port of this machine.
struct Port {
    dir: TempDir,
    address: String,
}

impl Port {
    async fn open(world: &World) -> Self {
        let dir = TempDir::new().unwrap();
        init_ca(dir.path(), "hostile.example").unwrap();
        for role in [Role::Executor, Role::Planner, Role::Frontend, Role::Operator] {
            issue(dir.path(), role, dir.path()).unwrap();
        }
        let limits = AcceptLimits::default();
        let address = "127.0.0.1:0".parse().unwrap();
        let incoming = bind(address, material(&dir, Role::Executor), limits).await.unwrap();
        let address = incoming.local_addr().unwrap().to_string();
        let desk = world.desk.clone();
        let router = server(ConnectionLimits::default())
            .layer(Guard::new(Authorize::new(callers())))
            .add_service(ExecutorServer::new(ExecutorService::new(desk.clone())))
            .add_service(ApprovalsServer::new(ApprovalsService::new(desk.clone())))
            .add_service(AuditServer::new(AuditService::new(desk, BTreeSet::new())));
        tokio::spawn(serve_until(std::future::pending(), Duration::from_secs(1), |stop| {
            router.serve_with_incoming_shutdown(incoming, stop)
        }));
        Self { dir, address }
    }

    fn channel(&self, role: Role) -> Channel {
        let expected = "spiffe://hostile.example/executor".parse().unwrap();
        channel(&self.address, material(&self.dir, role), expected).unwrap()
    }

    fn door(&self) -> Door {
        Door::Wire { planner: self.channel(Role::Planner), approver: self.channel(Role::Operator) }
    }
}

fn material(dir: &TempDir, role: Role) -> Arc<Material> {
    Material::open(MaterialFiles::in_dir(&dir.path().join(role.as_str()))).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_planner_over_mutual_tls() {
    let wanted = number("COUNTERSIGN_HOSTILE_RPC_INPUTS", 300);
    let world = World::new(&Ground::new());
    let port = Port::open(&world).await;
    let first = number("COUNTERSIGN_HOSTILE_SEED", 1);
    let (door, mut tally, mut seed) = (port.door(), Tally::default(), first);
    let mut progress = Progress::new();
    while tally.inputs < wanted {
        scene(&world, &door, seed, &mut tally).await;
        assert!(tally.violations.is_empty(), "seed {seed}: {:#?}", tally.violations);
        seed += 1;
        progress.say(|| format!("{} of {wanted} RPCs, seed {seed}", tally.inputs));
    }
    println!("seeds {first}..{seed}: {} RPCs, {} dispatched", tally.inputs, tally.dispatched);
    assert!(tally.dispatched * 10 >= tally.inputs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_planner_is_no_approver_and_a_frontend_is_no_planner() {
    let world = World::new(&Ground::new());
    let port = Port::open(&world).await;
    let mut approvals = ApprovalsClient::new(port.channel(Role::Planner));
    let list = approvals.list_requests(v1::ListRequestsRequest::default()).await;
    let get = approvals.get_request(v1::GetRequestRequest::default()).await;
    let answer = approvals.answer_request(v1::AnswerRequestRequest::default()).await;
    let codes = [list.unwrap_err().code(), get.unwrap_err().code(), answer.unwrap_err().code()];
    assert_eq!(codes, [tonic::Code::PermissionDenied; 3]);
    let mut executor = ExecutorClient::new(port.channel(Role::Frontend));
    let tools = executor.list_tools(v1::ListToolsRequest::default()).await;
    assert_eq!(tools.unwrap_err().code(), tonic::Code::PermissionDenied);
}
