//! Members of staff see and answer what is of their tenants: on the page, over mutual TLS
//! and at the command line. Of other tenants there is nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_shared::attest::{approval_challenge, card_digest};
use countersign_shared::ids::{EscalationId, ReceiptId};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::stale_approval::House;
use super::stale_approval::page::Page;
use super::support::plans::{Desk, refusal};

/// A refund of this customer's, confirmed; it waits for the house.
async fn refund(desk: &mut Desk<'_>) -> v1::Proposal {
    let proposal = desk.propose_refund("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    proposal
}

async fn hand_over(desk: &mut Desk<'_>) -> EscalationId {
    let request = v1::EscalateRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: desk.conversation.clone(),
        reason: v1::EscalationReason::AskedForPerson.into(),
        ..v1::EscalateRequest::default()
    };
    let receipt = desk.client.escalate(request).await.unwrap().into_inner().receipt_id;
    EscalationId::of(&receipt.parse::<ReceiptId>().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_tenant_an_approver_has_the_requests_of_their_tenants_only() {
    let house = House::asking("[support_lead]").await;
    let here = refund(&mut house.desk()).await;
    let mut desk = Desk::new(&house.pair, house.pair.elsewhere(1), "c1");
    let there = refund(&mut desk).await;
    let (ours, theirs) = (&*here.proposal_id, &*there.proposal_id);

    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let dave = Page::signed_in(&house.origin, &house.dave).await;
    for (page, own, foreign) in [(&alice, ours, theirs), (&dave, theirs, ours)] {
        let list = page.read("/approvals").await;
        assert!(list.contains(own) && !list.contains(foreign), "{list}");
        assert_eq!(page.get(&format!("/approve/{foreign}")).await.status(), StatusCode::NOT_FOUND);
    }
    let shown = alice.read(&format!("/approve/{ours}")).await;
    assert!(shown.contains("Bob") && !shown.contains("Dave"), "who may: {shown}");

    // Dave knows the card all the same, and signs a yes to it.
    let card = here.card.as_ref().unwrap();
    let card = card_digest(&card.proposal_id, &card.commitment, &card.text);
    let wish = json!({ "decision": "approve", "card": card });
    let drawn = dave.post(&format!("/approve/{ours}/claims"), &wish).await;
    assert_ne!(drawn.status(), StatusCode::OK);
    let items = json!([{ "id": ours, "card": card }]);
    let wishes = json!({ "decision": "approve", "items": items });
    let drawn: Value = dave.post("/approvals/claims", &wishes).await.json().await.unwrap();
    assert_eq!(drawn["dropped"][0]["id"], ours, "{drawn}");
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({
        "typ": "approval", "iss": "https://directory.test.invalid", "aud": "countersign",
        "sub": "dave", "proposal": ours, "card": card, "decision": "approve",
        "role": "support_lead", "iat": now, "exp": now + 60,
    });
    let claims = claims.to_string();
    let challenge = URL_SAFE_NO_PAD.encode(approval_challenge(&claims));
    let question = json!({ "claims": claims, "challenge": challenge });
    let signed = house.dave.answer(&question, &house.origin);
    let told = dave.post(&format!("/approve/{ours}/answer"), &signed).await;
    assert_eq!(told.status(), StatusCode::NOT_FOUND);
    assert_eq!(house.refunds(), 0);
    assert_eq!(dave.answer(theirs, "approve", "").await.status(), StatusCode::OK);
    assert_eq!(house.refunds(), 1, "his own tenant's");

    // The certificate of these tools is bound to one tenant.
    let flags = house.pair.executor_flags(Role::Approver);
    let words = ["approvals", "list", "--json"].into_iter();
    let words: Vec<_> = words.chain(flags.iter().map(String::as_str)).collect();
    let (done, said) = house.pair.command(&words);
    assert!(done && said.contains(ours) && said.lines().count() == 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_tenant_a_tool_of_staff_finds_nothing_of_other_tenants() {
    let house = House::asking("[support_lead]").await;
    let (mut desk, mut other) =
        (house.desk(), Desk::new(&house.pair, house.pair.elsewhere(1), "c1"));
    let theirs = refund(&mut other).await.proposal_id;
    let channel = house.pair.channel(Role::Approver);
    let mut approvals = ApprovalsClient::new(channel.clone());
    let list = v1::ListRequestsRequest { tenant: "other-shop".into(), ..Default::default() };
    assert!(approvals.list_requests(list).await.unwrap().into_inner().requests.is_empty());
    let get = v1::GetRequestRequest { proposal_id: theirs.clone() };
    assert_eq!(refusal(approvals.get_request(get).await).code, "NOT_FOUND");
    let answer = v1::AnswerRequestRequest { proposal_id: theirs, jws: "x".into() };
    assert_eq!(refusal(approvals.answer_request(answer).await).code, "NOT_FOUND");

    let (ours, theirs) = (hand_over(&mut desk).await, hand_over(&mut other).await.to_string());
    let mut queue = EscalationsClient::new(channel);
    for tenant in ["", "other-shop", "demo-shop"] {
        let list = v1::ListEscalationsRequest { tenant: tenant.into(), ..Default::default() };
        let found = queue.list_escalations(list).await.unwrap().into_inner().escalations;
        let found: Vec<_> = found.into_iter().map(|e| e.escalation_id).collect();
        let expected = if tenant == "other-shop" { vec![] } else { vec![ours.to_string()] };
        assert_eq!(found, expected, "{tenant}");
    }
    let id = || theirs.clone();
    let get = v1::GetEscalationRequest { escalation_id: id() };
    assert_eq!(refusal(queue.get_escalation(get).await).code, "NOT_FOUND");
    let take =
        v1::TakeEscalationRequest { escalation_id: id(), who: "dave".into(), ..Default::default() };
    assert_eq!(refusal(queue.take_escalation(take).await).code, "NOT_FOUND");
    let back = v1::ReturnEscalationRequest { escalation_id: id() };
    assert_eq!(refusal(queue.return_escalation(back).await).code, "NOT_FOUND");
    let finish = v1::FinishEscalationRequest { escalation_id: id(), jws: "x".into() };
    assert_eq!(refusal(queue.finish_escalation(finish).await).code, "NOT_FOUND");
    let take = v1::TakeEscalationRequest {
        escalation_id: ours.to_string(),
        who: "dave".into(),
        ..Default::default()
    };
    assert_eq!(refusal(queue.take_escalation(take).await).code, "APPROVER_NOT_ALLOWED");
}
