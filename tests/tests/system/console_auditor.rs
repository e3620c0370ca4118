//! The auditors' pages in a browser: narrow and wide, in light and in dark, by keyboard
//! alone, and without a serious violation of accessibility.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::console::{in_doubt, order};
use super::stale_approval::House;
use super::stale_approval::page::Page;
use super::support::browser;
use super::support::plans::Desk;

/// Signs in with a passkey on the way to a page.
fn signed_in(house: &House, path: &str, title: &str) -> Vec<Value> {
    vec![
        json!({ "open": format!("{}{path}", house.origin) }),
        json!({ "wait": "h1", "text": "Sign in" }),
        json!({ "click": "#sign-in button" }),
        json!({ "wait": "h1", "text": title }),
    ]
}

/// What is looked at on each page.
fn looked_at(name: &str) -> Vec<Value> {
    let narrow = |dark: bool| {
        let tone = if dark { "dark" } else { "light" };
        [json!({ "dark": dark }), json!({ "axe": format!("{name}, {tone}") })]
    };
    let shot = |how: &str| json!({ "shot": format!("auditor-{name}{how}"), "tall": 1400 });
    let mut steps = Vec::from(narrow(false));
    steps.push(shot(""));
    steps.extend(narrow(true));
    steps.push(shot("-dark"));
    steps.push(json!({ "wide": true }));
    steps.push(json!({ "axe": format!("{name}, dark and wide") }));
    steps.push(shot("-wide-dark"));
    steps.push(json!({ "dark": false }));
    steps.push(json!({ "axe": format!("{name}, wide") }));
    steps.push(shot("-wide"));
    steps.push(json!({ "wide": false }));
    steps.push(json!({ "keys": name }));
    steps
}

/// A house with an action that was approved, one that was rejected and one in doubt;
/// answers with the matter that it leaves.
async fn busy(house: &House) -> String {
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let approved = house.refund(&mut house.desk()).await;
    assert_eq!(alice.answer(&approved, "approve", "As agreed").await.status(), StatusCode::OK);
    let mut desk = Desk::new(&house.pair, house.pair.customer(2), "c2");
    let proposal = desk.propose_refund("2001").await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    let rejected = alice.answer(&proposal.proposal_id, "reject", "Not without the parcel").await;
    assert_eq!(rejected.status(), StatusCode::OK);
    in_doubt(house, &alice).await
}

/// The week of now, as the page of the review has it.
fn this_week() -> String {
    let day = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date();
    let week = day.iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

#[tokio::test(flavor = "multi_thread")]
async fn console_auditor_reads_every_page_on_phone_and_desk_by_keyboard() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let matter = busy(&house).await;
    let olga = Page::signed_in(&house.origin, &house.olga).await;
    let reach = "tool/shopify.cancel_order";
    let off = house.olga.answer(&order(&house.olga, reach, true), &house.origin);
    assert_eq!(olga.post("/switches/answer", &off).await.status(), StatusCode::OK);
    let erin = Page::signed_in(&house.origin, &house.erin).await;
    let list = erin.read("/actions?tool=shopify.refund_lines&outcome=applied").await;
    let receipt = list.split("href=\"/actions/").nth(1).expect("an action").split('"').next();
    let receipt = receipt.unwrap().to_owned();
    let mut steps = signed_in(&house, "/actions", "Actions");
    steps.extend(looked_at("actions"));
    // From what a customer's message says to the proof.
    steps.extend([
        json!({ "type": "#value", "text": "#1001" }),
        json!({ "choose": "#outcome", "value": "applied" }),
        json!({ "click": "form.ask .yes" }),
        // One refund of this order was applied, and nothing else.
        json!({ "click": "tbody tr:only-child a" }),
        json!({ "wait": "h1", "text": "shopify.refund_lines" }),
    ]);
    steps.extend(looked_at("timeline"));
    steps.extend([
        json!({ "read": "main" }),
        json!({ "fetch": "a[href$='/proof']" }),
        json!({ "click": "a[href*='conversation=']" }),
        json!({ "wait": "h1", "text": "Actions" }),
        json!({ "value": "#conversation" }),
    ]);
    let week = this_week();
    for (path, title, name) in [
        ("/analytics", "Analytics", "analytics"),
        (&*format!("/review?week={week}"), "Review of", "review"),
        ("/coverage", "Coverage", "coverage"),
        ("/activations", "Activations", "activations"),
        ("/approvals?who=all", "Waiting", "approvals"),
        ("/switches", "Modes", "switches"),
        ("/escalations", "Left to people", "escalations"),
        (&*format!("/escalations/{matter}"), "Waits for a person", "escalation"),
    ] {
        steps.push(json!({ "open": format!("{}{path}", house.origin) }));
        steps.push(json!({ "wait": "h1", "text": title }));
        steps.extend(looked_at(name));
    }
    // From what is switched off, and from what was activated, to receipt and proof.
    for path in ["/switches", "/activations"] {
        steps.extend([
            json!({ "open": format!("{}{path}", house.origin) }),
            json!({ "wait": "main", "text": reach }),
            json!({ "fetch": ".list a[href$='/proof']" }),
            json!({ "click": ".list a[href^='/actions/']" }),
            json!({ "wait": "h1", "text": format!("switch/{reach}") }),
            json!({ "read": "main" }),
            json!({ "fetch": "a[href$='/receipt']" }),
        ]);
    }
    steps.extend(looked_at("change"));
    let passkey = Some(house.erin.for_browser());
    let Some(read) = browser::play(&house.pair, passkey, Value::from(steps)).await else { return };
    let [timeline, proof, conversation, changes @ ..] = &read[..] else { panic!("{read:?}") };
    let (switched, activated) = changes.split_at(3);
    assert_eq!(switched, activated, "one receipt, by one page");
    let [of_switch, change, bytes] = switched else { panic!("{read:?}") };
    assert!(of_switch.starts_with("c2sp.org/tlog-proof@v1"), "{of_switch}");
    assert!(change.contains("on → off: by hand") && change.contains("olga"), "{change}");
    assert!(bytes.contains(&format!("switch/{reach}")), "{bytes}");
    for step in ["Said", "Planned", "Approved", "Sent", "Changed", "Receipt", &receipt] {
        assert!(timeline.to_lowercase().contains(&step.to_lowercase()), "{step}: {timeline}");
    }
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1"), "{proof}");
    assert_eq!(conversation, "c1");
}

/// A matter is taken over and handed back, by keyboard as well.
#[tokio::test(flavor = "multi_thread")]
async fn console_auditor_sees_who_took_a_matter_over_and_handed_it_back() {
    let house = House::staffed("[support_lead]", "Alice Example").await;
    let matter = busy(&house).await;
    let erin = Page::signed_in(&house.origin, &house.erin).await;
    let at = format!("/escalations/{matter}");
    let mut steps = signed_in(&house, &at, "Waits for a person");
    steps.extend([
        json!({ "keys": "a matter" }),
        json!({ "click": "form[action$='/take'] button" }),
        json!({ "wait": "h1", "text": "Somebody is at it" }),
        json!({ "keys": "a matter that was taken" }),
        json!({ "axe": "a matter that was taken" }),
        json!({ "click": "form[action$='/return'] button" }),
        json!({ "wait": "h1", "text": "Waits for a person" }),
        json!({ "click": "form[action$='/take'] button" }),
        json!({ "wait": "h1", "text": "Somebody is at it" }),
    ]);
    let passkey = Some(house.alice.for_browser());
    if browser::play(&house.pair, passkey, Value::from(steps)).await.is_some() {
        let shown = erin.read(&at).await;
        assert!(shown.contains("Somebody is at it") && !shown.contains("Hand it back"), "{shown}");
    }
}
