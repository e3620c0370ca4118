#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod generate;
mod properties;

use serde_json::json;

use super::*;

/// The types that the tables below work on.
fn names() -> Names {
    let status = Type::Str(Text::OneOf(vec!["PAID".into(), "OPEN".into(), "VOID".into()]));
    let line = Type::object([
        ("id", Type::ID),
        ("quantity", Type::Int),
        ("amount", Type::Money),
        ("note", Type::TEXT.optional()),
    ]);
    let order = Type::object([
        ("id", Type::ID),
        ("status", status.clone()),
        ("paid", Type::Bool),
        ("weight", Type::Decimal),
        ("total", Type::Money),
        ("placed", Type::Time),
        ("email", Type::ID.optional()),
        ("cancelled", Type::Time.optional()),
        ("note", Type::TEXT),
        ("lines", line.clone().list()),
        ("address", Type::object([("city", Type::TEXT), ("zip", Type::ID.optional())]).optional()),
    ]);
    Names::new()
        .with("state", Type::object([("order", order)]))
        .with("args", Type::object([("id", Type::ID), ("lines", line.list()), ("n", Type::Int)]))
        .with("marker", Type::ID)
        .with("now", Type::Time)
}

fn scope() -> Scope {
    let usd = |text: &str| {
        Value::Money(countersign_shared::money::Money::parse(text, "USD".parse().unwrap()).unwrap())
    };
    let text = |s: &str| Value::Str(s.into());
    let object = |fields: &[(&str, Value)]| {
        Value::Object(fields.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
    };
    let line = |id: &str, n: i64, amount: &str, note: Value| {
        object(&[
            ("id", text(id)),
            ("quantity", Value::Int(n)),
            ("amount", usd(amount)),
            ("note", note),
        ])
    };
    let lines = vec![line("a", 1, "10.00", Value::Null), line("b", 3, "2.50", text("Blue"))];
    let order = object(&[
        ("id", text("gid://shop/Order/450")),
        ("status", text("PAID")),
        ("paid", Value::Bool(true)),
        ("weight", Value::Decimal("1.50".parse().unwrap())),
        ("total", usd("12.50")),
        ("placed", Value::Time("2026-11-01T10:00:00Z".parse().unwrap())),
        ("email", Value::Null),
        ("cancelled", Value::Null),
        ("note", text("Käse & Brot")),
        ("lines", Value::List(lines.clone())),
        ("address", object(&[("city", text("Ulm")), ("zip", Value::Null)])),
    ]);
    let args = object(&[("id", text("450")), ("lines", Value::List(lines)), ("n", Value::Int(2))]);
    Scope::new()
        .with("state", object(&[("order", order)]))
        .with("args", args)
        .with("marker", text("cs-1"))
        .with("now", Value::Time("2026-11-02T10:00:00Z".parse().unwrap()))
}

fn eval(source: &str) -> Result<Value, EvalError> {
    let expr = Expr::parse(source, &names()).unwrap_or_else(|f| panic!("{source}: {f:#?}"));
    expr.eval(&scope())
}

#[test]
fn faults_say_what_and_where() {
    // Source, column of the fault from 0, part of the message, part of the remedy.
    let table: &[(&str, usize, &str, &str)] = &[
        ("", 0, "empty", ""),
        ("1 +", 3, "expected a value, found the end", ""),
        ("(1 + 2", 6, "expected `)`", ""),
        ("1 2", 2, "expected an operator or the end, found `2`", ""),
        ("a = 1", 2, "single `=`", "`==`"),
        ("a & b", 2, "`&&`", ""),
        ("1.5 < 2", 0, "floating-point", "decimal("),
        ("1e3", 0, "floating-point", ""),
        ("\"abc", 0, "not closed", ""),
        ("\"\\q\"", 1, "no such escape", "r\""),
        ("99999999999999999999", 0, "too large", ""),
        ("{'a': 1}", 0, "object literals", ""),
        ("orders.x", 0, "`orders` is not known", "there is: args"),
        ("stat.order.id", 0, "`stat` is not known", "did you mean `state`?"),
        ("state.ordr.id == marker", 6, "no field `ordr`", "did you mean `order`?"),
        ("state.order.total.amount", 18, "a money has no fields", ""),
        ("state.order.lines.id == marker", 18, "a list of object has no fields", ".exists("),
        ("state.order.total > 5", 18, "a money is compared with an int", "money("),
        ("state.order.total == state.order.weight", 18, "compared with a decimal", ""),
        ("state.order.id == 450", 15, "a string is compared with an int", "string("),
        ("state.order.status == \"PAYED\"", 22, "never a value", "did you mean \"PAID\"?"),
        ("state.order.status in [\"PAID\", \"SHIPPED\"]", 31, "never a value", "one of: PAID"),
        (
            "state.order.email.startsWith(\"a\")",
            12,
            "`state.order.email` may be absent",
            "has(state.order.email)",
        ),
        ("state.order.cancelled < now", 12, "may be absent", ""),
        ("state.order.address.city.size() > 1", 20, "`state.order.address.city` may be absent", ""),
        ("!has(state.order.email) && state.order.email.size() > 1", 39, "may be absent", ""),
        ("has(state.order.email) || state.order.email.size() > 1", 38, "may be absent", ""),
        ("state.order.lines.exists(l, l.note.contains(\"x\"))", 30, "`l.note` may be absent", ""),
        ("state.order == state.order", 12, "compared as a whole", ""),
        ("null == null", 5, "null is compared with null", ""),
        ("marker < marker", 7, "a string has no order", ""),
        ("marker && true", 0, "expected a bool, found a string", ""),
        ("!args.n", 6, "expected a bool, found an int", ""),
        ("-marker", 0, "has no negative", ""),
        ("args.n / 2", 7, "no `/`", ""),
        ("args.n + marker", 7, "no `+` between int and string", "string("),
        ("state.order.total * state.order.total", 18, "no `*` between money and money", ""),
        ("true ? 1 : marker", 5, "results differ", ""),
        ("[1, marker]", 4, "a list of int cannot hold a string", ""),
        ("[]", 0, "empty list", ""),
        ("args.lines[marker]", 11, "expected an int", ""),
        ("args.n[0]", 5, "an int has no elements", ""),
        ("args.n.map(x, x)", 5, "not a list", ""),
        ("args.lines.map(1, 2)", 15, "expected a name", ""),
        ("args.lines.map(now, 1)", 15, "already a name", ""),
        ("args.lines.all(a, args.lines.all(b, args.lines.all(c, true)))", 51, "nest at most 2", ""),
        ("args.lines.sum(l, l.id)", 11, "no sum of string", ""),
        ("args.lines.filter(l, l.quantity)", 23, "expected a bool", ""),
        ("upper(marker)", 0, "no function `upper`", "there is: has"),
        ("marker.startswith(\"a\")", 7, "no function `startswith`", "did you mean `startsWith`?"),
        ("money(\"1\")", 0, "does not take 1 arguments", ""),
        ("money(\"1.005\", \"USD\") == state.order.total", 0, "not an exact amount of USD", ""),
        ("money(\"1\", \"XXX\") == state.order.total", 0, "not an ISO 4217", ""),
        ("decimal(\"x\") < state.order.weight", 0, "not a decimal", ""),
        ("now + duration(\"soon\")", 15, "no length of time", ""),
        ("marker.matches(\"(\")", 15, "no regular expression", ""),
        ("marker.matches(marker)", 15, "literal pattern", ""),
        ("has(marker.size())", 11, "takes a path", ""),
        ("json_number(state.order.weight)", 0, "not a part of an expression", ""),
        // Characters, not bytes: the first is three columns wide in its source.
        ("\"ü\" == stat.x", 7, "`stat` is not known", ""),
    ];
    for (source, column, message, remedy) in table {
        let faults = Expr::parse(source, &names()).expect_err(source);
        let fault = &faults[0];
        assert!(fault.message.contains(message), "{source}: {fault:?}");
        assert!(
            fault.remedy.as_deref().unwrap_or_default().contains(remedy),
            "{source}: {fault:?}"
        );
        assert_eq!(fault.offset, *column, "{source}: {fault:?}");
    }
}

#[test]
fn all_faults_are_reported() {
    let faults =
        Expr::parse("state.x == 1 && stat == 2 || args.n == marker", &names()).unwrap_err();
    assert_eq!(faults.iter().map(|f| f.offset).collect::<Vec<_>>(), [6, 16, 36]);
}

#[test]
fn true_expressions_are_true() {
    let table = [
        "state.order.status == \"PAID\" && state.order.status in [\"PAID\", \"OPEN\"]",
        "state.order.total == money(\"12.50\", \"USD\")",
        "state.order.total - money(\"2.50\", \"USD\") == money(10 > 2 ? \"10\" : \"1\", \"USD\")",
        "state.order.lines.sum(l, l.amount) == state.order.total",
        "state.order.lines.map(l, l.amount * l.quantity).sum() == money(\"17.50\", \"USD\")",
        "minor(state.order.total) == 1250 && amount(state.order.total) == decimal(\"12.5\")",
        "currency(state.order.total) == \"USD\"",
        "state.order.weight * decimal(\"2\") == decimal(3)",
        "state.order.weight + decimal(\"0.1\") > decimal(\"1.5999\")",
        "numeric_id(state.order.id) == args.id",
        "string(args.n) + \"x\" == \"2x\"",
        "args.n + 3 * 2 - 1 == 7 && -args.n == -2",
        "state.order.lines.size() == 2 && size(state.order.note) == 11",
        "state.order.lines[0].id == \"a\" && state.order.lines[args.n - 1].id == \"b\"",
        "state.order.lines.exists(l, has(l.note) && l.note.lower() == \"blue\")",
        "state.order.lines.all(l, args.lines.exists_one(a, a.id == l.id))",
        "state.order.lines.filter(l, l.quantity > 1).map(l, l.id) [0] == \"b\"",
        "!has(state.order.email) && state.order.email == null && state.order.cancelled == null",
        "has(state.order.address.city) && state.order.address.city == \"Ulm\"",
        "state.order.address.zip == null",
        // Equality with what is absent is false, also with what is absent too.
        "!(state.order.email == marker) && state.order.email != marker",
        "!(state.order.email == state.order.address.zip) && !(state.order.email in [\"a\"])",
        "state.order.placed + duration(\"24h\") == now && now - state.order.placed <= duration(\"1d\")",
        "marker.matches(r\"^cs-\\d+$\") && marker.startsWith(\"cs\") && marker.endsWith(\"1\")",
        "\" a \".trim() == \"a\" && \"a\\\"b\".contains('\"')",
        "state.order.note.contains(\"\\u00e4\")",
        // The right side is not looked at where the left decides.
        "true || args.lines[99].quantity > 1",
        "!(false && args.lines[99].quantity > 1)",
        "state.order.paid ? true : args.lines[99].quantity > 1",
    ];
    for source in table {
        assert_eq!(eval(source), Ok(Value::Bool(true)), "{source}");
    }
}

#[test]
fn what_cannot_be_told_is_an_error() {
    let money = countersign_shared::money::MoneyError::Overflow;
    let table = [
        ("args.lines[2].id", EvalError::Index { index: 2, length: 2 }),
        ("args.lines[0 - 1].id", EvalError::Index { index: -1, length: 2 }),
        ("9223372036854775807 + args.n", EvalError::Overflow),
        ("-(args.n - 9223372036854775807 - 3)", EvalError::Overflow),
        ("state.order.total * 9223372036854775807", EvalError::Money(money)),
        ("numeric_id(marker + \"x\")", EvalError::NumericId("cs-1x".into())),
        ("decimal(marker)", EvalError::Decimal("cs-1".into())),
        ("args.lines.filter(l, false).sum(l, l.amount)", EvalError::EmptySum),
        ("args.lines[9].quantity > 1 || true", EvalError::Index { index: 9, length: 2 }),
    ];
    for (source, error) in table {
        assert_eq!(eval(source), Err(error), "{source}");
    }
    let mixed = eval("state.order.total == money(\"1\", \"EUR\")");
    assert!(matches!(mixed, Err(EvalError::Money(_))), "{mixed:?}");
    let mixed = eval("state.order.total in [money(\"1\", \"EUR\")]");
    assert!(matches!(mixed, Err(EvalError::Money(_))), "{mixed:?}");
}

#[test]
fn decimals_are_never_rounded() {
    let rounding = [
        "decimal(\"79228162514264337593543950335\") + decimal(\"0.1\")",
        "decimal(\"0.0000000000000000001\") * decimal(\"0.0000000000000000001\")",
        "decimal(\"79228162514264337593543950335\") * decimal(\"1.1\")",
    ];
    for source in rounding {
        assert_eq!(eval(source), Err(EvalError::Overflow), "{source}");
    }
    assert_eq!(eval("decimal(\"0.10\") * decimal(\"0\") == decimal(\"0\")"), Ok(Value::Bool(true)));
}

#[test]
fn paths_are_whole_and_lead_back_to_their_list() {
    let table: &[(&str, &[&str])] = &[
        ("state.order.id == args.id", &["args.id", "state.order.id"]),
        ("state.order.lines.all(l, l.id == marker)", &["marker", "state.order.lines.id"]),
        ("state.order.lines.size() > 1", &["state.order.lines"]),
        (
            "state.order.lines[0].amount == state.order.total",
            &["state.order.lines.amount", "state.order.total"],
        ),
        (
            "state.order.lines.filter(l, l.quantity > 1).map(x, x.id)",
            &["state.order.lines.id", "state.order.lines.quantity"],
        ),
        ("state.order.lines.exists(l, true)", &["state.order.lines"]),
        ("state.order.lines.exists(l, args.n > 1)", &["args.n", "state.order.lines"]),
        ("has(state.order.email) ? state.order.email : \"\"", &["state.order.email"]),
        ("state.order.lines.map(l, minor(l.amount)).sum()", &["state.order.lines.amount"]),
    ];
    for (source, wanted) in table {
        let expr = Expr::parse(source, &names()).unwrap_or_else(|f| panic!("{source}: {f:#?}"));
        let found: Vec<String> = expr.paths().iter().map(|path| path.join(".")).collect();
        assert_eq!(found, *wanted, "{source}");
    }
}

#[test]
fn rules_before_prove_what_comes_after() {
    let names = names().given("has(state.order.email) && state.order.cancelled != null");
    assert!(
        Expr::parse("state.order.email.size() > 1 && state.order.cancelled < now", &names).is_ok()
    );
    assert!(Expr::parse("state.order.address.city.size() > 1", &names).is_err());
}

#[test]
fn what_is_broken_elsewhere_is_no_second_fault() {
    let names = names().broken(["state", "refund"]).broken(["found"]);
    assert_eq!(Expr::parse("state.refund.id == found.x.y", &names).unwrap_err(), []);
    assert_eq!(Expr::parse("found.x == 1 && ars.n == 1", &names).unwrap_err().len(), 1);
}

#[test]
fn work_is_bounded() {
    let names = Names::new().with("l", Type::Int.list()).with("s", Type::ID);
    let list = |n: i64| Value::List((0..n).map(Value::Int).collect());
    let long = Expr::parse("l.all(x, x >= 0)", &names).unwrap();
    assert_eq!(long.eval(&Scope::new().with("l", list(250))), Ok(Value::Bool(true)));
    assert_eq!(long.eval(&Scope::new().with("l", list(251))), Err(EvalError::TooLong(251)));
    let scope = Scope::new().with("l", list(250)).with("s", Value::Str("x".repeat(60_000)));
    let grow = Expr::parse("s + s", &names).unwrap();
    assert_eq!(grow.eval(&scope), Err(EvalError::TooMuchText));
    let wide = Expr::parse("l.map(x, l.map(y, s.lower()))", &names).unwrap();
    assert_eq!(wide.eval(&scope), Err(EvalError::TooManySteps));
    for deep in [
        "(".repeat(3000),
        "!".repeat(3000),
        "-".repeat(3000),
        "1+".repeat(1500),
        "a[".repeat(1500),
        "a.".repeat(2000),
        "1?2:".repeat(1000),
        "f(".repeat(1500),
        "[".repeat(3000),
    ] {
        assert!(Expr::parse(&(deep + "1"), &names).is_err());
    }
    assert!(Expr::parse(&" ".repeat(MAX_SOURCE + 1), &names).is_err());
}

fn fields(fields: &[(&str, Template)]) -> Template {
    Template::Object(fields.iter().map(|(k, t)| ((*k).to_owned(), t.clone())).collect())
}

#[test]
fn templates_render_json() {
    let hole = |source: &str| Template::hole(source, &names()).unwrap();
    let over = Expr::parse("args.lines", &names()).unwrap();
    let names = names().with_element(
        "line",
        Type::object([("id", Type::ID), ("amount", Type::Money)]),
        Some(vec!["args".into(), "lines".into()]),
    );
    let item = fields(&[
        ("i", Template::hole("line.id", &names).unwrap()),
        ("a", Template::hole("line.amount", &names).unwrap()),
    ]);
    let template = fields(&[
        ("null", Template::Constant(json!(null))),
        ("email", hole("state.order.email")),
        ("total", hole("state.order.total")),
        ("weight", hole("json_number(state.order.weight)")),
        ("placed", hole("state.order.placed")),
        ("note", hole("marker")),
        ("lines", Template::Each { over, name: "line".into(), item: Box::new(item) }),
        ("list", Template::List(vec![hole("args.n"), Template::Constant(json!(true))])),
    ]);
    let wanted = json!({
        "null": null, "total": "12.50", "weight": 1.5, "placed": "2026-11-01T10:00:00Z", "note": "cs-1",
        "lines": [{ "i": "a", "a": "10.00" }, { "i": "b", "a": "2.50" }], "list": [2, true],
    });
    assert_eq!(template.render(&scope()).unwrap(), wanted);
    let paths: Vec<String> = template.paths().iter().map(|p| p.join(".")).collect();
    assert!(
        paths.contains(&"args.lines.amount".into()) && paths.contains(&"state.order.weight".into())
    );
    assert!(!paths.iter().any(|p| p.starts_with("line")), "{paths:?}");
}

#[test]
fn a_claim_that_the_token_lacks_is_never_left_out_of_a_request() {
    let subject = Type::object([("id", Type::ID), ("customer", Type::ID)]);
    let names = names().with("subject", subject);
    let claims = |claims: &[&str]| {
        let fields = claims.iter().map(|name| ((*name).to_owned(), Value::Str("c-1".into())));
        scope().with("subject", Value::Object(fields.collect()))
    };
    let optional = "state.order.paid ? null : subject.customer";
    for (source, wanted) in [
        ("subject.customer", json!({ "q": "c-1" })),
        ("[subject.id, subject.customer]", json!({ "q": ["c-1", "c-1"] })),
        ("state.order.paid ? subject.customer : marker", json!({ "q": "c-1" })),
        ("subject", json!({ "q": { "customer": "c-1", "id": "c-1" } })),
    ] {
        let query = fields(&[("q", Template::hole(source, &names).unwrap())]);
        assert_eq!(query.render(&claims(&["id", "customer"])), Ok(wanted), "{source}");
        assert_eq!(query.render(&claims(&["id"])), Err(EvalError::Absent), "{source}");
    }
    let query = fields(&[("q", Template::hole(optional, &names).unwrap())]);
    assert_eq!(query.render(&claims(&["id"])), Ok(json!({})), "the contract says that it may be");
}

#[test]
fn json_numbers_are_exact_or_refused() {
    let render = |source: &str| Template::hole(source, &names()).unwrap().render(&scope());
    for (decimal, wanted) in [("12.30", json!(12.3)), ("7", json!(7)), ("-0.05", json!(-0.05))] {
        assert_eq!(render(&format!("json_number(decimal(\"{decimal}\"))")).unwrap(), wanted);
    }
    let fine = "0.1234567890123456789";
    assert_eq!(
        render(&format!("json_number(decimal(\"{fine}\"))")),
        Err(EvalError::Inexact(fine.into()))
    );
    let faults = Template::hole("json_number(state.order.total)", &names()).unwrap_err();
    assert!(faults[0].remedy.as_ref().unwrap().contains("amount("));
}

#[test]
fn prose_is_safe_to_read() {
    let prose = |source: &str| Prose::parse(source, &names()).unwrap_or_else(|f| panic!("{f:?}"));
    let text = prose(
        "Order {{{numeric_id(state.order.id)}}}: {state.order.total}, {state.order.paid}, {state.order.placed}, {args.lines.map(l, l.id)}, {state.order.paid ? \"a}b\" : \"\"}",
    );
    assert_eq!(
        text.render(&scope()).unwrap(),
        "Order {450}: USD 12.50, yes, 2026-11-01 10:00 UTC, a, b, a}b"
    );
    let marker = |text: &str| {
        prose("[{marker}]").render(&Scope::new().with("marker", Value::Str(text.into()))).unwrap()
    };
    assert_eq!(marker("a\u{202e}b\u{200b}c\u{7}d\ne\u{e0041}"), "[abcd e]");
    assert_eq!(marker(&"x".repeat(300)).chars().count(), 202);
    let table = [
        ("{state.order.email}", 1, "may be absent"),
        ("Hello {state.order}", 7, "cannot be read out"),
        ("Hello {stat.order}", 7, "not known"),
        ("a } b", 2, "closes nothing"),
        ("a { b", 2, "not closed"),
    ];
    for (source, column, message) in table {
        let faults = Prose::parse(source, &names()).unwrap_err();
        assert!(faults[0].message.contains(message), "{source}: {faults:?}");
        assert_eq!(faults[0].offset, column, "{source}");
    }
}
