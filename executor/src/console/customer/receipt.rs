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
        match Page::of(&receipt, sealed.is_erased(), summary) {
            Some(shown) => page(&shown),
            None => absent(),
        }
    }
}

impl Page {
    /// `None` for the receipt of what is no action.
    fn of(receipt: &Receipt, erased: bool, summary: &str) -> Option<Self> {
        let outcome = Outcome::named(&receipt.outcome)?;
        let said = if erased { ERASED } else { receipt.said.as_str() };
        // Nothing moved, unless it is known to have.
        let amount = if outcome == Outcome::Applied { "Amount" } else { "Amount asked for" };
        let money = receipt.money.map(|money| (amount, money.to_string()));
        let rows = [("Asked for", summary.to_owned())].into_iter().chain(money);
        let rows = rows
            .chain([("Time", clock(receipt.sealed_at)), ("Receipt", receipt.receipt_id.clone())]);
        Some(Self {
            told: told(receipt, outcome, said.to_owned()),
            meaning: meaning(outcome),
            rows: rows.collect(),
        })
    }
}

/// Not every refusal says that it is not done.
fn told(receipt: &Receipt, outcome: Outcome, said: String) -> Told {
    let is = |code: Code| receipt.code == code.name();
    if is(Code::AlreadyDone) {
        Told::done_before(said)
    } else if is(Code::HistoryMissing) {
        Told::ended(Outcome::Unknown, said)
    } else {
        Told::ended(outcome, said)
    }
}

fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "",
        Outcome::NotApplied => "Nothing was changed. You can ask for it again.",
        Outcome::Refused => "It was turned down before anything was sent.",
        Outcome::Unknown => {
            "When this was written, nobody could tell whether it was done, so it may have been. \
             A colleague is asked to find out. What they find gets a receipt of its own; this \
             one stays as it is."
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_shared::receipt::ERASED as COVERED;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../shared/examples/receipt.json");

    fn receipt(outcome: &str, said: &str) -> Receipt {
        let example: Receipt = serde_json::from_str(EXAMPLE).unwrap();
        Receipt { outcome: outcome.to_owned(), said: said.to_owned(), ..example }
    }

    fn shown(receipt: &Receipt, erased: bool) -> String {
        Page::of(receipt, erased, "Cancel an order").unwrap().render().unwrap()
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
        assert!(Page::of(&receipt("changed", ""), false, "").is_none(), "no action");
    }

    #[test]
    fn a_refusal_of_what_may_be_done_does_not_say_that_it_is_not() {
        for (code, title) in [
            ("LIMIT_EXCEEDED", "Not done"),
            ("ALREADY_DONE", "Done before"),
            ("HISTORY_MISSING", "Not known yet"),
        ] {
            let receipt = Receipt { code: code.to_owned(), ..receipt("refused", "In words.") };
            let text = shown(&receipt, false);
            assert!(text.contains(&format!("<h1>{title}</h1>")), "{code}: {text}");
            assert!(!text.contains("Nothing was changed"), "{code}: {text}");
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
