//! The planner is killed while it works on a turn, wherever that happens to be, and another
//! goes on: the client asks again what it asked before, and nothing is done twice.

use std::time::Duration;

use countersign_proto::v1::Card;
use reqwest::Client;
use serde_json::{Value, json};

use super::super::support::pair::Pair;
use super::{SIGNING, cancels, serve_chat, with_chat};

/// When it is killed, after a request was sent.
const AFTER: [u64; 8] = [0, 5, 15, 30, 60, 120, 250, 600];

/// A client that repeats a request until it is answered.
struct Stubborn {
    http: Client,
    said: Vec<Value>,
}

impl Stubborn {
    fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap();
        Self { http, said: vec![] }
    }

    /// The next message, with a yes to a card.
    fn body(&mut self, pair: &Pair, text: &str, card: Option<&Value>) -> Value {
        self.said.push(json!({ "role": "user", "content": text }));
        let (who, id) = (pair.customer(1), format!("m{}", self.said.len()));
        let attested = pair.frontend.message(&who, "c1", &id, text);
        let yes = card.map(|card| {
            let part = |name: &str| card[name].as_str().unwrap().to_owned();
            let card = Card {
                proposal_id: part("proposal_id"),
                text: part("text"),
                commitment: part("commitment"),
                expires_at: None,
            };
            pair.frontend.yes(&who, "c1", &card)
        });
        json!({ "model": "countersign", "messages": self.said, "countersign": {
            "message_id": id, "attestation": attested.attestation,
            "confirmation": yes.unwrap_or_default() } })
    }

    async fn post(&self, pair: &Pair, body: &Value) -> Option<Value> {
        let request = self
            .http
            .post(format!("{}/v1/chat/completions", pair.chat()))
            .bearer_auth(SIGNING)
            .header("X-OpenWebUI-Chat-Id", "c1")
            .header("X-Subject-Token", pair.customer(1).token)
            .json(body);
        let answer = request.send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// Asks while the planner is killed, and again after; answers with what it hears then.
    async fn insists(&self, pair: &mut Pair, body: &Value, after: u64) -> Value {
        let asked = {
            let asking = self.post(pair, body);
            let pause = tokio::time::sleep(Duration::from_millis(after));
            tokio::select! { answer = asking => answer, () = pause => None }
        };
        pair.kill_planner();
        serve_chat(pair);
        let again = self.post(pair, body).await.expect("the next planner answers");
        if let Some(asked) = asked {
            assert_eq!(text(&again), text(&asked), "what was heard is heard again");
        }
        again
    }
}

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn planner_killed_at_any_point_goes_on_and_repeats_nothing() {
    let mut killed_in_flight = 0;
    for after in AFTER {
        let mut pair = with_chat().await;
        let mut client = Stubborn::new();
        let wish = client.body(&pair, "please cancel my order #1001", None);
        let asked = client.insists(&mut pair, &wish, after).await;
        let card = asked["countersign"]["card"].clone();
        assert!(card["text"].as_str().unwrap().contains("#1001"), "{asked}");
        assert_eq!(cancels(&pair), 0);

        let yes = client.body(&pair, "yes", Some(&card));
        let done = client.insists(&mut pair, &yes, after).await;
        let action = &done["countersign"]["actions"][0];
        let told = action["outcome"] == "applied" || action["code"] == "ALREADY_DONE";
        if !told {
            // It was still under way: the next message hears how it ended.
            killed_in_flight += 1;
            let ask = client.body(&pair, "is it done?", None);
            let heard = client.post(&pair, &ask).await.unwrap();
            assert_eq!(heard["countersign"]["actions"][0]["outcome"], "applied", "{heard}");
        }
        let again = client.post(&pair, &yes).await.unwrap();
        assert_eq!(text(&again), text(&done));
        assert_eq!(cancels(&pair), 1, "killed after {after} ms: {:?}", pair.effects());
    }
    println!(
        "killed {} times, {killed_in_flight} times with the action under way",
        AFTER.len() * 2
    );
}
