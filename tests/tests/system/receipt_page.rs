//! A customer's receipt has a page: the reply leads to it, and only the link that the executor
//! made opens it (NO CLAIM WITHOUT A RECEIPT).

use countersign_tests::sandbox::StaffAct;
use reqwest::header::{CACHE_CONTROL, REFERRER_POLICY};
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::action_flow::converse;
use super::erasure::erase;
use super::one_time_page::page_from_the_next_start;
use super::support::browser;
use super::support::hook::Hook;
use super::support::pair::Pair;

/// What was told of a receipt, and the link to it.
fn told(reply: &str) -> (&str, &str) {
    reply.split_once("\n\nYour receipt: ").unwrap_or_else(|| panic!("no link: {reply}"))
}

/// Has an order cancelled in a chat; answers with the receipt, what was told and the link.
async fn cancelled(pair: &Pair, order: &str) -> (String, String, String) {
    let (who, wish) = (pair.customer(1), format!("please cancel my order #{order}"));
    let asked = converse(pair, &who, &format!("m{order}"), &wish, None).await;
    assert!(!asked.turn.reply.contains("http"), "nothing is done yet: {}", asked.turn.reply);
    let done = converse(pair, &who, &format!("yes{order}"), "yes", asked.card.as_ref()).await.turn;
    let (words, link) = told(&done.reply);
    (done.actions[0].receipt_id.clone(), words.to_owned(), link.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_page_says_what_the_reply_said_to_whoever_has_its_link() {
    let hook = Hook::start().await;
    let mut pair = Pair::executor_only().await;
    let phone = page_from_the_next_start(&pair, &hook);
    pair.restart_executor();
    pair.start_planner("{ kind: offline }");
    let (id, words, link) = cancelled(&pair, "1001").await;
    let (other, _, others) = cancelled(&pair, "1004").await;
    let path = link.strip_prefix(&phone.origin).unwrap();
    assert!(path.starts_with(&format!("/receipt/{id}/")) && words.contains("#1001"), "{link}");

    let seen = phone.send(Method::GET, path).await;
    assert_eq!(seen.headers()[CACHE_CONTROL], "no-store");
    let referrers: Vec<_> = seen.headers().get_all(REFERRER_POLICY).iter().collect();
    assert_eq!(referrers, ["no-referrer"]);

    let (stem, secret) = path.rsplit_once('/').unwrap();
    let first = if secret.starts_with('A') { 'B' } else { 'A' };
    let altered = format!("{stem}/{first}{}", &secret[1..]);
    let swapped = format!("/receipt/{other}/{secret}");
    let proposals = format!("/yes/{id}/{secret}");
    let none = format!("/receipt/none/{secret}");
    let (bare, empty) = (stem.to_owned(), format!("{stem}/"));
    let shorter = path[..path.len() - 1].to_owned();
    let no_text = "/receipt/%FF/x".to_owned();
    for wrong in [altered, swapped, proposals, none, bare, empty, shorter, no_text] {
        let answer = phone.send(Method::GET, &wrong).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{wrong}");
        let text = answer.text().await.unwrap();
        assert!(text.contains("This link does not work") && !text.contains("#1001"), "{text}");
    }

    for restarted in [false, true] {
        if restarted {
            pair.restart_executor();
        }
        let page = phone.read(path).await;
        for part in ["<h1>Done</h1>", "<dt>Amount</dt>", &words, &id] {
            assert!(page.contains(part), "{part}: {page}");
        }
        for absent in ["customer1@example.com", "<form", "chat-1"] {
            assert!(!page.contains(absent), "{absent}: {page}");
        }
    }
    assert!(phone.read(others.strip_prefix(&phone.origin).unwrap()).await.contains("#1004"));

    let steps = json!([
        { "open": link },
        { "wait": "h1", "text": "Done" },
        { "axe": "receipt" },
        { "shot": "receipt" },
        { "dark": true },
        { "axe": "receipt, dark" },
        { "shot": "receipt-dark" },
    ]);
    browser::play(&pair, None, steps).await;

    let (done, said) = erase(&pair, &["--reason", "request 118"]);
    assert!(done, "{said}");
    let page = phone.read(path).await;
    assert!(page.contains("is erased") && page.contains("<h1>Done</h1>"), "{page}");
    assert!(!page.contains("#1001") && page.contains(&id), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipt_page_is_linked_where_a_yes_is_refused_and_where_it_was_done_before() {
    let hook = Hook::start().await;
    let mut pair = Pair::executor_only().await;
    let phone = page_from_the_next_start(&pair, &hook);
    pair.restart_executor();
    pair.start_planner("{ kind: offline }");
    let (who, wish) = (pair.customer(1), "please cancel my order #1001");
    let asked = converse(&pair, &who, "m1", wish, None).await;
    pair.sandbox.staff("#1001", &StaffAct::Refund { amount: Some("10.00".into()) }).unwrap();
    let changed = converse(&pair, &who, "yes1", "yes", asked.card.as_ref()).await;
    let refused = told(&changed.turn.reply).1.strip_prefix(&phone.origin).unwrap().to_owned();
    let page = phone.read(&refused).await;
    assert!(page.contains("<h1>Changed meanwhile</h1>"), "{page}");

    let done = converse(&pair, &who, "yes2", "yes", changed.card.as_ref()).await.turn;
    let again = converse(&pair, &who, "m2", wish, None).await.turn;
    assert_eq!(again.actions[0].code, "ALREADY_DONE", "{again:?}");
    assert_eq!(told(&again.reply).1, told(&done.reply).1);
}
