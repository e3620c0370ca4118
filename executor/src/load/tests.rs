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
async fn a_backend_that_hangs_is_refused_beyond_half_the_room_and_starves_nobody() {
    const HALF: u32 = MOST / 2;
    let folder = tempfile::tempdir().unwrap();
    let shops = Arc::new(Shops::default());
    let backends: Arc<dyn Backends> = Arc::clone(&shops) as _;
    let active = (catalog(), crate::testing::policy());
    let desk = crate::testing::desk(folder.path(), active, backends, Arc::new(SystemClock));
    let hanging: Vec<_> = (0..HALF)
        .map(|_| {
            let desk = desk.clone();
            tokio::spawn(async move { list(&desk, "slow").await })
        })
        .collect();
    while shops.0.load(Ordering::SeqCst) < HALF as usize {
        let ended = hanging.iter().filter(|task| task.is_finished()).count();
        assert_eq!(ended, 0, "a read that hangs has ended");
        tokio::task::yield_now().await;
    }
    let refused = list(&desk, "slow").await.unwrap_err();
    assert!(refused.is(Code::Overloaded), "{refused}");
    assert_eq!(shops.0.load(Ordering::SeqCst), HALF as usize, "the backend did not hear of it");
    assert_eq!(list(&desk, "quick").await.unwrap(), 1);
    // Whoever does not wait any more leaves room.
    let mut hanging = hanging.into_iter();
    let gone = hanging.next().unwrap();
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    desk.load.begin("slow", "shop.list").unwrap();
    hanging.for_each(|task| task.abort());
}

/// Backends that all ask for as much as they get, in turn, until none gets any more.
fn crowd(load: &Load, slow: u32) -> Vec<Work> {
    let mut works = Vec::new();
    loop {
        let tenants = 0..slow;
        let begun = tenants.filter_map(|n| load.begin(&n.to_string(), "shop.list").ok());
        let before = works.len();
        works.extend(begun);
        if works.len() == before {
            return works;
        }
    }
}

#[test]
fn slow_backends_leave_as_much_free_as_each_of_them_holds() {
    for slow in [1, 3, 15] {
        let load = Load::default();
        let _works = crowd(&load, slow);
        let share = MOST / (slow + 1);
        let busy = load.0.lock();
        assert!(busy.each.values().all(|here| *here == share), "{slow}: {:?}", busy.each);
        assert_eq!(MOST - busy.all, share, "{slow}");
        drop(busy);
        load.begin("quick", "shop.list").unwrap();
        let refused = load.begin("0", "shop.list").unwrap_err();
        assert!(refused.message.starts_with(&share.to_string()), "{refused}");
    }
}

#[test]
fn who_filled_the_room_first_gives_way_as_its_work_ends() {
    let load = Load::default();
    let first = crowd(&load, 1);
    let mut works = crowd(&load, 2);
    for work in first {
        drop(work);
        works.extend(crowd(&load, 2));
    }
    let busy = load.0.lock();
    let free = MOST - busy.all;
    for held in busy.each.values().chain([&free]) {
        assert!(held.abs_diff(MOST / 3) <= 2, "{held} of {MOST}");
    }
}

#[test]
fn the_whole_is_bounded_too_and_what_is_over_counts_no_more() {
    let load = Load::default();
    let begin = |tenant: u32| load.begin(&tenant.to_string(), "shop.list");
    let works: Vec<_> = (0..MOST).map(|tenant| begin(tenant).unwrap()).collect();
    assert!(begin(MOST).is_err());
    drop(works);
    assert_eq!(load.0.lock().all, 0);
    assert!(load.0.lock().each.is_empty());
    begin(MOST).unwrap();
}
