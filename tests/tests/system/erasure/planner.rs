//! What the planner remembers of an erased person goes as well, although nobody tells it: from
//! its file, its logs, and whatever both services sent to a collector.

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_proto::v1;
use regex::bytes::Regex;
use reqwest::StatusCode;
use serde_json::json;

use super::super::chat::{SIGNING, serve_chat_with};
use super::super::support::collector::collector;
use super::super::support::pair::Pair;
use super::{JANE, erase, her_forms, hits};

/// The planner looks every 20 s what was erased.
const PATIENCE: Duration = Duration::from_secs(60);

/// Over gRPC: answers with the card and how the turn ended.
async fn say(
    pair: &Pair,
    customer: u32,
    text: &str,
    yes_to: Option<&v1::Card>,
) -> (Option<v1::Card>, v1::Turn) {
    use v1::converse_response::Event;
    let (who, conversation) = (pair.customer(customer), format!("c{customer}"));
    let id = format!("m{}", text.len());
    let request = v1::ConverseRequest {
        subject_token: who.token.clone(),
        conversation_id: conversation.clone(),
        message: Some(pair.frontend.message(&who, &conversation, &id, text)),
        confirmation: yes_to
            .map(|card| pair.frontend.yes(&who, &conversation, card))
            .unwrap_or_default(),
        ..v1::ConverseRequest::default()
    };
    let mut events = pair.planner().converse(request).await.unwrap().into_inner();
    let (mut card, mut turn) = (None, v1::Turn::default());
    while let Some(event) = events.message().await.unwrap() {
        match event.event.unwrap() {
            Event::Card(shown) => card = Some(shown),
            Event::Turn(ended) => turn = ended,
            Event::Progress(_) => {}
        }
    }
    (card, turn)
}

/// Over HTTP.
async fn write(pair: &Pair, customer: u32, text: &str) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = http
        .post(format!("{}/v1/chat/completions", pair.chat()))
        .bearer_auth(SIGNING)
        .header("x-subject-token", &pair.customer(customer).token)
        .header("x-openwebui-chat-id", format!("h{customer}"))
        .json(
            &json!({ "model": "countersign", "messages": [{ "role": "user", "content": text }] }),
        );
    assert_eq!(asked.send().await.unwrap().status(), StatusCode::OK);
}

/// Erases her at the executor, and waits until the planner has followed.
async fn erased(pair: &Pair, forms: &Regex, memory: &Path) {
    let (done, said) = erase(pair, &["--reason", "request 118"]);
    assert!(done && said.contains("Erased"), "{said}");
    let until = Instant::now() + PATIENCE;
    while !hits(forms, memory).is_empty() {
        let left = hits(forms, memory);
        assert!(Instant::now() < until, "still there: {}", left.join("\n"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn erasure_reaches_what_the_planner_remembers_and_what_both_say_of_themselves() {
    let (address, seen) = collector().await;
    let telemetry = format!("telemetry: {{ otlp: \"http://{address}\" }}\n");
    let mut pair = Pair::executor_only().await;
    pair.logs = "info,countersign_executor=debug,countersign_planner=debug,countersign_core=debug";
    pair.add_config(&telemetry);
    pair.restart_executor();
    serve_chat_with(&mut pair, &telemetry);

    say(&pair, 1, JANE[1], None).await;
    let (hers, _) = say(&pair, 1, "cancel order #1001", None).await;
    write(&pair, 1, &format!("where is order #1004? {}", JANE[1])).await;
    let (his, _) = say(&pair, 2, "cancel order #2001", None).await;
    write(&pair, 2, "which orders do I have?").await;
    assert!(hers.is_some() && his.is_some());
    let (forms, memory) = (her_forms(), pair.path("planner-state"));
    assert!(!hits(&forms, &memory).is_empty(), "the search finds what is there");

    erased(&pair, &forms, &memory).await;

    // His conversation stands where it stood, and hers begins anew.
    let (_, his) = say(&pair, 2, "yes", his.as_ref()).await;
    assert_eq!(his.actions[0].outcome(), v1::Outcome::Applied, "{his:?}");
    let (_, hers) = say(&pair, 1, "hello", None).await;
    assert!(hers.actions.is_empty(), "{hers:?}");
    erased(&pair, &forms, &memory).await;

    // No log at any level of ours, and no span.
    pair.stop();
    let found = hits(&forms, pair.dir.path());
    assert!(found.is_empty(), "{}", found.join("\n"));
    let seen = seen.lock();
    assert!(seen.len() > 2 && !seen.iter().any(|bytes| forms.is_match(bytes)), "in a span");
}
