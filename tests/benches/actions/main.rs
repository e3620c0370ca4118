//! Actions per second, end to end, and what the rules, the store and the proofs cost.
//!
//! ```text
//!            mTLS gRPC                HTTP
//! callers ──▶ executor (a process)  ──▶ ┐
//!    └──────▶ forwarder (a process) ──▶ ┴ till (in this process)
//! ```
//!
//! The forwarder makes the same four backend calls with the same HTTP client
//! settings and answers: no rules, no store. Rounds of both alternate. At the end
//! the till's effects, the log's receipts and the replies must be the same.
//!
//! `cargo bench --bench actions` (add `-- --json` for one JSON object). Loopback
//! only; measures for less than a minute and stops by itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a benchmark stops at the first thing that is wrong"
)]

mod till;

mod forwarder;
#[allow(dead_code, reason = "the system tests use the rest")]
#[path = "../../tests/system/support/people.rs"]
mod people;
mod place;
mod process;

mod callers;
mod disk;
mod proof;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use callers::{Crowd, Side};
use report::{Level, Report};

/// Callers at once.
const CALLERS: [usize; 3] = [1, 16, 64];
/// Whatever hangs: after this it ends, and takes its processes with it.
const LONGEST: Duration = Duration::from_secs(120);

/// Measures end-to-end actions per second beside a bare forwarder.
#[derive(Parser)]
struct Args {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Rounds of each side at each number of callers.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=6))]
    rounds: u32,
    /// Milliseconds of each round.
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u64).range(100..=1500))]
    round_ms: u64,
    /// Given by `cargo bench`; changes nothing.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the forwarder of the benchmark in this folder.
    #[arg(long, hide = true, value_name = "FOLDER")]
    forward_in: Option<PathBuf>,
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    match &args.forward_in {
        Some(folder) => forwarder::run(folder).await,
        None => {
            let binary = process::build();
            tokio::time::timeout(LONGEST, measure(&args, &binary)).await.expect("it hangs");
        }
    }
}

async fn measure(args: &Args, binary: &Path) {
    let till = till::Till::start().await;
    let place = place::Place::lay_out(till.address());
    let executor = process::executor(binary, place.dir());
    let forwarder = process::forwarder(place.dir());
    let mut report = Report::new(args.rounds, args.round_ms, &disk::measure(place.dir()));
    let crowds = [
        Crowd::new(Side::Executor, &executor, &place),
        Crowd::new(Side::Forwarder, &forwarder, &place),
    ];
    let length = Duration::from_millis(args.round_ms);
    for crowd in &crowds {
        crowd.round(CALLERS[2], Duration::from_millis(500)).await;
    }
    for callers in CALLERS {
        let mut level = Level::new(callers);
        for _ in 0..args.rounds {
            for crowd in &crowds {
                level.add(crowd.side(), crowd.round(callers, length).await);
            }
        }
        report.add(level);
    }
    report.disk_after(&disk::measure(place.dir()));
    let [executed, forwarded] = crowds.map(Crowd::into_replies);
    report.prove(&proof::prove(&till, &place, executor.address(), executed, &forwarded).await);
    if args.json { println!("{}", report.json()) } else { println!("{report}") }
}
