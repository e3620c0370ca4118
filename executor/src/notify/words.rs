//! What is told of a request and of a matter, in words.

use countersign_core::escalation::Case;
use countersign_core::grant::Parked;
use serde_json::json;

use super::Stage;
use super::body::Notice;

/// The roles that are waited for.
pub(super) fn roles(parked: &Parked) -> Vec<String> {
    parked.missing().filter_map(|need| need.role()).map(str::to_owned).collect()
}

impl Notice {
    /// A request that waits for approval.
    pub(super) fn request(parked: &Parked, stage: Stage, origin: &str) -> Self {
        let (proposal, roles) = (parked.proposal(), roles(parked));
        let (event, title) = match stage {
            Stage::Waits => ("approval.requested", "Waiting for an approval"),
            Stage::Reminder => ("approval.reminder", "Still waiting for an approval"),
            Stage::Escalation => ("approval.escalation", "An approval is about to run out"),
        };
        let amount = proposal.money().map(|money| money.to_string()).unwrap_or_default();
        let link = match origin {
            "" => String::new(),
            origin => format!("{origin}/approve/{}", proposal.id()),
        };
        let until = proposal.expires_at();
        let mut facts = vec![
            ("Who", roles.join(", ")),
            ("Until", until.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        ];
        if !amount.is_empty() {
            facts.insert(0, ("Amount", amount.clone()));
        }
        let fields = json!({
            "event": event, "proposal": proposal.id(), "tenant": proposal.asked().subject.tenant,
            "tool": proposal.tool(), "card": proposal.card(), "amount": amount, "roles": roles,
            "expires_at": until.to_string(), "link": link,
        });
        let about = proposal.id().to_string();
        Self { about, title, text: proposal.card().to_owned(), facts, link, fields }
    }

    /// A matter that waits for a person. What the customer wrote is for the queue only.
    pub(super) fn matter(case: &Case, stage: Stage) -> Self {
        let (event, title) = match stage {
            Stage::Waits => ("escalation.opened", "A matter for a person"),
            Stage::Reminder => ("escalation.reminder", "Nobody has taken a matter yet"),
            Stage::Escalation => ("escalation.overdue", "Nobody has taken a matter for a day"),
        };
        let mut facts = vec![
            ("Reason", case.reason.name().replace('_', " ")),
            ("Code", case.code.clone()),
            ("Action", case.tool.clone()),
            ("Ticket", case.external_ref.clone()),
            ("See", format!("countersign escalations show {}", case.id)),
        ];
        facts.retain(|(_, value)| !value.is_empty());
        let fields = json!({
            "event": event, "escalation": case.id, "tenant": case.tenant,
            "reason": case.reason.name(), "code": case.code, "outcome": case.outcome,
            "tool": case.tool, "recommended": case.recommended, "action": case.action,
            "receipt": case.receipt, "external_ref": case.external_ref,
            "opened_at": case.at.to_string(),
        });
        let (about, text) = (case.id.to_string(), case.recommended.clone());
        Self { about, title, text, facts, link: String::new(), fields }
    }
}
