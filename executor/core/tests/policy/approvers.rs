use countersign_core::policy::{Approval, Policy, load};
use countersign_core::subject::Subject;
use countersign_shared::codes::Code;
use jiff::Timestamp;

use crate::bundle::{REFUND, catalog, customer, now, policy, usd, with};

const PEOPLE: &str = "people:
  - { id: alice, issuer: d, name: Alice, roles: [lead, finance], tenants: [demo-shop], absent: [{ from: 2026-12-21, to: 2026-12-31, delegate: bob }] }
  - { id: bob, issuer: d, name: Bob, roles: [lead], tenants: [demo-shop] }
  - { id: carol, issuer: d, name: Carol, roles: [clerk], tenants: [demo-shop], subjects: [{ issuer: \"https://shop.test.invalid\", id: customer1 }] }
  - { id: dan, issuer: d, name: Dan, roles: [lead], tenants: [demo-shop], subjects: [{ issuer: \"https://shop.test.invalid\", id: customer1-at-work }] }
  - { id: eve, issuer: d, name: Eve, roles: [lead], tenants: [other-shop] }
  - { id: finn, issuer: d, name: Finn, roles: [lead], tenants: [other-shop], absent: [{ from: 2026-12-21, to: 2026-12-31, delegate: carol }] }
";

fn people() -> Policy {
    policy(&with("people.yaml", PEOPLE))
}

fn names(policy: &Policy, role: &str, at: &str) -> Vec<String> {
    let at: Timestamp = at.parse().unwrap();
    policy.people().in_role(role, "demo-shop", at).map(|person| person.id.clone()).collect()
}

#[test]
fn while_somebody_is_away_their_delegate_holds_their_roles() {
    let policy = people();
    assert_eq!(names(&policy, "finance", "2026-12-20T23:59:59Z"), ["alice"]);
    assert_eq!(names(&policy, "finance", "2026-12-21T00:00:00Z"), ["bob"]);
    assert_eq!(names(&policy, "lead", "2026-12-31T23:59:59Z"), ["bob", "dan"]);
    assert_eq!(names(&policy, "finance", "2027-01-01T00:00:00Z"), ["alice"]);
    assert_eq!(names(&policy, "nobody", "2027-01-01T00:00:00Z"), Vec::<String>::new());
}

fn approve(policy: &Policy, person: &str, role: &str, requester: &Subject) -> Option<String> {
    let approval = Approval {
        person: policy.people().get(person).unwrap(),
        role,
        requester,
        channel: "web-chat",
        workload: "spiffe://test.invalid/planner",
        conversation: "",
        contract: &catalog().tools[REFUND],
        money: Some(usd("80.00")),
        confidence: 1.0,
        now: now(),
    };
    let refused = policy.ask_approver(&approval).err()?;
    assert!(refused.is(Code::ApproverNotAllowed), "{refused}");
    Some(refused.message)
}

#[test]
fn an_approver_holds_the_role_and_does_not_approve_for_themself() {
    let policy = people();
    let mut requester = customer();
    for (person, role) in [("alice", "lead"), ("alice", "finance"), ("bob", "lead")] {
        assert_eq!(approve(&policy, person, role, &requester), None);
    }
    let other = approve(&policy, "bob", "finance", &requester).unwrap();
    assert!(other.contains("does not hold the role `finance`"), "{other}");
    assert!(approve(&policy, "carol", "clerk", &requester).unwrap().contains("their own"));
    requester.id = "matched:{}".into();
    assert!(approve(&policy, "carol", "lead", &requester).unwrap().contains("their own"));
    requester.id = "customer1-at-work".into();
    requester.signs_as = "customer1-at-work".into();
    assert!(approve(&policy, "dan", "lead", &requester).unwrap().contains("their own"));
    assert!(approve(&policy, "carol", "lead", &requester).unwrap().contains("does not hold"));
}

#[test]
fn the_yes_of_an_auditor_or_an_operator_never_counts() {
    for role in ["auditor", "operator"] {
        let people = format!(
            "{PEOPLE}  - {{ id: zoe, issuer: d, name: Zoe, roles: [{role}], tenants: [demo-shop] }}\n"
        );
        let policy = policy(&with("people.yaml", &people));
        let why = approve(&policy, "zoe", role, &customer()).unwrap();
        assert!(why.contains(&format!("`{role}` is no role that answers")), "{why}");
    }
}

#[test]
fn an_approver_answers_for_their_tenants_only_and_for_none_unless_said() {
    let gil = format!("{PEOPLE}  - {{ id: gil, issuer: d, name: Gil, roles: [lead] }}\n");
    let loaded = load::policy(&with("people.yaml", &gil), None);
    assert_eq!(loaded.problems.len(), 1, "a warning that nobody is bound");
    let unbound = loaded.policy.unwrap();
    let policy = people();
    let mut requester = customer();
    for (policy, person) in [(&policy, "eve"), (&unbound, "gil")] {
        let why = approve(policy, person, "lead", &requester).unwrap();
        assert!(why.contains("for tenant `demo-shop`"), "{why}");
    }
    requester.tenant = "other-shop".into();
    assert_eq!(approve(&policy, "eve", "lead", &requester), None);
    assert!(approve(&policy, "bob", "lead", &requester).unwrap().contains("`other-shop`"));
    // Who stands in has the tenants of whom they stand in for, and no others.
    let (people, at) = (policy.people(), "2026-12-22T12:00:00Z".parse().unwrap());
    let carol = people.get("carol").unwrap();
    assert!(people.roles_for(carol, "other-shop", at).contains("lead"));
    assert!(!people.roles_for(carol, "demo-shop", at).contains("lead"));
    assert!(people.bound(carol, "other-shop", at) && !people.bound(carol, "third", at));
}

#[test]
fn policy_can_forbid_an_approver_whose_role_fits() {
    let mut files = with("people.yaml", PEOPLE);
    let rule = "@id(\"big\") forbid (principal, action == Action::\"approve\", resource)
        when { context has amount && context.amount.minor > 5000 };\n";
    files.get_mut("policy.cedar").unwrap().insert_str(0, rule);
    let policy = policy(&files);
    let approval = Approval {
        person: policy.people().get("alice").unwrap(),
        role: "lead",
        requester: &customer(),
        channel: "web-chat",
        workload: "spiffe://test.invalid/planner",
        conversation: "",
        contract: &catalog().tools[REFUND],
        money: Some(usd("50.01")),
        confidence: 1.0,
        now: now(),
    };
    let refused = policy.ask_approver(&approval).unwrap_err();
    assert!(refused.is(Code::PolicyForbids) && refused.message.contains("big"), "{refused}");
}
