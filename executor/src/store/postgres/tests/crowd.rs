//! Callers that have every connection, or wait for each other's rows.

use super::*;

/// As the pool of [`House`] has them.
const POOL: usize = 8;

#[tokio::test]
async fn a_look_needs_no_connection_of_callers() {
    let house = bed().await;
    let store = house.join("a").await.unwrap();
    let sealed = refused(lifecycle(&[proposed(1, "i1", "o1")]), 1).2;
    store.seal(sealed, None).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..POOL {
        taken.push(store.db.client().await.unwrap());
    }
    store.probe().await.unwrap();
    assert_eq!(store.standing().await, Ok(Standing::default()));
    assert!(store.newest().await.unwrap().is_some());
}

#[tokio::test]
async fn claims_that_wait_for_a_row_leave_connections_for_what_goes_on() {
    let house = bed().await;
    let (store, other) = (house.join("a").await.unwrap(), house.join("b").await.unwrap());
    let store = Arc::new(store);
    let (begun, state) = claim(&*store, 1, "i1", "o1").await.unwrap();
    let mut holder = other.db.client().await.unwrap();
    let held = holder.transaction().await.unwrap();
    let hold = "SET LOCAL idle_in_transaction_session_timeout = 0;
                LOCK TABLE accounts IN EXCLUSIVE MODE";
    held.batch_execute(hold).await.unwrap();
    let crowd: Vec<_> = (2..18)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                claim(&*store, n, &format!("i{n}"), &format!("o{n}")).await.map(drop)
            })
        })
        .collect();
    let waiting = "SELECT count(*) >= 4 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while house.cluster.sql(waiting) != "t" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    store.append(0, begun, &state).await.unwrap();
    let journal = store.parked(Named::Action(action(1))).await.unwrap();
    assert_eq!(journal.len(), 3);
    held.rollback().await.unwrap();
    for claimed in crowd {
        claimed.await.unwrap().unwrap();
    }
}
