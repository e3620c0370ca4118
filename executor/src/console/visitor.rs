//! Who looks at a page, and as what: the roles are those of the policy's people now, so
//! that a role that was taken away is gone with the next request.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::header::{CONTENT_TYPE, REFERER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse as _, Redirect, Response};
use countersign_core::activation::ROLE;
use countersign_core::policy::{AUDITOR, People, Person};
use jiff::Timestamp;

use super::Console;
use super::answer::signed_out;
use super::certificate::Shown;
use super::site::sign_in;

/// What a role is for on these pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Duty {
    /// Answers requests and settles what is left to people.
    Approver,
    /// Reads everything, changes nothing.
    Auditor,
    /// Turns switches, and signs what is activated.
    Operator,
}

/// Somebody who is signed in and whom the policy knows.
pub(super) struct Visitor {
    pub(super) person: Person,
    /// Their duties, each with the tenants that it is for.
    duties: BTreeMap<Duty, BTreeSet<String>>,
}

impl Duty {
    fn of(role: &str) -> Self {
        match role {
            AUDITOR => Self::Auditor,
            ROLE => Self::Operator,
            _ => Self::Approver,
        }
    }
}

impl Visitor {
    /// With their duties of this time; none while they are away.
    pub(super) fn of(person: &Person, people: &People, now: Timestamp) -> Self {
        let mut duties: BTreeMap<Duty, BTreeSet<String>> = BTreeMap::new();
        for role in people.roles(person, now) {
            duties.entry(Duty::of(role)).or_default();
        }
        let tenants: BTreeSet<_> = people.iter().flat_map(|one| &one.tenants).collect();
        for tenant in tenants {
            for role in people.roles_for(person, tenant, now) {
                duties.entry(Duty::of(role)).or_default().insert(tenant.clone());
            }
        }
        Self { person: person.clone(), duties }
    }

    /// Whether they have one of these duties, for whatever tenant.
    pub(super) fn is(&self, any: &[Duty]) -> bool {
        any.iter().any(|duty| self.duties.contains_key(duty))
    }

    /// Whether they have one of these duties for a tenant.
    pub(super) fn may(&self, any: &[Duty], tenant: &str) -> bool {
        let has = |duty| self.duties.get(duty).is_some_and(|tenants| tenants.contains(tenant));
        any.iter().any(has)
    }

    /// The tenants for which they have one of these duties.
    pub(super) fn tenants(&self, any: &[Duty]) -> BTreeSet<String> {
        any.iter().filter_map(|duty| self.duties.get(duty)).flatten().cloned().collect()
    }

    /// Every tenant that they have to do with.
    pub(super) fn everywhere(&self) -> BTreeSet<String> {
        self.duties.values().flatten().cloned().collect()
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Response;

    /// Whoever is not signed in is led to it, and back from there.
    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        if let Some(visitor) = console.visitor(parts) {
            return Ok(visitor);
        }
        if parts.method == Method::GET {
            let to = parts.uri.path_and_query().map_or("/", |to| to.as_str());
            return Err(Redirect::to(&sign_in(to)).into_response());
        }
        let form = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|typ| typ.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
        // What was posted is not done: the page from which it came asks again.
        Err(if form {
            Redirect::to(&sign_in(&from(&parts.headers, console.site.origin()))).into_response()
        } else {
            signed_out()
        })
    }
}

impl OptionalFromRequestParts<Console> for Visitor {
    type Rejection = Infallible;

    /// For a page that is there for everybody.
    async fn from_request_parts(
        parts: &mut Parts,
        console: &Console,
    ) -> Result<Option<Self>, Infallible> {
        Ok(console.visitor(parts))
    }
}

impl Console {
    /// Who asks, while the policy still knows them and what they signed in with.
    fn visitor(&self, parts: &Parts) -> Option<Visitor> {
        let token = self.site.token(&parts.headers)?;
        let now = self.desk.pipeline.clock.now();
        let (id, proof) = self.sessions.of(&token, now)?;
        let people = self.desk.pipeline.policy.people();
        let person = people.get(&id).filter(|person| proof.holds(person, Shown::by(parts)))?;
        Some(Visitor::of(person, people, now))
    }
}

/// The path of our own page from which a form was sent.
fn from(headers: &HeaderMap, origin: &str) -> String {
    let referer = headers.get(REFERER).and_then(|value| value.to_str().ok());
    referer.and_then(|url| url.strip_prefix(origin)).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_form_leads_back_to_its_own_page_only() {
        let back = |referer: &str| {
            let headers = HeaderMap::from_iter([(REFERER, referer.parse().unwrap())]);
            from(&headers, "https://a.example")
        };
        assert_eq!(back("https://a.example/escalations/e?x=1"), "/escalations/e?x=1");
        assert_eq!(back("https://evil.example/a"), "/");
        // What comes after the origin is checked as any way back is.
        assert_eq!(sign_in(&back("https://a.example.evil.example/a")), "/sign-in?to=/");
    }
}
