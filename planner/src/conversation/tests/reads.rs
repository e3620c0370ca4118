//! What one turn may read.

use async_trait::async_trait;
use countersign_proto::v1::ModelUse;
use parking_lot::Mutex;

use super::*;
use crate::context::MAX_READS;
use crate::model::{Call, Decided, Decision, Given, Model, Unusable, View, Want};

/// Asks for these orders again and again, and never decides.
struct Reading {
    orders: fn(usize) -> Vec<usize>,
    asked: Mutex<usize>,
}

#[async_trait]
impl Model for Reading {
    async fn decide(&self, _view: &View<'_>) -> Result<Decided, Unusable> {
        let mut asked = self.asked.lock();
        let calls = (self.orders)(*asked).into_iter().map(|order| Call {
            tool: "shopify.find_order".to_owned(),
            arguments: [("number".to_owned(), Given::Quote(order.to_string()))].into(),
            ..Call::default()
        });
        let want = Want::Reads(calls.collect());
        *asked += 1;
        let decision = Decision { want, score: 0.9, doubt: String::new(), tokens: None };
        Ok(Decided { decision, usage: ModelUse::default(), calls: Vec::new() })
    }

    fn name(&self) -> &str {
        "reading"
    }
}

/// How many reads and how many answers of the model one message costs.
async fn cost(orders: fn(usize) -> Vec<usize>) -> (usize, usize) {
    let numbers: Vec<u32> = (1000..1040).collect();
    let shop: Vec<(u32, &[(&str, i64)])> = numbers.iter().map(|n| (*n, &[][..])).collect();
    let executor = FakeExecutor::new(&shop);
    let model = Arc::new(Reading { orders, asked: Mutex::default() });
    let mut talk = Talk::with(&executor, Arc::<Reading>::clone(&model));
    let text: Vec<String> = (1000..1100).map(|number: u32| number.to_string()).collect();
    let turn = talk.say(&format!("where are {}", text.join(" "))).await;
    assert_eq!(turn.actions[0].code, "MODEL_UNUSABLE", "{}", turn.reply);
    let (reads, asked) = (executor.shop.lock().reads.len(), *model.asked.lock());
    (reads, asked)
}

/// Four rounds of reads, and one more answer that has to be a decision.
#[tokio::test]
async fn a_turn_reads_so_often_and_nothing_twice_however_often_a_model_asks() {
    assert_eq!(cost(|_round| vec![1000; 8]).await, (1, 5));
    assert_eq!(cost(|_round| (1000..1008).collect()).await, (MAX_READS, 5));
    let others = |round: usize| (1000 + 8 * round..1008 + 8 * round).collect();
    assert_eq!(cost(others).await, (MAX_READS, 5));
    // Nor is anything read that no decision can follow.
    assert_eq!(cost(|round| vec![1000 + round]).await, (4, 5));
    // One that was refused counts as well.
    let missing = |round: usize| (1040 + 8 * round..1048 + 8 * round).collect();
    assert_eq!(cost(missing).await, (MAX_READS, 5));
}
