//! What happens to executors and their connections while they work.

use std::time::Duration;

use super::replica::{LEASE, Replica};
use super::{EXECUTORS, House};

/// Longer than its lease and the rest after it: another takes over. It wakes in the middle of what
/// it did, writes nothing more, and ends.
pub async fn stopped_for_long(house: &mut House) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    house.replicas[0].signal("STOP");
    tokio::time::sleep(LEASE * 2).await;
    let name = house.replicas[0].name();
    let rows =
        || house.cluster.sql(&format!("SELECT count(*) FROM executors WHERE name = '{name}'"));
    for _ in 0..100 {
        if rows() == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(rows(), "0", "nobody took over");
    let said = house.replicas[0].wakes_and_ends();
    assert!(said.contains("another executor took over"), "{said}");
    house.replicas[0].start_again();
}

/// The server ends connections, whatever they are at.
pub async fn connections_ended(house: &House) {
    for _ in 0..10 {
        house.cluster.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name LIKE 'countersign%' AND random() < 0.5",
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Whoever is seen with the tree's row locked stops there, for longer than the server lets it:
/// others seal meanwhile, and it goes on without the seat.
pub async fn stopped_in_the_seat(house: &mut House) {
    for _ in 0..2 {
        let holder = in_the_seat(house).await;
        house.replicas[holder].signal("STOP");
        let sealed = || house.cluster.sql("SELECT size FROM tree").parse::<u64>().unwrap();
        let before = sealed();
        for _ in 0..50 {
            if sealed() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(sealed() > before, "nobody else got the seat:\n{}", at_work(house));
        house.replicas[holder].signal("CONT");
    }
}

/// Whoever is seen with the tree's row locked is killed on the spot. Its transaction may have
/// committed by then: either way there is one log.
pub async fn killed_in_the_seat(house: &mut House) {
    for _ in 0..3 {
        let holder = in_the_seat(house).await;
        house.replicas[holder].kill();
        house.replicas[holder].start_again();
    }
}

/// One after the other dies by itself before and after each step around the seat.
pub async fn killed_at_each_step(house: &mut House) {
    let steps = ["claim:after", "intent:after", "send:after", "seal:before", "seal:after"];
    let published = ["publish:before", "publish:after"];
    for (turn, step) in steps.into_iter().chain(published).enumerate() {
        let replica = &mut house.replicas[turn % EXECUTORS];
        replica.kill();
        replica.dies_at(&format!("{step}:2"));
        replica.start_again();
    }
}

/// The number of the one that is seen with the tree's row locked, while another waits for it:
/// where all callers are at one executor, as after it was stopped, nobody else has anything to
/// seal.
async fn in_the_seat(house: &House) -> usize {
    let holder = "
        SELECT holds.application_name FROM pg_locks JOIN pg_stat_activity AS holds USING (pid)
        WHERE relation = 'tree'::regclass AND pg_locks.mode IN ('RowShareLock', 'RowExclusiveLock')
        AND granted AND holds.application_name LIKE 'countersign%'
        AND holds.wait_event_type IS DISTINCT FROM 'Lock' AND EXISTS (
            SELECT 1 FROM pg_stat_activity AS waits
            WHERE waits.application_name LIKE 'countersign%'
            AND waits.application_name <> holds.application_name
            AND waits.wait_event_type = 'Lock' AND waits.query LIKE '%FROM tree %FOR UPDATE'
        ) LIMIT 1";
    for _ in 0..3000 {
        let seen = house.cluster.sql(holder);
        let holds = |one: &Replica| !seen.is_empty() && seen.ends_with(&one.name());
        if let Some(number) = house.replicas.iter().position(holds) {
            return number;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nobody was seen in the seat");
}

/// What each connection of an executor does, and what it waits for.
fn at_work(house: &House) -> String {
    house.cluster.sql(
        "SELECT application_name, state, wait_event_type, wait_event, now() - state_change, query
         FROM pg_stat_activity WHERE application_name LIKE 'countersign%' ORDER BY 1, 5",
    )
}
