//! How far an action goes by itself: per tool, segment and channel.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::pattern::Pattern;
use crate::subject::Subject;

/// What happens to a write that every rule lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything but dispatch.
    Shadow,
    /// After a yes of members of staff in these roles, each another person.
    Approve {
        /// Roles; one named twice wants two persons.
        by: Vec<String>,
    },
    /// Without asking staff.
    Auto,
}

/// One line of `modes`; the first that matches counts.
#[derive(Debug, Clone, PartialEq)]
pub struct ModeLine {
    /// Which tools.
    pub tools: Vec<Pattern>,
    /// Only subjects of this segment.
    pub segment: Option<String>,
    /// Only what was said through this frontend.
    pub channel: Option<String>,
    /// Only this share of the subjects.
    pub share: Option<Share>,
    /// The mode.
    pub mode: Mode,
}

/// A part of all subjects, in millionths. The same person always falls on the same
/// side, and whoever is in a share is in every larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u32);

impl Mode {
    /// `shadow`, `approve` or `auto`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Approve { .. } => "approve",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shadow | Self::Auto => f.write_str(self.name()),
            Self::Approve { by } => write!(f, "approve by {}", by.join(" and ")),
        }
    }
}

impl Mode {
    /// The higher, the less happens by itself.
    pub(super) fn strictness(&self) -> usize {
        match self {
            Self::Auto => 0,
            Self::Approve { by } => by.len(),
            Self::Shadow => usize::MAX,
        }
    }
}

impl ModeLine {
    /// Whether this line would decide if it had been said through its channel.
    pub(super) fn could(&self, tool: &str, subject: &Subject) -> bool {
        self.matches(tool, subject, self.channel.as_deref().unwrap_or_default())
    }

    /// Whether this line is about a tool.
    #[must_use]
    pub fn speaks_of(&self, tool: &str) -> bool {
        self.tools.iter().any(|pattern| pattern.matches(tool))
    }

    /// Whom it is narrowed to, for people; `None` where it takes everybody.
    #[must_use]
    pub fn only(&self) -> Option<String> {
        let part = self.share.filter(|share| share.0 < Share::WHOLE);
        let narrowed = [
            part.map(|share| format!("{share} of the subjects")),
            self.segment.as_ref().map(|segment| format!("segment {segment}")),
            self.channel.as_ref().map(|channel| format!("channel {channel}")),
        ];
        let narrowed: Vec<_> = narrowed.into_iter().flatten().collect();
        (!narrowed.is_empty()).then(|| narrowed.join(", "))
    }

    /// Whether this line decides.
    #[must_use]
    pub fn matches(&self, tool: &str, subject: &Subject, channel: &str) -> bool {
        self.speaks_of(tool)
            && self.segment.as_ref().is_none_or(|segment| *segment == subject.segment)
            && self.channel.as_ref().is_none_or(|only| only == channel)
            && self.share.is_none_or(|share| share.holds(subject, tool))
    }
}

impl Share {
    const WHOLE: u32 = 1_000_000;

    /// From a number above 0 and up to 1; `None` for others.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        let millionths = (share * f64::from(Self::WHOLE)).round();
        let fits = share > 0.0 && (1.0..=f64::from(Self::WHOLE)).contains(&millionths);
        // In range, so nothing is cut off.
        fits.then_some(Self(millionths as u32))
    }

    /// Whether this person is in it, for this tool.
    #[must_use]
    pub fn holds(self, subject: &Subject, tool: &str) -> bool {
        let mut hash = Sha256::new_with_prefix(b"countersign share v1\n");
        for part in [&subject.tenant, &subject.issuer, &subject.id, tool] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let place = digest.iter().take(4).fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
        place * u64::from(Self::WHOLE) < u64::from(self.0) << 32
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}
