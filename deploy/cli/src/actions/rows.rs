//! Actions as a table, as JSON lines and as comma-separated values.

use std::io::{self, Write};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_proto::v1::ActionEntry;
use jiff::Timestamp;
use serde_json::json;

use crate::text::one_line;

/// One line an action.
pub(super) fn table(actions: &[ActionEntry]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["TIME (UTC)", "TENANT", "TOOL", "OUTCOME", "CODE", "AMOUNT", "RECEIPT"]);
    for action in actions {
        table.add_row([
            clock(action.at),
            or_dash(&action.tenant),
            or_dash(&action.tool),
            or_dash(&action.outcome),
            or_dash(&action.code),
            or_dash(&format!("{} {}", action.currency, action.amount)),
            or_dash(if action.receipt_id.is_empty() {
                &action.proposal_id
            } else {
                &action.receipt_id
            }),
        ]);
    }
    table.trim_fmt()
}

fn or_dash(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() { "-".to_owned() } else { text }
}

/// One object a line.
pub(super) fn json(out: &mut impl Write, actions: &[ActionEntry]) -> io::Result<()> {
    for action in actions {
        let vote = |vote: &countersign_proto::v1::ActionVote| json!({ "by": vote.by, "yes": vote.yes, "at": clock(vote.at) });
        let line = json!({
            "receipt": action.receipt_id, "proposal": action.proposal_id, "at": clock(action.at),
            "tenant": action.tenant, "tool": action.tool, "outcome": action.outcome,
            "code": action.code, "reason": action.reason, "amount": action.amount,
            "currency": action.currency, "channel": action.channel, "mode": action.mode,
            "performed_by": action.performed_by,
            "votes": action.votes.iter().map(vote).collect::<Vec<_>>(),
            "took_ms": action.took_ms, "waited_ms": action.waited_ms, "tokens": action.tokens,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

const COLUMNS: &str = "receipt,at,tenant,tool,outcome,code,reason,amount,currency,channel,mode,\
     performed_by,approved_by,rejected_by,took_ms,waited_ms,tokens";

/// As RFC 4180 has it.
pub(super) fn csv(out: &mut impl Write, actions: &[ActionEntry]) -> io::Result<()> {
    write!(out, "{COLUMNS}\r\n")?;
    for action in actions {
        let by = |yes: bool| {
            let votes = action.votes.iter().filter(|vote| vote.yes == yes);
            votes.map(|vote| vote.by.as_str()).collect::<Vec<_>>().join(" ")
        };
        let (at, yes, no) = (clock(action.at), by(true), by(false));
        let numbers = [action.took_ms, action.waited_ms, action.tokens].map(|n| n.to_string());
        let texts: [&str; 14] = [
            &action.receipt_id,
            &at,
            &action.tenant,
            &action.tool,
            &action.outcome,
            &action.code,
            &action.reason,
            &action.amount,
            &action.currency,
            &action.channel,
            &action.mode,
            &action.performed_by,
            &yes,
            &no,
        ];
        let each = texts.into_iter().chain(numbers.iter().map(String::as_str)).map(cell);
        write!(out, "{}\r\n", each.collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

/// A spreadsheet takes what begins like a formula for one.
fn cell(text: &str) -> String {
    let text = one_line(text);
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if guard.is_empty() && !text.contains([',', '"']) {
        return text;
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Milliseconds since 1970 as people read them; empty for 0.
pub(super) fn clock(milliseconds: i64) -> String {
    let at = Timestamp::from_millisecond(milliseconds).ok().filter(|_| milliseconds != 0);
    at.map_or_else(String::new, |at| at.strftime("%F %T").to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn cells_hold_what_they_hold() {
        assert_eq!(cell("applied"), "applied");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=cmd()"), "\"'=cmd()\"");
        assert_eq!(cell("\r=cmd()"), "\"'=cmd()\"");
        assert!(!cell("\u{1b}[2Jgone\r\n").contains(|c: char| c.is_control()));
        let action = ActionEntry { tool: "p.t".into(), at: 1_000, ..ActionEntry::default() };
        let mut text = Vec::new();
        csv(&mut text, &[action]).unwrap();
        let text = String::from_utf8(text).unwrap();
        let columns = text.lines().map(|line| line.split(',').count()).collect::<Vec<_>>();
        assert_eq!(columns, [17, 17]);
        assert!(text.contains(",1970-01-01 00:00:01,,p.t,"), "{text}");
    }
}
