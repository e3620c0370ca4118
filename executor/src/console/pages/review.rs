//! What was out of the ordinary in a week; each number leads to its actions.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde::Deserialize;

use super::actions::tenants;
use crate::analytics::duration;
use crate::console::Console;
use crate::console::frame::{Frame, Place};
use crate::console::requests::{notice, page};
use crate::console::view::{Headline, clock};
use crate::console::visitor::Visitor;
use crate::review::{self, ANSWERED, FIRST, Review, Week};

#[derive(Template)]
#[template(path = "review.html")]
struct Shown {
    frame: Frame,
    tenants: Vec<(String, bool)>,
    tenant: String,
    week: String,
    wrong: bool,
    cut: bool,
    sums: Vec<Sum>,
    amounts: Vec<Amount>,
    refusals: Vec<Refused>,
    overrides: Vec<(String, String)>,
    people: Vec<Person>,
}

struct Sum {
    name: &'static str,
    now: i64,
    before: i64,
    link: String,
}

struct Amount {
    receipt: String,
    tool: String,
    amount: String,
    median: String,
    far: String,
}

struct Refused {
    code: String,
    link: String,
    now: i64,
    before: i64,
    grew: bool,
}

struct Person {
    by: String,
    link: String,
    yes: i64,
    no: i64,
    median: String,
    fastest: String,
    out: i64,
    always: bool,
}

/// What the address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Asked {
    tenant: String,
    week: String,
}

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/review", get(show)).route("/review.md", get(download))
}

/// `GET /review`.
async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Review) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (tenant, choices) = tenants(&visitor, &asked.tenant);
    let wrong = !asked.week.is_empty() && Week::read(&asked.week).is_none();
    match read(&console, &asked, &tenant).await {
        Ok(found) => page(&Shown { wrong, ..view(frame, choices, tenant, &found) }),
        Err(no) => notice(frame, Headline::unreadable(&no)),
    }
}

/// `GET /review.md`.
async fn download(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Response {
    let frame = match console.enter(&visitor, Place::Review) {
        Ok(frame) => frame,
        Err(no) => return no,
    };
    let (tenant, _) = tenants(&visitor, &asked.tenant);
    match read(&console, &asked, &tenant).await {
        Ok(found) => {
            let file = format!("attachment; filename=\"review-{}.md\"", found.week.name());
            let headers = [
                (CONTENT_TYPE, "text/markdown; charset=utf-8".to_owned()),
                (CONTENT_DISPOSITION, file),
            ];
            (headers, review::markdown(&found, console.site.origin())).into_response()
        }
        Err(no) => notice(frame, Headline::unreadable(&no)),
    }
}

/// The week that is asked for; the last whole one where none is.
async fn read(console: &Console, asked: &Asked, tenant: &str) -> Result<Review, String> {
    let last = Week::of(console.desk.pipeline.clock.now()).previous();
    let week = Week::read(&asked.week).unwrap_or(last);
    let store = &*console.desk.pipeline.store;
    review::read(store, Some(tenant.to_owned()), week).await.map_err(|e| e.to_string())
}

fn view(frame: Frame, tenants: Vec<(String, bool)>, tenant: String, found: &Review) -> Shown {
    let (now, before) = (&found.sums, &found.before);
    let link = |of: &[(&str, &str)]| review::link(found.week, Some(&tenant), of);
    let sum = |name, now, before, of: &[(&str, &str)]| Sum { name, now, before, link: link(of) };
    let amounts = found.amounts.iter().map(|odd| Amount {
        receipt: odd.receipt.clone(),
        tool: odd.tool.clone(),
        amount: odd.money.to_string(),
        median: odd.median.to_string(),
        far: odd.deviations.map_or("all others are alike".to_owned(), |times| format!("{times} ×")),
    });
    let refusals = found.refusals.iter().map(|one| Refused {
        link: link(&[("outcome", "refused"), ("code", &one.code), FIRST]),
        code: one.code.clone(),
        now: one.now,
        before: one.before,
        grew: one.grew(),
    });
    let overrides = found.overrides.iter().map(|one| {
        let who = if one.by.is_empty() {
            "settled by a person".to_owned()
        } else {
            format!("{} said no", one.by)
        };
        // A receipt that settles an earlier one may name no tool.
        let tool = if one.tool.is_empty() { String::new() } else { format!(", {}", one.tool) };
        (one.receipt.clone(), format!("{}{tool}: {who}", clock(one.at)))
    });
    let people = found.habits.iter().map(|habits| Person {
        link: link(&[("approver", &habits.by), ANSWERED]),
        by: habits.by.clone(),
        yes: habits.yes,
        no: habits.no,
        median: duration(habits.median),
        fastest: duration(habits.fastest),
        out: habits.out_of_hours,
        always: habits.always_yes(),
    });
    Shown {
        frame,
        tenants,
        week: found.week.name(),
        wrong: false,
        cut: found.cut,
        sums: vec![
            sum("Actions", now.actions, before.actions, &[FIRST]),
            sum("Applied", now.applied, before.applied, &[("outcome", "applied"), FIRST]),
            sum("Without a person", now.contained, before.contained, &[("by", "nobody")]),
            sum("Refused", now.refused, before.refused, &[("outcome", "refused"), FIRST]),
            sum("Overrides", now.overrides(), before.overrides(), &[("by", "override")]),
        ],
        amounts: amounts.collect(),
        refusals: refusals.collect(),
        overrides: overrides.collect(),
        people: people.collect(),
        tenant,
    }
}
