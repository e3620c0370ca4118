//! A turn as a person sees it in the terminal, and as a program reads it.

use countersign_proto::v1::{Intent, Outcome, RecommendedAction, Turn, TurnAction};
use countersign_shared::codes::{Code, explain};
use serde_json::{Value as Json, json};

use super::frontend::{Failed, Shown, Spoken};
use super::remedy;
use crate::text::{one_line, printable, wrap};

/// Characters of a line of text.
const WIDTH: usize = 76;

/// One side's words.
pub(super) fn said(who: &str, text: &str) -> String {
    let lines = wrap(printable(text).trim_end(), WIDTH);
    let name = |at: usize| if at == 0 { who } else { "" };
    let lines: Vec<_> =
        lines.iter().enumerate().map(|(at, line)| format!("{:<10}{line}", name(at))).collect();
    lines.join("\n")
}

/// A turn for a person.
pub(super) fn turn(spoken: &Spoken) -> String {
    let mut parts = Vec::new();
    if spoken.signed {
        parts.push(format!("{:<10}[your yes was signed over the card above]", ""));
    }
    match &spoken.turn {
        Ok(turn) => {
            // A reply that is the card's own text is shown once, in the box.
            let is_card = spoken.card.as_ref().is_some_and(|card| card.text == turn.reply);
            parts.push(said("assistant", if is_card { "Please confirm:" } else { &turn.reply }));
            for action in &turn.actions {
                parts.push(format!("{:<10}[{}]", "", told(action)));
                parts.extend(remedy::of(&action.code).map(aside));
            }
        }
        Err(failed) => {
            parts.push(said("assistant", &failed.say));
            let (code, message) = (one_line(&failed.code), one_line(&failed.message));
            // What is no code of ours, such as a lost connection, has no page.
            let page =
                Code::by_name(&failed.code).map(|code| format!("; {}", explain(code.name())));
            let page = page.unwrap_or_default();
            parts.push(format!("{:<10}[the turn failed: {code}: {message}{page}]", ""));
            parts.extend(remedy::of(&failed.code).map(aside));
        }
    }
    parts.extend(spoken.card.as_ref().map(card));
    parts.join("\n")
}

/// For whoever set this up.
fn aside(what: &str) -> String {
    said("", &format!("[{what}]"))
}

fn told(action: &TurnAction) -> String {
    let parts = [action.tool.as_str(), outcome(action.outcome()), &action.code, &action.receipt_id];
    let parts: Vec<_> =
        parts.iter().filter(|part| !part.is_empty()).map(|part| one_line(part)).collect();
    parts.join(" · ")
}

/// The card in a box.
fn card(shown: &Shown) -> String {
    let lines = wrap(&shown.text, WIDTH - 4);
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let (edge, pad) = ("─".repeat(width + 2), " ".repeat(10));
    let middle: Vec<_> = lines.iter().map(|line| format!("{pad}│ {line:<width$} │")).collect();
    let until = shown.expires_at.strftime("%F %H:%M UTC");
    format!(
        "{pad}┌{edge}┐\n{}\n{pad}└{edge}┘\n{pad}Say yes to sign exactly this, until {until}. Anything else leaves it.",
        middle.join("\n"),
    )
}

/// A turn for a program: one object.
pub(super) fn json(number: u32, line: &str, spoken: &Spoken) -> Json {
    let mut object = match &spoken.turn {
        Ok(turn) => finished(turn),
        Err(failed) => unfinished(failed),
    };
    if let Json::Object(fields) = &mut object {
        fields.insert("turn".to_owned(), number.into());
        fields.insert("said".to_owned(), line.into());
        fields.insert("signed".to_owned(), spoken.signed.into());
        if let Some(shown) = &spoken.card {
            let card = json!({ "proposal_id": shown.proposal_id, "text": shown.text, "expires_at": shown.expires_at });
            fields.insert("card".to_owned(), card);
        }
    }
    object
}

fn finished(turn: &Turn) -> Json {
    let confidence = turn.confidence.clone().unwrap_or_default();
    let action = |action: &TurnAction| {
        json!({
            "tool": action.tool,
            "outcome": some(outcome(action.outcome())),
            "receipt_id": some(&action.receipt_id),
            "code": some(&action.code),
            "action_id": some(&action.action_id),
        })
    };
    let model = turn.model.clone().unwrap_or_default();
    json!({
        "reply": turn.reply,
        "intent": intent(turn.intent()),
        "confidence": confidence.score,
        "uncertainty_reason": some(&confidence.uncertainty_reason),
        "recommended_action": recommended(confidence.recommended_action()),
        "actions": turn.actions.iter().map(action).collect::<Vec<_>>(),
        "model": {
            "name": some(&model.model),
            "input_tokens": model.input_tokens,
            "output_tokens": model.output_tokens,
            "latency_ms": model.latency_ms,
            "repairs": model.repairs,
            "fallback": some(&model.fallback),
        },
    })
}

fn unfinished(failed: &Failed) -> Json {
    json!({
        "reply": failed.say,
        "intent": "escalate",
        "confidence": 0.0,
        "actions": [],
        "error": { "code": failed.code, "message": failed.message, "remedy": remedy::of(&failed.code) },
    })
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "",
        Outcome::Applied => "applied",
        Outcome::NotApplied => "not_applied",
        Outcome::Unknown => "unknown",
        Outcome::Refused => "refused",
    }
}

fn intent(intent: Intent) -> Option<&'static str> {
    match intent {
        Intent::Unspecified => None,
        Intent::Question => Some("question"),
        Intent::Action => Some("action"),
        Intent::Clarify => Some("clarify"),
        Intent::Escalate => Some("escalate"),
    }
}

fn recommended(action: RecommendedAction) -> Option<&'static str> {
    match action {
        RecommendedAction::Unspecified => None,
        RecommendedAction::Proceed => Some("proceed"),
        RecommendedAction::Clarify => Some("clarify"),
        RecommendedAction::Escalate => Some("escalate"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn spoken() -> Spoken {
        let action = TurnAction {
            tool: "shopify.cancel_order".into(),
            outcome: Outcome::Applied.into(),
            receipt_id: "rcp_1".into(),
            code: String::new(),
            action_id: "act_1".into(),
        };
        let turn = Turn {
            reply: "Done.".into(),
            intent: Intent::Action.into(),
            confidence: None,
            actions: vec![action],
            model: None,
            passing: false,
        };
        Spoken { signed: true, card: None, turn: Ok(turn) }
    }

    #[test]
    fn a_program_reads_one_object_with_what_is_promised() {
        let object = json(2, "yes", &spoken());
        assert_eq!(object["reply"], "Done.");
        assert_eq!((&object["intent"], &object["turn"]), (&json!("action"), &json!(2)));
        assert!(object["confidence"].is_number());
        assert_eq!(
            object["actions"][0],
            json!({"tool": "shopify.cancel_order", "outcome": "applied", "receipt_id": "rcp_1", "code": null, "action_id": "act_1"})
        );
        assert!(object.get("card").is_none());
        assert!(!object.to_string().contains('\n'));
    }

    #[test]
    fn a_turn_that_failed_is_an_object_too_and_claims_nothing() {
        let failed = Failed { code: "INTERNAL".into(), message: "x".into(), say: "Sorry.".into() };
        let failed = Spoken { turn: Err(failed), ..spoken() };
        assert!(turn(&failed).contains("INTERNAL: x; countersign explain INTERNAL]"));
        let object = json(1, "hi", &failed);
        assert_eq!((&object["intent"], &object["actions"]), (&json!("escalate"), &json!([])));
        assert_eq!(object["error"]["code"], "INTERNAL");
    }

    #[test]
    fn a_person_sees_reply_outcome_and_receipt() {
        let text = turn(&spoken());
        for part in
            ["assistant Done.", "shopify.cancel_order · applied · rcp_1", "signed over the card"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
