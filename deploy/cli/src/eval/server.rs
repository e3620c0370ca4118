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
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json as Sent, Router};
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::names::Names;
use super::reply::{Reply, Slow};

/// Pieces of an answer that comes slowly.
const DROPS: usize = 20;

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
    names: Mutex<Names>,
    broken: Mutex<Vec<String>>,
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
        let calls = Arc::new(Calls {
            answers: Answers::of(source)?,
            seen: Mutex::default(),
            names: Mutex::default(),
            broken: Mutex::default(),
        });
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

    /// Why it could not answer as it is written.
    pub(super) fn broken(&self) -> Vec<String> {
        self.calls.broken.lock().clone()
    }
}

impl Calls {
    fn broke(&self, why: String) -> Response {
        self.broken.lock().push(why);
        failed(StatusCode::GONE)
    }

    fn recorded(&self, line: Option<Json>) -> Result<Response, String> {
        let line = line.ok_or("the model is asked more often than when this was recorded")?;
        let status = line.get("status").and_then(Json::as_u64).unwrap_or(200);
        let status = u16::try_from(status).ok().and_then(|s| StatusCode::from_u16(s).ok());
        let body = line.get("body").cloned().unwrap_or_default().to_string();
        let body: Json =
            serde_json::from_str(&self.names.lock().by_number(&body)?).unwrap_or_default();
        Ok((status.unwrap_or(StatusCode::OK), Sent(body)).into_response())
    }

    fn played(&self, reply: &Reply, request: &Json) -> Result<Response, String> {
        let named = |text: &str| self.names.lock().by_number(text);
        Ok(match reply {
            Reply::Decide(decide) => whole(&named(&decide.written(request))?),
            Reply::Text(text) => whole(&named(text)?),
            Reply::Status(status) => {
                failed(StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            }
            Reply::Cut(text) => {
                let begun = format!("{{\"choices\":[{{\"message\":{{\"content\":{}", json!(text));
                let parts = [Ok(Bytes::from(begun)), Err(std::io::Error::other("cut"))];
                Body::from_stream(futures_util::stream::iter(parts)).into_response()
            }
            Reply::Huge(bytes) => whole(&"x".repeat(*bytes)),
            Reply::Slow(Slow { ms, decide }) => {
                let text = named(&decide.written(request))?;
                dripped(&completion(&text).to_string(), Duration::from_millis(*ms))
            }
        })
    }

    async fn passed(
        &self,
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
            let named: Json =
                serde_json::from_str(&self.names.lock().to_number(&body.to_string()))?;
            let line = json!({ "status": status, "body": named });
            let mut file = OpenOptions::new().append(true).open(file)?;
            writeln!(file, "{line}")?;
        }
        ensure!(status >= 100, "no status");
        Ok((StatusCode::from_u16(status)?, Sent(body)).into_response())
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
                // A model's server that redirects does not get the key again.
                let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
                Self::Passed { to, client, into }
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
    calls.names.lock().see(&request);
    match &calls.answers {
        Answers::Script(replies) => match replies.get(at).or(replies.last()) {
            Some(reply) => calls.played(reply, &request).unwrap_or_else(|why| calls.broke(why)),
            None => failed(StatusCode::INTERNAL_SERVER_ERROR),
        },
        Answers::Passed { to, client, into } => {
            calls.passed(to, client, into.as_ref(), request).await.unwrap_or_else(|error| {
                let said = json!({ "error": { "message": format!("{error:#}") } });
                (StatusCode::BAD_GATEWAY, Sent(said)).into_response()
            })
        }
        Answers::Recorded(answers) => {
            let line = answers.lock().pop_front();
            calls.recorded(line).unwrap_or_else(|why| calls.broke(why))
        }
    }
}

/// A piece, a wait, and so on: something always comes, and the whole takes so long.
fn dripped(text: &str, over: Duration) -> Response {
    let pieces =
        text.as_bytes().chunks(text.len().div_ceil(DROPS).max(1)).map(Bytes::copy_from_slice);
    let wait = over / u32::try_from(pieces.len()).unwrap_or(u32::MAX).max(1);
    let drops =
        futures_util::stream::iter(pieces.collect::<Vec<_>>()).then(move |piece| async move {
            tokio::time::sleep(wait).await;
            Ok::<_, std::io::Error>(piece)
        });
    ([(CONTENT_TYPE, "application/json")], Body::from_stream(drops)).into_response()
}

/// As servers fail: with an integer where OpenAI has a word.
fn failed(status: StatusCode) -> Response {
    let body = json!({ "error": { "message": "no", "code": status.as_u16() } });
    (status, Sent(body)).into_response()
}

fn whole(text: &str) -> Response {
    Sent(completion(text)).into_response()
}

/// A script reads no tokens and writes none: there is nobody to pay.
fn completion(text: &str) -> Json {
    json!({
        "id": "scripted", "object": "chat.completion", "created": 0, "model": "scripted",
        "choices": [{ "index": 0, "finish_reason": "stop",
                      "message": { "role": "assistant", "content": text } }],
        "usage": { "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 },
    })
}
