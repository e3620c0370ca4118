//! What a write asks before it acts: locks, intent, rules, confidence, confirmation.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_shared::money::{Currency, Money};

use super::context::Context;
use super::section::Section;
use super::templates::{expression, typed};
use super::yaml::{Kind, Yaml};
use crate::contract::keys;
use crate::contract::problem::ProblemKind;
use crate::contract::{Confirm, Floors, Require, Threshold};
use crate::expr::{Expr, Names, Type};
use crate::policy::decides;

const LOCK: &str = "a lock is taken before anything is read";
const INTENT: &str = "an intent is what is asked for, never what the action itself changes";

/// `locks`.
pub(super) fn locks(top: &Section<'_>, base: &Names) -> Option<Vec<Expr>> {
    let names = base.clone().without("state", LOCK).without("money", LOCK);
    several(top, "locks", |yaml| typed(top.file, yaml, &names, &Type::ID))
}

/// `intent`.
pub(super) fn intent(top: &Section<'_>, base: &Names) -> Option<Vec<Expr>> {
    let names =
        base.clone().without("state", INTENT).without("money", INTENT).without("now", INTENT);
    several(top, "intent", |yaml| expression(top.file, yaml, &names))
}

/// A list that must hold at least one.
fn several<T>(top: &Section<'_>, key: &str, one: impl Fn(&Yaml) -> Option<T>) -> Option<Vec<T>> {
    let yaml = top.need(key)?;
    let items = top.file.list(yaml)?;
    if items.is_empty() {
        let message = format!("`{key}` names nothing");
        return top.file.error(yaml.at, ProblemKind::Missing, message, None);
    }
    items.iter().map(one).collect::<Vec<_>>().into_iter().collect()
}

/// `require`, and the names after it: what a rule has tested is present.
pub(super) fn requires(
    top: &Section<'_>,
    context: &Context<'_>,
    names: Names,
) -> (Option<Vec<Require>>, Names) {
    let mut after = names;
    let mut rules = Some(Vec::new());
    for yaml in top.items("require") {
        match require(top, context, &after, yaml) {
            Some(rule) => {
                after = after.given(rule.that.source());
                if let Some(all) = rules.as_mut() {
                    all.push(rule);
                }
            }
            None => rules = None,
        }
    }
    (rules, after)
}

fn require(
    top: &Section<'_>,
    context: &Context<'_>,
    names: &Names,
    yaml: &Yaml,
) -> Option<Require> {
    let section = Section::open(top.file, yaml, keys::REQUIRE)?;
    let code = section.need("code").and_then(|yaml| context.code(top.file, yaml));
    let names = names.clone().with("now", Type::Time);
    let that = section.need("that").and_then(|yaml| typed(top.file, yaml, &names, &Type::Bool));
    Some(Require { code: code?, that: that? })
}

/// `confidence`.
pub(super) fn confidence(top: &Section<'_>, moves_money: bool) -> Option<Floors> {
    let section = Section::open(top.file, top.need("confidence")?, keys::CONFIDENCE)?;
    let floor = section.need("floor").and_then(|yaml| share(&section, yaml));
    let over: Vec<_> = section.items("over").iter().map(|yaml| band(&section, yaml)).collect();
    if let (Some(yaml), false) = (section.get("over"), moves_money) {
        let message = "amounts have floors only where the contract says what `money` moves";
        top.file.error::<()>(yaml.at, ProblemKind::Rule, message, None);
    }
    Some(Floors { floor: floor?, over: over.into_iter().collect::<Option<_>>()? })
}

fn band(section: &Section<'_>, yaml: &Yaml) -> Option<(BTreeMap<Currency, Money>, f64)> {
    let band = Section::open(section.file, yaml, keys::OVER)?;
    let floor = band.need("floor").and_then(|yaml| share(section, yaml));
    Some((amounts(&band, "amount")?, floor?))
}

/// An amount for each currency.
fn amounts(section: &Section<'_>, key: &str) -> Option<BTreeMap<Currency, Money>> {
    let file = section.file;
    section.need(key);
    let amounts: Vec<_> = section
        .entries(key)
        .iter()
        .map(|(key, yaml)| {
            let Ok(currency) = key.text.parse::<Currency>() else {
                let message = format!("`{}` is not a currency", key.text);
                return file.error(key.at, ProblemKind::WrongValue, message, None);
            };
            match Money::parse(file.text(yaml)?, currency) {
                Ok(money) => Some((currency, money)),
                Err(error) => file.error(yaml.at, ProblemKind::WrongValue, error, None),
            }
        })
        .collect();
    amounts.into_iter().collect()
}

/// `approve`.
pub(super) fn approve(top: &Section<'_>, moves_money: bool) -> Option<Vec<Arc<Threshold>>> {
    let each: Vec<_> = top.items("approve").iter().map(|yaml| threshold(top, yaml)).collect();
    if let (Some(yaml), false) = (top.get("approve"), moves_money) {
        let message = "thresholds need a contract that says what `money` moves";
        top.file.error::<()>(yaml.at, ProblemKind::Rule, message, None);
    }
    let all: Vec<Threshold> = each.into_iter().collect::<Option<_>>()?;
    // The last one that is passed counts, so each asks for more than the one before.
    let rises = |pair: &[Threshold]| match pair {
        [low, high] => {
            low.over.keys().eq(high.over.keys())
                && low
                    .over
                    .iter()
                    .all(|(c, m)| high.over.get(c).is_some_and(|h| h.minor() > m.minor()))
        }
        _ => true,
    };
    if let (Some(yaml), false) = (top.get("approve"), all.windows(2).all(rises)) {
        let message = "thresholds name the same currencies and rise from line to line";
        return top.file.error(yaml.at, ProblemKind::Rule, message, None);
    }
    Some(all.into_iter().map(Arc::new).collect())
}

fn threshold(top: &Section<'_>, yaml: &Yaml) -> Option<Threshold> {
    let file = top.file;
    let section = Section::open(file, yaml, keys::APPROVE)?;
    let over = amounts(&section, "over");
    let within = section.need("within").and_then(|_| section.duration("within"));
    let by = section.need("by").and_then(|yaml| {
        let roles: Vec<_> = file.list(yaml)?.iter().map(|y| file.text(y)).collect();
        if roles.is_empty() {
            return file.error(yaml.at, ProblemKind::Missing, "`by` names nobody", None);
        }
        if roles.iter().flatten().any(|role| !decides(role)) {
            let message =
                "neither an auditor nor an operator answers requests, so none can say yes";
            let remedy = Some("name a role of people who decide");
            return file.error(yaml.at, ProblemKind::Rule, message, remedy);
        }
        roles.into_iter().map(|role| role.map(str::to_owned)).collect()
    });
    Some(Threshold { over: over?, within: within?, by: by? })
}

fn share(section: &Section<'_>, yaml: &Yaml) -> Option<f64> {
    let share = match yaml.kind {
        Kind::Float(share) => share,
        Kind::Int(0) => 0.0,
        Kind::Int(1) => 1.0,
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Text(_)
        | Kind::List(_)
        | Kind::Map(_) => {
            return section.file.wrong(yaml, "a number from 0 to 1");
        }
    };
    if (0.0..=1.0).contains(&share) {
        Some(share)
    } else {
        section.file.wrong(yaml, "a number from 0 to 1")
    }
}

/// `confirm`.
pub(super) fn confirm(top: &Section<'_>) -> Option<Confirm> {
    let choices = [("customer", Confirm::Customer), ("none", Confirm::None)];
    top.need("confirm").and_then(|yaml| top.file.choice(yaml, &choices))
}
