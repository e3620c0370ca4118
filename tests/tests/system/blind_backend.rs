//! A backend without keys, markers or a way to look, which does what it is asked and often
//! says nothing of it: one send each, and a person for each that nobody can tell of.

mod press;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use countersign::pki::Role;
use countersign_proto::v1::escalations_client::EscalationsClient;
use countersign_proto::v1::{self, Action, ActionState, Escalation, Outcome};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::json;

use super::action_flow::receipt;
use super::support::change;
use super::support::pair::Pair;
use super::support::plans::{Desk, model, refusal, step};
use press::{Manner, Press};

/// Where nothing else is said.
const RUNS: u64 = 240;
/// At once.
const CALLERS: usize = 24;
/// Runs of one store: what is in doubt stays in the list, which shows 500 at most.
const WAVE: u64 = 900;
/// Tries of one run; each but the last was not sent.
const TRIES: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn blind_backend() {
    let runs = std::env::var("COUNTERSIGN_BLIND_RUNS").map_or(RUNS, |text| text.parse().unwrap());
    let press = Press::start().await;
    let mut pair = Pair::executor_only().await;
    pair.kill_executor();
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/blind_backend/pack");
    change::add_pack(pair.dir.path(), "post", &pack, "press", &press.url);
    pair.change_policy(|name, text| change::roomy(&["shopify", "post"], name, text), &[]);
    let mut told: BTreeMap<Manner, u64> = BTreeMap::new();
    let (mut unsent, mut first) = (0, 1);
    while first <= runs {
        let orders: Vec<u64> = (first..=runs.min(first + WAVE - 1)).collect();
        first += WAVE;
        pair.begin_anew();
        let (actions, turned_away) = wave(&pair, &orders).await;
        unsent += turned_away;
        check(&mut pair, &press, &actions).await;
        orders.iter().for_each(|order| *told.entry(Manner::of(*order)).or_default() += 1);
    }
    let printed = press.by_key();
    assert_eq!(printed.len() as u64, runs, "a key for each");
    println!(
        "{runs} runs: {told:?}; {unsent} tries ended before a byte was sent; most letters of \
         one order: {:?}, of one key: {:?}",
        press.by_order().values().max(),
        printed.values().max()
    );
}

/// Asks for every letter; answers with how each ended, and how many tries were not sent.
async fn wave(pair: &Pair, orders: &[u64]) -> (BTreeMap<u64, Action>, u32) {
    let client = pair.executor();
    let asked = iter(orders.iter().copied()).map(|order| {
        let (client, conversation) = (client.clone(), format!("c{order}"));
        let who = pair.customer(1);
        async move {
            let mut desk =
                Desk { pair, who, conversation, client, words: vec![], confirm_by_link: false };
            (order, send(&mut desk, order).await)
        }
    });
    let ended: Vec<_> = asked.buffer_unordered(CALLERS).collect().await;
    let unsent = ended.iter().map(|(_, (_, unsent))| unsent).sum();
    (ended.into_iter().map(|(order, (action, _))| (order, action)).collect(), unsent)
}

/// One letter; what the executor proves to be unsent is asked for again.
async fn send(desk: &mut Desk<'_>, order: u64) -> (Action, u32) {
    for unsent in 0..TRIES {
        let plan = desk.plan(vec![wish(order)]);
        let mut action = desk.execute_plan(plan).await.unwrap().action.unwrap();
        // The house is left alone now and then: what was not sent yet waits.
        let patience = Instant::now() + Duration::from_secs(660);
        while action.state() != ActionState::Sealed {
            assert!(Instant::now() < patience, "an outage is tried for ten minutes: {action:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            let request = v1::GetActionRequest {
                subject_token: desk.who.token.clone(),
                action_id: action.action_id.clone(),
            };
            action = desk.client.get_action(request).await.unwrap().into_inner().action.unwrap();
        }
        if action.outcome() != Outcome::NotApplied {
            return (action, unsent);
        }
        assert_eq!(action.code, "BACKEND_UNREACHABLE", "{action:?}");
    }
    panic!("order {order}: not sent in {TRIES} tries");
}

fn wish(order: u64) -> v1::Step {
    step("post.send_invoice", vec![("order", model(&json!(order.to_string())))])
}

/// AT MOST ONE EFFECT, FOUR OUTCOMES: what was told, what was printed and what waits for a
/// person are the same story, over a restart as well.
async fn check(pair: &mut Pair, press: &Press, actions: &BTreeMap<u64, Action>) {
    let (mut open, by_order, by_key) = (BTreeSet::new(), press.by_order(), press.by_key());
    for (order, action) in actions {
        let receipt = receipt(pair, &action.receipt_id).await;
        let answered = Manner::of(*order) == Manner::Answers;
        let (outcome, code, next) = match answered {
            true => (Outcome::Applied, "", "none"),
            false => (Outcome::Unknown, "REPLY_LOST", "person"),
        };
        assert_eq!((action.outcome(), action.code.as_str()), (outcome, code), "{action:?}");
        assert_eq!(action.escalated, !answered, "{action:?}");
        let written = (receipt.outcome.as_str(), receipt.code.as_str(), receipt.next.as_str());
        let name = if answered { "applied" } else { "unknown" };
        assert_eq!(written, (name, code, next), "{}", receipt.message);
        assert_eq!(by_order[order], 1, "order {order}");
        assert_eq!(by_key[&receipt.key], 1, "key of order {order}");
        if !answered {
            assert!(action.said.starts_with("I cannot tell yet"), "{}", action.said);
            open.insert(action.action_id.clone());
        }
    }
    assert_eq!(held(pair) as usize, open.len(), "one lock for each that is in doubt");
    for _ in 0..2 {
        listed(pair, &open).await;
        pair.restart_executor();
    }
    still_in_doubt(pair, actions).await;
    assert_eq!(
        press.by_order(),
        by_order,
        "nothing is sent again, neither asked nor after a restart"
    );
}

fn held(pair: &Pair) -> u32 {
    let db = rusqlite::Connection::open(pair.path("state/executor.db")).unwrap();
    db.query_row("SELECT count(*) FROM locks", [], |row| row.get(0)).unwrap()
}

/// By the RPC and at the command line.
async fn listed(pair: &Pair, open: &BTreeSet<String>) {
    let mut queue = EscalationsClient::new(pair.channel(Role::Approver));
    let request = v1::ListEscalationsRequest { page_size: 500, ..Default::default() };
    let waiting = queue.list_escalations(request).await.unwrap().into_inner().escalations;
    assert!(waiting.iter().all(|matter| matter.reason == "in_doubt"), "{waiting:?}");
    let of = |matter: &Escalation| matter.action_id.clone();
    assert_eq!(&waiting.iter().map(of).collect::<BTreeSet<_>>(), open);
    let flags = pair.executor_flags(Role::Approver);
    let words: Vec<_> = ["escalations", "list", "--json"].into_iter().map(str::to_owned).collect();
    let words: Vec<_> = words.iter().chain(&flags).map(String::as_str).collect();
    let (done, said) = pair.command(&words);
    assert!(done, "{said}");
    let shown = open.iter().filter(|action| said.contains(action.as_str())).count();
    assert_eq!(shown, open.len(), "the command shows all, page after page");
}

/// Whoever asks for one of them again hears that it is in doubt, and nothing is sent.
async fn still_in_doubt(pair: &Pair, actions: &BTreeMap<u64, Action>) {
    let mut desk = Desk::new(pair, pair.customer(1), "again");
    for (order, action) in actions.iter().filter(|(_, a)| a.outcome() == Outcome::Unknown) {
        let refused = refusal(desk.propose(wish(*order)).await);
        assert_eq!(refused.code, "OBJECT_IN_DOUBT", "{refused:?}");
        assert_eq!(refused.receipt_id.as_deref(), Some(action.receipt_id.as_str()));
    }
}
