//! What makes a resend safe, as far as a description tells; and the refusals that
//! it names.

use super::super::document::Document;
use super::super::naming::is_key;
use super::super::operation::{Operation, Place};
use super::super::schema::{Kind, view};
use crate::contracts::new::page::{Page, scalar};

/// The guessed effect class.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// With where the key goes.
    ServerKey(String),
    ClientId,
    CompareAndSet,
    Blind,
}

impl Class {
    const fn name(&self) -> &'static str {
        match self {
            Self::ServerKey(_) => "server_key",
            Self::ClientId => "client_id",
            Self::CompareAndSet => "compare_and_set",
            Self::Blind => "blind",
        }
    }

    /// Whether a parameter or member of this name is the key itself.
    pub(super) fn is_key(&self, name: &str) -> bool {
        matches!(self, Self::ServerKey(_)) && is_key(name)
    }
}

/// Guesses the class.
pub(super) fn class(
    document: &Document,
    operation: &Operation<'_>,
    all: &[Operation<'_>],
) -> Class {
    let header = |wanted: &dyn Fn(&str) -> bool| {
        operation.parameters.iter().find(|p| p.place == Place::Header && wanted(&p.name))
    };
    if let Some(key) = header(&is_key) {
        return Class::ServerKey(format!("{{ header: {} }}", scalar(&key.name)));
    }
    if let Some(schema) = super::schema(operation)
        && let Kind::Object { fields, .. } = view(document, schema).kind
        && let Some((name, _)) = fields.iter().find(|(name, _)| is_key(name))
    {
        return Class::ServerKey(format!("{{ field: {} }}", scalar(name)));
    }
    if header(&|name: &str| name.eq_ignore_ascii_case("If-Match")).is_some() {
        return Class::CompareAndSet;
    }
    if operation.method == "PUT" && operation.is_one() && !is_made_elsewhere(operation, all) {
        return Class::ClientId;
    }
    Class::Blind
}

/// Whether objects of this path are made by a POST on the list of them.
fn is_made_elsewhere(operation: &Operation<'_>, all: &[Operation<'_>]) -> bool {
    let Some((_, collection)) = operation.path.split_last() else { return false };
    all.iter().any(|other| other.method == "POST" && other.path == collection)
}

/// Writes `effect`.
pub(super) fn write(page: &mut Page, class: &Class, operation: &Operation<'_>, moves_money: bool) {
    page.below("effect:", |page| {
        let name = format!("class: {}", class.name());
        match class {
            Class::ServerKey(_) => {
                page.line(name);
                page.decide("how long does the service keep a key? Write window: 24h, or as its documentation says");
            }
            Class::ClientId => page.marked(name, "does the service refuse a second object with the same id?"),
            Class::CompareAndSet => page.marked(name, "does the service check the version that we send?"),
            Class::Blind => page.marked(
                name,
                "what happens when the request is sent twice? blind is never sent again; server_key, client_id, compare_and_set and marker are better",
            ),
        }
        let irreversible = moves_money || operation.method == "DELETE";
        page.marked(format!("irreversible: {irreversible}"), "can it be called back?");
        if *class != Class::Blind {
            page.decide("try it out, then write probe: { on: DATE, source: URL }. Until then it is never sent again");
        }
    });
}

/// Writes `errors`.
pub(super) fn refusals(page: &mut Page, operation: &Operation<'_>) {
    let known = operation.refusals.iter().filter_map(|status| match status {
        404 => Some("{ status: 404, code: NOT_FOUND, class: terminal }"),
        409 => Some("{ status: 409, code: BACKEND_REFUSED, class: guard }"),
        _ => None,
    });
    let known: Vec<_> = known.collect();
    if !known.is_empty() {
        page.line(format!("errors: {{ by_status: [ {} ] }}", known.join(", ")));
    }
    let others: Vec<_> = operation
        .refusals
        .iter()
        .filter(|status| !matches!(status, 401 | 403 | 404 | 429))
        .map(u16::to_string)
        .collect();
    if !others.is_empty() {
        page.decide(&format!("give the refusals codes of their own: {}", others.join(", ")));
    }
}
