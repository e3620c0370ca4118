//! A caller cannot make the log grow without bound: beyond a quota its refusals are
//! counted, and the count is a receipt (RECEIPT BEFORE REPLY).

use std::process::Command;
use std::time::{Duration, Instant};

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_shared::receipt::opened;

use super::support::pair::Pair;
use super::support::plans::{Desk, refusal, step};

/// Refusals that are asked for, at least 600 of which have receipts of their own.
const ASKED: usize = 640;

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_refusals_are_counted_and_the_count_is_sealed() {
    let mut pair = Pair::executor_only().await;
    let asking = (0..64).map(|at| {
        let mut desk = Desk::new(&pair, pair.customer(1), &format!("c{at}"));
        async move {
            let mut receipts = 0;
            for _ in 0..ASKED / 64 {
                let refused = refusal(desk.propose(step("no.such_tool", vec![])).await);
                assert_eq!(refused.code, "TOOL_UNKNOWN");
                receipts += usize::from(refused.receipt_id.is_some());
            }
            receipts
        }
    });
    let began = Instant::now();
    let receipted: usize = futures_util::future::join_all(asking).await.into_iter().sum();
    assert!(began.elapsed() < Duration::from_secs(55), "too slow a machine for one window");
    assert_eq!(receipted, 600);
    // A signal to stop is enough: what was counted is sealed before the end.
    let pid = pair.executor_pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    pair.executor_ends();
    pair.restart_executor_after_kill();
    let request = v1::ListReceiptsRequest { page_size: 1, ..Default::default() };
    let newest = pair.audit(Role::Auditor).list_receipts(request).await.unwrap().into_inner();
    let receipt = opened(&newest.receipts[0].body, &newest.receipts[0].openings).unwrap();
    let counted = receipt.counted.expect("the newest receipt is the count");
    assert_eq!(counted.codes, [("TOOL_UNKNOWN".to_owned(), 40)].into());
    assert_eq!(receipt.outcome, "refused");
    assert!(receipt.asked.caller.ends_with("/planner") && receipt.tenant == "demo-shop");
}
