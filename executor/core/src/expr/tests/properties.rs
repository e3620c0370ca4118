//! What holds for every expression.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::*;
use super::{generate, names, scope};
use crate::value::Value;

fn runner() -> TestRunner {
    TestRunner::new(Config { cases: 4000, failure_persistence: None, ..Config::default() })
}

#[test]
fn accepted_expressions_meet_no_wrong_type() {
    let kinds: Vec<(String, Type)> =
        names().all().map(|name| (name.to_owned(), names().kind(name).unwrap().clone())).collect();
    let values: Vec<_> =
        kinds.iter().map(|(name, kind)| (Just(name.clone()), generate::of(kind))).collect();
    let accepted = Cell::new(0);
    let typed = ["bool", "int", "decimal", "money", "string", "lines"]
        .map(|kind| generate::typed(kind, 4, None));
    let source = prop_oneof![generate::source(), proptest::strategy::Union::new(typed)];
    runner()
        .run(&(source, values), |(source, values)| {
            let Ok(expr) = Expr::parse(&source, &names()) else { return Ok(()) };
            accepted.set(accepted.get() + 1);
            let scope =
                values.into_iter().fold(Scope::new(), |s, (name, value)| s.with(&name, value));
            match expr.eval(&scope) {
                Err(
                    error @ (EvalError::Type { .. } | EvalError::Absent | EvalError::Unbound(_)),
                ) => Err(TestCaseError::fail(format!("{source}: {error}"))),
                Err(_) => Ok(()),
                Ok(value) => {
                    prop_assert!(
                        is(&value, expr.kind()),
                        "{source}: {value:?} is no {}",
                        expr.kind()
                    );
                    Ok(())
                }
            }
        })
        .unwrap();
    assert!(accepted.get() > 1000, "only {} expressions were accepted", accepted.get());
}

#[test]
fn evaluation_ends_on_any_values() {
    let values = prop::collection::vec(generate::anything(), 4);
    runner()
        .run(&(generate::source(), values), |(source, values)| {
            if let Ok(expr) = Expr::parse(&source, &names()) {
                let roots = ["state", "args", "marker", "now"].into_iter().zip(values);
                let scope = roots.fold(Scope::new(), |s, (name, value)| s.with(name, value));
                let _ = expr.eval(&scope);
                let _ = expr.test(&Scope::new());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_text_is_an_expression_or_a_fault_inside_it() {
    let text = prop_oneof![any::<String>(), "[a-z0-9 .()\\[\\]{}\"'=<>!&|?:+*/,-]{0,60}"];
    runner()
        .run(&text, |source| {
            let inside = |faults: Vec<Fault>| {
                faults.iter().all(|fault| fault.offset <= source.chars().count())
            };
            prop_assert!(Expr::parse(&source, &names()).map_or_else(inside, |_| true));
            prop_assert!(Prose::parse(&source, &names()).map_or_else(inside, |_| true));
            prop_assert!(Template::hole(&source, &names()).map_or_else(inside, |_| true));
            Ok(())
        })
        .unwrap();
}

#[test]
fn prose_inserts_nothing_hidden() {
    let prose = Prose::parse("{marker}", &names()).unwrap();
    runner()
        .run(&any::<String>(), |text| {
            let shown = prose.render(&scope().with("marker", Value::Str(text))).unwrap();
            prop_assert!(shown.chars().count() <= 200);
            let hidden =
                |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}');
            prop_assert_eq!(shown.chars().find(|c| hidden(*c)), None);
            Ok(())
        })
        .unwrap();
}

/// CEL's own parser agrees on what is an expression of our subset.
#[test]
fn accepted_syntax_is_cel() {
    runner()
        .run(&generate::source(), |source| {
            // Deep sources exhaust the other parser's stack in debug builds.
            let shallow = source.matches(['(', '[']).count() <= 6;
            if shallow && syntax::parse(&source).is_ok() {
                let cel = cel::Env::default().parser().parse(&source);
                prop_assert!(cel.is_ok(), "{source}: {:?}", cel.err());
            }
            Ok(())
        })
        .unwrap();
}

fn is(value: &Value, kind: &Type) -> bool {
    match (value, kind) {
        (Value::Null, Type::Null | Type::Optional(_))
        | (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int)
        | (Value::Decimal(_), Type::Decimal)
        | (Value::Time(_), Type::Time)
        | (Value::Duration(_), Type::Duration)
        | (Value::Money(_), Type::Money)
        | (Value::Str(_), Type::Str(Text::Id | Text::Free)) => true,
        (Value::Str(text), Type::Str(Text::OneOf(values))) => values.contains(text),
        (value, Type::Optional(inner)) => is(value, inner),
        (Value::List(items), Type::List(element)) => items.iter().all(|item| is(item, element)),
        (Value::Object(_), Type::Object(fields)) => {
            fields.iter().all(|(name, kind)| is(value.member(name), kind))
        }
        _ => false,
    }
}
