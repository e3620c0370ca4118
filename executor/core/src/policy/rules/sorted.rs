//! Policies, sorted at load by who asks for which step, so that a question meets only
//! those that can speak of it, and Cedar is told only what they ask about.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Policy, PolicySet, PrincipalConstraint};
use serde_json::{Value as Json, json};

use super::{Names, uid};
use crate::policy::Verb;

/// Every policy, by whether staff asks and for which step.
#[derive(Debug, Clone)]
pub(super) struct Sorted(BTreeMap<(bool, Verb), Set>);

/// The policies that can speak of one step of one kind of person.
#[derive(Debug, Clone, Default)]
pub(super) struct Set {
    pub(super) policies: PolicySet,
    pub(super) words: Words,
}

/// Every word that policies use.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    words: BTreeSet<String>,
    /// The context is used otherwise than by its members.
    whole: bool,
}

type Failure = Box<dyn std::error::Error>;

impl Sorted {
    /// Sorts policies that were checked.
    ///
    /// # Errors
    /// Where Cedar does not read back what it wrote.
    pub(super) fn new(policies: &PolicySet, names: &Names) -> Result<Self, Failure> {
        let mut sorted: BTreeMap<_, Set> = BTreeMap::new();
        for policy in policies.policies() {
            let json = without_scope(policy)?;
            let bare = Policy::from_json(Some(policy.id().clone()), json.clone())?;
            let asked =
                [false, true].into_iter().flat_map(|s| Verb::WORDS.iter().map(move |v| (s, v.1)));
            for (staff, verb) in asked.filter(|(staff, verb)| speaks(policy, *staff, *verb, names))
            {
                let own = sorted.entry((staff, verb)).or_default();
                own.words.hear(&json);
                own.policies.add(bare.clone())?;
            }
        }
        Ok(Self(sorted))
    }

    /// Those that can speak of it; `None` where there are none.
    pub(super) fn of(&self, staff: bool, verb: Verb) -> Option<&Set> {
        self.0.get(&(staff, verb))
    }
}

/// A policy as JSON, without the part of its scope that its place stands for already.
fn without_scope(policy: &Policy) -> Result<Json, Failure> {
    let mut json = policy.to_json()?;
    if let Some(members) = json.as_object_mut() {
        members.insert("action".to_owned(), json!({ "op": "All" }));
        if let PrincipalConstraint::Is(_) = policy.principal_constraint() {
            members.insert("principal".to_owned(), json!({ "op": "All" }));
        }
    }
    Ok(json)
}

/// Whether a policy's scope lets it speak of this kind of person and this step. Cedar
/// asks the scope first: what is left out would say nothing, and could not fail.
fn speaks(policy: &Policy, staff: bool, verb: Verb, names: &Names) -> bool {
    let (who, action) = (names.kind(staff), uid(&names.action, verb.name()));
    let of_who = match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(id) => id.type_name() == who,
        PrincipalConstraint::Is(of) | PrincipalConstraint::IsIn(of, _) => of == *who,
    };
    // Actions are in no groups.
    let of_action = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.contains(&action),
        ActionConstraint::Eq(one) => one == action,
    };
    of_who && of_action
}

impl Words {
    /// Whether some policy may ask for what goes by this name. None can without naming it.
    pub(super) fn know(&self, name: &str) -> bool {
        self.whole || self.words.contains(name)
    }

    fn hear(&mut self, json: &Json) {
        match json {
            Json::String(word) => {
                self.words.insert(word.clone());
            }
            Json::Array(items) => items.iter().for_each(|item| self.hear(item)),
            Json::Object(members) => {
                self.whole |= *json == json!({ "Var": "context" });
                for (name, inner) in members {
                    self.words.insert(name.clone());
                    self.member(name, inner);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    /// `context.x` and `context has x` name what they want of the context.
    fn member(&mut self, name: &str, inner: &Json) {
        let of_context = inner.get("left").is_some_and(|left| *left == json!({ "Var": "context" }));
        match inner.get("attr").filter(|_| of_context && matches!(name, "." | "has")) {
            Some(attribute) => self.hear(attribute),
            None => self.hear(inner),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sorted(policies: &str) -> Sorted {
        let mut named = PolicySet::new();
        for policy in policies.parse::<PolicySet>().unwrap().policies() {
            let id = policy.annotation("id").unwrap();
            named.add(policy.new_id(cedar_policy::PolicyId::new(id))).unwrap();
        }
        Sorted::new(&named, &Names::new().unwrap()).unwrap()
    }

    fn ids(sorted: &Sorted, staff: bool, verb: Verb) -> Vec<String> {
        let own = sorted.of(staff, verb).unwrap();
        let mut ids: Vec<_> = own.policies.policies().map(|p| p.id().to_string()).collect();
        ids.sort();
        ids
    }

    #[test]
    fn a_policy_is_asked_only_where_its_scope_lets_it_speak() {
        let sorted = sorted(
            r#"@id("all") permit (principal, action, resource);
            @id("customers") permit (principal is Customer, action == Action::"read", resource);
            @id("one") forbid (principal == Customer::"i#c", action, resource);
            @id("steps") permit (principal is Staff, action in [Action::"read", Action::"approve"], resource);"#,
        );
        assert_eq!(ids(&sorted, false, Verb::Read), ["all", "customers", "one"]);
        assert_eq!(ids(&sorted, false, Verb::Execute), ["all", "one"]);
        assert_eq!(ids(&sorted, true, Verb::Approve), ["all", "steps"]);
        assert_eq!(ids(&sorted, true, Verb::Confirm), ["all"]);
    }

    #[test]
    fn only_what_a_policy_names_is_told() {
        let words = |when: &str| {
            let policy =
                format!(r#"@id("p") permit (principal, action, resource) when {{ {when} }};"#);
            sorted(&policy).of(false, Verb::Read).unwrap().words.clone()
        };
        let some = words(
            r#"context has amount && context.amount.minor < 5 && principal.segment == "vip""#,
        );
        assert!(["amount", "minor", "segment"].iter().all(|name| some.know(name)));
        assert!(["channel", "workload", "strength"].iter().all(|name| !some.know(name)));
        assert!(words("context has amount.minor").know("amount"));
        assert!(words(r#"context["channel"] == "web""#).know("channel"));
        assert!(words("[context].contains(context)").know("channel"));
        assert!(words(r#"{ a: context }.a.workload == "x""#).know("tenant"));
    }
}
