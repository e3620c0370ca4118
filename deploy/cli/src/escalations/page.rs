//! One matter on a page: everything that was handed over.

use std::io::{self, Write};

use countersign_proto::v1::Escalation;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::text::{one_line, printable};

/// Writes the page.
pub(super) fn write(out: &mut impl Write, found: &Escalation) -> io::Result<()> {
    writeln!(out, "Matter {}", one_line(&found.escalation_id))?;
    line(out, "why", &format!("{} {} {}", found.reason, found.outcome, found.code))?;
    line(out, "opened", &format!("{} UTC", time(found.opened_at.as_ref())))?;
    line(out, "for", &format!("{} of {}", found.subject, found.tenant))?;
    line(out, "ticket", &found.external_ref)?;
    line(out, "tool", &found.tool)?;
    line(out, "action", &found.action_id)?;
    line(out, "receipt", &found.receipt_id)?;
    line(out, "taken by", &found.taken_by)?;
    line(out, "ended by", &found.closed_by_receipt_id)?;
    part(out, "What the customer wrote", &found.request)?;
    part(out, "How it was understood", std::slice::from_ref(&found.interpretation))?;
    part(out, "Why", std::slice::from_ref(&found.reasoning_summary))?;
    let read = |o: &countersign_proto::v1::Observation| {
        format!("{} {}: {}", o.observation_id, o.tool, o.value_json)
    };
    part(out, "What was read", &found.observations.iter().map(read).collect::<Vec<_>>())?;
    part(out, "What was tried", &found.tried)?;
    part(out, "Belongs to it, as the planner says", &found.related)?;
    part(out, "What to do now", std::slice::from_ref(&found.recommended_action))
}

fn line(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    if value.is_empty() { Ok(()) } else { writeln!(out, "  {name:<12} {}", one_line(value)) }
}

fn part(out: &mut impl Write, head: &str, texts: &[String]) -> io::Result<()> {
    let mut texts = texts.iter().filter(|text| !text.is_empty()).peekable();
    if texts.peek().is_some() {
        writeln!(out, "\n{head}")?;
    }
    texts.try_for_each(|text| writeln!(out, "  {}", printable(text)))
}

/// The matter for a program.
pub(super) fn json(found: &Escalation) -> Json {
    let read = |o: &countersign_proto::v1::Observation| {
        let value: Json = serde_json::from_str(&o.value_json).unwrap_or_default();
        let labels: Json = serde_json::from_str(&o.labels_json).unwrap_or_default();
        json!({ "observation_id": o.observation_id, "tool": o.tool, "value": value, "labels": labels })
    };
    json!({
        "escalation_id": found.escalation_id,
        "reason": found.reason,
        "code": found.code,
        "outcome": found.outcome,
        "tenant": found.tenant,
        "subject": found.subject,
        "subject_issuer": found.subject_issuer,
        "conversation_id": found.conversation_id,
        "external_ref": found.external_ref,
        "tool": found.tool,
        "request": found.request,
        "interpretation": found.interpretation,
        "reasoning_summary": found.reasoning_summary,
        "tried": found.tried,
        "recommended_action": found.recommended_action,
        "observations": found.observations.iter().map(read).collect::<Vec<_>>(),
        "receipt_id": found.receipt_id,
        "action_id": found.action_id,
        "related": found.related,
        "taken_by": found.taken_by,
        "closed_by_receipt_id": found.closed_by_receipt_id,
        "opened_at": time(found.opened_at.as_ref()),
    })
}

/// A time of the protocol, for a person.
pub(super) fn time(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%F %T").to_string())
}
