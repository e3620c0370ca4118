//! A frontend that hangs up before it is known who asks.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use futures_util::FutureExt as _;
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::chat::thread::Threads;
use crate::chat::{Chat, agui, openai};

/// A chat that nobody listens for.
fn chat(executor: &Arc<FakeExecutor>) -> Arc<Chat> {
    let folder = tempfile::tempdir().unwrap();
    let Opened { config, frontends, room, .. } = opened(folder.path(), false);
    let others = (Memory::default(), Knowledge::default());
    let engine = Engine::new(executor.clone(), Arc::new(Offline), Limits::default(), others);
    Arc::new(Chat {
        engine: Arc::new(engine),
        frontends,
        threads: Threads::new(Memory::default()),
        model: config.model,
        room: Arc::new(Semaphore::new(room)),
        turns: TaskTracker::new(),
    })
}

fn headers() -> HeaderMap {
    let key = format!("Bearer {KEY}");
    let sent = [("authorization", &*key), ("x-subject-token", "e30.e30.x"), ("x-chat", "c1")];
    sent.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[tokio::test]
async fn a_frontend_that_hangs_up_before_it_is_known_who_asks_stops_no_turn() {
    let words = json!([{ "id": "u1", "role": "user", "content": "cancel order #1001" }]);
    for face in ["completions", "agui"] {
        let (executor, known) = (FakeExecutor::new(SHOP), Arc::new(Notify::new()));
        executor.shop.lock().list_after = Some(Arc::clone(&known));
        let chat = chat(&executor);
        let (state, sent) = (State(Arc::clone(&chat)), headers());
        let left = if face == "agui" {
            let body = json!({ "threadId": "c1", "runId": "r1", "messages": words });
            agui::run(state, sent, Body::from(body.to_string())).now_or_never()
        } else {
            let body = json!({ "model": "countersign", "messages": words });
            openai::completions(state, sent, Body::from(body.to_string())).now_or_never()
        };
        assert!(left.is_none(), "{face}");
        known.notify_one();
        chat.turns.close();
        chat.turns.wait().await;
        assert_eq!(executor.proposed().len(), 1, "{face}");
    }
}
