//! Certificates of all sides are replaced again and again under load, and no call fails.
//!
//! ```text
//! pki issue ──every 2 s──▶ files ──read each second──▶ executor, planner, callers
//!                                      callers that dial anew, callers that stay ─▶ 0 failed
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::pki::{Role, issue};
use countersign_proto::v1;
use countersign_proto::v1::audit_client::AuditClient;
use countersign_proto::v1::converse_response::Event;
use countersign_shared::mtls::{Material, SpiffeId, channel};
use tokio::task::JoinSet;

use super::support::pair::{DOMAIN, Pair, material};

/// Where nothing else is said, in seconds.
const LONG: u64 = 20;
/// Between two rotations.
const EVERY: Duration = Duration::from_secs(2);
/// Between two calls of one caller.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Count {
    over: AtomicBool,
    dialled: AtomicU64,
    stayed: AtomicU64,
    turns: AtomicU64,
}

impl Count {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation() {
    let long = std::env::var("COUNTERSIGN_ROTATION_SECONDS");
    let long = Duration::from_secs(long.map_or(LONG, |text| text.parse().unwrap()));
    let pair = Arc::new(Pair::start().await);
    let count = Arc::new(Count::default());
    let mut load = JoinSet::new();
    let auditor = material(&pair.path("pki"), Role::Auditor);
    for _ in 0..2 {
        load.spawn(dials(Arc::clone(&pair), Arc::clone(&auditor), Arc::clone(&count)));
        load.spawn(stays(Arc::clone(&pair), Arc::clone(&count)));
    }
    load.spawn(talks(Arc::clone(&pair), Arc::clone(&count)));
    let (until, mut rotations) = (Instant::now() + long, 0);
    let mut in_use = [BTreeSet::new(), BTreeSet::new()];
    while Instant::now() < until {
        for role in [Role::Executor, Role::Planner, Role::Frontend, Role::Auditor] {
            issue(&pair.path("pki"), role, &pair.path("pki")).unwrap();
        }
        rotations += 1;
        tokio::time::sleep(EVERY).await;
        let (executor, planner) = pair.metrics();
        for (ends, told) in in_use.iter_mut().zip([executor, planner]) {
            ends.insert(end(&told));
        }
    }
    count.over.store(true, Ordering::SeqCst);
    while let Some(caller) = load.join_next().await {
        caller.unwrap();
    }
    let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
    let (dialled, stayed, turns) = (of(&count.dialled), of(&count.stayed), of(&count.turns));
    println!(
        "{rotations} rotations of 4 certificates: {dialled} calls that dialled, {stayed} that \
         stayed, {turns} turns of a planner; 0 failed"
    );
    assert!(rotations >= 2 && dialled > 100 && stayed > 100 && turns > 5);
    // Each is of another second, so the certificates that are used are those that were written.
    let used = in_use.map(|ends| ends.len());
    println!("certificates that executor and planner used: {used:?}");
    assert!(used.iter().all(|used| used * 3 >= rotations), "{used:?} of {rotations}");
}

/// When the certificate in use ends, as the service tells.
fn end(metrics: &str) -> String {
    let series = "countersign_tls_end_timestamp_seconds{of=\"certificate\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(series)).unwrap().to_owned()
}

/// Proves itself anew for each call.
async fn dials(pair: Arc<Pair>, auditor: Arc<Material>, count: Arc<Count>) {
    let executor: SpiffeId = format!("spiffe://{DOMAIN}/executor").parse().unwrap();
    while count.goes_on() {
        let dialled = channel(pair.executor_address(), Arc::clone(&auditor), executor.clone());
        ask(AuditClient::new(dialled.unwrap())).await;
        count.dialled.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps its connection.
async fn stays(pair: Arc<Pair>, count: Arc<Count>) {
    let client = pair.audit(Role::Auditor);
    while count.goes_on() {
        ask(client.clone()).await;
        count.stayed.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }
}

async fn ask(mut client: AuditClient<countersign_shared::mtls::Channel>) {
    let query = v1::ListReceiptsRequest { page_size: 1, ..Default::default() };
    client.list_receipts(query).await.unwrap();
}

/// A customer who asks the planner, which asks the executor.
async fn talks(pair: Arc<Pair>, count: Arc<Count>) {
    let mut planner = pair.planner();
    let who = pair.customer(1);
    while count.goes_on() {
        let conversation = format!("c{}", count.turns.load(Ordering::SeqCst));
        let text = "where is order #1001?";
        let request = v1::ConverseRequest {
            subject_token: who.token.clone(),
            message: Some(pair.frontend.message(&who, &conversation, "m1", text)),
            conversation_id: conversation,
            ..Default::default()
        };
        let mut events = planner.converse(request).await.unwrap().into_inner();
        let mut turn = None;
        while let Some(event) = events.message().await.unwrap() {
            if let Some(Event::Turn(told)) = event.event {
                turn = Some(told);
            }
        }
        let turn = turn.unwrap();
        assert!(turn.reply.contains("1001"), "{turn:?}");
        count.turns.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(PAUSE).await;
    }
}
