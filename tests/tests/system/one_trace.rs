//! One trace from the chat turn to the backend, over both processes, seen by a collector;
//! and without one, all the same in receipts.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign::pki::Role;
use countersign_proto::v1;
use prost::Message;
use serde_json::json;

use super::action_flow::receipt;
use super::chat::{SIGNING, with_chat};
use super::support::collector::{Seen, collector};
use super::support::pair::Pair;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// As much of OTLP as is looked at.
#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    text: String,
}

/// Every span that was sent so far.
fn spans(seen: &Seen) -> Vec<Span> {
    let seen = seen.lock();
    let resources = seen.iter().map(|bytes| Resource::decode(bytes.as_slice()).unwrap());
    resources.flat_map(|resource| resource.scopes).flat_map(|scope| scope.spans).collect()
}

/// A turn whose frontend is in this trace; answers with its end.
async fn turn(pair: &Pair, traceparent: &str, id: &str, yes_to: Option<&v1::Card>) -> Said {
    let who = pair.customer(1);
    let request = v1::ConverseRequest {
        subject_token: who.token.clone(),
        conversation_id: "c1".into(),
        message: Some(pair.frontend.message(&who, "c1", id, "please cancel my order #1001")),
        confirmation: yes_to.map(|c| pair.frontend.yes(&who, "c1", c)).unwrap_or_default(),
        external_ref: String::new(),
        ..v1::ConverseRequest::default()
    };
    let mut request = tonic::Request::new(request);
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    let mut events = pair.planner().converse(request).await.unwrap().into_inner();
    let mut said = Said::default();
    while let Some(event) = events.message().await.unwrap() {
        match event.event.unwrap() {
            v1::converse_response::Event::Card(card) => said.card = Some(card),
            v1::converse_response::Event::Turn(turn) => said.turn = turn,
            v1::converse_response::Event::Progress(_) => {}
        }
    }
    said
}

#[derive(Default)]
struct Said {
    card: Option<v1::Card>,
    turn: v1::Turn,
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_over_both_processes() {
    let (address, seen) = collector().await;
    let mut pair = Pair::executor_only().await;
    pair.add_config(&format!("telemetry: {{ otlp: \"http://{address}\" }}\n"));
    pair.restart_executor();
    pair.start_planner(&format!(
        "{{ kind: offline }}\ntelemetry: {{ otlp: \"http://{address}\" }}"
    ));
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let asked = turn(&pair, &traceparent, "m1", None).await;
    let done = turn(&pair, &traceparent, "m2", asked.card.as_ref()).await;
    let receipt = receipt(&pair, &done.turn.actions[0].receipt_id).await;
    assert_eq!(receipt.asked.trace, TRACE);

    let wanted =
        ["turn", "chat offline", "propose", "claim", "gate", "dispatch", "verify", "seal", "POST"];
    // Whoever else asked is in a trace of their own.
    let of_it = || -> Vec<Span> {
        spans(&seen).into_iter().filter(|span| hex::encode(&span.trace) == TRACE).collect()
    };
    let named = |name: &str| of_it().iter().any(|span| span.name == name);
    for _ in 0..200 {
        if wanted.iter().all(|name| named(name)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let found = of_it();
    let names: BTreeSet<_> = found.iter().map(|span| span.name.as_str()).collect();
    assert!(wanted.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(names.contains("countersign.v1.Executor/Execute"), "{names:?}");
    // Every span but the frontend's own child hangs on another that was seen.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let found = of_it();
    let ids: BTreeSet<_> = found.iter().map(|span| span.id.clone()).collect();
    let loose = found.iter().filter(|span| !ids.contains(&span.parent));
    for span in loose {
        assert_eq!(hex::encode(&span.parent), PARENT, "{}", span.name);
    }
    let model = found.iter().find(|span| span.name == "chat offline").unwrap();
    let keys: Vec<_> = model.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    assert!(keys.contains(&"gen_ai.operation.name") && keys.contains(&"gen_ai.request.model"));
    let said = format!("{:?}", spans(&seen));
    for secret in ["1001", "customer1", "example.com"] {
        assert!(!said.contains(secret), "{secret} is in a span");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_that_is_malformed_is_replaced_and_no_collector_stops_nothing() {
    let mut pair = Pair::executor_only().await;
    // Nobody listens there.
    pair.add_config("telemetry: { otlp: \"http://127.0.0.1:9\" }\n");
    pair.restart_executor();
    pair.start_planner("{ kind: offline }");
    let asked = turn(&pair, "00-not-a-trace", "m1", None).await;
    let done = turn(&pair, "00-not-a-trace", "m2", asked.card.as_ref()).await;
    let receipt = receipt(&pair, &done.turn.actions[0].receipt_id).await;
    assert_eq!(receipt.asked.trace.len(), 32, "{}", receipt.asked.trace);
    assert!(receipt.asked.trace.bytes().all(|b| b.is_ascii_hexdigit()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_begins_at_the_http_face_too() {
    let pair = with_chat().await;
    let who = pair.customer(1);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = http
        .post(format!("{}/v1/chat/completions", pair.chat()))
        .bearer_auth(SIGNING)
        .header("x-subject-token", &who.token)
        .header("x-openwebui-chat-id", "c1")
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&json!({ "model": "countersign", "messages": [{ "role": "user", "content": "which orders do I have?" }] }));
    let answered = asked.send().await.unwrap();
    assert!(answered.status().is_success(), "{}", answered.text().await.unwrap());
    let find = v1::FindRequest { email: who.email.clone(), ..v1::FindRequest::default() };
    let mut audit = pair.audit(Role::Auditor);
    for _ in 0..200 {
        let found = audit.find(find.clone()).await.unwrap().into_inner();
        if let Some(told) = found.turns.first() {
            assert_eq!(told.trace, TRACE);
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the turn was not told");
}
