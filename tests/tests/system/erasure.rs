//! Two customers do the same things; one of them is erased. Nothing of theirs is left in any
//! form, a copy from before opens nothing of theirs, and of everybody else nothing changes.

mod planner;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use countersign::pki::Role;
use countersign_executor::ports::{ReceiptQuery, SealedReceipt, Store as _};
use countersign_executor::store::sqlite::Sqlite;
use countersign_proto::v1::{self, Action, Outcome, Proposal};
use countersign_shared::receipt::{ERASED, Receipt};
use countersign_shared::tlog::key::LogKey;
use countersign_shared::turn::{Exchange, ModelCall, Told};
use countersign_tests::sandbox::Fault;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::json;

use super::support::books;
use super::support::leaks::{files, forms};
use super::support::pair::Pair;
use super::support::people::{DIRECTORY, Signer, people, seed};
use super::support::plans::{Desk, refusal};

/// What is known of customer 1 and of nobody else.
const JANE: [&str; 4] = [
    "customer1@example.com",
    "Ottilie wants the wool scarf back",
    "gid://shopify/Order/1001",
    "gid://shopify/Order/1004",
];

/// Refunds need Alice.
async fn shop() -> Pair {
    let mut pair = Pair::executor_only().await;
    let alice = Signer::new(9);
    let people = people(&[("alice", "support_lead")]);
    let edit = |name: &str, text| if name == "people.yaml" { people.clone() } else { text };
    pair.change_policy(edit, &[("alice", &alice)]);
    pair.change_pack(|name, text| {
        let approve = "approve: [{ over: { USD: \"1.00\" }, within: 30d, by: [support_lead] }]\n";
        let refund = name == "refund_lines.yaml";
        Some(if refund { format!("{text}{approve}") } else { text })
    });
    fs::write(pair.path("alice.key"), alice.secret_pem()).unwrap();
    pair.begin_anew();
    pair
}

fn command(pair: &Pair, words: &[&str], role: Role) -> (bool, String) {
    let flags = pair.executor_flags(role);
    let flags = flags.iter().map(String::as_str);
    pair.command(&words.iter().copied().chain(flags).collect::<Vec<_>>())
}

/// Cancels one order, is refused another's, and is refunded after Alice's yes.
async fn lives(
    pair: &Pair,
    customer: u32,
    orders: [&str; 2],
    elses: &str,
) -> (Action, [Proposal; 2], String) {
    let mut desk = Desk::new(pair, pair.customer(customer), &format!("c{customer}"));
    if customer == 1 {
        desk.say(JANE[1], "wool scarf");
    }
    let cancel = desk.propose_cancel(orders[1]).await.unwrap();
    let yes = desk.yes(&cancel);
    let cancelled = desk.execute(&cancel, &yes).await.unwrap();
    assert_eq!(cancelled.outcome(), Outcome::Applied, "{cancelled:?}");
    assert!(desk.propose_cancel(elses).await.is_err(), "somebody else's");
    let refund = desk.propose_refund(orders[0]).await.unwrap();
    let word = desk.yes(&refund);
    desk.execute(&refund, &word).await.unwrap();
    tell(&mut desk, orders[1]).await;
    (cancelled, [cancel, refund], yes)
}

/// The planner tells of the turn, with prompts, answers and all that was said in it.
async fn tell(desk: &mut Desk<'_>, order: &str) {
    let id = format!("gid://shopify/Order/{order}");
    let prompt = desk.words.first().map(|word| word.text.clone());
    let bodies = vec![Exchange { request: json!({ "said": prompt }), answer: id.clone() }];
    let told = Told {
        models: vec![ModelCall { bodies, ..ModelCall::default() }],
        reply: format!("{id} is cancelled, {}.", desk.who.email),
        ..Told::default()
    };
    let request = v1::RecordTurnRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: desk.conversation.clone(),
        external_ref: "T-1".into(),
        message: desk.words.first().cloned(),
        told_json: serde_json::to_string(&told).unwrap(),
    };
    desk.client.record_turn(request).await.unwrap();
}

/// How many turns and receipts an auditor finds by an address.
async fn found(pair: &Pair, email: &str) -> (usize, usize) {
    let asked = v1::FindRequest { email: email.into(), page_size: 500, ..Default::default() };
    let found = pair.audit(Role::Auditor).find(asked).await.unwrap().into_inner();
    (found.turns.len(), found.receipts.len())
}

/// The turns of a receipt's chain.
async fn chain(pair: &Pair, receipt_id: &str) -> Result<Vec<v1::RecordedTurn>, tonic::Status> {
    let asked = v1::GetChainRequest { receipt_id: receipt_id.into() };
    Ok(pair.audit(Role::Auditor).get_chain(asked).await?.into_inner().turns)
}

fn approve(pair: &Pair, proposal: &Proposal, reason: &str) {
    let words = ["approvals", "approve", &proposal.proposal_id, "--as", "alice"];
    let more = ["--issuer", DIRECTORY, "--key", "alice.key", "--kid", "alice"];
    let last = ["--reason", reason, "--yes"];
    let (done, said) = command(pair, &[&words[..], &more, &last].concat(), Role::Approver);
    assert!(done, "{said}");
}

pub fn erase(pair: &Pair, what: &[&str]) -> (bool, String) {
    let whom = ["erase", "--tenant", "demo-shop", "--subject", "customer1@example.com"];
    let owner = ["--owner", "customer_id=gid://shopify/Customer/1"];
    command(pair, &[&whom[..], &owner, what].concat(), Role::Operator)
}

/// Every form of what is hers, in one pass.
fn her_forms() -> Regex {
    let hex = |form: Vec<u8>| form.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let each = JANE.iter().flat_map(|text| forms(text.as_bytes()));
    let each: Vec<_> = each.map(|(_, form)| hex(form)).collect();
    RegexBuilder::new(&each.join("|")).unicode(false).size_limit(1 << 28).build().unwrap()
}

/// Every place in which something of hers stands.
fn hits(hers: &Regex, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in files(folder) {
        let bytes = fs::read(&file).unwrap_or_default();
        let hit = |hit: regex::bytes::Match<'_>| {
            format!("{}: {}", file.display(), String::from_utf8_lossy(hit.as_bytes()))
        };
        found.extend(hers.find_iter(&bytes).map(hit));
    }
    found
}

/// What a copy of the store gives with these keys.
async fn opened_with(pair: &Pair, name: &str, keys: &Path) -> Vec<SealedReceipt> {
    let folder = pair.path(name);
    fs::create_dir(&folder).unwrap();
    fs::copy(pair.path("before.db"), folder.join("executor.db")).unwrap();
    fs::copy(keys, folder.join("keys.db")).unwrap();
    fs::copy(pair.path("state/keys.kek"), folder.join("keys.kek")).unwrap();
    let secret = ed25519_dalek::SigningKey::from_bytes(&seed(4));
    let log = Arc::new(LogKey::new("test.countersign/log", secret).unwrap());
    let store = Sqlite::open(&folder.join("executor.db"), None, log).unwrap();
    let query = ReceiptQuery { limit: 100, ..ReceiptQuery::default() };
    let found = store.receipts(query).await.unwrap();
    drop(store);
    fs::remove_dir_all(folder).unwrap();
    found
}

/// Receipts of somebody whose openings are there, and of how many they are not.
fn readable(all: &[SealedReceipt], subject: &str) -> (usize, usize) {
    let receipts: Vec<_> = all.iter().map(|sealed| sealed.open().unwrap()).collect();
    let of = |name: &str| receipts.iter().filter(|r| r.asked.subject == name).count();
    (of(subject), of(ERASED))
}

fn of<'a>(all: &'a [Receipt], subject: &str) -> Vec<&'a Receipt> {
    all.iter().filter(|receipt| receipt.asked.subject == subject).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn erasure() {
    let mut pair = shop().await;
    let (cancelled, [cancel, hers], her_yes) = lives(&pair, 1, ["1001", "1004"], "2001").await;
    let (_, [_, his], _) = lives(&pair, 2, ["2003", "2001"], "1001").await;

    // Nothing goes while something of hers waits.
    let (done, said) = erase(&pair, &["--reason", "request 118"]);
    assert!(!done && said.contains("ERASURE_WAITS"), "{said}");
    // What staff write names people, too.
    approve(&pair, &hers, &format!("called about `{}`", JANE[1]));
    approve(&pair, &his, "looked at it");
    // Whoever mistypes a name erases nobody, and hears so.
    let nobody = ["erase", "--tenant", "demo-shop", "--subject", "customer11@example.com"];
    let (done, said) =
        command(&pair, &[&nobody[..], &["--reason", "118"]].concat(), Role::Operator);
    assert!(!done && said.contains("NOT_FOUND"), "{said}");
    // Nor under a hold.
    let (done, said) = erase(&pair, &["--hold", "case 9"]);
    assert!(done && said.contains("Held"), "{said}");
    let (done, said) = erase(&pair, &["--reason", "request 118"]);
    assert!(!done && said.contains("legal hold"), "{said}");
    assert!(erase(&pair, &["--release", "case 9 has ended"]).0);

    let before = books::receipts(&pair).await;
    let her_count = of(&before, "customer1@example.com").len();
    let his_count = of(&before, "customer2@example.com").len();
    assert!(her_count >= 3 && his_count >= 3, "{her_count} {his_count}");
    assert_eq!(found(&pair, JANE[0]).await, (1, her_count));
    let turns = chain(&pair, &cancelled.receipt_id).await.unwrap();
    assert!(turns[0].body_json.contains(JANE[1]), "{turns:?}");
    let (copied, said) = pair.command(&["backup", "--executor", "executor.yaml", "before.db"]);
    assert!(copied, "{said}");
    fs::copy(pair.path("state/keys.db"), pair.path("keys.before")).unwrap();

    let (done, said) = erase(&pair, &["--reason", "request 118"]);
    assert!(done && said.contains("Erased"), "{said}");

    // Nobody finds her, and what she said is gone from every chain; he is found as before.
    assert_eq!(found(&pair, JANE[0]).await, (0, 0));
    assert_eq!(refusal(chain(&pair, &cancelled.receipt_id).await).code, "ERASED");
    assert_eq!(found(&pair, "customer2@example.com").await, (1, his_count));

    // Her receipts say so; his, and all that is not personal, are as they were.
    let after = books::receipts(&pair).await;
    assert_eq!(of(&after, ERASED).len(), her_count);
    assert_eq!(of(&after, "customer2@example.com"), of(&before, "customer2@example.com"));
    let known = |all: &[Receipt]| {
        let facts = all.iter().rev().map(|r| (r.receipt_id.clone(), r.outcome.clone(), r.money));
        facts.take(before.len()).collect::<Vec<_>>()
    };
    assert_eq!(known(&after), known(&before));
    books::log_verifies(&pair, after.len()).await;
    let words = ["receipts", "show", &cancelled.receipt_id];
    let (done, said) = command(&pair, &words, Role::Auditor);
    assert!(done && said.contains(ERASED) && !said.contains(JANE[0]), "{said}");
    let gone = after.iter().filter_map(|r| r.change.as_ref()).filter(|c| c.new == "erased");
    assert!(gone.clone().count() >= 2 && gone.clone().all(|c| c.what.starts_with("person/")));

    // AT MOST ONE EFFECT: what she asked for before is not done again, nor told again.
    let effects = pair.effects().len();
    for restarted in [false, true] {
        if restarted {
            pair.restart_executor();
        }
        let mut desk = Desk::new(&pair, pair.customer(1), "c1");
        assert_eq!(refusal(desk.execute(&cancel, &her_yes).await).code, "ERASED");
        let mut fresh = Desk::new(&pair, pair.customer(1), "c9");
        assert_eq!(refusal(fresh.propose_cancel("1004").await).code, "ALREADY_DONE");
    }
    assert_eq!(pair.effects().len(), effects);
    // She came back, and what she asked just now is hers to have erased again.
    assert!(erase(&pair, &["--reason", "request 119"]).0);

    // A copy from before opens nothing of hers with today's keys. With the keys of that day
    // it does: those are what must not be kept.
    let (his_now, erased) = readable(
        &opened_with(&pair, "today", &pair.path("state/keys.db")).await,
        "customer2@example.com",
    );
    assert_eq!((his_now, erased), (his_count, her_count));
    let then = opened_with(&pair, "then", &pair.path("keys.before")).await;
    assert_eq!(readable(&then, "customer1@example.com"), (her_count, 0));

    // Neither files, nor their free pages, nor logs hold anything of hers, in any form.
    let (copied, said) = pair.command(&["backup", "--executor", "executor.yaml", "after.db"]);
    assert!(copied, "{said}");
    pair.stop();
    let forms_of_hers = her_forms();
    let found = hits(&forms_of_hers, pair.dir.path());
    assert!(found.is_empty(), "{}", found.join("\n"));
    // The search would have found it.
    for (form, bytes) in JANE.iter().flat_map(|text| forms(text.as_bytes())) {
        assert!(forms_of_hers.is_match(&[b"x".as_slice(), &bytes, b"y"].concat()), "{form}");
    }
}

/// What is in doubt has to be settled first: without its journal nobody could.
#[tokio::test(flavor = "multi_thread")]
async fn erasure_waits_for_what_is_in_doubt() {
    let pair = Pair::executor_only().await;
    let mut desk = Desk::new(&pair, pair.customer(1), "c1");
    let proposal = desk.propose_cancel("1001").await.unwrap();
    let yes = desk.yes(&proposal);
    pair.sandbox.fault(Fault::NoEffect);
    let done = desk.execute(&proposal, &yes).await.unwrap();
    assert_eq!(done.outcome(), Outcome::Unknown, "{done:?}");
    let (erased, said) = erase(&pair, &["--reason", "request 118"]);
    assert!(!erased && said.contains("in doubt"), "{said}");
}
