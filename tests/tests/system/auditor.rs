//! What an auditor asks beside the log: who may do what, and which credentials there are.

use std::fs;

use super::support::canary;
use super::support::pair::Pair;

fn said(pair: &Pair, words: &[&str]) -> String {
    let (good, said) = pair.command(words);
    assert!(good, "{said}");
    said
}

/// The policy that is active, whatever lies in the folder by now.
#[tokio::test(flavor = "multi_thread")]
async fn auditor_sees_the_access_that_is_active() {
    let mut pair = Pair::executor_only().await;
    pair.change_policy(|_, text| text, &[]);
    pair.begin_anew();
    let access = || said(&pair, &["audit", "access", "--config", "executor.yaml"]);
    let before = access();
    for part in [
        "customers                  propose, execute, confirm when signed in or strong",
        "staff                      nothing",
        "yes of                     the customer",
        "at most 20 actions per customer within 1h",
        "read all, change nothing   spiffe://test.countersign.internal/auditor",
        "policy                     2, active since",
        "Nobody has the role `operator`",
    ] {
        assert!(before.contains(part), "{part}: {before}");
    }
    let settings = pair.path("policy/settings.yaml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("count: 20"));
    fs::write(settings, text.replace("count: 20", "count: 2000")).unwrap();
    assert_eq!(access(), before, "a file that nobody activated changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn auditor_sees_each_credential_by_name_and_none_of_them() {
    let pair = Pair::executor_only().await;
    let all = said(&pair, &["audit", "credentials", "--config", "executor.yaml"]);
    for part in [
        "shopify_token",
        "opens    account sandbox-shop at 127.0.0.1",
        "age      0 days old",
        "for every subject of demo-shop",
        "log test.countersign/log",
    ] {
        assert!(all.contains(part), "{part}: {all}");
    }
    assert!(!all.contains(&canary::token()), "{all}");
}
