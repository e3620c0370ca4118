//! A chain as a person reads it: from the words to the proof.

use std::io::{self, Write};

use countersign_shared::receipt::{Attempt, Change, Grant, Receipt};
use countersign_shared::turn::{Call, ModelCall};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::cause::Cause;
use super::collected::{Chain, Recorded};
use super::diff;
use crate::page::Page;
use crate::receipts::flat;
use crate::receipts::page::ruled;
use crate::text::one_line;

/// Lines of differences that are shown.
const DIFFERENCES: usize = 30;

/// Writes all of it; `standing` says how the receipt stands in the log.
pub(super) fn write(
    out: &mut impl Write,
    chain: &Chain,
    standing: &str,
    cause: &Cause,
) -> io::Result<()> {
    let receipt = chain.receipt();
    writeln!(out, "Chain of {}", one_line(&receipt.receipt_id))?;
    let mut story = Story { page: Page { out } };
    story.told(chain)?;
    story.planned(chain)?;
    story.gated(receipt)?;
    story.granted(&receipt.grants)?;
    story.sent(chain)?;
    story.verified(receipt)?;
    story.page.head("Replied, from the receipt")?;
    story.page.line(&time(receipt.sealed_at), &receipt.said)?;
    story.around(chain)?;
    story.page.head("Proof")?;
    story.page.line("in the log", standing)?;
    story.cause(cause)
}

/// One turn.
pub(crate) fn turn<W: Write>(page: &mut Page<'_, W>, told: &Recorded) -> io::Result<()> {
    let turn = &told.turn;
    let heading = format!("conversation {}, trace {}", told.conversation, told.trace);
    page.line(&time(told.at), &heading)?;
    if let Some(said) = &turn.message {
        let by = match said.attested_by.as_str() {
            "" => "asserted by the planner".to_owned(),
            frontend => format!("attested by {frontend}"),
        };
        page.line("  said", &format!("\"{}\" ({}, {by})", said.text, said.id))?;
    }
    if !turn.told.confirmed.is_empty() {
        page.line("  confirmed", &format!("{}, signed", turn.told.confirmed))?;
    }
    page.line("  heard as", [&*turn.told.heard, &turn.told.intent].join(" ").trim())?;
    turn.told.models.iter().try_for_each(|call| page.line("  model", &model(call)))?;
    turn.told.calls.iter().try_for_each(|made| page.line("  asked", &call(made)))?;
    page.line("  replied", &turn.told.reply)?;
    if turn.told.cut {
        page.line("  cut", "what was told was too much and was cut")
    } else {
        Ok(())
    }
}

fn model(call: &ModelCall) -> String {
    let tokens = format!("{} + {} tokens", call.input_tokens, call.output_tokens);
    let mut text = format!("{}: {tokens}, {} ms", call.model, call.latency_ms);
    for (label, more) in
        [("", &call.cost), ("", &call.tier), ("why: ", &call.why), ("decided: ", &call.decided)]
    {
        if !more.is_empty() {
            text.push_str(&format!(", {label}{more}"));
        }
    }
    if call.repairs > 0 {
        text.push_str(&format!(", {} repairs", call.repairs));
    }
    if call.refused > 0 {
        text.push_str(&format!(", {} refused for a parameter", call.refused));
    }
    text
}

fn call(call: &Call) -> String {
    let mut text = call.what.clone();
    if !call.tool.is_empty() {
        text.push_str(&format!(" {}", call.tool));
    }
    if !call.arguments.is_null() {
        text.push_str(&format!(" with {}", flat::sentence(&call.arguments)));
    }
    let came = [&call.observation, &call.proposal, &call.outcome, &call.code, &call.receipt];
    let came: Vec<_> =
        came.into_iter().filter(|text| !text.is_empty()).map(String::as_str).collect();
    if came.is_empty() { text } else { format!("{text} → {}", came.join(" ")) }
}

struct Story<'w, W> {
    page: Page<'w, W>,
}

impl<W: Write> Story<'_, W> {
    fn told(&mut self, chain: &Chain) -> io::Result<()> {
        let asked = &chain.receipt().asked;
        self.page.line("trace", &asked.trace)?;
        self.page.line("ticket", &asked.external_ref)?;
        self.page.head("Said, heard and asked, as the planner tells it")?;
        if chain.turns.is_empty() {
            self.page.line("turns", "none is recorded")?;
        }
        chain.turns.iter().try_for_each(|told| turn(&mut self.page, told))
    }

    fn planned(&mut self, chain: &Chain) -> io::Result<()> {
        let receipt = chain.receipt();
        self.page.head("Planned, as the executor resolved it")?;
        self.page.line("tool", &receipt.tool)?;
        if let Some(money) = receipt.money {
            self.page.line("amount", &money.to_string())?;
        }
        for argument in &receipt.arguments {
            let from = format!("from {} {}", argument.from, argument.at);
            let value = flat::sentence(&argument.value);
            self.page.line(&argument.path, &format!("{value}   ({})", from.trim_end()))?;
        }
        let proposed = chain.event("proposed").and_then(|proposal| proposal.get("at")?.as_str());
        self.page.line("proposed", proposed.unwrap_or_default())
    }

    fn gated(&mut self, receipt: &Receipt) -> io::Result<()> {
        self.page.head("Gated")?;
        for gate in &receipt.gates {
            let answer = if gate.passed { "yes" } else { "NO" };
            self.page.line(&gate.gate, &format!("{answer}{}", ruled(&gate.facts)))?;
        }
        let ended = [receipt.outcome.as_str(), &receipt.code].join(" ");
        self.page.line("ended", &format!("{} {}", ended.trim_end(), receipt.message))
    }

    fn granted(&mut self, grants: &[Grant]) -> io::Result<()> {
        self.page.head("Granted")?;
        if grants.is_empty() {
            return self.page.line("by", "nobody");
        }
        for grant in grants {
            let role = if grant.role.is_empty() { "" } else { ", " };
            let kind = &grant.kind;
            let how =
                format!("{kind} by {}{role}{} through {}", grant.by, grant.role, grant.issuer);
            self.page.line(&time(grant.at), &how)?;
            self.page.line("because", &grant.reason)?;
            self.page.line("to the card", &grant.text)?;
        }
        Ok(())
    }

    /// Each sending with the exact request and the answer as it came; neither holds a
    /// credential.
    fn sent(&mut self, chain: &Chain) -> io::Result<()> {
        let receipt = chain.receipt();
        self.page.head("Sent")?;
        let Some(backend) = &receipt.backend else {
            return self.page.line("to", "nobody: nothing was sent");
        };
        self.page.line("to", &format!("{}, {}", backend.pack, backend.account))?;
        if let Some(request) = chain.event("intended").and_then(|intent| intent.get("request")) {
            let text = |name: &str| request.get(name).and_then(Json::as_str).unwrap_or_default();
            self.page.line(
                "request",
                &format!("{} {} {}", text("method"), text("path"), text("query")),
            )?;
            self.page.line("", text("body"))?;
        }
        let answers = chain.events.iter().filter_map(|event| event.get("answered"));
        let raw =
            answers.map(|answer| answer.get("raw").and_then(Json::as_str).unwrap_or_default());
        let raw = raw.chain(std::iter::repeat(""));
        receipt.attempts.iter().zip(raw).try_for_each(|(attempt, raw)| self.attempt(attempt, raw))
    }

    fn attempt(&mut self, attempt: &Attempt, raw: &str) -> io::Result<()> {
        let status = attempt.status.map_or_else(|| "no answer".to_owned(), |s| format!("HTTP {s}"));
        let took = attempt.ended_at.map(|end| end.duration_since(attempt.at).as_millis());
        let took = took.map_or_else(String::new, |ms| format!(" after {ms} ms"));
        let verdict = flat::sentence(&attempt.verdict);
        let name = format!("attempt {}", attempt.number);
        self.page.line(&name, &format!("{}: {status}{took}; {verdict}", time(attempt.at)))?;
        self.page.line("answered", raw)
    }

    fn verified(&mut self, receipt: &Receipt) -> io::Result<()> {
        self.page.head("Before and after")?;
        let differences = diff::between(&receipt.before, &receipt.after);
        if receipt.after.is_null() || differences.is_empty() {
            self.page.line("differences", "none was read back")?;
        } else {
            for (path, was, is) in differences.iter().take(DIFFERENCES) {
                let was = was.as_deref().unwrap_or("(not read)");
                self.page.line(path, &format!("{was} → {}", is.as_deref().unwrap_or_default()))?;
            }
        }
        self.page.head("Verified")?;
        let evidence = receipt.verification.evidence.join(", ").replace('_', " ");
        self.page.line("by", if evidence.is_empty() { "nothing" } else { &evidence })?;
        self.page.line("looks", &receipt.verification.looks.to_string())?;
        self.page.line("saw", &flat::sentence(&receipt.verification.sight))
    }

    fn around(&mut self, chain: &Chain) -> io::Result<()> {
        self.page.head("Around it")?;
        for other in &chain.related {
            let code = [other.outcome.as_str(), &other.code].join(" ");
            let what = format!("{} {} {}", other.receipt_id, other.tool, code.trim_end());
            self.page.line(&time(other.sealed_at), &what)?;
        }
        for receipt in &chain.changes {
            if let Some(change) = &receipt.change {
                self.page.line(&time(receipt.sealed_at), &changed(change))?;
            }
        }
        chain.left_out.iter().try_for_each(|what| self.page.line("left out", what))
    }

    fn cause(&mut self, cause: &Cause) -> io::Result<()> {
        self.page.head("Cause")?;
        self.page.line(cause.kind.map_or("not decided", |kind| kind.name()), &cause.sentence)?;
        cause.known.iter().try_for_each(|known| self.page.line("also known", known))
    }
}

fn changed(change: &Change) -> String {
    let by: Vec<_> = change.by.iter().map(|by| by.who.as_str()).collect();
    let by = if by.is_empty() { "nobody's signature".to_owned() } else { by.join(", ") };
    format!("{} changed by {by}: {} → {}", change.what, change.old, change.new)
}

fn time(at: Timestamp) -> String {
    at.strftime("%F %T UTC").to_string()
}
