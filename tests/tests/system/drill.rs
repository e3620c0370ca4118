//! The drill: six different causes among many conversations, and from the customer's
//! address and a day alone the exact cause of each, in at most three commands.
//!
//! `COUNTERSIGN_DRILL=1000` for the whole drill, `COUNTERSIGN_SEED` for other places.

mod complaint;
mod house;
mod plant;

use countersign::pki::Role;
use futures_util::StreamExt as _;

use super::support::pair::Pair;
use complaint::Complaint;
use house::House;

/// Conversations where nothing says otherwise.
const SIZE: usize = 60;
/// Conversations at once.
const AT_ONCE: usize = 4;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// SplitMix64: places that a seed repeats.
fn places(seed: u64, size: usize) -> Vec<usize> {
    let (mut state, mut found) = (seed, Vec::new());
    while found.len() < plant::ALL.len() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let place = usize::try_from(z ^ (z >> 31)).unwrap() % size;
        if !found.contains(&place) {
            found.push(place);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn drill() {
    let size = number("COUNTERSIGN_DRILL", SIZE);
    let seed = u64::try_from(number("COUNTERSIGN_SEED", 7)).unwrap();
    let places = places(seed, size);
    let mut house = House::open(size).await;
    let (mut complaints, mut plain) = (Vec::new(), Vec::new());
    for n in 0..size {
        match places.iter().position(|place| *place == n) {
            None => plain.push(n),
            Some(which) => {
                chat(&house, &std::mem::take(&mut plain)).await;
                complaints.push(plant::ALL[which](&house, n).await);
            }
        }
    }
    chat(&house, &plain).await;
    if let Some(late) = complaints.iter_mut().find(|complaint| complaint.waits()) {
        house.change_policy().await;
        plant::confirm_late(&house, late).await;
    }
    house.told(size).await;
    for complaint in &complaints {
        look_into(&house.pair, complaint);
    }
    let wrong = complaints.iter().find(|complaint| complaint.kind == "wrong_entity").unwrap();
    // The other way round: who acted on this order?
    let said = run(&house.pair, &["audit", "find", "--value", "1004"]);
    assert!(said.contains(&wrong.email), "{said}");
    replayed(&house.pair, (0..size).find(|n| !places.contains(n)).unwrap());
    // And no cause where there is none.
    for n in (0..size).filter(|n| !places.contains(n)).take(5) {
        let (receipts, _) = find(&house.pair, &house::email(n), &[]);
        let said = on_one_line(&chain(&house.pair, &receipts[0]));
        assert!(said.contains("not decided The facts show no cause"), "{n}: {said}");
    }
}

/// Conversations in which nothing goes wrong.
async fn chat(house: &House, which: &[usize]) {
    let each = which.iter().map(|n| house.cancel(*n));
    let told = futures_util::stream::iter(each).buffer_unordered(AT_ONCE);
    let told: Vec<_> = told.collect().await;
    assert!(told.iter().all(|outcome| outcome == "applied"), "{told:?}");
}

/// A whole conversation by its ticket, in the order in which it happened.
fn replayed(pair: &Pair, n: usize) {
    let said = on_one_line(&run(pair, &["replay", "--ticket", &format!("T-{n}")]));
    let order = format!("please cancel my order #{}", house::order(n));
    let steps = [order.as_str(), "propose shopify.cancel_order", "Done by the executor", "applied"];
    let places: Vec<_> = steps.iter().map(|step| said.find(step)).collect();
    assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}: {said}");
    let json = run(pair, &["replay", "--ticket", &format!("T-{n}"), "--json"]);
    let steps = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(steps.count(), 3, "two turns and a receipt: {json}");
}

/// From an address and a day to the cause: two commands, and one more for who wrote just
/// after midnight.
fn look_into(pair: &Pair, complaint: &Complaint) {
    let (mut receipts, mut found) = find(pair, &complaint.email, &["--on", &complaint.day]);
    if receipts.is_empty() {
        let day: jiff::civil::Date = complaint.day.parse().unwrap();
        let before = day.yesterday().unwrap().to_string();
        (receipts, found) = find(pair, &complaint.email, &["--on", &before]);
    }
    let receipt = receipts.first().unwrap_or_else(|| panic!("{complaint:?}: {found}"));
    let shown = chain(pair, receipt);
    println!("{found}\n{shown}");
    let said = on_one_line(&shown);
    let (_, cause) = said.rsplit_once("Cause ").unwrap();
    assert!(cause.starts_with(complaint.kind), "{complaint:?}: {cause}\n{said}");
    for part in &complaint.says {
        assert!(cause.contains(part), "{part} of {complaint:?}: {cause}\n{said}");
    }
}

/// `audit find`: the receipts that it names, newest first, and what it printed.
fn find(pair: &Pair, email: &str, more: &[&str]) -> (Vec<String>, String) {
    let said = run(pair, &[&["audit", "find", "--email", email], more].concat());
    let ids = regex::Regex::new("rcp_[0-9a-z]{26}").unwrap();
    (ids.find_iter(&said).map(|id| id.as_str().to_owned()).collect(), said)
}

/// `audit chain`, with its proof checked.
fn chain(pair: &Pair, receipt: &str) -> String {
    run(pair, &["audit", "chain", receipt, "--key", "log.pub"])
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run(pair: &Pair, words: &[&str]) -> String {
    let flags = pair.executor_flags(Role::Auditor);
    let words: Vec<_> = words.iter().copied().chain(flags.iter().map(String::as_str)).collect();
    let (done, said) = pair.command(&words);
    assert!(done, "{words:?}: {said}");
    said
}
