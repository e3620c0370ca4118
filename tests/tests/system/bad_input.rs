//! Hostile bytes at the executor's port and in its calls: it stays up, answers the
//! next good call, and what it answers is a code of ours or a plain gRPC error,
//! short and without its insides. What it refused does not spoil its log.

pub mod raw;

use countersign::audit::Also;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_proto::v1::argument::Source;
use countersign_proto::v1::execute_request::Target;
use countersign_shared::refusal::Refusal;
use countersign_shared::tlog::key::VerifierKey;
use tonic::{Code, Status};

use super::support::canary;
use super::support::pair::Pair;
use super::support::plans::{Desk, list, model, seen, step};

/// Longest message that an error may carry, in bytes.
const SHORT: usize = 4096;
/// What no answer may tell.
const INSIDES: [&str; 8] =
    ["panicked", "thread '", ".rs:", "src/", "/root", "/tmp", "SELECT", "sqlite"];

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_at_the_port() {
    let pair = Pair::executor_only().await;
    let address = pair.executor_address().to_owned();
    // All at once: some of it is the beginning of something, and waited for.
    let tries = garbage().into_iter().map(|bytes| {
        let (head, to) = (bytes[..bytes.len().min(24)].to_vec(), address.clone());
        (head, tokio::task::spawn_blocking(move || send(&to, &bytes)))
    });
    for (head, answer) in tries.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        // At most a TLS alert: nothing of HTTP, nothing of ours.
        assert!(answer.len() < 64, "{head:?}: {}", String::from_utf8_lossy(&answer));
        assert!(answer.is_empty() || answer[0] == 0x15, "{head:?}: {answer:?}");
    }
    let told = blocking(move || raw::without_certificate(&address)).await;
    assert!(told.contains("CertificateRequired"), "{told}");
    good(&pair).await;
    up(&pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_from_many_at_once() {
    let pair = Pair::executor_only().await;
    let mut held = Vec::new();
    let garbage = Arc::new(garbage());
    for n in 0..200 {
        let (address, garbage) = (pair.executor_address().to_owned(), Arc::clone(&garbage));
        held.push(tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let bytes = &garbage[n % garbage.len()];
            // Half of them say something, the others only keep the door busy.
            if n % 2 == 0 {
                let _gone_already = stream.write_all(bytes);
            }
            stream
        }));
    }
    let mut open = Vec::new();
    for task in held {
        open.push(task.await.unwrap());
    }
    let began = Instant::now();
    good(&pair).await;
    println!("a good call among {} bad connections took {:?}", open.len(), began.elapsed());
    drop(open);
    good(&pair).await;
    up(&pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_that_is_no_message() {
    let pair = Pair::executor_only().await;
    let token = pair.customer(1).token;
    for (what, bytes) in raw::broken_messages(&token) {
        let status = raw::call(&pair, "Propose", bytes).await.expect_err(what);
        tell(what, &status);
        assert!(Refusal::from_status(&status).is_none_or(|r| !r.code.is_empty()), "{what}");
        good(&pair).await;
    }
    for method in ["Propose", "Execute", "GetAction", "ListTools"] {
        let large = raw::string_field(1, &vec![b'a'; 2 * 1024 * 1024]);
        let status = raw::call(&pair, method, large).await.expect_err(method);
        tell(method, &status);
        assert_eq!(status.code(), Code::OutOfRange, "{method}: {status:?}");
    }
    let status = raw::call(&pair, "NoSuchCall", vec![]).await.unwrap_err();
    assert_eq!(Refusal::from_status(&status).unwrap().code, "CALLER_NOT_ALLOWED");
    good(&pair).await;
    up(&pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_in_a_plan() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let order = desk.order("1004").await.unwrap();
    let mut told = BTreeMap::<String, u32>::new();
    let words = std::mem::take(&mut desk.words);
    for (what, plan) in bad_plans(&desk, &order) {
        // Words are of one conversation: with them, another one is refused for that.
        desk.words = if what.starts_with("conversation") { vec![] } else { words.clone() };
        let proposed = desk.propose_plan(plan.clone()).await.map(drop);
        let executed = desk.execute_plan(plan).await.map(drop);
        for (call, answer) in [("Propose", proposed), ("Execute", executed)] {
            let what = format!("{call}: {what}");
            let status = answer.expect_err(&what);
            tell(&what, &status);
            let refusal = Refusal::from_status(&status);
            let refusal = refusal.unwrap_or_else(|| panic!("{what}: no code of ours: {status:?}"));
            assert_ne!(refusal.code, "INTERNAL", "{what}: {refusal:?}");
            *told.entry(refusal.code).or_insert(0) += 1;
        }
    }
    println!("{told:?}");
    assert_eq!(pair.mutations(), 0);
    good(&pair).await;
    log_is_whole(&pair).await;
    up(&pair);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_in_ids_and_tokens() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let token = desk.who.token.clone();
    let id = "p".repeat(1_000_000);
    let proposal =
        v1::Proposal { proposal_id: id, card: Some(v1::Card::default()), ..Default::default() };
    let status = desk.execute(&proposal, "").await.unwrap_err();
    tell("a million characters", &status);
    assert_eq!(Refusal::from_status(&status).unwrap().code, "NOT_FOUND");
    for bad in bad_texts() {
        let what = bad.chars().take(20).collect::<String>();
        let mut answers: Vec<(&str, Status)> = Vec::new();
        let target = Some(Target::ProposalId(bad.clone()));
        let request = v1::ExecuteRequest {
            subject_token: token.clone(),
            target,
            messages: vec![],
            confirmation: bad.clone(),
        };
        answers.push(("proposal_id", desk.client.execute(request).await.unwrap_err()));
        let request = v1::GetActionRequest { subject_token: token.clone(), action_id: bad.clone() };
        answers.push(("action_id", desk.client.get_action(request).await.unwrap_err()));
        let request =
            v1::WatchActionRequest { subject_token: token.clone(), action_id: bad.clone() };
        answers.push(("watched", desk.client.watch_action(request).await.map(drop).unwrap_err()));
        let request = v1::ListToolsRequest { subject_token: bad.clone(), ..Default::default() };
        answers.push(("token", desk.client.list_tools(request).await.unwrap_err()));
        let request = v1::ProposeRequest {
            subject_token: token.clone(),
            messages: vec![v1::AttestedMessage {
                message_id: bad.clone(),
                text: bad.clone(),
                attestation: bad.clone(),
            }],
            plan: Some(desk.plan(vec![])),
            confirm_by_link: false,
        };
        answers.push(("message", desk.client.propose(request).await.unwrap_err()));
        let mut audit = pair.audit(Role::Auditor);
        let request =
            v1::GetReceiptRequest { subject_token: String::new(), receipt_id: bad.clone() };
        answers.push(("receipt_id", audit.get_receipt(request).await.unwrap_err()));
        let request =
            v1::GetInclusionProofRequest { subject_token: String::new(), receipt_id: bad.clone() };
        answers.push(("proof of", audit.get_inclusion_proof(request).await.unwrap_err()));
        let request = v1::ListReceiptsRequest { page_token: bad.clone(), ..Default::default() };
        if let Err(status) = audit.list_receipts(request).await {
            answers.push(("page_token", status));
        }
        // Nobody's tenant and nobody's tool: an empty page, whatever they are called.
        let request = v1::ListReceiptsRequest {
            tenant: bad.clone(),
            tool: bad.clone(),
            ..Default::default()
        };
        assert!(audit.list_receipts(request).await.unwrap().into_inner().receipts.is_empty());
        for (field, status) in answers {
            let what = format!("{field}: {what:?}");
            tell(&what, &status);
            let refusal = Refusal::from_status(&status);
            let refusal = refusal.unwrap_or_else(|| panic!("{what}: no code of ours: {status:?}"));
            assert_ne!(refusal.code, "INTERNAL", "{what}: {refusal:?}");
        }
    }
    let mut audit = pair.audit(Role::Auditor);
    for (from_size, to_size) in [(0, 0), (5, 1), (1, u64::MAX), (u64::MAX, u64::MAX)] {
        let request = v1::GetConsistencyProofRequest { from_size, to_size };
        tell("sizes", &audit.get_consistency_proof(request).await.unwrap_err());
    }
    good(&pair).await;
    up(&pair);
}

/// What is no TLS, no HTTP/2 or no end.
fn garbage() -> Vec<Vec<u8>> {
    let mut noise = 0x9e37_79b9_u32;
    let random = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise.to_le_bytes()[0]
    });
    vec![
        b"GET / HTTP/1.1\r\nhost: executor\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
        b"\x16\x03\x01\xff\xff".to_vec(),
        // A hello that says it is 64 KiB long, and one of TLS 1.0.
        [b"\x16\x03\x01\x40\x00\x01\x00\xff\xff".as_slice(), &[0; 5000]].concat(),
        b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01".to_vec(),
        vec![0; 64 * 1024],
        random.take(64 * 1024).collect(),
        b"\x80\x2e\x01\x03\x01".to_vec(),
    ]
}

/// Says it and listens until the other side is done, for a while.
fn send(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    let _it_may_have_hung_up = stream.write_all(bytes);
    let _nor_does_it_say_more = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _reset_is_fine = stream.read_to_end(&mut answer);
    answer
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn bad_texts() -> Vec<String> {
    vec![
        "a".repeat(300_000),
        "é".repeat(20_000),
        "prp_\u{0}\u{1b}[31m\r\nset-cookie: x".into(),
        "act_01hzzzzzzzzzzzzzzzzzzzzzzz' OR '1'='1".into(),
        "../../../../etc/passwd".into(),
        "rcp_ooooooooooooooooooooooooooo".into(),
        "\u{202e}\u{feff}\u{fffd}".into(),
    ]
}

/// Plans that no planner in its right mind would send, each with its name.
fn bad_plans(desk: &Desk<'_>, order: &v1::Observation) -> Vec<(String, v1::Plan)> {
    let id = || seen(order, "/orders/0/id");
    let cancel = || step("shopify.cancel_order", vec![("order_id", id())]);
    let mut plans = Vec::new();
    let mut add = |what: &str, change: &dyn Fn(&mut v1::Plan)| {
        let mut plan = desk.plan(vec![cancel()]);
        change(&mut plan);
        plans.push((what.to_owned(), plan));
    };
    for score in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.1, 1.1, f64::MAX] {
        add(&format!("score {score}"), &|p| p.confidence.as_mut().unwrap().score = score);
    }
    for bad in bad_texts() {
        let name = format!("{:?}", bad.chars().take(20).collect::<String>());
        // A wrong id of ours is still a name that a planner may give.
        if !bad.starts_with("rcp_") {
            add(&format!("conversation {name}"), &|p| p.conversation_id.clone_from(&bad));
            add(&format!("step {name}"), &|p| p.steps[0].id.clone_from(&bad));
        }
        add(&format!("tool {name}"), &|p| p.steps[0].tool.clone_from(&bad));
        add(&format!("after {name}"), &|p| p.after_receipt_id.clone_from(&bad));
        let one = |p: &mut v1::Plan, source: Source| {
            let argument = v1::Argument { source: Some(source) };
            p.steps[0].arguments.insert("order_id".into(), argument);
        };
        add(&format!("argument {name}"), &|p| {
            p.steps[0].arguments.insert(bad.clone(), id());
        });
        add(&format!("field {name}"), &|p| {
            let fields = BTreeMap::from([(bad.clone(), id())]).into_iter().collect();
            one(p, Source::Fields(v1::ArgumentFields { fields }));
        });
        add(&format!("claim {name}"), &|p| one(p, Source::Claim(bad.clone())));
        add(&format!("observation {name}"), &|p| {
            let (observation_id, pointer) = (bad.clone(), String::new());
            one(p, Source::Observation(v1::ObservationRef { observation_id, pointer }));
        });
        add(&format!("pointer {name}"), &|p| {
            let (observation_id, pointer) = (order.observation_id.clone(), bad.clone());
            one(p, Source::Observation(v1::ObservationRef { observation_id, pointer }));
        });
        add(&format!("message {name}"), &|p| {
            let span = v1::UtteranceSpan { message_id: bad.clone(), start: 0, end: u32::MAX };
            one(p, Source::Utterance(span));
        });
        add(&format!("value {name}"), &|p| {
            p.steps[0].arguments.insert("order_id".into(), model(&bad.clone().into()));
        });
    }
    let long = "r".repeat(500_000);
    add("external_ref", &|p| p.external_ref.clone_from(&long));
    add("words of the model", &|p| {
        let confidence = p.confidence.as_mut().unwrap();
        confidence.uncertainty_reason.clone_from(&long);
        confidence.score = 0.1;
        p.model.as_mut().unwrap().model.clone_from(&long);
    });
    add("no steps", &|p| p.steps.clear());
    add("nobody's confidence", &|p| p.confidence = None);
    add("steps", &|p| p.steps = vec![cancel(); 5000]);
    add("no source", &|p| {
        p.steps[0].arguments.insert("order_id".into(), v1::Argument { source: None });
    });
    add("a list of very many", &|p| {
        p.steps[0].arguments.insert("order_id".into(), list(vec![model(&1.into()); 40_000]));
    });
    add("very many arguments", &|p| {
        let each = (0..20_000).map(|n| (format!("a{n}"), model(&n.into())));
        p.steps[0].arguments = each.collect();
    });
    add("lists in lists", &|p| {
        let deep = (0..40).fold(id(), |inner, _| list(vec![inner]));
        p.steps[0].arguments.insert("order_id".into(), deep);
    });
    for (what, json) in [
        ("deep JSON", "[".repeat(10_000)),
        ("deep whole JSON", format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        ("half a surrogate", r#""\ud800""#.to_owned()),
        ("a number of no size", "1e999999".to_owned()),
        ("a long number", "9".repeat(100_000)),
        ("not JSON", "NaN".to_owned()),
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("an object", r#"{"$ref":"file:///etc/passwd"}"#.to_owned()),
    ] {
        add(what, &|p| {
            let argument = v1::Argument { source: Some(Source::ModelJson(json.clone())) };
            p.steps[0].arguments.insert("order_id".into(), argument);
        });
    }
    plans
}

/// An error is short and tells nothing of the executor's insides.
fn tell(what: &str, status: &Status) {
    let whole = format!("{} {}", status.message(), String::from_utf8_lossy(status.details()));
    assert!(whole.len() <= 2 * SHORT, "{what}: {} bytes: {whole:.200}", whole.len());
    for inside in INSIDES {
        assert!(!whole.contains(inside), "{what}: tells `{inside}`: {whole:.500}");
    }
    assert!(!whole.contains(&canary::token()), "{what}: {whole:.500}");
    // Nothing else than what the executor meant to say: no transport that gave up.
    let meant = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::PermissionDenied,
        Code::Unauthenticated,
        Code::FailedPrecondition,
        Code::ResourceExhausted,
        Code::OutOfRange,
    ];
    let undecoded = status.code() == Code::Internal && whole.contains("decode");
    assert!(meant.contains(&status.code()) || undecoded, "{what}: {status:?}");
}

/// Somebody else's call in between, on a connection of its own.
async fn good(pair: &Pair) {
    let mut desk = Desk::new(pair, pair.customer(1), "good");
    let order = desk.order("1001").await.unwrap();
    assert!(order.value_json.contains("#1001"));
}

/// Every entry of the log is a receipt, and all of them are published.
/// The executor writes on.
const LIVE: Also<'_> = Also { earlier: None, cosigners: &[], live: true, whole: false };

async fn log_is_whole(pair: &Pair) {
    let key = VerifierKey::parse(&pair.log_key()).unwrap();
    let mut audit = pair.audit(Role::Auditor);
    let request = v1::ListReceiptsRequest { page_size: 1, ..Default::default() };
    let newest = audit.list_receipts(request).await.unwrap().into_inner().receipts;
    let size = newest[0].leaf_index + 1;
    let began = Instant::now();
    loop {
        let checked = countersign::audit::check(&pair.path("state/log"), &key, LIVE);
        match &checked {
            Ok(checked) if checked.log.leaves == size => return,
            Ok(_) | Err(_) => {}
        }
        assert!(began.elapsed() < Duration::from_secs(15), "{size} entries: {checked:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The same process as at the start, and it never stumbled.
fn up(pair: &Pair) {
    let log = std::fs::read_to_string(pair.path("executor.log")).unwrap();
    assert_eq!(log.matches("executor ready").count(), 1);
    let stumbled = log.lines().find(|line| line.contains("panicked") || line.contains("overflow"));
    assert_eq!(stumbled, None);
}
