//! Which model is asked, and what happens where none answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::post;
use parking_lot::Mutex;

use super::*;
use crate::budget::{Cap, Caps, Purse};
use crate::config::{KnowledgeConfig, SearchConfig};
use crate::conversation::fake::{FakeExecutor, Talk, tools};
use crate::knowledge::{Knowledge, Passages};
use crate::memory::Memory;
use crate::model::{Call, Objection, PATIENCE};
use crate::tools::Toolbox;

/// A model with scripted answers: how sure, or a failure.
struct Scripted {
    name: &'static str,
    answers: Mutex<VecDeque<Option<f64>>>,
}

#[async_trait]
impl Model for Scripted {
    async fn decide(&self, _view: &View<'_>) -> Result<Decided, Unusable> {
        let usage = ModelUse {
            model: self.name.to_owned(),
            input_tokens: 100,
            output_tokens: 10,
            ..ModelUse::default()
        };
        let answer = self.answers.lock().pop_front();
        match answer.unwrap_or_else(|| panic!("{} is not to be asked", self.name)) {
            Some(score) => {
                let call = Call { tool: "shopify.cancel_order".to_owned(), ..Call::default() };
                let decision =
                    Decision { want: Want::Tool(call), score, doubt: String::new(), tokens: None };
                let call = ModelCall { model: self.name.to_owned(), ..ModelCall::default() };
                Ok(Decided { decision, usage, calls: vec![call] })
            }
            None => Err(Unusable {
                reason: "503".to_owned(),
                usage: Box::default(),
                calls: Vec::new(),
                failure: Failure::Unknown,
            }),
        }
    }

    fn name(&self) -> &str {
        self.name
    }
}

fn price(input: &str, output: &str) -> Price {
    let json = serde_json::json!({ "input": input, "output": output, "currency": "USD" });
    serde_json::from_value(json).unwrap()
}

fn tier(name: &'static str, answers: &[Option<f64>]) -> Tier {
    let answers = Mutex::new(answers.iter().copied().collect());
    let model = Arc::new(Scripted { name, answers });
    Tier { model, price: Some(price("1", "2")), longest: 1_200 }
}

fn routed(cheap: &[Option<f64>], strong: Option<&[Option<f64>]>, cap: Cap) -> Routed {
    let caps = Caps { conversation: cap, ..Caps::default() };
    let strong = strong.map(|answers| tier("strong", answers));
    Routed::new(tier("cheap", cheap), strong, Budgets::new(caps, Memory::default()))
}

async fn asked(model: &Routed, text: &str, objections: &[Objection]) -> Result<Decided, Unusable> {
    asked_with(model, text, objections, &Passages::default()).await
}

async fn asked_with(
    model: &Routed,
    text: &str,
    objections: &[Objection],
    passages: &Passages,
) -> Result<Decided, Unusable> {
    let toolbox =
        Toolbox::from_listed(&tools(include_str!("../../../testdata/shopify_tools.json")));
    let purse = Purse { conversation: "c".to_owned(), tenant: "shop".to_owned() };
    let view = View {
        text,
        earlier: &[],
        standing: &serde_json::Value::Null,
        toolbox: &toolbox,
        observations: &[],
        objections,
        passages,
        purse,
        until: tokio::time::Instant::now() + PATIENCE,
    };
    model.decide(&view).await
}

const PLAIN: &str = "please cancel my order #1001";
const MURKY: &str = "hmm that thing from last week, you know, it should not come any more";

#[tokio::test]
async fn routing_asks_no_model_for_what_is_plain() {
    let decided = asked(&routed(&[], None, Cap::default()), PLAIN, &[]).await.unwrap();
    assert_eq!(decided.usage.model, offline::NAME);
}

#[tokio::test]
async fn routing_asks_the_strong_model_only_where_it_is_called_for() {
    let which = async |cheap: &[Option<f64>], strong: &[Option<f64>]| {
        let model = routed(cheap, Some(strong), Cap::default());
        let used = asked(&model, MURKY, &[]).await.unwrap().usage;
        (used.model, used.fallback)
    };
    let is = |model: &str, why: &str| (model.to_owned(), why.to_owned());
    assert_eq!(which(&[Some(0.95)], &[]).await, is("cheap", ""));
    assert_eq!(which(&[Some(0.5)], &[Some(0.9)]).await, is("strong", Why::Ambiguity.told()));
    assert_eq!(which(&[Some(0.8)], &[Some(0.9)]).await, is("strong", Why::Consequence.told()));
    assert_eq!(which(&[None], &[Some(0.9)]).await, is("strong", Why::Failure.told()));
    // Where the strong one fails, the cheap one's answer stands.
    assert_eq!(which(&[Some(0.8)], &[None]).await, is("cheap", ""));
}

#[tokio::test]
async fn routing_has_what_did_not_hold_repaired_by_the_strong_model_alone() {
    let objection =
        Objection { code: "ARGUMENT_MISSING".into(), at: "a".into(), problem: "p".into() };
    let repaired = async |model: Routed| {
        let decided = asked(&model, PLAIN, std::slice::from_ref(&objection)).await.unwrap();
        let models = decided.calls.iter().filter(|call| !call.tier.is_empty());
        let models = models.map(|c| (c.tier.clone(), c.why.clone())).collect::<Vec<_>>();
        (models, decided.usage.input_tokens, decided.usage.fallback)
    };
    let why = |tier: &str| vec![(tier.to_owned(), Why::Repair.told().to_owned())];
    let both = routed(&[], Some(&[Some(0.5)]), Cap::default());
    let told = Why::Repair.told().to_owned();
    assert_eq!(repaired(both).await, (why("strong"), 100, told));
    let one = routed(&[Some(0.5)], None, Cap::default());
    assert_eq!(repaired(one).await, (why("cheap"), 100, String::new()));
    let away = routed(&[Some(0.5)], Some(&[None]), Cap::default());
    assert_eq!(repaired(away).await, (why("cheap"), 100, String::new()));
}

#[tokio::test]
async fn routing_counts_what_both_cost() {
    let model = routed(&[Some(0.5)], Some(&[Some(0.9)]), Cap::default());
    let decided = asked(&model, MURKY, &[]).await.unwrap();
    let used = decided.usage;
    assert_eq!((used.input_tokens, used.output_tokens), (200, 20));
    let calls = decided.calls.iter().map(|c| (c.model.as_str(), c.tier.as_str(), c.why.as_str()));
    let why = [Why::Unsure.told(), Why::Ambiguity.told()];
    let all = [(offline::NAME, "", ""), ("cheap", "cheap", why[0]), ("strong", "strong", why[1])];
    assert_eq!(calls.collect::<Vec<_>>(), all, "each is told, with its reason");
}

#[tokio::test]
async fn routing_leaves_a_failing_model_alone_and_says_so() {
    let model = routed(&[None, None, None], None, Cap::default());
    // What the built-in reader understood is better than nothing.
    for _ in 0..3 {
        let used = asked(&model, MURKY, &[]).await.unwrap().usage;
        assert_eq!((used.model.as_str(), used.fallback.as_str()), (offline::NAME, "503"));
    }
    let used = asked(&model, MURKY, &[]).await.unwrap().usage;
    assert_eq!(used.fallback, "cheap failed and is left alone");
}

#[tokio::test]
async fn routing_ends_where_the_budget_does() {
    // A decision may take two calls, and settles with the one that it took.
    let cap = Cap { calls: Some(3), ..Cap::default() };
    let model = routed(&[Some(0.95), Some(0.95)], None, cap);
    for _ in 0..2 {
        assert_eq!(asked(&model, MURKY, &[]).await.unwrap().usage.model, "cheap");
    }
    let used = asked(&model, MURKY, &[]).await.unwrap().usage;
    assert_eq!(used.fallback, "the budget of this conversation is used up");
    assert_eq!(used.model, offline::NAME);
    // What is plain needs none.
    assert!(asked(&model, PLAIN, &[]).await.is_ok());
}

/// The search may cost as well: it is not asked for a model that will not be.
#[tokio::test]
async fn routing_has_no_pages_searched_where_the_budget_ended() {
    let searches = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&searches);
    let search = post(async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        r#"{ "results": [] }"#
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", search)).await });
    let config = SearchConfig { url, timeout: std::time::Duration::from_secs(30) };
    let knowledge = Knowledge::open(&KnowledgeConfig::Search(config)).unwrap();
    let cap = Cap { calls: Some(2), ..Cap::default() };
    let model = routed(&[Some(0.95)], None, cap);
    for asks in ["cheap", offline::NAME] {
        let passages = Passages::near(&knowledge, MURKY);
        let used = asked_with(&model, MURKY, &[], &passages).await.unwrap().usage;
        assert_eq!(used.model, asks);
    }
    assert_eq!(searches.load(Ordering::SeqCst), 1);
}

#[test]
fn prices_are_by_the_million_tokens_and_rounded_up() {
    let tier = tier("cheap", &[]);
    assert_eq!(tier.price(1_000_000, 0), 1_000_000);
    assert_eq!(tier.price(1, 1), 3);
    let cheap = Tier { price: Some(price("0.15", "0.6")), ..tier };
    assert_eq!(cheap.price(1, 0), 1);
    assert_eq!(cheap.price(10_000, 1_000), 2_100);
}

/// Gives no answer, and says what became of the request.
struct Refusing {
    failure: Failure,
    /// Requests before, each refused for a parameter.
    parameters: u32,
}

#[async_trait]
impl Model for Refusing {
    async fn decide(&self, _view: &View<'_>) -> Result<Decided, Unusable> {
        let (reason, failure) = ("no answer".to_owned(), self.failure);
        let calls = vec![ModelCall { refused: self.parameters, ..ModelCall::default() }];
        Err(Unusable { reason, usage: Box::default(), calls, failure })
    }

    fn name(&self) -> &str {
        "refusing"
    }
}

/// What the model that gives no answer was not asked for, if it was not.
async fn refused(failure: Failure, cap: Cap, times: usize) -> Vec<String> {
    refused_again(Refusing { failure, parameters: 0 }, cap, times).await
}

async fn refused_again(model: Refusing, cap: Cap, times: usize) -> Vec<String> {
    let price = Some(price("1", "2"));
    let tier = Tier { model: Arc::new(model), price, longest: 1_000_000 };
    let caps = Caps { day: cap, ..Caps::default() };
    let model = Routed::new(tier, None, Budgets::new(caps, Memory::default()));
    let mut told = Vec::new();
    for _ in 0..times {
        told.push(asked(&model, MURKY, &[]).await.unwrap().usage.fallback);
    }
    told
}

#[tokio::test]
async fn routing_leaves_a_model_alone_that_refuses_again_and_again() {
    let told = refused(Failure::Server, Cap::default(), 4).await;
    assert_eq!(told[..3], ["no answer"; 3]);
    assert_eq!(told[3], "refusing failed and is left alone");
}

#[tokio::test]
async fn routing_leaves_no_model_alone_for_requests_that_were_wrong() {
    assert_eq!(refused(Failure::Request, Cap::default(), 8).await, ["no answer"; 8]);
}

#[tokio::test]
async fn budget_of_a_refused_call_is_one_call_and_nothing_else() {
    let calls = Cap { calls: Some(3), ..Cap::default() };
    let tokens = Cap { tokens: Some(3_000_000), ..Cap::default() };
    let money = Cap { money: Some(6.0), ..Cap::default() };
    let used_up = "the budget of today is used up";
    assert_eq!(refused(Failure::Request, calls, 3).await, ["no answer", "no answer", used_up]);
    for cap in [tokens, money] {
        assert_eq!(refused(Failure::Request, cap, 3).await, ["no answer"; 3]);
        // What may have been billed stays spent.
        assert_eq!(refused(Failure::Unknown, cap, 2).await, ["no answer", used_up]);
    }
}

#[tokio::test]
async fn budget_of_a_parameter_refused_twice_is_two_calls_and_nothing_else() {
    let model = || Refusing { failure: Failure::Request, parameters: 1 };
    let calls = Cap { calls: Some(4), ..Cap::default() };
    let used_up = "the budget of today is used up";
    let told = refused_again(model(), calls, 3).await;
    assert_eq!(told, ["no answer", "no answer", used_up]);
    let tokens = Cap { tokens: Some(3_000_000), ..Cap::default() };
    assert_eq!(refused_again(model(), tokens, 3).await, ["no answer"; 3]);
}

#[tokio::test(start_paused = true)]
async fn routing_waits_no_longer_in_all_than_a_turn_has() {
    // Connections are taken and nothing is answered.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let waited = async |timeout: &str| {
        let server = serde_json::json!({ "url": url, "name": "silent", "timeout": timeout });
        let server: OpenaiConfig = serde_json::from_value(server).unwrap();
        let tier = || Tier::new(&server).unwrap();
        let model = Arc::new(Routed::new(tier(), Some(tier()), Budgets::default()));
        let mut talk = Talk::with(&FakeExecutor::new(&[(1001, &[("Mug", 1)])]), model);
        let begun = tokio::time::Instant::now();
        let turn = talk.say("Bitte Bestellung 1001 stornieren.").await;
        assert!(turn.reply.contains("started nothing"), "{}", turn.reply);
        begun.elapsed().as_secs()
    };
    let all = PATIENCE.as_secs();
    assert_eq!(waited("20s").await, 40, "each its own");
    assert_eq!(waited("60s").await, all, "the second has what the first left");
    assert_eq!(waited("1h").await, all, "for the second nothing is left");
}
