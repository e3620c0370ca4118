//! Which guardrails stand around a tool, and what would add those that do not: read from
//! its contract and from the active policy, so that nobody has to take it on trust.

use countersign_shared::money::Money;
use serde::Serialize;

use crate::contract::{
    ArgumentSpec, Body, Confirm, Contract, EffectClass, From, Nested, Threshold, WriteBody,
};
use crate::policy::{Mode, Policy};
use crate::subject::Kind;

/// One guardrail of one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Guardrail {
    /// Its name.
    pub name: &'static str,
    /// Whether it stands.
    pub stands: Stands,
    /// What it rests on, or what is missing, for a person.
    pub how: String,
    /// How to add it; empty where nothing is missing.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub add: &'static str,
}

/// Whether a guardrail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// A read has no effect that would need it.
    NotNeeded,
}

/// The guardrails, in the order in which an action meets them.
pub const NAMES: [&str; 11] = [
    "least privilege",
    "schema",
    "references",
    "owner",
    "fresh state",
    "confidence",
    "confirmation",
    "approval",
    "limits",
    "one effect",
    "read-back",
];

/// What a guardrail rests on, or what it lacks and how to add it.
type Rests = Result<String, (String, &'static str)>;

/// The guardrails of a tool.
#[must_use]
pub fn of(contract: &Contract, policy: &Policy) -> Vec<Guardrail> {
    let write = match &contract.body {
        Body::Read(_) => None,
        Body::Write(write) => Some(&**write),
    };
    let rests: [Option<Rests>; 11] = [
        Some(privilege(contract)),
        Some(schema(contract)),
        Some(references(contract)),
        Some(owner(contract)),
        write.map(fresh),
        write.map(confidence),
        write.map(confirmation),
        write.map(|write| approval(write, contract, policy)),
        write.map(|_| limits(contract, policy)),
        write.map(|_| one_effect(contract)),
        write.map(read_back),
    ];
    NAMES.into_iter().zip(rests).map(|(name, rests)| guardrail(name, rests)).collect()
}

/// How many stand, and of how many that are needed.
#[must_use]
pub fn count(guardrails: &[Guardrail]) -> (usize, usize) {
    let with = |stands| guardrails.iter().filter(|guardrail| guardrail.stands == stands).count();
    (with(Stands::Yes), guardrails.len() - with(Stands::NotNeeded))
}

fn guardrail(name: &'static str, rests: Option<Rests>) -> Guardrail {
    let (stands, how, add) = match rests {
        Some(Ok(how)) => (Stands::Yes, how, ""),
        Some(Err((how, add))) => (Stands::No, how, add),
        None => (Stands::NotNeeded, "a read changes nothing".to_owned(), ""),
    };
    Guardrail { name, stands, how, add }
}

fn privilege(contract: &Contract) -> Rests {
    let who = contract.open_to.iter().map(|kind| match kind {
        Kind::Customer => "customers".to_owned(),
        Kind::Staff => format!("staff with {}", contract.scope()),
    });
    let who = who.collect::<Vec<_>>().join(" and ");
    Ok(format!("one call of one backend; for {who}, {} at least", contract.strength.name()))
}

fn schema(contract: &Contract) -> Rests {
    let count = contract.arguments.len();
    Ok(format!("{count} arguments by strict schema; any other is refused"))
}

/// REFERENCES, NOT VALUES: what the model may type is named.
fn references(contract: &Contract) -> Rests {
    let mut typed = Vec::new();
    for (name, argument) in &contract.arguments {
        free(name, argument, &mut typed);
    }
    match typed.as_slice() {
        [] => Ok("no value comes from the model".to_owned()),
        some => Err((
            format!("the model may write {} in its own words", some.join(", ")),
            "take `model` out of `from`, or give the argument an `enum`",
        )),
    }
}

/// Leaves that take free text of the model; one of a list of values is a choice, not a value.
fn free(at: &str, argument: &ArgumentSpec, typed: &mut Vec<String>) {
    match &argument.nested {
        Nested::Leaf => {
            let chosen =
                argument.schema.get("enum").is_some() || argument.schema.get("const").is_some();
            if argument.from.contains(&From::Model) && !chosen {
                typed.push(format!("`{at}`"));
            }
        }
        Nested::Items(item) => free(&format!("{at}[]"), item, typed),
        Nested::Fields(fields) => {
            fields.iter().for_each(|(name, field)| free(&format!("{at}.{name}"), field, typed));
        }
    }
}

/// SUBJECT OWNS IT.
fn owner(contract: &Contract) -> Rests {
    let rule = match &contract.body {
        Body::Write(write) => Some(&write.subject),
        Body::Read(read) => read.subject.as_ref(),
    };
    match rule {
        Some(rule) => Ok(format!("{} is the subject's {}", rule.path.join("."), rule.claim)),
        None if !contract.listed => Ok("no plan can name it".to_owned()),
        None => Err((
            "what is read is not compared with the subject".to_owned(),
            "add `subject`, or scope the request itself by a claim",
        )),
    }
}

/// FRESH STATE.
fn fresh(write: &WriteBody) -> Rests {
    match (write.reads.len(), write.require.len()) {
        (_, 0) => Err((
            "nothing of the state is required".to_owned(),
            "add `require`: what must be true of the object just before",
        )),
        (reads, rules) => Ok(format!("{rules} conditions on {reads} reads under the lock")),
    }
}

fn confidence(write: &WriteBody) -> Rests {
    if write.confidence.floor > 0.0 {
        return Ok(format!("a plan below {} is refused", write.confidence.floor));
    }
    Err(("an unsure plan goes on like a sure one".to_owned(), "add `confidence: { floor: … }`"))
}

fn confirmation(write: &WriteBody) -> Rests {
    match write.confirm {
        Confirm::Customer => Ok("the customer's signed yes to the card".to_owned()),
        Confirm::None => Err(("nobody is asked".to_owned(), "add `confirm: customer`")),
    }
}

fn approval(write: &WriteBody, contract: &Contract, policy: &Policy) -> Rests {
    let over = write.approve.iter().map(|threshold| threshold_of(threshold));
    let all: Vec<_> = over.chain(by_mode(contract, policy)).collect();
    if all.is_empty() {
        let how = "no amount and no mode asks for a colleague".to_owned();
        return Err((how, "add `approve` with a threshold, or mode `approve` in settings.yaml"));
    }
    Ok(all.join("; "))
}

/// What the modes say of a colleague, down to the line that takes everybody: the first that
/// matches counts, so none below it does. Nothing where no line asks for one.
fn by_mode(contract: &Contract, policy: &Policy) -> Vec<String> {
    let (mut told, mut asks) = (Vec::new(), false);
    for line in policy.settings().modes.iter().filter(|line| line.speaks_of(&contract.tool)) {
        let only = line.only();
        match (&line.mode, &only) {
            (Mode::Approve { by }, None) => told.push(format!("{} by mode", by.join(" and "))),
            (Mode::Approve { by }, Some(only)) => {
                told.push(format!("{} by mode, only for {only}", by.join(" and ")));
            }
            (Mode::Auto, Some(only)) => told.push(format!("nobody for {only}")),
            (Mode::Auto, None) | (Mode::Shadow, _) => {}
        }
        asks |= matches!(line.mode, Mode::Approve { .. });
        if only.is_none() {
            break;
        }
    }
    if asks { told } else { Vec::new() }
}

fn threshold_of(threshold: &Threshold) -> String {
    let amounts: Vec<_> = threshold.over.values().map(Money::to_string).collect();
    format!("{} over {}", threshold.by.join(" and "), amounts.join(" or "))
}

fn limits(contract: &Contract, policy: &Policy) -> Rests {
    let names: Vec<_> = policy.limits(&contract.tool).map(|limit| limit.name.as_str()).collect();
    if names.is_empty() {
        let how = "no limit counts it".to_owned();
        return Err((how, "add a line for it under `limits` in settings.yaml"));
    }
    Ok(names.join(", "))
}

/// AT MOST ONE EFFECT.
fn one_effect(contract: &Contract) -> Rests {
    let effect = &contract.effect;
    let class = match effect.class {
        EffectClass::ServerKey => "the backend knows our key",
        EffectClass::ClientId => "the backend refuses a second object with our id",
        EffectClass::CompareAndSet => "the backend checks the version that we saw",
        EffectClass::Marker => "our marker is found in the object",
        EffectClass::Blind | EffectClass::None => {
            let how = "sent once, never again; what is in doubt goes to a person".to_owned();
            return Err((how, "probe what the backend promises of repeats, and name the class"));
        }
    };
    match &effect.probe {
        Some((date, _)) => Ok(format!("{class}, probed {date}")),
        None => {
            let how = format!("{class}, and nobody has recorded a probe of it");
            Err((how, "add `probe` with date and source"))
        }
    }
}

fn read_back(write: &WriteBody) -> Rests {
    Ok(format!("{} looks for our own effect for {:?}", write.verify.look, write.verify.within))
}
