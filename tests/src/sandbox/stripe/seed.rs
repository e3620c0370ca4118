//! The account as it is after a start or a reset: the same every time, dated backwards from today.
//! Its customers are those of the shop.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::account::{
    Account, Charge, Customer, Interval, Item, Pause, Price, Refund, RefundStatus, Subscription,
};
use crate::sandbox::clock::later;

/// A small believable account.
pub(crate) fn account(now: Timestamp) -> Account {
    let mut account = Account::default();
    for (number, name) in [(1, "Ada Moreno"), (2, "Tom Okafor"), (3, "Mina Sato")] {
        let customer = Customer {
            id: format!("cus_Sandbox{number}"),
            name: name.to_owned(),
            email: format!("customer{number}@example.com"),
            created: ago(now, 400),
        };
        account.customers.insert(customer.id.clone(), customer);
    }
    plans(&mut account);
    for charge in charges(now) {
        account.charges.insert(charge.id.clone(), charge);
    }
    account.refunds = vec![
        refund("re_Sandbox1", "ch_Sandbox4", ago(now, 69), 1900),
        refund("re_Sandbox2", "ch_Sandbox3", ago(now, 39), 1000),
    ];
    for subscription in subscriptions(now) {
        account.subscriptions.insert(subscription.id.clone(), subscription);
    }
    account
}

fn ago(now: Timestamp, days: i64) -> Timestamp {
    later(now, SignedDuration::from_hours(-24 * days))
}

/// Prices that customers may choose themselves say so in their metadata.
fn plans(account: &mut Account) {
    use Interval::{Month, Year};
    for (id, name) in
        [("prod_Starter", "Starter"), ("prod_Studio", "Studio"), ("prod_Team", "Team")]
    {
        account.products.insert(id.to_owned(), name.to_owned());
    }
    for (id, product, unit_amount, interval, active, offered) in [
        ("price_StarterMonthly", "prod_Starter", 1900, Month, true, true),
        ("price_StudioMonthly", "prod_Studio", 4900, Month, true, true),
        ("price_StudioYearly", "prod_Studio", 49_000, Year, true, true),
        ("price_TeamMonthly", "prod_Team", 9900, Month, true, true),
        ("price_StudioFriends", "prod_Studio", 500, Month, true, false),
        ("price_Studio2024", "prod_Studio", 3900, Month, false, true),
    ] {
        let offered = offered.then(|| ("self_service".to_owned(), "yes".to_owned()));
        let price = Price {
            id: id.to_owned(),
            product: product.to_owned(),
            currency: "usd",
            unit_amount,
            interval,
            active,
            metadata: offered.into_iter().collect(),
        };
        account.prices.insert(id.to_owned(), price);
    }
}

fn charges(now: Timestamp) -> Vec<Charge> {
    let rows = [
        (1, 1, 6, "usd", 4900, 0, "Studio plan"),
        (2, 1, 20, "usd", 12_000, 0, "Onboarding workshop"),
        (3, 1, 40, "usd", 3000, 1000, "Extra seats"),
        (4, 1, 70, "usd", 1900, 1900, "Starter plan"),
        (5, 1, 90, "usd", 7500, 0, "Template pack"),
        (6, 2, 3, "usd", 1900, 0, "Starter plan"),
        (7, 2, 30, "eur", 2500, 0, "Icon set"),
        (8, 3, 12, "jpy", 5800, 0, "Studio plan"),
    ];
    let charge =
        |(number, customer, days, currency, amount, amount_refunded, description)| Charge {
            id: format!("ch_Sandbox{number}"),
            customer: Some(format!("cus_Sandbox{customer}")),
            created: ago(now, days),
            currency,
            amount,
            amount_refunded,
            description: String::from(description),
            disputed: number == 5,
            last4: "4242",
        };
    rows.map(charge).into()
}

/// Adds plain payments of customer 1, from `ch_Stock10001` on.
pub(crate) fn stock(account: &mut Account, count: u64, now: Timestamp) {
    let have = account.charges.keys().filter(|id| id.starts_with("ch_Stock")).count();
    let first = 10_001 + u64::try_from(have).unwrap_or(0);
    for number in first..first + count {
        let charge = Charge {
            id: format!("ch_Stock{number}"),
            customer: Some("cus_Sandbox1".to_owned()),
            created: ago(now, 2),
            currency: "usd",
            amount: 1000,
            amount_refunded: 0,
            description: "Postcards".to_owned(),
            disputed: false,
            last4: "4242",
        };
        account.charges.insert(charge.id.clone(), charge);
    }
}

fn refund(id: &str, charge: &str, created: Timestamp, amount: i64) -> Refund {
    Refund {
        id: id.to_owned(),
        charge: charge.to_owned(),
        created,
        amount,
        reason: None,
        status: RefundStatus::Succeeded,
        metadata: BTreeMap::new(),
        settles: None,
    }
}

fn subscriptions(now: Timestamp) -> Vec<Subscription> {
    let rows = [
        (1, 1, 6, "price_StudioMonthly"),
        (2, 1, 12, "price_StarterMonthly"),
        (3, 2, 3, "price_StarterMonthly"),
        (4, 2, 200, "price_StudioMonthly"),
        (5, 3, 40, "price_StudioYearly"),
    ];
    let subscription = |(number, customer, days, price): (i64, i64, i64, &str)| {
        let start = ago(now, days);
        let length = if price.ends_with("Yearly") { Interval::Year } else { Interval::Month };
        let ended = (number == 4).then(|| ago(now, 170));
        Subscription {
            id: format!("sub_Sandbox{number}"),
            customer: format!("cus_Sandbox{customer}"),
            created: start,
            description: None,
            items: vec![Item {
                id: format!("si_Sandbox{number}"),
                price: price.to_owned(),
                quantity: 1,
            }],
            period: (start, later(start, SignedDuration::from_hours(24 * length.days()))),
            cancel_at_period_end: false,
            canceled_at: ended,
            ended_at: ended,
            pause: (number == 2).then(|| Pause { behavior: "void".to_owned(), resumes_at: None }),
            metadata: BTreeMap::new(),
        }
    };
    rows.map(subscription).into()
}
