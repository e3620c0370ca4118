//! The shop as receipts saw it, beside the sandbox's: what a colleague does there to make it so.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::premise::{Premise, Reading};
use countersign_core::replay::premises;
use countersign_shared::money::Money;
use countersign_shared::receipt::Receipt;
use countersign_shared::turn::Call;
use serde_json::{Value as Json, json};

use super::super::scenario::Act;
use super::super::shop::Shop;
use crate::audit::chain::Recorded;
use crate::conversation::Conversation;

/// What has to happen in the sandbox.
#[derive(Default)]
pub(super) struct World {
    /// Before the first word.
    pub(super) before: Vec<Act>,
    /// Before the turn of this number.
    pub(super) meanwhile: BTreeMap<usize, Vec<Act>>,
    /// What no colleague can do there.
    pub(super) by_hand: Vec<String>,
}

impl World {
    pub(super) async fn of(held: &Conversation, shop: &Shop) -> anyhow::Result<Self> {
        let mut world = Self::default();
        let mut seen: BTreeMap<&str, Option<State>> = BTreeMap::new();
        for Sighting { turn, id, state, acted } in sightings(held) {
            match seen.get(id) {
                // What it did itself is no difference that somebody else made.
                Some(None) => {}
                Some(Some(before)) => {
                    let acts = world.make_up(before, &state, "before that");
                    world.meanwhile.entry(turn).or_default().extend(acts);
                }
                None => {
                    let order = shop.order(id).await?;
                    if order.is_null() {
                        world.by_hand.push(format!(
                            "the sandbox has no order {id}: let the words name one that it has"
                        ));
                    } else {
                        let there = State::of_sandbox(&order);
                        let acts = world.make_up(&there, &state, "in the sandbox");
                        world.before.extend(acts);
                    }
                }
            }
            seen.insert(id, Some(state).filter(|_| !acted));
        }
        world.meanwhile.retain(|_, acts| !acts.is_empty());
        Ok(world)
    }

    /// What makes one of the other. `whose` says where the first stands.
    fn make_up(&mut self, was: &State, is: &State, whose: &str) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut apart = was.apart(is);
        let name = &is.name;
        let act = |what: Json| {
            let mut act = json!({ "order": name });
            if let (Some(act), Json::Object(what)) = (act.as_object_mut(), what) {
                act.extend(what);
            }
            Act::Staff(act)
        };
        let turned = |key: &str| was.field(key).zip(is.field(key));
        if turned("cancelled") == Some(("no", "yes")) {
            acts.push(act(json!({ "act": "cancel" })));
            apart.retain(|key| key.starts_with("customer") || *key == "risk");
        }
        if turned("fulfillment_status") == Some(("UNFULFILLED", "FULFILLED"))
            && apart.remove("fulfillment_status")
        {
            acts.push(act(json!({ "act": "fulfill" })));
        }
        if let Some(less) = was.paid_less(is).filter(|_| apart.remove("net_payment")) {
            acts.push(act(json!({ "act": "refund", "amount": less })));
            apart.remove("financial_status");
        }
        let moved: Vec<_> = ADDRESS.into_iter().filter(|key| apart.remove(key)).collect();
        if !moved.is_empty() {
            let mut address = json!({ "act": "address", "address1": is.field("address1") });
            if let Some(address) = address.as_object_mut() {
                address.extend(moved.iter().map(|key| ((*key).to_owned(), json!(is.field(key)))));
            }
            acts.push(act(address));
        }
        if apart.iter().any(|key| key.starts_with("customer")) {
            self.by_hand.push(format!("order {name} is another customer's {whose}"));
        }
        for key in apart.into_iter().filter(|key| !key.starts_with("customer")) {
            let value = |state: &State| state.field(key).unwrap_or("nothing").to_owned();
            self.by_hand.push(format!(
                "order {name}: `{key}` is {} {whose}, and was {}",
                value(was),
                value(is)
            ));
        }
        acts
    }
}

/// An order as it was seen in a turn.
struct Sighting<'a> {
    turn: usize,
    id: &'a str,
    state: State,
    /// Whether something was done to it then.
    acted: bool,
}

/// Every one that a receipt was decided on, in the order of turns: when it was proposed, and
/// when it was looked at again.
fn sightings(held: &Conversation) -> Vec<Sighting<'_>> {
    let mut all = Vec::new();
    for receipt in &held.receipts {
        let Some(id) = order_id(receipt) else { continue };
        // Of an erased or an old receipt nothing is known, and nothing is made up.
        let premises = premises(receipt).unwrap_or_default();
        let (proposed, ended) = turns_of(held, receipt);
        for premise in premises {
            let (turn, read) = match premise {
                Premise::Ask(brief) => (proposed, brief.basis.read),
                Premise::Compare(hearing) | Premise::Gate(hearing) => (ended, hearing.read),
                Premise::Vote(_)
                | Premise::Reject
                | Premise::Grant(_)
                | Premise::Expire(_)
                | Premise::Claim(_)
                | Premise::Send(_)
                | Premise::Look(_)
                | Premise::Finish(_)
                | Premise::Told(_) => continue,
            };
            let Some(Reading::Seen(seen)) = read else { continue };
            let state = State::seen(&seen.value().to_json());
            all.extend(state.map(|state| Sighting { turn, id, state, acted: false }));
        }
        if receipt.outcome != "refused"
            && let Some(last) = all.last_mut()
        {
            last.acted = true;
        }
    }
    all.sort_by_key(|sighting| sighting.turn);
    all
}

/// The turns in which a receipt's plan was proposed, and in which it was made.
fn turns_of(held: &Conversation, receipt: &Receipt) -> (usize, usize) {
    let calls =
        |turn: &Recorded, of_it: &dyn Fn(&Call) -> bool| turn.turn.told.calls.iter().any(of_it);
    let with =
        |of_it: &dyn Fn(&Call) -> bool| held.turns.iter().position(|turn| calls(turn, of_it));
    let after = || held.turns.iter().position(|turn| turn.at >= receipt.sealed_at);
    let last = held.turns.len().saturating_sub(1);
    let ended = with(&|call| call.receipt == receipt.receipt_id).or_else(after).unwrap_or(last);
    let proposed = with(&|call| call.what == "propose" && call.proposal == receipt.proposal_id);
    (proposed.filter(|_| !receipt.proposal_id.is_empty()).unwrap_or(ended), ended)
}

fn order_id(receipt: &Receipt) -> Option<&str> {
    receipt.arguments.iter().find(|argument| argument.path == "order_id")?.value.as_str()
}

/// The shop's name for whose order it is.
pub(super) fn owner(receipt: &Receipt) -> Option<&str> {
    receipt.before.pointer("/order/customer_id")?.as_str()
}

/// Parts of an order that matter to rules, by the names that contracts give them.
struct State {
    name: String,
    fields: BTreeMap<&'static str, String>,
    paid: Option<Money>,
}

const ADDRESS: [&str; 3] = ["address1", "city", "zip"];

/// Field, where a receipt has it, and where the sandbox's API has it.
const PLACES: [(&str, &str, &str); 7] = [
    ("fulfillment_status", "/fulfillment_status", "/displayFulfillmentStatus"),
    ("financial_status", "/financial_status", "/displayFinancialStatus"),
    ("risk", "/risk", "/risk/recommendation"),
    ("customer_id", "/customer_id", "/customer/id"),
    ("address1", "/address/address1", "/shippingAddress/address1"),
    ("city", "/address/city", "/shippingAddress/city"),
    ("zip", "/address/zip", "/shippingAddress/zip"),
];

impl State {
    /// What the executor read; `None` where that was no order.
    fn seen(reads: &Json) -> Option<Self> {
        let order = reads.get("order")?;
        let mut state = Self::at(order, |(key, seen, _)| (key, seen));
        state.put("cancelled", order.get("cancelled_at").map(|at| yes(!at.is_null())));
        let money = |value: &Json| serde_json::from_value(value.clone()).ok();
        state.pay(order.get("net_payment").and_then(money));
        Some(state)
    }

    fn of_sandbox(order: &Json) -> Self {
        let mut state = Self::at(order, |(key, _, there)| (key, there));
        state.put("cancelled", order.get("cancelledAt").map(|at| yes(!at.is_null())));
        let money = order.pointer("/netPaymentSet/presentmentMoney");
        let text = |name: &str| money.and_then(|money| money.get(name)?.as_str());
        let paid = text("amount").zip(text("currencyCode"));
        state.pay(paid.and_then(|(amount, code)| Money::parse(amount, code.parse().ok()?).ok()));
        state
    }

    fn at(
        order: &Json,
        place: impl Fn((&'static str, &'static str, &'static str)) -> (&'static str, &'static str),
    ) -> Self {
        let text = |at: &str| order.pointer(at).and_then(Json::as_str).map(str::to_owned);
        let name = text("/name").unwrap_or_default();
        let mut state = Self { name, fields: BTreeMap::default(), paid: None };
        for (key, at) in PLACES.map(place) {
            state.put(key, text(at));
        }
        state
    }

    fn put(&mut self, key: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.fields.insert(key, value);
        }
    }

    fn pay(&mut self, paid: Option<Money>) {
        self.paid = paid;
        self.put("net_payment", paid.map(|paid| paid.to_string()));
    }

    fn field(&self, key: &str) -> Option<&str> {
        self.fields.get(key).map(String::as_str)
    }

    /// Fields that both have, and have otherwise.
    fn apart<'a>(&'a self, other: &'a Self) -> BTreeSet<&'static str> {
        let both = self.fields.iter().filter_map(|(key, value)| {
            other.fields.get(key).filter(|there| *there != value).map(|_| *key)
        });
        both.collect()
    }

    /// How much less is paid now, as a decimal.
    fn paid_less(&self, now: &Self) -> Option<String> {
        let less = self.paid?.checked_sub(now.paid?).ok()?;
        (less.minor() > 0).then(|| less.amount().to_string())
    }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn state(changed: &[(&str, &Json)]) -> State {
        let mut order = json!({
            "name": "#1001", "cancelled_at": null, "fulfillment_status": "UNFULFILLED",
            "financial_status": "PAID", "risk": "ACCEPT", "address": { "address1": "1 Elm" },
            "net_payment": { "amount": "130.00", "currency": "USD" },
        });
        for (at, value) in changed {
            *order.pointer_mut(at).unwrap() = Json::clone(value);
        }
        State::seen(&json!({ "order": order })).unwrap()
    }

    #[test]
    fn a_colleague_makes_up_what_one_can_and_the_rest_is_told() {
        let differs = |changed: &[(&str, &Json)]| {
            let mut world = World::default();
            let acts = world.make_up(&state(&[]), &state(changed), "in the sandbox");
            (serde_json::to_value(acts).unwrap(), world.by_hand)
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(differs(&[]), (json!([]), none.clone()));
        let staff = |act: Json| json!([{ "staff": act }]);
        let cancelled = [("/cancelled_at", &json!("2026-11-25T10:00:00Z"))];
        let cancel = staff(json!({ "act": "cancel", "order": "#1001" }));
        assert_eq!(differs(&cancelled), (cancel, none.clone()));
        let shipped = [("/fulfillment_status", &json!("FULFILLED"))];
        let fulfill = staff(json!({ "act": "fulfill", "order": "#1001" }));
        assert_eq!(differs(&shipped), (fulfill, none.clone()));
        let less = json!({ "amount": "125.00", "currency": "USD" });
        let partly = json!("PARTIALLY_REFUNDED");
        let refunded = [("/net_payment", &less), ("/financial_status", &partly)];
        let refund = staff(json!({ "act": "refund", "amount": "5.00", "order": "#1001" }));
        assert_eq!(differs(&refunded), (refund, none.clone()));
        let moved = [("/address/address1", &json!("2 Oak"))];
        let address = staff(json!({ "act": "address", "address1": "2 Oak", "order": "#1001" }));
        assert_eq!(differs(&moved), (address, none));
        let (acts, told) = differs(&[("/risk", &json!("INVESTIGATE"))]);
        assert_eq!(acts, json!([]));
        let risk = "order #1001: `risk` is ACCEPT in the sandbox, and was INVESTIGATE";
        assert_eq!(told, [risk]);
    }
}
