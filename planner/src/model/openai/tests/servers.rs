//! Servers differ: in what they refuse, and in how they answer. Bodies are written after each
//! server's documentation.

use axum::extract::Request;
use axum::http::HeaderMap;

use super::*;

const NEWER: &str = "Unsupported parameter: 'max_tokens' is not supported with this model. \
                     Use 'max_completion_tokens' instead.";

/// Refuses first where it is told to, and then answers.
struct Peculiar {
    server: &'static str,
    refuses: Option<Json>,
    answers: fn(String) -> Json,
    /// Members that the second request holds, and those that it does not.
    holds: &'static [&'static str],
    lacks: &'static [&'static str],
}

fn choice(content: Json) -> Json {
    json!({ "index": 0, "finish_reason": "stop",
        "message": { "role": "assistant", "content": content, "refusal": null, "tool_calls": null } })
}

fn servers() -> Vec<Peculiar> {
    let refused = |param: Json, message: &str| json!({ "error": { "message": message, "type": "invalid_request_error", "param": param, "code": null } });
    vec![
        Peculiar {
            server: "OpenAI, a model that reasons",
            refuses: Some(refused(json!("max_tokens"), NEWER)),
            answers: |text| {
                json!({ "id": "chatcmpl-1", "object": "chat.completion", "choices": [choice(json!(text))],
                    "usage": { "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110,
                        "completion_tokens_details": { "reasoning_tokens": 8 } }, "service_tier": null })
            },
            holds: &["max_completion_tokens", "response_format"],
            lacks: &["max_tokens", "temperature"],
        },
        Peculiar {
            server: "Azure, an older version",
            refuses: Some(refused(
                Json::Null,
                "response_format value as json_schema is enabled only for api versions \
                 2024-08-01-preview and later",
            )),
            answers: |text| {
                json!({ "choices": [choice(json!(text))], "prompt_filter_results": [],
                    "usage": { "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 } })
            },
            holds: &["max_tokens", "temperature"],
            lacks: &["response_format"],
        },
        Peculiar {
            server: "vLLM",
            refuses: Some(json!({ "object": "error", "code": 400, "param": null,
                "message": "temperature is not supported by this model" })),
            answers: |text| {
                let mut choice = choice(json!([{ "type": "text", "text": text }]));
                choice["logprobs"] = Json::Null;
                json!({ "choices": [choice], "usage": null, "prompt_logprobs": null })
            },
            holds: &["max_tokens", "response_format"],
            lacks: &["temperature"],
        },
        Peculiar {
            server: "Ollama",
            refuses: None,
            answers: |text| json!({ "object": "chat.completion", "system_fingerprint": "fp_ollama", "choices": [choice(json!(text))] }),
            holds: &["max_tokens", "temperature", "response_format"],
            lacks: &["max_completion_tokens"],
        },
        Peculiar {
            server: "llama.cpp",
            refuses: Some(json!({ "error": { "code": 400, "type": "invalid_request_error",
                "message": "JSON schema conversion failed: unsupported" } })),
            answers: |text| {
                json!({ "choices": [choice(json!(text))], "usage": { "prompt_tokens": 100, "completion_tokens": 10 },
                    "timings": { "predicted_n": 10 } })
            },
            holds: &["max_tokens"],
            lacks: &["response_format"],
        },
    ]
}

#[tokio::test]
async fn servers_that_differ_are_asked_as_they_want_it_from_then_on() {
    for Peculiar { server, refuses, answers, holds, lacks } in servers() {
        let good = answer("action", json!([cancel(json!({ "quote": "#1004" }))])).to_string();
        let asked_again = refuses.is_some();
        let first = refuses.map(|body| Next::Status(400, body));
        let good = || Next::Status(200, answers(good.clone()));
        let mut scene = Scene::new(first.into_iter().chain([good(), good()]).collect()).await;
        scene.executor.shop.lock().no_confirmation = true;
        let turn = scene.talk.say("cancel #1004 please").await;
        assert_eq!(scene.executor.proposed().len(), 1, "{server}: {}", turn.reply);
        assert_eq!(turn.model.unwrap().repairs, 0, "{server}: its plan held at once");
        scene.talk.say("cancel #1004 please").await;
        let requests = scene.requests();
        assert_eq!(requests.len(), usize::from(asked_again) + 2, "{server}: it is remembered");
        for request in requests.iter().skip(usize::from(asked_again)) {
            assert!(
                holds.iter().all(|member| request.get(member).is_some()),
                "{server}: {request}"
            );
            assert!(
                lacks.iter().all(|member| request.get(member).is_none()),
                "{server}: {request}"
            );
            let system = request["messages"][0]["content"].as_str().unwrap();
            let in_words = lacks.contains(&"response_format");
            assert_eq!(system.contains("JSON Schema of your answer"), in_words, "{server}");
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_again_is_not_asked_a_third_time() {
    let refused = || Next::Status(400, json!({ "error": { "message": NEWER } }));
    let mut scene = Scene::new(vec![refused(), refused()]).await;
    let turn = scene.talk.say("cancel #1004 please").await;
    assert_eq!(turn.actions[0].code, "MODEL_UNUSABLE");
    assert_eq!(scene.requests().len(), 2);
    assert_eq!(turn.model.unwrap().repairs, 0, "nothing was there to repair");
}

#[tokio::test]
async fn what_is_no_decision_after_a_refused_parameter_is_not_asked_a_third_time() {
    let refused = Next::Status(400, json!({ "error": { "message": NEWER } }));
    let mut scene = Scene::new(vec![refused, Next::Says("Your order is cancelled.".into())]).await;
    let turn = scene.talk.say("cancel #1004 please").await;
    assert_eq!(turn.actions[0].code, "MODEL_UNUSABLE");
    assert_eq!(scene.requests().len(), 2, "two calls in all, as budgets reserve");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_no_reason_to_ask_differently() {
    let long = "'max_tokens' or 'max_completion_tokens' is too large: 1200. This model's maximum \
                context length is 4096 tokens";
    let refused = Next::Status(400, json!({ "message": long, "param": "max_tokens" }));
    let mut scene = Scene::new(vec![refused]).await;
    scene.talk.say("cancel #1004 please").await;
    assert_eq!(scene.requests().len(), 1);
}

#[tokio::test]
async fn a_query_stays_behind_the_path_and_the_key_goes_where_it_is_wanted() {
    let seen: Arc<Mutex<Vec<(String, HeaderMap)>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let router = Router::new().fallback(async move |request: Request| {
        kept.lock().push((request.uri().to_string(), request.headers().clone()));
        StatusCode::TOO_MANY_REQUESTS
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "secret\n").unwrap();
    for (header, sent) in [(Some("api-key"), "secret"), (None, "Bearer secret")] {
        let config = OpenaiConfig {
            url: format!("http://{host}/deployments/d/?api-version=1").parse().unwrap(),
            api_key_file: Some(key.clone()),
            key_header: header.map(|name| name.parse().unwrap()),
            ..config()
        };
        let executor = FakeExecutor::new(&[(1004, &[("Mug", 2)])]);
        let mut talk = Talk::with(&executor, Arc::new(Openai::new(&config).unwrap()));
        talk.say("cancel #1004 please").await;
        let (uri, headers) = seen.lock().pop().unwrap();
        assert_eq!(uri, "/deployments/d/chat/completions?api-version=1");
        assert_eq!(headers[header.unwrap_or("authorization")], sent);
        assert_eq!(headers.contains_key("authorization"), header.is_none());
    }
}
