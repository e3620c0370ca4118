//! User errors: what a mutation refuses with, inside a 200.

use super::object::{Resolved, Shown, leaf, list, maybe, object, texts, unknown};

/// A refusal, with the input field it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserError {
    field: Option<Vec<String>>,
    pub(crate) message: String,
    code: Option<&'static str>,
}

impl UserError {
    /// About the input at this dotted path.
    pub(crate) fn on(path: &str, message: impl Into<String>) -> Self {
        let field = path.split('.').map(Into::into).collect();
        Self { field: Some(field), message: message.into(), code: None }
    }

    /// About the whole request.
    pub(crate) fn general(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into(), code: None }
    }

    /// With a code, for the mutations whose errors have one.
    pub(crate) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }
}

/// The list as objects of `type_name`.
pub(super) fn user_errors(type_name: &'static str, errors: &[UserError]) -> Resolved {
    list(errors.iter().cloned().map(|error| one(type_name, error)))
}

fn one(type_name: &'static str, error: UserError) -> Shown {
    object(type_name, move |field, _| match field {
        "field" => error.field.clone().map_or_else(|| Ok(Shown::null()), texts),
        "message" => leaf(error.message.clone()),
        "code" => maybe(error.code),
        _ => unknown(field),
    })
}
