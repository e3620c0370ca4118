//! The planner is killed while it works on a turn, wherever that happens to be, and another
//! goes on: the client asks again what it asked before, and nothing is done twice.

use std::time::Duration;

use countersign_proto::v1::Card;
use countersign_tests::sandbox::{Fault, FaultSpec};
use reqwest::Client;
use serde_json::{Value, json};

use super::super::support::pair::Pair;
use super::{SIGNING, cancels, serve_chat, with_chat};

/// When it is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// So many milliseconds after a request was sent.
    After(u64),
    /// Once the shop has been asked; a wish without a yes asks it of nothing.
    AtTheShop,
}

use When::{After, AtTheShop};

const KILLS: [When; 9] = [
    After(0),
    After(5),
    After(15),
    After(30),
    After(60),
    After(120),
    After(250),
    After(600),
    AtTheShop,
];
/// How late the shop answers, in milliseconds: an action takes long enough to be met.
const LATE: u64 = 400;

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

    /// Asks while the planner is killed, and again after; answers with what it hears then, and
    /// whether the shop had been asked and nobody been told.
    async fn insists(&self, pair: &mut Pair, body: &Value, when: When) -> (Value, bool) {
        let asked = {
            let asking = self.post(pair, body);
            tokio::select! { answer = asking => answer, () = comes(when, pair) => None }
        };
        pair.kill_planner();
        let in_flight = asked.is_none() && pair.mutations() > 0;
        serve_chat(pair);
        let again = self.post(pair, body).await.expect("the next planner answers");
        if let Some(asked) = asked {
            assert_eq!(text(&again), text(&asked), "what was heard is heard again");
        }
        (again, in_flight)
    }

    /// Asks how it ended until it has.
    async fn hears_the_end(&mut self, pair: &Pair) {
        for _ in 0..50 {
            let ask = self.body(pair, "is it done?", None);
            let heard = self.post(pair, &ask).await.unwrap();
            if heard["countersign"]["actions"][0]["outcome"] == "applied" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody tells how it ended");
    }
}

async fn comes(when: When, pair: &Pair) {
    match when {
        After(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        AtTheShop => {
            while pair.mutations() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

fn text(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn planner_killed_at_any_point_goes_on_and_repeats_nothing() {
    let mut killed_in_flight = 0;
    for when in KILLS {
        let mut pair = with_chat().await;
        let mut client = Stubborn::new();
        let wish = client.body(&pair, "please cancel my order #1001", None);
        let (asked, _) = client.insists(&mut pair, &wish, when).await;
        let card = asked["countersign"]["card"].clone();
        assert!(card["text"].as_str().unwrap().contains("#1001"), "{asked}");
        assert_eq!(cancels(&pair), 0);

        let yes = client.body(&pair, "yes", Some(&card));
        pair.sandbox.fault(FaultSpec { after_ms: LATE, ..Fault::Slow.into() });
        let (done, in_flight) = client.insists(&mut pair, &yes, when).await;
        killed_in_flight += u32::from(in_flight);
        let action = &done["countersign"]["actions"][0];
        let told = action["outcome"] == "applied" || action["code"] == "ALREADY_DONE";
        if !told {
            // It was still under way: a later message hears how it ended.
            client.hears_the_end(&pair).await;
        }
        let again = client.post(&pair, &yes).await.unwrap();
        assert_eq!(text(&again), text(&done));
        assert_eq!(cancels(&pair), 1, "killed {when:?}: {:?}", pair.effects());
    }
    println!(
        "killed {} times, {killed_in_flight} times with the action under way",
        KILLS.len() * 2
    );
    assert!(killed_in_flight > 0, "no kill met an action");
}
