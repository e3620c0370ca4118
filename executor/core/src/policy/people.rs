//! `people.yaml`: approvers and operators, their roles and keys, and who stands in
//! for whom.

mod read;
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

pub(super) use read::read;

use crate::activation::ROLE;
use crate::gates::Gate;
use crate::signed::Key;
use crate::subject::Subject;

/// The role that reads everything and changes nothing.
pub const AUDITOR: &str = "auditor";

/// Whether a role answers requests and settles matters: those of auditors and of operators
/// do not (nobody can do the others' part).
#[must_use]
pub fn decides(role: &str) -> bool {
    role != AUDITOR && role != ROLE
}

/// Everybody in `people.yaml`.
#[derive(Debug, Clone, Default)]
pub struct People {
    by_id: BTreeMap<String, Person>,
    /// Person by issuer and id of a subject.
    as_subject: BTreeMap<(String, String), String>,
}

/// An approver or operator.
#[derive(Debug, Clone)]
pub struct Person {
    /// Short name, unique here: what policies and receipts call them.
    pub id: String,
    /// The house's directory that knows them.
    pub issuer: String,
    /// As colleagues call them.
    pub name: String,
    /// Their own roles, those stood in for left out.
    pub roles: BTreeSet<String>,
    /// Tenants whose requests they answer; none where there are none.
    pub tenants: BTreeSet<String>,
    /// Where requests for approval are sent.
    pub email: Option<String>,
    /// Ed25519 keys for JWS by `kid`.
    pub keys: BTreeMap<String, Key>,
    /// Passkeys.
    pub passkeys: Vec<Passkey>,
    /// The same person as a subject: issuer and id.
    pub subjects: BTreeSet<(String, String)>,
    /// SPIFFE ids of certificates that are this person's.
    pub certificates: BTreeSet<String>,
    /// When somebody else holds their roles.
    pub absent: Vec<Absence>,
}

/// A WebAuthn credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Credential id.
    pub id: Vec<u8>,
    /// SubjectPublicKeyInfo in DER: P-256 or Ed25519.
    pub public_key: Vec<u8>,
}

/// Days, in UTC and both counted, on which a delegate holds the roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
    /// Id of the person who stands in.
    pub delegate: String,
}

impl People {
    /// Everybody, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        self.by_id.values()
    }

    /// A person by id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Person> {
        self.by_id.get(id)
    }

    /// The person who is this subject.
    #[must_use]
    pub fn of_subject(&self, subject: &Subject) -> Option<&Person> {
        self.named(&subject.issuer, &subject.id)
    }

    /// The person whom an issuer has by this name.
    #[must_use]
    pub fn named(&self, issuer: &str, id: &str) -> Option<&Person> {
        let key = (issuer.to_owned(), id.to_owned());
        self.as_subject.get(&key).and_then(|id| self.by_id.get(id))
    }

    /// The person whose certificate names this SPIFFE id.
    #[must_use]
    pub fn of_certificate(&self, id: &str) -> Option<&Person> {
        self.iter().find(|person| person.certificates.contains(id))
    }

    /// The person with this passkey.
    #[must_use]
    pub fn of_passkey(&self, credential: &[u8]) -> Option<(&Person, &Passkey)> {
        let mut all = self.iter().flat_map(|p| p.passkeys.iter().map(move |key| (p, key)));
        all.find(|(_, key)| key.id == credential)
    }

    /// Who holds a role for a tenant at this time: those who have it and are there, and
    /// those who stand in for somebody who has it.
    pub fn in_role<'a>(
        &'a self,
        role: &'a str,
        tenant: &'a str,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Person> {
        self.iter().filter(move |person| self.roles_for(person, tenant, at).contains(role))
    }

    /// The roles that a person holds at this time, for whatever tenant; none while they
    /// are away.
    #[must_use]
    pub fn roles<'a>(&'a self, person: &'a Person, at: Timestamp) -> BTreeSet<&'a str> {
        if person.absence(at).is_some() {
            return BTreeSet::new();
        }
        self.speaks_for(person, at).flat_map(|who| &who.roles).map(String::as_str).collect()
    }

    /// The roles that a person holds for a tenant at this time: their own where they are
    /// bound to it, and those of whom they stand in for where that one is.
    #[must_use]
    pub fn roles_for<'a>(
        &'a self,
        person: &'a Person,
        tenant: &str,
        at: Timestamp,
    ) -> BTreeSet<&'a str> {
        if person.absence(at).is_some() {
            return BTreeSet::new();
        }
        let bound = |who: &&Person| who.tenants.contains(tenant) || !Gate::ApproverTenant.is_on();
        let each = self.speaks_for(person, at).filter(bound);
        each.flat_map(|who| &who.roles).map(String::as_str).collect()
    }

    /// Whether a person has to do with a tenant at this time, by themself or for
    /// somebody.
    #[must_use]
    pub fn bound(&self, person: &Person, tenant: &str, at: Timestamp) -> bool {
        self.speaks_for(person, at).any(|who| who.tenants.contains(tenant))
    }

    /// The person, and those for whom they stand in.
    fn speaks_for<'a>(
        &'a self,
        person: &'a Person,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Person> {
        let stands_in =
            move |other: &&Person| other.absence(at).is_some_and(|away| away.delegate == person.id);
        std::iter::once(person).chain(self.iter().filter(stands_in))
    }
}

impl Person {
    /// Whether this is the same human as a subject.
    #[must_use]
    pub fn is(&self, subject: &Subject) -> bool {
        // Also by the name in the token of one who was matched, and as members of staff
        // by the name they answer with.
        let named = |issuer: &str, id: &str| {
            issuer == subject.issuer && (id == subject.id || id == subject.signs_as)
        };
        named(&self.issuer, &self.id) || self.subjects.iter().any(|(issuer, id)| named(issuer, id))
    }

    /// The absence on this day, if any.
    #[must_use]
    pub fn absence(&self, at: Timestamp) -> Option<&Absence> {
        let day = at.to_zoned(TimeZone::UTC).date();
        self.absent.iter().find(|away| (away.from..=away.to).contains(&day))
    }
}
