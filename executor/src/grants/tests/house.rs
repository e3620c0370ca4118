//! A desk whose refunds take two of finance, in front of a shop that can be held up.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::grant::Parked;
use countersign_core::grant::signature::Signature;
use countersign_core::plan::Source;
use countersign_core::policy::Policy;
use countersign_core::proposal::Proposal;
use countersign_shared::attest::{AUDIENCE, ApprovalClaims, ApprovalType, Decision};
use countersign_shared::receipt::Receipt;
use ed25519_dalek::pkcs8::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

use super::shop::{PACK, Shop};
use crate::desk::{Desk, Request};
use crate::ports::{Backends, Clock, Named, ReceiptQuery, SystemClock};
use crate::running::Step;
use crate::testing::{catalog, desk, plan, with_people};
use crate::turned::Turned;

/// The desk, its shop, and the people who answer.
pub(crate) struct House {
    pub(crate) desk: Desk,
    pub(crate) shop: Arc<Shop>,
    _folder: tempfile::TempDir,
}

/// The machine's time, in which nobody waits.
pub(crate) struct Impatient;

#[async_trait]
impl Clock for Impatient {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn until(&self, _: Timestamp) {
        tokio::task::yield_now().await;
    }
}

fn key(who: &str) -> SigningKey {
    SigningKey::from_bytes(&[who.as_bytes()[0]; 32])
}

/// Those of finance, and others.
pub(super) fn people(finance: &[&str], clerks: &[&str]) -> Policy {
    let person = |(who, role): (&&str, &str)| {
        format!(
            "  - {{ id: {who}, issuer: d, name: {who}, roles: [{role}], tenants: [t], \
             keys: [{{ kid: {who}, file: keys/{who}.pem }}] }}\n"
        )
    };
    let all = finance.iter().map(|who| (who, "finance"));
    let all: Vec<_> = all.chain(clerks.iter().map(|who| (who, "clerk"))).collect();
    let keys = all.iter().map(|(who, _)| {
        let pem = key(who).verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
        (format!("keys/{who}.pem"), pem)
    });
    let keys = keys.collect();
    let people = all.iter().copied().map(person).collect::<String>();
    with_people(&format!("people:\n{people}"), keys)
}

/// What somebody signs as their answer to a card.
fn jws(who: &str, asked: &Proposal, decision: Decision) -> String {
    let now = Timestamp::now().as_second();
    let claims = ApprovalClaims {
        typ: ApprovalType::Approval,
        iss: "d".into(),
        aud: AUDIENCE.into(),
        sub: who.into(),
        proposal: asked.id().to_string(),
        card: asked.card_digest(),
        decision,
        role: "finance".into(),
        reason: String::new(),
        iat: now,
        exp: now + 600,
    };
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let header = part(&json!({ "alg": "EdDSA", "kid": who }));
    let signed = format!("{header}.{}", part(&serde_json::to_value(claims).unwrap()));
    let signature = key(who).sign(signed.as_bytes()).to_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

impl House {
    pub(crate) fn of(finance: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = Arc::<Shop>::default();
        let active = (catalog(&PACK), people(finance, &[]));
        let backends: Arc<dyn Backends> = Arc::clone(&shop) as _;
        let desk = desk(folder.path(), active, backends, Arc::new(Impatient));
        Self { desk, shop, _folder: folder }
    }

    /// From now on, these people.
    pub(super) fn employ(&mut self, people: Policy) {
        self.desk.pipeline.policy = Arc::new(people);
    }

    /// The customer's wish, which waits for two of finance.
    pub(crate) async fn propose(&self) -> Proposal {
        let subject = serde_json::from_value(json!({
            "tenant": "t", "issuer": "i", "id": "s", "signs_as": "s",
            "claims": { "customer_id": "c1" },
            "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
            "verified_at": Timestamp::now(),
        }));
        let reason = ("reason".to_owned(), Source::Model("damaged".into()));
        let request =
            Request { caller: "planner".into(), subject: subject.unwrap(), messages: vec![] };
        self.desk.propose(&request, &plan("shop.refund", [reason].into())).await.unwrap()
    }

    pub(crate) async fn answer(
        &self,
        who: &str,
        asked: &Proposal,
        decision: Decision,
    ) -> Result<Step, Turned> {
        self.answering(who, asked, decision).await.unwrap()
    }

    /// Answers in a task of its own.
    pub(crate) fn answering(
        &self,
        who: &str,
        asked: &Proposal,
        decision: Decision,
    ) -> JoinHandle<Result<Step, Turned>> {
        let (desk, id) = (self.desk.clone(), asked.id().clone());
        let signature = Signature::Jws(jws(who, asked, decision));
        tokio::spawn(async move { desk.answer(&id, signature).await })
    }

    /// A request that waits for people, or for its turn.
    pub(super) async fn waiting(&self, action: &str) -> Parked {
        let named = Named::Action(action.parse().unwrap());
        self.desk.parked(named).await.unwrap().state().parked().unwrap().clone()
    }

    /// Until nobody is at this action.
    pub(super) async fn settled(&self, asked: &Proposal) {
        // On this one thread, what was spawned before has its turn first.
        tokio::task::yield_now().await;
        while self.desk.running.follow(asked.action()).is_some() {
            tokio::task::yield_now().await;
        }
    }

    /// Outcome and answers of every receipt, newest first.
    pub(super) async fn receipts(&self) -> Vec<(String, String)> {
        let all = ReceiptQuery { limit: 9, ..ReceiptQuery::default() };
        let all = self.desk.pipeline.store.receipts(all).await.unwrap();
        let read = all.iter().map(|r| r.open().unwrap());
        let short = |receipt: Receipt| {
            let by: Vec<_> = receipt.grants.into_iter().map(|grant| grant.by).collect();
            (receipt.outcome, by.join(" "))
        };
        read.filter(|receipt| !receipt.action_id.is_empty()).map(short).collect()
    }
}
