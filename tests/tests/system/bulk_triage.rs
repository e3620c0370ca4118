//! Several requests answered at once: one tap of the passkey signs the list of their
//! answers, and each of them is bound to its own card and checked by itself.

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::approvals_client::ApprovalsClient;
use countersign_shared::attest::answer_digest;
use countersign_tests::sandbox::StaffAct;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::stale_approval::House;
use super::stale_approval::page::Page;
use super::support::browser;
use super::support::plans::Desk;

/// A customer's refund that waits for the house.
async fn refund(house: &House, customer: u32, order: &str) -> String {
    let mut desk = Desk::new(&house.pair, house.pair.customer(customer), "c1");
    let proposal = desk.propose_refund(order).await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    proposal.proposal_id
}

/// What waits, as tools ask for it.
async fn by_pages(house: &House, page_size: u32) -> Vec<String> {
    let mut approvals = ApprovalsClient::new(house.pair.channel(Role::Approver));
    let mut ask = v1::ListRequestsRequest { page_size, ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = approvals.list_requests(ask.clone()).await.unwrap().into_inner();
        let most = page_size as usize;
        assert!(page.requests.len() <= most, "{} of {most}", page.requests.len());
        found.extend(page.requests.into_iter().map(|one| one.card.unwrap().proposal_id));
        ask.page_token = page.next_page_token;
        if ask.page_token.is_empty() {
            return found;
        }
        assert!(found.len() % most == 0, "a page that goes on is full");
    }
}

/// The digest of the card that the list shows for a request.
async fn card(page: &Page<'_>, id: &str) -> String {
    let list = page.read("/approvals").await;
    let own = list.split(&format!("value=\"{id}\" data-card=\"")).nth(1).unwrap();
    own.split('"').next().unwrap().to_owned()
}

/// What a passkey would sign for these, as the list shows them.
async fn asked(page: &Page<'_>, decision: &str, cards: &[(&str, &str)]) -> Value {
    let items: Vec<_> = cards.iter().map(|(id, card)| json!({ "id": id, "card": card })).collect();
    let wishes = json!({ "decision": decision, "reason": "all alike", "items": items });
    page.post("/approvals/claims", &wishes).await.json().await.unwrap()
}

/// The list, signed, with these items.
fn signed(house: &House, asked: &Value, items: &Value) -> Value {
    let mut signed = house.alice.answer(asked, &house.origin);
    signed.as_object_mut().unwrap().remove("claims");
    signed["items"] = items.clone();
    signed
}

fn line<'a>(lines: &'a Value, id: &str) -> &'a str {
    let found = lines.as_array().unwrap().iter().find(|line| line["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not in {lines}"))["message"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_triage_drops_what_changed_and_carries_the_rest_out_by_one_tap() {
    let house = House::asking("[support_lead]").await;
    let ids = [
        refund(&house, 1, "1001").await,
        refund(&house, 1, "1004").await,
        refund(&house, 2, "2001").await,
    ];
    assert_eq!(by_pages(&house, 2).await, ids, "oldest first, each once");
    assert_eq!(by_pages(&house, 3).await, ids);
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let list = alice.read("/approvals").await;
    assert_eq!(list.matches("type=\"checkbox\"").count(), 3, "{list}");
    let steps = |ids: &[String]| {
        let select = ids.iter().map(|id| json!({ "click": format!("#{id} input") }));
        let before = [
            json!({ "open": format!("{}/approvals", house.origin) }),
            json!({ "wait": "h1", "text": "Sign in" }),
            json!({ "click": "#sign-in button" }),
            json!({ "wait": "h1", "text": "Waiting for a yes or no" }),
        ];
        let after = [
            json!({ "shot": "triage" }),
            json!({ "type": "#reason", "text": "all alike" }),
            json!({ "click": "#triage .yes", "times": 2 }),
            json!({ "wait": "#said", "text": "what became of it" }),
            json!({ "shot": "triage-answered" }),
            json!({ "read": "#triage" }),
        ];
        Value::from_iter(before.into_iter().chain(select).chain(after))
    };
    let cards =
        [card(&alice, &ids[0]).await, card(&alice, &ids[1]).await, card(&alice, &ids[2]).await];
    // Somebody works on the first order while the list is on the screen.
    let act = StaffAct::Refund { amount: Some("1.00".to_owned()) };
    house.pair.sandbox.staff("#1001", &act).unwrap();
    let passkey = Some(house.alice.for_browser());
    if let Some(read) = browser::play(&house.pair, passkey, steps(&ids)).await {
        assert!(read[0].contains("Changed meanwhile"), "{read:?}");
        assert_eq!(read[0].matches("Done.").count(), 2, "{read:?}");
    } else {
        let pairs = [(&*ids[0], &*cards[0]), (&*ids[1], &*cards[1]), (&*ids[2], &*cards[2])];
        let asked = asked(&alice, "approve", &pairs).await;
        assert!(line(&asked["dropped"], &ids[0]).starts_with("Changed meanwhile"), "{asked}");
        let list = signed(&house, &asked, &asked["items"]);
        let told = alice.post("/approvals/answers", &list).await;
        let told: Value = told.json().await.unwrap();
        assert!(ids[1..].iter().all(|id| line(&told["results"], id).starts_with("Done")));
    }
    assert_eq!(house.refunds(), 2, "{:?}", house.pair.effects());
    let gone = alice.read(&format!("/approve/{}", ids[0])).await;
    assert!(gone.contains("Changed meanwhile"), "{gone}");
    for id in &ids[1..] {
        let done = alice.read(&format!("/approve/{id}")).await;
        assert!(done.contains("<h1>Done</h1>") && done.contains("all alike"), "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_triage_counts_no_answer_that_is_not_in_the_signed_list() {
    let house = House::asking("[support_lead]").await;
    let (one, two) = (refund(&house, 1, "1001").await, refund(&house, 1, "1004").await);
    let third = refund(&house, 2, "2001").await;
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let (first, second) = (card(&alice, &one).await, card(&alice, &two).await);

    // Another card than the one that waits is not drawn up.
    let crossed = asked(&alice, "approve", &[(&one, &second), (&two, &second)]).await;
    assert!(line(&crossed["dropped"], &one).contains("not the card"), "{crossed}");
    assert_eq!(crossed["items"].as_array().unwrap().len(), 1);

    // Signed for two; one is changed on the way, one is put in, one is left out.
    let both = asked(&alice, "approve", &[(&one, &first), (&two, &second)]).await;
    let other = asked(&alice, "approve", &[(&third, &card(&alice, &third).await)]).await;
    let (mut items, foreign) = (both["items"].clone(), other["items"][0].clone());
    let no = items[0]["claims"].as_str().unwrap().replace("\"approve\"", "\"reject\"");
    items[0]["claims"] = no.into();
    let fewer = json!([both["items"][0]]);
    let more = json!([both["items"][0], both["items"][1], foreign]);
    for wrong in [&items, &fewer, &more] {
        let list = signed(&house, &both, wrong);
        let told: Value = alice.post("/approvals/answers", &list).await.json().await.unwrap();
        for item in wrong.as_array().unwrap() {
            let message = line(&told["results"], item["id"].as_str().unwrap());
            assert!(message.contains("was asked for something else"), "{message}");
        }
    }
    // An answer of the list given alone, and a list given for one answer.
    let alone = house.alice.answer(&both, &house.origin);
    let mut alone = alone.as_object().unwrap().clone();
    alone.insert("claims".into(), both["items"][0]["claims"].clone());
    let to = format!("/approve/{one}/answer");
    assert_eq!(alice.post(&to, &Value::from(alone.clone())).await.status(), StatusCode::CONFLICT);
    let strange = answer_digest(foreign["claims"].as_str().unwrap());
    alone.insert("among".into(), json!([strange]));
    assert_eq!(alice.post(&to, &Value::from(alone)).await.status(), StatusCode::CONFLICT);
    // Another person's list, and a post from elsewhere.
    let list = signed(&house, &both, &both["items"]);
    let bob = Page::signed_in(&house.origin, &house.bob).await;
    let told = bob.post("/approvals/answers", &list).await;
    assert_eq!(told.status(), StatusCode::FORBIDDEN);
    let told = alice.post_from("https://evil.example", "/approvals/answers", &list).await;
    assert_eq!(told.status(), StatusCode::FORBIDDEN);
    assert_eq!(house.refunds(), 0);

    // The list as it was signed; given again, it is the same answers.
    for _ in 0..2 {
        let told: Value = alice.post("/approvals/answers", &list).await.json().await.unwrap();
        for id in [&one, &two] {
            assert!(line(&told["results"], id).starts_with("Done"), "{told}");
        }
    }
    assert_eq!(house.refunds(), 2, "{:?}", house.pair.effects());
}
