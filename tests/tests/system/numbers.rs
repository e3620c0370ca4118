//! What managers and auditors ask on the command line: sums, the review of a week, and one
//! receipt held against its proof.

use std::fs;

use countersign::pki::Role;
use countersign_proto::v1;
use countersign_shared::turn::{ModelCall, Told};
use serde_json::{Value as Json, json};

use super::chat::{SIGNING, with_chat};
use super::support::pair::Pair;
use super::support::people::Customer;
use super::support::plans::Desk;

fn this_week() -> String {
    let day = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date();
    let week = day.iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

/// A turn in which a model was asked.
async fn costs(desk: &mut Desk<'_>, cost: &str) {
    let models = vec![ModelCall { cost: cost.to_owned(), ..ModelCall::default() }];
    let told = Told { models, ..Told::default() };
    let request = v1::RecordTurnRequest {
        subject_token: desk.who.token.clone(),
        conversation_id: desk.conversation.clone(),
        told_json: serde_json::to_string(&told).unwrap(),
        ..v1::RecordTurnRequest::default()
    };
    desk.client.record_turn(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_told_on_the_command_line() {
    let pair = Pair::executor_only().await;
    Desk::new(&pair, pair.customer(1), "c1").cancel("1001").await.unwrap();
    let flags = pair.executor_flags(Role::Auditor);
    let at = |words: &[&str]| {
        let flags = flags.iter().map(String::as_str);
        pair.command(&words.iter().copied().chain(flags).collect::<Vec<_>>())
    };
    let (good, said) = at(&["analytics"]);
    assert!(good && said.contains("APPLIED") && said.lines().count() > 7, "{said}");
    assert!(said.contains("Cost per conversation: no call of a model had a price"), "{said}");
    assert!(said.contains("Satisfaction: no frontend sent a rating."), "{said}");
    for (conversation, cost) in [("c1", "0.000500 USD"), ("c1", "1.000000 USD"), ("c2", "")] {
        costs(&mut Desk::new(&pair, pair.customer(1), conversation), cost).await;
    }
    let (good, said) = at(&["analytics"]);
    let is = "Cost per conversation: USD 1.000500, of USD 1.000500 in 1 conversation.";
    assert!(good && said.contains(is), "{said}");
    let (good, said) = at(&["analytics", "--since", "30d", "--weekly", "--json"]);
    assert!(good, "{said}");
    let all: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(all["total"]["applied"], 1, "{all:#}");
    let cost = json!({
        "currency": "USD", "amount": "1.000500", "conversations": 1, "each": "1.000500",
    });
    assert_eq!(all["total"]["costs"], json!([cost]), "{all:#}");
    let bucket = all["buckets"].as_array().unwrap().last().unwrap();
    for course in ["reasons", "refusals", "moved", "waited", "wait_median_ms", "wait_p90_ms"] {
        assert!(!bucket[course].is_null(), "{course}: {all:#}");
    }
    // The last whole week is the one before the one that is asked for.
    let week = this_week();
    let (good, said) = at(&["review", "--week", &week]);
    assert!(good && said.starts_with(&format!("# Review of {week}")), "{said}");
    let (good, said) = at(&["review"]);
    assert!(good && said.starts_with("# Review of ") && !said.contains(&week), "{said}");

    let (good, said) = at(&["actions", "--outcome", "nope"]);
    assert!(!good && said.contains("not_applied") && said.contains("waiting"), "{said}");
    let (good, list) = at(&["actions", "--outcome", "applied", "--json"]);
    assert!(good, "{list}");
    let action: Json = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    let id = action["receipt"].as_str().unwrap();
    // What the timeline ends with is a whole command.
    let (good, timeline) = at(&["actions", "--show", id]);
    let line = timeline.lines().rev().find(|line| line.contains("receipts show")).unwrap();
    let (_, line) = line.split_once("countersign ").unwrap();
    let (proved, proof) = pair.command(&line.split(' ').collect::<Vec<_>>());
    assert!(good && proved, "{line}: {proof}");

    // The proof in a file of its own is checked without the executor.
    // What was shown on standard error follows it here.
    let file = proof.split("verified: ").next().unwrap();
    fs::write(pair.path("rcp.tlog-proof"), file).unwrap();
    let (good, receipt) = at(&["receipts", "show", id, "--json"]);
    assert!(good, "{receipt}");
    fs::write(pair.path("rcp.json"), &receipt).unwrap();
    let verify = ["audit", "verify", "rcp.json", "--proof", "rcp.tlog-proof", "--key", "log.pub"];
    let (good, said) = pair.command(&verify);
    assert!(good && said.contains("rcp.json is in the log."), "{said}");
    fs::write(pair.path("rcp.json"), receipt.replacen("applied", "refused", 1)).unwrap();
    let (good, said) = pair.command(&verify);
    assert!(!good && said.contains("is NOT shown to be in the log"), "{said}");
}

struct Frontend<'a> {
    pair: &'a Pair,
    http: reqwest::Client,
}

impl Frontend<'_> {
    async fn post(&self, path: &str, who: &Customer, key: &str, body: &Json) -> u16 {
        let request = self
            .http
            .post(format!("{}/v1/{path}", self.pair.chat()))
            .bearer_auth(key)
            .header("x-subject-token", &who.token)
            .header("x-openwebui-chat-id", "rated-1")
            .json(body);
        request.send().await.unwrap().status().as_u16()
    }

    /// The first turn is told after its answer.
    async fn rate_once_told(&self, who: &Customer, body: &Json) -> u16 {
        for _ in 0..200 {
            let status = self.post("conversations/rated-1/rating", who, SIGNING, body).await;
            if status != 404 && status != 429 {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the turn was not told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_have_the_latest_rating_of_ones_own_conversation() {
    let pair = with_chat().await;
    let (who, other) = (pair.customer(1), pair.customer(2));
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let frontend = Frontend { pair: &pair, http };
    let hello = json!({ "role": "user", "content": "which orders do I have?" });
    let said = json!({ "model": "countersign", "messages": [hello] });
    assert_eq!(frontend.post("chat/completions", &who, SIGNING, &said).await, 200);
    assert_eq!(frontend.rate_once_told(&who, &json!({ "score": 2 })).await, 204);
    let path = "conversations/rated-1/rating";
    for (path, who, key, body, is) in [
        (path, &who, SIGNING, json!({ "score": 0 }), 400),
        (path, &who, SIGNING, json!({ "score": 6 }), 400),
        (path, &who, SIGNING, json!({ "score": "5" }), 400),
        (path, &who, SIGNING, json!({ "score": 5, "comment": "x" }), 400),
        (path, &who, "no-key-of-any-frontend-here", json!({ "score": 5 }), 401),
        (path, &other, SIGNING, json!({ "score": 1 }), 404),
        ("conversations/rated-2/rating", &who, SIGNING, json!({ "score": 1 }), 404),
    ] {
        assert_eq!(frontend.post(path, who, key, &body).await, is, "{path} {body}");
    }
    // Over gRPC as well, and the latest counts.
    let rate = |conversation: &str, score| v1::RateRequest {
        subject_token: who.token.clone(),
        conversation_id: conversation.to_owned(),
        score,
    };
    pair.planner().rate(rate("rated-1", 5)).await.unwrap();
    let refused = pair.planner().rate(rate("rated-1", 9)).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    let foreign = pair.planner().rate(rate("rated-2", 5)).await.unwrap_err();
    assert_eq!(foreign.code(), tonic::Code::NotFound, "{foreign}");

    let flags = pair.executor_flags(Role::Auditor);
    let at = |words: &[&str]| {
        let flags = flags.iter().map(String::as_str);
        pair.command(&words.iter().copied().chain(flags).collect::<Vec<_>>())
    };
    let (good, said) = at(&["analytics"]);
    let is = "Satisfaction, as frontends say: 5.00 of 5, 100 % gave 4 or 5, 1 rated.";
    assert!(good && said.contains(is), "{said}");
    let (good, said) = at(&["analytics", "--json"]);
    assert!(good, "{said}");
    let all: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(all["total"]["ratings"], json!({ "count": 1, "mean": "5.00", "high": 1 }));
}
