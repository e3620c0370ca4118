//! Members of staff answer with signed yeses and noes, by the command line over mutual
//! TLS; the last yes sets the action going, and no planner is there.

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::{ActionState, Outcome};
use countersign_tests::sandbox::StaffAct;
use serde_json::Value;

use super::action_flow::receipt;
use super::support::pair::Pair;
use super::support::people::{DIRECTORY, Signer};
use super::support::plans::{Desk, fields, list, model, refusal, seen, step, value};

/// Alice leads support; Bob and Carol are finance, and Carol is customer 1 at home.
fn people(alice: &str, bob: &str, carol: &str) -> String {
    let person = |id: &str, roles: &str, more: &str| {
        format!(
            "  - {{ id: {id}, issuer: \"{DIRECTORY}\", name: {id}, roles: [{roles}], tenants: [demo-shop], \
             keys: [{{ kid: {id}-1, file: keys/{id}.pem }}]{more} }}\n"
        )
    };
    let home =
        ", subjects: [{ issuer: \"https://shop.test.invalid\", id: \"customer1@example.com\" }]";
    let all = [
        person("alice", alice, ""),
        person("bob", bob, ""),
        person("carol", carol, ""),
        person("dora", "finance", home),
    ];
    format!("people:\n{}", all.concat())
}

const STAFF: [(&str, u8); 4] = [("alice", 21), ("bob", 22), ("carol", 23), ("dora", 24)];

/// An executor whose refunds need what `approve` says.
async fn shop(approve: &str) -> Pair {
    let mut pair = Pair::executor_only().await;
    staff(&pair, &people("support_lead", "finance", "finance"));
    pair.change_pack(|name, text| {
        let refund = name == "refund_lines.yaml";
        Some(if refund { format!("{text}approve: {approve}\n") } else { text })
    });
    for (name, seed) in STAFF {
        std::fs::write(pair.path(&format!("{name}.key")), Signer::new(seed).secret_pem()).unwrap();
    }
    pair.begin_anew();
    pair
}

/// From the next start on, these people.
fn staff(pair: &Pair, people: &str) {
    let keys = STAFF.map(|(name, seed)| (name, Signer::new(seed)));
    let keys: Vec<_> = keys.iter().map(|(name, key)| (*name, key)).collect();
    let edit = |name: &str, text| if name == "people.yaml" { people.to_owned() } else { text };
    pair.change_policy(edit, &keys);
}

/// What one of the staff says to a request, by the command line.
pub fn answer(pair: &Pair, verb: &str, who: &str, id: &str) -> (bool, String) {
    answer_each(pair, verb, who, &[id])
}

fn answer_each(pair: &Pair, verb: &str, who: &str, ids: &[&str]) -> (bool, String) {
    let (key, kid) = (format!("{who}.key"), format!("{who}-1"));
    let words = ["approvals", verb].into_iter().chain(ids.iter().copied());
    let words = words.chain(["--as", who, "--issuer", DIRECTORY, "--key", &key]);
    let more = ["--kid", &kid, "--reason", "looked at it", "--yes"];
    let flags = pair.executor_flags(Role::Approver);
    let flags = flags.iter().map(String::as_str);
    pair.command(&words.chain(more).chain(flags).collect::<Vec<_>>())
}

fn waiting(pair: &Pair) -> Vec<Value> {
    let flags = pair.executor_flags(Role::Approver);
    let words = ["approvals", "list", "--json"].into_iter();
    let (done, said) =
        pair.command(&words.chain(flags.iter().map(String::as_str)).collect::<Vec<_>>());
    assert!(done, "{said}");
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn propose(desk: &mut Desk<'_>, order: &str, title: &str, pieces: u32) -> v1::Proposal {
    let found = desk.order(order).await.unwrap();
    let id = || seen(&found, "/orders/0/id");
    let whole = desk.read(step("shopify.get_order", vec![("order_id", id())])).await.unwrap();
    let lines = value(&whole)["lines"].as_array().unwrap().clone();
    let at = lines.iter().position(|line| line["title"] == title).unwrap();
    let line = fields(vec![
        ("line_id", seen(&whole, &format!("/lines/{at}/id"))),
        ("quantity", model(&serde_json::json!(pieces))),
    ]);
    let arguments = vec![("order_id", id()), ("lines", list(vec![line]))];
    desk.propose(step("shopify.refund_lines", arguments)).await.unwrap()
}

/// The jacket of 89 dollars, confirmed by the customer; it waits for staff.
async fn jacket(desk: &mut Desk<'_>) -> v1::Action {
    let proposal = propose(desk, "1001", "Denim Jacket", 1).await;
    let yes = desk.yes(&proposal);
    let parked = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!((parked.state(), parked.outcome()), (ActionState::Proposed, Outcome::Unspecified));
    parked
}

async fn standing(desk: &mut Desk<'_>, action: &v1::Action) -> v1::Action {
    let request = v1::GetActionRequest {
        subject_token: desk.who.token.clone(),
        action_id: action.action_id.clone(),
    };
    desk.client.get_action(request).await.unwrap().into_inner().action.unwrap()
}

fn refunds(pair: &Pair) -> usize {
    pair.effects().iter().filter(|e| e.kind == "refund_created").count()
}

const OVER_FIFTY: &str = "[{ over: { USD: \"50.00\" }, within: 30d, by: [support_lead] }]";
const TWO_OF_FINANCE: &str = "[{ over: { USD: \"50.00\" }, within: 30d, by: [finance, finance] }]";

#[tokio::test(flavor = "multi_thread")]
async fn approvals_count_what_was_refunded_before_and_the_last_yes_carries_it_out() {
    let pair = shop(OVER_FIFTY).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let scarf = propose(&mut desk, "1001", "Wool Scarf", 1).await;
    assert_eq!(scarf.amount, "34.50");
    let yes = desk.yes(&scarf);
    let done = desk.execute(&scarf, &yes).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    // 24.00 alone is below the threshold; with what went before it is above.
    let mugs = propose(&mut desk, "1004", "Ceramic Mug", 2).await;
    assert_eq!(mugs.amount, "24.00");
    let yes = desk.yes(&mugs);
    let parked = desk.execute(&mugs, &yes).await.unwrap();
    assert_eq!(parked.state(), ActionState::Proposed, "{parked:?}");
    assert_eq!(refunds(&pair), 1);
    let asked = waiting(&pair);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["proposal_id"], mugs.proposal_id.as_str());
    assert_eq!(asked[0]["missing"][0]["role"], "support_lead");

    let (done, said) = answer(&pair, "approve", "alice", &mugs.proposal_id);
    assert!(done && said.contains("Refund"), "{said}");
    assert_eq!(refunds(&pair), 2, "{said}");
    let action = standing(&mut desk, &parked).await;
    assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
    let receipt = receipt(&pair, &action.receipt_id).await;
    let by: Vec<_> = receipt.grants.iter().map(|g| (g.kind.as_str(), g.by.as_str())).collect();
    assert_eq!(by, [("customer", "customer1@example.com"), ("approval", "alice")]);
    assert_eq!(receipt.grants[1].reason, "looked at it");
    assert!(waiting(&pair).is_empty());
}

/// Both cards were shown before either was answered: nobody was asked, and nobody will be.
#[tokio::test(flavor = "multi_thread")]
async fn approvals_that_are_wanted_by_now_end_the_request_and_promise_nobody() {
    let pair = shop(OVER_FIFTY).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let scarf = propose(&mut desk, "1001", "Wool Scarf", 1).await;
    let mugs = propose(&mut desk, "1004", "Ceramic Mug", 2).await;
    let (first, second) = (desk.yes(&scarf), desk.yes(&mugs));
    let done = desk.execute(&scarf, &first).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Applied, "{done:?}");
    let refused = refusal(desk.execute(&mugs, &second).await);
    assert_eq!(refused.code, "APPROVAL_REQUIRED");
    assert!(refused.say.contains("nothing was done"), "{}", refused.say);
    let receipt = receipt(&pair, &refused.receipt_id.unwrap()).await;
    assert_eq!((receipt.outcome.as_str(), receipt.said), ("refused", refused.say));
    assert!(waiting(&pair).is_empty());
    assert_eq!(refunds(&pair), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_by_two_take_two_persons_and_never_the_requester() {
    let pair = shop(TWO_OF_FINANCE).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let id = jacket(&mut desk).await.proposal_id;
    let (done, said) = answer(&pair, "approve", "dora", &id);
    assert!(!done && said.contains("APPROVER_NOT_ALLOWED"), "her own request: {said}");
    let (done, said) = answer(&pair, "approve", "alice", &id);
    assert!(!done && said.contains("APPROVER_NOT_ALLOWED"), "another role: {said}");
    for _ in 0..2 {
        let (done, said) = answer(&pair, "approve", "bob", &id);
        assert!(done && said.contains("Counted"), "twice is once: {said}");
    }
    assert_eq!(refunds(&pair), 0);
    let (done, said) = answer(&pair, "approve", "carol", &id);
    assert!(done && said.contains("Receipt"), "{said}");
    assert_eq!(refunds(&pair), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_of_several_requests_are_signed_one_by_one() {
    let pair = shop(OVER_FIFTY).await;
    let first = jacket(&mut Desk::new(&pair, pair.customer(1), "c1")).await.proposal_id;
    let mut other = Desk::new(&pair, pair.customer(2), "c2");
    let second = propose(&mut other, "2001", "Trail Backpack", 1).await;
    let yes = other.yes(&second);
    other.execute(&second, &yes).await.unwrap();
    let unknown = "prp_01m89ska90ezkb3mh06wtgadfa";
    let ids = [first.as_str(), unknown, &second.proposal_id];
    let (done, said) = answer_each(&pair, "approve", "alice", &ids);
    assert!(!done && said.contains("1 of 3 were not answered"), "{said}");
    assert!(said.contains(&format!("{unknown}: ")), "{said}");
    assert_eq!(said.matches("The customer is told").count(), 2, "{said}");
    assert_eq!(refunds(&pair), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_by_somebody_who_left_the_role_do_not_count_at_the_end() {
    let mut pair = shop(TWO_OF_FINANCE).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = jacket(&mut desk).await;
    assert!(answer(&pair, "approve", "bob", &proposal.proposal_id).0);
    drop(desk);
    staff(&pair, &people("support_lead", "clerk", "finance"));
    pair.restart_executor();
    let (done, said) = answer(&pair, "approve", "carol", &proposal.proposal_id);
    assert!(!done || said.contains("Counted"), "{said}");
    assert_eq!(refunds(&pair), 0, "{said}");
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    assert_ne!(standing(&mut desk, &proposal).await.outcome(), Outcome::Applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_that_end_otherwise_tell_the_customer_how() {
    let pair = shop(OVER_FIFTY).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    // Rejected.
    let no = jacket(&mut desk).await;
    let (done, said) = answer(&pair, "reject", "alice", &no.proposal_id);
    assert!(done && said.contains("Rejected"), "{said}");
    told(&mut desk, &no, "APPROVAL_REJECTED").await;
    // Taken back by the customer.
    let back = jacket(&mut desk).await;
    let request = v1::WithdrawRequest {
        subject_token: desk.who.token.clone(),
        proposal_id: back.proposal_id.clone(),
    };
    desk.client.withdraw(request).await.unwrap();
    told(&mut desk, &back, "PROPOSAL_WITHDRAWN").await;
    let (done, said) = answer(&pair, "approve", "alice", &back.proposal_id);
    assert!(!done, "nobody waits for it any more: {said}");
    // The order changed, and the customer asks again.
    let older = jacket(&mut desk).await;
    pair.sandbox.staff("#1001", &StaffAct::Refund { amount: Some("10.00".into()) }).unwrap();
    let newer = jacket(&mut desk).await;
    told(&mut desk, &older, "PROPOSAL_SUPERSEDED").await;
    assert_eq!(waiting(&pair)[0]["proposal_id"], newer.proposal_id.as_str());
    assert_eq!(refunds(&pair), 0);
}

/// Looking afresh ends a request whose order has changed: an auditor who reads it does not look.
#[tokio::test(flavor = "multi_thread")]
async fn approvals_are_read_by_auditors_and_stay_as_they_are() {
    let pair = shop(OVER_FIFTY).await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let parked = jacket(&mut desk).await;
    pair.sandbox.staff("#1001", &StaffAct::Refund { amount: Some("10.00".into()) }).unwrap();
    let before = waiting(&pair);
    let request = v1::GetRequestRequest { proposal_id: parked.proposal_id.clone() };
    let mut auditor = ApprovalsClient::new(pair.channel(Role::Auditor));
    for _once_and_again in 0..2 {
        let read = auditor.get_request(request.clone()).await.unwrap().into_inner().request;
        assert_eq!(read.unwrap().action_id, parked.action_id);
    }
    assert_eq!(waiting(&pair), before);
    let mut approver = ApprovalsClient::new(pair.channel(Role::Approver));
    assert_eq!(refusal(approver.get_request(request).await).code, "STATE_CHANGED");
    assert_ne!(waiting(&pair), before, "whoever may answer is asked anew");
}

/// The same end, however the customer's side asks.
async fn told(desk: &mut Desk<'_>, parked: &v1::Action, code: &str) {
    let action = standing(desk, parked).await;
    assert_eq!((action.outcome(), action.code.as_str()), (Outcome::Refused, code), "{action:?}");
    assert!(!action.receipt_id.is_empty() && !action.said.is_empty(), "{action:?}");
    let proposal_id = parked.proposal_id.clone();
    let proposal = v1::Proposal { proposal_id, ..v1::Proposal::default() };
    let again = refusal(desk.execute(&proposal, "").await);
    assert_eq!((again.code.as_str(), again.receipt_id), (code, Some(action.receipt_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn approvals_that_come_too_late_find_it_expired() {
    let mut pair = shop(OVER_FIFTY).await;
    pair.change_policy(|_, text| text.replace("proposals_live: 24h", "proposals_live: 2s"), &[]);
    pair.restart_executor();
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = propose(&mut desk, "1001", "Denim Jacket", 1).await;
    let yes = desk.yes(&proposal);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(refusal(desk.execute(&proposal, &yes).await).code, "PROPOSAL_EXPIRED");
    assert_eq!(refunds(&pair), 0);
}
