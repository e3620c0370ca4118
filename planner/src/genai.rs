//! A model's call in the names of OpenTelemetry's semantic conventions for generative AI.
//! Prompts and answers are in none of them.

use countersign_shared::span::Span;
use countersign_shared::turn::ModelCall;

/// Says what a call was and what it took.
pub(crate) fn describe(span: &mut Span, call: &ModelCall, usable: bool) {
    span.set("gen_ai.operation.name", "chat");
    span.set("gen_ai.request.model", call.model.as_str());
    span.set("gen_ai.usage.input_tokens", call.input_tokens);
    span.set("gen_ai.usage.output_tokens", call.output_tokens);
    if !call.cost.is_empty() {
        span.set("countersign.model.cost", call.cost.as_str());
    }
    if !usable {
        span.set("error.type", "unusable_answer");
        span.fail();
    }
}
