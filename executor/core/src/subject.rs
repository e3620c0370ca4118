//! The person for whom an action is done, as the executor verified them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use countersign_shared::codes::Code;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::contract::Contract;
use crate::error::Refused;
use crate::gate::Finding;
use crate::gates::Gate;
use crate::grounds::Grounds;
use crate::value::Value;

/// What the id of a matched subject begins with. No issuer's name for a subject does.
pub const MATCHED: &str = "matched:";
/// How long a match counts.
pub const MATCH_LIVES: Duration = Duration::from_secs(3600);
/// A clock that was set back a little does not make a subject stale.
const LEEWAY: Duration = Duration::from_secs(60);

/// A verified subject. The token itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The tenant that issuer and audience stand for.
    pub tenant: String,
    /// Who vouches for the subject.
    pub issuer: String,
    /// Who it is: the issuer's name for the subject, or for one who was matched
    /// [`MATCHED`] and whom the executor found.
    pub id: String,
    /// The name in the token: what the subject's words and confirmations are signed with.
    pub signs_as: String,
    /// The claims that the issuer's configuration lets through.
    pub claims: BTreeMap<String, String>,
    /// Customer or staff.
    pub kind: Kind,
    /// What staff may touch; empty for customers.
    pub scopes: BTreeSet<String>,
    /// The group that policy and modes may ask for; empty where there is none.
    pub segment: String,
    /// How surely it is this person.
    pub strength: Strength,
    /// When the token was verified: `subject_valid_for` counts from here.
    pub verified_at: Timestamp,
}

/// Whom a subject's token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody who owns objects at the backend.
    #[default]
    Customer,
    /// Somebody of the house, bound by scopes instead of ownership.
    Staff,
}

/// How surely it is this person, weakest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// A frontend or planner says so.
    Asserted,
    /// The executor itself matched order number and e-mail.
    Matched,
    /// Signed in at the issuer.
    #[default]
    SignedIn,
    /// Signed in with a second factor.
    Strong,
}

/// What the executor itself found out about an asserted subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matched {
    /// The claims of whoever order and e-mail belong to.
    pub claims: BTreeMap<String, String>,
    /// When they were matched.
    pub at: Timestamp,
}

impl Kind {
    /// The name that contracts and configuration use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
        }
    }
}

impl Strength {
    /// The name that contracts, configuration and receipts use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asserted => "asserted",
            Self::Matched => "matched",
            Self::SignedIn => "signed_in",
            Self::Strong => "strong",
        }
    }
}

/// Whether the tool is for this person at all, before anything is read for them.
///
/// # Errors
/// `NOT_THE_SUBJECTS`, `STRENGTH_REQUIRED`.
pub fn may_use(subject: &Subject, contract: &Contract) -> Result<Finding, Refused> {
    within_reach(subject, contract)?;
    strong_enough(subject, contract)
}

/// SUBJECT OWNS IT: staff are bound by scopes instead of ownership, and only where the
/// contract is for them.
fn within_reach(subject: &Subject, contract: &Contract) -> Result<(), Refused> {
    let kind = subject.kind;
    let scoped = kind == Kind::Customer || subject.scopes.contains(&contract.scope());
    if (contract.open_to.contains(&kind) && scoped) || !Gate::Audience.is_on() {
        return Ok(());
    }
    let message = if scoped {
        format!("{} is not for {}", contract.tool, kind.name())
    } else {
        format!("{} asks staff for the scope `{}`", contract.tool, contract.scope())
    };
    Err(Refused::new(Code::NotTheSubjects, message))
}

/// Whether it is surely enough this person for what the contract does.
fn strong_enough(subject: &Subject, contract: &Contract) -> Result<Finding, Refused> {
    let (has, wanted) = (subject.strength, contract.strength);
    let finding = Finding {
        gate: "strength".into(),
        passed: has >= wanted || !Gate::Strength.is_on(),
        facts: Grounds::Strength { has: has.name(), wanted: wanted.name() },
    };
    if finding.passed {
        return Ok(finding);
    }
    let message = format!(
        "{} asks for a subject who is {}, and this one is {}",
        contract.tool,
        wanted.name(),
        has.name()
    );
    Err(Refused::new(Code::StrengthRequired, message).after(vec![finding]))
}

/// Until when the subject counts as verified.
#[must_use]
pub fn valid_until(subject: &Subject, valid_for: Duration) -> Timestamp {
    let lives =
        if subject.strength == Strength::Matched { valid_for.min(MATCH_LIVES) } else { valid_for };
    subject.verified_at.saturating_add(lives).unwrap_or(Timestamp::MAX)
}

/// Whether the subject was verified recently enough to act for them still. A
/// verification that lies ahead of the clock proves nothing (ERRORS REFUSE).
///
/// # Errors
/// `SUBJECT_STALE`.
pub fn still_valid(subject: &Subject, valid_for: Duration, now: Timestamp) -> Result<(), Refused> {
    let age = now.duration_since(subject.verified_at);
    let valid_for =
        if subject.strength == Strength::Matched { valid_for.min(MATCH_LIVES) } else { valid_for };
    let most = if age.is_negative() { LEEWAY } else { valid_for };
    if age.unsigned_abs() <= most || !Gate::SubjectAge.is_on() {
        return Ok(());
    }
    let message = format!("the subject was verified at {}: sign in again", subject.verified_at);
    Err(Refused::new(Code::SubjectStale, message))
}

/// The name of a guest: what the backend calls them. Their e-mail only proved it.
#[must_use]
pub fn matched_as(claims: &BTreeMap<String, String>) -> String {
    let known: BTreeMap<_, _> = claims.iter().filter(|(name, _)| *name != "email").collect();
    let known = if known.is_empty() { json!(claims) } else { json!(known) };
    format!("{MATCHED}{known}")
}

impl Subject {
    /// A claim; `None` where it is absent or empty (SUBJECT OWNS IT refuses both).
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        let value = if name == "id" { Some(&self.id) } else { self.claims.get(name) };
        value.map(String::as_str).filter(|v| !v.is_empty())
    }

    /// An asserted subject, matched while that still counts. Of its token's claims
    /// none is left, and it is known by what was matched: whoever else is given the
    /// same name by a frontend is somebody else, and whoever matches the same is the
    /// same under another name. One who is signed in stays as they are.
    #[must_use]
    pub fn raised(self, matched: Option<Matched>, now: Timestamp) -> Self {
        let lives = |m: &Matched| {
            now.duration_since(m.at).unsigned_abs() < MATCH_LIVES || !Gate::MatchLives.is_on()
        };
        match matched.filter(lives) {
            Some(Matched { claims, at }) if self.strength == Strength::Asserted => {
                let id = matched_as(&claims);
                Self { id, claims, strength: Strength::Matched, verified_at: at, ..self }
            }
            Some(_) | None => self,
        }
    }

    /// What expressions see as `subject`.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut fields: BTreeMap<_, _> =
            self.claims.iter().map(|(k, v)| (k.clone(), Value::Str(v.clone()))).collect();
        fields.insert("id".to_owned(), Value::Str(self.id.clone()));
        Value::Object(fields)
    }

    /// Same person: tenant, issuer and id.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (&self.tenant, &self.issuer, &self.id) == (&other.tenant, &other.issuer, &other.id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::contract::load::{pack, testing::example_pack};

    fn subject(strength: Strength) -> Subject {
        Subject {
            tenant: "t".into(),
            issuer: "i".into(),
            id: "s".into(),
            signs_as: "s".into(),
            claims: BTreeMap::new(),
            kind: Kind::Customer,
            scopes: BTreeSet::new(),
            segment: String::new(),
            strength,
            verified_at: "2026-01-01T12:00:00Z".parse().unwrap(),
        }
    }

    /// Whoever erases a guest knows them by the backend's name.
    #[test]
    fn a_guest_goes_by_what_the_backend_calls_them() {
        let claims = |all: &[(&str, &str)]| {
            all.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let named = matched_as(&claims(&[("customer_id", "7")]));
        assert_eq!(named, r#"matched:{"customer_id":"7"}"#);
        assert_eq!(matched_as(&claims(&[("customer_id", "7"), ("email", "a@b.c")])), named);
        assert_eq!(matched_as(&claims(&[("email", "a@b.c")])), r#"matched:{"email":"a@b.c"}"#);
    }

    #[test]
    fn reads_want_a_match_and_writes_a_sign_in_unless_they_say_otherwise() {
        let loaded = pack(&example_pack()).pack.unwrap();
        for contract in &loaded.contracts {
            let write = matches!(contract.body, crate::contract::Body::Write(_));
            for strength in
                [Strength::Asserted, Strength::Matched, Strength::SignedIn, Strength::Strong]
            {
                let least = if write { Strength::SignedIn } else { Strength::Matched };
                let answer = strong_enough(&subject(strength), contract);
                assert_eq!(answer.is_ok(), strength >= least, "{} {strength:?}", contract.tool);
                if let Err(refused) = answer {
                    assert!(refused.is(Code::StrengthRequired));
                    assert!(refused.findings.iter().all(|f| !f.passed && f.gate == "strength"));
                }
            }
        }
    }

    #[test]
    fn a_match_raises_the_asserted_for_an_hour_and_nobody_else() {
        let at = |text: &str| text.parse().unwrap();
        let matched = Matched {
            claims: [("customer".to_owned(), "c1".to_owned())].into(),
            at: at("2026-01-01T12:00:00Z"),
        };
        let mut guest = subject(Strength::Asserted);
        guest.claims.insert("role".to_owned(), "admin".to_owned());
        let raised = guest.clone().raised(Some(matched.clone()), at("2026-01-01T12:59:59Z"));
        assert_eq!((raised.strength, &raised.claims), (Strength::Matched, &matched.claims));
        assert_eq!(raised.verified_at, matched.at);
        assert_eq!(raised.id, r#"matched:{"customer":"c1"}"#);
        assert_eq!(raised.signs_as, guest.signs_as);
        for late in ["2026-01-01T13:00:00Z", "2026-01-01T10:59:59Z"] {
            assert_eq!(guest.clone().raised(Some(matched.clone()), at(late)), guest, "{late}");
        }
        let signed_in = subject(Strength::SignedIn);
        assert_eq!(signed_in.clone().raised(Some(matched), at("2026-01-01T12:00:01Z")), signed_in);
    }

    #[test]
    fn a_subject_is_stale_after_its_time_and_before_it_was_verified() {
        let who = subject(Strength::SignedIn);
        let hour = Duration::from_secs(3600);
        let at = |text: &str| text.parse().unwrap();
        still_valid(&who, hour, at("2026-01-01T12:00:00Z")).unwrap();
        still_valid(&who, hour, at("2026-01-01T13:00:00Z")).unwrap();
        still_valid(&who, hour, at("2026-01-01T11:59:00Z")).unwrap();
        for late in ["2026-01-01T13:00:01Z", "2026-01-01T11:58:59Z"] {
            assert!(
                still_valid(&who, hour, at(late)).unwrap_err().is(Code::SubjectStale),
                "{late}"
            );
        }
    }
}
