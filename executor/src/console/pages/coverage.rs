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
    missing: Vec<Guardrail>,
    standing: Vec<Guardrail>,
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
        let (missing, standing) = needed.partition(|guardrail| guardrail.stands == Stands::No);
        let (name, summary) = (contract.tool.clone(), contract.summary.clone());
        Tool { name, summary, stand, of, missing, standing }
    });
    page(&Coverage { frame, tools: tools.collect() })
}
