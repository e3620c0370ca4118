//! What people read of a drafted write.

use super::super::argument::Argument;
use super::super::operation::Operation;
use super::super::output::label;
use super::super::read::Read;
use crate::contracts::new::page::{Page, quoted, sentence};

/// What a customer may say.
pub(super) fn example(operation: &Operation<'_>) -> String {
    deed(operation).to_lowercase()
}

/// The first sentence of the summary, without its stop.
fn deed(operation: &Operation<'_>) -> String {
    let first = operation.summary.split(". ").next().unwrap_or_default();
    sentence(first, 120).trim_end_matches('.').to_owned()
}

/// What the customer says yes to: the deed, the objects, the money, and whatever
/// came from words and decides where or how much.
pub(super) fn card(
    operation: &Operation<'_>,
    arguments: &[Argument],
    fresh: &[(String, &Read<'_>)],
    moves_money: bool,
) -> String {
    let objects = fresh.iter().filter_map(|(name, read)| {
        let field = label(read.result())?;
        Some(format!("{} {{state.{name}.{}}}", name.replace('_', " "), field.name))
    });
    let money = moves_money.then(|| "{money}".to_owned());
    let parts: Vec<_> =
        objects.chain(money).chain(arguments.iter().flat_map(Argument::shown)).collect();
    let deed = deed(operation);
    if parts.is_empty() { format!("{deed}?") } else { format!("{deed}: {}?", parts.join(", ")) }
}

/// Writes `say`.
pub(super) fn say(page: &mut Page, operation: &Operation<'_>) {
    let deed = deed(operation);
    page.below("say:", |page| {
        for (outcome, text) in [
            ("applied", format!("Done: {deed}. Receipt {{receipt}}.")),
            ("pending", format!("On its way: {deed}.")),
            ("not_applied", format!("This did not happen: {deed}. Nothing has changed.")),
            (
                "unknown",
                format!("I cannot tell yet whether this happened: {deed}. A colleague will check."),
            ),
        ] {
            page.line(format!("{outcome}: {}", quoted(&text)));
        }
    });
}
