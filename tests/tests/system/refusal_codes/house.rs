//! A shop whose policy has people, limits and modes in it.

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_proto::v1::operator_client::OperatorClient;
use countersign_shared::attest::Decision;
use countersign_tests::sandbox::StaffAct;

use super::super::support::pair::Pair;
use super::super::support::people::{Signer, people};
use super::super::support::plans::{Desk, step};
use super::Answer;
use super::earn::refused;

/// Shadow for one tool; one refund an hour and a hundred dollars a day.
const SETTINGS: [(&str, &str); 3] = [
    ("modes:\n", "modes:\n  - { tools: [\"shopify.cancel_order\"], mode: shadow }\n"),
    (
        "limits:\n",
        "limits:
  - { name: a_day, per: customer, tools: [\"shopify.refund_lines\"], within: 1d, most: { USD: \"100.00\" } }
  - { name: an_hour, per: customer, tools: [\"shopify.refund_lines\"], within: 1h, count: 1 }
",
    ),
    ("per_subject: 20", "per_subject: 3"),
];
const FORBIDDEN: &str = "\n@id(\"no-tracking\")\n\
    forbid (principal, action, resource == Tool::\"shopify.track_shipment\");\n";
const APPROVE: &str = "approve: [{ over: { USD: \"50.00\" }, within: 30d, by: [support_lead] }]\n";

/// Alice leads support, Bob is a clerk.
const STAFF: [(&str, &str); 2] = [("alice", "support_lead"), ("bob", "clerk")];

fn key(who: &str) -> Signer {
    Signer::new(if who == "alice" { 21 } else { 22 })
}

/// The usual pair with this policy and pack.
pub async fn pair() -> Pair {
    let mut pair = staffed(|name, mut text| {
        match name {
            "settings.yaml" => SETTINGS.iter().for_each(|(from, to)| {
                assert!(text.contains(from), "{from}");
                text = text.replacen(from, to, 1);
            }),
            "policy.cedar" => text.push_str(FORBIDDEN),
            _ => {}
        }
        text
    })
    .await;
    pair.change_pack(|name, text| {
        Some(if name == "refund_lines.yaml" { format!("{text}{APPROVE}") } else { text })
    });
    pair.restart_executor();
    pair
}

/// The usual pair with Alice and Bob in its policy, and what else `edit` makes of that.
pub async fn staffed(edit: impl Fn(&str, String) -> String) -> Pair {
    let mut pair = Pair::executor_only().await;
    let keys = STAFF.map(|(who, _)| (who, key(who)));
    let keys: Vec<_> = keys.iter().map(|(who, key)| (*who, key)).collect();
    let edit =
        |name: &str, text| edit(name, if name == "people.yaml" { people(&STAFF) } else { text });
    pair.change_policy(edit, &keys);
    pair.restart_executor();
    pair
}

fn desk(pair: &Pair) -> Desk<'_> {
    Desk::new(pair, pair.customer(1), "c1")
}

/// The jacket, confirmed by the customer; it waits for Alice.
async fn jacket(desk: &mut Desk<'_>) -> v1::Proposal {
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    let parked = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(parked.state(), v1::ActionState::Proposed, "{parked:?}");
    proposal
}

/// What somebody answers to a request, signed with this key.
async fn answer(
    pair: &Pair,
    (who, role, key): (&str, &str, &Signer),
    asked: &v1::Proposal,
    decision: Decision,
) -> Result<v1::AnswerRequestResponse, tonic::Status> {
    let jws = key.answer(who, role, asked.card.as_ref().unwrap(), decision);
    let proposal_id = asked.proposal_id.clone();
    let request = v1::AnswerRequestRequest { proposal_id, jws };
    let mut approvals = ApprovalsClient::new(pair.channel(Role::Approver));
    approvals.answer_request(request).await.map(tonic::Response::into_inner)
}

/// What the customer hears of it afterwards.
async fn afterwards(desk: &mut Desk<'_>, proposal: &v1::Proposal) -> Answer {
    refused(desk.execute(proposal, "").await)
}

pub async fn policy_forbids(pair: &Pair) -> Answer {
    refused(desk(pair).read(step("shopify.track_shipment", vec![])).await)
}

pub async fn shadow_mode(pair: &Pair) -> Answer {
    refused(desk(pair).cancel("1001").await)
}

/// Asked again while it waits.
pub async fn approval_required(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let waits = jacket(&mut desk).await;
    let again = refused(desk.propose_refund("1001").await);
    withdraw(&mut desk, &waits).await;
    again
}

pub async fn approval_rejected(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let asked = jacket(&mut desk).await;
    let alice = ("alice", "support_lead", &key("alice"));
    answer(pair, alice, &asked, Decision::Reject).await.expect_err("the request is refused");
    afterwards(&mut desk, &asked).await
}

/// Alice's name under Bob's key.
pub async fn approval_invalid(pair: &Pair) -> Answer {
    with_staff(pair, ("alice", "support_lead", &key("bob"))).await
}

pub async fn approver_not_allowed(pair: &Pair) -> Answer {
    with_staff(pair, ("bob", "clerk", &key("bob"))).await
}

async fn with_staff(pair: &Pair, who: (&str, &str, &Signer)) -> Answer {
    let mut desk = desk(pair);
    let asked = jacket(&mut desk).await;
    let refused = refused(answer(pair, who, &asked, Decision::Approve).await);
    withdraw(&mut desk, &asked).await;
    refused
}

async fn withdraw(desk: &mut Desk<'_>, proposal: &v1::Proposal) {
    let request = v1::WithdrawRequest {
        subject_token: desk.who.token.clone(),
        proposal_id: proposal.proposal_id.clone(),
    };
    desk.client.withdraw(request).await.unwrap();
}

pub async fn proposal_withdrawn(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let asked = jacket(&mut desk).await;
    withdraw(&mut desk, &asked).await;
    afterwards(&mut desk, &asked).await
}

/// The order changed, and the customer asks again.
pub async fn proposal_superseded(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let older = jacket(&mut desk).await;
    pair.sandbox.staff("#1001", &StaffAct::Refund { amount: Some("10.00".into()) }).unwrap();
    let newer = desk.propose_refund("1001").await.unwrap();
    withdraw(&mut desk, &newer).await;
    afterwards(&mut desk, &older).await
}

/// A backpack of 119 dollars.
pub async fn limit_exceeded(pair: &Pair) -> Answer {
    refused(Desk::new(pair, pair.customer(2), "c1").propose_refund("2001").await)
}

/// A second refund within the hour.
pub async fn velocity_exceeded(pair: &Pair) -> Answer {
    let mut desk = desk(pair);
    let mug = desk.propose_refund("1004").await.unwrap();
    let yes = desk.yes(&mug);
    assert_eq!(desk.execute(&mug, &yes).await.unwrap().outcome(), v1::Outcome::Applied);
    refused(desk.propose_refund("1002").await)
}

pub async fn too_many_open(pair: &Pair) -> Answer {
    let mut desk = Desk::new(pair, pair.customer(3), "c1");
    for _ in 0..3 {
        desk.propose_cancel("4001").await.unwrap();
    }
    refused(desk.propose_cancel("4001").await)
}

pub async fn switched_off(pair: &Pair) -> Answer {
    let mut operator = OperatorClient::new(pair.channel(Role::Operator));
    let (reach, reason) = ("tenant/other-shop".into(), "incident 42".into());
    operator.set_switch(v1::SetSwitchRequest { reach, off: true, reason }).await.unwrap();
    refused(Desk::new(pair, pair.elsewhere(1), "c1").propose_cancel("1001").await)
}

/// The packs are changed, and no operator has signed for it.
pub async fn not_activated() -> Answer {
    let mut pair = Pair::executor_only().await;
    let operators = [("ann", "operator"), ("ben", "operator")];
    let keys = [("ann", &Signer::new(31)), ("ben", &Signer::new(32))];
    let edit = |name: &str, text| if name == "people.yaml" { people(&operators) } else { text };
    pair.change_policy(edit, &keys);
    pair.begin_anew();
    pair.change_pack(|_, text| Some(text.replace("within: 5m", "within: 4m")));
    pair.restart_executor();
    refused(desk(&pair).read(step("shopify.list_orders", vec![])).await)
}

/// Alice says that the order in doubt is cancelled, and it is not.
pub async fn human_disagrees(pair: &Pair) -> Answer {
    let mut queue = EscalationsClient::new(pair.channel(Role::Approver));
    let request = v1::ListEscalationsRequest::default();
    let waiting = queue.list_escalations(request).await.unwrap().into_inner().escalations;
    let about = waiting.iter().find(|found| found.code == "VERIFY_MISMATCH").unwrap();
    let jws = key("alice").finish("alice", &about.action_id, true);
    let escalation_id = about.escalation_id.clone();
    refused(queue.finish_escalation(v1::FinishEscalationRequest { escalation_id, jws }).await)
}
