//! Each tool against the eleven guardrails: what stands, what is missing, how to add it.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use countersign_core::contract::Contract;
use countersign_core::coverage::{self, Guardrail, Stands};
use countersign_core::policy::Policy;

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

impl Tool {
    fn of(contract: &Contract, policy: &Policy) -> Self {
        let all = coverage::of(contract, policy);
        let (stand, of) = coverage::count(&all);
        let needed = all.into_iter().filter(|guardrail| guardrail.stands != Stands::NotNeeded);
        let (missing, standing): (Vec<_>, Vec<_>) =
            needed.partition(|guardrail| guardrail.stands == Stands::No);
        let [missing, standing] =
            [missing, standing].map(|some| some.iter().map(Told::of).collect::<Vec<_>>());
        let (name, summary) = (contract.tool.clone(), contract.summary.clone());
        Self { name, summary, stand, of, missing, standing }
    }
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
    let tools = listed.map(|contract| Tool::of(contract, &pipeline.policy));
    page(&Coverage { frame, tools: tools.collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use countersign_core::contract::{Body, Confirm, EffectClass};

    use super::*;
    use crate::grants::tests::shop::PACK;
    use crate::testing::{catalog, with_people};

    /// A tool of the shop without whatever a contract can do without.
    fn bare(tool: &str) -> Contract {
        let mut contract = Arc::into_inner(catalog(&PACK).tools.remove(tool).unwrap()).unwrap();
        contract.effect.class = EffectClass::Blind;
        for argument in contract.arguments.values_mut() {
            argument.schema = serde_json::json!({ "type": "string" });
        }
        match &mut contract.body {
            Body::Read(read) => read.subject = None,
            Body::Write(write) => {
                write.require.clear();
                write.confidence.floor = 0.0;
                write.confirm = Confirm::None;
                write.approve.clear();
            }
        }
        contract
    }

    /// Of the eleven, privilege, schema and read-back are in every contract that loads.
    #[test]
    fn whatever_is_missing_stands_there_with_how_to_add_it() {
        let policy = with_people("people: []\n", vec![]);
        let tools = ["shop.order", "shop.refund"].map(|tool| Tool::of(&bare(tool), &policy));
        let told: Vec<_> = tools.iter().flat_map(|tool| &tool.missing).collect();
        for name in ["references", "owner", "fresh state", "confidence", "confirmation", "approval"]
            .into_iter()
            .chain(["one effect"])
        {
            assert!(told.iter().any(|told| told.name == name), "{name}");
        }
        assert!(told.iter().all(|told| !told.how.is_empty() && !told.add.is_empty()));
        let rows: Vec<_> = told.iter().map(|told| format!("Missing: {}<", told.name)).collect();
        let page = Coverage { frame: Frame::outside(), tools: tools.into() }.render().unwrap();
        assert!(rows.iter().all(|row| page.contains(row)), "{page}");
        assert_eq!(page.matches("To add it, ").count(), rows.len(), "{page}");
        let add = "add <code>require</code>: what must be true of the object just before";
        assert!(page.contains(add) && page.contains("add <code>subject</code>, or"), "{page}");
    }

    #[test]
    fn code_is_told_from_words() {
        let told = pieces("add `confirm: customer` to it");
        let told: Vec<_> = told.iter().map(|(text, code)| (text.as_str(), *code)).collect();
        assert_eq!(told, [("add ", false), ("confirm: customer", true), (" to it", false)]);
    }
}
