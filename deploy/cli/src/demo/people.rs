//! The sandbox shop's customers.

/// A customer of the sandbox shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// `sub` of their token.
    pub(super) subject: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    /// The shop's id of them.
    pub(super) customer_id: &'static str,
    /// What they might ask for.
    pub(super) hint: &'static str,
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
pub(super) fn find(email: &str) -> Result<Person, String> {
    let emails: Vec<_> = PEOPLE.iter().map(|person| person.email).collect();
    let found = PEOPLE.iter().find(|person| person.email.eq_ignore_ascii_case(email.trim()));
    let unknown = || format!("the sandbox shop's customers are {}", emails.join(", "));
    found.cloned().ok_or_else(unknown)
}
