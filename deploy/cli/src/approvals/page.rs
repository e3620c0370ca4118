//! One request on a page: everything that the signature stands for.

use std::io::{self, Write};

use countersign_proto::v1::ApprovalRequest;
use serde_json::{Value as Json, json};

use super::time;
use crate::text::{one_line, printable, wrap};

const WIDTH: usize = 98;

/// Writes the page.
pub(super) fn write(out: &mut impl Write, request: &ApprovalRequest) -> io::Result<()> {
    let card = request.card.clone().unwrap_or_default();
    writeln!(out, "Request {}", one_line(&card.proposal_id))?;
    line(out, "tool", &request.tool)?;
    line(out, "amount", &amount(request).unwrap_or_else(|| "none moves".to_owned()))?;
    let (subject, tenant, issuer) = (&request.subject, &request.tenant, &request.subject_issuer);
    line(out, "for", &format!("{subject} of {tenant}, vouched for by {issuer}"))?;
    line(out, "asked", &format!("{} UTC", time(request.asked_at.as_ref())))?;
    line(out, "void after", &format!("{} UTC", time(card.expires_at.as_ref())))?;
    line(out, "ticket", &request.external_ref)?;
    let unsure = &request.uncertainty_reason;
    let unsure = if unsure.is_empty() { String::new() } else { format!(" ({unsure})") };
    line(out, "confidence", &format!("{:.2}{unsure}", request.confidence))?;
    for need in &request.missing {
        line(out, "waits for", &format!("{}: {}", need.role, need.why))?;
    }
    for answer in &request.answers {
        let (kind, by, at) = (&answer.kind, &answer.by, time(answer.at.as_ref()));
        line(out, "answered", &format!("{kind} by {by} {} at {at} UTC", answer.role))?;
    }
    writeln!(out, "\nArguments")?;
    for argument in list(&request.arguments_json) {
        let text = |name: &str| argument.get(name).map(plain).unwrap_or_default();
        line(out, &text("path"), &format!("{}   (from {})", text("value"), text("from")))?;
    }
    writeln!(out, "\nState, as the rules saw it")?;
    let state: Json = serde_json::from_str(&request.state_json).unwrap_or_default();
    for (path, value) in state.as_object().into_iter().flatten() {
        line(out, path, &plain(value))?;
    }
    writeln!(out, "\nThe card")?;
    for text in wrap(&printable(&card.text), WIDTH) {
        writeln!(out, "  {text}")?;
    }
    Ok(())
}

/// The money that moves.
pub(super) fn amount(request: &ApprovalRequest) -> Option<String> {
    let text = format!("{} {}", request.currency, request.amount);
    (!request.amount.is_empty()).then(|| one_line(&text))
}

/// The request for a program.
pub(super) fn json(request: &ApprovalRequest) -> Json {
    let card = request.card.clone().unwrap_or_default();
    let missing = request.missing.iter().map(|n| json!({ "role": n.role, "why": n.why }));
    let answers =
        request.answers.iter().map(|a| json!({ "kind": a.kind, "by": a.by, "role": a.role }));
    json!({
        "proposal_id": card.proposal_id, "card": card.text, "commitment": card.commitment,
        "action_id": request.action_id, "tenant": request.tenant, "tool": request.tool,
        "subject": request.subject, "subject_issuer": request.subject_issuer,
        "amount": request.amount, "currency": request.currency,
        "arguments": serde_json::from_str::<Json>(&request.arguments_json).unwrap_or_default(),
        "state": serde_json::from_str::<Json>(&request.state_json).unwrap_or_default(),
        "missing": missing.collect::<Vec<_>>(), "answers": answers.collect::<Vec<_>>(),
        "confidence": request.confidence, "external_ref": request.external_ref,
    })
}

fn list(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap_or_default()
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Empty lines are left out.
fn line(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    let value = one_line(value);
    if value.is_empty() { Ok(()) } else { writeln!(out, "  {:24} {value}", one_line(name)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_proto::v1::{ApprovalNeed, Card};

    use super::*;

    #[test]
    fn the_page_shows_what_is_signed_and_why_a_person_must_look() {
        let request = ApprovalRequest {
            card: Some(Card {
                proposal_id: "prp_1".into(),
                text: "Refund USD 89.00 on #1001?".into(),
                ..Card::default()
            }),
            amount: "89.00".into(),
            currency: "USD".into(),
            subject: "a\u{1b}[2Jb".into(),
            arguments_json: r#"[{"path":"order_id","value":"o1","from":"observation","at":""}]"#
                .into(),
            state_json: r#"{"order.total":"89.00"}"#.into(),
            missing: vec![ApprovalNeed { role: "finance".into(), why: "over USD 50.00".into() }],
            ..ApprovalRequest::default()
        };
        let mut out = Vec::new();
        write(&mut out, &request).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "USD 89.00",
            "finance: over USD 50.00",
            "o1 (from observation)",
            "order.total",
            "#1001?",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(json(&request).pointer("/missing/0/role").unwrap(), "finance");
    }
}
