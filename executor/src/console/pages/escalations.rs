//! The matters that were left to people.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;

use super::matter::{self, End};
use crate::console::Console;
use crate::console::frame::{Frame, Place};
use crate::console::requests::{notice, page};
use crate::console::view::{Headline, since};
use crate::console::visitor::Visitor;
use crate::ports::{Escalation, EscalationQuery, Stand};

/// Most matters on the page.
const MOST: u32 = 100;

/// Which matters somebody wants to see.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    /// `mine`, `closed`, or empty for all that are open.
    show: String,
}

#[derive(Template)]
#[template(path = "escalations.html")]
struct List {
    frame: Frame,
    filter: Filter,
    matters: Vec<Line>,
    /// How many are shown, where there are more.
    cut: Option<usize>,
}

struct Line {
    id: String,
    reason: String,
    about: String,
    facts: String,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/escalations", get(show))
}

/// `GET /escalations`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(filter): Query<Filter>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Escalations) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (mut found, who) = (Vec::new(), &visitor.person.id);
    let (stand, taken_by) = match filter.show.as_str() {
        "closed" => (Stand::Ended, String::new()),
        "mine" => (Stand::Open, who.clone()),
        _ => (Stand::Open, String::new()),
    };
    for tenant in visitor.tenants(Place::Escalations.open_to()) {
        let taken_by = taken_by.clone();
        // One more than is shown tells that there are more.
        let (limit, rest) = (MOST + 1, EscalationQuery::default());
        let query = EscalationQuery { tenant, stand, taken_by, limit, ..rest };
        match console.desk.pipeline.store.escalations(query).await {
            Ok(some) => found.extend(some),
            Err(error) => return notice(frame, Headline::unreadable(&error.to_string())),
        }
    }
    if stand == Stand::Ended {
        found.sort_by(|a, b| (&b.closed_by, &b.case.id).cmp(&(&a.closed_by, &a.case.id)));
    } else {
        found.sort_by(|a, b| (a.case.at, &a.case.id).cmp(&(b.case.at, &b.case.id)));
    }
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let cut = (found.len() > most).then_some(most);
    let now = console.desk.pipeline.clock.now();
    let each = found.iter().take(most).map(async |matter| {
        let end = match &matter.closed_by {
            Some(id) => matter::receipt(&console, id).await,
            None => None,
        };
        let end = end.and_then(|receipt| matter::end(&receipt, |id| console.named(id)));
        line(matter, end, |id| console.named(id), now)
    });
    let matters = join_all(each).await;
    page(&List { frame, filter, matters, cut })
}

fn line(
    matter: &Escalation,
    end: Option<End>,
    named: impl Fn(&str) -> String,
    now: Timestamp,
) -> Line {
    let case = &matter.case;
    let stands = match (&end, &matter.closed_by, &matter.taken_by) {
        (Some(end), ..) => Some(format!("{}, says {}", end.word, end.by)),
        (None, None, Some(who)) => Some(format!("{} is at it", named(who))),
        (None, ..) => None,
    };
    let when = match end {
        Some(end) => format!("ended {}", end.at),
        None => format!("since {}", since(case.at, now)),
    };
    let facts = [Some(case.tenant.clone()), Some(when), stands];
    let tool = if case.tool.is_empty() { "no tool was chosen" } else { &case.tool };
    Line {
        id: case.id.to_string(),
        reason: reason(matter),
        about: tool.to_owned(),
        facts: facts.into_iter().flatten().collect::<Vec<_>>().join(" · "),
    }
}

/// Why a person is asked, with the code.
pub(super) fn reason(matter: &Escalation) -> String {
    let words = matter.case.reason.name().replace('_', " ");
    if matter.case.code.is_empty() { words } else { format!("{words} ({})", matter.case.code) }
}
