//! Receipts as a table.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use countersign_shared::receipt::Receipt;

use super::Logged;
use crate::text::one_line;

/// One line a receipt.
pub(crate) fn table(receipts: &[Logged]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["TIME (UTC)", "TOOL", "OUTCOME", "CODE", "AMOUNT", "SUBJECT", "RECEIPT"]);
    for logged in receipts {
        table.add_row(row(&logged.receipt));
    }
    table.trim_fmt()
}

fn row(receipt: &Receipt) -> [String; 7] {
    [
        receipt.sealed_at.strftime("%F %T").to_string(),
        or_dash(receipt.change.as_ref().map_or(&receipt.tool, |change| &change.what)),
        one_line(&receipt.outcome),
        or_dash(&receipt.code),
        receipt.money.map_or_else(|| "-".to_owned(), |money| money.to_string()),
        or_dash(&receipt.asked.subject),
        one_line(&receipt.receipt_id),
    ]
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { one_line(text) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::super::sample;
    use super::*;

    #[test]
    fn a_line_names_what_a_person_looks_for() {
        let receipt = sample::receipt(1);
        let body = serde_json::to_vec(&receipt).unwrap();
        let id = receipt.receipt_id.clone();
        let text = table(&[Logged { index: 0, body, receipt }]);
        let line = text.lines().nth(1).unwrap();
        for part in [
            "2026-07-01 10:00:01",
            "shopify.cancel_order",
            "applied",
            "USD 123.50",
            "customer1",
            &id,
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(text.lines().count(), 2);
    }
}
