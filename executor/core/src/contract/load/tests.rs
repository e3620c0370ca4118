#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use serde_json::json;

use super::testing::{Files, example_pack, shipped_packs};
use super::*;
use crate::contract::{Catalog, EffectClass, arguments_json, output_json};
use crate::expr::Scope;
use crate::value::Value;

fn messages(files: &Files) -> Vec<String> {
    pack(files).problems.iter().map(ToString::to_string).collect()
}

/// The example pack with one text of one file replaced.
fn changed(file: &str, from: &str, to: &str) -> Files {
    let mut files = example_pack();
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(from), "{from}");
    *text = text.replacen(from, to, 1);
    files
}

#[test]
fn shipped_packs_load_clean() {
    for files in shipped_packs() {
        let problems = messages(&files);
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}

#[test]
fn the_example_pack_loads_clean() {
    let loaded = pack(&example_pack());
    assert_eq!(loaded.problems, []);
    let catalog = Catalog::load([loaded.pack.unwrap()]).unwrap();
    let names: Vec<&str> = catalog.tools.keys().map(String::as_str).collect();
    assert_eq!(names, ["shop.find_order", "shop.refund", "shop.refunds"]);
    let refund = &catalog.tools["shop.refund"];
    assert!(refund.digest.starts_with("sha256:"));
    assert_eq!(refund.effect.class, EffectClass::ServerKey);
    let Body::Write(write) = &refund.body else { panic!("a write") };
    let projection: Vec<&str> = write.projection.iter().map(|place| &**place.name()).collect();
    let wanted = ["order.customer", "order.refunds.amount", "order.status", "order.total"];
    assert_eq!(projection, wanted);
    let Body::Read(read) = &catalog.tools["shop.find_order"].body else { panic!("a read") };
    assert_eq!(read.label_of.as_deref(), Some("orders"));
}

/// The last threshold that is passed counts: one that does not rise would ask for less.
#[test]
fn thresholds_rise_from_line_to_line() {
    let line =
        |over: &str, by: &str| format!("  - {{ over: {{ {over} }}, within: 30d, by: [{by}] }}\n");
    let approve = |low: &str, high: &str| {
        let both = line(low, "lead") + &line(high, "finance, finance");
        let to = format!("approve:\n{both}confirm: customer\n");
        messages(&changed("contracts/refund.yaml", "confirm: customer\n", &to))
    };
    let fifty = "USD: \"50.00\"";
    assert_eq!(approve(fifty, "USD: \"50.01\""), Vec::<String>::new());
    for high in [
        fifty,
        "USD: \"49.99\"",
        "EUR: \"2000.00\"",
        "USD: \"2000.00\", EUR: \"2000.00\"",
        "EUR: \"10.00\", USD: \"2000.00\"",
    ] {
        let problems = approve(fifty, high);
        assert_eq!(problems.len(), 1, "{high}: {problems:#?}");
        let told = problems[0].contains("rise from line to line");
        assert!(told && !problems[0].contains(":0:"), "{high}: {problems:#?}");
    }
    let two = |usd: &str| format!("USD: \"{usd}\", EUR: \"60.00\"");
    assert_eq!(approve(&two("50.00"), &two("60.00")).len(), 1, "one of them does not rise");
}

#[test]
fn an_auditor_cannot_be_asked_for_a_yes() {
    let approve = |by: &str| {
        let line =
            format!("approve:\n  - {{ over: {{ USD: \"50.00\" }}, within: 30d, by: [{by}] }}\n");
        messages(&changed(
            "contracts/refund.yaml",
            "confirm: customer\n",
            &(line + "confirm: customer\n"),
        ))
    };
    assert_eq!(approve("lead, finance"), Vec::<String>::new());
    let problems = approve("lead, auditor");
    assert!(problems.len() == 1 && problems[0].contains("an auditor"), "{problems:#?}");
}

#[test]
fn two_packs_of_one_name_are_refused() {
    let one = || pack(&example_pack()).pack.unwrap();
    assert!(Catalog::load([one(), one()]).is_err());
}

#[test]
fn planners_are_told_what_they_may_fill() {
    let loaded = pack(&example_pack()).pack.unwrap();
    let tool = |name: &str| loaded.contracts.iter().find(|c| c.tool == name).unwrap();
    let arguments = arguments_json(tool("shop.refund"));
    assert_eq!(arguments["order"]["from"], json!(["observation"]));
    assert_eq!(arguments["order"]["required"], json!(true));
    assert_eq!(arguments["order"]["obtain"][0]["at"], json!("/orders/*/id"));
    assert_eq!(arguments["reason"]["default"], json!("asked"));
    assert_eq!(arguments["reason"]["words"], json!({ "damaged": ["broken"] }));
    assert_eq!(output_json(tool("shop.refund")), json!({ "amount": "fact", "refund_id": "fact" }));
    let orders = &output_json(tool("shop.find_order"))["orders"][0];
    assert_eq!((&orders["id"], &orders["note"]), (&json!("fact"), &json!("text")));
    assert_eq!(orders["tags"], json!(["fact"]));
}

#[test]
fn words_that_nothing_may_choose_by_are_a_problem() {
    let files = changed("contracts/refund.yaml", "from: [model, constant]", "from: [constant]");
    let [problem] = pack(&files).problems.try_into().unwrap();
    assert_eq!((problem.line, problem.kind), (7, ProblemKind::Rule));
    let line = files["contracts/refund.yaml"].lines().nth(6).unwrap();
    assert_eq!(problem.column, line.find("{ damaged").unwrap() + 1, "{problem}");
    assert!(problem.remedy.unwrap().contains("add `model` to `from`"));
}

#[test]
fn arguments_become_values_with_defaults() {
    let loaded = pack(&example_pack()).pack.unwrap();
    let refund = loaded.contracts.iter().find(|c| c.tool == "shop.refund").unwrap();
    assert!(refund.schema.is_valid(&json!({ "order": "o_1" })));
    for wrong in [
        json!({}),
        json!({ "order": "x" }),
        json!({ "order": "o_1", "more": 1 }),
        json!({ "order": "o_1", "reason": "why" }),
    ] {
        assert!(!refund.schema.is_valid(&wrong), "{wrong}");
    }
    let args = refund.arguments_value(&json!({ "order": "o_1" }));
    assert_eq!(args.member("reason"), &Value::Str("asked".into()));
    let Body::Write(write) = &refund.body else { panic!("a write") };
    let scope = Scope::new().with("args", args);
    assert_eq!(write.locks[0].eval(&scope).unwrap(), Value::Str("o_1".into()));
}

#[test]
fn every_byte_of_a_pack_is_in_its_digest() {
    let digest = |files: &Files| pack(files).pack.unwrap().pack.digest.clone();
    let base = digest(&example_pack());
    let mut files = example_pack();
    files.insert("recorded/a.json".into(), "{}".into());
    let more = digest(&files);
    assert_ne!(base, more);
    files.insert("recorded/a.json".into(), "{ }".into());
    assert_ne!(more, digest(&files));
    // A byte that moves from one file's end to the next one's start.
    let pair =
        |a: &str, b: &str| super::digest(&[("a".into(), a.into()), ("b".into(), b.into())].into());
    assert_ne!(pair("xy", "z"), pair("x", "yz"));
}

#[test]
fn a_broken_pack_reports_everything_at_once() {
    let mut files = example_pack();
    files.insert("contracts/broken.yaml".into(), BROKEN.into());
    let loaded = pack(&files);
    assert!(loaded.pack.is_none());
    let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    let wanted = BROKEN_PROBLEMS.trim().lines().map(|line| format!("contracts/broken.yaml:{line}"));
    assert_eq!(found, wanted.collect::<Vec<_>>(), "\n{}", found.join("\n"));
}

const BROKEN: &str = r##"tool: shop.brocken
sumary: Everything here is wrong.
effect: { class: server_key, irreversible: yes }
arguments:
  order: { type: string, pattern: "o_[0-9]+", from: [observation] }
  amount: { type: number, from: [model] }
  to: { type: string, from: [model, utterance], role: destination }
  iban: { type: string, pattern: "^[A-Z0-9]{15,34}$", from: [utterance], role: account }
  note: { type: string, from: [constant], obtain: [ { tool: shop.find_ordr, at: /id }, { tool: shop.find_order, at: /orders/*/note } ] }
read:
  order: { tool: shop.refunds, with: { ordr: =args.iban } }
  second: { tool: shop.refund, with: {} }
subject: state.order.customer = subject.customer
locks: [args.iban, args.ibann]
money: state.order.total + 5
require:
  - { code: NOT_PAYED, that: 'state.order.status == "PAYED"' }
  - { code: NOT_PAID, that: "state.order.refunds.all(r, r.note.size() > 3) && now > 3" }
  - { code: NOT_PAID, that: "state.second.anything" }
intent: [args.iban, state.order.total]
confidence: { floor: 1.5 }
card: "To {args.iban}: {state.order.totl} {receipt"
do:
  http: { method: GET, path: [v1, 0.5], json: { a: '=money' } }
  accept: [404]
  key: { header: "bad name" }
verify:
  look: { tool: shop.refunds, with: { order: '=args.iban' } }
  find: { in: looked.customer, ours: found.id == marker }
  that: found.x
  every: 5
  within: 1m
say: { aplied: "Done." }
"##;

const BROKEN_PROBLEMS: &str = r#"
1:1: error: `summary` is missing
1:1: error: `confirm` is missing
1:7: error: `shop.brocken` does not fit the file's name (call it shop.broken, or rename the file)
2:1: error: `sumary` is not a key here (did you mean `summary`?)
3:9: error: `window` is missing: how long the backend keeps the key (add window: 24h)
3:9: warning: the class has no recorded probe, so the tool loads as blind: never sent again (probe the backend and add probe: { on: DATE, source: URL })
3:44: error: expected true or false, found `yes`
5:35: error: the pattern does not close the string at both ends (write ^…$)
6:19: error: there are no floating-point arguments (use integer, or a string with a pattern and decimal(…))
7:55: error: a destination, account or amount is never the model's (REFERENCES, NOT VALUES) (take `model` out of `from`)
9:31: error: the source `constant` needs a value (add `default: …`)
9:53: error: there is no read `shop.find_ordr` in this pack (did you mean `shop.find_order`?)
9:88: error: `/orders/*/note` is text of shop.find_order, not a fact
11:10: error: the read needs the argument `order`
11:40: error: the read has no argument `ordr` (did you mean `order`?)
12:19: error: `shop.refund` is a write, and only reads can be made here
13:10: error: the rule is exactly PATH == subject.CLAIM (write for example state.order.customer_id == subject.customer_id)
14:25: error: there is no field `ibann` (did you mean `iban`?)
15:26: error: no `+` between money and int (write money("12.50", "USD"))
17:13: error: the code `NOT_PAYED` is neither built in nor the pack's (did you mean `NOT_PAID`? Otherwise declare it in connector.yaml)
17:53: error: "PAYED" is never a value here (did you mean "PAID"?)
18:59: error: `r.note` may be absent (test it first: has(r.note) && …, or has(r.note) ? … : …)
18:83: error: a time is compared with an int (write duration("24h") for a length of time)
20:21: error: `state` cannot be used here (an intent is what is asked for, never what the action itself changes)
21:22: error: expected a number from 0 to 1, found the number 1.5
22:43: error: `{` is not closed (write `{{` for a brace)
24:19: error: a write is not made with GET
24:35: error: there are no floating-point numbers (write '=json_number(decimal("1.5"))', or put it in quotes)
25:12: error: expected a status from 200 to 299, found the number 404
26:18: error: expected a header's name such as X-Api-Key, found `bad name`
29:15: error: expected a list, found string
31:10: error: expected a length of time such as 10s, 5m or 24h, found the number 5
33:6: error: `applied` is missing
33:8: error: `aplied` is not a key here (did you mean `applied`?)
"#;

#[test]
fn rules_of_the_effect_class_are_upheld() {
    let file = "contracts/refund.yaml";
    let effect = "{ class: server_key, window: 24h,";
    let cases = [
        (changed(file, effect, "{ class: server_key,"), "4:9: error: `window` is missing"),
        (
            changed(file, effect, "{ class: marker, window: 24h,"),
            "4:34: error: `window` applies to",
        ),
        (
            changed(file, "  key: { header: Idempotency-Key }\n", ""),
            "21:3: error: the class server_key needs `key`",
        ),
        (
            changed(file, ", probe: { on: 2026-11-20, source: \"https://shop.example/docs\" }", ""),
            "4:9: warning: the class has no recorded probe",
        ),
        (changed(file, "on: 2026-11-20", "on: yesterday"), "4:76: error: expected a date"),
        (
            changed(file, "subject: state.order.customer == subject.customer\n", ""),
            "1:1: error: `subject` is missing",
        ),
        (
            changed(file, "state.order.customer == subject", "args.order == subject"),
            "10:10: error: the owner is read",
        ),
        (
            changed(file, "state.order.customer == subject", "state.order.total == subject"),
            "10:10: error: an owner is an id",
        ),
        (
            changed(file, "== subject.customer\nlocks", "== subject.custmer\nlocks"),
            "10:10: error: `subject.custmer` is not",
        ),
        (
            changed(file, "[args.order]\nmoney", "[state.order.customer]\nmoney"),
            "11:9: error: `state` cannot be used here",
        ),
        (
            changed(file, "intent: [args.order]", "intent: [args.order, money]"),
            "16:22: error: `money` cannot be used here",
        ),
        (
            changed(file, "confirm: customer", "confirm: nobody"),
            "18:10: error: `nobody` is not known here",
        ),
    ];
    for (files, wanted) in cases {
        let found = messages(&files);
        let wanted = format!("{file}:{wanted}");
        assert!(found.iter().any(|m| m.starts_with(&wanted)), "{wanted}\n{}", found.join("\n"));
    }
}

#[test]
fn a_tool_without_a_probe_loads_as_blind() {
    let probe = ", probe: { on: 2026-11-20, source: \"https://shop.example/docs\" }";
    let loaded = pack(&changed("contracts/refund.yaml", probe, ""));
    let contracts = loaded.pack.unwrap().contracts;
    let refund = contracts.iter().find(|c| c.tool == "shop.refund").unwrap();
    assert_eq!(refund.effect.class, EffectClass::Blind);
}

#[test]
fn a_marker_is_sent_and_looked_for() {
    let file = "contracts/refund.yaml";
    let marker = changed(file, "class: server_key, window: 24h", "class: marker");
    assert_eq!(messages(&marker), [""; 0]);
    let mut unsent = marker.clone();
    let text = unsent.get_mut(file).unwrap();
    *text = text.replace(", note: =marker", "").replace(" || found.note == marker", "");
    let found = messages(&unsent);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("stamps `marker`") && found[1].contains("finds its effect"));
}

#[test]
fn a_document_and_its_variables_fit_together() {
    let connector = "pack: shop\nsummary: S.\nkind: graphql\npath: /graphql\ncredential: none\n";
    let read = "tool: shop.a\nsummary: S.\neffect: none\ndo:\n  graphql: a.graphql\n  variables: { id: x, extra: y }\noutput: { n: { fact: int, at: /n } }\n";
    let document = "mutation A($id: ID!, $needed: Int!, $free: Int) { a }";
    let files = [
        ("connector.yaml", connector),
        ("contracts/a.yaml", read),
        ("documents/a.graphql", document),
    ];
    let files: Files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    let wanted = [
        "contracts/a.yaml:1:1: warning: the read has no `subject`, so any customer may see what it yields (add subject: PATH == subject.CLAIM, unless it is public)",
        "contracts/a.yaml:5:3: error: documents/a.graphql needs $needed",
        "contracts/a.yaml:5:12: error: documents/a.graphql is a mutation, not a query",
        "contracts/a.yaml:6:30: error: documents/a.graphql declares no $extra",
    ];
    assert_eq!(messages(&files), wanted);
}

/// A price list is nobody's, and says so.
#[test]
fn a_read_for_whoever_is_named_needs_no_subject() {
    let connector = "pack: shop\nsummary: S.\nkind: http\ncredential: none\n";
    let read = "tool: shop.a\nsummary: S.\nstrength: asserted\neffect: none\ndo:\n  http: { method: GET, path: [a] }\noutput: { n: { fact: int, at: /n } }\n";
    let files = [("connector.yaml", connector), ("contracts/a.yaml", read)];
    let files: Files = files.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    assert_eq!(messages(&files), [""; 0]);
}

#[test]
fn files_that_are_no_yaml_say_where() {
    let mut files = example_pack();
    files.insert("contracts/refunds.yaml".into(), "tool: [1,\nsummary: x\n".into());
    let loaded = pack(&files);
    assert!(loaded.pack.is_none());
    let syntax: Vec<_> = loaded.problems.iter().filter(|p| p.kind == ProblemKind::Syntax).collect();
    assert_eq!(syntax.len(), 1, "{syntax:?}");
    assert_eq!(syntax[0].file, "contracts/refunds.yaml");
    assert!(syntax[0].line > 0);
    files.remove("connector.yaml");
    assert!(messages(&files).iter().any(|m| m.contains("no connector.yaml")));
}

#[test]
fn a_contract_says_how_surely_it_is_the_subject() {
    let find = "contracts/find_order.yaml";
    let files = changed(find, "effect: none", "strength: strong\neffect: none");
    let loaded = pack(&files).pack.unwrap();
    let tool = loaded.contracts.iter().find(|c| c.tool == "shop.find_order").unwrap();
    assert_eq!(tool.strength, Strength::Strong);
    for (to, part) in [
        ("strength: certain\neffect: none", "`certain` is not known"),
        ("strength: asserted\neffect: none", "prove no owner"),
    ] {
        let found = messages(&changed(find, "effect: none", to)).join("\n");
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn unsigned_words_never_decide_where_or_how_much() {
    let find = "contracts/find_order.yaml";
    let files = changed(find, "from: [utterance]", "from: [asserted]");
    assert!(pack(&files).pack.is_some());
    let files = changed(find, "from: [utterance]", "role: account, from: [asserted]");
    let found = messages(&files).join("\n");
    assert!(found.contains("never what nobody signed"), "{found}");
}

#[test]
fn limits_are_at_least_one_and_may_be_left_out() {
    let with = |limits: &str| changed("connector.yaml", "kind:", &format!("{limits}kind:"));
    let zero = messages(&with("limits: { concurrent: 0 }\n"));
    assert!(zero.iter().any(|m| m.contains("at least 1")), "{zero:?}");
    for (limits, per_second) in [("limits: { per_second: 5 }\n", Some(5)), ("", None)] {
        let loaded = pack(&with(limits));
        assert_eq!(loaded.problems, [], "{limits}");
        let catalog = Catalog::load([loaded.pack.unwrap()]).unwrap();
        let found = catalog.packs["shop"].limits;
        assert_eq!(found.per_second.map(std::num::NonZeroU32::get), per_second);
        assert_eq!(found.concurrent, None);
    }
}
