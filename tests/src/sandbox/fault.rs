//! Faults on demand: how the sandbox misbehaves when told to.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::requests::Called;
use super::shopify::StaffAct;

/// One way to misbehave. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The effect happens, then the connection is cut without one byte of response.
    LostReply,
    /// Answers success although nothing happened.
    NoEffect,
    /// Answers success although half happened: cancelled but not refunded, note but no address,
    /// half of the money.
    HalfEffect,
    /// 429 with `Retry-After: 1`; nothing happened.
    RateLimited,
    /// 500 before the effect, and before a key is looked at.
    ErrorBefore,
    /// 500 after the effect; Stripe stores it under the key.
    ErrorAfter,
    /// The effect happens at once, the answer comes `after_ms` later.
    Slow,
    /// Reads answer the state from before the last write.
    StaleRead,
    /// 401, as for a token that was withdrawn.
    RevokedCredential,
    /// A staff member changes the same object just before the mutation runs.
    StaffChange,
    /// The cancel job finishes `after_ms` later than now.
    JobLate,
    /// The cancel job finishes, but the order is not cancelled.
    JobFails,
    /// The refund's transaction stays PENDING for `after_ms`, then succeeds.
    RefundPending,
    /// The refund happens twice, the answer names the first.
    Twice,
    /// A search leaves out whose orders are asked for, as it does with what it does not know.
    Unscoped,
    /// Answers what `says` has, whatever was asked; nothing happened.
    Says,
}

impl Fault {
    /// Every fault, in the order it is listed to people.
    pub const ALL: [Self; 16] = [
        Self::LostReply,
        Self::NoEffect,
        Self::HalfEffect,
        Self::RateLimited,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Slow,
        Self::StaleRead,
        Self::RevokedCredential,
        Self::StaffChange,
        Self::JobLate,
        Self::JobFails,
        Self::RefundPending,
        Self::Twice,
        Self::Unscoped,
        Self::Says,
    ];

    /// The stable name, such as `lost_reply`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// One line that says what it does.
    #[must_use]
    pub fn about(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LostReply => {
                ("lost_reply", "the effect happens, the connection is cut with no response")
            }
            Self::NoEffect => ("no_effect", "answers success, nothing happens"),
            Self::HalfEffect => {
                ("half_effect", "answers success, half happens (cancelled, not refunded)")
            }
            Self::RateLimited => ("rate_limited", "429 with Retry-After: 1, nothing happens"),
            Self::ErrorBefore => ("error_before", "500 before the effect"),
            Self::ErrorAfter => ("error_after", "500 after the effect"),
            Self::Slow => ("slow", "the effect happens, the answer comes after_ms later"),
            Self::StaleRead => ("stale_read", "reads answer the state from before the last write"),
            Self::RevokedCredential => ("revoked_credential", "401, nothing happens"),
            Self::StaffChange => {
                ("staff_change", "staff changes the same object just before the mutation runs")
            }
            Self::JobLate => ("job_late", "the cancel job finishes after_ms later"),
            Self::JobFails => ("job_fails", "the cancel job finishes, the order is not cancelled"),
            Self::RefundPending => {
                ("refund_pending", "the refund stays PENDING for after_ms, then succeeds")
            }
            Self::Twice => ("twice", "the refund happens twice, the answer names the first"),
            Self::Unscoped => ("unscoped", "searches find other customers' orders too"),
            Self::Says => ("says", "answers the status and body of `says`, nothing happens"),
        }
    }

    /// Without `only`: reads for `stale_read` and `unscoped`, else mutations that have the part it breaks.
    fn fits(self, called: &Called) -> bool {
        match self {
            Self::StaleRead | Self::Unscoped => !called.mutation,
            Self::JobLate | Self::JobFails => called.starts_job,
            Self::RefundPending | Self::Twice => called.refunds,
            Self::LostReply
            | Self::NoEffect
            | Self::HalfEffect
            | Self::RateLimited
            | Self::ErrorBefore
            | Self::ErrorAfter
            | Self::Slow
            | Self::RevokedCredential
            | Self::StaffChange
            | Self::Says => called.mutation,
        }
    }
}

/// A fault as it is ordered over `POST /sandbox/faults`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// What to do.
    pub fault: Fault,
    /// To how many matching requests it applies.
    #[serde(default = "once")]
    pub times: u32,
    /// Only to this operation name or top-level field; also reaches reads by name.
    #[serde(default)]
    pub only: Option<String>,
    /// How late, in milliseconds, for `slow`, `job_late` and `refund_pending`. Default 15000.
    #[serde(default = "late")]
    pub after_ms: u64,
    /// What staff does to an order in `staff_change`; by default, and for Stripe, what hurts the
    /// arriving mutation most.
    #[serde(default)]
    pub staff: Option<StaffAct>,
    /// What is answered in `says`.
    #[serde(default)]
    pub says: Says,
}

/// An answer as it goes out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Says {
    /// HTTP status.
    pub status: u16,
    /// The body, of whatever kind.
    pub body: String,
}

impl Default for Says {
    fn default() -> Self {
        Self { status: 500, body: String::new() }
    }
}

fn once() -> u32 {
    1
}

fn late() -> u64 {
    15_000
}

impl From<Fault> for FaultSpec {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            times: once(),
            only: None,
            after_ms: late(),
            staff: None,
            says: Says::default(),
        }
    }
}

/// Faults waiting for their request.
#[derive(Debug, Default)]
pub struct Faults {
    armed: VecDeque<FaultSpec>,
}

impl Faults {
    /// Those still waiting, with the times they have left.
    pub fn armed(&self) -> impl Iterator<Item = &FaultSpec> {
        self.armed.iter()
    }

    pub(crate) fn arm(&mut self, spec: FaultSpec) {
        if spec.times > 0 {
            self.armed.push_back(spec);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// Takes every kind of fault that applies to this request, each at most once.
    pub(crate) fn take(&mut self, called: &Called) -> Taken {
        let mut taken = Taken::default();
        for spec in &mut self.armed {
            let matches = match &spec.only {
                Some(only) => {
                    called.operation.as_ref() == Some(only) || called.fields.contains(only)
                }
                None => spec.fault.fits(called),
            };
            if matches && spec.times > 0 && !taken.has(spec.fault) {
                spec.times -= 1;
                taken.specs.push(spec.clone());
            }
        }
        self.armed.retain(|spec| spec.times > 0);
        taken
    }
}

/// The faults that apply to one request.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    specs: Vec<FaultSpec>,
}

impl Taken {
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.get(fault).is_some()
    }

    pub(crate) fn get(&self, fault: Fault) -> Option<&FaultSpec> {
        self.specs.iter().find(|spec| spec.fault == fault)
    }

    /// How late this fault makes its part, if it applies.
    pub(crate) fn delay(&self, fault: Fault) -> Option<Duration> {
        self.get(fault).map(|spec| Duration::from_millis(spec.after_ms))
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.specs.iter().map(|spec| spec.fault.name().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn mutation(field: &str) -> Called {
        Called {
            mutation: true,
            fields: vec![field.into()],
            starts_job: field == "orderCancel",
            ..Called::default()
        }
    }

    #[test]
    fn names_are_the_serde_names() {
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
    }

    #[test]
    fn a_fault_waits_for_the_request_it_fits() {
        let mut faults = Faults::default();
        faults.arm(Fault::JobLate.into());
        assert!(!faults.take(&mutation("orderUpdate")).has(Fault::JobLate));
        assert!(!faults.take(&Called::default()).has(Fault::JobLate));
        assert!(faults.take(&mutation("orderCancel")).has(Fault::JobLate));
        assert!(!faults.take(&mutation("orderCancel")).has(Fault::JobLate));
    }

    #[test]
    fn only_reaches_a_read_by_name_and_times_count_down() {
        let mut faults = Faults::default();
        faults.arm(FaultSpec { only: Some("order".into()), times: 2, ..Fault::RateLimited.into() });
        let read = Called { fields: vec!["order".into()], ..Called::default() };
        assert!(!faults.take(&mutation("orderCancel")).has(Fault::RateLimited));
        assert!(faults.take(&read).has(Fault::RateLimited));
        assert!(faults.take(&read).has(Fault::RateLimited));
        assert!(!faults.take(&read).has(Fault::RateLimited));
    }
}
