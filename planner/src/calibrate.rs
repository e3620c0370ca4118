//! How sure a plan is: one number, made of what was seen of it.
//!
//! ```text
//! score = min(said, tokens) × inferred × entity × findings
//! ```
//!
//! | sign | is | in the product |
//! |---|---|---|
//! | `said` | what the reader of the message says of itself | as it is |
//! | `tokens` | how likely its words were to the model, where the server tells | where it is lower than `said` |
//! | `inferred` | 0.97 for each thing that "it" stood for | as it is |
//! | `entity` | one of how many things that the words fitted | 0.9 where it was not the only one |
//! | `findings` | 0 where a plan had to be mended after objections, else 1 | 0.95 where it had to be |
//!
//! No factor is above 1, and thresholds only refuse (CONFIDENCE ONLY RAISES SCRUTINY). Each
//! sign goes into the receipt beside the number, so that what it was worth can be told from
//! how things ended: `countersign report confidence`.

use std::collections::HashMap;

/// More things fitted than the one that was taken.
const ONE_OF_SEVERAL: f64 = 0.9;
/// The first plan did not hold.
const MENDED: f64 = 0.95;

/// What was seen of a plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signs {
    /// What the reader says of itself, 0 to 1.
    pub said: f64,
    /// How likely its words were to the model, 0 to 1.
    pub tokens: Option<f64>,
    /// What is left of sureness after what "it" stood for, 0 to 1.
    pub inferred: f64,
    /// How many things the words fitted where one was taken; at least 1.
    pub fitted: usize,
    /// Whether a plan had to be mended after objections.
    pub mended: bool,
}

impl Signs {
    /// The number that thresholds act on, 0 to 1.
    #[must_use]
    pub fn score(&self) -> f64 {
        let read = self.tokens.map_or(self.said, |tokens| tokens.min(self.said));
        let entity = if self.fitted > 1 { ONE_OF_SEVERAL } else { 1.0 };
        let findings = if self.mended { MENDED } else { 1.0 };
        (read * self.inferred * entity * findings).clamp(0.0, 1.0)
    }

    /// Every sign by its name, 0 to 1 each.
    #[must_use]
    pub fn features(&self) -> HashMap<String, f64> {
        let fitted = u32::try_from(self.fitted).unwrap_or(u32::MAX).max(1);
        let all = [
            ("said", Some(self.said)),
            ("tokens", self.tokens),
            ("inferred", Some(self.inferred)),
            ("entity", Some(1.0 / f64::from(fitted))),
            ("findings", Some(if self.mended { 0.0 } else { 1.0 })),
        ];
        let told = all.into_iter().filter_map(|(name, sign)| Some((name, sign?)));
        told.map(|(name, sign)| (name.to_owned(), sign.clamp(0.0, 1.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Signs = Signs { said: 0.9, tokens: None, inferred: 1.0, fitted: 1, mended: false };

    #[test]
    fn nothing_raises_what_the_reader_says() {
        assert!((PLAIN.score() - 0.9).abs() < 1e-9);
        assert!((Signs { tokens: Some(1.0), ..PLAIN }.score() - 0.9).abs() < 1e-9);
        let worse = [
            Signs { tokens: Some(0.5), ..PLAIN },
            Signs { inferred: 0.97, ..PLAIN },
            Signs { fitted: 2, ..PLAIN },
            Signs { mended: true, ..PLAIN },
        ];
        for signs in worse {
            assert!(signs.score() < PLAIN.score(), "{signs:?}");
        }
    }

    #[test]
    fn every_sign_is_told_by_name_and_what_is_not_known_is_not() {
        let told = Signs { fitted: 4, mended: true, ..PLAIN }.features();
        assert_eq!(told.get("entity"), Some(&0.25));
        assert_eq!(told.get("findings"), Some(&0.0));
        assert_eq!((told.get("tokens"), told.len()), (None, 4));
    }
}
