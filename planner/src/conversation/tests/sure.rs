//! How sure a plan is goes with it to the executor.

use async_trait::async_trait;
use countersign_proto::v1::RecommendedAction;

use super::*;
use crate::model::{Decided, Model, Unusable, View};

/// The built-in reader, as sure as it is said to be.
struct Sure(f64);

#[async_trait]
impl Model for Sure {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let mut decided = Offline.decide(view).await?;
        decided.decision.score = self.0;
        decided.decision.doubt = format!("it is {}", self.0);
        Ok(decided)
    }

    fn name(&self) -> &str {
        "sure"
    }
}

#[tokio::test]
async fn the_plan_of_a_read_says_how_sure_it_is_and_why() {
    for score in [0.62, 0.91] {
        let executor = FakeExecutor::new(TWO);
        let turn = Talk::with(&executor, Arc::new(Sure(score))).say("where is order #1004?").await;
        assert_eq!(turn.reply, "Order #1004 is on its way.");
        let shop = executor.shop.lock();
        assert_eq!(shop.reads.last().map(String::as_str), Some("shopify.track_shipment"));
        let (plan, looks) = shop.sure_of_reads.split_last().unwrap();
        assert!((plan.score - score).abs() < 1e-9, "{plan:?}");
        assert_eq!(plan.uncertainty_reason, format!("it is {score}"));
        assert_eq!(plan.recommended_action(), RecommendedAction::Proceed);
        assert_eq!(turn.confidence.as_ref(), Some(plan), "the answer is as sure as its plan");
        // What is looked at on the way follows from the contract.
        assert!(!looks.is_empty() && looks.iter().all(|look| look.score > 0.99), "{looks:?}");
    }
}
