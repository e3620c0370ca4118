//! Whatever strangers, models and colleagues write, the console shows it as text: through
//! every field that they can fill, on every page, in a browser.

mod backend;
mod errors;

use countersign_proto::v1;
use countersign_shared::attest::marked;
use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::stale_approval::House;
use super::stale_approval::page::Page;
use super::support::browser;
use super::support::plans::Desk;

/// Each begins with a number, so that a page's text tells which are there.
const PAYLOADS: &[&str] = &[
    "01<script>alert(1)</script>",
    "02<img src=x onerror=alert(2)>",
    "03\"><svg/onload=alert(3)>",
    "04' autofocus onfocus=alert(4) x='",
    "05</textarea></title></style><script>alert(5)</script>",
    "06<a href=javascript:alert(6)>go</a>",
    "07<iframe srcdoc='<script>parent.alert(7)</script>'></iframe>",
    "08{{7*7}}${7*7}#{7*7}<%=7*7%>",
    "09<style>body{display:none}</style>",
    "10<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "11<base href=https://evil.example/>",
    "12<form action=https://evil.example><input name=q></form>",
    "13&lt;script&gt;alert(13)&lt;/script&gt;&#60;",
    "14<!--<img src=--><img src=x onerror=alert(14)//>",
    "15\u{202e}txet desrever\u{202c}",
    "16\u{2067}isolate\u{2069}",
    "17]]><math><mi xlink:href=javascript:alert(17)>x</mi></math>",
    "18<details open ontoggle=alert(18)>",
];

/// What would be there if a text had become something else.
const ALIVE: &str = "main script, main img, main svg:not(.plot), main iframe, main style, main meta, \
     main base, main math, main form[action*='evil'], main details[ontoggle], main [onerror], \
     main [onfocus], a[href^='javascript']";

fn all() -> String {
    PAYLOADS.join(" ")
}

/// The same in two parts, for fields that take 500 characters.
fn halves() -> (String, String) {
    (PAYLOADS[..9].join(" "), PAYLOADS[9..].join(" "))
}

/// The payloads as a browser's text has them.
fn there(text: &str, some: &[&str]) {
    for payload in some {
        assert!(text.contains(&*marked(payload)), "{payload} is not shown as text in: {text}");
    }
}

/// A plan and a matter full of hostile text, and an answer with it.
async fn fill(house: &House) -> (String, String) {
    let mut desk = Desk::new(&house.pair, house.pair.customer(1), "c1");
    let _span = desk.say(&all(), "01");
    let order = desk.order("1001").await.unwrap();
    let whole = desk.whole(&order).await.unwrap();
    let mut plan = desk.plan(vec![desk.refund_step(&order, &whole)]);
    plan.external_ref = PAYLOADS[1].to_owned();
    if let Some(confidence) = &mut plan.confidence {
        confidence.uncertainty_reason = halves().1;
    }
    let proposal = desk.propose_plan(plan).await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    let request = v1::EscalateRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: "c1".to_owned(),
        external_ref: PAYLOADS[2].to_owned(),
        messages: desk.words.clone(),
        reason: v1::EscalationReason::Distress.into(),
        request: all(),
        interpretation: all(),
        reasoning_summary: all(),
        tried: PAYLOADS.iter().map(|text| (*text).to_owned()).collect(),
        recommended_action: all(),
        observation_ids: vec![order.observation_id],
        ..Default::default()
    };
    house.pair.executor().escalate(request).await.unwrap();
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let list = alice.read("/escalations").await;
    let id = list.split("href=\"/escalations/").nth(1).unwrap().split('"').next().unwrap();
    (proposal.proposal_id, id.to_owned())
}

fn looked_at(path: &str, origin: &str, title: &str) -> Vec<Value> {
    vec![
        json!({ "open": format!("{origin}{path}") }),
        json!({ "wait": "h1", "text": title }),
        json!({ "count": ALIVE }),
        json!({ "read": "body" }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn console_xss_every_text_stays_text_on_every_page() {
    let house = House::staffed("[support_lead, support_lead]", PAYLOADS[0]).await;
    let (proposal, matter) = fill(&house).await;
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let reason = halves().0;
    assert_eq!(alice.answer(&proposal, "approve", &reason).await.status(), StatusCode::OK);
    let (card, at) = (format!("/approve/{proposal}"), format!("/escalations/{matter}"));
    // In the page's bytes, for whoever has no browser here.
    for path in [&*card, &*at] {
        let page = alice.read(path).await;
        assert!(page.contains("&#60;script&#62;alert(1)"), "{path} shows it: {page}");
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}: {page}");
        assert!(!page.contains('\u{202e}'), "{path} keeps its order");
    }

    let mut steps = vec![
        json!({ "open": format!("{}{card}", house.origin) }),
        json!({ "wait": "h1", "text": "Sign in" }),
        json!({ "click": "#sign-in button" }),
        json!({ "wait": "h1", "text": "Waits for others" }),
    ];
    steps.extend(looked_at(&card, &house.origin, "Waits for others"));
    steps.extend(looked_at("/approvals?who=all", &house.origin, "Waiting"));
    steps.extend(looked_at(&at, &house.origin, "Waits for a person"));
    steps.extend(looked_at("/escalations", &house.origin, "Left to people"));
    steps.extend(looked_at("/switches", &house.origin, "Modes"));
    let passkey = Some(house.alice.for_browser());
    let Some(read) = browser::play(&house.pair, passkey, Value::from(steps)).await else { return };
    assert!(read.iter().step_by(2).all(|alive| alive == "0"), "{read:?}");
    let [card, list, at, ..] = [1, 3, 5].map(|page| &read[page]);
    // Her own name stands in the header of each page.
    assert!(read.iter().skip(1).step_by(2).all(|page| page.contains(PAYLOADS[0])), "{read:?}");
    there(card, PAYLOADS);
    assert!(!list.is_empty());
    there(at, PAYLOADS);
    // Here each stands by itself, and is there several times over.
    assert!(at.matches("02<img src=x onerror=alert(2)>").count() >= 4, "{at}");

    // An operator's and a colleague's words, and what an auditor sees of them.
    let mut steps = vec![
        json!({ "open": format!("{}/switches", house.origin) }),
        json!({ "wait": "h1", "text": "Sign in" }),
        json!({ "click": "#sign-in button" }),
        json!({ "wait": "h1", "text": "Modes and switches" }),
        json!({ "choose": "#reach", "value": "all" }),
        json!({ "type": "#reason", "text": reason }),
        json!({ "click": "form.signed button[value=off]" }),
        json!({ "wait": ".banner", "text": "Switched off: all" }),
    ];
    steps.extend(looked_at("/switches", &house.origin, "Modes"));
    steps.extend(looked_at("/activations", &house.origin, "Activations"));
    let passkey = Some(house.olga.for_browser());
    let read = browser::play(&house.pair, passkey, Value::from(steps)).await.unwrap();
    assert!(read.iter().step_by(2).all(|alive| alive == "0"), "{read:?}");
    there(&read[1], &PAYLOADS[..5]);
    there(&read[3], &PAYLOADS[..5]);
}

/// What an address can carry into the auditors' pages.
const SEARCHED: [&str; 15] = [
    "customer",
    "value",
    "conversation",
    "ticket",
    "approver",
    "tool",
    "outcome",
    "code",
    "reason",
    "currency",
    "least",
    "most",
    "by",
    "from",
    "after",
];

/// A path with these parameters.
fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://here").unwrap().join(path).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// The auditors' pages: what lies in receipts, and what an address says.
#[tokio::test(flavor = "multi_thread")]
async fn console_xss_every_text_stays_text_for_auditors() {
    let house = House::staffed("[support_lead]", PAYLOADS[0]).await;
    let (proposal, matter) = fill(&house).await;
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let erin = Page::signed_in(&house.origin, &house.erin).await;
    let done = alice.answer(&proposal, "approve", &halves().0).await;
    assert_eq!(done.status(), StatusCode::OK);
    let list = erin.read("/actions?conversation=c1&outcome=applied").await;
    let receipt = list.split("href=\"/actions/").nth(1).expect("it was carried out");
    let timeline = format!("/actions/{}", receipt.split('"').next().unwrap());
    // Each field by itself, in the page's bytes; all of them at once, in a browser.
    for payload in PAYLOADS.iter().copied() {
        let mut each: Vec<_> = SEARCHED.map(|name| address("/actions", &[(name, payload)])).into();
        each.extend(["from", "to", "by", "tenant"].map(|n| address("/analytics", &[(n, payload)])));
        each.extend(["week", "tenant"].map(|name| address("/review", &[(name, payload)])));
        each.push(address("/escalations", &[("show", payload)]));
        each.push(address("/activations", &[("before", "1"), ("x", payload)]));
        for path in each {
            let page = erin.read(&path).await;
            let main = page.split("<main").nth(1).unwrap();
            for alive in ["<script", "<img", "<svg/", "<iframe", "<style", "<base", "\u{202e}"] {
                assert!(!main.contains(alive), "{path}: {alive} in {page}");
            }
        }
    }
    let all: Vec<_> = SEARCHED.iter().zip(PAYLOADS).map(|(name, text)| (*name, *text)).collect();
    let mut steps = vec![
        json!({ "open": format!("{}/actions", house.origin) }),
        json!({ "wait": "h1", "text": "Sign in" }),
        json!({ "click": "#sign-in button" }),
        json!({ "wait": "h1", "text": "Actions" }),
    ];
    for (path, title) in [
        (&*address("/actions", &all), "Actions"),
        (&*timeline, "shopify.refund_lines"),
        (&*address("/analytics", &[("from", PAYLOADS[1]), ("by", PAYLOADS[2])]), "Analytics"),
        (&*address("/review", &[("week", PAYLOADS[3])]), "Review"),
        (&*address("/escalations", &[("show", PAYLOADS[4])]), "Left to people"),
        (&*format!("/escalations/{matter}"), "Waits for a person"),
        ("/approvals?who=all", "Waiting"),
        ("/coverage", "Coverage"),
        ("/activations", "Activations"),
    ] {
        steps.extend(looked_at(path, &house.origin, title));
    }
    let passkey = Some(house.erin.for_browser());
    let Some(read) = browser::play(&house.pair, passkey, Value::from(steps)).await else { return };
    assert!(read.iter().step_by(2).all(|alive| alive == "0"), "{read:?}");
    let timeline = &read[3];
    // Her words, the model's doubt, the approver's reason; each in its own step.
    there(timeline, PAYLOADS);
    let matter = &read[11];
    there(matter, PAYLOADS);
}
