//! Where the next process dies.

use std::fmt;

use countersign_tests::sandbox::{Fault, FaultSpec};

use Place::{Anywhere, Named, OnTheWire, Told};

/// A way to die.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    pub place: Place,
    /// At which passing, from 1.
    pub passing: u32,
    /// What the backend does meanwhile, so that the place is passed.
    pub fault: Option<Fault>,
}

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A place of the executor's own, by its name.
    Named(&'static str),
    /// When the backend has the request and its answer is not there yet.
    OnTheWire,
    /// When a caller has just been told the end.
    Told,
    /// Whenever.
    Anywhere,
}

/// Every way in turn, with the fault that leads there. At least every second one is between
/// an intent and its receipt.
const CYCLE: [(Place, Option<Fault>); 30] = [
    (Named("intent:after"), None),
    (Named("claim:before"), None),
    (Named("send:before"), None),
    (Told, None),
    (Named("send:after"), None),
    (Named("commit:before"), None),
    (OnTheWire, Some(Fault::Slow)),
    (Named("look:before"), None),
    (Named("claim:after"), None),
    (Named("seal:before"), None),
    (Anywhere, None),
    (Named("look:after"), None),
    (Named("commit:after"), None),
    (Named("resend:before"), Some(Fault::LostReply)),
    (Named("seal:after"), None),
    (Named("flush:before"), Some(Fault::RefundPending)),
    (OnTheWire, Some(Fault::Slow)),
    (Named("publish:before"), None),
    (Named("send:before"), Some(Fault::ErrorBefore)),
    (Named("recover:before"), None),
    (Named("send:after"), Some(Fault::ErrorAfter)),
    (Named("intent:before"), None),
    (OnTheWire, Some(Fault::LostReply)),
    (Named("resend:after"), Some(Fault::ErrorBefore)),
    (Named("reply:before"), None),
    (Named("flush:after"), Some(Fault::RefundPending)),
    (Named("look:before"), None),
    (Named("intent:after"), Some(Fault::LostReply)),
    (Named("publish:after"), None),
    (Named("seal:before"), Some(Fault::StaleRead)),
];

impl Aim {
    /// The one whose turn it is.
    pub fn of(turn: u32) -> Self {
        let (place, fault) = CYCLE[usize::try_from(turn).unwrap() % CYCLE.len()];
        // A fault is met once.
        let passing = if fault.is_some() { 1 } else { 1 + turn % 4 };
        Self { place, passing, fault }
    }

    /// What the executor is told of it.
    pub fn environment(&self) -> Option<String> {
        match self.place {
            Named(name) => Some(format!("{name}:{}", self.passing)),
            OnTheWire | Told | Anywhere => None,
        }
    }

    /// What the backend is told.
    pub fn bent(&self) -> Option<FaultSpec> {
        self.fault.map(|fault| FaultSpec { after_ms: 2500, ..fault.into() })
    }
}

impl Place {
    /// Whether who dies there leaves an action between its intent and its receipt.
    pub fn is_between(self) -> bool {
        let steps = ["intent:after", "send:", "resend:", "look:", "flush:", "seal:before"];
        match self {
            Named(name) => steps.iter().any(|step| name.starts_with(step)),
            OnTheWire => true,
            Told | Anywhere => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Named(name) => name,
            OnTheWire => "on the wire",
            Told => "told",
            Anywhere => "anywhere",
        })
    }
}
