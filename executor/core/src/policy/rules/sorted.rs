//! Policies, sorted at load by who asks for which step, so that a question meets only
//! those that can speak of it, and Cedar is told only what they ask about.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{ActionConstraint, Effect, Policy, PolicySet, PrincipalConstraint};
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
    /// The same as far as they hold before anything is proposed. What they refuse is refused
    /// whatever is proposed: each `permit` that asks for more than is known by then permits here,
    /// each such `forbid` is missing.
    pub(super) before: PolicySet,
    pub(super) words: Words,
}

/// What is known of a step once it is proposed: none of it belongs to person, workload or tool.
const PROPOSED: [&str; 5] = ["channel", "conversation", "mode", "confidence", "amount"];

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
            let before = before(&bare, &json)?;
            let asked =
                [false, true].into_iter().flat_map(|s| Verb::WORDS.iter().map(move |v| (s, v.1)));
            for (staff, verb) in asked.filter(|(staff, verb)| speaks(policy, *staff, *verb, names))
            {
                let own = sorted.entry((staff, verb)).or_default();
                own.words.hear(&json);
                own.policies.add(bare.clone())?;
                before.iter().try_for_each(|policy| own.before.add(policy.clone()))?;
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

/// A policy as far as it holds before anything is proposed, so that what is refused then is
/// refused later as well.
fn before(bare: &Policy, json: &Json) -> Result<Option<Policy>, Failure> {
    let mut words = Words::default();
    words.hear(json);
    if !PROPOSED.iter().any(|name| words.know(name)) {
        return Ok(Some(bare.clone()));
    }
    if bare.effect() == Effect::Forbid {
        return Ok(None);
    }
    let mut json = json.clone();
    if let Some(members) = json.as_object_mut() {
        members.insert("conditions".to_owned(), json!([]));
    }
    Ok(Some(Policy::from_json(Some(bare.id().clone()), json)?))
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
    fn before_a_proposal_what_asks_for_more_permits_and_forbids_nothing() {
        let sorted = sorted(
            r#"@id("web") permit (principal, action, resource) when { context.channel == "web" };
            @id("vip") permit (principal, action, resource) when { principal.segment == "vip" };
            @id("large") forbid (principal, action, resource) when { context has amount };
            @id("any") forbid (principal, action, resource) when { [context].contains(context) };
            @id("here") forbid (principal, action, resource) when { context.tenant == "t" };"#,
        );
        let before = &sorted.of(false, Verb::Propose).unwrap().before;
        let mut ids: Vec<_> = before.policies().map(|policy| policy.id().to_string()).collect();
        ids.sort();
        assert_eq!(ids, ["here", "vip", "web"]);
        let conditions = |id| {
            let policy = before.policy(&cedar_policy::PolicyId::new(id)).unwrap();
            policy.to_json().unwrap()["conditions"].as_array().unwrap().len()
        };
        assert_eq!(["here", "vip", "web"].map(conditions), [1, 1, 0]);
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
