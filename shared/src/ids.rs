//! Identifiers: a three-letter prefix and 26 characters that sort by time.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// From 128 bits, a version 7 UUID where it should sort by time.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(format!(concat!($prefix, "_{}"), encode(uuid.as_u128())))
            }

            /// The whole id with its prefix.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                let body = text.strip_prefix(concat!($prefix, "_"));
                if body.is_some_and(|b| b.len() == 26 && b.bytes().all(|c| ALPHABET.contains(&c))) {
                    Ok(Self(text))
                } else {
                    Err(BadId { prefix: $prefix })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A proposal, parked until its grants are there.
    ProposalId, "prp");
id!(
    /// One write being carried out.
    ActionId, "act");
id!(
    /// The durable result of a read.
    ObservationId, "obs");
id!(
    /// The record of a finished or refused action.
    ReceiptId, "rcp");
id!(
    /// A turn of a conversation, as a planner told it.
    TurnId, "trn");
id!(
    /// A matter that waits for a person.
    EscalationId, "esc");

impl EscalationId {
    /// The one that this receipt opens.
    #[must_use]
    pub fn of(receipt: &ReceiptId) -> Self {
        Self(format!("esc_{}", receipt.0.trim_start_matches("rcp_")))
    }
}

impl TurnId {
    /// When it was made, milliseconds since 1970: the first 48 of its bits.
    #[must_use]
    pub fn made_at(&self) -> i64 {
        made_at(&self.0).unwrap_or_default()
    }
}

/// When an id of any kind was made, milliseconds since 1970: the first 48 of its bits.
/// `None` where it is no id.
#[must_use]
pub fn made_at(id: &str) -> Option<i64> {
    let body = id.get(4..).filter(|body| body.len() == 26)?;
    let digits = body.bytes().map(|c| ALPHABET.iter().position(|letter| *letter == c));
    let bits =
        digits.into_iter().try_fold(0_u128, |bits, digit| Some((bits << 5) | digit? as u128));
    i64::try_from(bits? >> 80).ok()
}

/// A string that is not the id it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected `{prefix}_` and 26 characters")]
pub struct BadId {
    prefix: &'static str,
}

/// Crockford's base 32 in lower case: no i, l, o, u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode(bits: u128) -> String {
    (0..26_u32)
        .rev()
        .map(|place| {
            let digit = (bits >> (place * 5)) & 31;
            char::from(*ALPHABET.get(digit as usize).unwrap_or(&b'0'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_id_tells_when_it_was_made() {
        let id = ProposalId::from_uuid(Uuid::from_u128((1_764_111_600_123 << 80) | 7));
        assert_eq!(made_at(id.as_str()), Some(1_764_111_600_123));
        assert_eq!(made_at("prp_1"), None);
        assert_eq!(made_at(""), None);
    }

    #[test]
    fn ids_sort_by_time_and_parse_back() {
        let early = ActionId::from_uuid(Uuid::from_u128(1 << 80));
        let late = ActionId::from_uuid(Uuid::from_u128(2 << 80));
        assert!(early < late);
        assert_eq!(early.to_string().parse::<ActionId>().unwrap(), early);
    }

    #[test]
    fn an_escalation_bears_the_mark_of_its_receipt() {
        let receipt = ReceiptId::from_uuid(Uuid::from_u128(7));
        let escalation = EscalationId::of(&receipt);
        assert_eq!(escalation.to_string().parse::<EscalationId>().unwrap(), escalation);
        assert_eq!(escalation.as_str().get(4..), receipt.as_str().get(4..));
    }

    #[test]
    fn a_turn_tells_when_it_was_made() {
        let id = TurnId::from_uuid(Uuid::from_u128((1_764_111_600_123 << 80) | 7));
        assert_eq!(id.made_at(), 1_764_111_600_123);
    }

    #[test]
    fn other_kinds_are_refused() {
        let id = ActionId::from_uuid(Uuid::from_u128(7)).to_string();
        assert!(id.parse::<ReceiptId>().is_err());
        assert!("act_../../etc/passwd0000000000".parse::<ActionId>().is_err());
    }
}
