//! The store's file in somebody else's hands.

use countersign_proto::v1;
use rusqlite::Connection;

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
    let request = v1::WithdrawRequest {
        subject_token: desk.who.token.clone(),
        proposal_id: proposal.proposal_id.clone(),
    };
    desk.client.withdraw(request).await.unwrap();
    // That it was refused is gone, and that the refusal has a receipt is there.
    let edit = "DELETE FROM journal WHERE seq = 1 AND action_id =
        (SELECT action_id FROM actions WHERE proposal_id = ?1)";
    assert_eq!(open(pair).execute(edit, [&proposal.proposal_id]).unwrap(), 1);
    let yes = desk.yes(&proposal);
    refused(desk.execute(&proposal, &yes).await)
}
