//! How plans ended, from the newest receipt of each action.

use std::collections::{BTreeMap, HashSet};

use countersign_shared::codes::Code;
use countersign_shared::receipt::Receipt;

/// A plan with its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    /// The planner's confidence, 0 to 1.
    pub(super) predicted: f64,
    /// Whether it was applied, as the executor verified it.
    pub(super) applied: bool,
    /// What the confidence was made of.
    pub(super) signs: BTreeMap<String, f64>,
}

/// All that can be held against what was predicted.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub(super) ended: Vec<Ended>,
    /// Actions whose end nobody knows yet.
    pub(super) unknown: u64,
    /// Plans that their low score has stopped: nobody learned whether they were right.
    pub(super) stopped: u64,
}

/// Receipts that say nothing of whether the plan was right: a person's word that the read
/// contradicts ends no action, and what was not answered or replaced was never tried.
const ASIDE: [Code; 4] = [
    Code::HumanDisagrees,
    Code::ProposalExpired,
    Code::ProposalSuperseded,
    Code::ProposalWithdrawn,
];

impl Outcomes {
    /// Of receipts, newest first.
    pub(super) fn of(receipts: impl Iterator<Item = Receipt>) -> Self {
        let (mut outcomes, mut seen) = (Self::default(), HashSet::new());
        for receipt in receipts {
            let planned = !receipt.tool.is_empty() && !receipt.asked.recommended_action.is_empty();
            let answer = receipt.change.is_some() || receipt.counted.is_some();
            if !planned || answer || ASIDE.iter().any(|code| code.name() == receipt.code) {
                continue;
            }
            // A later receipt of the same action says how it ended after all.
            let later = !receipt.action_id.is_empty() && !seen.insert(receipt.action_id.clone());
            if !later {
                outcomes.add(receipt);
            }
        }
        outcomes
    }

    fn add(&mut self, receipt: Receipt) {
        if receipt.code == Code::ConfidenceTooLow.name() {
            self.stopped += 1;
            return;
        }
        let applied = match receipt.outcome.as_str() {
            "applied" => true,
            "not_applied" | "refused" => false,
            _unknown => {
                self.unknown += 1;
                return;
            }
        };
        let asked = receipt.asked;
        self.ended.push(Ended { predicted: asked.confidence, applied, signs: asked.features });
    }
}
