//! Rows beside the receipts: found by everything that is asked, counted for ever, and of an
//! erased person only counted.

use countersign_core::person::Person;
use countersign_shared::codes::Code;
use countersign_shared::money::{Currency, Money};
use countersign_shared::receipt::{Argument, Counted, Grant};

use super::*;
use crate::register::{Amounts, Day, Mark, Part, Place, Search, begin_of, day_of};

const NOON: &str = "2026-11-16T12:00:00Z";

fn noon() -> Timestamp {
    NOON.parse().unwrap()
}

/// A receipt of no action, minutes after noon.
fn at(n: u32, change: impl FnOnce(&mut Leaf)) -> Leaf {
    let mut leaf = leaf(n);
    leaf.receipt.sealed_at = noon() + Duration::from_secs(60 * u64::from(n));
    leaf.receipt.outcome = "applied".into();
    leaf.receipt.code = String::new();
    leaf.receipt.contract = "d".into();
    change(&mut leaf);
    leaf
}

fn usd(minor: i64) -> Option<Money> {
    Some(Money::from_minor(minor, "USD".parse::<Currency>().unwrap()))
}

fn argument(value: &str) -> Argument {
    let text = |text: &str| text.to_owned();
    Argument { path: text("order"), value: value.into(), from: text("observation"), at: text("o") }
}

fn approval(by: &str, kind: &str) -> Grant {
    let text = |text: &str| text.to_owned();
    Grant {
        kind: text(kind),
        by: text(by),
        issuer: String::new(),
        role: text("lead"),
        reason: String::new(),
        at: noon(),
        card: String::new(),
        text: text("Refund?"),
        signature: serde_json::Value::Null,
    }
}

/// Five actions of two tenants, and a change of the executor itself.
async fn world(store: &dyn Store) {
    let facts = serde_json::json!([{ "ask": { "asked": { "subject": {
        "signs_as": "s", "claims": { "email": "Ann@Example.com" } } } } }]);
    let leaves = [
        at(0, |leaf| {
            leaf.receipt.money = usd(5_000);
            leaf.receipt.facts = facts;
            leaf.receipt.arguments = vec![argument("gid://shopify/Order/1001")];
            leaf.receipt.before = serde_json::json!({ "order_name": "#1001", "paid": true });
            leaf.receipt.asked.external_ref = "TICKET-1".into();
        }),
        at(1, |leaf| {
            leaf.receipt.money = usd(90_000);
            leaf.receipt.tool = "p.u".into();
            leaf.receipt.grants = vec![approval("anna", "approval"), approval("ben", "rejection")];
            leaf.receipt.proposal_id = "prp_01kc4qd2000000000000000000".into();
        }),
        at(2, |leaf| {
            leaf.receipt.outcome = "refused".into();
            leaf.receipt.code = "ORDER_NOT_PAID".into();
            leaf.receipt.asked.conversation = "other".into();
        }),
        at(3, |leaf| {
            leaf.receipt.tenant = "u".into();
            leaf.receipt.asked.external_ref = "TICKET-1".into();
            leaf.receipt.money = usd(5_000);
        }),
        at(4, |leaf| {
            leaf.receipt.asked.subject = "other".into();
            leaf.person =
                Person::Named { tenant: "t".into(), issuer: "i".into(), id: "other".into() };
        }),
        seal::changed(changed(), &id("rcp", 5).parse().unwrap(), noon()),
    ];
    for leaf in leaves {
        store.seal(leaf, None).await.unwrap();
    }
}

fn changed() -> countersign_shared::receipt::Change {
    let text = |text: &str| text.to_owned();
    countersign_shared::receipt::Change {
        what: text("switch/all"),
        old: text("on"),
        new: text("off"),
        reason: text("r"),
        by: vec![],
        note: String::new(),
    }
}

async fn found(store: &dyn Store, search: Search) -> Vec<u64> {
    let limit = if search.limit == 0 { 50 } else { search.limit };
    let found = store.search(Search { limit, ..search }).await.unwrap();
    found.into_iter().map(|found| found.index).collect()
}

fn marked(mark: Mark, text: &str) -> Search {
    Search { marks: vec![(mark, text.to_owned())], ..Search::default() }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub(crate) async fn actions_are_found_by_each_filter(bed: &impl Bed) {
    let store = bed.open().await;
    let store = &*store;
    world(store).await;
    let all = Search::default();
    assert_eq!(found(store, all.clone()).await, [4, 3, 2, 1, 0], "newest first; no changes");
    for (search, is) in [
        (Search { tenant: text("t"), ..all.clone() }, vec![4, 2, 1, 0]),
        (Search { tenant: text("u"), ..all.clone() }, vec![3]),
        (Search { paid: true, ..all.clone() }, vec![3, 1, 0]),
        (Search { tool: text("p.u"), ..all.clone() }, vec![1]),
        (Search { tool: text("p.*"), ..all.clone() }, vec![4, 3, 2, 1, 0]),
        (Search { tool: text("p.u.*"), ..all.clone() }, vec![]),
        (Search { tool: text(".*"), ..all.clone() }, vec![]),
        (Search { outcome: text("refused"), ..all.clone() }, vec![2]),
        (Search { code: text("ORDER_NOT_PAID"), ..all.clone() }, vec![2]),
        (Search { part: Some(Part::Answered), ..all.clone() }, vec![1]),
        (Search { part: Some(Part::Settled), ..all.clone() }, vec![]),
        (Search { part: Some(Part::Overrode), ..all.clone() }, vec![1]),
        (Search { part: Some(Part::None), outcome: text("applied"), ..all.clone() }, vec![4, 3, 0]),
        (Search { from: Some(noon() + Duration::from_secs(180)), ..all.clone() }, vec![4, 3]),
        (Search { to: Some(noon() + Duration::from_secs(60)), ..all.clone() }, vec![0]),
        (marked(Mark::Customer, " ann@example.COM "), vec![0]),
        (marked(Mark::Customer, "other"), vec![4]),
        (marked(Mark::Customer, "nobody@example.com"), vec![]),
        (marked(Mark::Value, "1001"), vec![0]),
        (marked(Mark::Value, "#1001"), vec![0]),
        (marked(Mark::Value, "gid://shopify/Order/1001"), vec![0]),
        (marked(Mark::Conversation, "other"), vec![2]),
        (marked(Mark::Ticket, "TICKET-1"), vec![3, 0]),
        (marked(Mark::Approver, "ben"), vec![1]),
        (Search { tenant: text("t"), ..marked(Mark::Ticket, "TICKET-1") }, vec![0]),
        (Search { tenant: text("u"), ..marked(Mark::Customer, "ann@example.com") }, vec![]),
        (Search { tool: text("p.u"), outcome: text("refused"), ..all.clone() }, vec![]),
    ] {
        assert_eq!(found(store, search.clone()).await, is, "{search:?}");
    }
    let both = [(Mark::Ticket, "TICKET-1".to_owned()), (Mark::Value, "1001".to_owned())];
    assert_eq!(found(store, Search { marks: both.to_vec(), ..all.clone() }).await, [0]);
    let amount = |least, most| {
        let currency = "USD".parse().unwrap();
        Search { amount: Some(Amounts { currency, least, most }), ..Search::default() }
    };
    assert_eq!(found(store, amount(5_000, 5_000)).await, [3, 0]);
    assert_eq!(found(store, amount(5_001, i64::MAX)).await, [1]);
    let one = &store.search(Search { limit: 1, tool: text("p.u"), ..all }).await.unwrap()[0].entry;
    let votes: Vec<_> = one.votes.iter().map(|vote| (vote.by.as_str(), vote.yes)).collect();
    assert_eq!(votes, [("anna", true), ("ben", false)]);
    assert_eq!((one.money, one.at), (usd(90_000), noon() + Duration::from_secs(60)));
}

pub(crate) async fn pages_of_actions_follow_each_other(bed: &impl Bed) {
    let store = bed.open().await;
    world(&*store).await;
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = Search { after, limit: 2, ..Search::default() };
        let page = store.search(page).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Place::read(&last.place().token());
        // Whatever comes meanwhile is on no later page.
        let n = 20 + u32::try_from(seen.len()).unwrap();
        seen.extend(page.iter().map(|found| found.index));
        store.seal(at(n, |_| {}), None).await.unwrap();
    }
    assert_eq!(seen, [4, 3, 2, 1, 0]);
}

pub(crate) async fn days_are_summed_with_the_receipts(bed: &impl Bed) {
    let store = bed.open().await;
    world(&*store).await;
    let day = day_of(noon());
    let days = store.days(text("t"), day..day + 1).await.unwrap();
    let actions: i64 = days.iter().map(|day| day.actions).sum();
    assert_eq!(actions, 4);
    let tool: Vec<_> = days.iter().filter(|day| day.tool == "p.u").collect();
    let [sum] = &tool[..] else { panic!("{tool:?}") };
    assert_eq!((sum.minor, sum.contained, sum.approvals, sum.rejections), (90_000, 0, 1, 1));
    assert_eq!(store.days(None, day..day + 1).await.unwrap().len(), days.len() + 1);
    assert_eq!(store.days(None, day + 1..day + 9).await.unwrap(), []);
    let waits = store.waits(None, begin_of(day)..begin_of(day + 1)).await.unwrap();
    assert_eq!(waits.iter().map(|wait| wait.day).collect::<Vec<_>>(), [day]);
    assert_eq!(store.waits(text("u"), begin_of(day)..begin_of(day + 1)).await.unwrap(), []);
}

pub(crate) async fn each_thing_is_counted_once(bed: &impl Bed) {
    let store = bed.open().await;
    let codes = [("RULE_ERROR".to_owned(), 3), ("UNKNOWN_TOOL".to_owned(), 40)];
    let many = Counted { since: noon(), until: noon(), codes: codes.into() };
    let answered = vec![approval("anna", "approval"), approval("ben", "rejection")];
    let settling = [answered.clone(), vec![approval("cleo", "finish")]].concat();
    let tokens = |leaf: &mut Leaf| {
        leaf.receipt.asked.input_tokens = 7;
        leaf.receipt.proposal_id = "prp_01kc4qd2000000000000000000".into();
    };
    let state = lifecycle(&[proposed(3, "i3", "o3")]);
    let no = Refused::new(Code::ApprovalInvalid, "no");
    let void = seal::not_granted(&state, None, &no, &id("rcp", 3).parse().unwrap(), noon());
    let leaves = [
        at(0, |leaf| {
            tokens(leaf);
            leaf.receipt.outcome = "unknown".into();
            leaf.receipt.grants = answered;
        }),
        at(1, |leaf| {
            tokens(leaf);
            leaf.receipt.grants = settling;
        }),
        seal::counted("c", "t", many, &id("rcp", 2).parse().unwrap(), noon()),
        void,
        at(4, |leaf| leaf.receipt.outcome = "not_applied".into()),
        at(5, |leaf| {
            leaf.receipt.code = Code::HumanDisagrees.name().into();
            leaf.receipt.grants = vec![approval("cleo", "finish")];
        }),
        // A handover that somebody ended.
        at(6, |leaf| {
            leaf.receipt.outcome = "refused".into();
            leaf.receipt.code = Code::Escalated.name().into();
            leaf.receipt.grants = vec![approval("cleo", "finish")];
        }),
    ];
    for leaf in leaves {
        store.seal(leaf, None).await.unwrap();
    }
    let day = day_of(noon());
    let days = store.days(text("t"), day..day + 1).await.unwrap();
    let sum = |of: fn(&Day) -> i64| days.iter().map(of).sum::<i64>();
    let acted = days.iter().filter(|day| !day.settles).map(|day| day.actions).sum::<i64>();
    assert_eq!(acted, 45, "{days:?}");
    assert_eq!((sum(|d| d.approvals), sum(|d| d.rejections), sum(|d| d.tokens)), (1, 1, 7));
    let refused = |code: &str| {
        let of = days.iter().filter(|day| day.outcome == "refused" && day.code == code);
        of.map(|day| (day.actions, day.contained)).collect::<Vec<_>>()
    };
    assert_eq!((refused("RULE_ERROR"), refused("UNKNOWN_TOOL")), (vec![(3, 3)], vec![(40, 40)]));
    assert_eq!((refused(""), refused("APPROVAL_INVALID")), (vec![], vec![]));
    let waits = store.waits(None, begin_of(day)..begin_of(day + 1)).await.unwrap();
    assert_eq!(waits.len(), 1);
    let store = &*store;
    let of = |part| Search { part: Some(part), ..Search::default() };
    assert_eq!(found(store, of(Part::Answered)).await, [0]);
    assert_eq!(found(store, of(Part::Settled)).await, [1]);
    assert_eq!(found(store, of(Part::Overrode)).await, [1, 0]);
    // An answer that did not count is no action; no column of its row tells it apart.
    assert_eq!(found(store, of(Part::First)).await, [4, 3, 2, 0]);
    assert_eq!(found(store, of(Part::None)).await, [4, 3, 2]);
    assert_eq!(found(store, of(Part::Needed)).await, [0]);
    assert_eq!(found(store, marked(Mark::Approver, "anna")).await, [0]);
    assert_eq!(found(store, marked(Mark::Approver, "cleo")).await, [6, 5, 1]);
    // As the review leads to an approver's answers.
    let answers = |who| Search { part: Some(Part::Answered), ..marked(Mark::Approver, who) };
    assert_eq!(found(store, answers("anna")).await, [0]);
    assert_eq!(found(store, answers("cleo")).await, [0_u64; 0]);
}

pub(crate) async fn whoever_is_erased_is_not_found_and_still_counted(bed: &impl Bed) {
    let store = bed.open().await;
    world(&*store).await;
    let day = day_of(noon());
    let before = store.days(text("t"), day..day + 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2)).await;
    let person = store.person(&Person::of(&owner()));
    let says = seal::changed(changed(), &id("rcp", 9).parse().unwrap(), noon());
    store.erase(vec![(person, says)], Timestamp::now()).await.unwrap().unwrap();
    for _ in 0..2 {
        for (mark, gone) in [
            (Mark::Customer, "ann@example.com"),
            (Mark::Customer, "s"),
            (Mark::Value, "1001"),
            (Mark::Conversation, "other"),
        ] {
            assert_eq!(found(&*store, marked(mark, gone)).await, [0_u64; 0], "{gone}");
        }
        assert_eq!(found(&*store, marked(Mark::Customer, "other")).await, [4], "somebody else");
        assert_eq!(store.days(text("t"), day..day + 1).await.unwrap(), before);
    }
    // As before after a restart.
    drop(store);
    let store = bed.open().await;
    assert_eq!(found(&*store, marked(Mark::Customer, "ann@example.com")).await, [0_u64; 0]);
    assert_eq!(store.days(text("t"), day..day + 1).await.unwrap(), before);
}
