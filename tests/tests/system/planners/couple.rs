//! The two, and a client that repeats a request until it is answered.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_proto::v1::Card;
use countersign_shared::kept::holds_receipts;
use reqwest::Client;
use serde_json::{Value, json};

use crate::chat::{SIGNING, cancels, chat_config};
use crate::support::cluster::{Cluster, USER};
use crate::support::pair::{Pair, planner_config, readiness};
use crate::support::service::{Launch, Service};

/// Of each.
const NAMES: [&str; 2] = ["planner-0", "planner-1"];

/// Two planners before one executor.
pub struct Couple {
    planners: [Option<Service>; 2],
    pub pair: Pair,
    http: Client,
    /// What the customer said so far, as a client repeats it.
    pub said: Vec<Value>,
    messages: usize,
    // Stops after those who use it.
    pub cluster: Cluster,
}

pub fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

fn started(name: &str, dir: &Path) -> Service {
    Launch::shipped("planner").start(name, dir, "info").unwrap()
}

impl Couple {
    pub async fn start(model: &str) -> Self {
        let (pair, cluster) = (Pair::executor_only().await, Cluster::start(&[]));
        let config = planner_config(pair.executor_address(), model) + &chat_config(&pair);
        for name in NAMES {
            let own = config.replace("\nstate: planner-state", &format!("\nstate: {name}-state"));
            let store = format!(
                "store: {{ postgres: {{ host: {}, database: postgres, user: {USER}, tls: off, lease: 6s }} }}\n",
                cluster.host().display()
            );
            fs::write(pair.path(&format!("{name}.yaml")), own + &store).unwrap();
        }
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        let planners = NAMES.map(|name| Some(started(name, pair.dir.path())));
        Self { planners, pair, http, said: vec![], messages: 0, cluster }
    }

    /// Another process on the folder of one that was killed.
    pub fn start_again(&mut self, which: usize) {
        self.planners[which] = Some(started(NAMES[which], self.pair.dir.path()));
    }

    /// The next message, with a yes to a card.
    pub fn body(&mut self, text: &str, card: Option<&Value>) -> Value {
        self.said.push(json!({ "role": "user", "content": text }));
        self.messages += 1;
        let (who, id) = (self.pair.customer(1), format!("m{}", self.messages));
        let attested = self.pair.frontend.message(&who, "c1", &id, text);
        let yes = card.map(|card| {
            let part = |name: &str| card[name].as_str().unwrap().to_owned();
            let card = Card {
                proposal_id: part("proposal_id"),
                text: part("text"),
                commitment: part("commitment"),
                expires_at: None,
            };
            self.pair.frontend.yes(&who, "c1", &card)
        });
        json!({ "model": "countersign", "messages": self.said, "countersign": {
            "message_id": id, "attestation": attested.attestation,
            "confirmation": yes.unwrap_or_default() } })
    }

    /// Two windows of one conversation: each says its own at once, at a planner of its own. What
    /// was sent, and what was answered.
    pub async fn each_says(
        &mut self,
        windows: &mut [Vec<Value>; 2],
        texts: [&str; 2],
        cards: [Option<&Value>; 2],
    ) -> [(Value, Value); 2] {
        let [one, other] = [0, 1].map(|which| {
            std::mem::swap(&mut self.said, &mut windows[which]);
            let body = self.body(texts[which], cards[which]);
            std::mem::swap(&mut self.said, &mut windows[which]);
            body
        });
        let (first, second) = tokio::join!(self.post(0, &one), self.post(1, &other));
        [(one, first.unwrap()), (other, second.unwrap())]
    }

    /// What one of them answers.
    pub async fn post(&self, which: usize, body: &Value) -> Option<Value> {
        self.posted(which, "c1", body).await
    }

    async fn posted(&self, which: usize, conversation: &str, body: &Value) -> Option<Value> {
        let at = &self.planners[which].as_ref().unwrap().chat;
        let request = self
            .http
            .post(format!("http://{at}/v1/chat/completions"))
            .bearer_auth(SIGNING)
            .header("X-OpenWebUI-Chat-Id", conversation)
            .header("X-Subject-Token", self.pair.customer(1).token)
            .json(body);
        let answer = request.send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// Waits until `/readyz` of both is so; answers with what they say.
    pub async fn readiness(&self, ready: bool) -> Vec<String> {
        let began = Instant::now();
        loop {
            let asked = self.planners.iter().flatten().map(|one| readiness(&one.admin).unwrap());
            let asked: Vec<(bool, String)> = asked.collect();
            if asked.iter().all(|(is, _)| *is == ready) {
                return asked.into_iter().map(|(_, page)| page).collect();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{asked:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks one of them and kills it meanwhile; answers with what the other one says to the same.
    pub async fn killed(&mut self, which: usize, body: &Value, after: u64) -> Value {
        let asked = {
            let asking = self.post(which, body);
            let pause = tokio::time::sleep(Duration::from_millis(after));
            tokio::select! { answer = asking => answer, () = pause => None }
        };
        self.planners[which] = None;
        let other = self.post(1 - which, body).await.expect("the other one answers");
        if let Some(asked) = asked {
            assert_eq!(text(&other), text(&asked), "what was heard is heard again");
        }
        other
    }

    /// A turn of a conversation of its own that only a model could make sense of.
    pub async fn asks_oddly(&self, which: usize, turn: usize) -> Value {
        let said = format!("the thing from before, you know which, number {turn}, sort it out");
        let body =
            json!({ "model": "countersign", "messages": [{ "role": "user", "content": said }] });
        self.posted(which, &format!("odd-{turn}"), &body).await.expect("an answer")
    }

    /// The receipts in the folder of one of them, as `recover` takes them.
    pub fn kept_receipts(&self, which: usize) -> String {
        let folder = self.pair.path(&format!("{}-state", NAMES[which]));
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let named = |file: &PathBuf| file.file_name().unwrap().to_string_lossy().into_owned();
        let receipts = files.filter(|file| holds_receipts(&named(file)));
        receipts.map(|file| fs::read_to_string(file).unwrap()).collect()
    }

    pub fn cancels(&self) -> usize {
        cancels(&self.pair)
    }
}
