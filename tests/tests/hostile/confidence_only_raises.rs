//! A score removes no gate, and one below the floor adds a refusal.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_core::contract::{Body, Catalog};
use countersign_core::error::Refused;
use countersign_core::gate::{Facts, Passed, check};
use countersign_core::observe::project;
use countersign_core::plan::{Confidence, ModelUse, Source, Step};
use countersign_core::policy::{Policy, Verb};
use countersign_core::proposal::Asked;
use countersign_core::resolve::{Evidence, Observation, resolve};
use countersign_core::state::State;
use countersign_core::subject::{Kind, Strength, Subject};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::world::Ground;

const FLOOR: f64 = 0.8;
const OBSERVATION: &str = "obs_00000000000000000000000001";

fn subject() -> Subject {
    Subject {
        tenant: "north".into(),
        issuer: "i".into(),
        id: "s".into(),
        signs_as: "s".into(),
        claims: BTreeMap::from([("customer_id".into(), "cus_1".into())]),
        kind: Kind::Customer,
        scopes: Default::default(),
        segment: String::new(),
        strength: Strength::SignedIn,
        verified_at: Timestamp::UNIX_EPOCH,
    }
}

/// What the gates of a refund say, for this order, this many pieces and this score.
fn verdict(
    catalog: &Catalog,
    policy: &Policy,
    order: &Json,
    pieces: i64,
    score: f64,
) -> Result<Passed, Refused> {
    let contract = &catalog.tools["shop.refund"];
    let read = &catalog.tools["shop.get_order"];
    let (Body::Write(write), Body::Read(body)) = (&contract.body, &read.body) else { panic!() };
    let order = project(read, body, order).unwrap();
    let id: countersign_shared::ids::ObservationId = OBSERVATION.parse().unwrap();
    let seen = Observation {
        id: id.clone(),
        tool: "shop.get_order".into(),
        value: json!({ "id": "ord_1" }),
        labels: json!({ "id": "fact" }),
        at: Timestamp::UNIX_EPOCH,
    };
    let mut evidence = Evidence::default();
    evidence.observations.insert(id.clone(), seen);
    let arguments = BTreeMap::from([
        ("order_id".to_owned(), Source::Observation { id, pointer: "/id".into() }),
        ("quantity".to_owned(), Source::Model(json!(pieces))),
    ]);
    let step = Step { id: "s".into(), tool: "shop.refund".into(), arguments };
    let now = Timestamp::UNIX_EPOCH;
    let arguments = resolve(&step, contract, &subject(), &evidence, now)?;
    let state = State::default().with("order", order);
    let asked = Asked {
        caller: "spiffe://t/planner".into(),
        subject: subject(),
        conversation: "c".into(),
        external_ref: String::new(),
        channel: String::new(),
        messages: Vec::new(),
        confidence: Confidence { score, ..Confidence::default() },
        model: ModelUse::default(),
        after_receipt: None,
        trace: String::new(),
    };
    let facts =
        Facts { contract, policy, write, arguments: &arguments, state: &state, asked: &asked, now };
    check(&facts, Verb::Execute)
}

fn gates(of: &Result<Passed, Refused>) -> Vec<String> {
    let findings = match of {
        Ok(passed) => &passed.findings,
        Err(refused) => &refused.findings,
    };
    findings.iter().map(|f| f.gate.clone()).collect()
}

proptest! {
    #[test]
    fn confidence_only_raises_scrutiny(
        score in prop_oneof![0.0..=1.0_f64, Just(FLOOR), Just(f64::NAN), Just(1.0)],
        pieces in 1_i64..60,
        left in 0_i64..60_000,
        status in prop::sample::select(vec!["paid", "sent", "cancelled"]),
        owner in prop::sample::select(vec![json!("cus_1"), json!("cus_2"), Json::Null]),
    ) {
        thread_local! { static GROUND: Ground = Ground::new(); }
        let order = json!({ "id": "ord_1", "customer_id": owner, "status": status,
                            "price": 1000, "left": left, "currency": "USD", "note": "" });
        let (this, surest) = GROUND.with(|ground| {
            let asked = |score| verdict(&ground.catalog, &ground.policy, &order, pieces, score);
            (asked(score), asked(1.0))
        });
        // No score gets past what stops the surest planner.
        if let Err(refused) = &surest {
            prop_assert!(this.is_err(), "{refused:?}");
        }
        if score >= FLOOR {
            prop_assert_eq!(gates(&this), gates(&surest));
            prop_assert_eq!(this.is_ok(), surest.is_ok());
        } else {
            prop_assert!(this.is_err());
            if surest.is_ok() {
                prop_assert_eq!(this.unwrap_err().code, "CONFIDENCE_TOO_LOW");
            }
        }
    }
}

#[test]
fn confidence_only_raises_scrutiny_is_about_a_floor_that_the_pack_has() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/pack");
    let catalog = countersign_executor::packs::load(&[here]).unwrap();
    let Body::Write(write) = &catalog.tools["shop.refund"].body else { panic!() };
    assert!((write.confidence.floor - FLOOR).abs() < f64::EPSILON);
}
