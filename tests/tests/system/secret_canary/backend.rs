//! Backends that quote to whoever calls them what they were sent and what they know.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::canary::secret;
use crate::support::leaks::forms;

/// A way in which a connector presents its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bearer,
    Basic,
    Hmac,
    Oauth,
    /// Each subject has one of their own.
    Own,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Bearer, Self::Basic, Self::Hmac, Self::Oauth, Self::Own];

    /// Also the name of its pack.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Hmac => "hmac",
            Self::Oauth => "oauth",
            Self::Own => "own",
        }
    }

    /// Everything that only this backend and its connector may know.
    pub fn secrets(self) -> Vec<String> {
        let mut all = vec![secret(self.name())];
        if self == Self::Oauth {
            all.extend(["token1", "token2"].map(secret));
        }
        all
    }
}

/// What is done with a box of this name. Where it begins with `w`, only a write meets it.
pub const BOXES: [&str; 9] =
    ["fine", "echo", "odd", "scolds", "plain", "page", "denied", "broken", "busy"];

pub struct Backend {
    pub url: String,
    known: Known,
}

type Known = Arc<Mutex<World>>;

#[derive(Default)]
struct World {
    /// Each request's headers and body.
    arrived: String,
    tokens: usize,
    marks: HashMap<(String, String), Vec<Value>>,
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let known = Known::default();
        let router = Router::new()
            .route("/{kind}/oauth/token", post(token))
            .route("/{kind}/v1/boxes/{name}", get(answer).post(answer))
            .with_state(Arc::clone(&known));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, known }
    }

    /// The one rightful place beside the credential file.
    pub fn arrived(&self) -> String {
        self.known.lock().arrived.clone()
    }
}

/// The first token is refused by everybody, so that a second is asked for.
async fn token(State(known): State<Known>, headers: HeaderMap, body: String) -> Response {
    let mut known = known.lock();
    known.note(&headers, &body);
    known.tokens += 1;
    let token = secret(if known.tokens == 1 { "token1" } else { "token2" });
    json_response(StatusCode::OK, &json!({ "access_token": token, "expires_in": 3600 }).to_string())
}

async fn answer(
    State(known): State<Known>,
    Path((kind, name)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut known = known.lock();
    known.note(&headers, &body);
    let quote = quote(&kind, &headers);
    let refused = secret("token1");
    if headers.values().any(|value| value.as_bytes().ends_with(refused.as_bytes())) {
        return json_response(StatusCode::UNAUTHORIZED, &json!({ "error": quote }).to_string());
    }
    let manner = match (name.strip_prefix('w'), method == Method::POST) {
        (Some(manner), true) => manner,
        (Some(_), false) => "fine",
        (None, _) => name.as_str(),
    };
    let scold = json!({ "error": [{ "message": quote, "code": "QUOTED" }] });
    let status = |code| StatusCode::from_u16(code).unwrap();
    match manner {
        "scolds" => json_response(status(400), &scold.to_string()),
        "plain" => (status(400), quote).into_response(),
        "page" => (status(502), format!("<p>{quote}</p>")).into_response(),
        "denied" => json_response(status(401), &scold.to_string()),
        "broken" => json_response(status(500), &scold.to_string()),
        "busy" => (status(429), [("retry-after", "1")], quote).into_response(),
        _ => {
            let marks = known.marks.entry((kind, name.clone())).or_default();
            if let Ok(Value::Object(sent)) = serde_json::from_str(&body) {
                marks.push(json!({ "id": sent["mark"] }));
            }
            let note = if manner == "fine" { "all well" } else { &quote };
            let mut whole = json!({
                "owner": "gid://shopify/Customer/1", "note": note, "marks": marks,
            });
            whole["id"] = json!(1);
            let text = if manner == "odd" { odd(&whole) } else { whole.to_string() };
            json_response(status(200), &text)
        }
    }
}

impl World {
    fn note(&mut self, headers: &HeaderMap, body: &str) {
        for (name, value) in headers {
            writeln!(self.arrived, "{name}: {}", value.to_str().unwrap()).unwrap();
        }
        writeln!(self.arrived, "{body}").unwrap();
    }
}

/// The request's headers, and each secret in every form that can be text.
fn quote(kind: &str, headers: &HeaderMap) -> String {
    let kind = Kind::ALL.into_iter().find(|k| k.name() == kind).unwrap();
    let tokens = ["token1", "token2"].into_iter().filter(|token| {
        headers.values().any(|value| value.as_bytes().ends_with(secret(token).as_bytes()))
    });
    let said = [kind.name()].into_iter().chain(tokens).flat_map(|kind| {
        let secret = secret(kind);
        let forms = forms(secret.as_bytes()).into_iter();
        forms.map(|(form, bytes)| format!("{form}: {}\n", String::from_utf8(bytes).unwrap()))
    });
    // A span is new with each request: a state that quoted it would never be as it was shown.
    let lasting = headers.iter().filter(|(name, _)| *name != "traceparent");
    let sent = lasting.map(|(name, value)| format!("{name}: {value:?}\n"));
    sent.chain(said).collect()
}

/// JSON whose texts hold no mark that is not written as a number.
fn odd(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::new();
    let mut chars = text.chars();
    let mut inside = false;
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                inside = !inside;
                out.push(c);
            }
            '\\' => match chars.next().unwrap() {
                'n' => out.push_str("\\u000a"),
                mark => write!(out, "\\u{:04x}", u32::from(mark)).unwrap(),
            },
            c if inside && !c.is_ascii_lowercase() => {
                write!(out, "\\u{:04x}", u32::from(c)).unwrap()
            }
            c => out.push(c),
        }
    }
    out
}

fn json_response(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], text.to_owned()).into_response()
}
