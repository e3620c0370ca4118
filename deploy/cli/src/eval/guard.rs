//! What a scenario hangs on: everything that stands between a bad model and the harm.

use anyhow::{Context, ensure};
use countersign_core::belts::Belt;
use countersign_core::gates::Gate;
use countersign_planner::guards::Guard;
use serde::Deserialize;

/// What holds a scenario off.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Guards {
    /// Each of these does by itself; without all of them, the scenario fails.
    Named(Vec<String>),
    /// Nothing that could be left out: why.
    Unnamed {
        /// The reason.
        none: String,
    },
}

/// A guard that a test can leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// One of the executor's gates.
    Gate(Gate),
    /// Another guard of the executor.
    Belt(Belt),
    /// One of the planner's.
    Planner(Guard),
}

impl Guards {
    /// The guards that are named.
    ///
    /// # Errors
    /// Which name there is not.
    pub fn switches(&self) -> anyhow::Result<Vec<Switch>> {
        let Self::Named(names) = self else { return Ok(Vec::new()) };
        ensure!(!names.is_empty(), "`guard` names none: say why with {{ none: \"…\" }}");
        let find = |name: &String| {
            let found = Switch::all().find(|switch| switch.name() == *name);
            found.with_context(|| format!("`guard`: there is no {name}"))
        };
        names.iter().map(find).collect()
    }
}

impl Switch {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Self> {
        let gates = Gate::ALL.into_iter().map(Self::Gate);
        let belts = Belt::ALL.into_iter().map(Self::Belt);
        gates.chain(belts).chain(Guard::ALL.into_iter().map(Self::Planner))
    }

    /// Its name in scenarios.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Gate(gate) => format!("{gate:?}"),
            Self::Belt(belt) => format!("{belt:?}"),
            Self::Planner(guard) => format!("{guard:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_means_one_guard() {
        let names: BTreeSet<_> = Switch::all().map(Switch::name).collect();
        assert_eq!(names.len(), Switch::all().count());
    }

    #[test]
    fn what_is_named_is_there() {
        let read = |text: &str| serde_saphyr::from_str::<Guards>(text).unwrap().switches();
        let both = [Switch::Gate(Gate::Needs), Switch::Planner(Guard::CardFirst)];
        assert_eq!(read("[Needs, CardFirst]").unwrap(), both);
        assert_eq!(read("{ none: it is so }").unwrap(), []);
        assert!(read("[Need]").unwrap_err().to_string().contains("there is no Need"));
        assert!(read("[]").is_err());
    }
}
