//! The sandbox shop's customers, and the chat that one of them sits at.

use std::collections::BTreeMap;

use super::configs::{AUDIENCE, FRONTEND, ISSUER, KID};
use super::place::Place;
use crate::chat::frontend::{Frontend, Line};
use crate::chat::jws::Signer;
use crate::chat::voice::{Issuer, Voice};
use crate::ed25519;

/// A customer of the sandbox shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// `sub` of their token.
    pub(crate) subject: &'static str,
    pub(crate) name: &'static str,
    pub(crate) email: &'static str,
    /// The shop's id of them.
    pub(crate) customer_id: &'static str,
    /// What they might ask for.
    pub(crate) hint: &'static str,
}

const PEOPLE: [Person; 3] = [
    Person {
        subject: "customer1",
        name: "Ada Moreno",
        email: "customer1@example.com",
        customer_id: "gid://shopify/Customer/1",
        hint: "cancel order #1001 · where is order #1002? · refund the jacket from order #1001",
    },
    Person {
        subject: "customer2",
        name: "Tom Okafor",
        email: "customer2@example.com",
        customer_id: "gid://shopify/Customer/2",
        hint: "cancel order #2003 · what did I order?",
    },
    Person {
        subject: "customer3",
        name: "Mina Sato",
        email: "customer3@example.com",
        customer_id: "gid://shopify/Customer/3",
        hint: "cancel order #4001 · what did I order?",
    },
];

/// The customer with this e-mail address.
pub(crate) fn find(email: &str) -> Result<Person, String> {
    let emails: Vec<_> = PEOPLE.iter().map(|person| person.email).collect();
    let found = PEOPLE.iter().find(|person| person.email.eq_ignore_ascii_case(email.trim()));
    let unknown = || format!("the sandbox shop's customers are {}", emails.join(", "));
    found.cloned().ok_or_else(unknown)
}

/// The customer whom the shop, or a token, calls so.
pub(crate) fn known_as(name: &str) -> Option<Person> {
    let called = |person: &&Person| {
        name == person.customer_id
            || name == person.subject
            || name.eq_ignore_ascii_case(person.email)
    };
    PEOPLE.iter().find(called).cloned()
}

/// The demo's chat frontend, with this person at it.
pub(super) fn at_the_terminal(place: &Place, person: &Person) -> anyhow::Result<Frontend> {
    let line = Line {
        address: place.planner.address.clone(),
        id: place.planner.id.parse()?,
        tls: place.frontend.join("tls"),
    };
    let signer =
        |name: &str| ed25519::read(&place.frontend.join(name)).map(|key| Signer::new(key, KID));
    let claims = [("email", person.email), ("customer_id", person.customer_id)];
    let voice = Voice {
        subject: person.subject.to_owned(),
        claims: BTreeMap::from(claims.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        issuer: Issuer {
            name: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            signer: signer("issuer.key")?,
        },
        frontend: FRONTEND.to_owned(),
        signer: signer("frontend.key")?,
    };
    Frontend::open(&line, voice)
}
