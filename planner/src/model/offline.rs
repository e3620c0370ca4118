//! The built-in reader of messages: deterministic, no network, no training. It
//! compares a message with the examples that contracts carry, and says how sure
//! it is: the margin to the runner-up.

use async_trait::async_trait;
use countersign_proto::v1::ModelUse;
use countersign_shared::span::{Kind, Span};
use countersign_shared::turn::ModelCall;

use super::{Call, Decided, Decision, Model, Unusable, View, Want};
use crate::genai;
use crate::tools::Toolbox;
use hear::{Clause, Heard, hear};
use lexicon::Notion;
use weigh::{Fit, Meant, TOPICS};
use wish::{is_conditional, is_wished};

mod deny;
pub mod hear;
pub mod lexicon;
pub mod literal;
pub mod phrase;
pub mod postal;
pub mod text;
pub mod weigh;
mod wish;

/// The offline model.
#[derive(Debug, Default, Clone, Copy)]
pub struct Offline;

/// Its name in plans and receipts.
pub const NAME: &str = "offline";

#[async_trait]
impl Model for Offline {
    async fn decide(&self, view: &View<'_>) -> Result<Decided, Unusable> {
        let mut span = Span::begin(Kind::Internal, format!("chat {NAME}"));
        let decision = read(view.text, view.toolbox);
        let (model, decided) = (NAME.to_owned(), decision.want.in_short());
        let call = ModelCall { model, decided, ..ModelCall::default() };
        genai::describe(&mut span, &call, true);
        let usage = ModelUse { model: NAME.to_owned(), ..ModelUse::default() };
        Ok(Decided { decision, usage, calls: vec![call] })
    }

    fn name(&self) -> &str {
        NAME
    }
}

/// Below this fit nothing was understood.
const HEARD_NOTHING: f64 = 0.45;
/// The score of a plain, unrivalled request: never 1, since words can mislead.
const PLAIN: f64 = 0.98;

/// Decides what a message wants.
#[must_use]
pub fn read(text: &str, toolbox: &Toolbox) -> Decision {
    let heard = hear(text);
    if let Some(name) = toolbox.literals().tool(text, &heard) {
        return literal(name);
    }
    let meant = Meant::in_message(&heard);
    let fits = toolbox.profiles().fits(&heard, &meant);
    if let Some(decision) = for_a_person(&meant, &fits) {
        return decision;
    }
    let best = fits.first().map_or(0.0, |fit| fit.weight);
    let undecided = meant.of(Notion::Unsure) > 0.0 && !decided_after_all(&heard);
    if undecided && meant.of(Notion::General) <= 1.0 {
        return plain(Want::Clarify, 0.8, "the customer is undecided");
    }
    if is_general(&heard, &meant, best) {
        return plain(Want::Question, 0.9, "");
    }
    match fits.first().filter(|fit| fit.weight >= HEARD_NOTHING) {
        Some(_) if are_rivals(&fits) => plain(Want::Clarify, 0.6, &doubt(&fits)),
        Some(fit) => tool(fit, &fits, &heard, reservation(fit, &heard, &meant, toolbox)),
        None => plain(Want::Clarify, 0.7, "no wish was recognised"),
    }
}

/// The author's own sentence: nothing rivals it, and every word of it counts.
fn literal(tool: &str) -> Decision {
    let call = Call { tool: tool.to_owned(), ..Call::default() };
    plain(Want::Tool(call), PLAIN, "")
}

fn plain(want: Want, score: f64, doubt: &str) -> Decision {
    Decision { want, score, doubt: doubt.to_owned(), tokens: None }
}

/// People come first: whoever asks for one, threatens or suffers gets one.
fn for_a_person(meant: &Meant, fits: &[Fit]) -> Option<Decision> {
    let topic = fits.first().map_or(0.0, |fit| fit.weight);
    if meant.of(Notion::Human) >= 1.0 {
        return Some(plain(Want::Escalate, 0.95, ""));
    }
    let grave = meant.of(Notion::Grave);
    // Anger beside a clear wish is answered by fulfilling the wish.
    (grave >= 2.0 || (grave >= 1.0 && topic < 0.8)).then(|| plain(Want::Escalate, 0.9, ""))
}

/// A question about how things are, rather than about something of one's own.
fn is_general(heard: &Heard, meant: &Meant, best: f64) -> bool {
    if meant.of(Notion::RefundStatus) > 0.0 && meant.of(Notion::Refund) < 1.0 {
        return true;
    }
    if !heard.clauses.iter().any(|c| c.asks) {
        return false;
    }
    let favour = heard.clauses.iter().any(|c| c.asks_favour);
    let wished = heard
        .clauses
        .iter()
        .any(|c| topical(c) && ((c.requests && !c.has(Notion::General)) || c.asks_favour));
    if wished {
        return false;
    }
    let strong = meant.of(Notion::General) > 1.0;
    let weak = meant.of(Notion::General) > 0.0;
    let particular = heard.clauses.iter().any(|c| (c.specific || own_affairs(c)) && topical(c));
    strong
        || (weak && (!particular || hypothetical(heard)))
        || (best < HEARD_NOTHING && !favour && asks_something(heard))
}

/// "Which orders do I have", "when can I expect it": about the speaker's own things.
fn own_affairs(clause: &Clause) -> bool {
    let own = clause.words.iter().any(|w| matches!(w.stem.as_str(), "i" | "my" | "me"));
    own && (clause.has(Notion::List) || clause.has(Notion::Track))
}

fn topical(clause: &Clause) -> bool {
    clause.hits.iter().any(|hit| TOPICS.contains(&hit.notion))
}

fn hypothetical(heard: &Heard) -> bool {
    let says = |stem: &str| heard.clauses.iter().flat_map(|c| &c.words).any(|w| w.stem == stem);
    says("if") && !heard.clauses.iter().any(|c| c.requests)
}

/// More than "hello?" or "can you help me?".
fn asks_something(heard: &Heard) -> bool {
    let words: Vec<&str> =
        heard.clauses.iter().flat_map(|c| &c.words).map(|w| w.stem.as_str()).collect();
    words.len() >= 3 && !words.contains(&"help")
}

/// A clear wish in the last clause settles an earlier hesitation.
fn decided_after_all(heard: &Heard) -> bool {
    heard.clauses.last().is_some_and(|c| c.requests && topical(c) && !c.has(Notion::Unsure))
}

/// Two tools that the message means about equally.
fn are_rivals(fits: &[Fit]) -> bool {
    matches!(fits, [best, rival, ..] if rival.weight >= 0.7 && rival.weight > 0.75 * best.weight)
}

/// Whether a tool acts on chosen parts of a thing.
fn takes_parts(toolbox: &Toolbox, tool: &str) -> bool {
    toolbox.get(tool).is_some_and(|t| t.arguments.values().any(|a| a.items.is_some()))
}

/// What speaks against acting on a fit, and how much of the score it leaves. Reads
/// do no harm and have none.
fn reservation(
    fit: &Fit,
    heard: &Heard,
    meant: &Meant,
    toolbox: &Toolbox,
) -> Option<(f64, &'static str)> {
    if toolbox.get(&fit.tool).is_none_or(|tool| tool.read) {
        return None;
    }
    if meant.of(Notion::Partial) > 0.0 && !takes_parts(toolbox, &fit.tool) {
        return Some((0.6, "only a part seems to be meant"));
    }
    if !is_wished(heard) {
        return Some((0.75, "it is spoken of rather than asked for"));
    }
    is_conditional(heard).then_some((0.8, "it depends on something that is not known yet"))
}

fn tool(fit: &Fit, fits: &[Fit], heard: &Heard, reservation: Option<(f64, &str)>) -> Decision {
    let rival = fits.iter().find(|other| other.tool != fit.tool).map_or(0.0, |other| other.weight);
    let margin = ((fit.weight - rival) / fit.weight).clamp(0.0, 1.0);
    let strength = fit.weight.min(1.0).sqrt();
    let left = reservation.map_or(1.0, |(left, _)| left);
    let score = PLAIN * strength * left * (0.55 + 0.45 * (margin / 0.5).min(1.0));
    let range = |c: &Clause| c.range.clone();
    let off = |c: &&Clause| c.has(Notion::Keep) || (!c.denied.is_empty() && !topical(c));
    let call = Call {
        tool: fit.tool.clone(),
        heard: heard.clauses.iter().filter(|c| topical(c) && !off(c)).map(range).collect(),
        shunned: heard.clauses.iter().filter(off).map(range).collect(),
        ..Call::default()
    };
    let doubt = match reservation {
        Some((_, why)) => why.to_owned(),
        None if score >= 0.9 => String::new(),
        None => doubt(fits),
    };
    Decision { want: Want::Tool(call), score, doubt, tokens: None }
}

fn doubt(fits: &[Fit]) -> String {
    let names: Vec<&str> =
        fits.iter().take(2).filter(|f| f.weight > 0.2).map(|f| f.tool.as_str()).collect();
    match names.as_slice() {
        [one, other] => format!("could mean {one} or {other}"),
        [_] | [] | [_, _, ..] => "only a weak resemblance to known requests".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use countersign_proto::v1;
    use proptest::prelude::*;

    use super::*;

    /// A write beside a read of which more and more is said, of the same things.
    #[test]
    fn a_write_keeps_its_score_while_a_read_gains_examples() {
        let tool = |name: &str, read, examples: &[&str]| v1::Tool {
            name: name.into(),
            read,
            examples: examples.iter().map(|e| (*e).to_owned()).collect(),
            ..v1::Tool::default()
        };
        let book = tool(
            "cal.book",
            false,
            &["book a call on {day}", "schedule a meeting", "set up a call"],
        );
        let asked = [
            "open slots",
            "meeting times",
            "my call on {day}",
            "list my calls",
            "calls this week",
            "show the call",
            "meetings",
        ];
        for n in 1..=asked.len() {
            let read_of = tool("cal.slots", true, asked.get(..n).unwrap_or_default());
            let toolbox = Toolbox::from_listed(&[read_of, book.clone()]);
            for said in [
                "please book a call on Friday",
                "can you schedule a meeting",
                "set up a call for us please",
            ] {
                let decision = read(said, &toolbox);
                let meant = matches!(&decision.want, Want::Tool(call) if call.tool == "cal.book");
                assert!(meant && decision.score >= PLAIN, "{n} {said}: {decision:?}");
            }
        }
    }

    proptest! {
        /// Whatever is written, reading it ends, and what it points to is there.
        #[test]
        fn any_text_is_read(text in "(\\PC|cancel |refund |not |order |#1004 |\n> |, |\\? ){0,60}") {
            let decision = read(&text, &Toolbox::default());
            prop_assert!((0.0..=1.0).contains(&decision.score));
            for clause in hear(&text).clauses {
                prop_assert!(text.get(clause.range).is_some());
                for word in clause.words {
                    prop_assert!(text.get(word.range).is_some());
                }
            }
        }
    }
}
