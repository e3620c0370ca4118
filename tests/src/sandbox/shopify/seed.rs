//! The shop as it is after a start or a reset: the same every time, dated backwards from today.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::money::{Currency, EUR, JPY, USD};
use super::shop::{
    Address, Customer, Fulfillment, Line, Order, Refund, RefundLine, Shop, Transaction, gid,
};
use crate::sandbox::clock::later;

/// A small believable shop.
pub(crate) fn shop(now: Timestamp) -> Shop {
    let at = Days(now);
    let mut shop = Shop::default();
    for (id, first, last) in [(1, "Ada", "Moreno"), (2, "Tom", "Okafor"), (3, "Mina", "Sato")] {
        let customer = Customer {
            id,
            first_name: first.into(),
            last_name: last.into(),
            email: format!("customer{id}@example.com"),
            created_at: at.ago(400),
        };
        shop.customers.insert(id, Arc::new(customer));
    }
    for order in first_customers(at).into_iter().chain(others(at)) {
        shop.orders.insert(order.id, Arc::new(order));
    }
    shop
}

/// Adds plain orders of customer 1, from #10001 on.
pub(crate) fn stock(shop: &mut Shop, count: u64, now: Timestamp) {
    let at = Days(now);
    let first = shop.orders.keys().next_back().map_or(0, |last| last + 1).max(10_001);
    for id in first..first + count {
        let cards = [("Postcards", "Set of five", 2, 500, 500)];
        let mut plain = order(at, id, Some(1), 2, USD, &cards);
        plain.shipping.1 = 0;
        pay(&mut plain);
        shop.orders.insert(id, Arc::new(plain));
    }
}

fn first_customers(at: Days) -> [Order; 5] {
    let mut shipped = order(
        at,
        1002,
        Some(1),
        6,
        USD,
        &[("Canvas Tote", "Natural", 1, 2800, 2800), ("Linen Shirt", "M / White", 1, 5900, 5900)],
    );
    ship(&mut shipped, at, 2, "IN_TRANSIT", "1Z999AA10123456784", "UPS");

    let mut returned = order(
        at,
        1003,
        Some(1),
        48,
        USD,
        &[
            ("Hiking Boots", "42 / Brown", 1, 14500, 14500),
            ("Boot Socks", "M / Grey", 3, 1200, 1200),
        ],
    );
    ship(&mut returned, at, 45, "DELIVERED", "9400111899223197428490", "USPS");
    refund_one(&mut returned, at, 2);

    let mut discounted =
        order(at, 1004, Some(1), 1, USD, &[("Ceramic Mug", "Blue", 2, 1600, 1200)]);
    discounted.tags = vec!["gift".into()];
    discounted.note = Some("Please wrap as a gift.".into());

    let mut large = order(
        at,
        1005,
        Some(1),
        3,
        USD,
        &[
            ("Oak Dining Table", "180 cm", 1, 189_000, 189_000),
            ("Oak Bench", "180 cm", 1, 46_000, 46_000),
        ],
    );
    large.shipping = ("Two-person delivery".into(), 5000);
    large.risk = "INVESTIGATE";
    pay(&mut large);
    [
        order(
            at,
            1001,
            Some(1),
            2,
            USD,
            &[
                ("Denim Jacket", "M / Indigo", 1, 8900, 8900),
                ("Wool Scarf", "One size / Red", 1, 3450, 3450),
            ],
        ),
        shipped,
        returned,
        discounted,
        large,
    ]
}

fn others(at: Days) -> [Order; 5] {
    let mut guest = order(at, 3001, None, 1, USD, &[("Desk Lamp", "Black", 1, 4200, 4200)]);
    guest.email = Some("guest@example.com".into());
    let mut euro = order(at, 2003, Some(2), 2, EUR, &[("Leather Belt", "95 / Tan", 2, 3995, 3995)]);
    move_to(&mut euro, ("Invalidenstr. 117", "Berlin", None, "10115", "DE"));
    let mut yen = order(
        at,
        4001,
        Some(3),
        2,
        JPY,
        &[("Tea Set", "White", 1, 12_000, 12_000), ("Tea Towel", "Indigo", 2, 900, 900)],
    );
    move_to(&mut yen, ("1-1 Chiyoda", "Tokyo", Some("JP-13"), "100-0001", "JP"));
    [
        order(at, 2001, Some(2), 1, USD, &[("Trail Backpack", "28 L / Green", 1, 11900, 11900)]),
        order(
            at,
            2002,
            Some(2),
            1,
            USD,
            &[
                ("Rain Jacket", "L / Yellow", 1, 9900, 9900),
                ("Leather Jacket", "L / Black", 1, 29900, 29900),
            ],
        ),
        euro,
        guest,
        yen,
    ]
}

/// Whole days before the day the sandbox started.
#[derive(Clone, Copy)]
struct Days(Timestamp);

impl Days {
    fn ago(self, days: i64) -> Timestamp {
        let midnight = self.0.as_second() - self.0.as_second().rem_euclid(86_400);
        let start = Timestamp::from_second(midnight).unwrap_or(self.0);
        later(start, SignedDuration::from_hours(9 - 24 * days))
    }
}

/// Title, variant, quantity, list price and discounted price of a line.
type Item<'a> = (&'a str, &'a str, i64, i64, i64);

fn order(
    at: Days,
    id: u64,
    customer: Option<u64>,
    days: i64,
    currency: Currency,
    items: &[Item<'_>],
) -> Order {
    let lines =
        items.iter().zip(1..).map(|(&(title, variant, quantity, unit, discounted), n)| Line {
            id: id * 10 + n,
            title: title.into(),
            variant: variant.into(),
            sku: format!("SKU-{id}-{n}"),
            quantity,
            unit,
            discounted,
        });
    let mut order = Order {
        id,
        name: format!("#{id}"),
        created_at: at.ago(days),
        updated_at: at.ago(days),
        cancelled: None,
        customer,
        email: customer.map(|id| format!("customer{id}@example.com")),
        phone: None,
        note: None,
        po_number: None,
        tags: Vec::new(),
        attributes: Vec::new(),
        metafields: Vec::new(),
        currency,
        lines: lines.collect(),
        shipping: ("Standard".into(), if currency == JPY { 800 } else { 650 }),
        address: None,
        fulfillments: Vec::new(),
        refunds: Vec::new(),
        transactions: Vec::new(),
        risk: "ACCEPT",
    };
    move_to(&mut order, ("12 Harbor Street", "Portland", Some("ME"), "04101", "US"));
    pay(&mut order);
    order
}

fn move_to(
    order: &mut Order,
    (address1, city, province, zip, country): (&str, &str, Option<&str>, &str, &str),
) {
    let (first, last) = match order.customer {
        Some(1) => ("Ada", "Moreno"),
        Some(2) => ("Tom", "Okafor"),
        Some(_) => ("Mina", "Sato"),
        None => ("Robin", "Guest"),
    };
    order.address = Some(Address {
        first_name: first.into(),
        last_name: last.into(),
        company: None,
        address1: address1.into(),
        address2: None,
        city: city.into(),
        province_code: province.map(Into::into),
        zip: zip.into(),
        country_code: country.into(),
        phone: None,
    });
}

fn pay(order: &mut Order) {
    order.transactions = vec![Transaction {
        id: order.id * 100 + 1,
        kind: "SALE",
        status: "SUCCESS",
        gateway: "bogus".into(),
        amount: order.total(),
        parent: None,
        at: order.created_at,
        settles_at: None,
    }];
}

fn ship(order: &mut Order, at: Days, days: i64, status: &'static str, number: &str, company: &str) {
    order.fulfillments.push(Fulfillment {
        id: order.id * 10 + 1,
        display_status: status,
        created_at: at.ago(days),
        estimated_at: Some(at.ago(days - 4)),
        delivered_at: (status == "DELIVERED").then(|| at.ago(days - 3)),
        lines: order.lines.iter().map(|line| (line.id, line.quantity)).collect(),
        tracking_number: number.into(),
        company: company.into(),
    });
    order.updated_at = at.ago(days);
}

/// One piece of the `nth` line went back to the customer's card.
fn refund_one(order: &mut Order, at: Days, nth: u64) {
    let line = order.id * 10 + nth;
    let amount = order.line(line).map_or(0, |line| line.discounted);
    order.transactions.push(Transaction {
        id: order.id * 100 + 2,
        kind: "REFUND",
        status: "SUCCESS",
        gateway: "bogus".into(),
        amount,
        parent: Some(order.id * 100 + 1),
        at: at.ago(30),
        settles_at: None,
    });
    order.refunds.push(Refund {
        id: order.id * 10 + 1,
        note: Some("One pair arrived damaged".into()),
        created_at: at.ago(30),
        lines: vec![RefundLine {
            id: order.id * 10 + 1,
            line,
            quantity: 1,
            restock: "NO_RESTOCK".into(),
        }],
        shipping: 0,
        transactions: vec![order.id * 100 + 2],
    });
    order.updated_at = at.ago(30);
}

/// Where a picture of a line would be; the address answers nothing.
pub(crate) fn image_url(line: &Line) -> String {
    format!(
        "https://sandbox.invalid/images/{}",
        gid("LineItem", line.id).rsplit('/').next().unwrap_or_default()
    )
}
