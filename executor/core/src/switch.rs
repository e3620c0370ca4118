//! Kill switches: what an operator switched off sends nothing. Reads go on, so that
//! what was sent before can still be verified.

pub mod order;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use countersign_shared::codes::Code;
use countersign_shared::ids::ReceiptId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Refused;
use crate::gates::Gate;
pub use order::Order;

/// How far a switch reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reach {
    /// Every write.
    All,
    /// Every write of a tenant.
    Tenant(String),
    /// Every write of a pack.
    Pack(String),
    /// One tool.
    Tool(String),
}

/// A switch that is off: who, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    /// The operator's identity.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// The receipt of that; none where a version turned it that kept none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptId>,
}

/// Every switch that is off; all others are on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    off: BTreeMap<Reach, Off>,
}

impl Switches {
    /// With those that are off.
    #[must_use]
    pub fn new(off: BTreeMap<Reach, Off>) -> Self {
        Self { off }
    }

    /// Those that are off.
    pub fn iter(&self) -> impl Iterator<Item = (&Reach, &Off)> {
        self.off.iter()
    }

    /// Who switched it off, where it is off.
    #[must_use]
    pub fn get(&self, reach: &Reach) -> Option<&Off> {
        self.off.get(reach)
    }

    /// With one of them turned: `None` is on.
    #[must_use]
    pub fn with(&self, reach: Reach, off: Option<Off>) -> Self {
        let mut all = self.off.clone();
        match off {
            Some(off) => all.insert(reach, off),
            None => all.remove(&reach),
        };
        Self { off: all }
    }

    /// Whether a tenant's write with this tool may go on.
    ///
    /// # Errors
    /// `SWITCHED_OFF`.
    pub fn check(&self, tenant: &str, tool: &str) -> Result<(), Refused> {
        self.off_for(tenant, tool).map_or(Ok(()), |reach| reach.refuse(tenant, tool))
    }

    /// The switch that is off for a tenant's write with this tool.
    #[must_use]
    pub fn off_for(&self, tenant: &str, tool: &str) -> Option<&Reach> {
        self.off.keys().find(|reach| reach.covers(tenant, tool) && Gate::Switch.is_on())
    }
}

impl Reach {
    /// What this switch says, being off, to a tenant's write with a tool.
    ///
    /// # Errors
    /// `SWITCHED_OFF`.
    pub fn refuse(&self, tenant: &str, tool: &str) -> Result<(), Refused> {
        if !self.covers(tenant, tool) {
            return Ok(());
        }
        Err(Refused::new(Code::SwitchedOff, format!("{self} is switched off")))
    }

    /// Whether it reaches a tenant's use of a tool.
    #[must_use]
    pub fn covers(&self, tenant: &str, tool: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tenant(name) => name == tenant,
            // A tool is named after its pack.
            Self::Pack(name) => tool.split('.').next() == Some(name),
            Self::Tool(name) => name == tool,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Tenant(name) => write!(f, "tenant/{name}"),
            Self::Pack(name) => write!(f, "pack/{name}"),
            Self::Tool(name) => write!(f, "tool/{name}"),
        }
    }
}

impl FromStr for Reach {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = text.split_once('/').filter(|(_, name)| !name.is_empty());
        match named {
            None if text == "all" => Ok(Self::All),
            Some(("tenant", name)) => Ok(Self::Tenant(name.to_owned())),
            Some(("pack", name)) => Ok(Self::Pack(name.to_owned())),
            Some(("tool", name)) => Ok(Self::Tool(name.to_owned())),
            None | Some(_) => {
                Err(format!("`{text}` is none of all, tenant/NAME, pack/NAME, tool/NAME"))
            }
        }
    }
}

impl TryFrom<String> for Reach {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Reach> for String {
    fn from(reach: Reach) -> Self {
        reach.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn off(reach: &str) -> Switches {
        let (by, reason, at) = ("o".into(), "r".into(), Timestamp::UNIX_EPOCH);
        let off = Off { by, reason, at, receipt: None };
        Switches::default().with(reach.parse().unwrap(), Some(off))
    }

    #[test]
    fn a_switch_reaches_what_it_names_and_nothing_else() {
        for (reach, hit, spared) in [
            ("tenant/a", ("a", "p.t"), ("b", "p.t")),
            ("pack/p", ("a", "p.t"), ("a", "pp.t")),
            ("tool/p.t", ("a", "p.t"), ("a", "p.tt")),
        ] {
            let refused = off(reach).check(hit.0, hit.1).unwrap_err();
            assert!(refused.is(Code::SwitchedOff) && refused.message.contains(reach), "{refused}");
            assert_eq!(off(reach).check(spared.0, spared.1), Ok(()), "{reach}");
        }
        assert!(off("all").check("a", "p.t").is_err());
    }

    #[test]
    fn turned_on_again_it_is_as_if_it_had_never_been_off() {
        assert_eq!(off("all").with(Reach::All, None), Switches::default());
        assert_eq!(off("all").with("pack/p".parse().unwrap(), None), off("all"));
    }

    #[test]
    fn a_reach_is_read_as_it_is_written() {
        for text in ["all", "tenant/a/b", "pack/p", "tool/p.t"] {
            assert_eq!(text.parse::<Reach>().unwrap().to_string(), text);
        }
        for text in ["", "ALL", "tool/", "order/1", "shopify.refund"] {
            assert!(text.parse::<Reach>().unwrap_err().contains("pack/NAME"), "{text}");
        }
    }
}
