//! Rounds of all sides, one after the other and again, so that whatever else the machine does
//! falls on all of them.

use std::io::{self, Write};
use std::time::Duration;

use super::callers::{Crowd, Round, Work};
use super::disk::Disk;
use super::report::{Executed, Figures, Forwarded, Level, Store, ratio};
use super::stage::Executor;

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) length: Duration,
}

/// One side's rounds of each kind of work.
#[derive(Default)]
struct Rounds {
    action: Vec<Round>,
    other: Vec<Round>,
}

/// All sides at this number of callers.
pub(super) async fn level(
    plan: Plan,
    callers: u16,
    forwarder: &Crowd,
    executors: &[Executor],
    disk: &Disk,
) -> anyhow::Result<Level> {
    let (at_once, length) = (usize::from(callers), plan.length);
    let mut bare = Rounds::default();
    let mut ours: Vec<Rounds> = executors.iter().map(|_| Rounds::default()).collect();
    for number in 1..=plan.rounds {
        writeln!(io::stderr(), "{callers} at once, round {number} of {}", plan.rounds)?;
        bare.action.push(forwarder.round(Work::Action, at_once, length, disk).await?);
        for (Executor { crowd, .. }, rounds) in executors.iter().zip(&mut ours) {
            rounds.action.push(crowd.round(Work::Action, at_once, length, disk).await?);
            rounds.other.push(crowd.round(Work::Repeat, at_once, length, disk).await?);
        }
        bare.other.push(forwarder.round(Work::WriteOnly, at_once, length, disk).await?);
    }
    let append_and_fdatasync = disk.latency()?;
    let empty = executors.iter().zip(&ours).find(|(e, _)| e.store.receipts_before == 0);
    let empty = empty.map(|(_, rounds)| rounds);
    let executed = executors.iter().zip(&ours).map(|(executor, rounds)| {
        let mut executed = executed(&executor.store, rounds, &bare)?;
        if executor.store.receipts_before > 0 {
            executed.action_to_empty = empty.map(|empty| ratio(&rounds.action, &empty.action));
        }
        if callers == 1 {
            let p50 = |rounds: &[Round]| anyhow::Ok(Figures::of(rounds)?.latency.p50_us);
            let known = p50(&bare.action)? + 2 * append_and_fdatasync.p50_us;
            executed.beyond_two_syncs_us =
                i64::try_from(p50(&rounds.action)?)?.checked_sub_unsigned(known);
        }
        anyhow::Ok(executed)
    });
    Ok(Level {
        callers,
        executors: executed.collect::<anyhow::Result<_>>()?,
        forwarder: Forwarded {
            action: Figures::of(&bare.action)?,
            write_only: Figures::of(&bare.other)?,
        },
        append_and_fdatasync,
    })
}

/// An executor beside the forwarder.
fn executed(store: &Store, rounds: &Rounds, bare: &Rounds) -> anyhow::Result<Executed> {
    Ok(Executed {
        store: store.clone(),
        action: Figures::of(&rounds.action)?,
        repeat: Figures::of(&rounds.other)?,
        action_to_forwarder: ratio(&rounds.action, &bare.action),
        action_to_write_only: ratio(&rounds.action, &bare.other),
        repeat_to_forwarder: ratio(&rounds.other, &bare.action),
        action_to_empty: None,
        beyond_two_syncs_us: None,
    })
}
