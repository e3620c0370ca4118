//! What a plan is made of, as it is written on the wire.

use countersign_proto::v1;
use countersign_proto::v1::argument::Source;

pub fn step(tool: &str, arguments: Vec<(&str, v1::Argument)>) -> v1::Step {
    let arguments = arguments.into_iter().map(|(name, a)| (name.to_owned(), a)).collect();
    v1::Step { id: format!("s-{}", tool.len()), tool: tool.to_owned(), arguments }
}

pub fn seen(observation: &str, pointer: &str) -> v1::Argument {
    let reference =
        v1::ObservationRef { observation_id: observation.to_owned(), pointer: pointer.to_owned() };
    v1::Argument { source: Some(Source::Observation(reference)) }
}

pub fn received(receipt: &str, pointer: &str) -> v1::Argument {
    let reference = v1::ReceiptRef { receipt_id: receipt.to_owned(), pointer: pointer.to_owned() };
    v1::Argument { source: Some(Source::Receipt(reference)) }
}

pub fn typed(json: impl Into<serde_json::Value>) -> v1::Argument {
    v1::Argument { source: Some(Source::ModelJson(json.into().to_string())) }
}

/// The place of `part` in a message; its beginning where it is not there.
pub fn span(message: &v1::AttestedMessage, part: &str) -> v1::Argument {
    v1::Argument { source: Some(Source::Utterance(place(message, part))) }
}

pub fn place(message: &v1::AttestedMessage, part: &str) -> v1::UtteranceSpan {
    let start = message.text.find(part).unwrap_or(0);
    cut(message, start, start + part.len())
}

pub fn piece(message: &v1::AttestedMessage, start: usize, end: usize) -> v1::Argument {
    v1::Argument { source: Some(Source::Utterance(cut(message, start, end))) }
}

fn cut(message: &v1::AttestedMessage, start: usize, end: usize) -> v1::UtteranceSpan {
    v1::UtteranceSpan {
        message_id: message.message_id.clone(),
        start: u32::try_from(start).unwrap(),
        end: u32::try_from(end).unwrap(),
    }
}
