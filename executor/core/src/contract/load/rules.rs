//! Rules over the whole of a write: what its effect class and its arguments ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::arguments::Arguments;
use super::section::Section;
use crate::contract::problem::ProblemKind;
use crate::contract::{
    ArgumentSpec, Call, Confirm, EffectClass, From, HttpBody, KeyPlace, Nested, Request,
};
use crate::expr::{Expr, Path, Prose, Template};

/// What the effect class asks of the request and of how its effect is found.
pub(super) fn class(top: &Section<'_>, class: EffectClass, call: &Call, ours: &Expr) {
    let at = |key: &str| top.get(key).map_or(top.at, |yaml| yaml.at);
    let note = |key: &str, message: &str, remedy: &str| {
        top.file.error::<()>(at(key), ProblemKind::Rule, message, Some(remedy));
    };
    let sent = sent(&call.request);
    let sends = |name: &str| sent.iter().any(|path| path.first().is_some_and(|root| root == name));
    match class {
        EffectClass::ServerKey => {
            if call.key.is_none() && !sends("key") {
                note(
                    "do",
                    "the class server_key needs `key` in `do`",
                    "add key: { header: Idempotency-Key }",
                );
            }
        }
        EffectClass::ClientId => {
            if !sends("key") && !sends("marker") && call.key.is_none() {
                note("do", "the class client_id sends our id", "use =key where the id goes");
            }
        }
        EffectClass::Marker => {
            if !sends("marker") {
                note(
                    "do",
                    "the class marker stamps `marker` into what it makes",
                    "use =marker in a note or reference",
                );
            }
            if !ours.paths().iter().any(|path| path.first().is_some_and(|root| root == "marker")) {
                note(
                    "verify",
                    "the class marker finds its effect by `marker`",
                    "write for example ours: found.note == marker",
                );
            }
        }
        EffectClass::None | EffectClass::CompareAndSet | EffectClass::Blind => {}
    }
    if let (Some(KeyPlace::Field(_)), Request::Http(http)) = (&call.key, &call.request)
        && matches!(http.body, HttpBody::Empty)
    {
        note("do", "the key goes into the body, and there is none", "add json or form");
    }
}

/// Paths that the request is rendered from.
pub(super) fn sent(request: &Request) -> BTreeSet<Path> {
    let paths = |templates: &BTreeMap<String, Template>| -> BTreeSet<Path> {
        templates.values().flat_map(Template::paths).collect()
    };
    match request {
        Request::GraphQl { variables, .. } => paths(variables),
        Request::Http(http) => {
            let body = match &http.body {
                HttpBody::Empty => BTreeSet::new(),
                HttpBody::Json(json) => json.paths(),
                HttpBody::Form(form) => paths(form),
            };
            let path = http.path.iter().flat_map(Template::paths);
            path.chain(paths(&http.query)).chain(paths(&http.headers)).chain(body).collect()
        }
    }
}

/// REFERENCES, NOT VALUES: a destination, account or amount that somebody wrote
/// is confirmed on a card that shows it. What is broken itself is not checked.
pub(super) fn shown(
    top: &Section<'_>,
    arguments: &Arguments,
    confirm: Option<Confirm>,
    card: Option<&Prose>,
) {
    let card = card.map(Prose::paths);
    for (name, spec) in &arguments.specs {
        if !written_role(spec) {
            continue;
        }
        let at = arguments.places.get(name).copied().unwrap_or(top.at);
        if confirm == Some(Confirm::None) {
            let message = format!("`{name}` decides where or how much, and comes from words");
            let remedy = Some("write confirm: customer");
            top.file.error::<()>(at, ProblemKind::Rule, message, remedy);
        }
        let path = ["args".to_owned(), name.clone()];
        if card.as_ref().is_some_and(|card| !card.iter().any(|shown| shown.starts_with(&path))) {
            let message =
                format!("`{name}` decides where or how much, and the card does not show it");
            let remedy = format!("add {{args.{name}}} to the card");
            top.file.error::<()>(at, ProblemKind::Rule, message, Some(&remedy));
        }
    }
}

/// Whether an argument, or any part of it, has a role and may come from words.
fn written_role(spec: &ArgumentSpec) -> bool {
    match &spec.nested {
        Nested::Leaf => {
            spec.role.is_some()
                && (spec.from.contains(&From::Utterance) || spec.from.contains(&From::Text))
        }
        Nested::Items(item) => written_role(item),
        Nested::Fields(fields) => fields.values().any(written_role),
    }
}
