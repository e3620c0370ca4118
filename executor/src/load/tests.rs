#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use countersign_core::answer::{ReadFailure, Sent};
use countersign_core::contract::{Catalog, Contract};
use countersign_core::dispatch::Account;
use countersign_core::request::WireRequest;
use countersign_core::subject::Subject;
use serde_json::{Value as Json, json};

use super::*;
use crate::desk::{Desk, Request};
use crate::ports::{Backends, SystemClock};

const CONNECTOR: &str = "
pack: shop
summary: A shop.
kind: http
credential: none
subject: [customer_id]
";

const READ: &str = "
tool: shop.list
summary: What the customer has.
effect: none
subject: owner == subject.customer_id
do: { http: { method: GET, path: [list], query: { of: =subject.customer_id } } }
output:
  owner: { fact: id, at: /owner }
";

/// One tenant's backend never answers, the other's does at once.
#[derive(Default)]
struct Shops(AtomicUsize);

#[async_trait]
impl Backends for Shops {
    fn account(&self, _: &str, _: &str) -> Option<Account> {
        Some(Account { account: "a".to_owned(), credential: String::new() })
    }

    async fn send(&self, _: &Subject, _: &Contract, _: &WireRequest) -> Sent {
        panic!("nothing is written")
    }

    async fn read(
        &self,
        subject: &Subject,
        _: &Contract,
        _: &WireRequest,
    ) -> Result<Json, ReadFailure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        if subject.tenant == "slow" {
            std::future::pending::<()>().await;
        }
        Ok(json!({ "owner": "c1" }))
    }
}

fn request(tenant: &str) -> Request {
    let subject = json!({
        "tenant": tenant, "issuer": "i", "id": "s", "signs_as": "s", "claims": { "customer_id": "c1" },
        "kind": "customer", "scopes": [], "segment": "", "strength": "signed_in",
        "verified_at": "2026-01-01T12:00:00Z",
    });
    let subject = serde_json::from_value(subject).unwrap();
    Request { caller: "planner".into(), subject, messages: vec![] }
}

fn catalog() -> Catalog {
    crate::testing::catalog(&[("connector.yaml", CONNECTOR), ("contracts/list.yaml", READ)])
}

async fn list(desk: &Desk, tenant: &str) -> Result<usize, Refused> {
    let plan = crate::testing::plan("shop.list", BTreeMap::new());
    let done = desk.execute_plan(&request(tenant), &plan).await;
    done.map(|done| done.observations.len()).map_err(|turned| {
        assert!(turned.receipt.is_none(), "what was not begun has no receipt");
        turned.refused
    })
}

#[tokio::test]
async fn a_backend_that_hangs_is_refused_beyond_its_share_and_starves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let shops = Arc::new(Shops::default());
    let backends: Arc<dyn Backends> = Arc::clone(&shops) as _;
    let active = (catalog(), crate::testing::policy());
    let desk = crate::testing::desk(folder.path(), active, backends, Arc::new(SystemClock));
    let hanging: Vec<_> = (0..EACH)
        .map(|_| {
            let desk = desk.clone();
            tokio::spawn(async move { list(&desk, "slow").await })
        })
        .collect();
    while shops.0.load(Ordering::SeqCst) < EACH as usize {
        let ended = hanging.iter().filter(|task| task.is_finished()).count();
        assert_eq!(ended, 0, "a read that hangs has ended");
        tokio::task::yield_now().await;
    }
    let refused = list(&desk, "slow").await.unwrap_err();
    assert!(refused.is(Code::Overloaded), "{refused}");
    assert_eq!(shops.0.load(Ordering::SeqCst), EACH as usize, "the backend did not hear of it");
    assert_eq!(list(&desk, "quick").await.unwrap(), 1);
    // Whoever does not wait any more leaves room.
    let mut hanging = hanging.into_iter();
    let gone = hanging.next().unwrap();
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    desk.load.begin("slow", "shop.list").unwrap();
    hanging.for_each(|task| task.abort());
}

#[test]
fn the_whole_is_bounded_too_and_what_is_over_counts_no_more() {
    let load = Load::default();
    let tenants = MOST / EACH;
    let works: Vec<_> = (0..tenants)
        .flat_map(|tenant| (0..EACH).map(move |_| tenant.to_string()))
        .map(|tenant| load.begin(&tenant, "shop.list").unwrap())
        .collect();
    assert!(load.begin("another", "shop.list").is_err());
    drop(works);
    assert_eq!(load.0.lock().all, 0);
    assert!(load.0.lock().each.is_empty());
    load.begin("another", "shop.list").unwrap();
}
