//! A write.

use std::collections::{BTreeMap, BTreeSet};

use super::Parts;
use super::arguments::Arguments;
use super::call::{Called, Side, call};
use super::context::Context;
use super::draft::Draft;
use super::effect::{Declared, effect};
use super::fresh::{Reads, reads};
use super::gates::{approve, confidence, confirm, intent, locks, requires};
use super::head::{examples, obtains, open_to, sentence, strength};
use super::rules;
use super::section::Section;
use super::subject::{self, Owner};
use super::templates::{expression, prose, typed};
use super::verify::verify;
use crate::contract::keys;
use crate::contract::{Body, Call, Require, Say, SubjectRule, Verify, WriteBody};
use crate::expr::{Expr, Names, Prose, Template, Type};
use crate::shown::Place;
use crate::subject::Strength;

const NO_MONEY: &str = "the contract has no `money`: declare it first";

pub(super) fn write(draft: &Draft<'_>, context: &Context<'_>) -> Option<Parts> {
    let file = draft.file;
    let top = Section::open(file, draft.yaml, keys::WRITE)?;
    let summary = top.need_text("summary");
    let examples = examples(&top);
    let open_to = open_to(&top);
    let strength = strength(&top, Strength::SignedIn);
    let effect = top.need("effect").and_then(|yaml| effect(file, yaml));
    if let Some(yaml) = top.get("compensate") {
        file.choice(yaml, &[("none", ())]);
    }
    obtains(file, &draft.arguments, context);
    let found = gather(&top, context, &draft.arguments, effect.as_ref());
    let (effect, found) = (effect?, found?);
    Some(Parts {
        summary: summary?.to_owned(),
        examples,
        open_to: open_to?,
        strength: strength?,
        effect: effect.effect,
        call: found.call,
        body: Body::Write(Box::new(found.body)),
    })
}

/// The checked parts of a write.
struct Found {
    call: Call,
    body: WriteBody,
}

/// Reads every part before giving up on any, so that all problems are reported.
fn gather(
    top: &Section<'_>,
    context: &Context<'_>,
    arguments: &Arguments,
    effect: Option<&Declared>,
) -> Option<Found> {
    let file = top.file;
    let base = &context.base(arguments);
    let locks = locks(top, base);
    let intent = intent(top, base);
    let Reads { reads, state } = reads(top, context, base);
    let subject = top
        .need("subject")
        .and_then(|yaml| subject::rule(file, yaml, context, &state, Owner::Fresh));
    let money = top.get("money").map(|yaml| typed(file, yaml, &state, &Type::Money));
    let state = match &money {
        Some(_) => state.with("money", Type::Money),
        None => state.without("money", NO_MONEY),
    };
    let (require, state) = requires(top, context, state);
    let confidence = confidence(top, money.is_some());
    let confirm = confirm(top);
    let approve = approve(top, money.is_some());
    let instrument = top.get("instrument").map(|yaml| typed(file, yaml, &state, &Type::ID));
    let card = top.need("card").and_then(|yaml| prose(file, yaml, &state));
    let sending = state.clone().with("marker", Type::ID).with("key", Type::ID);
    let Called { call, response } = call(top, context, &sending, Side::Write);
    let after = match response {
        // After a lost reply there is no response.
        Some(Some(shape)) => sending.with("response", shape.kind().optional()),
        Some(None) => sending.broken(["response"]),
        None => sending.without("response", "`do` keeps no `response`"),
    };
    let (verified, after) = verify(top, context, after);
    rules::shown(top, arguments, confirm, card.as_ref());
    if let (Some(effect), Some(call), Some(verify)) = (effect, &call, &verified) {
        rules::class(top, effect.class, call, &verify.ours);
    }
    let output = output(top, &after);
    let say = say(top, &state, &after);
    let whole = Whole {
        subject: subject?,
        money: money.map_or(Some(None), |money| money.map(Some))?,
        instrument: instrument.map_or(Some(None), |i| i.map(Some))?,
        require: require?,
        card: card?,
        verify: verified?,
        say: say?,
    };
    let call = call?;
    let projection = whole.projection(&call);
    let Whole { subject, money, instrument, require, card, verify, say } = whole;
    let body = WriteBody {
        reads: reads?,
        subject,
        locks: locks?,
        money,
        require,
        intent: intent?,
        confidence: confidence?,
        confirm: confirm?,
        approve: approve?,
        instrument,
        card,
        projection,
        verify,
        output: output?,
        say,
    };
    Some(Found { call, body })
}

/// The parts whose use of `state` a grant binds.
struct Whole {
    subject: SubjectRule,
    money: Option<Expr>,
    instrument: Option<Expr>,
    require: Vec<Require>,
    card: Prose,
    verify: Verify,
    say: Say,
}

impl Whole {
    /// FRESH STATE: every field used by a rule, money, verification, a text that
    /// people see, or the request itself, without its leading `state`.
    fn projection(&self, call: &Call) -> Vec<Place> {
        let Verify { with, find_in, ours, pending, failed, that, human, .. } = &self.verify;
        let verify = [Some(ours), Some(that), find_in.as_ref(), pending.as_ref()];
        let verify = verify.into_iter().chain([failed.as_ref(), human.as_ref()]);
        let rules = self.require.iter().map(|rule| &rule.that);
        let rules = rules.chain(&self.money).chain(&self.instrument);
        let say = [&self.say.pending, &self.say.not_applied, &self.say.unknown];
        let texts = [&self.card, &self.say.applied].into_iter().chain(say.into_iter().flatten());
        let paths: BTreeSet<_> = rules
            .chain(verify.flatten())
            .flat_map(|expr| expr.paths().iter().cloned())
            .chain(texts.flat_map(Prose::paths))
            .chain(with.values().flat_map(Template::paths))
            .chain(rules::sent(&call.request))
            .chain([self.subject.path.clone()])
            .filter_map(|path| match path.split_first() {
                Some((root, rest)) if root == "state" && !rest.is_empty() => Some(rest.to_vec()),
                _ => None,
            })
            .collect();
        paths.iter().map(|path| Place::new(path)).collect()
    }
}

fn output(top: &Section<'_>, names: &Names) -> Option<BTreeMap<String, Expr>> {
    let entries = top.entries("output").iter().map(|(key, yaml)| {
        let name = top.file.named(key.at, &key.text);
        let expr = expression(top.file, yaml, names);
        Some((name?, expr?))
    });
    entries.collect::<Vec<_>>().into_iter().collect()
}

fn say(top: &Section<'_>, before: &Names, after: &Names) -> Option<Say> {
    let section = Section::open(top.file, top.need("say")?, keys::SAY)?;
    let receipt = |names: &Names| names.clone().with("receipt", Type::ID);
    let applied = section.need("applied").and_then(|yaml| prose(top.file, yaml, &receipt(after)));
    let otherwise = receipt(before)
        .without("found", "our effect may not have been found then")
        .without("looked", "there may be nothing to look at then")
        .without("response", "there may be no answer then");
    let pending = sentence(&section, "pending", &otherwise);
    let not_applied = sentence(&section, "not_applied", &otherwise);
    let unknown = sentence(&section, "unknown", &otherwise);
    Some(Say { applied: applied?, pending: pending?, not_applied: not_applied?, unknown: unknown? })
}
