//! What a planner asks for. Everything in it is a claim until it is resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_shared::codes::Code;
use countersign_shared::ids::{ObservationId, ReceiptId};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::contract::{Body, Catalog, Contract};
use crate::error::Refused;
use crate::gates::Gate;

/// Most steps of a plan.
pub const MAX_STEPS: usize = 8;
/// Signs that a score may be made of.
pub const MAX_FEATURES: usize = 12;
/// Most argument sources of a step, nested ones included.
pub const MAX_SOURCES: usize = 200;

/// Longest name of a tool that a refusal is receipted under, in characters.
pub const LONGEST_TOOL: usize = 128;

/// A plan. Frozen once admitted (FROZEN PLAN).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The conversation it belongs to.
    pub conversation: String,
    /// The caller's ticket; may be empty.
    pub external_ref: String,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// The planner's confidence.
    pub confidence: Confidence,
    /// The model that made it, as the planner reports it.
    pub model: ModelUse,
    /// The receipt that the customer has seen when asking for a repeat.
    pub after_receipt: Option<ReceiptId>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in the plan.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// Where its arguments come from.
    pub arguments: BTreeMap<String, Source>,
}

/// Where a value comes from (REFERENCES, NOT VALUES).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A claim of the subject's token.
    Claim(String),
    /// A field of an observation.
    Observation {
        /// Which.
        id: ObservationId,
        /// JSON Pointer into its value.
        pointer: String,
    },
    /// A field of a receipt's output.
    Receipt {
        /// Which.
        id: ReceiptId,
        /// JSON Pointer into its output.
        pointer: String,
    },
    /// A span of an attested message, in bytes.
    Utterance {
        /// The message.
        message: String,
        /// First byte.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// Typed by the model.
    Model(Json),
    /// Element by element.
    List(Vec<Source>),
    /// Field by field.
    Fields(BTreeMap<String, Source>),
}

/// The planner's confidence in a plan.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Confidence {
    /// 0 to 1.
    pub score: f64,
    /// Why not surer.
    pub uncertainty_reason: String,
    /// `proceed`, `clarify`, `escalate` or empty.
    pub recommended_action: String,
    /// What the score was made of, by name, 0 to 1 each; no rule reads them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, f64>,
}

/// A model's part, as the planner reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelUse {
    /// Name.
    pub model: String,
    /// Tokens read.
    pub input_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Milliseconds.
    pub latency_ms: u32,
    /// Repair rounds.
    pub repairs: u32,
    /// Why another model answered; may be empty.
    pub fallback: String,
}

/// A plan whose shape is admitted: known tools, reads and at most one write.
#[derive(Debug)]
pub struct Admitted<'a> {
    /// The reads, with their contracts.
    pub reads: Vec<(&'a Step, &'a Contract)>,
    /// The write, if there is one.
    pub write: Option<(&'a Step, &'a Contract)>,
}

/// Admits a plan's shape, before anything is resolved.
///
/// # Errors
/// `PLAN_INVALID`, `PLAN_TOO_LARGE`, `TOOL_UNKNOWN`, `PLAN_TOO_MANY_WRITES`.
pub fn admit<'a>(plan: &'a Plan, catalog: &'a Catalog) -> Result<Admitted<'a>, Refused> {
    shape(plan)?;
    let mut admitted = Admitted { reads: Vec::new(), write: None };
    for step in &plan.steps {
        let listed = |c: &&Arc<Contract>| c.listed || !Gate::Listed.is_on();
        let contract = catalog.tools.get(&step.tool).filter(listed).ok_or_else(|| {
            Refused::new(Code::ToolUnknown, format!("no contract named `{}` is active", step.tool))
        })?;
        match contract.body {
            Body::Read(_) if admitted.write.is_some() => {
                return Err(Refused::new(Code::PlanInvalid, "reads come before the write"));
            }
            Body::Read(_) => admitted.reads.push((step, contract)),
            Body::Write(_) if admitted.write.is_some() => {
                return Err(Refused::new(
                    Code::PlanTooManyWrites,
                    "a plan holds at most one write",
                ));
            }
            Body::Write(_) => admitted.write = Some((step, contract)),
        }
    }
    Ok(admitted)
}

fn shape(plan: &Plan) -> Result<(), Refused> {
    let invalid = |message: &str| Err(Refused::new(Code::PlanInvalid, message));
    let id = |s: &str, max: usize| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        !s.is_empty() && s.len() <= max && s.chars().all(plain)
    };
    if !id(&plan.conversation, 128) {
        return invalid("conversation_id is 1 to 128 of A-Z a-z 0-9 . _ : -");
    }
    if plan.external_ref.len() > 128 {
        return invalid("external_ref is longer than 128 bytes");
    }
    if plan.steps.is_empty() {
        return invalid("the plan has no steps");
    }
    if plan.steps.len() > MAX_STEPS {
        return Err(Refused::new(Code::PlanTooLarge, format!("at most {MAX_STEPS} steps")));
    }
    // A score that is no number would compare false with every floor.
    if !(0.0..=1.0).contains(&plan.confidence.score) {
        return invalid("confidence.score is not between 0 and 1");
    }
    let features = &plan.confidence.features;
    let fits = |(name, value): (&String, &f64)| id(name, 32) && (0.0..=1.0).contains(value);
    if features.len() > MAX_FEATURES || !features.iter().all(fits) {
        return invalid("confidence.features are at most 12 plain names, each between 0 and 1");
    }
    for (at, step) in plan.steps.iter().enumerate() {
        if !id(&step.id, 32) || plan.steps.iter().skip(at + 1).any(|s| s.id == step.id) {
            return invalid("step ids are 1 to 32 plain characters and unique");
        }
        if step.arguments.values().map(Source::count).sum::<usize>() > MAX_SOURCES {
            return Err(Refused::new(Code::PlanTooLarge, "too many argument sources"));
        }
    }
    Ok(())
}

impl Source {
    /// Itself and everything inside it.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Self::Fields(fields) => 1 + fields.values().map(Self::count).sum::<usize>(),
            Self::Claim(_)
            | Self::Observation { .. }
            | Self::Receipt { .. }
            | Self::Utterance { .. }
            | Self::Model(_) => 1,
        }
    }

    /// Visits itself and everything inside it.
    pub fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        match self {
            Self::List(items) => items.iter().for_each(|s| s.visit(see)),
            Self::Fields(fields) => fields.values().for_each(|s| s.visit(see)),
            Self::Claim(_)
            | Self::Observation { .. }
            | Self::Receipt { .. }
            | Self::Utterance { .. }
            | Self::Model(_) => {}
        }
    }
}
