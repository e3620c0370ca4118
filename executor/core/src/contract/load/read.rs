//! A read.

use super::call::{Side, call};
use super::context::Context;
use super::draft::Draft;
use super::head::{examples, obtains, open_to, sentence, strength};
use super::section::Section;
use super::subject::{self, Owner};
use super::{Parts, effect};
use crate::contract::keys;
use crate::contract::problem::{ProblemKind, Severity};
use crate::contract::{Body, EmptyRule, ReadBody};
use crate::expr::{Names, Type};
use crate::shape::Shape;
use crate::subject::{Kind, Strength};

pub(super) fn read(draft: &Draft<'_>, context: &Context<'_>) -> Option<Parts> {
    let file = draft.file;
    let top = Section::open(file, draft.yaml, keys::READ)?;
    let summary = top.need_text("summary");
    let examples = examples(&top);
    let open_to = open_to(&top);
    let strength = strength(&top, Strength::Matched);
    top.need("output");
    obtains(file, &draft.arguments, context);
    let call = call(&top, context, &context.base(&draft.arguments), Side::Read).call;
    let listed = context.unlisted != Some(draft.tool.as_str());
    // What is for whoever the frontend names is said to be public.
    let everybody = listed
        && strength != Some(Strength::Asserted)
        && open_to.as_ref().is_some_and(|all| all.contains(&Kind::Customer));
    let body = draft.output.clone().and_then(|output| body(&top, context, output, everybody));
    Some(Parts {
        summary: summary?.to_owned(),
        examples,
        open_to: open_to?,
        strength: strength?,
        effect: effect::none(),
        call: call?,
        body: Body::Read(Box::new(body?)),
    })
}

fn body(
    top: &Section<'_>,
    context: &Context<'_>,
    output: Shape,
    everybody: bool,
) -> Option<ReadBody> {
    let file = top.file;
    let kind = output.kind();
    let subject = top
        .get("subject")
        .map(|yaml| subject::rule(file, yaml, context, &Names::of(&kind), Owner::Output));
    if subject.is_none() && everybody {
        let message = "the read has no `subject`, so any customer may see what it yields";
        let remedy = Some("add subject: PATH == subject.CLAIM, unless it is public");
        file.note(top.at, Severity::Warning, ProblemKind::Rule, message, remedy);
    }
    let empty = top.get("empty").map(|_| empty(top, context, &kind));
    let label_of = results(&kind);
    let label = sentence(top, "label", &label_names(&kind, label_of.as_deref()));
    let say = sentence(top, "say", &Names::of(&kind));
    Some(ReadBody {
        output,
        subject: subject.map_or(Some(None), |rule| rule.map(Some))?,
        empty: empty.map_or(Some(None), |rule| rule.map(Some))?,
        label: label?,
        label_of,
        say: say?,
    })
}

fn empty(top: &Section<'_>, context: &Context<'_>, output: &Type) -> Option<EmptyRule> {
    let section = Section::open(top.file, top.get("empty")?, keys::EMPTY)?;
    let code = section.need("code").and_then(|yaml| context.code(top.file, yaml));
    let yaml = section.need("at")?;
    let at: Vec<String> = top.file.text(yaml)?.split('.').map(str::to_owned).collect();
    let found = at.iter().try_fold(output, |kind, step| match kind.present() {
        Type::Object(fields) => fields.get(step),
        Type::Null
        | Type::Bool
        | Type::Int
        | Type::Decimal
        | Type::Str(_)
        | Type::Time
        | Type::Duration
        | Type::Money
        | Type::List(_)
        | Type::Optional(_) => None,
    });
    if found.is_none() {
        let message = format!("the output has no `{}`", at.join("."));
        return top.file.error(yaml.at, ProblemKind::UnknownName, message, None);
    }
    Some(EmptyRule { at, code: code? })
}

/// The list whose elements are the results: the only list of objects, where
/// nothing but lists is in the output.
fn results(output: &Type) -> Option<String> {
    let Type::Object(fields) = output else { return None };
    let list =
        |kind: &Type| matches!(kind.present(), Type::List(of) if matches!(**of, Type::Object(_)));
    let mut names = fields.iter();
    match (names.next(), names.next()) {
        (Some((name, kind)), None) if list(kind) => Some(name.clone()),
        _ => None,
    }
}

fn label_names(output: &Type, label_of: Option<&str>) -> Names {
    let (Type::Object(fields), Some(list)) = (output, label_of) else { return Names::of(output) };
    match fields.get(list).map(Type::present) {
        Some(Type::List(element)) => Names::of(element),
        _ => Names::of(output),
    }
}
