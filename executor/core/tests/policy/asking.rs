use countersign_core::contract::{Body, Contract};
use countersign_core::policy::{Mode, Verb};
use countersign_core::subject::{Kind, Strength, Subject};
use countersign_shared::codes::Code;

use crate::bundle::{READ, REFUND, ask, catalog, customer, now, policy, shipped, usd, with};

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);\n";

#[test]
fn a_permit_names_its_policy_and_the_mode() {
    let (policy, catalog) = (policy(&shipped()), catalog());
    let verdict =
        ask(&policy, &customer(), Verb::Execute, &catalog.tools[REFUND], Some(usd("5"))).unwrap();
    assert_eq!(verdict.policies(), ["customers-signed-in"]);
    assert_eq!(verdict.mode(), &Mode::Auto);
    let finding = verdict.finding();
    assert!(finding.passed && finding.gate == "policy");
    assert_eq!(finding.facts.to_json()["policy"], policy.digest());
}

#[test]
fn what_nobody_permits_is_refused_and_so_is_what_somebody_forbids() {
    let (policy, catalog) = (policy(&shipped()), catalog());
    let mut subject = customer();
    subject.strength = Strength::Asserted;
    let refused = ask(&policy, &subject, Verb::Read, &catalog.tools[READ], None).unwrap_err();
    assert!(refused.is(Code::PolicyForbids));
    assert_eq!(refused.message, "no policy permits `read` on shopify.get_order here");
    let refused = ask(&policy, &subject, Verb::Execute, &catalog.tools[REFUND], None).unwrap_err();
    assert!(refused.is(Code::PolicyForbids));
    let says = "policy asserted-changes-nothing forbids `execute` on shopify.refund_lines";
    assert_eq!(refused.message, says);
    assert!(!refused.findings.last().unwrap().passed);
}

/// ERRORS REFUSE: Cedar alone would skip the policy, and permit.
#[test]
fn a_policy_that_cannot_be_evaluated_refuses() {
    let rule = "@id(\"sum\") forbid (principal, action, resource) when {
        context has amount && context.amount.minor * 1000000000000000 > 0 && principal.strength < 0 };";
    let policy = policy(&with("policy.cedar", &format!("{PERMIT}{rule}")));
    let catalog = catalog();
    let asked = |amount| {
        ask(&policy, &customer(), Verb::Execute, &catalog.tools[REFUND], Some(usd(amount)))
    };
    assert_eq!(asked("1").unwrap().policies(), ["all"]);
    let refused = asked("100").unwrap_err();
    assert!(refused.is(Code::RuleError) && refused.message.contains("sum"), "{refused}");
}

#[test]
fn policies_see_amount_channel_confidence_and_the_tool() {
    let rule = "@id(\"narrow\") permit (principal is Customer, action, resource in Pack::\"shopify\") when {
        resource.pack == \"shopify\" && resource.name == \"refund_lines\" && !resource.read &&
        resource.money && resource.irreversible && resource.effect_class == \"server_key\" &&
        resource.scope == \"shopify:write\" && principal.segment == \"\" &&
        context.channel == \"web-chat\" && context.tenant == principal.tenant &&
        context.workload like \"spiffe://*\" && context.mode == \"auto\" &&
        context has conversation && context.conversation == \"c1\" && context.confidence == 950 &&
        context has amount && context.amount.currency == \"USD\" && context.amount.minor <= 5000 };";
    let policy = policy(&with("policy.cedar", rule));
    let catalog = catalog();
    let asked = |amount| ask(&policy, &customer(), Verb::Execute, &catalog.tools[REFUND], amount);
    assert!(asked(Some(usd("50.00"))).is_ok());
    assert!(asked(Some(usd("50.01"))).is_err());
    assert!(asked(None).is_err());
}

/// What is closed before a proposal is refused whatever is proposed; the rest is asked for.
#[test]
fn a_tool_is_closed_only_to_whom_it_is_refused_in_any_case() {
    const RULES: &str = "
        @id(\"forbidden\") forbid (principal, action, resource == Tool::\"shopify.refund_lines\");
        @id(\"here\") forbid (principal, action, resource == Tool::\"shopify.cancel_order\") when {
            context.tenant == \"demo-shop\" };
        @id(\"large\") forbid (principal, action, resource == Tool::\"shopify.change_address\") when {
            context has amount || context.confidence < 2000 };";
    let catalog = catalog();
    let closed = |rules: &str, subject: &Subject| {
        let policy = policy(&with("policy.cedar", rules));
        let to =
            |tool: &Contract| policy.closes(tool, subject, "spiffe://test.invalid/planner", now());
        let listed = catalog.tools.values().filter(|tool| tool.open_to.contains(&subject.kind));
        let closed: Vec<_> = listed.filter(|tool| to(tool)).cloned().collect();
        for tool in &closed {
            let read = matches!(tool.body, Body::Read(_));
            let verb = if read { Verb::Read } else { Verb::Propose };
            assert!(ask(&policy, subject, verb, tool, None).is_err(), "{}", tool.tool);
        }
        closed.iter().map(|tool| tool.tool.clone()).collect::<Vec<_>>()
    };
    let ruled = closed(&format!("{PERMIT}{RULES}"), &customer());
    assert_eq!(ruled, ["shopify.cancel_order", REFUND]);
    // Who is only named may be matched yet.
    let named = Subject { strength: Strength::Asserted, ..customer() };
    assert!(closed(&format!("{PERMIT}{RULES}"), &named).is_empty());
    let shipped = shipped()["policy.cedar"].clone();
    assert!(closed(&shipped, &customer()).is_empty());
    // Scopes are in the token.
    let scopes = ["shopify:read".to_owned()].into();
    let reader = Subject { kind: Kind::Staff, scopes, ..customer() };
    let writes = closed(&shipped, &reader);
    assert!(writes.contains(&"shopify.cancel_order".to_owned()), "{writes:?}");
    assert!(!writes.contains(&"shopify.find_any_order".to_owned()), "{writes:?}");
}

#[test]
fn staff_of_people_yaml_go_by_their_id_and_hold_their_roles() {
    let people = "people:
  - { id: alice, issuer: d, name: Alice, roles: [lead], tenants: [demo-shop], subjects: [{ issuer: \"https://shop.test.invalid\", id: customer1 }] }\n";
    let rule = "@id(\"lead\") permit (principal == Staff::\"alice\", action, resource) when {
        principal.roles.contains(\"lead\") };";
    let mut files = with("people.yaml", people);
    files.insert("policy.cedar".into(), rule.into());
    let (policy, catalog) = (policy(&files), catalog());
    let mut subject = customer();
    assert!(ask(&policy, &subject, Verb::Read, &catalog.tools[READ], None).is_err());
    subject.kind = Kind::Staff;
    assert!(ask(&policy, &subject, Verb::Read, &catalog.tools[READ], None).is_ok());
    // A name at some issuer is not the id here.
    subject.id = "alice".into();
    assert!(ask(&policy, &subject, Verb::Read, &catalog.tools[READ], None).is_err());
}
