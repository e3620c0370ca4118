//! One issuer: where its keys come from, and what its tokens say of a subject.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_core::error::Refused;
use countersign_core::gates::Gate;
use countersign_core::signed::{Keys, Unverified, again, statement};
use countersign_core::subject::{Kind, MATCHED, Strength, Subject};
use countersign_shared::codes::Code;
use countersign_shared::mtls::SpiffeId;
use jiff::Timestamp;
use serde_json::Value as Json;

use super::checked::Checked;
use super::jwks::Jwks;
use super::{SubjectsError, keys, text};
use crate::config::Issuer as Rule;

/// What some issuers write into the claim `typ` of their own tokens. Everything
/// else with a `typ` is a statement of another kind, whoever signed it.
const TOKEN_TYPES: [&str; 2] = ["Bearer", "ID"];

/// An issuer that may vouch for subjects of one tenant.
pub(super) struct Issuer {
    rule: Rule,
    source: Source,
    checked: Checked,
}

enum Source {
    Files(Arc<Keys>),
    Published(Arc<Jwks>),
}

impl Issuer {
    pub(super) fn new(rule: &Rule, name: &str) -> Result<Self, SubjectsError> {
        let wrong = |problem: &str| SubjectsError::Issuer {
            issuer: rule.issuer.clone(),
            problem: problem.to_owned(),
        };
        if let Some(problem) = rule.problem() {
            return Err(wrong(problem));
        }
        let source = match &rule.jwks {
            Some(url) => {
                let (reach, algorithms) = (rule.reach(), rule.algorithms.as_deref());
                let jwks = Jwks::new(&rule.issuer, url, algorithms, reach);
                Source::Published(Arc::new(jwks.map_err(|why| wrong(&why))?))
            }
            None => Source::Files(Arc::new(keys(&rule.keys, name)?)),
        };
        Ok(Self { rule: rule.clone(), source, checked: Checked::default() })
    }

    /// `iss` of its tokens.
    pub(super) fn name(&self) -> &str {
        &self.rule.issuer
    }

    /// The tenant whose subjects it vouches for.
    pub(super) fn tenant(&self) -> &str {
        &self.rule.tenant
    }

    pub(super) fn published(&self) -> Option<&Arc<Jwks>> {
        match &self.source {
            Source::Published(jwks) => Some(jwks),
            Source::Files(_) => None,
        }
    }

    /// The claims of a token of this issuer.
    pub(super) async fn claims(
        &self,
        token: &str,
        kid: &str,
        now: Timestamp,
    ) -> Result<Json, Refused> {
        let keys = match &self.source {
            Source::Files(keys) => Arc::clone(keys),
            Source::Published(jwks) => jwks.keys(kid, now).await?,
        };
        let key = keys.get(kid).ok_or(Unverified::UnknownKey);
        let claims = key.and_then(|key| {
            if self.checked.has(token, key) {
                return again(token, now);
            }
            let Rule { issuer, audience, .. } = &self.rule;
            let claims = statement(token, issuer, audience, &keys, now)?;
            self.checked.add(token, key);
            Ok(claims)
        });
        claims.map_err(|error| unverified(&error.to_string()))
    }

    /// The subject of verified claims, for a calling planner.
    pub(super) fn subject(
        &self,
        claims: &Json,
        caller: &SpiffeId,
        now: Timestamp,
    ) -> Result<Subject, Refused> {
        let rule = &self.rule;
        let typ = claims.get("typ");
        let other = typ.is_some_and(|typ| !TOKEN_TYPES.iter().any(|known| typ == known));
        if other && Gate::TokenKind.is_on() {
            return Err(unverified("a statement of another kind"));
        }
        // A token that never ends is no proof of who is there now.
        if claims.get("exp").is_none() && Gate::TokenEnds.is_on() {
            return Err(unverified("the token has no exp"));
        }
        let id = text(claims, "sub").ok_or_else(|| unverified("the token has no sub"))?;
        if id.starts_with(MATCHED) {
            return Err(unverified("its sub is one that only the executor gives"));
        }
        if !rule.planners.iter().any(|p| p.matches(caller)) && Gate::PlannerTenant.is_on() {
            let message = format!("{caller} may not act for tenant {}", rule.tenant);
            return Err(Refused::new(Code::TenantNotAllowed, message));
        }
        let taken = |name: &String| text(claims, name).map(|value| (name.clone(), value));
        let segment = rule.segment_claim.as_ref().and_then(|name| text(claims, name));
        Ok(Subject {
            tenant: rule.tenant.clone(),
            issuer: rule.issuer.clone(),
            signs_as: id.clone(),
            id,
            claims: rule.claims.iter().filter_map(taken).collect(),
            kind: rule.kind,
            scopes: self.scopes(claims),
            segment: segment.unwrap_or_default(),
            strength: self.strength(claims),
            verified_at: now,
        })
    }

    fn scopes(&self, claims: &Json) -> BTreeSet<String> {
        match (&self.rule.scopes_claim, self.rule.kind) {
            (Some(name), Kind::Staff) => words(claims.get(name)),
            (_, Kind::Customer) | (None, Kind::Staff) => BTreeSet::new(),
        }
    }

    fn strength(&self, claims: &Json) -> Strength {
        let rule = &self.rule.strength;
        let said = rule.claim.as_ref().map(|name| values(claims.get(name))).unwrap_or_default();
        let found = said.iter().filter_map(|value| rule.values.get(value)).max();
        found.copied().unwrap_or(rule.default)
    }
}

pub(super) fn unverified(why: &str) -> Refused {
    Refused::new(Code::SubjectUnverified, why)
}

/// A text, or a list of texts.
fn values(claim: Option<&Json>) -> Vec<String> {
    let Some(claim) = claim else { return Vec::new() };
    let all = claim.as_array().map_or(std::slice::from_ref(claim), Vec::as_slice);
    all.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// Words of a text, or a list: `scope` is either (RFC 8693, 4.2).
fn words(claim: Option<&Json>) -> BTreeSet<String> {
    let all = values(claim);
    all.iter().flat_map(|value| value.split_ascii_whitespace()).map(str::to_owned).collect()
}
