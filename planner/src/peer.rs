//! Who may call what: frontends, every method of the table; anybody else, and any
//! other method, nothing.

use std::sync::Arc;

use countersign_shared::codes::Code;
use countersign_shared::mtls::{SpiffeId, SpiffePattern};
use countersign_shared::peer::Table;

use crate::metrics::Metrics;

/// Methods that frontends may call. A method that is not in it can be called by nobody.
pub const TABLE: &[&str] = &[
    "/countersign.v1.Planner/Converse",
    "/countersign.v1.Planner/Rate",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
];

/// The table with the configured identities.
#[derive(Clone)]
pub struct Authorize {
    callers: Arc<Vec<SpiffePattern>>,
    metrics: Metrics,
}

impl Authorize {
    /// With the configured identities.
    #[must_use]
    pub fn new(callers: Vec<SpiffePattern>) -> Self {
        Self { callers: Arc::new(callers), metrics: Metrics::default() }
    }

    /// Counts there whom it turns away.
    #[must_use]
    pub fn telling(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// Whether this identity may call this method.
    #[must_use]
    pub fn allows(&self, method: &str, id: &SpiffeId) -> bool {
        TABLE.contains(&method) && self.callers.iter().any(|pattern| pattern.matches(id))
    }
}

impl Table for Authorize {
    /// Every frontend is heard alike, each at a pace of its own.
    type Caller = SpiffeId;

    fn caller(&self, method: &str, id: &SpiffeId) -> Option<SpiffeId> {
        self.allows(method, id).then(|| id.clone())
    }

    fn whose(&self, method: &str) -> Vec<&'static str> {
        if TABLE.contains(&method) { vec!["callers"] } else { Vec::new() }
    }

    fn turned_away(&self, code: Code) {
        self.metrics.refused(code);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_configured_frontends_and_known_methods() {
        let authorize = Authorize::new(vec!["spiffe://demo/frontend".parse().unwrap()]);
        let frontend = "spiffe://demo/frontend".parse().unwrap();
        let other = "spiffe://demo/executor".parse().unwrap();
        for method in TABLE {
            assert!(authorize.allows(method, &frontend));
            assert!(!authorize.allows(method, &other));
        }
        assert!(!authorize.allows("/countersign.v1.Planner/Other", &frontend));
    }
}
