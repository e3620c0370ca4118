//! Search and analytics over a store that has lived: `cargo bench -p countersign-executor
//! --bench register [-- RECEIPTS] [postgres]`, a million in SQLite where nothing is said. Each
//! two receipts are of one conversation, which has three turns with a cost; one conversation in
//! ten is rated. All of it goes through the store's own writing path. Each search also reads and
//! opens the receipts that it found, as the console's page does. Prints the median and the 95th
//! percentile of each question, of all of them, and of a bare count over the same rows. Fails
//! where a question's 95th percentile is over 300 ms.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a benchmark"
)]

mod world;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use countersign_executor::analytics::{self, Asked, Width};
use countersign_executor::ports::{ReceiptQuery, Store};
use countersign_executor::register::{Amounts, Found, Mark, Part, Search, begin_of, day_of};
use countersign_shared::receipt::Receipt;
use futures_util::future::join_all;
use world::{CODES, CUSTOMERS, TOOLS, World};

/// How often each question is asked, each time another one of its kind.
const TIMES: u32 = 40;
/// What the 95th percentile of each question may be.
const MOST: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> ExitCode {
    let asked = std::env::args().skip(1).find_map(|text| text.parse().ok());
    let postgres = std::env::args().any(|text| text == "postgres");
    let world = World::fill(asked.unwrap_or(1_000_000), postgres).await;
    let store = &*world.store;
    let (mut all, mut slow) = (Vec::new(), false);
    for (name, question) in SEARCHES {
        let mut took = Vec::new();
        for n in 0..TIMES {
            let search = Search { tenant: Some("big".into()), limit: 50, ..question(n) };
            let began = Instant::now();
            let found = store.search(search).await.unwrap();
            let receipts = join_all(found.iter().map(|found| opened(store, found))).await;
            took.push(began.elapsed());
            std::hint::black_box(receipts);
        }
        slow |= tell(name, &mut took) > MOST;
        all.append(&mut took);
    }
    let year = analytics::read(store, &last(365)).await.unwrap();
    let priced: i64 = year.costs.values().map(|spent| spent.conversations).sum();
    println!("a year has {priced} conversations with a cost, and {} rated ones", year.rated.count);
    for days in [7, 30, 90, 365] {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            took.push(numbers(store, days).await);
        }
        slow |= tell(&format!("analytics of {days} days"), &mut took) > MOST;
        all.append(&mut took);
    }
    let p95 = tell("all of them", &mut all);
    let mut counts = Vec::new();
    for _ in 0..TIMES {
        counts.push(world.count().await);
    }
    let count = tell("SELECT count(*)", &mut counts);
    println!("ratio of the 95th percentiles: {:.2}", p95.as_secs_f64() / count.as_secs_f64());
    if slow { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A line's receipt, whose subject and object the page shows.
async fn opened(store: &dyn Store, found: &Found) -> Receipt {
    let id = found.entry.receipt.parse().ok();
    let query = ReceiptQuery { id, limit: 1, ..ReceiptQuery::default() };
    store.receipts(query).await.unwrap()[0].open().unwrap()
}

async fn numbers(store: &dyn Store, days: i64) -> Duration {
    let began = Instant::now();
    std::hint::black_box(analytics::read(store, &last(days)).await.unwrap());
    began.elapsed()
}

fn last(days: i64) -> Asked {
    let end = day_of(World::end()).saturating_add(1);
    Asked { tenant: Some("big".into()), days: end.saturating_sub(days)..end, width: Width::Day }
}

type Question = fn(u32) -> Search;

const SEARCHES: [(&str, Question); 15] = [
    ("the newest", |_| Search::default()),
    ("a month", |n| {
        let last = day_of(World::end()).saturating_sub(i64::from(n) * 7);
        let (from, to) = (begin_of(last.saturating_sub(30)), begin_of(last));
        Search { from: Some(from), to: Some(to), ..Search::default() }
    }),
    ("a customer", |n| marked(Mark::Customer, world::email(n * 7_919 % CUSTOMERS))),
    ("an order", |n| marked(Mark::Value, format!("#{}", 1_000 + n * 101))),
    ("a tool", |n| Search {
        tool: Some(TOOLS[n as usize % TOOLS.len()].into()),
        ..Search::default()
    }),
    ("an outcome", |_| Search { outcome: Some("unknown".into()), ..Search::default() }),
    ("a code", |n| Search {
        code: Some(CODES[n as usize % CODES.len()].into()),
        ..Search::default()
    }),
    ("a tool and an outcome", |n| Search {
        tool: Some(TOOLS[n as usize % TOOLS.len()].into()),
        outcome: Some("unknown".into()),
        ..Search::default()
    }),
    ("a conversation", |n| marked(Mark::Conversation, format!("conversation {}", n * 101))),
    ("an approver", |_| marked(Mark::Approver, "anna".into())),
    ("a reason that none has", |_| Search { reason: Some("in_doubt".into()), ..Search::default() }),
    ("an override", |_| Search { part: Some(Part::Overrode), ..Search::default() }),
    ("an amount that many have", |_| amount(1)),
    ("an amount that few have", |_| amount(900_000)),
    ("an amount that none has", |_| amount(i64::MAX)),
];

fn marked(mark: Mark, text: String) -> Search {
    Search { marks: vec![(mark, text)], ..Search::default() }
}

fn amount(least: i64) -> Search {
    let currency = "USD".parse().unwrap();
    Search { amount: Some(Amounts { currency, least, most: i64::MAX }), ..Search::default() }
}

/// Prints the median and the 95th percentile; answers with the latter.
fn tell(name: &str, took: &mut [Duration]) -> Duration {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent).div_ceil(100).saturating_sub(1)];
    println!("{name:28} p50 {:>10.1?}  p95 {:>10.1?}", at(50), at(95));
    at(95)
}
