//! A model's call in the names of OpenTelemetry's semantic conventions for generative AI.
//! Prompts and answers are in none of them.

use countersign_proto::v1::ModelUse;
use countersign_shared::span::Span;

/// Says what a call was and what it took.
pub(crate) fn describe(span: &mut Span, model: &str, usage: &ModelUse, usable: bool) {
    span.set("gen_ai.operation.name", "chat");
    span.set("gen_ai.request.model", model);
    span.set("gen_ai.usage.input_tokens", usage.input_tokens);
    span.set("gen_ai.usage.output_tokens", usage.output_tokens);
    if !usable {
        span.set("error.type", "unusable_answer");
        span.fail();
    }
}
