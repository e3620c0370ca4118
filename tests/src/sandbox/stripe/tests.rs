#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::sandbox::world::{Answer, World};
use crate::sandbox::{Config, FaultSpec};

fn world() -> World {
    World::open(Config::default().credentials).unwrap()
}

fn asked(method: &str, path: &str, params: &str, key: Option<&str>) -> Asked {
    let post = method == "POST";
    Asked {
        method: method.to_owned(),
        path: path.to_owned(),
        query: if post { String::new() } else { params.to_owned() },
        body: if post { params.as_bytes().to_vec() } else { Vec::new() },
        token: Some("sandbox-token".to_owned()),
        key: key.map(str::to_owned),
        version: Some(VERSION.to_owned()),
    }
}

fn post(world: &mut World, path: &str, params: &str, key: &str) -> Answer {
    world.stripe_request(&asked("POST", path, params, Some(key)))
}

fn get(world: &mut World, path: &str, query: &str) -> Value {
    let answer = world.stripe_request(&asked("GET", path, query, None));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

const REFUND: &str = "charge=ch_Sandbox1&amount=1000&metadata[countersign]=cs-1";

fn refund(world: &mut World, key: &str) -> Answer {
    post(world, "/v1/refunds", REFUND, key)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

fn replayed(answer: &Answer) -> bool {
    header(answer, "idempotent-replayed") == Some("true")
}

fn kinds(world: &World) -> Vec<&str> {
    world.ledger.effects().iter().map(|effect| effect.kind.as_str()).collect()
}

#[test]
fn a_refund_moves_money_once_and_keeps_its_metadata() {
    let mut world = world();
    let answer = refund(&mut world, "k");
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((header(&answer, "idempotency-key"), replayed(&answer)), (Some("k"), false));
    assert!(header(&answer, "request-id").unwrap().starts_with("req_"));
    let charge = get(&mut world, "/v1/charges/ch_Sandbox1", "");
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(1000), &json!(false)));
    let listed =
        get(&mut world, "/v1/refunds", "charge=ch_Sandbox1&expand[]=data.charge&limit=100");
    assert_eq!(listed["data"][0]["metadata"]["countersign"], "cs-1");
    assert_eq!(listed["data"][0]["charge"]["customer"], "cus_Sandbox1");
    let effect = &world.ledger.effects()[0];
    assert_eq!((effect.api.as_str(), effect.kind.as_str()), ("stripe", "refund_created"));
    assert_eq!(effect.amount.as_deref().zip(effect.currency.as_deref()), Some(("10.00", "USD")));
    assert_eq!((effect.by.as_str(), effect.idempotency_key.as_deref()), ("sandbox", Some("k")));
    assert_eq!(effect.marker.as_deref(), Some("cs-1"));
}

#[test]
fn the_same_key_with_the_same_parameters_gives_the_stored_answer() {
    let mut world = world();
    let first = refund(&mut world, "k");
    // In another order they are the same parameters.
    let other = "metadata[countersign]=cs-1&amount=1000&charge=ch_Sandbox1";
    let again = post(&mut world, "/v1/refunds", other, "k");
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert!(replayed(&again) && !replayed(&first));
    assert_eq!(kinds(&world), ["refund_created"]);
}

#[test]
fn a_stored_500_is_given_again_although_the_effect_happened() {
    let mut world = world();
    world.faults.arm(Fault::ErrorAfter.into());
    let first = refund(&mut world, "k");
    let again = refund(&mut world, "k");
    assert_eq!((first.status, replayed(&first)), (500, false));
    assert_eq!((again.status, replayed(&again)), (500, true));
    assert_eq!(header(&again, "stripe-should-retry"), Some("false"));
    assert_eq!(kinds(&world), ["refund_created"]);
}

#[test]
fn a_500_before_execution_is_not_stored() {
    let mut world = world();
    world.faults.arm(Fault::ErrorBefore.into());
    assert_eq!(refund(&mut world, "k").status, 500);
    let again = refund(&mut world, "k");
    assert_eq!((again.status, replayed(&again)), (200, false));
}

#[test]
fn the_same_key_with_other_parameters_or_another_endpoint_is_an_error() {
    let mut world = world();
    refund(&mut world, "k");
    for (path, params) in [
        ("/v1/refunds", "charge=ch_Sandbox1&amount=999&metadata[countersign]=cs-1"),
        ("/v1/subscriptions/sub_Sandbox1", "cancel_at_period_end=true"),
    ] {
        let answer = post(&mut world, path, params, "k");
        assert_eq!(
            (answer.status, &answer.body["error"]["type"]),
            (400, &json!("idempotency_error"))
        );
        assert!(!replayed(&answer));
    }
    assert_eq!(kinds(&world), ["refund_created"]);
}

#[test]
fn a_key_in_flight_is_in_use_until_its_request_is_answered() {
    let mut world = world();
    world.faults.arm(FaultSpec { after_ms: 50, ..Fault::Slow.into() });
    let slow = refund(&mut world, "k");
    assert_eq!(slow.after, Duration::from_millis(50));
    let meanwhile = refund(&mut world, "k");
    assert_eq!(
        (meanwhile.status, &meanwhile.body["error"]["code"]),
        (409, &json!("idempotency_key_in_use"))
    );
    world.release(&slow.held);
    assert!(replayed(&refund(&mut world, "k")));
    assert_eq!(kinds(&world), ["refund_created"]);
}

#[test]
fn what_fails_validation_is_not_stored_and_what_execution_refused_is() {
    let mut world = world();
    for params in
        ["charge=ch_Sandbox1&amount=-5", "charge=ch_Sandbox1&amuont=5", "amount=5", "reason=bored"]
    {
        assert_eq!(post(&mut world, "/v1/refunds", params, "k").status, 400, "{params}");
    }
    // The key is still free.
    let fixed = refund(&mut world, "k");
    assert_eq!((fixed.status, replayed(&fixed)), (200, false));
    let guarded = post(&mut world, "/v1/refunds", "charge=ch_Sandbox4", "g");
    assert_eq!(guarded.body["error"]["code"], "charge_already_refunded");
    let again = post(&mut world, "/v1/refunds", "charge=ch_Sandbox4", "g");
    assert_eq!((again.status, replayed(&again)), (400, true));
}

#[test]
fn a_key_a_day_old_is_a_new_request() {
    let mut world = world();
    refund(&mut world, "k");
    world.clock.advance(Duration::from_hours(23));
    assert!(replayed(&refund(&mut world, "k")));
    world.clock.advance(Duration::from_hours(1));
    let pruned = refund(&mut world, "k");
    assert_eq!((pruned.status, replayed(&pruned)), (200, false));
    assert_eq!(kinds(&world), ["refund_created", "refund_created"], "the money moved twice");
}

#[test]
fn what_is_refused_before_the_keys_is_not_stored() {
    let mut world = world();
    world.faults.arm(Fault::RateLimited.into());
    let answer = refund(&mut world, "k");
    assert_eq!((answer.status, answer.retry_after), (429, Some(1)));
    world.faults.arm(Fault::RevokedCredential.into());
    assert_eq!(refund(&mut world, "k").status, 401);
    let stranger =
        Asked { token: Some("x".to_owned()), ..asked("POST", "/v1/refunds", REFUND, None) };
    assert_eq!(world.stripe_request(&stranger).status, 401);
    assert!(!replayed(&refund(&mut world, "k")));
    assert_eq!(world.stripe_request(&asked("POST", "/v1/charges", "", None)).status, 404);
    assert_eq!(kinds(&world), ["refund_created"]);
}

#[test]
fn no_more_than_remains_is_refunded() {
    let mut world = world();
    let more = post(&mut world, "/v1/refunds", "charge=ch_Sandbox3&amount=2001", "a");
    assert!(more.body["error"]["message"].as_str().unwrap().contains("unrefunded amount"));
    assert_eq!(post(&mut world, "/v1/refunds", "charge=ch_Sandbox3", "b").body["amount"], 2000);
    let disputed = post(&mut world, "/v1/refunds", "charge=ch_Sandbox5", "c");
    assert_eq!(disputed.body["error"]["code"], "charge_disputed");
    assert_eq!(kinds(&world), ["refund_created"]);
}

#[test]
fn a_pending_refund_succeeds_or_is_returned_by_the_bank() {
    let mut world = world();
    for key in ["a", "b"] {
        world.faults.arm(FaultSpec { after_ms: 60_000, ..Fault::RefundPending.into() });
        assert_eq!(refund(&mut world, key).body["status"], "pending");
        if key == "a" {
            world.clock.advance(Duration::from_mins(1));
            world.tick();
        }
    }
    let act = StripeAct::ReturnRefunds { charge: "ch_Sandbox1".to_owned() };
    let now = world.clock.now();
    world.stripe.staff(&act, now, &mut world.ledger).unwrap();
    let refunds = get(&mut world, "/v1/refunds", "charge=ch_Sandbox1");
    let said: Vec<_> = refunds["data"].as_array().unwrap().iter().map(|r| &r["status"]).collect();
    assert_eq!(said, ["failed", "succeeded"]);
    assert_eq!(get(&mut world, "/v1/charges/ch_Sandbox1", "")["amount_refunded"], 1000);
    let wanted = ["refund_created", "refund_settled", "refund_created", "refund_failed"];
    assert_eq!(kinds(&world), wanted);
}

#[test]
fn faults_bend_a_refund() {
    let mut world = world();
    world.faults.arm(Fault::NoEffect.into());
    assert_eq!(refund(&mut world, "none").status, 200);
    assert_eq!(kinds(&world), [""; 0]);
    world.faults.arm(Fault::HalfEffect.into());
    assert_eq!(refund(&mut world, "half").body["amount"], 1000);
    assert_eq!(world.ledger.effects()[0].amount.as_deref(), Some("5.00"));
    world.faults.arm(Fault::StaleRead.into());
    assert_eq!(get(&mut world, "/v1/charges/ch_Sandbox1", "")["amount_refunded"], 0);
    world.faults.arm(Fault::StaffChange.into());
    let raced = refund(&mut world, "raced");
    assert_eq!(raced.body["error"]["code"], "charge_already_refunded");
    world.faults.arm(Fault::LostReply.into());
    let lost = post(&mut world, "/v1/refunds", "charge=ch_Sandbox2", "lost");
    assert!(lost.cut && lost.body.is_null());
    assert!(replayed(&post(&mut world, "/v1/refunds", "charge=ch_Sandbox2", "lost")));
    assert_eq!(kinds(&world), ["refund_created"; 3]);
}

#[test]
fn a_subscription_is_paused_resumed_changed_and_cancelled() {
    let mut world = world();
    let path = "/v1/subscriptions/sub_Sandbox1";
    let paused = post(&mut world, path, "pause_collection[behavior]=void", "1").body;
    assert_eq!(
        (&paused["status"], &paused["pause_collection"]["behavior"]),
        (&json!("active"), &json!("void"))
    );
    assert!(post(&mut world, path, "pause_collection=", "2").body["pause_collection"].is_null());
    let to = "items[0][id]=si_Sandbox1&items[0][price]=price_TeamMonthly&proration_behavior=none";
    let changed = post(&mut world, path, to, "3").body;
    assert_eq!(changed["items"]["data"][0]["price"]["id"], "price_TeamMonthly");
    let shown = get(&mut world, path, "expand[]=items.data.price.product");
    assert_eq!(shown["items"]["data"][0]["price"]["product"]["name"], "Team");
    let ends =
        post(&mut world, path, "cancel_at_period_end=true&metadata[countersign]=m", "4").body;
    assert_eq!(ends["cancel_at_period_end"], true);
    assert_eq!(ends["cancel_at"], ends["items"]["data"][0]["current_period_end"]);
    world.clock.advance(Duration::from_hours(24 * 31));
    assert_eq!(get(&mut world, path, "")["status"], "canceled");
    let late = post(&mut world, path, "pause_collection=", "5").body;
    assert!(late["error"]["message"].as_str().unwrap().starts_with("A canceled subscription"));
    let wanted = [
        "payments_paused",
        "payments_resumed",
        "plan_changed",
        "cancellation_scheduled",
        "subscription_canceled",
    ];
    assert_eq!(kinds(&world), wanted);
    let gone = world.stripe_request(&asked("DELETE", "/v1/subscriptions/sub_Sandbox5", "", None));
    assert_eq!((gone.status, &gone.body["status"]), (200, &json!("canceled")));
}

#[test]
fn a_price_must_be_there_and_active() {
    let mut world = world();
    let path = "/v1/subscriptions/sub_Sandbox1";
    for (price, said) in [("price_Nothing", "No such price"), ("price_Studio2024", "inactive")] {
        let params = format!("items[0][id]=si_Sandbox1&items[0][price]={price}");
        let answer = post(&mut world, path, &params, price);
        assert!(answer.body["error"]["message"].as_str().unwrap().contains(said));
    }
    assert_eq!(kinds(&world), [""; 0]);
}

#[test]
fn lists_are_of_one_customer_newest_first_and_say_whether_there_is_more() {
    let mut world = world();
    let own = get(&mut world, "/v1/charges", "customer=cus_Sandbox1&limit=2");
    let ids = |list: &Value| -> Vec<String> {
        let data = list["data"].as_array().unwrap();
        data.iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (ids(&own), &own["has_more"]),
        (vec!["ch_Sandbox1".into(), "ch_Sandbox2".into()], &json!(true))
    );
    let rest = "customer=cus_Sandbox1&limit=3&starting_after=ch_Sandbox2";
    let rest = get(&mut world, "/v1/charges", rest);
    assert_eq!((ids(&rest).len(), &rest["has_more"]), (3, &json!(false)));
    let living = get(&mut world, "/v1/subscriptions", "customer=cus_Sandbox2");
    assert_eq!(ids(&living), ["sub_Sandbox3"]);
    let prices = get(&mut world, "/v1/prices", "active=true&type=recurring&expand[]=data.product");
    assert_eq!((ids(&prices).len(), &prices["data"][0]["product"]["name"]), (5, &json!("Studio")));
    let unknown = world.stripe_request(&asked("GET", "/v1/charges", "custmer=x", None));
    assert_eq!(unknown.body["error"]["code"], "parameter_unknown");
}
