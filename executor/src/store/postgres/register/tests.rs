#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use countersign_core::person::Person;
use countersign_core::seal;
use countersign_shared::receipt::Change;

use super::super::tests::{House, bed};
use super::*;
use crate::ports::Store as _;
use crate::register::{Mark, day_of};
use crate::store::conformance::{lifecycle, refused};
use crate::testing::{id, proposed};

/// A store with one receipt of `s`, and that store.
async fn house() -> (House, Postgres) {
    let house = bed().await;
    let store = house.join("a").await.unwrap();
    let (_, _, leaf) = refused(lifecycle(&[proposed(1, "i", "o")]), 1);
    store.seal(leaf, None).await.unwrap();
    assert_eq!(rows_of(&store).await, (1, 1));
    tokio::time::sleep(Duration::from_millis(2)).await;
    (house, store)
}

/// Rows that their name finds, and actions that are counted.
async fn rows_of(store: &Postgres) -> (usize, i64) {
    let marks = vec![(Mark::Customer, "s".to_owned())];
    let found = store.search(Search { marks, limit: 9, ..Search::default() }).await.unwrap();
    let today = day_of(Timestamp::now());
    let days = store.days(None, today - 1..today + 2).await.unwrap();
    (found.len(), days.iter().map(|day| day.actions).sum())
}

/// As an executor that knows of no rows leaves it.
fn without_rows(house: &House) {
    house.cluster.sql("TRUNCATE register, marks, days");
}

async fn erase(store: &Postgres) {
    let subject = lifecycle(&[proposed(1, "i", "o")]).proposal().asked().subject.clone();
    let text = |text: &str| text.to_owned();
    let change = Change {
        what: text("person"),
        old: text("kept"),
        new: text("erased"),
        reason: text("r"),
        by: vec![],
        note: String::new(),
    };
    let says = seal::changed(change, &id("rcp", 9).parse().unwrap(), Timestamp::now());
    let person = crate::ports::Persons::person(store, &Person::of(&subject));
    store.erase(vec![(person, says)], Timestamp::now()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_while_rows_are_filled_in_is_only_counted() {
    let (house, store) = house().await;
    without_rows(&house);
    let rows = missing(&store.db, &store.veil, 0).await.unwrap();
    erase(&store).await;
    enter(&store.db, rows).await.unwrap();
    assert_eq!(rows_of(&store).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_executor_leaves_is_put_right() {
    let (house, store) = house().await;
    let kept = "CREATE TABLE kept AS SELECT * FROM register WHERE idx = 0;
                CREATE TABLE kept_marks AS SELECT * FROM marks";
    house.cluster.sql(kept);
    erase(&store).await;
    assert_eq!(rows_of(&store).await, (0, 1));
    // It erases and knows of no rows, and it adds leaves.
    house.cluster.sql(
        "DELETE FROM register WHERE idx = 0; INSERT INTO register SELECT * FROM kept;
         INSERT INTO marks SELECT * FROM kept_marks",
    );
    assert_eq!(rows_of(&store).await, (1, 1));
    let (_, _, leaf) = refused(lifecycle(&[proposed(2, "i2", "o2")]), 2);
    store.seal(leaf, None).await.unwrap();
    house.cluster.sql("DELETE FROM marks WHERE idx = 2; DELETE FROM register WHERE idx = 2");
    assert_eq!(fill(&store.db, &store.veil, 2).await.unwrap(), 3);
    let left = "SELECT count(*), count(*) FILTER (WHERE person = '') FROM register";
    assert_eq!(house.cluster.sql(left), "3\t2", "the erased one's and the change's are nobody's");
    assert_eq!(rows_of(&store).await.0, 1, "who came back after it is found");
}
