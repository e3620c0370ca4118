//! The first place in which a receipt is not what its premises lead to, in words.

use std::fmt;

use countersign_shared::receipt::Receipt;
use serde_json::{Value as Json, json};

use crate::error::Refused;
use crate::premise::Premise;

/// What the rules decide.
pub(super) const VERDICT: &[&str] = &["outcome", "code", "gates"];
/// The same, and everything else that follows from the premises. What an engineer is
/// told may name what came later, and is not among them.
pub(super) const ALL: &[&str] = &[
    "tenant",
    "tool",
    "asked",
    "performed_by",
    "outcome",
    "code",
    "gates",
    "money",
    "arguments",
    "before",
    "grants",
    "policy",
    "contract",
    "proposal_id",
    "action_id",
    "intent",
    "key",
    "occasion",
    "locks",
    "booked",
    "backend",
    "attempts",
    "after",
    "verification",
    "output",
    "said",
    "next",
    "proposal",
];

/// One place.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where in the receipt: `gates[3].passed`.
    pub at: String,
    /// What stands there.
    pub recorded: String,
    /// What follows from the premises.
    pub derived: String,
}

impl Difference {
    /// The first of these members that is not what it was derived as.
    pub(super) fn first(recorded: &Receipt, derived: &Receipt, members: &[&str]) -> Option<Self> {
        let (recorded, derived) = (json!(recorded), json!(derived));
        let at = |of: &'_ Json, name: &str| of.get(name).cloned().unwrap_or(Json::Null);
        members.iter().find_map(|name| walk(name, &at(&recorded, name), &at(&derived, name)))
    }

    /// Nothing refuses what was refused, or nothing ends what ended.
    pub(super) fn open(receipt: &Receipt, what: &str) -> Self {
        Self {
            at: "outcome".to_owned(),
            recorded: ended(receipt),
            derived: format!("no rule ends it there: {what}"),
        }
    }

    /// A stage refuses after which the receipt goes on.
    pub(super) fn early(receipt: &Receipt, premise: &Premise, refused: &Refused) -> Self {
        Self {
            at: "outcome".to_owned(),
            recorded: ended(receipt),
            derived: format!("refused earlier, at `{}`: {refused}", premise.name()),
        }
    }

    /// Something else was told than the receipt says.
    pub(super) fn told(receipt: &Receipt, refused: &Refused) -> Self {
        let derived = format!("refused {}, with no gate asked", refused.code);
        Self { at: "outcome".to_owned(), recorded: ended(receipt), derived }
    }
}

fn ended(receipt: &Receipt) -> String {
    format!("{} {}", receipt.outcome, receipt.code).trim_end().to_owned()
}

fn walk(at: &str, recorded: &Json, derived: &Json) -> Option<Difference> {
    if recorded == derived {
        return None;
    }
    let inner = match (recorded, derived) {
        (Json::Object(a), Json::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            let pick = |of: &serde_json::Map<String, Json>, name| {
                of.get(name).cloned().unwrap_or(Json::Null)
            };
            let mut names = names;
            names.find_map(|name| walk(&format!("{at}.{name}"), &pick(a, name), &pick(b, name)))
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            let mut each = a.iter().zip(b).enumerate();
            each.find_map(|(i, (a, b))| walk(&format!("{at}[{i}]"), a, b))
        }
        (
            Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::String(_)
            | Json::Array(_)
            | Json::Object(_),
            _,
        ) => None,
    };
    Some(inner.unwrap_or_else(|| Difference {
        at: at.to_owned(),
        recorded: short(recorded),
        derived: short(derived),
    }))
}

fn short(value: &Json) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut: String = text.chars().take(200).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { text }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, recorded, derived } = self;
        write!(f, "{at}: the receipt says `{recorded}`, its facts lead to `{derived}`")
    }
}
