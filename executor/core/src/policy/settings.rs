//! `settings.yaml`: modes, limits, how long things live, how many must sign.

mod read;

use std::sync::Arc;
use std::time::Duration;

use super::limit::Limit;
use super::mode::ModeLine;

pub(super) use read::{amount, read};

/// What a bundle's `settings.yaml` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// First match wins; none matches: shadow.
    pub modes: Vec<ModeLine>,
    /// Every one that matches counts.
    pub limits: Vec<Arc<Limit>>,
    /// Proposals that may wait for an answer at once.
    pub open: Open,
    /// Longest time between the subject's verification and execution.
    pub subject_valid_for: Duration,
    /// How long a card or an approval request waits.
    pub proposals_live: Duration,
    /// Signatures that activate a changed digest.
    pub activation: Activation,
}

/// Most proposals waiting at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Of one subject.
    pub per_subject: u32,
    /// Of one planner.
    pub per_planner: u32,
}

/// How many persons activate a changed digest (NO ONE HOLDS THE WHOLE PEN).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    policy: u32,
    pack: u32,
    issuers: u32,
    egress: u32,
}

/// What takes effect by activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A policy bundle.
    Policy,
    /// A pack.
    Pack,
    /// Those who vouch for subjects.
    Issuers,
    /// Where connections may go.
    Egress,
}

impl Activation {
    /// Signatures that this part needs.
    #[must_use]
    pub fn needed(self, part: Part) -> u32 {
        match part {
            Part::Policy => self.policy,
            Part::Pack => self.pack,
            Part::Issuers => self.issuers,
            Part::Egress => self.egress,
        }
    }
}
