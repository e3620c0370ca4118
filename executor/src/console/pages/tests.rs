//! The pages of auditors, over a store with a few receipts in it.
#![allow(clippy::unwrap_used, reason = "tests")]

mod escalations;
mod refused;
mod sessions;
mod switches;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, COOKIE};
use axum::http::{Request, StatusCode};
use axum::{Router, routing};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::policy::{Passkey, Policy};
use countersign_core::seal::{self, Leaf};
use countersign_shared::ids::TurnId;
use countersign_shared::receipt::{Argument, Gate, Grant};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::console::challenge::Challenges;
use crate::console::requests;
use crate::console::session::Proof;
use crate::console::{Console, Site};
use crate::conversations::{Cost, Rating};
use crate::grants::tests::shop::{PACK, Shop};
use crate::ports::{SystemClock, Turn};
use crate::register::day_of;
use crate::store::conformance::owner;
use crate::testing::{catalog, desk, id, proposed, with_people};

const ORIGIN: &str = "http://localhost:8445";
const NASTY: &str = "<script>alert(1)</script>\"'><svg onload=alert(2)>";

struct House {
    console: Console,
    folder: TempDir,
}

/// The people of tenant `t`, and an operator of tenant `u`: name, role, tenant, key.
const PEOPLE: [(&str, &str, &str, u8); 4] = [
    ("eve", "auditor", "t", 3),
    ("fin", "finance", "t", 4),
    ("ops", "operator", "t", 5),
    ("opu", "operator", "u", 6),
];

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn passkey(seed: u8) -> Passkey {
    let public_key = key(seed).verifying_key().to_public_key_der().unwrap().into_vec();
    Passkey { id: vec![seed; 16], public_key }
}

/// As they are, but for the seeds of their keys.
fn policy(seed: fn(u8) -> u8) -> Policy {
    let people: String = PEOPLE
        .map(|(who, role, tenant, own)| {
            let (own, name) = (seed(own), who.to_uppercase());
            let Passkey { id, public_key } = passkey(own);
            let [id, public_key] = [id, public_key].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
            format!(
                "  - {{ id: {who}, issuer: d, name: {name}, roles: [{role}], tenants: [{tenant}], \
                 keys: [{{ kid: {who}, file: keys/{who}.pem }}], \
                 subjects: [{{ issuer: i, id: s{own} }}], certificates: [\"spiffe://t/{own}\"], \
                 passkeys: [{{ id: {id}, public_key: {public_key} }}] }}\n"
            )
        })
        .concat();
    let keys = PEOPLE.map(|(who, _, _, own)| {
        let pem = key(own).verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        (format!("keys/{who}.pem"), pem)
    });
    with_people(&format!("people:\n{people}"), keys.to_vec())
}

fn house() -> House {
    let policy = policy(|own| own);
    let folder = TempDir::new().unwrap();
    let shop = Arc::<Shop>::default();
    let mut desk = desk(folder.path(), (catalog(&PACK), policy), shop, Arc::new(SystemClock));
    desk.origin = ORIGIN.into();
    let console = Console {
        desk,
        site: Arc::new(Site::new(ORIGIN).unwrap()),
        sessions: Arc::default(),
        challenges: Arc::new(Challenges::new().unwrap()),
        oidc: None,
        unproved: Arc::default(),
        unknown: Arc::default(),
    };
    House { console, folder }
}

/// A refusal an hour ago, changed.
fn leaf(n: u32, change: impl FnOnce(&mut Leaf)) -> Leaf {
    let events = vec![proposed(n, &format!("i{n}"), "o"), crate::testing::refused("no")];
    let state = countersign_core::lifecycle::fold(events).unwrap();
    let at = Timestamp::now() - SignedDuration::from_hours(1);
    let mut leaf = seal::seal(&state, None, &id("rcp", n).parse().unwrap(), at).unwrap();
    change(&mut leaf);
    leaf
}

/// A person's word that an action was done.
fn settled(leaf: &mut Leaf) {
    let text = |text: &str| text.to_owned();
    leaf.receipt.outcome = text("applied");
    leaf.receipt.code.clear();
    leaf.receipt.contract.clear();
    leaf.receipt.grants = vec![Grant {
        kind: text("finish"),
        by: text("fin"),
        issuer: String::new(),
        role: text("finance"),
        reason: String::new(),
        at: leaf.receipt.sealed_at,
        card: String::new(),
        text: text("done"),
        signature: Value::Null,
    }];
}

impl House {
    async fn fill(&self) {
        let nasty = |leaf: &mut Leaf| {
            let text = |text: &str| text.to_owned();
            leaf.receipt.said = text(NASTY);
            leaf.receipt.asked.conversation = text(NASTY);
            leaf.receipt.arguments = vec![Argument {
                path: text(NASTY),
                value: "order-1001".into(),
                from: text("observation"),
                at: text("obs"),
            }];
            // A dry run has one, whatever is refused afterwards.
            leaf.receipt.gates = vec![Gate { gate: text("use"), passed: true, facts: Value::Null }];
        };
        let applied = |leaf: &mut Leaf| {
            "applied".clone_into(&mut leaf.receipt.outcome);
            leaf.receipt.code.clear();
            let usd = "USD".parse().unwrap();
            leaf.receipt.money = Some(countersign_shared::money::Money::from_minor(12_350, usd));
        };
        let others = |leaf: &mut Leaf| "u".clone_into(&mut leaf.receipt.tenant);
        for leaf in [leaf(1, nasty), leaf(2, applied), leaf(3, others)] {
            self.console.desk.pipeline.store.seal(leaf, None).await.unwrap();
        }
    }

    /// A session of somebody by their passkey, as a cookie.
    fn cookie(&self, who: &str) -> String {
        let (.., own) = PEOPLE.into_iter().find(|(name, ..)| *name == who).unwrap();
        self.begun(who, Proof::Passkey(passkey(own)))
    }

    fn begun(&self, who: &str, proof: Proof) -> String {
        let token = self.console.sessions.begin(who, proof, Timestamp::now()).unwrap();
        format!("countersign={token}")
    }

    async fn get(&self, who: &str, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(COOKIE, self.cookie(who));
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, who: &str, path: &str, body: &Value) -> (StatusCode, String) {
        let request = Request::post(path).header(COOKIE, self.cookie(who));
        let request = request.header(CONTENT_TYPE, "application/json");
        self.ask(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, String) {
        let router = super::routes().with_state(self.console.clone());
        let answer = router.oneshot(request).await.unwrap();
        let (status, file) = (answer.status(), answer.headers().contains_key(CONTENT_DISPOSITION));
        let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (status, if file { format!("file: {text}") } else { text })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_finds_an_action_and_reads_it_and_nobody_else_does() {
    let house = house();
    house.fill().await;
    let (status, list) = house.get("eve", "/actions").await;
    assert_eq!(status, StatusCode::OK);
    assert!(list.contains("USD 123.50") && list.contains("RULE_ERROR"), "{list}");
    assert!(!list.contains(&id("rcp", 3)), "another tenant's");
    let (_, found) = house.get("eve", "/actions?value=order-1001&outcome=refused").await;
    assert!(found.contains(&id("rcp", 1)) && !found.contains(&id("rcp", 2)), "{found}");
    let (_, others) = house.get("eve", "/actions?tenant=u").await;
    assert!(!others.contains(&id("rcp", 3)), "another tenant's, asked for by name");
    let (_, wrong) = house.get("eve", "/actions?from=soon").await;
    assert!(wrong.contains("soon is no date"), "{wrong}");

    let one = format!("/actions/{}", id("rcp", 1));
    let (status, page) = house.get("eve", &one).await;
    assert_eq!(status, StatusCode::OK);
    for step in ["Said", "Planned", "Receipt"] {
        assert!(page.contains(&format!("<h2>{step}</h2>")), "{step}: {page}");
    }
    assert!(!page.contains("<script>alert") && !page.contains("<svg onload"), "{page}");
    let (_, proof) = house.get("eve", &format!("{one}/proof")).await;
    assert!(proof.starts_with("file: c2sp.org/tlog-proof@v1"), "{proof}");
    let (_, bytes) = house.get("eve", &format!("{one}/receipt")).await;
    assert!(bytes.starts_with("file: {") && bytes.contains(&id("rcp", 1)), "{bytes}");
    for hidden in [format!("/actions/{}", id("rcp", 3)), "/actions/x".to_owned()] {
        let (status, page) = house.get("eve", &hidden).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{hidden}");
        assert!(page.contains("No such action") && page.contains("To the first page"), "{page}");
        let file = house.get("eve", &format!("{hidden}/receipt")).await;
        assert_eq!(file.0, StatusCode::NOT_FOUND, "{hidden}");
    }
    for path in ["/actions", &one, "/analytics", "/review", "/review.md"] {
        assert_eq!(house.get("fin", path).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_for_operators() {
    let house = house();
    let router = Router::new().route("/approve/{id}", routing::get(requests::show));
    let router = router.with_state(house.console.clone());
    let path = format!("/approve/{}", id("prp", 1));
    for (who, status) in [
        ("ops", StatusCode::FORBIDDEN),
        ("fin", StatusCode::NOT_FOUND),
        ("eve", StatusCode::NOT_FOUND),
    ] {
        let request = Request::get(&path).header(COOKIE, house.cookie(who));
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{who}");
    }
    // Nor is there one for them at any other address.
    let events = vec![proposed(1, "i1", "o1")];
    let state = countersign_core::lifecycle::fold(events.clone()).unwrap();
    let desk = &house.console.desk;
    desk.pipeline.store.append(0, events, &state).await.unwrap();
    for (who, sees) in [("ops", false), ("opu", false), ("fin", true), ("eve", true)] {
        let person = desk.pipeline.policy.people().get(who).unwrap();
        let found = house.console.found(state.proposal().id(), person).await;
        assert_eq!(found.is_ok(), sees, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_lead_to_their_actions() {
    let house = house();
    house.fill().await;
    house.console.desk.pipeline.store.seal(leaf(4, settled), None).await.unwrap();
    let (status, page) = house.get("eve", "/analytics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("1 of 2 applied") && page.contains("50 %"), "{page}");
    assert!(page.contains("aria-label=\"") && page.contains(": 1 refused"), "{page}");
    assert!(page.contains("USD 123.50 in 1 action<"), "{page}");
    // The bar of the refusal leads to it and to nothing else.
    let bar = page.split("<a href=\"").find(|part| part.contains(": 1 refused")).unwrap();
    let link = bar.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let (_, found) = house.get("eve", &link).await;
    assert!(found.contains(&id("rcp", 1)) && !found.contains(&id("rcp", 2)), "{link}: {found}");
    // Everything that is counted has its course, and each bar of it leads to its actions.
    for label in [": 1 RULE_ERROR", ": USD 123.50 moved", ": 2 without a person"] {
        let bar = page.split("<a href=\"").find(|part| part.contains(label)).unwrap();
        let link = bar.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
        let (_, found) = house.get("eve", &link).await;
        assert_eq!(found.contains(&id("rcp", 1)), !label.contains("moved"), "{link}: {found}");
        assert_eq!(found.contains(&id("rcp", 2)), !label.contains("RULE"), "{link}: {found}");
        assert!(!found.contains(&id("rcp", 4)), "{link}: {found}");
    }
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 4, "nothing failed: {page}");
    // No number stands alone: each tile is a link.
    let tiles = page.split("<ul class=\"tiles\">").nth(1).unwrap();
    assert_eq!(tiles.split("</ul>").next().unwrap().matches("<a href=").count(), 6, "{tiles}");
    assert!(tiles.contains("no frontend sent a rating"), "{tiles}");
    assert!(tiles.contains("no call of a model had a price"), "{tiles}");
    // And so is each number of the table that counts anything.
    let sums =
        page.split("aria-label=\"Numbers\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(sums.matches("<a href=").count(), 5, "{sums}");
    for (condition, is) in [("by=nobody", 1), ("by=override", 1), ("refused", 1), ("unknown", 0)] {
        assert_eq!(sums.matches(condition).count(), is, "{condition}: {sums}");
    }
    // What was settled later is counted once, and listed once.
    let success = tiles.split("Success").nth(1).unwrap().split("<a href=\"").nth(1).unwrap();
    let link = success.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let (_, applied) = house.get("eve", &link).await;
    assert!(applied.contains(&id("rcp", 2)) && !applied.contains(&id("rcp", 4)), "{link}");
    let (_, overrode) = house.get("eve", "/actions?by=override").await;
    assert!(overrode.contains(&id("rcp", 4)) && !overrode.contains(&id("rcp", 2)), "{overrode}");
    let (_, needed) = house.get("eve", "/actions?by=somebody").await;
    assert!(needed.contains("No action matches"), "{needed}");
    let (_, alone) = house.get("eve", "/actions?by=nobody").await;
    assert!(alone.contains(&id("rcp", 1)) && alone.contains(&id("rcp", 2)), "{alone}");
    let week = crate::review::Week::of(Timestamp::now() - SignedDuration::from_hours(1)).name();
    let (status, page) = house.get("eve", &format!("/review?week={week}")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("RULE_ERROR") && page.contains(&week), "{page}");
    let sums = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
    assert_eq!(sums.matches("<a href=").count(), 5, "{sums}");
    assert!(page.contains(" UTC: settled by a person"), "{page}");
    let (_, file) = house.get("eve", &format!("/review.md?week={week}")).await;
    assert!(file.starts_with(&format!("file: # Review of {week}")), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_have_their_costs_and_ratings() {
    let house = house();
    house.fill().await;
    let store = &house.console.desk.pipeline.store;
    for (conversation, currency, micros) in
        [("c", "USD", 500), ("c", "USD", 1_000_000), ("d", "USD", 500), ("e", "EUR", 7)]
    {
        let turn = Turn {
            id: TurnId::from_uuid(uuid::Uuid::now_v7()),
            tenant: "t".into(),
            issuer: "i".into(),
            subject: "s".into(),
            conversation: conversation.into(),
            external_ref: String::new(),
            trace: String::new(),
            body: "{}".into(),
            cost: Some(Cost { currency: currency.into(), micros }),
        };
        store.record(&owner(), turn).await.unwrap();
    }
    let day = day_of(Timestamp::now());
    for (conversation, score) in [("c", 1), ("d", 4), ("c", 5)] {
        assert!(store.rate(&owner(), conversation, Rating { day, score }).await.unwrap());
    }
    let (_, page) = house.get("eve", "/analytics").await;
    assert!(
        page.contains(">4.50 of 5</a>") && page.contains("100 % gave 4 or 5; 2 rated"),
        "{page}"
    );
    assert!(page.contains(": 4.50 of 5\"") && page.contains("a claim, never evidence"), "{page}");
    assert!(page.contains(">EUR 0.000007, USD 0.500500</a>"), "{page}");
    assert!(page.contains("USD 1.001000 in 2 that had a priced call of a model"), "{page}");
    for (title, label) in
        [("USD", "USD 0.500500 per conversation"), ("EUR", "EUR 0.000007 per conversation")]
    {
        assert!(page.contains(&format!("Cost per conversation, {title}</h2>")), "{page}");
        let bar = page.split("<a href=\"").find(|part| part.contains(label)).unwrap();
        assert!(bar.starts_with("/actions?") && bar.contains("from="), "{bar}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_shown_as_it_was_asked_for_says_why() {
    let house = house();
    let long = "/analytics?from=2020-01-01&to=2026-11-27";
    for (path, says) in [
        ("/analytics?from=soon", "soon is no date such as 2026-11-16."),
        ("/analytics?from=2026-11-17&to=2026-11-16", "the day of Until alone"),
        (long, "No more than 732 days are shown."),
    ] {
        let (status, page) = house.get("eve", path).await;
        assert!(status == StatusCode::OK && page.contains(says), "{page}");
    }
    let (_, page) = house.get("eve", "/analytics?from=2026-11-16&to=2026-11-16").await;
    assert!(!page.contains("are shown.") && !page.contains("alone."), "{page}");
    assert!(page.contains("Nothing was asked for in this time."), "{page}");
    assert_eq!(page.matches(">nothing was asked for<").count(), 2, "{page}");
    let (_, page) = house.get("eve", long).await;
    assert!(page.contains("name=\"from\" type=\"date\" value=\"2024-11-26\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_leads_back() {
    let house = house();
    let (desk, site) = (house.console.desk.clone(), Site::new(ORIGIN).unwrap());
    let router = crate::console::router(desk, site, None).unwrap();
    let request = Request::get("/nope").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    let page = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(page.contains("No such page") && page.contains("href=\"/\""), "{page}");
}
