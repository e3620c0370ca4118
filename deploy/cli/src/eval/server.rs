//! The model as the planner sees it: a Chat Completions server here. It plays a script, passes
//! requests on and writes down what came back, or gives again what was written down.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json as Sent, Router};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::names::{by_number, to_number};
use super::reply::Reply;

/// A model server of one's own that is asked through this one.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Base URL, such as `http://127.0.0.1:11434/v1`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// Its API key, if it wants one.
    pub key: Option<String>,
}

/// Where answers come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Script(Vec<Reply>),
    Passed { to: Upstream, into: Option<PathBuf> },
    Recorded(PathBuf),
}

/// One server, for one play of one scenario.
pub(super) struct Server {
    pub(super) url: String,
    calls: Arc<Calls>,
    task: JoinHandle<()>,
}

struct Calls {
    answers: Answers,
    seen: Mutex<usize>,
}

enum Answers {
    Script(Vec<Reply>),
    Passed { to: Upstream, client: reqwest::Client, into: Option<PathBuf> },
    Recorded(Mutex<VecDeque<Json>>),
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(source: Source) -> anyhow::Result<Self> {
        let calls = Arc::new(Calls { answers: Answers::of(source)?, seen: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/v1", listener.local_addr()?);
        let router = Router::new().route("/v1/chat/completions", post(answer));
        let router = router.with_state(Arc::clone(&calls));
        let task = tokio::spawn(async move {
            // It ends with the play.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { url, calls, task })
    }

    /// How often it was asked.
    pub(super) fn calls(&self) -> usize {
        *self.calls.seen.lock()
    }
}

impl Answers {
    fn of(source: Source) -> anyhow::Result<Self> {
        Ok(match source {
            Source::Script(replies) => Self::Script(replies),
            Source::Passed { to, into } => {
                if let Some(file) = &into {
                    std::fs::write(file, "")
                        .with_context(|| format!("cannot write {}", file.display()))?;
                }
                Self::Passed { to, client: reqwest::Client::new(), into }
            }
            Source::Recorded(file) => {
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("nothing was recorded in {}", file.display()))?;
                let lines = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
                Self::Recorded(Mutex::new(lines.context("a recording is damaged: record again")?))
            }
        })
    }
}

async fn answer(State(calls): State<Arc<Calls>>, Sent(request): Sent<Json>) -> Response {
    let at = {
        let mut seen = calls.seen.lock();
        *seen += 1;
        *seen - 1
    };
    match &calls.answers {
        Answers::Script(replies) => match replies.get(at).or(replies.last()) {
            Some(reply) => played(reply, &request).await,
            None => failed(StatusCode::INTERNAL_SERVER_ERROR),
        },
        Answers::Passed { to, client, into } => {
            passed(to, client, into.as_ref(), request).await.unwrap_or_else(|error| {
                let said = json!({ "error": { "message": format!("{error:#}") } });
                (StatusCode::BAD_GATEWAY, Sent(said)).into_response()
            })
        }
        Answers::Recorded(answers) => match answers.lock().pop_front() {
            Some(line) => {
                let status = line.get("status").and_then(Json::as_u64).unwrap_or(200);
                let status = u16::try_from(status).ok().and_then(|s| StatusCode::from_u16(s).ok());
                let body = line.get("body").cloned().unwrap_or_default().to_string();
                let body: Json =
                    serde_json::from_str(&by_number(&body, &request)).unwrap_or_default();
                (status.unwrap_or(StatusCode::OK), Sent(body)).into_response()
            }
            // It asks more than it did when this was recorded.
            None => failed(StatusCode::GONE),
        },
    }
}

async fn played(reply: &Reply, request: &Json) -> Response {
    match reply {
        Reply::Decide(decide) => completion(&by_number(&decide.written(request), request), request),
        Reply::Text(text) => completion(&by_number(text, request), request),
        Reply::Status(status) => {
            failed(StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Reply::Cut(text) => {
            let begun = format!("{{\"choices\":[{{\"message\":{{\"content\":{}", json!(text));
            let parts = [Ok(Bytes::from(begun)), Err(std::io::Error::other("cut"))];
            Body::from_stream(futures_util::stream::iter(parts)).into_response()
        }
        Reply::Huge(bytes) => completion(&"x".repeat(*bytes), request),
        Reply::SlowMs(ms) => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            completion("Sorry for the wait. It is done.", request)
        }
    }
}

/// As servers fail: with an integer where OpenAI has a word.
fn failed(status: StatusCode) -> Response {
    let body = json!({ "error": { "message": "no", "code": status.as_u16() } });
    (status, Sent(body)).into_response()
}

/// Tokens are guessed from lengths: four bytes each.
fn completion(text: &str, request: &Json) -> Response {
    let asked = request.get("messages").map_or(0, |messages| messages.to_string().len());
    Sent(json!({
        "id": "scripted", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{ "index": 0, "finish_reason": "stop",
                      "message": { "role": "assistant", "content": text } }],
        "usage": { "prompt_tokens": asked / 4, "completion_tokens": text.len() / 4,
                   "total_tokens": (asked + text.len()) / 4 },
    }))
    .into_response()
}

async fn passed(
    to: &Upstream,
    client: &reqwest::Client,
    into: Option<&PathBuf>,
    request: Json,
) -> anyhow::Result<Response> {
    let url = format!("{}/chat/completions", to.url.trim_end_matches('/'));
    let mut asked = client.post(url).json(&request);
    if let Some(key) = &to.key {
        asked = asked.bearer_auth(key);
    }
    let answered = asked.send().await?;
    let status = answered.status().as_u16();
    let body: Json = answered.json().await?;
    if let Some(file) = into {
        let named: Json = serde_json::from_str(&to_number(&body.to_string(), &request))?;
        let line = json!({ "status": status, "body": named });
        let mut file = OpenOptions::new().append(true).open(file)?;
        writeln!(file, "{line}")?;
    }
    ensure!(status >= 100, "no status");
    Ok((StatusCode::from_u16(status)?, Sent(body)).into_response())
}
