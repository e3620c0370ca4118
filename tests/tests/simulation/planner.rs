//! The planner: its real engine with the offline model behind its real service.

use std::sync::Arc;

use countersign_planner::conversation::Limits;
use countersign_planner::conversation::turn::Engine;
use countersign_planner::executor::GrpcExecutor;
use countersign_planner::keep::Keep;
use countersign_planner::memory::Memory;
use countersign_planner::model::offline::Offline;
use countersign_planner::peer::Authorize;
use countersign_planner::service::PlannerService;
use countersign_proto::v1::planner_server::PlannerServer;
use countersign_shared::mtls::server;
use countersign_shared::peer::Guard;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

use super::executor::EXECUTORS;
use super::ground::id;
use super::wire;
use super::world::World;

pub const HOST: &str = "planner";

/// Runs until it is crashed. Each new connection goes to either executor, as behind one
/// address.
pub async fn run(world: Arc<World>) -> turmoil::Result {
    let dice = Arc::new(Mutex::new(world.dice(&format!("planner at {}", world.now()))));
    let choose = move || *dice.lock().pick(&EXECUTORS);
    let channel = wire::channel(choose, Arc::clone(&world.ground.planner), id("executor"));
    let executor = Arc::new(GrpcExecutor::new(channel, Keep::default(), Memory::default()));
    let engine = Engine::new(executor, Arc::new(Offline), Limits::default(), Default::default());
    let service = PlannerService::new(Arc::new(engine), (u32::MAX, u32::MAX), TaskTracker::new());
    let incoming = wire::listen(Arc::clone(&world.ground.planner)).await?;
    server(wire::limits())
        .layer(Guard::new(Authorize::new(vec![id("frontend").to_string().parse()?])))
        .add_service(PlannerServer::new(service))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}
