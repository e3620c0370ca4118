//! Who may call what: one table, default deny. A method that is not in it can be
//! called by nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::gates::Gate;
use countersign_shared::codes::Code;
use countersign_shared::mtls::{SpiffeId, SpiffePattern};
use countersign_shared::peer::Table;

use crate::config::Callers;
use crate::metrics::Metrics;

/// What an identity may be allowed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Proposes and executes for subjects whose tokens it presents.
    Planner,
    /// Reads what is of every tenant, and changes nothing.
    Auditor,
    /// Shows waiting requests to members of staff and hands over their answers.
    Approver,
    /// Turns the switches.
    Operator,
}

impl Role {
    /// Where its identities stand in the configuration.
    const fn listed(self) -> &'static str {
        match self {
            Self::Planner => "callers.planners",
            Self::Auditor => "callers.auditors",
            Self::Approver => "callers.approvers",
            Self::Operator => "callers.operators",
        }
    }
}

/// Every role.
const ANYONE: &[Role] = &[Role::Planner, Role::Auditor, Role::Approver, Role::Operator];

/// Method to roles. A test holds it against the protocol's descriptors.
pub const TABLE: &[(&str, &[Role])] = &[
    ("/countersign.v1.Executor/ListTools", &[Role::Planner]),
    ("/countersign.v1.Executor/Propose", &[Role::Planner]),
    ("/countersign.v1.Executor/Execute", &[Role::Planner]),
    ("/countersign.v1.Executor/Withdraw", &[Role::Planner]),
    ("/countersign.v1.Executor/MatchSubject", &[Role::Planner]),
    ("/countersign.v1.Executor/Escalate", &[Role::Planner]),
    ("/countersign.v1.Executor/RecordTurn", &[Role::Planner]),
    ("/countersign.v1.Executor/RecordRating", &[Role::Planner]),
    ("/countersign.v1.Executor/ListErased", &[Role::Planner]),
    ("/countersign.v1.Executor/GetHandover", &[Role::Planner]),
    ("/countersign.v1.Executor/GetAction", &[Role::Planner]),
    ("/countersign.v1.Executor/WatchAction", &[Role::Planner]),
    ("/countersign.v1.Audit/GetReceipt", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/ListReceipts", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/GetChain", &[Role::Auditor]),
    ("/countersign.v1.Audit/Find", &[Role::Auditor]),
    ("/countersign.v1.Audit/GetCheckpoint", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/GetInclusionProof", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/GetConsistencyProof", &[Role::Planner, Role::Auditor]),
    ("/countersign.v1.Audit/SearchActions", &[Role::Auditor]),
    ("/countersign.v1.Audit/GetTimeline", &[Role::Auditor]),
    ("/countersign.v1.Audit/Analytics", &[Role::Auditor]),
    ("/countersign.v1.Audit/Review", &[Role::Auditor]),
    ("/countersign.v1.Audit/ListBundles", &[Role::Auditor]),
    ("/countersign.v1.Audit/GetBundle", &[Role::Auditor]),
    ("/countersign.v1.Approvals/ListRequests", &[Role::Approver, Role::Auditor]),
    ("/countersign.v1.Approvals/GetRequest", &[Role::Approver, Role::Auditor]),
    ("/countersign.v1.Approvals/AnswerRequest", &[Role::Approver]),
    ("/countersign.v1.Operator/SetSwitch", &[Role::Operator]),
    ("/countersign.v1.Operator/ListSwitches", &[Role::Operator, Role::Auditor]),
    ("/countersign.v1.Operator/Erase", &[Role::Operator]),
    ("/countersign.v1.Operator/SetHold", &[Role::Operator]),
    ("/countersign.v1.Escalations/ListEscalations", &[Role::Approver, Role::Auditor]),
    ("/countersign.v1.Escalations/GetEscalation", &[Role::Approver, Role::Auditor]),
    ("/countersign.v1.Escalations/TakeEscalation", &[Role::Approver]),
    ("/countersign.v1.Escalations/ReturnEscalation", &[Role::Approver]),
    ("/countersign.v1.Escalations/FinishEscalation", &[Role::Approver]),
    ("/grpc.health.v1.Health/Check", ANYONE),
    ("/grpc.health.v1.Health/Watch", ANYONE),
    ("/grpc.health.v1.Health/List", ANYONE),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", ANYONE),
];

/// A caller that the table let through.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub id: SpiffeId,
    /// As what.
    pub role: Role,
    /// Whose requests it sees, where it is a tool of members of staff.
    pub tenants: BTreeSet<String>,
}

impl Caller {
    /// Whether it sees what belongs to this tenant.
    #[must_use]
    pub fn sees(&self, tenant: &str) -> bool {
        self.role == Role::Auditor || self.tenants.contains(tenant)
    }
}

/// The table with the configured identities.
#[derive(Clone)]
pub struct Authorize {
    callers: Arc<Callers>,
    metrics: Metrics,
}

impl Authorize {
    /// With the configured identities.
    #[must_use]
    pub fn new(callers: Callers) -> Self {
        Self { callers: Arc::new(callers), metrics: Metrics::default() }
    }

    /// Counts there whom it turns away.
    #[must_use]
    pub fn telling(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The role in which an identity may call a method.
    #[must_use]
    pub fn role(&self, method: &str, id: &SpiffeId) -> Option<Role> {
        let (_, roles) = TABLE.iter().find(|(name, _)| *name == method)?;
        let may = |role: &Role| self.is(id, *role) || !Gate::Caller.is_on();
        roles.iter().copied().find(may)
    }

    fn is(&self, id: &SpiffeId, role: Role) -> bool {
        let any = |patterns: &[SpiffePattern]| patterns.iter().any(|p| p.matches(id));
        match role {
            Role::Planner => any(&self.callers.planners),
            Role::Auditor => any(&self.callers.auditors),
            Role::Approver => self.callers.approvers.iter().any(|tool| tool.id.matches(id)),
            Role::Operator => any(&self.callers.operators),
        }
    }

    fn tenants(&self, id: &SpiffeId) -> BTreeSet<String> {
        let tools = self.callers.approvers.iter();
        let tools = tools.filter(|tool| tool.id.matches(id) || !Gate::Caller.is_on());
        tools.flat_map(|tool| tool.tenants.iter().cloned()).collect()
    }
}

impl Table for Authorize {
    type Caller = Caller;

    fn caller(&self, method: &str, id: &SpiffeId) -> Option<Caller> {
        let role = self.role(method, id)?;
        Some(Caller { id: id.clone(), role, tenants: self.tenants(id) })
    }

    fn whose(&self, method: &str) -> Vec<&'static str> {
        let row = TABLE.iter().find(|(name, _)| *name == method);
        row.map_or_else(Vec::new, |(_, roles)| roles.iter().map(|role| role.listed()).collect())
    }

    fn turned_away(&self, code: Code) {
        self.metrics.refused(code.name());
    }
}
