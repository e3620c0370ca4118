//! One receipt on a page: what, who, why it was allowed, what was sent, how it was verified.

use std::io::{self, Write};

use countersign_shared::codes::explain;
use countersign_shared::receipt::{Argument, Attempt, Change, Counted, Gate, Receipt};
use jiff::Timestamp;
use serde_json::Value as Json;

use super::{Logged, flat};
use crate::page::Page;
use crate::text::one_line;

/// Lines of state shown on each side.
const STATE_LINES: usize = 30;

/// Writes the page; `standing` says how the receipt stands in the log.
pub(super) fn write(out: &mut impl Write, logged: &Logged, standing: &str) -> io::Result<()> {
    let receipt = &logged.receipt;
    writeln!(out, "Receipt {}", one_line(&receipt.receipt_id))?;
    let mut page = Page { out };
    page.outcome(receipt)?;
    match (&receipt.change, &receipt.counted) {
        (Some(change), _) => page.change(change)?,
        (None, Some(counted)) => page.counted(receipt, counted)?,
        (None, None) => page.action(receipt)?,
    }
    page.head("Proof")?;
    page.line("in the log", standing)
}

impl<W: Write> Page<'_, W> {
    fn outcome(&mut self, receipt: &Receipt) -> io::Result<()> {
        self.line("outcome", &outcome(receipt))?;
        self.line("sealed", &receipt.sealed_at.strftime("%F %T UTC").to_string())?;
        self.line("because", &receipt.message)?;
        self.line("told", &receipt.said)?;
        let next = match receipt.next.as_str() {
            "none" => "nothing to do",
            "retry_later" => "may be asked for again later",
            "person" => "a person has to look",
            other => other,
        };
        self.line("next", next)?;
        if receipt.performed_by == "human" {
            self.line("done by", "a person, in the backend's own pages")?;
        }
        if receipt.code.is_empty() {
            return Ok(());
        }
        self.line("explained by", &explain(&receipt.code))
    }

    fn action(&mut self, receipt: &Receipt) -> io::Result<()> {
        self.what(receipt)?;
        self.who(receipt)?;
        self.why(receipt)?;
        self.sent(receipt)?;
        self.verified(receipt)?;
        self.state("Before, as the rules saw it", &receipt.before)?;
        self.state("After, as it was read back", &receipt.after)
    }

    fn counted(&mut self, receipt: &Receipt, counted: &Counted) -> io::Result<()> {
        self.head("Refusals that were counted")?;
        self.line("through", &receipt.asked.caller)?;
        self.line("tenant", &receipt.tenant)?;
        let time = |at: Timestamp| at.strftime("%F %T UTC").to_string();
        self.line("from", &time(counted.since))?;
        self.line("to", &time(counted.until))?;
        counted.codes.iter().try_for_each(|(code, count)| self.line(code, &count.to_string()))
    }

    fn change(&mut self, change: &Change) -> io::Result<()> {
        self.head("Change")?;
        self.line("what", &change.what)?;
        self.line("was", &change.old)?;
        self.line("is", &change.new)?;
        self.line("because", &change.reason)?;
        for by in &change.by {
            let signed = if by.jws.is_empty() { "by certificate" } else { "signed" };
            let why = if by.reason.is_empty() { "" } else { ": " };
            self.line("by", &format!("{}, {signed}{why}{}", by.who, by.reason))?;
        }
        Ok(())
    }

    fn what(&mut self, receipt: &Receipt) -> io::Result<()> {
        self.head("What")?;
        self.line("tool", &receipt.tool)?;
        if let Some(money) = receipt.money {
            self.line("amount", &money.to_string())?;
        }
        for Argument { path, value, from, at } in &receipt.arguments {
            let at = if at.is_empty() { String::new() } else { format!(" {at}") };
            self.line(path, &format!("{}   (from {from}{at})", flat::sentence(value)))?;
        }
        if receipt.occasion > 0 {
            self.line("again", &format!("carried out {} times before", receipt.occasion))?;
        }
        self.line("contract", &receipt.contract)
    }

    fn who(&mut self, receipt: &Receipt) -> io::Result<()> {
        let asked = &receipt.asked;
        self.head("Who")?;
        let (subject, tenant, issuer) = (&asked.subject, &receipt.tenant, &asked.issuer);
        self.line("for", &format!("{subject} of {tenant}, vouched for by {issuer}"))?;
        self.line("asked by", &asked.caller)?;
        if !asked.model.is_empty() {
            let tokens = asked.input_tokens.saturating_add(asked.output_tokens);
            let model = format!("{}, {tokens} tokens, {} ms", asked.model, asked.latency_ms);
            self.line("model", &model)?;
            self.line("fallback", &asked.fallback)?;
        }
        self.line("confidence", &confidence(receipt))?;
        self.line("conversation", &asked.conversation)?;
        self.line("ticket", &asked.external_ref)?;
        for message in &asked.messages {
            let (id, frontend, digest) = (&message.id, &message.frontend, &message.sha256);
            self.line("words", &format!("{id}, attested by {frontend}, sha256 {digest}"))?;
        }
        Ok(())
    }

    fn why(&mut self, receipt: &Receipt) -> io::Result<()> {
        let refused = receipt.outcome == "refused";
        self.head(if refused { "Why it was refused" } else { "Why it was allowed" })?;
        for Gate { gate, passed, facts } in &receipt.gates {
            let answer = if *passed { "yes" } else { "NO" };
            self.line(gate, &format!("{answer}{}", ruled(facts)))?;
        }
        for grant in &receipt.grants {
            let (by, at) = (&grant.by, grant.at.strftime("%F %T UTC"));
            let label = if grant.kind == "rejection" { "no by" } else { "yes by" };
            let role = if grant.role.is_empty() { "" } else { ", " };
            let how = format!("{by}{role}{} at {at}, through {}", grant.role, grant.issuer);
            self.line(label, &how)?;
            if !grant.reason.is_empty() {
                self.line("because", &grant.reason)?;
            }
            self.line("to the card", &grant.text)?;
        }
        if receipt.gates.is_empty() && receipt.grants.is_empty() {
            self.line("rules", "none was asked: it ended before them")?;
        }
        Ok(())
    }

    fn sent(&mut self, receipt: &Receipt) -> io::Result<()> {
        self.head("Sent")?;
        let Some(backend) = &receipt.backend else {
            return self.line("to", "nobody: nothing was sent");
        };
        let (account, credential) = (&backend.account, &backend.credential);
        let to = format!("{} account {account}, with the credential {credential}", backend.pack);
        self.line("to", &to)?;
        self.line("key", &receipt.key)?;
        self.line("request", &format!("sha256 {}", backend.request))?;
        receipt.attempts.iter().try_for_each(|attempt| self.attempt(attempt))
    }

    fn attempt(&mut self, attempt: &Attempt) -> io::Result<()> {
        let status = attempt.status.map_or_else(|| "no answer".to_owned(), |s| format!("HTTP {s}"));
        let took = attempt.ended_at.map(|end| end.duration_since(attempt.at).as_millis());
        let took = took.map_or_else(String::new, |ms| format!(" after {ms} ms"));
        let at = attempt.at.strftime("%T%.3f");
        let verdict = flat::sentence(&attempt.verdict);
        self.line(
            &format!("attempt {}", attempt.number),
            &format!("{at}: {status}{took}; {verdict}"),
        )
    }

    fn verified(&mut self, receipt: &Receipt) -> io::Result<()> {
        let verification = &receipt.verification;
        self.head("Verified")?;
        if verification.evidence.is_empty() && verification.looks == 0 {
            return self.line("by", "nothing: there was nothing to verify");
        }
        self.line("by", &verification.evidence.join(", ").replace('_', " "))?;
        self.line("looks", &verification.looks.to_string())?;
        self.sight(&verification.sight)?;
        let output = flat::lines(&receipt.output);
        output.iter().try_for_each(|(path, value)| self.line(path, value))
    }

    /// What the last look saw: for a mismatch, what was expected beside what was found.
    fn sight(&mut self, sight: &Json) -> io::Result<()> {
        let Some((kind, seen)) = sight.as_object().and_then(|sight| sight.iter().next()) else {
            return Ok(());
        };
        let words = match kind.as_str() {
            "right" => "our own effect, and it is what was asked for",
            "wrong" => "our own effect, and it is NOT what was asked for",
            "pending" => "our own effect, not finished",
            "failed" => "our own effect, and the backend says that it failed",
            "absent" => "nothing of ours",
            "many" => "more than one effect of ours",
            "unreadable" => "nothing: the read failed",
            other => other,
        };
        self.line("saw", words)?;
        match seen.get("facts") {
            Some(facts) => self.line("by the rule", ruled(facts).trim_start_matches("; ")),
            None => self.line("that is", &flat::sentence(seen)),
        }
    }

    fn state(&mut self, title: &str, state: &Json) -> io::Result<()> {
        let lines = flat::lines(state);
        if lines.is_empty() {
            return Ok(());
        }
        self.head(title)?;
        for (path, value) in lines.iter().take(STATE_LINES) {
            self.line(path, value)?;
        }
        match lines.len().saturating_sub(STATE_LINES) {
            0 => Ok(()),
            more => self.line("…", &format!("{more} more; --json shows all")),
        }
    }
}

/// A rule, and what it saw.
pub(crate) fn ruled(facts: &Json) -> String {
    let mut facts = facts.clone();
    let rule = facts.as_object_mut().and_then(|facts| facts.shift_remove("rule"));
    let rule = rule.as_ref().and_then(Json::as_str).map(|rule| format!("; {rule}"));
    let saw =
        Some(flat::sentence(&facts)).filter(|saw| !saw.is_empty()).map(|saw| format!("; {saw}"));
    [rule, saw].into_iter().flatten().collect()
}

fn outcome(receipt: &Receipt) -> String {
    let meaning = match receipt.outcome.as_str() {
        "applied" => "its effect was found by reading back",
        "not_applied" => "it is proved that no effect happened",
        "unknown" => "neither effect nor its absence is proved",
        "refused" => "a rule refused it before anything was sent",
        "changed" => "people changed the executor itself",
        _ => "",
    };
    let code = if receipt.code.is_empty() { String::new() } else { format!(", {}", receipt.code) };
    format!("{}{code}: {meaning}", receipt.outcome)
}

fn confidence(receipt: &Receipt) -> String {
    let asked = &receipt.asked;
    let why = match asked.uncertainty_reason.as_str() {
        "" => String::new(),
        why => format!(" ({why})"),
    };
    format!("{:.2}{why}", asked.confidence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::sample;
    use super::*;

    fn page(receipt: Receipt) -> String {
        let mut out = Vec::new();
        let body = serde_json::to_vec(&receipt).unwrap();
        write(&mut out, &Logged { index: 3, body, receipt }, "verified: entry 3").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_answers_what_an_auditor_asks() {
        let text = page(sample::receipt(1));
        for part in [
            "applied: its effect was found by reading back",
            "USD 123.50",
            "gid://shopify/Order/1001   (from observation obs_1 /orders/0/id)",
            "customer1 of demo-shop, vouched for by https://shop.demo.invalid",
            "yes; state.order.fulfilled == false",
            "Cancel order #1001?",
            "with the credential shopify_token",
            "HTTP 200 after 45 ms",
            "read back",
            "our own effect, and it is what was asked for",
            "verified: entry 3",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(!text.contains("ticket"), "empty lines are left out:\n{text}");
    }

    #[test]
    fn a_refusal_says_that_nothing_was_sent_and_shows_no_escape_sequences() {
        let mut receipt = sample::refused(2);
        receipt.said = "a\u{1b}[2Jb".into();
        let text = page(receipt);
        assert!(text.contains("nobody: nothing was sent"), "{text}");
        assert!(text.contains("Why it was refused"), "{text}");
        assert!(text.contains("countersign explain ORDER_FULFILLED"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
