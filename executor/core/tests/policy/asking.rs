use countersign_core::policy::{Mode, Verb};
use countersign_core::subject::{Kind, Strength};
use countersign_shared::codes::Code;

use crate::bundle::{READ, REFUND, ask, catalog, customer, policy, shipped, usd, with};

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
