//! The store's file in somebody else's hands.

use countersign_shared::ids::ReceiptId;
use rusqlite::{Connection, params};
use serde_json::json;

use super::super::support::pair::Pair;
use super::super::support::plans::{Desk, step};
use super::Answer;
use super::earn::refused;

fn open(pair: &Pair) -> Connection {
    Connection::open(pair.path("state/executor.db")).unwrap()
}

/// Another program writes, and does not come to an end.
pub async fn store_unavailable(pair: &Pair) -> Answer {
    let other = open(pair);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut desk = Desk::new(pair, pair.customer(1), "c1");
    let answer = refused(desk.read(step("shopify.list_orders", vec![])).await);
    other.execute_batch("ROLLBACK").unwrap();
    answer
}

/// A journal that says what cannot have happened.
pub async fn internal(pair: &Pair) -> Answer {
    let mut desk = Desk::new(pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let sealed = json!({ "sealed": ReceiptId::from_uuid(uuid::Uuid::now_v7()) }).to_string();
    let edit = "UPDATE journal SET event = ?1 WHERE action_id =
        (SELECT action_id FROM actions WHERE proposal_id = ?2)";
    let edited = open(pair).execute(edit, params![sealed, proposal.proposal_id]).unwrap();
    assert_eq!(edited, 1);
    let yes = desk.yes(&proposal);
    refused(desk.execute(&proposal, &yes).await)
}
