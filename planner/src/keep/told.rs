//! Whether what is told of an action is what its receipt says (NO CLAIM WITHOUT A RECEIPT).

use countersign_proto::v1::{Action, Outcome};
use countersign_shared::receipt;
use serde_json::Value as Json;

/// The first thing that differs, if any.
pub(super) fn differs(action: &Action) -> Option<String> {
    let Ok(receipt) = serde_json::from_slice::<Json>(&action.receipt) else {
        return Some("it is no JSON".to_owned());
    };
    let outcome = match action.outcome() {
        Outcome::Applied => "applied",
        Outcome::NotApplied => "not_applied",
        Outcome::Unknown => "unknown",
        Outcome::Refused => "refused",
        Outcome::Unspecified => "",
    };
    let told = [
        ("receipt_id", action.receipt_id.as_str()),
        ("action_id", action.action_id.as_str()),
        ("outcome", outcome),
        ("code", action.code.as_str()),
    ];
    let differs = told.into_iter().find_map(|(name, told)| {
        let said = receipt.get(name).and_then(Json::as_str).unwrap_or_default();
        (said != told).then(|| format!("{name} is {said:?}, told was {told:?}"))
    });
    differs.or_else(|| misquoted(action))
}

/// Whether the words for the customer are others than the receipt commits to.
fn misquoted(action: &Action) -> Option<String> {
    if action.said.is_empty() {
        return None;
    }
    match receipt::opened(&action.receipt, &action.said_opening) {
        Ok(receipt) if receipt.said == action.said => None,
        Ok(_) => Some("said is something else".to_owned()),
        Err(why) => Some(format!("said: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_outcome_or_another_actions_receipt_is_noticed() {
        let receipt = br#"{"receipt_id":"rcp_1","action_id":"act_1","outcome":"unknown"}"#;
        let mut action = Action {
            receipt: receipt.to_vec(),
            receipt_id: "rcp_1".to_owned(),
            action_id: "act_1".to_owned(),
            ..Action::default()
        };
        action.set_outcome(Outcome::Unknown);
        assert_eq!(differs(&action), None);
        action.set_outcome(Outcome::Applied);
        assert!(differs(&action).is_some_and(|what| what.starts_with("outcome")));
        action.set_outcome(Outcome::Unknown);
        action.said = "It is done.".to_owned();
        assert!(differs(&action).is_some_and(|what| what.starts_with("said")));
        action.said = String::new();
        action.code = "REPLY_LOST".to_owned();
        assert!(differs(&action).is_some_and(|what| what.starts_with("code")));
        action.code = String::new();
        action.action_id = "act_2".to_owned();
        assert!(differs(&action).is_some_and(|what| what.starts_with("action_id")));
    }
}
