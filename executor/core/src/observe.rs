//! What of an answer to a read leaves the executor: its typed projection, and only
//! what is the subject's (SUBJECT OWNS IT).

use countersign_shared::codes::Code;
use serde_json::Value as Json;

use crate::contract::{Contract, ReadBody};
use crate::error::Refused;
use crate::gate::{by_pack, owns};
use crate::gates::Gate;
use crate::state::pick;
use crate::subject::Subject;
use crate::value::Value;

/// Projects an answer, leaves out or refuses what is not the subject's, and
/// refuses an empty result where the contract says so.
///
/// # Errors
/// The contract's `empty` code, `NOT_THE_SUBJECTS`, `OWNER_UNKNOWN`,
/// `STATE_UNREADABLE`.
pub fn observe(
    contract: &Contract,
    read: &ReadBody,
    raw: &Json,
    subject: &Subject,
) -> Result<Value, Refused> {
    let value = own_part(project(contract, read, raw)?, read, subject)?;
    match &read.empty {
        Some(empty) if nothing(&pick(&value, &empty.at)) => Err(by_pack(contract, &empty.code)),
        Some(_) | None => Ok(value),
    }
}

/// Projects an answer, whoever it belongs to: for reading back our own effect.
///
/// # Errors
/// The contract's `empty` code, `STATE_UNREADABLE`.
pub fn project(contract: &Contract, read: &ReadBody, raw: &Json) -> Result<Value, Refused> {
    read.output.project(raw).map_err(|error| match &read.empty {
        Some(empty) if error.lacks(&empty.at) => by_pack(contract, &empty.code),
        Some(_) | None => {
            Refused::new(Code::StateUnreadable, format!("{}: {error}", contract.tool))
        }
    })
}

fn nothing(found: &Value) -> bool {
    match found {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Bool(_)
        | Value::Int(_)
        | Value::Decimal(_)
        | Value::Str(_)
        | Value::Time(_)
        | Value::Duration(_)
        | Value::Money(_)
        | Value::Object(_) => false,
    }
}

/// Of a list, the elements that are the subject's; of a single object, all or a
/// refusal.
fn own_part(value: Value, read: &ReadBody, subject: &Subject) -> Result<Value, Refused> {
    let Some(rule) = read.subject.as_ref().filter(|_| Gate::ReadOwner.is_on()) else {
        return Ok(value);
    };
    narrow(value, &rule.path, &|owner| owns(rule, owner, subject))
        .map_err(|code| Refused::new(code, "what was read is not provably the subject's"))
}

fn narrow(
    value: Value,
    path: &[String],
    owns: &impl Fn(&Value) -> Result<(), Code>,
) -> Result<Value, Code> {
    match (path.split_first(), value) {
        (None, owner) => owns(&owner).map(|()| owner),
        (Some(_), Value::List(items)) => {
            let keep = |item| narrow(item, path, owns).ok();
            Ok(Value::List(items.into_iter().filter_map(keep).collect()))
        }
        (Some((name, rest)), Value::Object(mut fields)) => {
            let inner = narrow(fields.remove(name).unwrap_or(Value::Null), rest, owns)?;
            fields.insert(name.clone(), inner);
            Ok(Value::Object(fields))
        }
        (
            Some(_),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Decimal(_)
            | Value::Str(_)
            | Value::Time(_)
            | Value::Duration(_)
            | Value::Money(_),
        ) => owns(&Value::Null).map(|()| Value::Null),
    }
}
