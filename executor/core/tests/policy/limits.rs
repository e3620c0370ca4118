use countersign_core::policy::{Per, Tally};
use countersign_shared::codes::Code;
use countersign_shared::money::Money;

use crate::bundle::{REFUND, policy, shipped, usd, with};

fn limits() -> countersign_core::policy::Policy {
    let text = shipped()["settings.yaml"].clone();
    let (before, rest) = text.split_once("limits:").unwrap();
    let (_, after) = rest.split_once("# Proposals").unwrap();
    let lines = "limits:
  - { name: day, per: customer, tools: [\"*\"], within: 1d, most: { USD: \"500.00\" } }
  - { name: hour, per: object, tools: [\"shopify.*\"], within: 90m, count: 2 }
  - { name: other, per: instrument, tools: [\"stripe.refund\"], within: 1d, count: 1 }
";
    policy(&with("settings.yaml", &format!("{before}{lines}# Proposals{after}")))
}

#[test]
fn every_line_that_speaks_of_the_tool_counts() {
    let policy = limits();
    let names: Vec<_> = policy.limits(REFUND).map(|l| (l.name.as_str(), l.per)).collect();
    assert_eq!(names, [("day", Per::Customer), ("hour", Per::Object)]);
    assert_eq!(policy.limits("stripe.refund").count(), 2);
    let hour = policy.limits(REFUND).nth(1).unwrap();
    assert_eq!((hour.window().as_str(), hour.within.as_secs()), ("90m", 5400));
}

#[test]
fn a_sum_may_reach_the_limit_and_not_pass_it() {
    let policy = limits();
    let day = policy.limits(REFUND).next().unwrap();
    let so_far = |money: &str| Tally { money: Some(usd(money)), count: 7 };
    assert!(day.check(&so_far("499.99"), Some(usd("0.01"))).unwrap().passed);
    let refused = day.check(&so_far("499.99"), Some(usd("0.02"))).unwrap_err();
    assert!(refused.is(Code::LimitExceeded));
    let says = "limit `day`: at most USD 500.00 per customer within 1d";
    assert_eq!(refused.message, says);
    // What moves no money is not held up by a limit on money.
    assert!(day.check(&so_far("500.00"), None).is_ok());
    // Nobody said that another currency is harmless, whatever the tally.
    let yen = Money::from_minor(1, "JPY".parse().unwrap());
    let nothing = Tally { money: None, count: 0 };
    assert!(day.check(&nothing, Some(yen)).unwrap_err().is(Code::LimitExceeded));
    // A tally in another currency is an error, and errors refuse.
    let mixed = Tally { money: Some(yen), count: 0 };
    assert!(day.check(&mixed, Some(usd("1"))).unwrap_err().is(Code::RuleError));
    let most = Tally { money: Some(Money::from_minor(i64::MAX, "USD".parse().unwrap())), count: 0 };
    assert!(day.check(&most, Some(usd("1"))).unwrap_err().is(Code::RuleError));
}

#[test]
fn a_count_is_the_most_that_may_be() {
    let policy = limits();
    let hour = policy.limits(REFUND).nth(1).unwrap();
    let so_far = |count| Tally { money: None, count };
    assert!(hour.check(&so_far(1), Some(usd("1"))).is_ok());
    let refused = hour.check(&so_far(2), None).unwrap_err();
    assert!(refused.is(Code::VelocityExceeded));
    assert_eq!(refused.findings[0].gate, "limit hour");
}
