//! Executors of an earlier build, where one is given: what they do while a newer one brings their
//! database to its layout.
//!
//! ```text
//! older -0, -1, -2 ──▶ database of their own layout
//!       newer joins, and adds to it: the older ones go on
//!       one older ends and starts again: it refuses, and a newer one takes its folder
//! ```

use std::sync::Arc;

use countersign::pki::Role;
use countersign_proto::v1::executor_client::ExecutorClient;

use super::callers::{Met, fulfilled};
use super::house::{Fleet, House};
use crate::support::service::{Launch, Service};
use crate::support::wishes::Wish;

/// The earlier build.
pub fn build() -> Option<Launch> {
    let program = std::env::var_os("COUNTERSIGN_OLD_EXECUTOR")?.into();
    Some(Launch { program, environment: vec![] })
}

/// All of the fleet are of the earlier build when it begins, and most of them when it ends. Answers
/// with what was wished of each by itself.
pub async fn meet_a_newer(
    house: &House,
    executors: &mut Fleet,
    met: &Met,
    older: &Launch,
) -> Vec<Wish> {
    let (all, before) = (executors.services(), house.layout());
    let mut wishes = each(house, met, &all).await;
    executors.newest_joins(&house.pair);
    executors.settles().await;
    let after = house.layout();
    println!("the earlier build's layout is {before}, this one's {after}");
    // Its layout has become another one under it: what runs, goes on.
    wishes.extend(each(house, met, &all).await);
    drop(all);
    let name = executors.oldest_leaves().await;
    let again = executors.joins_as(&house.pair, &name, older);
    if before == after {
        assert_eq!(again, Ok(()), "nothing is in its way");
    } else {
        let said = again.expect_err("an older executor starts on a newer layout");
        assert!(
            said.contains(&format!("newer executor (migration {after}; this one knows")),
            "{said}"
        );
        executors.join(&house.pair, &name);
    }
    executors.settles().await;
    wishes
}

/// One wish of each, asked of it alone.
async fn each(house: &House, met: &Met, services: &[Arc<Service>]) -> Vec<Wish> {
    let mut wishes = vec![];
    for service in services {
        let channel = house.pair.channel_to("executor", &service.grpc, Role::Planner);
        wishes.push(fulfilled(house, met, &ExecutorClient::new(channel)).await);
    }
    wishes
}
