//! The pages beside the approvals, a file each: what it reads, how it looks, what may be
//! done on it.

mod switches;

use axum::Router;

use super::Console;

/// Every page's own routes.
pub(super) fn routes() -> Router<Console> {
    Router::new().merge(switches::routes())
}
