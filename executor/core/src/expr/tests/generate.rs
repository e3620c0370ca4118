//! Random expressions, types and values.

use proptest::prelude::*;

use super::super::*;
use crate::value::Value;

/// Sources that look like expressions over the names of `names()`.
pub(super) fn source() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "state.order",
        "state.order.id",
        "state.order.status",
        "state.order.paid",
        "state.order.weight",
        "state.order.total",
        "state.order.placed",
        "state.order.email",
        "state.order.cancelled",
        "state.order.note",
        "state.order.lines",
        "state.order.address",
        "state.order.address.city",
        "state.order.address.zip",
        "args.id",
        "args.lines",
        "args.n",
        "marker",
        "now",
        "x",
        "x.id",
        "x.quantity",
        "x.amount",
        "x.note",
        "true",
        "false",
        "null",
        "0",
        "1",
        "-3",
        "9223372036854775807",
        "\"PAID\"",
        "\"7.25\"",
        "\"USD\"",
        "decimal(\"1.25\")",
        "money(\"3.00\", \"USD\")",
        "money(\"3\", \"EUR\")",
        "duration(\"90m\")",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 40, 3, |inner| {
        let binary = prop::sample::select(vec![
            "==", "!=", "<", "<=", ">", ">=", "&&", "||", "+", "-", "*", "in",
        ]);
        let unary = prop::sample::select(vec![
            "!",
            "-",
            "has",
            "size",
            "decimal",
            "minor",
            "amount",
            "currency",
            "string",
            "numeric_id",
        ]);
        let member = prop::sample::select(vec![
            "contains",
            "startsWith",
            "endsWith",
            "size",
            "lower",
            "trim",
            "sum",
        ]);
        let walk =
            prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter", "sum"]);
        prop_oneof![
            4 => (inner.clone(), binary, inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            2 => (unary, inner.clone()).prop_map(|(f, a)| format!("{f}({a})")),
            1 => (inner.clone(), member.clone()).prop_map(|(a, f)| format!("{a}.{f}()")),
            1 => (inner.clone(), member, inner.clone())
                .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
            2 => (inner.clone(), walk, inner.clone())
                .prop_map(|(a, f, b)| format!("{a}.{f}(x, {b})")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner).prop_map(|(a, b)| format!("money({a}, {b})")),
        ]
    })
}

/// Sources of a type that are mostly accepted. `var` is an element of `lines`.
pub(super) fn typed(
    kind: &'static str,
    depth: u32,
    var: Option<&'static str>,
) -> BoxedStrategy<String> {
    let element = |field: &str| var.map(|var| format!("{var}.{field}"));
    let leaves: Vec<String> = match kind {
        "bool" => vec!["state.order.paid".into(), "true".into(), "has(state.order.email)".into()],
        "int" => vec!["args.n".into(), "-3".into(), "9223372036854775807".into()],
        "decimal" => vec!["state.order.weight".into(), "decimal(\"1.25\")".into()],
        "money" => vec!["state.order.total".into(), "money(\"3\", \"EUR\")".into()],
        "time" => vec!["now".into(), "state.order.placed".into()],
        "duration" => vec!["duration(\"90m\")".into(), "(now - state.order.placed)".into()],
        "lines" => vec!["args.lines".into(), "state.order.lines".into()],
        _ => vec![
            "marker".into(),
            "state.order.note".into(),
            "\"7.5\"".into(),
            "state.order.id".into(),
        ],
    };
    let field = match kind {
        "int" => element("quantity"),
        "money" => element("amount"),
        "string" => element("id"),
        _ => None,
    };
    let leaf = prop::sample::select(leaves.into_iter().chain(field).collect::<Vec<_>>()).boxed();
    if depth == 0 {
        return leaf;
    }
    let of = |kind| typed(kind, depth - 1, var);
    let two = |a, form: &'static str, b| {
        (of(a), of(b)).prop_map(move |(a, b)| form.replace("$a", &a).replace("$b", &b)).boxed()
    };
    let one = |a, form: &'static str| of(a).prop_map(move |a| form.replace("$a", &a)).boxed();
    let walk = |form: &'static str, body| {
        let name = if var.is_none() { "x" } else { "y" };
        let body = typed(body, depth - 1, Some(name));
        let form = form.replace("$v", name);
        (of("lines"), body).prop_map(move |(a, b)| form.replace("$a", &a).replace("$b", &b)).boxed()
    };
    let may_loop = var != Some("y");
    let mut all = vec![leaf, two(kind, "(state.order.paid ? $a : $b)", kind)];
    match kind {
        "bool" => {
            all.extend([two("bool", "($a && $b)", "bool"), two("bool", "($a || $b)", "bool")]);
            all.extend([one("bool", "!$a"), two("money", "($a <= $b)", "money")]);
            all.extend([two("int", "($a == $b)", "int"), two("decimal", "($a > $b)", "decimal")]);
            all.extend([two("time", "($a < $b)", "time"), two("string", "($a != $b)", "string")]);
            all.extend([two("string", "($a in [$b, marker])", "string")]);
            all.extend([one(
                "string",
                "(has(state.order.email) && state.order.email.contains($a))",
            )]);
            all.extend([one("string", "(state.order.address.zip == $a)")]);
            if may_loop {
                all.extend([walk("$a.all($v, $b)", "bool"), walk("$a.exists_one($v, $b)", "bool")]);
            }
        }
        "int" => {
            all.extend([two("int", "($a + $b)", "int"), two("int", "($a * $b)", "int")]);
            all.extend([one("money", "minor($a)"), one("string", "$a.size()")]);
            all.push(one("lines", "size($a)"));
            if may_loop {
                all.push(walk("$a.sum($v, $b)", "int"));
            }
        }
        "decimal" => {
            all.extend([two("decimal", "($a - $b)", "decimal"), one("money", "amount($a)")]);
            all.extend([two("decimal", "($a * $b)", "decimal"), one("string", "decimal($a)")]);
        }
        "money" => {
            all.extend([two("money", "($a + $b)", "money"), two("money", "($a * $b)", "int")]);
            all.push(two("decimal", "money($a, currency($b))", "money"));
            if may_loop {
                all.push(walk("$a.sum($v, $b)", "money"));
            }
        }
        "time" => all.push(two("time", "($a + $b)", "duration")),
        "duration" => all.push(two("duration", "($a - $b)", "duration")),
        "lines" if may_loop => all.push(walk("$a.filter($v, $b)", "bool")),
        "lines" => {}
        _ => {
            all.extend([two("string", "($a + $b)", "string"), one("string", "$a.trim().lower()")]);
            all.extend([one("decimal", "string($a)"), one("string", "numeric_id($a)")]);
            all.push(two("lines", "$a[$b].id", "int"));
        }
    }
    proptest::strategy::Union::new(all).boxed()
}

/// Any value of a type.
pub(super) fn of(kind: &Type) -> BoxedStrategy<Value> {
    match kind {
        Type::Null => Just(Value::Null).boxed(),
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::Int => prop_oneof![-5_i64..5, any::<i64>()].prop_map(Value::Int).boxed(),
        Type::Decimal => (any::<i64>(), 0_u32..20)
            .prop_map(|(n, scale)| Value::Decimal(rust_decimal::Decimal::new(n, scale)))
            .boxed(),
        Type::Str(Text::OneOf(values)) => {
            prop::sample::select(values.clone()).prop_map(Value::Str).boxed()
        }
        Type::Str(Text::Id | Text::Free) => {
            prop_oneof!["[A-Z]{3}", "[a-z]{0,4}[0-9.]{0,6}", any::<String>()]
                .prop_map(Value::Str)
                .boxed()
        }
        Type::Time => any::<i32>()
            .prop_map(|s| Value::Time(jiff::Timestamp::from_second(s.into()).unwrap()))
            .boxed(),
        Type::Duration => any::<i32>()
            .prop_map(|s| Value::Duration(jiff::SignedDuration::from_secs(s.into())))
            .boxed(),
        Type::Money => (any::<i64>(), prop::sample::select(vec!["USD", "EUR", "JPY"]))
            .prop_map(|(n, code)| {
                Value::Money(countersign_shared::money::Money::from_minor(n, code.parse().unwrap()))
            })
            .boxed(),
        Type::List(element) => {
            prop::collection::vec(of(element), 0..4).prop_map(Value::List).boxed()
        }
        Type::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(name, kind)| (Just(name.clone()), of(kind))).collect();
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())).boxed()
        }
        Type::Optional(inner) => prop_oneof![Just(Value::Null), of(inner)].boxed(),
    }
}

/// Any value at all.
pub(super) fn anything() -> BoxedStrategy<Value> {
    let scalars = [
        Type::Null,
        Type::Bool,
        Type::Int,
        Type::Decimal,
        Type::ID,
        Type::Time,
        Type::Duration,
        Type::Money,
    ];
    let scalar = prop::sample::select(scalars.to_vec()).prop_flat_map(|kind| of(&kind)).boxed();
    scalar
        .prop_recursive(3, 30, 4, |inner| {
            let names = prop::sample::select(vec![
                "order", "id", "status", "lines", "total", "n", "email", "amount", "address",
            ]);
            let object =
                prop::collection::btree_map(names.prop_map(str::to_owned), inner.clone(), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::List),
                object.prop_map(Value::Object),
            ]
        })
        .boxed()
}
