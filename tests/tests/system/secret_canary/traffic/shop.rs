//! The shop's connector, with each of the sandbox's faults.

use std::time::Duration;

use countersign_proto::v1;
use countersign_proto::v1::execute_request::Target;
use countersign_tests::sandbox::{Fault, FaultSpec};

use super::super::deployment::Deployment;
use super::super::heard::{Heard, RPC};
use crate::support::people::Customer;
use crate::support::plans::Desk;

/// Orders that can be cancelled in a fresh shop, and whose they are.
const ORDERS: [(&str, u32); 6] =
    [("1001", 1), ("1004", 1), ("2001", 2), ("2002", 2), ("2003", 2), ("4001", 3)];
/// What a read meets as well as a write does. The others take an order each.
const BY_READS: [Fault; 4] =
    [Fault::RateLimited, Fault::RevokedCredential, Fault::Slow, Fault::Says];

pub async fn all(to: &Deployment, heard: &Heard) {
    let pair = &to.house.pair;
    // Two tenants have this shop, each with locks of its own.
    let here = ORDERS.map(|(order, who)| match who {
        1 => (order, to.customer.clone()),
        other => (order, pair.customer(other)),
    });
    let there = ORDERS.map(|(order, who)| (order, pair.elsewhere(who)));
    let mut orders = here.into_iter().chain(there);
    for fault in Fault::ALL {
        pair.sandbox.reset();
        pair.sandbox.clear_faults();
        let spec = FaultSpec { after_ms: 300, ..FaultSpec::from(fault) };
        if BY_READS.contains(&fault) {
            pair.sandbox.fault(FaultSpec { only: Some("orders".into()), ..spec });
            let mut desk = Desk::new(pair, to.customer.clone(), "faults");
            heard.note(RPC, format!("{:?}", desk.order("1002").await));
        } else {
            let (order, who) = orders.next().expect("an order for each fault");
            cancel(to, heard, who, order, spec).await;
        }
        let name = fault.name().to_owned();
        let met = pair.sandbox.requests().iter().any(|request| request.faults.contains(&name));
        assert!(met, "{fault:?} was not met");
    }
    pair.sandbox.clear_faults();
    pair.sandbox.reset();
}

/// Cancels an order, and meets this fault on the way.
async fn cancel(to: &Deployment, heard: &Heard, who: Customer, order: &str, fault: FaultSpec) {
    let mut desk = Desk::new(&to.house.pair, who, "faults");
    let proposal = desk.propose_cancel(order).await.unwrap();
    to.house.pair.sandbox.fault(fault);
    let request = v1::ExecuteRequest {
        subject_token: desk.who.token.clone(),
        target: Some(Target::ProposalId(proposal.proposal_id.clone())),
        messages: vec![],
        confirmation: desk.yes(&proposal),
    };
    // A caller's patience ends its waiting, never the action.
    let answer = tokio::time::timeout(Duration::from_secs(8), desk.client.execute(request)).await;
    match answer {
        Ok(answer) => drop(heard.rpc(answer)),
        Err(late) => heard.note(RPC, late.to_string()),
    }
}
