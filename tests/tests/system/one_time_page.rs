//! The customer's one-time page: where no frontend signs a confirmation, the executor
//! sends the customer a link past the planner, and signs the yes that is given on it
//! (A YES IS SHOWN AND SIGNED).

pub mod phone;

use countersign_proto::v1;
use countersign_proto::v1::{ActionState, Outcome};
use countersign_shared::attest::{AUDIENCE, ConfirmationClaims, ConfirmationType, card_digest};
use countersign_tests::sandbox::StaffAct;
use futures_util::join;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::action_flow::receipt;
use super::stale_approval::House;
use super::stale_approval::page::{Page, free_origin};
use super::support::browser;
use super::support::hook::Hook;
use super::support::pair::Pair;
use super::support::people::Signer;
use super::support::plans::{Desk, refusal};
use phone::Phone;

/// The pair's executor serves the page and sends links here.
fn with_page(pair: &mut Pair, hook: &Hook) -> Phone {
    let phone = page_from_the_next_start(pair, hook);
    pair.restart_executor();
    phone
}

/// The same from its next start on.
pub fn page_from_the_next_start(pair: &Pair, hook: &Hook) -> Phone {
    let origin = free_origin();
    let listen = origin.replace("http://localhost", "127.0.0.1");
    std::fs::write(pair.path("page.key"), Signer::new(77).secret_pem()).unwrap();
    std::fs::write(pair.path("hook.secret"), Hook::secret()).unwrap();
    pair.add_config(&format!(
        "confirm:\n  page: {{ listen: \"{listen}\", public_url: \"{origin}\" }}\n  key: page.key\n  \
         mailer: {{ url: \"{}\", secret_file: hook.secret, plain_http: true, \
         private_networks: [\"127.0.0.0/8\"] }}\n",
        hook.url
    ));
    Phone::new(&origin)
}

/// A customer whose frontend signs no yes.
fn customer(pair: &Pair) -> Desk<'_> {
    let mut desk = Desk::new(pair, pair.customer(1), "c1");
    desk.confirm_by_link = true;
    desk
}

async fn standing(desk: &mut Desk<'_>, proposal: &v1::Proposal) -> v1::Action {
    let request = v1::GetActionRequest {
        subject_token: desk.who.token.clone(),
        action_id: proposal.action_id.clone(),
    };
    desk.client.get_action(request).await.unwrap().into_inner().action.unwrap()
}

/// The path of the link in the newest of so many messages. The first is sent twice: the
/// receiver fails once.
pub async fn mailed(hook: &Hook, messages: usize, to: &str) -> String {
    let notices = hook.notices(messages).await;
    let notice = &notices[messages - 1];
    assert_eq!((&notice["event"], &notice["to"]), (&json!("confirmation.asked"), &json!(to)));
    let link = notice["link"].as_str().unwrap();
    format!("/yes/{}", link.split_once("/yes/").unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_page_takes_the_customers_yes_once_and_no_one_elses() {
    let hook = Hook::start().await;
    let mut pair = Pair::executor_only().await;
    let phone = with_page(&mut pair, &hook);
    let mut desk = customer(&pair);
    let proposal = desk.propose_cancel("1001").await.unwrap();
    assert_eq!(proposal.link_sent_to, "c…@example.com");
    let link = mailed(&hook, 2, "customer1@example.com").await;
    let secret = link.rsplit('/').next().unwrap();

    // Nothing that the planner may ask for has the link, nor has a file of the executor.
    let waits = standing(&mut desk, &proposal).await;
    assert_eq!(waits.needs, [i32::from(v1::GrantKind::Customer)]);
    let tools =
        v1::ListToolsRequest { subject_token: desk.who.token.clone(), ..Default::default() };
    let tools = desk.client.list_tools(tools).await.unwrap();
    let refused = desk.execute(&proposal, "").await;
    let seen = format!("{proposal:?} {waits:?} {tools:?} {refused:?}");
    assert_eq!(refusal(refused).code, "CONFIRMATION_REQUIRED");
    assert!(!seen.contains(secret));
    for file in ["executor.log", "state/executor.db", "state/executor.db-wal"] {
        let bytes = std::fs::read(pair.path(file)).unwrap_or_default();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()), "{file}");
    }
    // A yes in the page's name counts only by the page's key.
    let forged = desk.execute(&proposal, &forged_yes(&desk, &proposal)).await;
    assert_eq!(refusal(forged).code, "CONFIRMATION_INVALID");

    // A scanner looks and answers nothing; a post comes from the page itself.
    for method in [Method::GET, Method::HEAD, Method::GET] {
        assert_eq!(phone.ask(method, &link).await, StatusCode::OK);
    }
    let card = phone.card(&link).await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let posted = phone.post_from(origin, &link, &card, "yes").await;
        assert_eq!(posted.status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    // Another proposal's secret, a shorter one, none of ours: one answer.
    let other = desk.propose_cancel("1004").await.unwrap();
    let others = mailed(&hook, 3, "customer1@example.com").await;
    let swapped = format!("/yes/{}/{}", proposal.proposal_id, others.rsplit('/').next().unwrap());
    let shorter = link[..link.len() - 1].to_owned();
    let absent = format!("/yes/{}/{secret}", other.proposal_id);
    for wrong in [&swapped, &shorter, &absent] {
        assert_eq!(phone.ask(Method::GET, wrong).await, StatusCode::NOT_FOUND, "{wrong}");
        let posted = phone.post(wrong, &card, "yes").await;
        assert_eq!(posted.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
    // That page's card is no card of this one.
    let crossed = phone.post(&others, &card, "yes").await.text().await.unwrap();
    assert!(crossed.contains("did not count"), "{crossed}");
    assert_eq!(standing(&mut desk, &proposal).await.state(), ActionState::Proposed);
    assert!(pair.effects().is_empty(), "{:?}", pair.effects());

    let steps = json!([
        { "open": format!("{}{link}", phone.origin) },
        { "wait": "h1", "text": "Do you want this?" },
        { "shot": "customer" },
        { "dark": true },
        { "shot": "customer-dark" },
        { "dark": false },
        { "click": ".yes", "times": 2 },
        { "wait": "h1", "text": "Done" },
        { "shot": "customer-done" },
        { "read": "main" },
    ]);
    match browser::play(&pair, None, steps).await {
        Some(read) => assert!(read[0].contains("#1001"), "{read:?}"),
        None => {
            let (one, two) = (phone.post(&link, &card, "yes"), phone.post(&link, &card, "yes"));
            let (one, two) = join!(one, two);
            assert_eq!(
                (one.status(), two.status()),
                (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER)
            );
        }
    }
    // Once more, and a no after it, change nothing.
    for answer in ["yes", "no"] {
        let again = phone.post(&link, &card, answer).await;
        assert_eq!(again.status(), StatusCode::SEE_OTHER, "{answer}");
    }
    let done = phone.read(&link).await;
    assert!(done.contains("<h1>Done</h1>") && !done.contains("<form"), "{done}");
    let action = standing(&mut desk, &proposal).await;
    assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
    assert!(done.contains(&action.receipt_id), "the receipt's own words: {done}");
    let receipt = receipt(&pair, &action.receipt_id).await;
    let grants: Vec<_> = receipt.grants.iter().map(|g| (&*g.kind, &*g.by, &*g.issuer)).collect();
    assert_eq!(grants, [("customer", "customer1@example.com", "executor-page")]);
    let cancels = pair.effects().iter().filter(|e| e.kind.contains("cancel")).count();
    assert_eq!(cancels, 1, "{:?}", pair.effects());
}

/// A yes in the page's name, by a key that is not the page's.
fn forged_yes(desk: &Desk<'_>, proposal: &v1::Proposal) -> String {
    let card = proposal.card.as_ref().unwrap();
    let now = jiff::Timestamp::now().as_second();
    let claims = ConfirmationClaims {
        typ: ConfirmationType::Confirmation,
        iss: "executor-page".to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: desk.who.email.clone(),
        conv: desk.conversation.clone(),
        proposal: card.proposal_id.clone(),
        card: card_digest(&card.proposal_id, &card.commitment, &card.text),
        iat: now,
        exp: now + 60,
    };
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
    header.kid = Some("page".to_owned());
    let pem = Signer::new(78).secret_pem();
    let key = jsonwebtoken::EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_page_asks_again_where_the_state_changed_between_look_and_tap() {
    let hook = Hook::start().await;
    let mut pair = Pair::executor_only().await;
    let phone = with_page(&mut pair, &hook);
    let mut desk = customer(&pair);
    let proposal = desk.propose_refund("1001").await.unwrap();
    let link = mailed(&hook, 2, "customer1@example.com").await;
    // A restart of the executor makes no link void: nothing of it was kept in memory.
    let card = phone.card(&link).await;
    pair.restart_executor();
    let act = StaffAct::Refund { amount: Some("1.00".to_owned()) };
    pair.sandbox.staff("#1001", &act).unwrap();
    assert_eq!(phone.post(&link, &card, "yes").await.status(), StatusCode::SEE_OTHER);
    let changed = phone.read(&link).await;
    assert!(changed.contains("Changed meanwhile") && !changed.contains("<form"), "{changed}");
    let refunds = || pair.effects().iter().filter(|e| e.kind == "refund_created").count();
    assert_eq!(refunds(), 0);
    let renewed = changed.split("href=\"/yes/").nth(1).unwrap().split('"').next().unwrap();
    let renewed = format!("/yes/{renewed}");
    assert!(!renewed.contains(&proposal.proposal_id), "{renewed}");
    let old = phone.post(&renewed, &card, "yes").await.text().await.unwrap();
    assert!(old.contains("did not count"), "{old}");
    assert_eq!(refunds(), 0);
    let fresh = phone.card(&renewed).await;
    assert_eq!(phone.post(&renewed, &fresh, "yes").await.status(), StatusCode::SEE_OTHER);
    assert!(phone.read(&renewed).await.contains("<h1>Done</h1>"));
    assert_eq!(refunds(), 1, "{:?}", pair.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_page_says_how_a_request_ended_without_a_yes() {
    let hook = Hook::start().await;
    let mut pair = Pair::executor_only().await;
    pair.change_policy(|_, text| text.replace("proposals_live: 24h", "proposals_live: 3s"), &[]);
    let phone = with_page(&mut pair, &hook);
    let mut desk = customer(&pair);
    desk.propose_cancel("1001").await.unwrap();
    let declined = mailed(&hook, 2, "customer1@example.com").await;
    let card = phone.card(&declined).await;
    assert_eq!(phone.post(&declined, &card, "no").await.status(), StatusCode::SEE_OTHER);
    assert!(phone.read(&declined).await.contains("Taken back"));
    assert_eq!(phone.post(&declined, &card, "yes").await.status(), StatusCode::SEE_OTHER);

    let proposal = desk.propose_cancel("1001").await.unwrap();
    let withdrawn = mailed(&hook, 3, "customer1@example.com").await;
    let request = v1::WithdrawRequest {
        subject_token: desk.who.token.clone(),
        proposal_id: proposal.proposal_id,
    };
    desk.client.withdraw(request).await.unwrap();
    assert!(phone.read(&withdrawn).await.contains("Taken back"));

    desk.propose_cancel("1001").await.unwrap();
    let late = mailed(&hook, 4, "customer1@example.com").await;
    let card = phone.card(&late).await;
    tokio::time::sleep(std::time::Duration::from_millis(3100)).await;
    let expired = phone.read(&late).await;
    assert!(expired.contains("Too late") && !expired.contains("<form"), "{expired}");
    phone.post(&late, &card, "yes").await;
    assert!(phone.read(&late).await.contains("Too late"));
    assert!(pair.effects().is_empty(), "{:?}", pair.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_page_comes_before_staff_and_again_where_staff_finds_a_change() {
    let hook = Hook::start().await;
    let mut house = House::asking("[support_lead]").await;
    let phone = with_page(&mut house.pair, &hook);
    let mut desk = house.desk();
    desk.confirm_by_link = true;
    let proposal = desk.propose_refund("1001").await.unwrap();
    let link = mailed(&hook, 2, "customer1@example.com").await;
    let card = phone.card(&link).await;
    let (one, two) = join!(phone.post(&link, &card, "yes"), phone.post(&link, &card, "yes"));
    assert_eq!((one.status(), two.status()), (StatusCode::SEE_OTHER, StatusCode::SEE_OTHER));
    assert!(phone.read(&link).await.contains("Thank you"));
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let shown = alice.read(&format!("/approve/{}", proposal.proposal_id)).await;
    assert_eq!(shown.matches("The customer said yes").count(), 1, "{shown}");

    let act = StaffAct::Refund { amount: Some("1.00".to_owned()) };
    house.pair.sandbox.staff("#1001", &act).unwrap();
    let changed = alice.read(&format!("/approve/{}", proposal.proposal_id)).await;
    assert!(changed.contains("Changed meanwhile"), "{changed}");
    let again = mailed(&hook, 3, "customer1@example.com").await;
    assert_ne!(again, link);
    let card = phone.card(&again).await;
    phone.post(&again, &card, "yes").await;
    let newer = again.split('/').nth(2).unwrap();
    assert_eq!(house.refunds(), 0);
    assert_eq!(alice.answer(newer, "approve", "").await.status(), StatusCode::OK);
    assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
    assert!(phone.read(&again).await.contains("<h1>Done</h1>"));
}
