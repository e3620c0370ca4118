use crate::bundle::{problems, shipped, with};

pub(crate) const KEY: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

fn one(name: &str, text: &str) -> String {
    let problems = problems(&with(name, text));
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].clone()
}

fn edited(name: &str, from: &str, to: &str) -> String {
    let text = shipped()[name].clone();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn all_problems_of_all_files_are_told_at_once_with_their_place() {
    let mut files = with("settings.yaml", "modes: []\nlimit: []\n");
    files.insert("people.yaml".into(), "people:\n  - { id: a b }\n".into());
    files.insert(
        "policy.cedar".into(),
        "@id(\"a\")\npermit (principal, action, resource)\nwhen { principal.age > 1 };\n".into(),
    );
    files.remove("tests.yaml");
    let problems = problems(&files);
    for start in [
        "people.yaml:2:11: error: expected an id",
        "policy.cedar:3:8: error: ",
        "settings.yaml:2:1: error: `limit` is not a key here (did you mean `limits`?)",
        "settings.yaml:1:1: error: `activation` is missing",
        "tests.yaml:0:0: error: the policy has no tests.yaml",
    ] {
        assert!(problems.iter().any(|p| p.starts_with(start)), "{start}: {problems:#?}");
    }
}

#[test]
fn a_policy_is_strictly_typed_named_and_parses() {
    let file = "policy.cedar";
    let rule = |rule: &str| one(file, &format!("// one\n{rule}"));
    let typed =
        rule("@id(\"a\") permit (principal, action, resource) when { context.amount.minor > 1 };");
    assert!(typed.starts_with("policy.cedar:2:") && typed.contains("amount"), "{typed}");
    let unnamed = rule("permit (principal, action, resource);");
    assert!(unnamed.starts_with("policy.cedar:2:1: error: a policy has no @id"), "{unnamed}");
    let twice = rule(
        "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") permit (principal is Staff, action, resource);",
    );
    assert!(twice.contains("two policies have @id(\"a\")"), "{twice}");
    let broken = rule("@id(\"a\") permit (principal, action, resource) when { ;");
    assert!(broken.starts_with("policy.cedar:2:"), "{broken}");
    let template = rule("@id(\"a\") permit (principal == ?principal, action, resource);");
    assert!(template.contains("templates"), "{template}");
}

#[test]
fn a_tool_that_is_not_there_is_a_warning_where_a_catalog_is_known() {
    let cedar = edited("policy.cedar", "Pack::\"shopify\"", "Pack::\"shopfy\"");
    let warning = one("policy.cedar", &cedar);
    assert!(
        warning.contains("warning: no loaded pack has Pack::\"shopfy\" (did you mean `shopify`?)"),
        "{warning}"
    );
    assert!(!warning.starts_with("policy.cedar:0:"), "{warning}");
    let settings = edited("settings.yaml", "[\"shopify.*\"]", "[\"shopify.refund_line\"]");
    let warning = one("settings.yaml", &settings);
    assert!(warning.contains("matches no tool") && warning.contains("refund_lines"), "{warning}");
}

#[test]
fn the_schema_is_the_executors() {
    let text = format!("{}\n", shipped()["schema.cedarschema"]);
    let problem = one("schema.cedarschema", &text);
    assert!(problem.contains("countersign policy schema"), "{problem}");
}

#[test]
fn settings_are_strict() {
    for (from, to, says) in [
        ("mode: auto }", "mode: autoo }", "did you mean `auto`?"),
        ("mode: auto }", "mode: approve }", "`by` is missing"),
        ("mode: auto }", "mode: approve, by: [] }", "a list of roles"),
        ("mode: auto }", "mode: auto, by: [lead] }", "`by` goes with"),
        ("mode: auto }", "share: 0, mode: auto }", "a number above 0"),
        ("mode: auto }", "share: 1.5, mode: auto }", "a number above 0"),
        ("[\"shopify.*\"]", "[]", "a list such as"),
        ("[\"shopify.*\"]", "[\"shop*\"]", "a tool, PACK.* or *"),
        ("per: customer, tools", "per: person, tools", "it is one of: customer, object"),
        ("within: 1d", "within: 0d", "above zero"),
        ("within: 1d", "within: soon", "a length of time"),
        ("USD: \"500.00\"", "USD: 500.00", "put it in quotes"),
        ("USD: \"500.00\"", "USD: \"500.001\"", "not an exact amount"),
        ("USD: \"500.00\"", "USD: \"-1\"", "zero or more"),
        ("USD: \"500.00\"", "DOLLARS: \"500.00\"", "is not a currency"),
        (", count: 20 }", " }", "a limit says `most`, `count` or both"),
        ("count: 20", "count: 0", "a number from 1"),
        ("name: customer_hour_count", "name: customer_day", "two limits are called"),
        ("per_subject: 20, ", "", "`per_subject` is missing"),
        ("default: 1, ", "", "`default` is missing"),
        ("policy: 2 }", "policy: 0 }", "a number from 1"),
    ] {
        let problem = one("settings.yaml", &edited("settings.yaml", from, to));
        assert!(problem.contains(says), "{from} -> {to}: {problem}");
        assert!(!problem.starts_with("settings.yaml:0:"), "{problem}");
    }
}

#[test]
fn people_are_strict_and_nobody_has_two_votes() {
    let person =
        |rest: &str| format!("  - {{ issuer: d, name: N, roles: [lead], tenants: [t], {rest} }}\n");
    let two = |a: &str, b: &str| {
        format!("people:\n{}{}", person(&format!("id: a, {a}")), person(&format!("id: b, {b}")))
    };
    let key = |kid: &str, file: &str| format!("keys: [{{ kid: {kid}, file: {file} }}]");
    let passkey = |id: &str| {
        format!("passkeys: [{{ id: {id}, public_key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAQID }}]")
    };
    let subject = "subjects: [{ issuer: i, id: s }]";
    let away = |from: &str, to: &str, delegate: &str| {
        format!("absent: [{{ from: {from}, to: {to}, delegate: {delegate} }}]")
    };
    let (first, last) = ("2026-12-01", "2026-12-10");
    for (text, says) in [
        (two(subject, subject), "two entries have this subject"),
        (two("email: x@y", "email: x@y"), "two entries have this e-mail"),
        (two(&key("k", "keys/a.pem"), &key("l", "keys/a.pem")), "two entries have this key"),
        (two(&key("k", "keys/none.pem"), "keys: []"), "no file `keys/none.pem`"),
        (two("keys: [{ kid: k, pem: x }]", "keys: []"), "no Ed25519 public key"),
        (two("keys: [{ kid: k }]", "keys: []"), "either `pem` or `file`"),
        (two("certificates: [\"spiffe://Shop/erin\"]", "keys: []"), "a SPIFFE id"),
        (
            two(
                &passkey("AAAA"),
                "passkeys: [{ id: AAAA, public_key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAQIE }]",
            ),
            "this passkey",
        ),
        (two(&passkey("\"!\""), "keys: []"), "base64url"),
        (
            two("passkeys: [{ id: AAAA, public_key: AAAA }]", "keys: []"),
            "expected SubjectPublicKeyInfo",
        ),
        (two(&away(last, first, "b"), "keys: []"), "ends before it begins"),
        (two(&away(first, last, "a"), "keys: []"), "cannot stand in for themself"),
        (two(&away(first, last, "c"), "keys: []"), "no person `c`"),
        (two(&away("soon", last, "b"), "keys: []"), "a day such as"),
        (
            two(
                &away(first, last, "b"),
                "absent: [{ from: 2026-12-10, to: 2026-12-11, delegate: c }]",
            ) + &person("id: c"),
            "`b` is away too",
        ),
        (two("id: a", "keys: []"), "duplicate"),
        (format!("people:\n{}{}", person("id: a"), person("id: a")), "two entries have this id"),
    ] {
        let mut files = with("people.yaml", &text);
        files.insert("keys/a.pem".into(), KEY.into());
        let problems = problems(&files);
        assert_eq!(problems.len(), 1, "{says}: {problems:#?}");
        assert!(problems[0].contains(says), "{says}: {problems:#?}");
    }
}

#[test]
fn a_person_with_everything_loads() {
    let text = "people:
  - id: alice
    issuer: https://directory.shop.example
    name: Alice Example
    roles: [support_lead]
    tenants: [demo-shop]
    email: alice@shop.example
    keys: [{ kid: alice-1, file: keys/alice.pem }]
    passkeys: [{ id: AAAA, public_key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAQID }]
    subjects: [{ issuer: \"https://accounts.shop.example\", id: alice@shop.example }]
    absent: [{ from: 2026-12-21, to: 2027-01-04, delegate: bob }]
  - { id: bob, issuer: d, name: Bob, roles: [] }
";
    let mut files = with("people.yaml", text);
    files.insert("keys/alice.pem".into(), KEY.into());
    let policy = crate::bundle::policy(&files);
    let (alice, _) = policy.people().of_passkey(&[0, 0, 0]).unwrap();
    assert_eq!(alice.keys.keys().collect::<Vec<_>>(), ["alice-1"]);
    assert!(policy.people().of_passkey(&[0]).is_none());
}

#[test]
fn whoever_audits_holds_no_other_role_by_themself_or_for_somebody() {
    let person = |id: &str, roles: &str, absent: &str| {
        format!(
            "  - {{ id: {id}, issuer: d, name: N, roles: [{roles}], tenants: [demo-shop], \
             absent: [{absent}] }}\n"
        )
    };
    for beside in ["lead", "operator"] {
        let both = format!("people:\n{}", person("zoe", &format!("auditor, {beside}"), ""));
        let problem = one("people.yaml", &both);
        assert!(problem.contains("`zoe` audits, and cannot hold another role"), "{problem}");
    }
    let away = "{ from: 2026-12-21, to: 2026-12-31, delegate: zoe }";
    for (who, stand_in) in [("lead", "auditor"), ("auditor", "lead"), ("operator", "auditor")] {
        let two = [person("alice", who, away), person("zoe", stand_in, "")].concat();
        let problem = one("people.yaml", &format!("people:\n{two}"));
        assert!(problem.contains("`alice` and `zoe` only one audits"), "{problem}");
    }
}
