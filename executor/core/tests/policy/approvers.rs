use countersign_core::policy::{Approval, Policy};
use countersign_core::subject::Subject;
use countersign_shared::codes::Code;
use jiff::Timestamp;

use crate::bundle::{REFUND, catalog, customer, now, policy, usd, with};

const PEOPLE: &str = "people:
  - { id: alice, issuer: d, name: Alice, roles: [lead, finance], absent: [{ from: 2026-12-21, to: 2026-12-31, delegate: bob }] }
  - { id: bob, issuer: d, name: Bob, roles: [lead] }
  - { id: carol, issuer: d, name: Carol, roles: [clerk], subjects: [{ issuer: \"https://shop.test.invalid\", id: customer1 }] }
  - { id: dan, issuer: d, name: Dan, roles: [lead], subjects: [{ issuer: \"https://shop.test.invalid\", id: customer1-at-work }] }
";

fn people() -> Policy {
    policy(&with("people.yaml", PEOPLE))
}

fn names(policy: &Policy, role: &str, at: &str) -> Vec<String> {
    let at: Timestamp = at.parse().unwrap();
    policy.people().in_role(role, at).map(|person| person.id.clone()).collect()
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

#[test]
fn two_roles_take_two_persons_however_they_are_dealt() {
    let policy = people();
    let open = |needed: &[&str], persons: &[&str]| {
        let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        policy.people().open_roles(&owned(needed), &owned(persons), now())
    };
    assert_eq!(open(&["lead", "finance"], &["alice"]).len(), 1);
    // Alice fits both seats, Bob only the one she was given first.
    assert_eq!(open(&["lead", "finance"], &["alice", "bob"]), Vec::<String>::new());
    assert_eq!(open(&["lead", "finance"], &["bob", "alice"]), Vec::<String>::new());
    assert_eq!(open(&["lead", "lead"], &["alice", "carol"]), ["lead"]);
    assert_eq!(open(&["finance", "finance"], &["alice", "bob", "dan"]), ["finance"]);
}

fn approve(policy: &Policy, person: &str, already: &[&str], requester: &Subject) -> Option<String> {
    let already: Vec<_> = already.iter().map(|id| (*id).to_owned()).collect();
    let approval = Approval {
        person: policy.people().get(person).unwrap(),
        needed: &["lead".to_owned(), "lead".to_owned()],
        already: &already,
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
fn an_approver_has_a_wanted_role_once_and_not_for_themself() {
    let policy = people();
    let mut requester = customer();
    assert_eq!(approve(&policy, "alice", &[], &requester), None);
    assert_eq!(approve(&policy, "bob", &["alice"], &requester), None);
    let again = approve(&policy, "alice", &["alice"], &requester).unwrap();
    assert!(again.contains("said yes already"), "{again}");
    let full = approve(&policy, "dan", &["alice", "bob"], &requester).unwrap();
    assert!(full.contains("none of the roles"), "{full}");
    assert!(approve(&policy, "carol", &[], &requester).unwrap().contains("their own"));
    requester.id = "customer1-at-work".into();
    assert!(approve(&policy, "dan", &[], &requester).unwrap().contains("their own"));
    assert!(approve(&policy, "carol", &[], &requester).unwrap().contains("none of the roles"));
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
        needed: &["lead".to_owned()],
        already: &[],
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
