//! Every connector against a backend that quotes, in each of its manners.

use countersign_proto::v1;
use countersign_proto::v1::Outcome;
use countersign_proto::v1::execute_request::Target;
use serde_json::json;

use super::super::backend::{BOXES, Kind};
use super::super::deployment::Deployment;
use super::super::heard::Heard;
use crate::support::plans::{Desk, model, step};

pub async fn all(to: &Deployment, heard: &Heard) {
    let each = Kind::ALL.map(|kind| connector(to, heard, kind));
    futures_util::future::join_all(each).await;
}

async fn connector(to: &Deployment, heard: &Heard, kind: Kind) {
    let mut desk = Desk::new(&to.house.pair, to.customer.clone(), kind.name());
    for name in BOXES {
        look(&mut desk, heard, kind, name).await;
    }
    // Read well, and then met by each manner when it is written to.
    let mut ended = Vec::new();
    let written = BOXES.map(|name| format!("w{name}"));
    for name in written.iter().map(String::as_str).chain(["echo", "odd"]) {
        ended.push((name, put(&mut desk, heard, kind, name).await));
    }
    let applied = ended.iter().filter(|(_, outcome)| *outcome == Some(Outcome::Applied)).count();
    // Five boxes take what they are asked; the others refuse it, each in its manner.
    assert!(applied >= 5, "{kind:?}: too few marks were put: {ended:?}");
}

async fn look(desk: &mut Desk<'_>, heard: &Heard, kind: Kind, name: &str) {
    let arguments = vec![("box", model(&json!(name)))];
    let plan = desk.plan(vec![step(&format!("{}.look", kind.name()), arguments)]);
    let request = v1::ExecuteRequest {
        subject_token: desk.who.token.clone(),
        target: Some(Target::Plan(plan)),
        ..Default::default()
    };
    heard.rpc(desk.client.execute(request).await);
}

async fn put(desk: &mut Desk<'_>, heard: &Heard, kind: Kind, name: &str) -> Option<Outcome> {
    let arguments = vec![("box", model(&json!(name)))];
    let plan = desk.plan(vec![step(&format!("{}.put", kind.name()), arguments)]);
    let request = v1::ProposeRequest {
        subject_token: desk.who.token.clone(),
        messages: vec![],
        plan: Some(plan),
        confirm_by_link: false,
    };
    let proposal = heard.rpc(desk.client.propose(request).await)?.proposal?;
    let request = v1::ExecuteRequest {
        subject_token: desk.who.token.clone(),
        target: Some(Target::ProposalId(proposal.proposal_id.clone())),
        messages: vec![],
        confirmation: desk.yes(&proposal),
    };
    let action = heard.rpc(desk.client.execute(request).await)?.action?;
    Some(action.outcome())
}
