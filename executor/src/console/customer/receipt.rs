//! The page of one receipt, for whoever has its link: what its customer was told, how it ended,
//! and what that means. It is only read.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::REFERRER_POLICY;
use axum::response::Response;
use countersign_core::lifecycle::Outcome;
use countersign_shared::codes::Code;
use countersign_shared::receipt::Receipt;

use super::{Customers, Link, Told, absent, parts};
use crate::console::requests::page;
use crate::timeline::clock;

/// In the place of words that are gone.
const ERASED: &str = "What this receipt said in words is erased, because it was personal. \
                      How it ended stays on record.";
/// In the place of words that nobody can read, and that nobody erased.
const LOST: &str = "What this receipt said in words cannot be read at the moment. How it ended \
                    stays on record.";

/// Codes of which the page's words say all that is known.
const SAID: &[Code] = &[
    Code::ProposalExpired,
    Code::ProposalWithdrawn,
    Code::ProposalSuperseded,
    Code::StateChanged,
    Code::AlreadyDone,
    Code::InFlight,
    Code::HistoryMissing,
];

/// Codes of what was not done and can be at the next try. What a pack's own say may stand for good.
const PASSES: &[Code] = &[Code::ReplyLost, Code::SwitchedOff];

#[derive(Template)]
#[template(path = "receipt.html")]
struct Page {
    told: Told,
    /// What the outcome means; empty where the words say it all.
    meaning: &'static str,
    rows: Vec<(&'static str, String)>,
}

/// `GET /receipt/ID/SECRET`.
pub(in crate::console) async fn show(State(customers): State<Customers>, link: Link) -> Response {
    let mut answer = match parts(&link) {
        Ok(link) => customers.receipt(link).await,
        Err(absent) => absent,
    };
    // There is no form here that would need more.
    let nowhere = HeaderValue::from_static("no-referrer");
    answer.headers_mut().insert(REFERRER_POLICY, nowhere);
    answer
}

impl Customers {
    async fn receipt(&self, (id, secret): (&str, &str)) -> Response {
        let Some(id) = self.confirm.opens_receipt(id, secret) else { return absent() };
        let (sealed, receipt) = match self.desk.receipt(&id).await {
            Ok(Some(found)) => found,
            Ok(None) => return absent(),
            Err(error) => {
                tracing::error!(%error, receipt = %id, "a receipt cannot be read");
                return page(&super::Page::only(Told::not_now()));
            }
        };
        let contract = self.desk.pipeline.catalog.tools.get(&receipt.tool);
        let summary = contract.map_or(receipt.tool.as_str(), |contract| &contract.summary);
        let gone = sealed.is_erased().then_some(if sealed.lost { LOST } else { ERASED });
        match Page::of(&receipt, gone, summary) {
            Some(shown) => page(&shown),
            None => absent(),
        }
    }
}

impl Page {
    /// `None` for the receipt of what is no action.
    /// `gone` stands in the place of words that are.
    fn of(receipt: &Receipt, gone: Option<&str>, summary: &str) -> Option<Self> {
        let outcome = Outcome::named(&receipt.outcome)?;
        let mut told = told(receipt, outcome);
        if let Some(gone) = gone {
            gone.clone_into(&mut told.text);
        }
        // Nothing moved, unless it is known to have.
        let amount = if outcome == Outcome::Applied { "Amount" } else { "Amount asked for" };
        let money = receipt.money.map(|money| (amount, money.to_string()));
        let rows = [("Asked for", summary.to_owned())].into_iter().chain(money);
        let rows = rows
            .chain([("Time", clock(receipt.sealed_at)), ("Receipt", receipt.receipt_id.clone())]);
        Some(Self { told, meaning: meaning(receipt, outcome), rows: rows.collect() })
    }
}

fn told(receipt: &Receipt, outcome: Outcome) -> Told {
    // A backend's "already so" is told as ours.
    if outcome == Outcome::Refused || receipt.code == Code::AlreadyDone.name() {
        return Told::refused(&receipt.code, &receipt.said);
    }
    Told::ended(outcome, &receipt.said)
}

/// What the words leave unsaid. Where a colleague is asked to look, they say what follows.
fn meaning(receipt: &Receipt, outcome: Outcome) -> &'static str {
    let is = |codes: &[Code]| codes.iter().any(|code| receipt.code == code.name());
    match outcome {
        Outcome::Unknown => {
            "When this was written, nobody could tell whether it was done, so it may have been. \
             A colleague is asked to find out. What they find gets a receipt of its own; this \
             one stays as it is."
        }
        Outcome::NotApplied | Outcome::Refused if receipt.next == "person" || is(SAID) => "",
        Outcome::NotApplied if receipt.code.is_empty() || is(PASSES) => {
            "Nothing was changed. You can ask for it again."
        }
        Outcome::NotApplied => "Nothing was changed.",
        Outcome::Refused => "It was stopped before anything was sent.",
        Outcome::Applied => "",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_core::escalation;
    use countersign_shared::receipt::ERASED as COVERED;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../shared/examples/receipt.json");

    fn receipt(outcome: &str, said: &str) -> Receipt {
        let example: Receipt = serde_json::from_str(EXAMPLE).unwrap();
        Receipt { outcome: outcome.to_owned(), said: said.to_owned(), ..example }
    }

    fn shown(receipt: &Receipt, erased: bool) -> String {
        Page::of(receipt, erased.then_some(ERASED), "Cancel an order").unwrap().render().unwrap()
    }

    #[test]
    fn each_outcome_is_told_as_what_it_is() {
        let money = receipt("applied", "").money.unwrap().to_string();
        for (outcome, title, meaning, amount) in [
            ("applied", "Done", "", "Amount"),
            ("not_applied", "Not done", "You can ask for it again.", "Amount asked for"),
            ("refused", "Not done", "before anything was sent", "Amount asked for"),
            ("unknown", "Not known yet", "it may have been", "Amount asked for"),
        ] {
            let receipt = receipt(outcome, "In its own words.");
            let text = shown(&receipt, false);
            assert!(text.contains(&format!("<h1>{title}</h1>")), "{text}");
            assert!(text.contains("In its own words.") && text.contains(meaning), "{text}");
            assert!(
                text.contains(&format!("<dt>{amount}</dt>")) && text.contains(&money),
                "{text}"
            );
            assert!(text.contains("Cancel an order") && text.contains(&receipt.receipt_id));
            assert!(text.contains(&clock(receipt.sealed_at)), "{text}");
            assert!(!text.contains("<script") && !text.contains("<form"), "{text}");
        }
        assert!(Page::of(&receipt("changed", ""), None, "").is_none(), "no action");
    }

    #[test]
    fn a_refusal_is_told_as_what_it_is() {
        for (code, title, stopped) in [
            ("APPROVAL_REJECTED", "Not done", true),
            ("ALREADY_DONE", "Done before", false),
            ("HISTORY_MISSING", "Not known yet", false),
            ("PROPOSAL_EXPIRED", "Too late", false),
            ("PROPOSAL_WITHDRAWN", "Taken back", false),
            ("PROPOSAL_SUPERSEDED", "Asked anew", false),
            ("STATE_CHANGED", "Changed meanwhile", false),
        ] {
            let receipt = Receipt { code: code.to_owned(), ..receipt("refused", "In words.") };
            let text = shown(&receipt, false);
            assert!(text.contains(&format!("<h1>{title}</h1>")), "{code}: {text}");
            assert!(!text.contains("Nothing was changed"), "{code}: {text}");
            assert_eq!(text.contains("before anything was sent"), stopped, "{code}: {text}");
        }
    }

    /// As it is sealed: in the code's words, where they fit the outcome.
    fn of_code(code: Code, outcome: Outcome) -> Receipt {
        let proved = outcome == Outcome::NotApplied && code.page().is_doubt();
        let said = if proved { "That was not done." } else { code.page().say };
        let case = escalation::of(outcome, code.name(), None).is_some();
        Receipt {
            code: code.name().to_owned(),
            next: if case { "person" } else { "none" }.to_owned(),
            ..receipt(outcome.name(), said)
        }
    }

    #[test]
    fn no_page_contradicts_itself_or_asks_where_nobody_can_answer() {
        for code in Code::ALL {
            for outcome in [Outcome::NotApplied, Outcome::Refused, Outcome::Unknown] {
                let receipt = of_code(*code, outcome);
                let Page { told, meaning, .. } = Page::of(&receipt, None, "").unwrap();
                let text = format!("{}. {} {meaning}", told.title, told.text);
                assert!(!text.contains('?') && !told.text.is_empty(), "{code:?}: {text}");
                let again = meaning.contains("ask for it again");
                assert!(!(again && text.contains("olleague")), "{code:?}: {text}");
                let goes_on = receipt.next == "person" && outcome != Outcome::Unknown;
                assert!(!goes_on || meaning.is_empty(), "{code:?}: {text}");
            }
        }
    }

    #[test]
    fn what_may_never_be_done_is_not_to_be_asked_for_again() {
        for (code, next, meaning) in [
            ("", "none", "Nothing was changed. You can ask for it again."),
            ("REPLY_LOST", "none", "Nothing was changed. You can ask for it again."),
            ("ORDER_ALREADY_CANCELLED", "none", "Nothing was changed."),
            ("REFUND_NEEDS_STAFF", "person", ""),
        ] {
            let (code, next) = (code.to_owned(), next.to_owned());
            let receipt = Receipt { code, next, ..receipt("not_applied", "In words.") };
            assert_eq!(Page::of(&receipt, None, "").unwrap().meaning, meaning, "{receipt:?}");
        }
    }

    #[test]
    fn only_the_question_at_the_end_is_left_out() {
        for (said, told) in [
            ("It is USD 5.00. Shall I?", "It is USD 5.00."),
            ("Shall I pay USD 5.00?", ""),
            ("You asked why? It is closed.", "You asked why? It is closed."),
        ] {
            assert_eq!(Told::ended(Outcome::NotApplied, said).text, told);
        }
    }

    #[test]
    fn nothing_of_a_person_but_what_they_were_told_is_shown() {
        let receipt = receipt("applied", "It is done.");
        let text = shown(&receipt, false);
        let asked = &receipt.asked;
        for hidden in [&asked.subject, &asked.conversation, &asked.external_ref] {
            assert!(hidden.is_empty() || !text.contains(hidden.as_str()), "{hidden}: {text}");
        }
        let gone = shown(&Receipt { said: COVERED.to_owned(), ..receipt }, true);
        assert!(gone.contains("is erased") && !gone.contains(COVERED), "{gone}");
        assert!(gone.contains("<h1>Done</h1>"), "how it ended stays: {gone}");
    }

    #[test]
    fn what_it_says_stays_text() {
        let text = shown(&receipt("applied", "<b onclick=\"x\">\u{202e}"), false);
        assert!(text.contains("&#60;b onclick=&#34;x&#34;&#62;⟨U+202E⟩"), "{text}");
    }
}
