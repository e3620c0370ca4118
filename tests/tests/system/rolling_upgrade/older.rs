//! Services of an earlier build: what they do while a newer one brings their database to its
//! layout.
//!
//! ```text
//! older -0, -1, … ──▶ database of their own layout
//!       newer joins, and adds to it: the older ones go on
//!       one older ends and starts again: it refuses, and a newer one takes its folder
//! ```

use std::sync::Arc;

use countersign::pki::Role;
use countersign_proto::v1::executor_client::ExecutorClient;
use countersign_proto::v1::planner_client::PlannerClient;

use super::callers::{Met, fulfilled, talked};
use super::house::{Fleet, House};
use crate::support::service::{Launch, Service};
use crate::support::wishes::Wish;

/// The earlier build of this program where one is given, else this one.
pub fn build(program: &str) -> Launch {
    match std::env::var_os(format!("COUNTERSIGN_OLD_{}", program.to_uppercase())) {
        Some(program) => Launch { program: program.into(), environment: vec![] },
        None => Launch::shipped(program),
    }
}

/// All of the fleet are of the earlier build when it begins, and not the whole of it when it ends.
/// Answers with what `each` answered of those who ran together.
pub async fn meet_a_newer<T>(
    house: &House,
    fleet: &mut Fleet,
    older: &Launch,
    each: impl AsyncFn(Vec<Arc<Service>>) -> Vec<T>,
) -> Vec<T> {
    let (program, before) = (fleet.program, house.layout(fleet.program));
    let mut all = each(fleet.services()).await;
    fleet.newest_joins(&house.pair);
    fleet.settles().await;
    let after = house.layout(program);
    println!("{program}: the earlier build's layout is {before}, this one's {after}");
    // Its layout has become another one under it: what runs, goes on.
    all.extend(each(fleet.services()).await);
    let name = fleet.oldest_leaves().await;
    let again = fleet.joins_as(&house.pair, &name, older);
    if before == after {
        assert_eq!(again, Ok(()), "nothing is in its way");
    } else {
        let said = again.expect_err("an older one starts on a newer layout");
        assert!(
            said.contains(&format!("newer {program} (migration {after}; this one knows")),
            "{said}"
        );
        fleet.join(&house.pair, &name);
    }
    fleet.settles().await;
    all
}

/// One wish of each executor, asked of it alone.
pub async fn wished_of_each(house: &House, met: &Met, services: Vec<Arc<Service>>) -> Vec<Wish> {
    let mut wishes = vec![];
    for service in services {
        let channel = house.pair.channel_to("executor", &service.grpc, Role::Planner);
        wishes.push(fulfilled(house, met, &ExecutorClient::new(channel)).await);
    }
    wishes
}

/// One conversation of each planner, that the next one goes on with.
pub async fn talked_around(
    house: &House,
    met: &Met,
    services: Vec<Arc<Service>>,
) -> Vec<(Wish, String)> {
    let mut told = vec![];
    for (service, next) in services.iter().zip(services.iter().cycle().skip(1)) {
        let planners = [service, next].map(|one| {
            let channel = house.pair.channel_to("planner", &one.grpc, Role::Frontend);
            PlannerClient::new(channel)
        });
        told.push(talked(house, met, planners).await);
    }
    told
}
