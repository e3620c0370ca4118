//! The report as people and as programs read it.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::{Value as Json, json};

use super::confidence::{NEEDED, Reliability};
use super::outcomes::Outcomes;

/// One object; without `bins`, `ece` and `brier` where there are too few outcomes.
pub(super) fn json(outcomes: &Outcomes, report: Option<&Reliability>) -> Json {
    let count = outcomes.ended.len();
    let mut all = json!({
        "outcomes": count,
        "needed": NEEDED,
        "missing": NEEDED.saturating_sub(count),
        "left_out": { "unknown": outcomes.unknown, "stopped_by_their_score": outcomes.stopped },
    });
    if let (Some(fields), Ok(Json::Object(told))) =
        (all.as_object_mut(), serde_json::to_value(report))
    {
        fields.extend(told);
    }
    all
}

pub(super) fn text(outcomes: &Outcomes, report: Option<&Reliability>) -> String {
    let count = outcomes.ended.len();
    let left_out = format!(
        "Left out: {} whose end is not known, {} that their low score has stopped.\n",
        outcomes.unknown, outcomes.stopped
    );
    let Some(report) = report else {
        let missing = NEEDED.saturating_sub(count);
        return format!(
            "{count} plans have ended: {missing} more are needed before anything can be told.\n{left_out}"
        );
    };
    let (ece, brier) = (report.ece, report.brier);
    format!(
        "{count} plans, each with the newest receipt of its action\n\n{}\n\nECE {ece:.3}, Brier {brier:.3}\n{left_out}\n{}\n",
        bins(report),
        signs(report)
    )
}

fn bins(report: &Reliability) -> String {
    let mut table = plain(&["CONFIDENCE", "PLANS", "PREDICTED", "APPLIED", "95 % INTERVAL", ""]);
    for bin in &report.bins {
        table.add_row([
            format!("{:.2} to {:.2}", bin.from, bin.to),
            bin.count.to_string(),
            format!("{:.3}", bin.predicted),
            format!("{:.3}", bin.applied),
            format!("{:.3} to {:.3}", bin.low, bin.high),
            if bin.is_off() { "off" } else { "" }.to_owned(),
        ]);
    }
    table.trim_fmt()
}

fn signs(report: &Reliability) -> String {
    let mut table = plain(&["SIGN", "PLANS", "MEAN WHERE APPLIED", "WHERE NOT"]);
    let shown = |mean: Option<f64>| mean.map_or("-".to_owned(), |mean| format!("{mean:.3}"));
    for (name, sign) in &report.signs {
        let cells = [crate::text::one_line(name), sign.count.to_string()];
        table.add_row(cells.into_iter().chain([shown(sign.applied), shown(sign.not_applied)]));
    }
    table.trim_fmt()
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.to_vec());
    table
}
