//! An approval waits over a restart, what it is about changes meanwhile, and nobody's yes
//! to the old state counts (FRESH STATE, A YES IS SHOWN AND SIGNED).

pub mod authenticator;
pub mod page;

use countersign_proto::v1;
use countersign_tests::sandbox::StaffAct;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::support::browser;
use super::support::hook::Hook;
use super::support::pair::Pair;
use super::support::plans::Desk;
use authenticator::Passkey;
use page::Page;

const HOSTILE: &str = "<img src=x onerror=alert(1)><script>alert(2)</script>";

/// A pair whose refunds wait for these roles, and its people.
pub struct House {
    pub pair: Pair,
    pub origin: String,
    pub alice: Passkey,
    pub bob: Passkey,
    pub carol: Passkey,
    /// Of the other tenant.
    pub dave: Passkey,
    /// An auditor, where the house has one.
    pub erin: Passkey,
    /// An operator, where the house has one.
    pub olga: Passkey,
}

impl House {
    pub async fn asking(by: &str) -> Self {
        Self::open(by, "Alice Example", false).await
    }

    /// With an auditor and an operator as well, and with a name for Alice.
    pub async fn staffed(by: &str, alice: &str) -> Self {
        Self::open(by, alice, true).await
    }

    async fn open(by: &str, name: &str, staffed: bool) -> Self {
        let mut pair = Pair::executor_only().await;
        let origin = page::free_origin();
        let [alice, bob, carol, dave, erin, olga] =
            [("alice", 1), ("bob", 2), ("carol", 3), ("dave", 4), ("erin", 5), ("olga", 6)]
                .map(|(name, id)| Passkey::of(name, id));
        let person = |passkey: &Passkey, name: &str, role: &str, tenant: &str| {
            let (id, key) = (passkey.person, passkey.yaml());
            format!(
                "  - {{ id: {id}, issuer: \"https://directory.test.invalid\", name: {}, \
                 roles: [{role}], tenants: [{tenant}], passkeys: [{key}] }}\n",
                json!(name)
            )
        };
        let mut people = vec![
            person(&alice, name, "support_lead", "demo-shop"),
            person(&bob, "Bob <b>Example</b>", "support_lead", "demo-shop"),
            person(&carol, "Carol Example", "finance", "demo-shop"),
            person(&dave, "Dave Example", "support_lead", "other-shop"),
        ];
        if staffed {
            people.push(person(&erin, "Erin Example", "auditor", "demo-shop"));
            people.push(person(&olga, "Olga Example", "operator", "demo-shop"));
        }
        let people = format!("people:\n{}", people.concat());
        let line = format!(
            "modes:\n  - {{ tools: [\"shopify.refund_lines\"], mode: approve, by: {by} }}\n"
        );
        pair.change_policy(
            |name, text| match name {
                "people.yaml" => people.clone(),
                // One operator has to be enough, where there is one only.
                "settings.yaml" => {
                    text.replace("modes:\n", &line).replace("policy: 2", "policy: 1")
                }
                _ => text,
            },
            &[],
        );
        let listen = origin.replace("http://localhost", "127.0.0.1");
        pair.add_config(&format!(
            "console: {{ listen: \"{listen}\", public_url: \"{origin}\" }}\n"
        ));
        // The first start activates what it finds.
        pair.begin_anew();
        Self { pair, origin, alice, bob, carol, dave, erin, olga }
    }

    /// From its next start on its pages speak TLS; answers with their certificate, as PEM.
    pub fn speaks_tls(&mut self) -> String {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(self.pair.path("page.crt"), made.cert.pem()).unwrap();
        std::fs::write(self.pair.path("page.key"), made.signing_key.serialize_pem()).unwrap();
        let safe = self.origin.replace("http:", "https:");
        self.pair.change_config(
            &format!("public_url: \"{}\"", self.origin),
            &format!("public_url: \"{safe}\", tls: {{ cert: page.crt, key: page.key }}"),
        );
        self.origin = safe;
        made.cert.pem()
    }

    pub fn desk(&self) -> Desk<'_> {
        Desk::new(&self.pair, self.pair.customer(1), "c1")
    }

    /// A customer asks for a refund and confirms it; answers with the proposal.
    pub async fn refund(&self, desk: &mut Desk<'_>) -> String {
        let proposal = desk.propose_refund("1001").await.unwrap();
        let yes = desk.yes(&proposal);
        let action = desk.execute(&proposal, &yes).await.unwrap();
        assert_eq!(action.state(), v1::ActionState::Proposed, "{action:?}");
        proposal.proposal_id
    }

    pub fn refunds(&self) -> usize {
        self.pair.effects().iter().filter(|effect| effect.kind.contains("refund")).count()
    }
}

async fn message(response: reqwest::Response) -> (StatusCode, String) {
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    (status, body["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_approval_is_refused_asked_again_and_applied_once() {
    let mut house = House::asking("[support_lead]").await;
    let old = house.refund(&mut house.desk()).await;
    house.pair.restart_executor();

    let alice = Page::signed_in(&house.origin, &house.alice).await;
    assert!(alice.read("/approvals").await.contains(&format!("/approve/{old}")));
    let shown = alice.read(&format!("/approve/{old}")).await;
    assert!(shown.contains("Waits for a yes or no") && shown.contains("PAID"), "{shown}");

    let act = StaffAct::Refund { amount: Some("1.00".to_owned()) };
    house.pair.sandbox.staff("#1001", &act).unwrap();
    let changed = alice.read(&format!("/approve/{old}")).await;
    assert!(changed.contains("Changed meanwhile"), "{changed}");
    assert!(changed.contains("<del>PAID</del>"), "{changed}");
    assert!(changed.contains("<ins>PARTIALLY_REFUNDED</ins>"), "{changed}");
    assert!(changed.contains("<ins>USD 129.00</ins>"), "{changed}");
    assert!(!changed.contains("id=\"answer\""), "nothing to tap: {changed}");
    let renewed = changed.split("href=\"/approve/").nth(1).unwrap().split('"').next().unwrap();
    let waits = alice.read(&format!("/approve/{renewed}")).await;
    assert!(waits.contains("Waits for the customer"), "{waits}");
    assert_eq!(house.refunds(), 0);

    let mut desk = house.desk();
    let fresh = house.refund(&mut desk).await;
    let link = format!("{}/approve/{fresh}", house.origin);
    let steps = json!([
        { "open": format!("{}/approve/{old}", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "shot": "sign-in" },
        { "click": "#sign-in button" },
        { "wait": "h1", "text": "Changed meanwhile" },
        { "read": ".changes" },
        { "shot": "changed" },
        { "open": link },
        { "wait": "h1", "text": "Waits for a yes or no" },
        { "shot": "waits" },
        { "dark": true },
        { "shot": "waits-dark" },
        { "dark": false },
        { "type": "#reason", "text": "As agreed on the phone" },
        { "click": "#answer .yes", "times": 2 },
        { "wait": "h1", "text": "Done" },
        { "shot": "done" },
        { "read": "main" },
        { "open": format!("{}/approvals", house.origin) },
        { "wait": "main", "text": "Nothing waits" },
        { "open": format!("{}/enrol", house.origin) },
        { "wait": "h1", "text": "Make a passkey" },
        { "type": "#name", "text": "dave" },
        { "click": "#enrol .yes" },
        { "wait": "#lines", "text": "public_key" },
        { "shot": "enrol" },
        { "read": "#lines" },
    ]);
    match browser::play(&house.pair, Some(house.alice.for_browser()), steps).await {
        Some(read) => {
            assert!(read[0].contains("PARTIALLY_REFUNDED"), "{read:?}");
            assert!(read[1].contains("rcp_"), "{read:?}");
            let key = read[2].split("public_key: \"").nth(1).unwrap();
            assert!(key.starts_with("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"), "P-256: {key}");
        }
        None => {
            let done = alice.answer(&fresh, "approve", "As agreed on the phone").await;
            assert_eq!(done.status(), StatusCode::OK);
        }
    }
    let done = alice.read(&format!("/approve/{fresh}")).await;
    assert!(done.contains("<h1>Done</h1>") && done.contains("rcp_"), "{done}");
    assert!(done.contains("Alice Example said yes as support_lead"), "{done}");
    assert!(done.contains("As agreed on the phone"), "{done}");
    // AT MOST ONE EFFECT: the ledger is the oracle.
    assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_approval_takes_two_persons_and_a_double_tap_is_one() {
    let house = House::asking("[support_lead, support_lead]").await;
    let id = house.refund(&mut house.desk()).await;
    let path = format!("/approve/{id}");
    let alice = Page::signed_in(&house.origin, &house.alice).await;
    let question: Value = alice.claims(&id, "approve", "").await.json().await.unwrap();
    let (one, two) = (
        house.alice.answer(&question, &house.origin),
        house.alice.answer(&question, &house.origin),
    );
    let to = format!("{path}/answer");
    let taps = (alice.post(&to, &one), alice.post(&to, &two));
    let (first, second) = futures_util::join!(taps.0, taps.1);
    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
    let waits = alice.read(&path).await;
    assert!(waits.contains("Waits for others") && waits.contains("Alice Example said yes"));
    assert_eq!(waits.matches("said yes as support_lead").count(), 1, "{waits}");
    assert_eq!(house.refunds(), 0);
    assert!(alice.read("/approvals").await.contains("Nothing waits"));

    // A role that is not asked sees who may, and nothing of the customer.
    let carol = Page::signed_in(&house.origin, &house.carol).await;
    let shown = carol.read(&path).await;
    assert!(shown.contains("Not yours to answer") && shown.contains("Alice Example"), "{shown}");
    assert!(!shown.contains("customer1@example.com"), "{shown}");
    assert_eq!(carol.claims(&id, "approve", "").await.status(), StatusCode::CONFLICT);

    let bob = Page::signed_in(&house.origin, &house.bob).await;
    let shown = bob.read(&path).await;
    assert!(shown.contains("Waits for a yes or no"), "{shown}");
    assert_eq!(bob.answer(&id, "approve", "").await.status(), StatusCode::OK);
    assert!(alice.read(&path).await.contains("<h1>Done</h1>"));
    assert_eq!(house.refunds(), 1, "{:?}", house.pair.effects());
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_approval_rejected_is_not_done_and_all_text_stays_text() {
    let house = House::asking("[support_lead]").await;
    let mut desk = house.desk();
    let order = desk.order("1001").await.unwrap();
    let whole = desk.whole(&order).await.unwrap();
    let mut plan = desk.plan(vec![desk.refund_step(&order, &whole)]);
    plan.external_ref = HOSTILE.to_owned();
    if let Some(confidence) = &mut plan.confidence {
        confidence.uncertainty_reason = HOSTILE.to_owned();
    }
    let proposal = desk.propose_plan(plan).await.unwrap();
    let yes = desk.yes(&proposal);
    desk.execute(&proposal, &yes).await.unwrap();
    let (id, path) = (&proposal.proposal_id, format!("/approve/{}", proposal.proposal_id));

    let bob = Page::signed_in(&house.origin, &house.bob).await;
    let shown = bob.read(&path).await;
    assert!(shown.contains("&#60;script&#62;"), "it is shown: {shown}");
    assert!(!shown.contains("<script>") && !shown.contains("<img") && !shown.contains("<b>"));
    let steps = json!([
        { "open": format!("{}{path}", house.origin) },
        { "wait": "h1", "text": "Sign in" },
        { "click": "#sign-in button" },
        { "wait": "main", "text": HOSTILE },
        { "type": "#reason", "text": HOSTILE },
        { "click": "#answer .no" },
        { "wait": "h1", "text": "Rejected" },
        { "shot": "rejected" },
        { "read": "main" },
    ]);
    match browser::play(&house.pair, Some(house.bob.for_browser()), steps).await {
        Some(read) => assert!(read[0].contains(HOSTILE), "{read:?}"),
        None => assert_eq!(bob.answer(id, "reject", HOSTILE).await.status(), StatusCode::OK),
    }
    let rejected = bob.read(&path).await;
    assert!(rejected.contains("<h1>Rejected</h1>"), "{rejected}");
    assert!(!rejected.contains("<script>") && !rejected.contains("<img"), "{rejected}");
    assert_eq!(bob.claims(id, "approve", "").await.status(), StatusCode::OK, "told to look");
    assert_eq!(house.refunds(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_approval_counts_no_session_and_no_foreign_passkey() {
    let house = House::asking("[support_lead]").await;
    let id = house.refund(&mut house.desk()).await;
    let (path, to) = (format!("/approve/{id}"), format!("/approve/{id}/answer"));

    // Signing in: on our page, by a verified person, over our own question, once.
    let mut page = Page::new(&house.origin, &house.alice);
    assert_eq!(page.leads_to(&path).await, format!("/sign-in?to={path}"));
    let question = page.question().await;
    let elsewhere = house.alice.answer(&question, "https://evil.example");
    assert_eq!(page.sign_in(&elsewhere).await, StatusCode::UNAUTHORIZED);
    let unverified = house.alice.answer_unverified(&question, &house.origin);
    assert_eq!(page.sign_in(&unverified).await, StatusCode::UNAUTHORIZED);
    let stranger = Passkey::of("alice", 9).answer(&question, &house.origin);
    assert_eq!(page.sign_in(&stranger).await, StatusCode::UNAUTHORIZED);
    let copied = Passkey::of("alice", 1).answer(&question, &house.origin);
    assert_eq!(page.sign_in(&copied).await, StatusCode::UNAUTHORIZED, "same id, another key");
    let good = house.alice.answer(&question, &house.origin);
    assert_eq!(page.sign_in(&good).await, StatusCode::NO_CONTENT);
    let again = house.alice.answer(&question, &house.origin);
    assert_eq!(
        Page::new(&house.origin, &house.alice).sign_in(&again).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(page.leads_to(&format!("/sign-in?to={path}")).await, path);
    assert_eq!(page.leads_to("/sign-in?to=//evil.example").await, "/");

    // A sign-in is no vote, and a vote is no sign-in.
    let (status, why) = message(page.post(&to, &good).await).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{why}");
    let claims: Value = page.claims(&id, "approve", "").await.json().await.unwrap();
    let signed_wrong = json!({
        "claims": claims["claims"], "credential": good["credential"],
        "authenticator_data": good["authenticator_data"], "client_data": good["client_data"],
        "signature": good["signature"],
    });
    let (status, why) = message(page.post(&to, &signed_wrong).await).await;
    assert_eq!(status, StatusCode::CONFLICT, "{why}");
    let vote = house.alice.answer(&claims, &house.origin);
    assert_eq!(
        Page::new(&house.origin, &house.alice).sign_in(&vote).await,
        StatusCode::UNAUTHORIZED
    );

    // Posted from elsewhere, by somebody else, or after the session has ended: not counted.
    let bob = Page::signed_in(&house.origin, &house.bob).await;
    assert_eq!(
        page.post_from("https://evil.example", &to, &vote).await.status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(bob.post(&to, &vote).await.status(), StatusCode::FORBIDDEN);
    page.forget_session();
    let (status, why) = message(page.post(&to, &vote).await).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{why}");
    assert_eq!(house.refunds(), 0);

    // Signed in anew, the same vote still counts.
    let back = Page::signed_in(&house.origin, &house.alice).await;
    assert_eq!(back.post(&to, &vote).await.status(), StatusCode::OK);
    assert!(back.read(&path).await.contains("<h1>Done</h1>"));
    assert_eq!(house.refunds(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_approval_is_told_of_and_again_after_a_restart() {
    let mut house = House::asking("[support_lead]").await;
    let hook = Hook::start().await;
    std::fs::write(house.pair.path("hook.secret"), Hook::secret()).unwrap();
    house.pair.add_config(&format!(
        "notify: [{{ url: \"{}\", kind: json, secret_file: hook.secret, roles: [support_lead], \
         plain_http: true, private_networks: [\"127.0.0.0/8\"] }}]\n",
        hook.url
    ));
    house.pair.restart_executor();
    let id = house.refund(&mut house.desk()).await;
    // The first try failed; the same notice comes once more.
    let notices = hook.notices(2).await;
    assert_eq!(notices[0], notices[1]);
    assert_eq!(notices[0]["event"], "approval.requested");
    assert_eq!(notices[0]["link"], format!("{}/approve/{id}", house.origin));
    assert_eq!(notices[0]["roles"], json!(["support_lead"]));
    assert!(notices[0]["card"].as_str().unwrap().contains("#1001"), "{notices:?}");
    assert!(notices[0]["amount"].as_str().unwrap().starts_with("USD"), "{notices:?}");
    house.pair.restart_executor();
    let notices = hook.notices(3).await;
    assert_eq!(notices[2]["proposal"], id.as_str());
}
