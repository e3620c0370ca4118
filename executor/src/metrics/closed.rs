//! What may stand in a label. All of it is known at start.

use std::collections::BTreeSet;

use countersign_core::contract::{Catalog, Contract, EffectClass};
use countersign_shared::codes::Code;

use crate::siem::SinkConfig;

/// For everything that is not in a set.
const OTHER: &str = "other";

/// `changed` is a receipt of a change that people made to the executor itself.
pub(super) const OUTCOMES: [&str; 6] =
    ["applied", "not_applied", "unknown", "refused", "changed", OTHER];

/// How calls of backends end: with an answer below 400, with one below 500, with another, without
/// one, or not sent at all.
pub(super) const RESULTS: [&str; 5] = ["answered", "refused", "failed", "lost", "not_sent"];

pub(super) struct Closed {
    tools: BTreeSet<String>,
    codes: BTreeSet<String>,
    packs: BTreeSet<String>,
    sinks: BTreeSet<String>,
    /// Packs, each with the classes of its tools.
    pub(super) calls: BTreeSet<(String, &'static str)>,
}

impl Closed {
    pub(super) fn of(catalog: &Catalog, sinks: &[SinkConfig]) -> Self {
        let contracts = || catalog.tools.values();
        let built_in = Code::ALL.iter().map(|code| code.name().to_owned());
        let own = contracts().flat_map(|contract| contract.pack.codes.keys().cloned());
        Self {
            tools: catalog.tools.keys().cloned().collect(),
            codes: built_in.chain(own).collect(),
            packs: contracts().map(|contract| contract.pack.name.clone()).collect(),
            sinks: sinks.iter().map(|sink| sink.name.clone()).collect(),
            calls: contracts().map(|c| (c.pack.name.clone(), class(c))).collect(),
        }
    }

    pub(super) fn tool(&self, name: &str) -> String {
        known(&self.tools, name)
    }

    pub(super) fn code(&self, name: &str) -> String {
        known(&self.codes, name)
    }

    pub(super) fn pack(&self, name: &str) -> String {
        known(&self.packs, name)
    }

    pub(super) fn sink(&self, name: &str) -> String {
        known(&self.sinks, name)
    }

    pub(super) fn outcome(&self, name: &str) -> &'static str {
        OUTCOMES.into_iter().find(|outcome| *outcome == name).unwrap_or(OTHER)
    }

    pub(super) fn tools(&self) -> impl Iterator<Item = String> {
        self.tools.iter().cloned().chain([OTHER.to_owned()])
    }

    pub(super) fn codes(&self) -> impl Iterator<Item = String> {
        self.codes.iter().cloned().chain([OTHER.to_owned()])
    }

    pub(super) fn sinks(&self) -> impl Iterator<Item = String> {
        self.sinks.iter().cloned()
    }
}

fn known(all: &BTreeSet<String>, name: &str) -> String {
    all.get(name).map_or_else(|| OTHER.to_owned(), Clone::clone)
}

/// The effect class of a contract, as contracts write it.
pub(super) fn class(contract: &Contract) -> &'static str {
    match contract.effect.class {
        EffectClass::None => "none",
        EffectClass::ServerKey => "server_key",
        EffectClass::ClientId => "client_id",
        EffectClass::CompareAndSet => "compare_and_set",
        EffectClass::Marker => "marker",
        EffectClass::Blind => "blind",
    }
}
