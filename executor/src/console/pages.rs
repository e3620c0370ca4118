//! The pages beside the approvals, a file each: what it reads, how it looks, what may be
//! done on it.

mod action;
mod actions;
mod activations;
mod analytics;
mod coverage;
mod escalation;
mod escalations;
mod matter;
mod plot;
mod review;
mod switches;

use axum::Router;

use super::Console;

/// Every page's own routes.
pub(super) fn routes() -> Router<Console> {
    Router::new()
        .merge(actions::routes())
        .merge(action::routes())
        .merge(escalations::routes())
        .merge(escalation::routes())
        .merge(analytics::routes())
        .merge(review::routes())
        .merge(coverage::routes())
        .merge(switches::routes())
        .merge(activations::routes())
}

#[cfg(test)]
mod tests;
