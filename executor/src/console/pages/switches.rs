//! How far each tool goes by itself, from the active policy, and what is switched off.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use countersign_core::policy::ModeLine;

use crate::console::Console;
use crate::console::frame::{Frame, Place, sees};
use crate::console::requests::page;
use crate::console::view::clock;
use crate::console::visitor::Visitor;

#[derive(Template)]
#[template(path = "switches.html")]
struct Modes {
    frame: Frame,
    off: Vec<Off>,
    modes: Vec<Line>,
    policy: String,
}

struct Off {
    reach: String,
    by: String,
    at: String,
    reason: String,
}

struct Line {
    tools: String,
    who: String,
    mode: String,
    tone: &'static str,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/switches", get(show))
}

/// `GET /switches`.
async fn show(State(console): State<Console>, visitor: Visitor) -> Response {
    let frame = match console.enter(&visitor, Place::Switches) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (pipeline, standing) = (&console.desk.pipeline, console.desk.pipeline.switches.standing());
    let off = standing.iter().filter(|(reach, _)| sees(&visitor, reach));
    let off = off.map(|(reach, off)| Off {
        reach: reach.to_string(),
        by: off.by.clone(),
        at: clock(off.at),
        reason: off.reason.clone(),
    });
    page(&Modes {
        frame,
        off: off.collect(),
        modes: pipeline.policy.settings().modes.iter().map(line).collect(),
        policy: pipeline.policy.digest().to_owned(),
    })
}

fn line(mode: &ModeLine) -> Line {
    let tools: Vec<_> = mode.tools.iter().map(ToString::to_string).collect();
    let segment = mode.segment.as_ref().map(|name| format!("segment {name}"));
    let channel = mode.channel.as_ref().map(|name| format!("through {name}"));
    let share = mode.share.map(|share| format!("{share} of the subjects"));
    let who: Vec<_> = [segment, channel, share].into_iter().flatten().collect();
    Line {
        tools: tools.join(", "),
        who: if who.is_empty() { "everybody".to_owned() } else { who.join(", ") },
        mode: mode.mode.to_string(),
        tone: mode.mode.name(),
    }
}
