#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use countersign_core::escalation::Handover;
use futures_util::FutureExt as _;

use super::*;
use crate::grants::tests::shop::{PACK, Shop};
use crate::lease::awake;
use crate::ports::{EscalationQuery, SystemClock};
use crate::store::conformance::key;
use crate::store::memory::{Database, Line, Memory};
use crate::testing::{catalog, desk, policy, proposed};

/// The way to the store, on which one answer can be lost.
#[derive(Default)]
struct Bad(AtomicBool);

impl Bad {
    fn loses_the_next_answer(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl Line for Bad {
    async fn there(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn back(&self) -> Result<(), StoreError> {
        if self.0.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the answer was lost".to_owned()));
        }
        Ok(())
    }
}

/// RECEIPT BEFORE REPLY: the receipt is there, so it is told, and people are rung.
#[tokio::test]
async fn a_receipt_whose_commit_stands_is_told_though_its_answer_was_lost() {
    let line = Arc::new(Bad::default());
    let database = Arc::new(Database::new(key(), Duration::from_secs(30), Timestamp::now));
    let way = Arc::clone(&line) as Arc<dyn Line>;
    let store = Memory::open(database, way, "executor", Arc::new(awake)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (books, shop) = ((catalog(&PACK), policy()), Arc::new(Shop::default()));
    let mut desk = desk(folder.path(), books, shop, Arc::new(SystemClock));
    desk.pipeline.store = store;
    let life = Life::begin(vec![proposed(1, "i", "o")]).unwrap();
    let asked = life.state().proposal().asked();
    let rung = || desk.pipeline.raised.notified().now_or_never().is_some();

    line.loses_the_next_answer();
    let id = desk.escalate(asked, &Handover::default()).await.unwrap();
    let found = desk.pipeline.store.escalations(open()).await.unwrap();
    assert_eq!(found.iter().map(|found| &found.case.receipt).collect::<Vec<_>>(), [&id]);
    assert!(rung(), "somebody has to hear of it");

    line.loses_the_next_answer();
    let refused = Refused::new(Code::FraudFlagged, "");
    let turned = desk.not_granted(&life, refused).await;
    let id = turned.receipt.unwrap();
    assert_eq!(desk.pipeline.logged(&id).await.unwrap().id, id);
}

fn open() -> EscalationQuery {
    EscalationQuery { limit: 9, ..EscalationQuery::default() }
}
