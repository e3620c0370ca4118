//! The HTTP face against a hand-written executor, over real connections.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod hung_up;
mod rating;

use std::path::Path;
use std::sync::Arc;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value as Json, json};
use tokio_util::task::TaskTracker;

use super::{MAX_TURNS, Opened, serve};
use countersign_shared::codes::Code;
use countersign_shared::refusal::Refusal;

use crate::config::Config;
use crate::conversation::Limits;
use crate::conversation::fake::FakeExecutor;
use crate::conversation::turn::Engine;
use crate::executor::CallError;
use crate::knowledge::Knowledge;
use crate::memory::Memory;
use crate::memory::cluster::Cluster;
use crate::memory::conformance::joined;
use crate::metrics::Metrics;
use crate::model::offline::Offline;
use crate::reply;

const SHOP: &[(u32, &[(&str, i64)])] = &[(1001, &[("Mug", 1)]), (1002, &[("Cap", 2)])];
const KEY: &str = "a-key-that-is-long-enough-1";

/// As configured in this folder, where its certificate may be.
fn opened(folder: &Path, certified: bool) -> Opened {
    std::fs::write(folder.join("keys"), format!("{KEY}\n\nanother-key-that-is-long-enough\n"))
        .unwrap();
    let file = folder.join("planner.yaml");
    let yaml = "listen: a\nadmin: a\ntls: { cert: a, key: a, ca: a }\ncallers: []\n\
        executor: { address: a, id: \"spiffe://shop.example/executor\" }\n\
        chat:\n  listen: \"127.0.0.1:0\"\n  frontends:\n    - name: web\n      keys: keys\n\
        \x20     subject: { token: X-Subject-Token }\n      conversation: X-Chat\n      signs: true\n\
        \x20     origins: [\"https://chat.shop.example\"]\n";
    let tls = if certified { "  tls: { cert: web.crt, key: web.key }\n" } else { "" };
    std::fs::write(&file, format!("{yaml}{tls}")).unwrap();
    Opened::of(Config::load(&file).unwrap().chat.unwrap(), &Metrics::default()).unwrap()
}

struct Face {
    url: String,
    executor: Arc<FakeExecutor>,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Face {
    async fn open() -> Self {
        Self::over(FakeExecutor::new(SHOP), Memory::default()).await
    }

    /// Over this executor, with what other planners remembered.
    async fn over(executor: Arc<FakeExecutor>, memory: Memory) -> Self {
        Self::with(executor, memory, None, MAX_TURNS).await
    }

    /// The same with a certificate of its own, and room for so many turns.
    async fn with(
        executor: Arc<FakeExecutor>,
        memory: Memory,
        certified: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
        room: usize,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut http = reqwest::Client::builder().no_proxy();
        if let Some(rcgen::CertifiedKey { cert, signing_key }) = certified {
            std::fs::write(folder.path().join("web.crt"), cert.pem()).unwrap();
            std::fs::write(folder.path().join("web.key"), signing_key.serialize_pem()).unwrap();
            let trusted = reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap();
            http = http.tls_certs_only([trusted]);
        }
        let engine = Engine::new(
            executor.clone(),
            Arc::new(Offline),
            Limits::default(),
            (memory.clone(), Knowledge::default()),
        );
        let chat = Opened { room, ..opened(folder.path(), certified.is_some()) };
        let address =
            serve(chat, Arc::new(engine), TaskTracker::new(), memory, &Default::default())
                .await
                .unwrap();
        // The crate's client brings no provider of its own.
        let _set = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = http.build().unwrap();
        let scheme = if certified.is_some() { "https" } else { "http" };
        Self { url: format!("{scheme}://{address}"), executor, http, _folder: folder }
    }

    fn ask(&self, said: &[&str], more: &Json) -> RequestBuilder {
        let messages: Vec<Json> =
            said.iter().map(|text| json!({ "role": "user", "content": text })).collect();
        let mut body = json!({ "model": "countersign", "messages": messages });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.http
            .post(format!("{}/v1/chat/completions", self.url))
            .bearer_auth(KEY)
            .header("X-Subject-Token", "e30.e30.x")
            .header("X-Chat", "c1")
            .body(body.to_string())
    }

    async fn say(&self, said: &[&str]) -> String {
        let body = self.ask(said, &json!({})).send().await.unwrap().json::<Json>().await.unwrap();
        body["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("{body}")).into()
    }
}

fn error(body: &Json) -> (&str, &str) {
    let member = |name: &str| body["error"][name].as_str().unwrap_or_default();
    (member("code"), member("param"))
}

#[tokio::test]
async fn a_completion_is_what_a_client_expects() {
    let face = Face::open().await;
    face.executor.shop.lock().no_confirmation = true;
    let body: Json =
        face.ask(&["cancel order #1001"], &json!({})).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&body["object"], &body["model"]),
        (&json!("chat.completion"), &json!("countersign"))
    );
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["choices"][0]["message"]["role"], "assistant");
    assert_eq!(body["usage"]["total_tokens"], 0);
    let actions = &body["countersign"]["actions"];
    assert_eq!(actions[0]["outcome"], "applied", "{body}");
    let models = face.http.get(format!("{}/v1/models", face.url)).bearer_auth(KEY);
    let models: Json = models.send().await.unwrap().json().await.unwrap();
    assert_eq!(models["data"][0]["id"], "countersign");
}

#[tokio::test]
async fn asked_again_it_is_heard_again_and_done_once() {
    let face = Face::open().await;
    face.executor.shop.lock().no_confirmation = true;
    let first = face.say(&["cancel order #1001"]).await;
    let asked = [face.say(&["cancel order #1001"]), face.say(&["cancel order #1001"])];
    for again in futures_util::future::join_all(asked).await {
        assert_eq!(again, first);
    }
    assert_eq!(face.executor.shop.lock().executed.len(), 1);
}

#[tokio::test]
async fn the_executor_is_asked_once_a_request_who_it_is() {
    let face = Face::open().await;
    face.say(&["where is order #1001?"]).await;
    assert_eq!(face.executor.shop.lock().listed, 1);
}

#[tokio::test]
async fn a_reader_that_hangs_up_stops_nothing() {
    let face = Face::open().await;
    face.executor.shop.lock().no_confirmation = true;
    let response = face.ask(&["cancel order #1001"], &json!({ "stream": true })).send().await;
    drop(response);
    let said = face.say(&["cancel order #1001"]).await;
    assert!(!said.is_empty());
    assert_eq!(face.executor.shop.lock().executed.len(), 1);
}

#[tokio::test]
async fn nothing_is_told_to_who_merely_claims_to_be_the_subject() {
    let face = Face::open().await;
    let said = face.say(&["where is order #1001?"]).await;
    let refusal = Refusal::new(Code::SubjectUnverified, "the signature is wrong");
    // The same claims in a token that does not verify: no word of what was said.
    let stranger = async |error: CallError| {
        face.executor.shop.lock().list_script = [error].into();
        let answer = face.ask(&["where is order #1001?"], &json!({})).send().await.unwrap();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        assert!(!body.contains(&said), "{body}");
        status
    };
    assert_eq!(stranger(CallError::Refused(Box::new(refusal))).await, StatusCode::UNAUTHORIZED);
    let away = CallError::Unreachable("gone".to_owned());
    assert_eq!(stranger(away).await, StatusCode::SERVICE_UNAVAILABLE);
    // And the subject is answered as before.
    assert_eq!(face.say(&["where is order #1001?"]).await, said);
}

#[tokio::test]
async fn what_could_not_be_asked_is_asked_again() {
    let face = Face::open().await;
    face.executor.shop.lock().propose_script = [CallError::Unreachable("gone".to_owned())].into();
    let away = face.say(&["cancel order #1001"]).await;
    assert_eq!(away, reply::UNREACHABLE);
    let card = face.say(&["cancel order #1001"]).await;
    assert!(card.contains("1001") && card != away, "{card}");
}

#[tokio::test]
async fn a_yes_beside_the_same_messages_is_heard() {
    let face = Face::open().await;
    let words = &["cancel order #1001"];
    face.say(words).await;
    let yes = json!({ "countersign": { "confirmation": "e30.eyJwcm9wb3NhbCI6InBycF8xIn0.x" } });
    let body: Json = face.ask(words, &yes).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["countersign"]["actions"][0]["outcome"], "applied", "{body}");
    assert_eq!(face.executor.shop.lock().executed.len(), 1);
}

#[tokio::test]
async fn an_edited_message_acts_not_by_itself() {
    let face = Face::open().await;
    face.executor.shop.lock().no_confirmation = true;
    face.say(&["hello"]).await;
    face.say(&["hello", "where is order #1001?"]).await;
    assert_eq!(face.say(&["hello", "cancel order #1001"]).await, reply::SAY_IT_ANEW);
    assert!(face.executor.shop.lock().executed.is_empty());
    // Written as a new message, on that branch, it is done.
    face.say(&["hello", "cancel order #1001", "cancel order #1001"]).await;
    assert_eq!(face.executor.shop.lock().executed.len(), 1);
}

#[tokio::test]
async fn the_next_planner_goes_on_where_the_last_one_was_killed() {
    let (executor, kept) = (FakeExecutor::new(SHOP), tempfile::tempdir().unwrap());
    "k1".clone_into(&mut executor.shop.lock().kept_under);
    let first = Face::over(Arc::clone(&executor), Memory::open(kept.path()).unwrap()).await;
    let asked = first.say(&["cancel my order"]).await;
    let card = first.say(&["cancel my order", "#1001"]).await;
    assert!(card.contains("1001"), "{card}");
    let next = Face::over(Arc::clone(&executor), Memory::open(kept.path()).unwrap()).await;
    // What was said is said again, and what waits is still known: a yes in words is none.
    assert_eq!(next.say(&["cancel my order"]).await, asked);
    let proposed = executor.proposed().len();
    let words = next.say(&["cancel my order", "#1001", "yes"]).await;
    assert!(words.starts_with(reply::CONFIRM_ON_CARD), "{words}");
    assert_eq!(executor.proposed().len(), proposed);
}

/// It tells an edit of what was done from a new message, also after a kill.
#[tokio::test]
async fn that_a_turn_is_begun_is_kept_before_the_executor_is_told_to_do_anything() {
    let (executor, kept) = (FakeExecutor::new(SHOP), tempfile::tempdir().unwrap());
    executor.shop.lock().no_confirmation = true;
    let face = Face::over(Arc::clone(&executor), Memory::open(kept.path()).unwrap()).await;
    let file = rusqlite::Connection::open(kept.path().join("conversations.db")).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    executor.shop.lock().on_told = Some(Box::new(move || {
        let turns = file.query_row("SELECT count(*) FROM turns", [], |row| row.get::<_, i64>(0));
        tell.send(turns.unwrap()).unwrap();
    }));
    // To begin a conversation its memory is read, which keeps what was begun; to go on with it,
    // nothing is.
    face.say(&["where is order #1001?"]).await;
    assert_eq!(told.try_iter().count(), 0);
    face.say(&["where is order #1001?", "cancel order #1001"]).await;
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [2, 2], "the dry run, and the act");
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_on_one_database_take_each_turn_once_and_go_on_with_it() {
    let (executor, cluster) = (FakeExecutor::new(SHOP), Cluster::start(&[]));
    "k1".clone_into(&mut executor.shop.lock().kept_under);
    executor.shop.lock().no_confirmation = true;
    let memories = [joined(&cluster).await.unwrap(), joined(&cluster).await.unwrap()];
    let one = Face::over(Arc::clone(&executor), memories[0].clone()).await;
    let other = Face::over(Arc::clone(&executor), memories[1].clone()).await;
    let words = ["cancel order #1001"];
    let (first, same) = tokio::join!(one.say(&words), other.say(&words));
    assert_eq!(first, same);
    assert_eq!(executor.shop.lock().executed.len(), 1);
    // What was spoken of at one is known at the other, and so is an edit.
    let words = ["cancel order #1001", "where is order #1002?", "then cancel it please"];
    other.say(&words[..2]).await;
    one.say(&words).await;
    assert_eq!(executor.shop.lock().executed.len(), 2);
    assert_eq!(other.say(&[words[0], "cancel order #1002"]).await, reply::SAY_IT_ANEW);
    assert_eq!(other.say(&words[..1]).await, first);
    // Erased at one, it is at hand at none.
    memories[0].forget_all_of(["k1".to_owned()].into()).await;
    other.say(&["then cancel it please"]).await;
    assert_eq!(executor.shop.lock().executed.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_messages_at_two_planners_at_once_one_is_an_edit_of_the_other() {
    let (executor, cluster) = (FakeExecutor::new(SHOP), Cluster::start(&[]));
    "k1".clone_into(&mut executor.shop.lock().kept_under);
    executor.shop.lock().no_confirmation = true;
    let one = Face::over(Arc::clone(&executor), joined(&cluster).await.unwrap()).await;
    let other = Face::over(Arc::clone(&executor), joined(&cluster).await.unwrap()).await;
    let hellos: Vec<String> = (0..9).map(|n| format!("hello {n}")).collect();
    for round in 1..=hellos.len() {
        let before: Vec<&str> = hellos.iter().take(round).map(String::as_str).collect();
        one.say(&before).await;
        let cancels = ["cancel order #1001", "cancel order #1002"];
        let [first, second] = cancels.map(|cancel| [&before[..], &[cancel]].concat());
        let (first, second) = tokio::join!(one.say(&first), other.say(&second));
        let edits = [&first, &second].iter().filter(|said| ***said == reply::SAY_IT_ANEW).count();
        assert_eq!(edits, 1, "round {round}: {first} / {second}");
        assert_eq!(executor.shop.lock().executed.len(), round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_does_not_end_is_told_so_and_asked_again_later() {
    let (executor, cluster) = (FakeExecutor::new(SHOP), Cluster::start(&[]));
    executor.shop.lock().no_confirmation = true;
    let memories = [joined(&cluster).await.unwrap(), joined(&cluster).await.unwrap()];
    let impatient = memories[1].clone().impatient();
    let face = Face::over(Arc::clone(&executor), impatient).await;
    // The other planner has the conversation, by whichever way a message came to it.
    let own = crate::subject::key("e30.e30.x");
    let (held, _) = memories[0].take(&format!("c1\n\n{own}")).await.unwrap();
    let words = ["cancel order #1001"];
    assert_eq!(face.say(&words).await, reply::STILL_AT_IT);
    held.keep(&Default::default(), "{}".to_owned()).await;
    // It has this very turn.
    let had = "UPDATE turns SET turn = 1000, holder = (SELECT min(generation) FROM planners)";
    cluster.sql(had);
    assert_eq!(face.say(&words).await, reply::STILL_AT_IT);
    let stream = face.ask(&words, &json!({ "stream": true })).send().await.unwrap();
    let streamed = stream.text().await.unwrap();
    let told = reply::STILL_AT_IT.split_inclusive(". ").all(|part| streamed.contains(part));
    assert!(told && streamed.contains("[DONE]"), "{streamed}");
    assert!(executor.proposed().is_empty());
    // Once that has ended, the same is asked again and done.
    cluster.sql("UPDATE turns SET holder = NULL");
    assert_ne!(face.say(&words).await, reply::STILL_AT_IT);
    assert_eq!(executor.shop.lock().executed.len(), 1);
}

/// Whoever hears at another planner how a turn ended goes on with the conversation.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_has_not_ended_before_its_conversation_is_kept() {
    let (executor, cluster) = (FakeExecutor::new(SHOP), Cluster::start(&[]));
    let face = Face::over(executor, joined(&cluster).await.unwrap()).await;
    // The conversation is slow to be kept, and it is noted whether it was at a turn's end.
    cluster.sql(
        "CREATE TABLE at_the_end (held BIGINT NOT NULL);
         CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END';
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO at_the_end SELECT count(holder) FROM conversations; RETURN NEW; END';
         CREATE TRIGGER slowly BEFORE UPDATE ON conversations
         FOR EACH ROW WHEN (NEW.holder IS NULL) EXECUTE FUNCTION slowly();
         CREATE TRIGGER note BEFORE UPDATE ON turns
         FOR EACH ROW WHEN (NEW.ended) EXECUTE FUNCTION note()",
    );
    face.say(&["cancel order #1001"]).await;
    assert_eq!(cluster.sql("SELECT held FROM at_the_end"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_shared_planner_takes_no_turn() {
    let (executor, cluster) = (FakeExecutor::new(SHOP), Cluster::start(&[]));
    executor.shop.lock().no_confirmation = true;
    let face = Face::over(Arc::clone(&executor), joined(&cluster).await.unwrap()).await;
    drop(cluster);
    let answer = face.ask(&["cancel order #1001"], &json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(executor.shop.lock().executed.is_empty());
}

#[tokio::test]
async fn a_frontends_own_requests_reach_no_engine() {
    let face = Face::open().await;
    face.executor.shop.lock().no_confirmation = true;
    let reply = face.say(&["where is order #1001?"]).await;
    let asks = face.executor.shop.lock().proposed.len();
    let title = format!(
        "### Task:\nGenerate a title. JSON: {{ \"title\": \"…\" }}\n<chat_history>\nUSER: cancel order #1001\nASSISTANT: {reply}\n</chat_history>"
    );
    assert_eq!(face.say(&[&title]).await, r#"{"title":"cancel order #1001"}"#);
    let other = format!("In five words: cancel order #1001\n{reply}");
    assert_eq!(face.say(&[&other]).await, "Support");
    let shop = face.executor.shop.lock();
    assert!(shop.executed.is_empty() && shop.proposed.len() == asks);
}

#[tokio::test]
async fn a_stream_is_chunks_that_make_the_same_text() {
    let face = Face::open().await;
    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let response = face.ask(&["cancel order #1001"], &options).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.last(), Some(&"[DONE]"));
    let chunks: Vec<Json> =
        data.iter().filter_map(|data| serde_json::from_str(data).ok()).collect();
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, face.say(&["cancel order #1001"]).await);
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let stop = chunks.iter().find(|chunk| chunk["choices"][0]["finish_reason"] == "stop").unwrap();
    assert!(stop["countersign"]["actions"].is_array(), "{stop}");
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], 0);
}

#[tokio::test]
async fn what_is_refused_is_refused_in_openais_words() {
    let face = Face::open().await;
    let code = async |request: RequestBuilder| -> (u16, String, String) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: Json = response.json().await.unwrap();
        let (code, param) = error(&body);
        (status, code.to_owned(), param.to_owned())
    };
    let hi = || face.ask(&["hi"], &json!({}));
    let is = |status, code: &str, param: &str| (status, code.to_owned(), param.to_owned());
    let url = format!("{}/v1/chat/completions", face.url);
    assert_eq!(code(face.http.post(&url).body("{}")).await, is(401, "invalid_api_key", ""));
    let post = || face.http.post(&url).bearer_auth(KEY);
    assert_eq!(code(post().body("{")).await, is(400, "invalid_value", ""));
    let big = "x".repeat(super::body::LARGEST + 1);
    assert_eq!(code(post().body(big)).await, is(413, "invalid_body", ""));
    let other = json!({ "model": "gpt-5" });
    assert_eq!(code(face.ask(&["hi"], &other)).await, is(404, "model_not_found", "model"));
    let nowhere = face.http.get(format!("{}/v1/embeddings", face.url)).bearer_auth(KEY);
    assert_eq!(code(nowhere).await, is(404, "unknown_url", ""));
    let unnamed =
        post().body(r#"{"model":"countersign","messages":[{"role":"user","content":"hi"}]}"#);
    assert_eq!(code(unnamed).await, is(400, "invalid_value", "X-Subject-Token"));
    // Another token helps with the first; the second is nobody's fault, and passes.
    for (refused, wanted) in [
        (Code::SubjectUnverified, is(401, "subject_refused", "")),
        (Code::StoreUnavailable, is(503, "executor_refused", "")),
        (Code::HistoryDistrusted, is(503, "executor_refused", "")),
    ] {
        let error = CallError::Refused(Box::new(Refusal::new(refused, "no")));
        face.executor.shop.lock().list_script.push_back(error);
        assert_eq!(code(hi()).await, wanted);
    }
    // A customer may ask so often in a minute; then the answer says when again.
    let mut last = None::<Response>;
    for _ in 0..=30 {
        last = Some(hi().send().await.unwrap());
    }
    let last = last.unwrap();
    assert_eq!(last.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = last.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
}

#[tokio::test]
async fn pages_of_other_origins_may_read_nothing() {
    let face = Face::open().await;
    let allowed = async |origin: &str, preflight: bool| -> bool {
        let url = format!("{}/v1/chat/completions", face.url);
        let request = if preflight {
            face.http
                .request(reqwest::Method::OPTIONS, url)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "authorization")
        } else {
            face.http.post(url).bearer_auth(KEY).body("{}")
        };
        let response = request.header("origin", origin).send().await.unwrap();
        response.headers().get("access-control-allow-origin").is_some_and(|is| is == origin)
    };
    for preflight in [true, false] {
        assert!(allowed("https://chat.shop.example", preflight).await);
        assert!(!allowed("https://evil.example", preflight).await);
        assert!(!allowed("null", preflight).await);
    }
}

#[tokio::test]
async fn with_a_certificate_it_is_served_over_tls_and_in_no_other_way() {
    let certified = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let face =
        Face::with(FakeExecutor::new(SHOP), Memory::default(), Some(&certified), MAX_TURNS).await;
    assert!(face.say(&["where is order #1001?"]).await.contains("#1001"));
    let models = |client: reqwest::Client, url: &str| {
        client.get(format!("{url}/v1/models")).bearer_auth(KEY).send()
    };
    let answer = models(face.http.clone(), &face.url).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, http::Version::HTTP_2));
    // Whoever does not know the certificate, and whoever speaks without TLS, hears nothing.
    let another = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let another = reqwest::Certificate::from_pem(another.cert.pem().as_bytes()).unwrap();
    let stranger = reqwest::Client::builder().no_proxy().tls_certs_only([another]);
    assert!(models(stranger.build().unwrap(), &face.url).await.is_err());
    let plain = face.url.replace("https://", "http://");
    assert!(models(face.http.clone(), &plain).await.is_err());
}

#[tokio::test]
async fn a_full_house_says_when_to_come_back_and_begins_nothing() {
    let face = Face::with(FakeExecutor::new(SHOP), Memory::default(), None, 0).await;
    face.executor.shop.lock().no_confirmation = true;
    let answer = face.ask(&["cancel order #1001"], &json!({})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    let body: Json = answer.json().await.unwrap();
    assert_eq!(error(&body).0, "overloaded", "{body}");
    assert!(face.executor.proposed().is_empty());
}
