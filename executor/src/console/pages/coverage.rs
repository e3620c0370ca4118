//! Each tool against the eleven guardrails: what stands, what is missing, how to add it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use countersign_core::coverage::{self, Guardrail, Stands};

use crate::console::Console;
use crate::console::frame::{Frame, Place};
use crate::console::requests::page;
use crate::console::visitor::Visitor;

#[derive(Template)]
#[template(path = "coverage.html")]
struct Coverage {
    frame: Frame,
    tools: Vec<Tool>,
}

struct Tool {
    name: String,
    summary: String,
    stand: usize,
    of: usize,
    missing: Vec<Told>,
    standing: Vec<Told>,
}

/// A guardrail in words.
struct Told {
    name: &'static str,
    how: Vec<Piece>,
    add: Vec<Piece>,
}

/// A piece of a sentence, and whether it is code.
type Piece = (String, bool);

impl Told {
    fn of(guardrail: &Guardrail) -> Self {
        let (how, add) = (pieces(&guardrail.how), pieces(guardrail.add));
        Self { name: guardrail.name, how, add }
    }
}

/// A sentence in which code stands between backticks.
fn pieces(text: &str) -> Vec<Piece> {
    let each = text.split('`').enumerate().map(|(n, piece)| (piece.to_owned(), n % 2 == 1));
    each.filter(|(piece, _)| !piece.is_empty()).collect()
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/coverage", get(show))
}

/// `GET /coverage`.
async fn show(State(console): State<Console>, visitor: Visitor) -> Response {
    let frame = match console.enter(&visitor, Place::Coverage) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let pipeline = &console.desk.pipeline;
    let listed = pipeline.catalog.tools.values().filter(|contract| contract.listed);
    let tools = listed.map(|contract| {
        let all = coverage::of(contract, &pipeline.policy);
        let (stand, of) = coverage::count(&all);
        let needed = all.into_iter().filter(|guardrail| guardrail.stands != Stands::NotNeeded);
        let (missing, standing): (Vec<_>, Vec<_>) =
            needed.partition(|guardrail| guardrail.stands == Stands::No);
        let [missing, standing] =
            [missing, standing].map(|some| some.iter().map(Told::of).collect::<Vec<_>>());
        let (name, summary) = (contract.tool.clone(), contract.summary.clone());
        Tool { name, summary, stand, of, missing, standing }
    });
    page(&Coverage { frame, tools: tools.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_words() {
        let told = pieces("add `confirm: customer` to it");
        let told: Vec<_> = told.iter().map(|(text, code)| (text.as_str(), *code)).collect();
        assert_eq!(told, [("add ", false), ("confirm: customer", true), (" to it", false)]);
    }
}
