#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use async_trait::async_trait;
use countersign_core::answer::{self, Barrier, ReadFailure, Sent};
use countersign_core::dispatch::Account;
use countersign_core::plan::Source;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use countersign_shared::receipt::Receipt;
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::{Value as Json, json};

use super::*;
use crate::desk::Request;
use crate::grants::tests::shop::{PACK, Shop};
use crate::ports::Backends;
use crate::testing::{catalog, desk, plan, policy};

/// Time that passes only where somebody waits.
struct Still(Mutex<Timestamp>);

impl Still {
    fn pass(&self, time: SignedDuration) {
        *self.0.lock() += time;
    }
}

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    async fn until(&self, at: Timestamp) {
        let now = self.now();
        *self.0.lock() = now.max(at);
        tokio::task::yield_now().await;
    }
}

/// The shop, how long it takes between the gates and the first byte, and how many reads get
/// no turn once it was asked.
struct Slow {
    shop: Shop,
    clock: Arc<Still>,
    commit: Mutex<SignedDuration>,
    busy: Mutex<usize>,
}

impl Slow {
    fn is_busy(&self) -> bool {
        let mut busy = self.busy.lock();
        let left = *busy;
        *busy = left.saturating_sub(1);
        left > 0
    }
}

#[async_trait]
impl Backends for Slow {
    fn account(&self, tenant: &str, pack: &str) -> Option<Account> {
        self.clock.pass(std::mem::take(&mut *self.commit.lock()));
        self.shop.account(tenant, pack)
    }

    async fn send(&self, subject: &Subject, contract: &Contract, request: &WireRequest) -> Sent {
        self.shop.send(subject, contract, request).await
    }

    async fn read(
        &self,
        subject: &Subject,
        contract: &Contract,
        request: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        if self.shop.refunds() > 0 && self.is_busy() {
            let why = "every place is taken".to_owned();
            return answer::read(contract, &Sent::NotSent { barrier: Barrier::Busy, why });
        }
        self.shop.read(subject, contract, request).await
    }
}

/// A refund that needs nobody, while the store takes so long and so many reads get no turn;
/// answers with its receipt and with how often money went out.
async fn refund(commit: SignedDuration, busy: usize) -> (Receipt, usize) {
    let clock = Arc::new(Still(Mutex::new(Timestamp::now())));
    let now = clock.now();
    let slow = Arc::new(Slow {
        shop: Shop::default(),
        clock: Arc::clone(&clock),
        commit: commit.into(),
        busy: busy.into(),
    });
    let pack = PACK.map(|(name, text)| (name, without_approval(text)));
    let pack: Vec<_> = pack.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = tempfile::tempdir().unwrap();
    let backends = Arc::clone(&slow) as Arc<dyn Backends>;
    let desk = desk(folder.path(), (catalog(&pack), policy()), backends, clock);
    let subject = json!({
        "tenant": "t", "issuer": "i", "id": "s", "signs_as": "s",
        "claims": { "customer_id": "c1" }, "kind": "customer", "scopes": [], "segment": "",
        "strength": "signed_in", "verified_at": now,
    });
    let subject = serde_json::from_value(subject).unwrap();
    let request = Request { caller: "planner".into(), subject, messages: vec![] };
    let reason = ("reason".to_owned(), Source::Model("damaged".into()));
    let _told = desk.execute_plan(&request, &plan("shop.refund", [reason].into())).await;
    let newest = ReceiptQuery { limit: 1, ..ReceiptQuery::default() };
    let receipts = desk.pipeline.store.receipts(newest).await.unwrap();
    (receipts[0].open().unwrap(), slow.shop.refunds())
}

fn without_approval(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with("approve:"));
    kept.collect::<Vec<_>>().join("\n")
}

/// FRESH STATE: it would be refused as a resend, and is no better as the first sending.
#[tokio::test]
async fn what_its_commit_held_up_for_longer_than_the_gates_hold_does_not_leave() {
    let (receipt, refunds) = refund(SignedDuration::from_mins(9), 0).await;
    assert_eq!((receipt.outcome.as_str(), refunds), ("applied", 1));
    let (receipt, refunds) = refund(SignedDuration::from_mins(40), 0).await;
    assert_eq!((receipt.outcome.as_str(), refunds), ("not_applied", 0));
    // No backend is blamed.
    assert_eq!(receipt.code, "EFFECTS_HALTED");
    assert_eq!(receipt.message, "it cannot be sent safely any more");
}

/// FOUR OUTCOMES: that we are busy says nothing of the effect, for longer than a read back may
/// fail (`within: 1m`).
#[tokio::test]
async fn a_look_waits_for_a_turn_and_counts_only_once_it_was_made() {
    let (receipt, refunds) = refund(SignedDuration::ZERO, 120).await;
    assert_eq!((receipt.outcome.as_str(), refunds), ("applied", 1), "{}", receipt.message);
    let (receipt, _) = refund(SignedDuration::ZERO, 1_000).await;
    assert_eq!((receipt.outcome.as_str(), receipt.code.as_str()), ("unknown", "VERIFY_TIMEOUT"));
}
