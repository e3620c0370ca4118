//! Approving in a browser where something comes between: a second person, one's own request, a
//! change in the shop, a session that the server ends; and by the keyboard alone.

use countersign_tests::sandbox::StaffAct;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::stale_approval::House;
use super::stale_approval::authenticator::Passkey;
use super::stale_approval::page::Page;
use super::support::browser;
use super::support::pair::ISSUER;

/// Signs in on the way to a request, and does these steps there.
async fn at(
    house: &House,
    who: &Passkey,
    id: &str,
    title: &str,
    more: &Value,
) -> Option<Vec<String>> {
    let mut steps = vec![
        json!({ "open": format!("{}/approve/{id}", house.origin) }),
        json!({ "wait": "h1", "text": "Sign in" }),
        json!({ "click": "#sign-in button" }),
        json!({ "wait": "h1", "text": title }),
    ];
    steps.extend(more.as_array().unwrap().iter().cloned());
    browser::play(&house.pair, Some(who.for_browser()), Value::from(steps)).await
}

/// The second person sees who answered first, as what and why.
#[tokio::test(flavor = "multi_thread")]
async fn console_approvals_take_two_persons_and_the_second_sees_the_first() {
    let house = House::staffed("[support_lead, support_lead]", "Alice Example").await;
    let id = house.refund(&mut house.desk()).await;
    let steps = json!([
        { "type": "#reason", "text": "Saw the parcel" },
        { "click": "#answer .yes", "times": 2 },
        { "wait": "h1", "text": "Waits for others" },
        { "axe": "waits for others" },
        { "count": "#answer" },
    ]);
    match at(&house, &house.alice, &id, "Waits for a yes or no", &steps).await {
        Some(read) => assert_eq!(read, ["0"], "she answers once"),
        None => {
            let alice = Page::signed_in(&house.origin, &house.alice).await;
            let answered = alice.answer(&id, "approve", "Saw the parcel").await;
            assert_eq!(answered.status(), StatusCode::OK);
        }
    }
    assert_eq!(house.refunds(), 0, "one of two");
    let bob = Page::signed_in(&house.origin, &house.bob).await;
    let shown = bob.read(&format!("/approve/{id}")).await;
    assert!(shown.contains("Alice Example said yes as support_lead"), "{shown}");
    assert!(shown.contains("Saw the parcel") && shown.contains("Still asked"), "{shown}");
    let steps = json!([
        { "read": "main" },
        { "click": "#answer .yes" },
        { "wait": "h1", "text": "Done" },
        { "read": "main" },
    ]);
    match at(&house, &house.bob, &id, "Waits for a yes or no", &steps).await {
        Some(read) => {
            assert!(read[0].contains("Alice Example said yes as support_lead"), "{read:?}");
            assert!(read[0].contains("Saw the parcel"), "{read:?}");
            let both = ["Alice Example said yes", "Bob <b>Example</b> said yes"];
            assert!(both.iter().all(|yes| read[1].contains(yes)), "{read:?}");
        }
        None => assert_eq!(bob.answer(&id, "approve", "").await.status(), StatusCode::OK),
    }
    assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
}

/// Whoever asked for it as a customer is told why they cannot answer, though in the role.
#[tokio::test(flavor = "multi_thread")]
async fn console_approvals_are_not_the_requesters_own() {
    let mut house = House::staffed("[support_lead]", "Alice Example").await;
    let home = format!(
        "id: alice, subjects: [{{ issuer: \"{ISSUER}\", id: \"customer1@example.com\" }}], "
    );
    let edit = |name: &str, text: String| match name {
        "people.yaml" => text.replace("id: alice, ", &home),
        _ => text,
    };
    house.pair.change_policy(edit, &[]);
    house.pair.begin_anew();
    let id = house.refund(&mut house.desk()).await;
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let shown = alice.read(&format!("/approve/{id}")).await;
    assert!(shown.contains("<h1>You cannot answer this</h1>"), "{shown}");
    assert!(shown.contains("their own request") && !shown.contains("id=\"answer\""), "{shown}");
    let steps = json!([{ "axe": "one's own request" }, { "count": "main button" }]);
    if let Some(read) = at(&house, &house.alice, &id, "You cannot answer this", &steps).await {
        assert_eq!(read, ["0"], "there is nothing to tap");
    }
    assert_eq!(house.refunds(), 0);
    let bob = Page::signed_in(&house.origin, &house.bob).await;
    assert_eq!(bob.answer(&id, "approve", "").await.status(), StatusCode::OK);
    assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
}

/// The shop changes after the card was read and before the yes: FRESH STATE.
#[tokio::test(flavor = "multi_thread")]
async fn console_approvals_do_not_count_where_the_shop_changed_before_the_yes() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let mut desk = house.desk();
    let id = house.refund(&mut desk).await;
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let question: Value = alice.claims(&id, "approve", "").await.json().await.unwrap();
    let act = StaffAct::Refund { amount: Some("1.00".to_owned()) };
    house.pair.sandbox.staff("#1001", &act).unwrap();
    let signed = house.alice.answer(&question, &house.origin);
    let answered = alice.post(&format!("/approve/{id}/answer"), &signed).await;
    assert_eq!(answered.status(), StatusCode::OK, "the page tells the rest");
    let shown = alice.read(&format!("/approve/{id}")).await;
    assert!(shown.contains("<h1>Changed meanwhile</h1>"), "{shown}");
    assert!(shown.contains("no yes to it counts") && !shown.contains("id=\"answer\""), "{shown}");

    let id = house.refund(&mut desk).await;
    let steps = json!([
        { "post": format!("{}/sandbox/staff", house.pair.sandbox.base_url()),
          "body": { "order": "#1001", "act": "refund", "amount": "2.00" } },
        { "click": "#answer .yes" },
        { "wait": "h1", "text": "Changed meanwhile" },
        { "axe": "changed before the yes" },
        { "read": "main" },
        { "click": "main a.button" },
        { "wait": "h1", "text": "Waits for the customer" },
        { "read": "main" },
    ]);
    if let Some(read) = at(&house, &house.alice, &id, "Waits for a yes or no", &steps).await {
        assert!(read[0].contains("Nothing was done"), "{read:?}");
        assert!(read[0].contains("What changed") && read[0].contains("127.00"), "{read:?}");
        assert!(read[1].contains("The customer"), "the new card: {read:?}");
    }
    assert_eq!(house.refunds(), 0, "{:?}", house.pair.effects());
}

/// The session ends on the server between card and yes: nothing counts, and signing in again
/// leads back to the same card.
#[tokio::test(flavor = "multi_thread")]
async fn console_approvals_outlast_a_session_that_the_server_ended() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let id = house.refund(&mut house.desk()).await;
    let (card, to) = (format!("/approve/{id}"), format!("/approve/{id}/answer"));
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let question: Value = alice.claims(&id, "approve", "").await.json().await.unwrap();
    let signed = house.alice.answer(&question, &house.origin);
    assert_eq!(alice.post("/sign-out", &json!({})).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(alice.post(&to, &signed).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(alice.leads_to(&card).await, format!("/sign-in?to={card}"));

    let steps = json!([
        { "type": "#reason", "text": "As agreed on the phone" },
        { "ended": true },
        { "click": "#answer .yes" },
        { "wait": "h1", "text": "Sign in" },
        { "at": true },
        { "click": "#sign-in button" },
        { "wait": "#said", "text": "Nothing was sent yet" },
        { "at": true },
        { "value": "#reason" },
        { "read": "h1" },
    ]);
    if let Some(read) = at(&house, &house.alice, &id, "Waits for a yes or no", &steps).await {
        assert!(read[0].contains("/sign-in?to=") && read[0].contains(&id), "{read:?}");
        assert_eq!(read[1], format!("{}{card}", house.origin));
        assert_eq!(&read[2..], ["As agreed on the phone", "Waits for a yes or no"]);
    }
    let back = Page::signed_in(&house.origin, &house.alice).await;
    assert!(back.read(&card).await.contains("<h1>Waits for a yes or no</h1>"));
    assert_eq!(house.refunds(), 0, "{:?}", house.pair.effects());
}

/// From the link to the end by Tab, Enter and Space: the focus is seen wherever it is, the way
/// past the menu is the first thing, and what is asked comes in the order in which it stands.
#[tokio::test(flavor = "multi_thread")]
async fn console_approvals_go_by_the_keyboard_alone() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let id = house.refund(&mut house.desk()).await;
    let steps = json!([
        { "open": format!("{}/approve/{id}", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "tab": ".skip", "within": 1 },
        { "press": "Enter" },
        { "tab": "#sign-in button", "within": 1 },
        { "press": "Enter" },
        { "wait": "h1", "text": "Waits for a yes or no" },
        { "tab": ".skip", "within": 1 },
        { "tab": ".brand", "within": 1 },
        { "tab": "header form button", "within": 1 },
        { "tab": "nav a", "within": 1 },
        { "tab": "#reason" },
        { "tab": "#answer .yes", "within": 1 },
        { "tab": "#answer .no", "within": 1 },
        { "tab": "main details summary", "within": 1 },
        { "press": "Enter" },
        { "count": "main details[open]" },
        { "open": format!("{}/approve/{id}", house.origin) },
        { "wait": "h1", "text": "Waits for a yes or no" },
        { "tab": ".skip", "within": 1 },
        { "press": "Enter" },
        { "tab": "#reason", "within": 1 },
        { "tab": "#answer .yes", "within": 1 },
        { "press": "Space" },
        { "wait": "h1", "text": "Done" },
    ]);
    if let Some(read) = browser::play(&house.pair, Some(house.alice.for_browser()), steps).await {
        assert_eq!(read, ["1"], "what is folded opens");
        assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
    }
}
