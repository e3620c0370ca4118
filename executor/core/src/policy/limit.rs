//! How much and how often within a window. The tallies are the store's; what they
//! mean is decided here.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use countersign_shared::codes::Code;
use countersign_shared::money::{Currency, Money};
use serde::Serialize;

use super::pattern::Pattern;
use crate::error::Refused;
use crate::gate::Finding;
use crate::grounds::Grounds;

/// One line of `limits`. Every line that matches counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name; also the tally's.
    pub name: String,
    /// Whose tally.
    pub per: Per,
    /// Which tools.
    pub tools: Vec<Pattern>,
    /// Length of the sliding window.
    pub within: Duration,
    /// Most money in the window, by currency; empty where only the count matters.
    pub most: BTreeMap<Currency, Money>,
    /// Most actions in the window.
    pub count: Option<u32>,
}

/// Whose actions are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// The subject's.
    Customer,
    /// Those on the locked object.
    Object,
    /// The tenant's.
    Tenant,
    /// Those that one approver said yes to.
    Approver,
    /// Those that pay to or from one card or account.
    Instrument,
}

/// What a window holds already: applied, under way and in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Money in the currency of the action that is asked about; `None` where it moves none.
    pub money: Option<Money>,
    /// Actions.
    pub count: u32,
}

impl Limit {
    /// Whether it speaks of this tool.
    #[must_use]
    pub fn matches(&self, tool: &str) -> bool {
        self.tools.iter().any(|pattern| pattern.matches(tool))
    }

    /// Whether one more action, moving `money`, stays within the limit.
    ///
    /// # Errors
    /// `VELOCITY_EXCEEDED`, `LIMIT_EXCEEDED`; `RULE_ERROR` where the sum cannot be made.
    pub fn check(&self, so_far: &Tally, money: Option<Money>) -> Result<Finding, Refused> {
        let verdict = self.counted(so_far).and_then(|()| self.summed(so_far, money));
        let finding = Finding {
            gate: format!("limit {}", self.name),
            passed: verdict.is_ok(),
            facts: Grounds::Limit {
                per: self.per.name(),
                within_seconds: self.within.as_secs(),
                most: self.most.values().copied().collect(),
                count: self.count,
                so_far: self.told(so_far),
                money,
            },
        };
        match verdict {
            Ok(()) => Ok(finding),
            Err((code, message)) => Err(Refused::new(code, message).after(vec![finding])),
        }
    }

    /// What others did is nobody's business but the house's: a subject, who may read the
    /// receipt, hears only of themself.
    fn told(&self, so_far: &Tally) -> Option<Tally> {
        match self.per {
            Per::Customer => Some(*so_far),
            Per::Object | Per::Tenant | Per::Approver | Per::Instrument => None,
        }
    }

    fn counted(&self, so_far: &Tally) -> Result<(), (Code, String)> {
        match self.count {
            Some(most) if so_far.count >= most => {
                Err((Code::VelocityExceeded, self.exceeded(&format!("at most {most} actions"))))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn summed(&self, so_far: &Tally, money: Option<Money>) -> Result<(), (Code, String)> {
        let Some(money) = money.filter(|_| !self.most.is_empty()) else { return Ok(()) };
        let Some(most) = self.most.get(&money.currency()) else {
            // Nobody said that this currency is harmless.
            let message = format!("limit `{}` names no amount in {}", self.name, money.currency());
            return Err((Code::LimitExceeded, message));
        };
        let unsummed =
            |error: &dyn fmt::Display| (Code::RuleError, format!("limit `{}`: {error}", self.name));
        let before = so_far.money.unwrap_or(Money::from_minor(0, money.currency()));
        let after = before.checked_add(money).map_err(|e| unsummed(&e))?;
        if after.compare(*most).map_err(|e| unsummed(&e))?.is_gt() {
            return Err((Code::LimitExceeded, self.exceeded(&format!("at most {most}"))));
        }
        Ok(())
    }

    fn exceeded(&self, what: &str) -> String {
        format!("limit `{}`: {what} per {} within {}", self.name, self.per.name(), self.window())
    }

    /// The window in the largest unit that fits.
    #[must_use]
    pub fn window(&self) -> String {
        let seconds = self.within.as_secs();
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        let unit = units.iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
        unit.map_or_else(
            || format!("{seconds}s"),
            |(unit, name)| format!("{}{name}", seconds / unit),
        )
    }
}

impl Per {
    /// All of them, by the word in the settings.
    pub(super) const WORDS: &[(&str, Self)] = &[
        ("customer", Self::Customer),
        ("object", Self::Object),
        ("tenant", Self::Tenant),
        ("approver", Self::Approver),
        ("instrument", Self::Instrument),
    ];

    /// The word in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Object => "object",
            Self::Tenant => "tenant",
            Self::Approver => "approver",
            Self::Instrument => "instrument",
        }
    }
}
