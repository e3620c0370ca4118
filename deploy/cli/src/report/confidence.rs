//! Reliability: what was predicted beside what came true.

use std::collections::BTreeMap;

use serde::Serialize;

use super::outcomes::{Ended, Outcomes};

/// Fewer outcomes tell nothing.
pub(super) const NEEDED: usize = 200;
/// Where bins begin and end: finer where thresholds are.
const EDGES: [f64; 9] = [0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0];
/// Of the normal distribution, for 95 %.
const Z: f64 = 1.959_964;

/// What the confidence was worth.
#[derive(Debug, Serialize)]
pub(super) struct Reliability {
    /// Bins that hold something, lowest first.
    pub(super) bins: Vec<Bin>,
    /// Expected calibration error: the mean distance of prediction and share, by count.
    pub(super) ece: f64,
    /// Mean squared error of the predictions, 0 to 1.
    pub(super) brier: f64,
    /// Each sign that the confidence was made of.
    pub(super) signs: BTreeMap<String, Sign>,
}

/// Plans of about the same confidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bin {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: usize,
    /// Mean confidence.
    pub(super) predicted: f64,
    /// Share that was applied and verified.
    pub(super) applied: f64,
    /// Wilson interval of that share, 95 %.
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What a sign said of plans that were applied, and of the others.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(super) struct Sign {
    pub(super) count: usize,
    /// Mean where it was applied; absent where none was.
    pub(super) applied: Option<f64>,
    /// Mean where it was not; absent where all were.
    pub(super) not_applied: Option<f64>,
}

impl Reliability {
    /// Of enough outcomes; of fewer, none.
    pub(super) fn of(outcomes: &Outcomes) -> Option<Self> {
        let ended = &outcomes.ended;
        if ended.len() < NEEDED {
            return None;
        }
        let edges = || EDGES.iter().zip(EDGES.iter().skip(1));
        let bins: Vec<Bin> = edges().filter_map(|(from, to)| Bin::of(*from, *to, ended)).collect();
        let off = bins.iter().map(|bin| bin.count as f64 * (bin.predicted - bin.applied).abs());
        let ece = off.sum::<f64>() / ended.len() as f64;
        let brier = mean(ended.iter().map(|one| (one.predicted - truth(one)).powi(2)));
        Some(Self { bins, ece, brier: brier.unwrap_or_default(), signs: signs(ended) })
    }
}

impl Bin {
    fn of(from: f64, to: f64, ended: &[Ended]) -> Option<Self> {
        let last = to >= 1.0;
        let inside = |one: &&Ended| one.predicted >= from && (one.predicted < to || last);
        let within: Vec<&Ended> = ended.iter().filter(inside).collect();
        let predicted = mean(within.iter().map(|one| one.predicted))?;
        let applied = within.iter().filter(|one| one.applied).count();
        let (low, high) = wilson(applied, within.len());
        let share = applied as f64 / within.len() as f64;
        Some(Self { from, to, count: within.len(), predicted, applied: share, low, high })
    }

    /// Whether the prediction lies outside of what the share may be.
    pub(super) fn is_off(&self) -> bool {
        self.predicted < self.low || self.predicted > self.high
    }
}

fn truth(ended: &Ended) -> f64 {
    if ended.applied { 1.0 } else { 0.0 }
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0_u32), |(sum, count), n| (sum + n, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The interval in which the true share lies, with 95 %; unlike the normal one it is right for
/// shares near 0 and 1, and for few.
fn wilson(hits: usize, count: usize) -> (f64, f64) {
    let (hits, n) = (hits as f64, count as f64);
    let share = hits / n;
    let centre = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let spread = (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let half = Z * spread / (1.0 + Z * Z / n);
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

fn signs(ended: &[Ended]) -> BTreeMap<String, Sign> {
    let mut names: Vec<&String> = ended.iter().flat_map(|one| one.signs.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &String, applied: bool| {
        let those = ended.iter().filter(move |one| one.applied == applied);
        mean(those.filter_map(|one| one.signs.get(name).copied()))
    };
    let sign = |name: &String| Sign {
        count: ended.iter().filter(|one| one.signs.contains_key(name)).count(),
        applied: of(name, true),
        not_applied: of(name, false),
    };
    names.into_iter().map(|name| (name.clone(), sign(name))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::receipts::sample;
    use countersign_shared::codes::Code;
    use countersign_shared::receipt::Receipt;

    /// So many receipts of this confidence, of which so many were applied; newest first.
    fn receipts(from: i64, count: i64, applied: i64, predicted: f64) -> Vec<Receipt> {
        let one = |n: i64| {
            let mut receipt = sample::receipt(n);
            receipt.action_id = format!("act_{n}");
            receipt.asked.confidence = predicted;
            receipt.asked.recommended_action = "proceed".to_owned();
            receipt.asked.features = BTreeMap::from([("said".to_owned(), predicted)]);
            let outcome = if n - from < applied { "applied" } else { "refused" };
            receipt.outcome = outcome.to_owned();
            receipt
        };
        (from..from + count).map(one).collect()
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found}, not {expected}");
    }

    #[test]
    fn what_says_nothing_of_a_plan_hides_no_end_of_it() {
        let end = || receipts(0, 1, 1, 0.9).remove(0);
        let with = |change: fn(&mut Receipt)| {
            let mut newer = end();
            newer.outcome = "refused".to_owned();
            change(&mut newer);
            Outcomes::of([newer, end()].into_iter())
        };
        let disagreed = with(|newer| newer.code = Code::HumanDisagrees.name().to_owned());
        let closed = with(|newer| newer.asked.recommended_action.clear());
        for outcomes in [disagreed, closed] {
            assert_eq!(outcomes.ended.len(), 1);
            assert!(outcomes.ended[0].applied);
        }
        let mut replaced = end();
        replaced.outcome = "refused".to_owned();
        replaced.code = Code::ProposalSuperseded.name().to_owned();
        assert!(Outcomes::of([replaced].into_iter()).ended.is_empty());
    }

    #[test]
    fn a_known_set_has_its_known_figures() {
        let mut all = receipts(0, 100, 90, 0.9);
        all.extend(receipts(100, 100, 70, 0.99));
        let outcomes = Outcomes::of(all.into_iter());
        let report = Reliability::of(&outcomes).unwrap();
        let [right, wrong] = report.bins.as_slice() else { unreachable!("two bins") };
        assert_eq!((right.count, right.from, right.is_off()), (100, 0.9, false));
        assert_eq!((wrong.count, wrong.to, wrong.is_off()), (100, 1.0, true));
        // Computed by hand: Wilson's interval of 90 and of 70 in 100.
        close(right.low, 0.8256);
        close(right.high, 0.9448);
        close(wrong.low, 0.6042);
        close(wrong.high, 0.7811);
        close(report.ece, (0.0 + 0.29) / 2.0);
        let brier = (90.0 * 0.01 + 10.0 * 0.81 + 70.0 * 0.0001 + 30.0 * 0.9801) / 200.0;
        close(report.brier, brier);
        close(report.signs["said"].applied.unwrap(), (90.0 * 0.9 + 70.0 * 0.99) / 160.0);
    }

    #[test]
    fn too_few_tell_nothing_and_an_action_counts_once_as_it_ended_last() {
        let mut all = receipts(0, 199, 199, 0.9);
        assert!(Reliability::of(&Outcomes::of(all.clone().into_iter())).is_none());
        // An older receipt of the newest action, unsettled then.
        let mut older = all[0].clone();
        older.outcome = "unknown".to_owned();
        all.push(older);
        let mut doubt = receipts(500, 1, 0, 0.9).remove(0);
        doubt.outcome = "unknown".to_owned();
        all.push(doubt);
        let mut low = receipts(501, 1, 0, 0.2).remove(0);
        low.code = "CONFIDENCE_TOO_LOW".to_owned();
        all.push(low);
        let mut by_hand = receipts(502, 1, 1, 0.9).remove(0);
        by_hand.asked.recommended_action.clear();
        all.push(by_hand);
        let outcomes = Outcomes::of(all.into_iter());
        assert_eq!((outcomes.ended.len(), outcomes.unknown, outcomes.stopped), (199, 1, 1));
    }
}
