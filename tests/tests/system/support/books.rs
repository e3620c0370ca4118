//! Receipts against the ledger of what really happened, by content.

use std::collections::BTreeMap;

use countersign::pki::Role;
use countersign_proto::v1::{self, Action, Outcome};
use countersign_shared::money::Money;
use countersign_shared::receipt::{Receipt, opened};
use countersign_tests::sandbox::Effect;
use serde_json::{Value, json};

use super::pair::Pair;
use super::wishes::{Kind, Wish};

/// How many wishes ended in each way.
pub type Ends = BTreeMap<(Kind, String), usize>;

/// Every receipt, as the auditor gets it.
pub async fn receipts(pair: &Pair) -> Vec<Receipt> {
    let mut audit = pair.audit(Role::Auditor);
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListReceiptsRequest { page_size: 100, page_token, ..Default::default() };
        let page = audit.list_receipts(request).await.unwrap().into_inner();
        all.extend(page.receipts.iter().map(|r| opened(&r.body, &r.openings).unwrap()));
        if page.next_page_token.is_empty() {
            return all;
        }
        page_token = page.next_page_token;
    }
}

/// `countersign audit verify` over the published log, which holds so many leaves; waits
/// until they are all there.
pub async fn log_verifies(pair: &Pair, leaves: usize) {
    let words = ["audit", "verify", "state/log", "--key", "log.pub", "--live", "--json"];
    for _ in 0..100 {
        let (verifies, said) = pair.command(&words);
        assert!(verifies, "the log does not verify: {said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        if said["size"] == leaves {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the published log has not come to {leaves} leaves");
}

/// Each effect has exactly one receipt that says `applied`, with the same object, money and
/// content, and each such receipt has its effect; what was told is what the receipt says.
pub fn balance(wishes: &[Wish], receipts: &[Receipt], effects: &[Effect]) -> Ends {
    let mut ends = Ends::new();
    let (mut by_object, mut about) = (BTreeMap::new(), BTreeMap::new());
    for effect in effects {
        by_object.entry(effect.object.clone()).or_insert_with(Vec::new).push(effect);
    }
    for receipt in receipts.iter().filter(|r| !r.action_id.is_empty()) {
        let object = receipt
            .arguments
            .iter()
            .find(|a| ["order_id", "charge_id"].contains(&a.path.as_str()))
            .unwrap();
        let object = object.value.as_str().unwrap().to_owned();
        about.entry(object).or_insert_with(Vec::new).push(receipt);
    }
    for wish in wishes {
        let receipts = about.remove(&wish.object()).unwrap_or_default();
        let [receipt] = receipts.as_slice() else {
            panic!("{wish:?}: {} receipts: {receipts:#?}", receipts.len());
        };
        same(wish, receipt, &by_object.remove(&wish.object()).unwrap_or_default());
        if let Some(told) = &wish.told {
            agrees(told, receipt);
        }
        *ends.entry((wish.kind, receipt.outcome.clone())).or_default() += 1;
    }
    assert!(about.is_empty(), "receipts of what nobody wanted: {:?}", about.keys());
    assert!(by_object.is_empty(), "effects that nobody wanted: {:?}", by_object.keys());
    ends
}

fn same(wish: &Wish, receipt: &Receipt, effects: &[&Effect]) {
    let what = format!("{wish:?}\n{receipt:#?}\n{effects:#?}");
    match receipt.outcome.as_str() {
        "applied" => {}
        // Whoever carries it on cannot know that it never left: a key would settle that.
        "unknown" => {
            assert!(effects.is_empty(), "an effect that no receipt tells of: {what}");
            assert_eq!(wish.kind, Kind::Cancel, "this can be found out: {what}");
            return;
        }
        _ => {
            assert!(effects.is_empty(), "an effect that no receipt tells of: {what}");
            return;
        }
    }
    let found: Vec<Value> = effects.iter().map(|effect| content(effect)).collect();
    assert_eq!(found, wanted(wish, receipt), "{what}");
}

/// What an effect is, with what was asked for and by which mark.
fn content(effect: &Effect) -> Value {
    let money = effect.amount.as_ref().zip(effect.currency.as_ref());
    let money = money.map(|(amount, currency)| {
        Money::parse(amount, currency.parse().unwrap()).unwrap().to_string()
    });
    let detail = match effect.kind.as_str() {
        "address_changed" => {
            let part = |name: &str| effect.detail[name].clone();
            json!([part("address1"), part("city"), part("zip")])
        }
        "refund_created" => effect.detail["lines"].clone(),
        _ => Value::Null,
    };
    json!([effect.kind, effect.marker, effect.idempotency_key, money, detail])
}

/// What has to be there by the receipt: for a cancellation, all that was bought.
fn wanted(wish: &Wish, receipt: &Receipt) -> Vec<Value> {
    let key = &receipt.key;
    let money = receipt.money.map(|money| money.to_string());
    let argument = |path: &str| {
        let found = receipt.arguments.iter().find(|a| a.path == path);
        found.map_or(Value::Null, |a| a.value.clone())
    };
    match wish.kind {
        Kind::Cancel => {
            let line = format!("gid://shopify/LineItem/{}1", wish.number);
            let line = json!([{ "line": line, "quantity": 2 }]);
            vec![
                json!(["order_cancelled", key, null, null, null]),
                json!(["refund_created", null, null, money, line]),
            ]
        }
        Kind::Address => {
            let to = json!([argument("address1"), argument("city"), argument("zip")]);
            vec![
                json!(["address_changed", key, null, null, to]),
                json!(["metafield_set", key, null, null, null]),
            ]
        }
        Kind::Refund => {
            let line = argument("lines[0].line_id");
            let line = json!([{ "line": line, "quantity": argument("lines[0].quantity") }]);
            vec![json!(["refund_created", key, key, money, line])]
        }
        Kind::Charge => vec![json!(["refund_created", key, key, money, null])],
    }
}

/// RECEIPT BEFORE REPLY: what somebody was told is what the log says.
fn agrees(told: &Action, receipt: &Receipt) {
    let outcome = match told.outcome() {
        Outcome::Applied => "applied",
        Outcome::NotApplied => "not_applied",
        Outcome::Unknown => "unknown",
        Outcome::Refused => "refused",
        other => panic!("{other:?}: {told:?}"),
    };
    let said = (&told.receipt_id, &told.action_id, outcome, &told.code, &told.said);
    let written = (
        &receipt.receipt_id,
        &receipt.action_id,
        receipt.outcome.as_str(),
        &receipt.code,
        &receipt.said,
    );
    assert_eq!(said, written);
}
