//! The copy is made while customers' refunds are carried out: it is whole, whatever was written
//! beside it, and nothing that it does not know is done a second time.

use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;

use super::*;
use crate::support::{books, change};

/// Customers' windows at once.
const WRITERS: usize = 4;
/// More orders than are refunded meanwhile.
const STOCK: u64 = 1000;
/// Refunds before the copy: it takes longer then.
const BEFORE: usize = 20;

/// Refunds one order after the other until it is to stop; answers with those that were told done.
async fn writes(pair: &Pair, writer: usize, told: &AtomicUsize, stop: &AtomicBool) -> Vec<String> {
    let mut done = vec![];
    while !stop.load(Ordering::SeqCst) {
        let number = (10_001 + writer + WRITERS * done.len()).to_string();
        let action = match refund(pair, 1, &number, &format!("w{number}")).await {
            // The disk was too busy for a while: nothing was begun.
            Err(code) if code == "EFFECTS_HALTED" => continue,
            answer => answer.unwrap(),
        };
        assert_eq!(action.outcome(), Outcome::Applied, "{action:?}");
        told.fetch_add(1, Ordering::SeqCst);
        done.push(number);
    }
    done
}

/// A copy beside which receipts were told; how many.
async fn copies(pair: &Pair, told: &AtomicUsize, stop: &AtomicBool) -> usize {
    let enough = async |many: usize| {
        while told.load(Ordering::SeqCst) < many {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    enough(BEFORE).await;
    let meanwhile = loop {
        let before = told.load(Ordering::SeqCst);
        let (copied, said) = pair.command_beside(&BACKUP).await;
        assert!(copied && said.contains("checked"), "{said}");
        let meanwhile = told.load(Ordering::SeqCst) - before;
        if meanwhile > 0 {
            break meanwhile;
        }
        fs::remove_file(pair.path("yesterday.db")).unwrap();
    };
    // And some that it cannot know.
    enough(told.load(Ordering::SeqCst) + WRITERS).await;
    stop.store(true, Ordering::SeqCst);
    meanwhile
}

#[tokio::test(flavor = "multi_thread")]
async fn restore_quarantine_of_a_copy_made_while_others_write() {
    let mut pair = Pair::executor_only().await;
    pair.sandbox.stock(STOCK);
    pair.change_policy(|name, text| change::roomy(&["shopify"], name, text), &[]);
    pair.begin_anew();
    let (told, stop) = (AtomicUsize::default(), AtomicBool::default());
    let writers = join_all((0..WRITERS).map(|writer| writes(&pair, writer, &told, &stop)));
    let (meanwhile, done) = tokio::join!(copies(&pair, &told, &stop), writers);
    let done: Vec<_> = done.into_iter().flatten().collect();
    published(&pair).await;
    pair.kill_executor();
    let effects = pair.effects();
    assert_eq!(effects.len(), done.len());

    restore(&pair, true);
    pair.restart_executor_after_kill();
    // What the copy knows is told; nothing new is done.
    let new = (10_000 + STOCK).to_string();
    assert_eq!(refund(&pair, 1, &new, "early").await.unwrap_err(), "QUARANTINED");
    let kept = books::receipts(&pair).await;
    let kept = kept.iter().filter(|receipt| !receipt.action_id.is_empty()).count();
    assert!(kept < done.len(), "the copy knows what came after it");
    pair.kill_executor();
    let (ran, said) = recover(&pair, &["--from", "state/log"]);
    assert!(ran && said.contains("Missing: 0"), "{said}");
    pair.restart_executor_after_kill();
    for number in &done {
        let again = refund(&pair, 1, number, &format!("again{number}")).await;
        assert_eq!(again.unwrap_err(), "ALREADY_DONE", "{number}");
    }
    assert_eq!(pair.effects(), effects, "a second effect");
    published(&pair).await;
    verifies(&pair, "state/log", "log.pub");
    println!(
        "{} refunds, {meanwhile} of them told while the copy was made, {kept} in it; all asked \
         again, 0 done twice",
        done.len()
    );
}
