//! Finds our own effect by reading back, and says what that proves (FOUR
//! OUTCOMES). Sums never prove anything; an id or our marker does.

use std::time::Duration;

use countersign_shared::codes::Code;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::answer::Verdict;
use crate::belts::Belt;
use crate::contract::{Contract, EffectClass, Verify, WriteBody};
use crate::dispatch::{AttemptResult, Dispatch};
use crate::expr::Scope;
use crate::grounds::Seen;
use crate::lifecycle::{Outcome, Settlement};
use crate::value::Value;

/// How long an accepted effect may take to show where the contract names no bound.
const VISIBLE: Duration = Duration::from_secs(5);

/// One reading back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// What was read, as it stood then. Null where the read failed.
    pub looked: Value,
    /// What was seen.
    pub sight: Sight,
}

/// What a look saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// Our effect, and it is what was asked for.
    Right {
        /// The contract's `output`.
        output: Map<String, Json>,
        /// The rule and what it saw.
        facts: Json,
    },
    /// Our effect, and it is not what was asked for.
    Wrong {
        /// The rule and what it saw: expected beside found.
        facts: Json,
    },
    /// Our effect, not finished.
    Pending {
        /// The rule and what it saw.
        facts: Json,
    },
    /// Our effect, and the backend says that it failed.
    Failed {
        /// The rule and what it saw.
        facts: Json,
    },
    /// Nothing of ours.
    Absent {
        /// The rule and what it saw.
        facts: Json,
    },
    /// More than one.
    Many {
        /// How many.
        count: usize,
    },
    /// The read failed, or a rule could not be evaluated.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// What follows a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Look again, not before this time.
    Again(Timestamp),
    /// It is over.
    Settle(Settlement),
}

/// Judges what a look read. `scope` holds args, subject, state, money, marker,
/// key and response.
#[must_use]
pub fn judge(write: &WriteBody, scope: Scope, looked: &Value) -> Sight {
    let verify = &write.verify;
    let scope = scope.with("looked", looked.clone());
    match found(verify, &scope, looked) {
        Err(why) => Sight::Unreadable { why },
        Ok(found) => match (found.len(), found.into_iter().next()) {
            (0, _) | (_, None) => Sight::Absent { facts: Seen::of(&verify.ours, &scope).to_json() },
            (1, Some(found)) => judge_one(write, scope.with("found", found)),
            (count, Some(_)) => Sight::Many { count },
        },
    }
}

/// What the texts of an applied write may name: the reading and our effect in it.
#[must_use]
pub fn with_found(write: &WriteBody, scope: Scope, looked: &Value) -> Scope {
    let scope = scope.with("looked", looked.clone());
    let own = found(&write.verify, &scope, looked).unwrap_or_default().into_iter().next();
    scope.with("found", own.unwrap_or(Value::Null))
}

/// Whether what was asked for stands, whoever did it, with the rule and what it saw.
///
/// # Errors
/// Why that cannot be said.
pub(crate) fn stands(
    write: &WriteBody,
    scope: Scope,
    looked: &Value,
) -> Result<(bool, Json), String> {
    let rule = write.verify.human.as_ref();
    let rule = rule.ok_or("the contract has no `verify.human`, so nothing can check it")?;
    let scope = scope.with("looked", looked.clone());
    let stands = rule.test(&scope).map_err(|e| format!("`{}`: {e}", rule.source()))?;
    Ok((stands, Seen::of(rule, &scope).to_json()))
}

/// Our effects in a reading.
fn found(verify: &Verify, scope: &Scope, looked: &Value) -> Result<Vec<Value>, String> {
    let candidates = match &verify.find_in {
        None => vec![looked.clone()],
        Some(list) => match list.eval(scope) {
            Ok(Value::List(items)) => items,
            Ok(_) => return Err(format!("`{}` is no list", list.source())),
            Err(error) => return Err(format!("`{}`: {error}", list.source())),
        },
    };
    ours(verify, scope, candidates)
}

fn ours(verify: &Verify, scope: &Scope, all: Vec<Value>) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    for candidate in all {
        let own = verify.ours.test(&scope.clone().with("found", candidate.clone()));
        if own.map_err(|e| format!("`{}`: {e}", verify.ours.source()))? {
            found.push(candidate);
        }
    }
    Ok(found)
}

fn judge_one(write: &WriteBody, scope: Scope) -> Sight {
    let verify = &write.verify;
    let stages = [(&verify.failed, Stage::Failed), (&verify.pending, Stage::Pending)];
    for (rule, stage) in stages {
        let Some(rule) = rule else { continue };
        match rule.test(&scope) {
            Err(error) => {
                return Sight::Unreadable { why: format!("`{}`: {error}", rule.source()) };
            }
            Ok(true) => return stage.sight(Seen::of(rule, &scope).to_json()),
            Ok(false) => {}
        }
    }
    let facts = Seen::of(&verify.that, &scope).to_json();
    match verify.that.test(&scope) {
        Err(error) => Sight::Unreadable { why: format!("`{}`: {error}", verify.that.source()) },
        Ok(false) if Belt::ReadBack.is_on() => Sight::Wrong { facts },
        Ok(_) => Sight::Right { output: output(write, &scope), facts },
    }
}

enum Stage {
    Failed,
    Pending,
}

impl Stage {
    fn sight(&self, facts: Json) -> Sight {
        match self {
            Self::Failed => Sight::Failed { facts },
            Self::Pending => Sight::Pending { facts },
        }
    }
}

/// What receipts keep of an effect. A field that cannot be computed is null: the
/// effect stands all the same.
pub(crate) fn output(write: &WriteBody, scope: &Scope) -> Map<String, Json> {
    let value = |e: &crate::expr::Expr| e.eval(scope).map_or(Json::Null, |v| v.to_json());
    write.output.iter().map(|(name, e)| (name.clone(), value(e))).collect()
}

/// Decides from all looks so far.
#[must_use]
pub fn after(dispatch: &Dispatch, looks: &[Look], contract: &Contract, now: Timestamp) -> Next {
    let Some(write) = write(contract) else {
        return settle(Outcome::Unknown, Code::Internal.name(), "not a write");
    };
    let Some(look) = looks.last() else { return Next::Again(now) };
    let verify = &write.verify;
    let since = answered(dispatch).unwrap_or(now);
    let again = |since: Timestamp, code: Code, budget: Duration, why: &str| {
        // By when it was last seen, not by the clock: after a pause it is looked at again.
        if look.at < plus(since, budget) {
            Next::Again(plus(now, verify.every))
        } else {
            settle(Outcome::Unknown, code.name(), why)
        }
    };
    match &look.sight {
        Sight::Right { .. } => settle(Outcome::Applied, "", ""),
        Sight::Failed { facts } => settle(
            Outcome::NotApplied,
            Code::BackendRefused.name(),
            &format!("the backend took it and then failed: {}", worded(facts)),
        ),
        Sight::Many { count } => settle(
            Outcome::Unknown,
            Code::DuplicateEffect.name(),
            &format!("{count} effects bear this action's marker"),
        ),
        Sight::Pending { .. } => {
            again(since, Code::VerifyTimeout, verify.within, "accepted, not finished")
        }
        Sight::Wrong { facts } => again(
            since,
            Code::VerifyMismatch,
            visible(contract),
            &format!("expected beside found: {}", worded(facts)),
        ),
        // A read may fail for a while whenever it is made, also long after the answer: after
        // a restart, a recovery, or looks that could be read.
        Sight::Unreadable { why } => {
            let unread = |look: &&Look| matches!(look.sight, Sight::Unreadable { .. });
            let first = looks.iter().rev().take_while(unread).last();
            let since = first.map_or(since, |first| since.max(first.at));
            again(since, doubt(dispatch), verify.within, why)
        }
        Sight::Absent { facts } => absent(dispatch, looks, contract, facts, now),
    }
}

/// Nothing of ours is there.
fn absent(
    dispatch: &Dispatch,
    looks: &[Look],
    contract: &Contract,
    facts: &Json,
    now: Timestamp,
) -> Next {
    let since = answered(dispatch).unwrap_or(now);
    let every = write(contract).map_or(VISIBLE, |w| w.verify.every);
    let last = dispatch.last().and_then(|a| a.result.as_ref()).map(|r| &r.verdict);
    let last_look = looks.last().map_or(now, |l| l.at);
    // Seen before anything was sent: one look that sees nothing takes that not back.
    let seen = dispatch
        .last()
        .and_then(|a| a.result.as_ref())
        .is_some_and(|r| r.status.is_none() && matches!(r.verdict, Verdict::Guard { .. }));
    match last {
        Some(Verdict::Guard { .. }) if seen && last_look < plus(since, visible(contract)) => {
            Next::Again(plus(now, every))
        }
        Some(Verdict::Guard { .. }) if seen => settle(
            Outcome::Unknown,
            Code::VerifyMismatch.name(),
            &format!("it was there and is not seen any more: {}", worded(facts)),
        ),
        // The backend said yes: it must show within its bound.
        Some(Verdict::Accepted { .. }) if last_look < plus(since, visible(contract)) => {
            Next::Again(plus(now, every))
        }
        Some(Verdict::Accepted { .. }) => settle(
            Outcome::Unknown,
            Code::VerifyMismatch.name(),
            &format!("the backend said yes and the effect is not there: {}", worded(facts)),
        ),
        // One request may land twice. Where no key tells the second from the first, what
        // the first landing did refuses it, and may show later.
        Some(Verdict::Guard { .. })
            if refuses_its_repeat(contract.effect.class)
                && last_look < plus(since, visible(contract)) =>
        {
            Next::Again(plus(now, every))
        }
        // "Already so", and ours was the only request ever sent: somebody else's doing.
        Some(Verdict::Guard { code, message }) if !dispatch.in_doubt() => {
            settle(Outcome::NotApplied, code, message)
        }
        Some(
            Verdict::Guard { .. }
            | Verdict::Rejected { .. }
            | Verdict::Throttled { .. }
            | Verdict::NotSent { .. }
            | Verdict::CredentialRejected
            | Verdict::SwitchedOff { .. }
            | Verdict::Lost { .. },
        )
        | None => absent_in_doubt(dispatch, looks, contract, (since, every), facts, now),
    }
}

const fn refuses_its_repeat(class: EffectClass) -> bool {
    matches!(class, EffectClass::CompareAndSet | EffectClass::ClientId | EffectClass::Marker)
}

/// A lost reply and nothing to be seen: wait out whatever the backend may still
/// be doing, look twice at least one bound apart, and claim absence only where a
/// sourced bound allows it, no money is at stake, and what a look shows can be trusted.
fn absent_in_doubt(
    dispatch: &Dispatch,
    looks: &[Look],
    contract: &Contract,
    (since, every): (Timestamp, Duration),
    facts: &Json,
    now: Timestamp,
) -> Next {
    let (bound, quiet) = (visible(contract), quiet(since, contract));
    // A read that failed saw nothing, and found nothing missing either.
    let nothing = |l: &&Look| l.at >= quiet && matches!(l.sight, Sight::Absent { .. });
    let after_quiet: Vec<_> = looks.iter().filter(nothing).map(|l| l.at).collect();
    let Some(first) = after_quiet.first() else {
        // It may show at any time: look early, then ever more rarely.
        let waited = now.duration_since(since).unsigned_abs();
        return Next::Again(plus(now, waited.max(every)).min(quiet));
    };
    let second = plus(*first, bound);
    if now < second || after_quiet.len() < 2 {
        return Next::Again(second);
    }
    let what = if forgotten(dispatch) {
        "what followed its last try is not known since a recovery"
    } else {
        "the reply was lost"
    };
    let blind = contract.effect.class == EffectClass::Blind;
    if contract.effect.visible_within.is_some() && !contract.effect.irreversible && !blind {
        let message = format!("{what}; two looks found nothing: {}", worded(facts));
        return settle(Outcome::NotApplied, Code::ReplyLost.name(), &message);
    }
    let message = format!("{what} and absence proves nothing here: {}", worded(facts));
    settle(Outcome::Unknown, doubt(dispatch).name(), &message)
}

fn settle(outcome: Outcome, code: &str, message: &str) -> Next {
    Next::Settle(Settlement::new(outcome, code, message))
}

/// A rule and what it saw, for people: `found.amount == money; money = USD 5.00`.
fn worded(facts: &Json) -> String {
    let one = |value: &Json| match value {
        Json::String(text) => text.clone(),
        Json::Object(money) if money.len() == 2 && money.contains_key("currency") => {
            let part = |name| money.get(name).and_then(Json::as_str).unwrap_or_default();
            format!("{} {}", part("currency"), part("amount"))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            value.to_string()
        }
    };
    let parts = facts.as_object().into_iter().flatten().map(|(name, value)| match name.as_str() {
        "rule" => one(value),
        path => format!("{path} = {}", one(value)),
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// From when on a look sees whatever a request still did whose attempt ended then.
pub(crate) fn quiet(since: Timestamp, contract: &Contract) -> Timestamp {
    plus(since, contract.pack.quiet_period.saturating_add(visible(contract)))
}

/// When the last attempt ended, as far as is known.
pub(crate) fn answered(dispatch: &Dispatch) -> Option<Timestamp> {
    dispatch.last().map(|a| a.result.as_ref().map_or(a.at, |r| r.at))
}

/// When a look sees an effect for sure.
#[must_use]
pub fn visible(contract: &Contract) -> Duration {
    contract.effect.visible_within.unwrap_or(VISIBLE)
}

fn doubt(dispatch: &Dispatch) -> Code {
    if dispatch.in_doubt() {
        Code::ReplyLost
    } else if forgotten(dispatch) {
        Code::HistoryMissing
    } else {
        Code::VerifyTimeout
    }
}

/// Whether every try that is known was put off or never left. Only after a recovery is such
/// an action looked for: it may have been sent since.
fn forgotten(dispatch: &Dispatch) -> bool {
    let last = dispatch.last().and_then(|a| a.result.as_ref()).map(|r| &r.verdict);
    let put_off = matches!(last, Some(Verdict::NotSent { .. } | Verdict::Throttled { .. }));
    put_off && !dispatch.in_doubt()
}

fn write(contract: &Contract) -> Option<&WriteBody> {
    match &contract.body {
        crate::contract::Body::Write(write) => Some(write),
        crate::contract::Body::Read(_) => None,
    }
}

fn plus(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::ZERO);
    at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// How an outcome was established, for receipts: `response`, `replay`, `read_back`.
#[must_use]
pub fn evidence(dispatch: &Dispatch, looks: &[Look]) -> Vec<&'static str> {
    // Without a status nothing answered: an effect that was found instead of sending.
    let answered =
        |r: &&AttemptResult| r.status.is_some() || !matches!(r.verdict, Verdict::Guard { .. });
    let last = dispatch.last().and_then(|a| a.result.as_ref()).filter(answered);
    let mut kinds = Vec::new();
    match last.map(|r| &r.verdict) {
        // Same key, same bytes: the answer to the repeat stands for the lost one.
        Some(Verdict::Accepted { .. }) if dispatch.in_doubt() => kinds.push("replay"),
        Some(Verdict::Lost { .. } | Verdict::NotSent { .. } | Verdict::SwitchedOff { .. })
        | None => {}
        Some(
            Verdict::Accepted { .. }
            | Verdict::Rejected { .. }
            | Verdict::Guard { .. }
            | Verdict::Throttled { .. }
            | Verdict::CredentialRejected,
        ) => kinds.push("response"),
    }
    if looks.iter().any(|l| !matches!(l.sight, Sight::Unreadable { .. })) {
        kinds.push("read_back");
    }
    kinds
}
