//! The pages beside the approvals, a file each: what it reads, how it looks, what may be
//! done on it.

mod activations;
mod escalation;
mod escalations;
mod switches;

use axum::Router;

use super::Console;

/// Every page's own routes.
pub(super) fn routes() -> Router<Console> {
    Router::new()
        .merge(escalations::routes())
        .merge(escalation::routes())
        .merge(switches::routes())
        .merge(activations::routes())
}
